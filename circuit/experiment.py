# SPDX-License-Identifier: GPL-3.0-or-later
"""What an experiment is: sizes, numerics, protocol, drug, recording, and the numbers of the model it runs on.

Every experiment is a small file over configs/baseline.yaml. Nothing has a default here: the numbers are in configs/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction as Ratio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from circuit.parameter import Model, Text
from circuit.schema import Parameters
from circuit.units import Duration, Quantity, number, quantity

if TYPE_CHECKING:
    import numpy as np

DrugConcentration = quantity("uM", "nM", "mM", ge=0, le=1000)
RecordingStep = quantity("ms", "us", "s", gt=0, le=1000)
Phase = quantity("s", "ms", "min", "h", ge=0, le=86400)
TimeStep = quantity("ms", "us", ge=0.001, le=0.5)
NetworkSize = number(whole=True, ge=500, le=1_000_000)
Seed = number(whole=True, ge=0, le=2**32 - 1)
TracedCells = number(whole=True, ge=0, le=100)
Acceleration = number(ge=1, le=10_000)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


class Network(Model):
    """Size of the circuit; the populations' shares are numbers of the model."""

    num_neurons: NetworkSize


class Numerics(Model):
    """Time steps, floating-point precision, and how much faster than life a channel block settles."""

    dt: TimeStep
    block_step: RecordingStep
    precision: Literal["double", "single"]
    block_acceleration: Acceleration


class Protocol(Model):
    """Phases in their order: settle (discarded), baseline, then the drug: transition (not analysed) and drug."""

    t_settle: Phase
    t_baseline: Phase
    t_transition: Phase
    t_drug: Phase


class Step(Model):
    """A free concentration from a time on; the time counts from the start of the run."""

    time: Duration
    concentration: DrugConcentration


class Drug(Model):
    """A blocker with one concentration from the end of the baseline on, or with a schedule of steps."""

    name: Literal["none", "ketamine"]
    concentration: DrugConcentration | None = None
    schedule: Annotated[tuple[Step, ...], Field(min_length=1)] | None = None


class Recording(Model):
    """What is kept: `trace_step` of traces, `lfp_step` of the column's clock, traced cells per population."""

    trace_step: RecordingStep
    lfp_step: RecordingStep
    num_traced: TracedCells


class Settings(Model):
    """An experiment as its file says it, without the numbers of the model."""

    title: Annotated[Text, AfterValidator(_one_line)]
    seed: Seed
    network: Network
    numerics: Numerics
    protocol: Protocol
    drug: Drug
    recording: Recording


class Experiment(Settings):
    """All there is to know to run: settings and numbers. Made by `circuit.config.load`."""

    numbers: Parameters

    @property
    def drug_onset(self) -> Quantity:
        """End of the baseline, from the start of the run."""
        return _seconds(onset(self.protocol))

    @property
    def duration(self) -> Quantity:
        """Length of the run."""
        return _seconds(end(self.protocol))

    @property
    def drug_steps(self) -> tuple[tuple[Quantity, Quantity], ...]:
        """Times and the free concentration from each on; empty without a drug."""
        if self.drug.schedule is not None:
            return tuple((step.time, step.concentration) for step in self.drug.schedule)
        if self.drug.name == "none" or self.drug.concentration is None:
            return ()
        return ((self.drug_onset, self.drug.concentration),)

    def concentration_at(self, times_s: np.ndarray) -> np.ndarray:
        """Return the free drug concentration in uM at times in s.

        Parameters
        ----------
        times_s : ndarray, shape (...)
            From the start of the run. A time within 1 ns of a step counts as on it, whatever its rounding.

        Returns
        -------
        ndarray, shape (...)
        """
        import numpy as np

        steps = np.array([time.si for time, _ in self.drug_steps])
        levels = np.array([0.0] + [concentration.to("uM") for _, concentration in self.drug_steps])
        return levels[np.searchsorted(steps, np.asarray(times_s) + 1e-9, side="right")]

    def resolved(self) -> dict[str, Any]:
        """Return everything as plain data with units in text; `circuit.config.load` reads it back as an equal one."""
        data = self.model_dump(mode="json", exclude={"numbers"}, exclude_none=True)
        return data | {"model": _without_blanks(self.numbers.model_dump(mode="json"))}


def _without_blanks(group: Any) -> Any:
    return {k: _without_blanks(v) for k, v in group.items() if v != ""} if isinstance(group, dict) else group


def _seconds(amount: Ratio) -> Quantity:
    return Quantity(float(amount), "s")


def onset(protocol: Protocol) -> Ratio:
    """Return the end of the baseline in s."""
    return protocol.t_settle.exact + protocol.t_baseline.exact


def end(protocol: Protocol) -> Ratio:
    """Return the end of the run in s."""
    return onset(protocol) + protocol.t_transition.exact + protocol.t_drug.exact


# What each check needs, and the check: settings that are right one by one can still be impossible together. A check
# yields the keys of the setting to blame, and the sentence.
Finding = tuple[tuple[str | int, ...], str]


def _drug_and_level(drug: Drug) -> Iterator[Finding]:
    if drug.concentration is not None and drug.schedule is not None:
        yield ("drug", "schedule"), "give either a concentration or a schedule, not both"
    if drug.name == "none" and drug.concentration and drug.concentration.si > 0:
        yield ("drug", "concentration"), f"is {drug.concentration}, but drug.name is none; name the drug, or take 0 uM"
    if drug.name == "none" and any(step.concentration.si > 0 for step in drug.schedule or ()):
        yield ("drug", "schedule"), "has steps above 0 uM, but drug.name is none; name the drug"
    if drug.name != "none" and drug.concentration is None and drug.schedule is None:
        yield ("drug",), f"{drug.name} needs a concentration, such as 1 uM, or a schedule"


def _phases(protocol: Protocol, numerics: Numerics) -> Iterator[Finding]:
    if end(protocol) == 0:
        yield ("protocol",), "all phases are 0 s long; there is nothing to run"
    for name in Protocol.model_fields:
        yield from _whole_steps(("protocol", name), getattr(protocol, name), numerics.dt)


def _clocks(recording: Recording, numerics: Numerics) -> Iterator[Finding]:
    yield from _whole_steps(("numerics", "block_step"), numerics.block_step, numerics.dt)
    for name in ("trace_step", "lfp_step"):
        yield from _whole_steps(("recording", name), getattr(recording, name), numerics.dt)


def _whole_steps(keys: tuple[str | int, ...], value: Quantity, dt: Quantity) -> Iterator[Finding]:
    steps = value.exact / dt.exact
    if steps.denominator != 1:
        nearest = Quantity(float(max(round(steps), 1) * dt.exact / Quantity(1, value.unit).exact), value.unit)
        yield keys, f"must be a whole number of time steps (numerics.dt is {dt}); found {value}; {nearest} would do"


def _drug_in_time(drug: Drug, protocol: Protocol) -> Iterator[Finding]:
    start, stop = onset(protocol), end(protocol)
    if drug.concentration and drug.concentration.si > 0 and stop == start:
        yield ("drug", "concentration"), "is never reached: protocol.t_transition and t_drug are both 0 s"
    before = None
    for n, step in enumerate(drug.schedule or ()):
        keys = ("drug", "schedule", n, "time")
        if before is not None and step.time.exact <= before.exact:
            yield keys, f"must be later than the step before it, at {before}; found {step.time}"
        if step.time.exact >= stop:
            yield keys, f"must be before the end of the run, at {_seconds(stop)}; found {step.time}"
        if step.concentration.si > 0 and step.time.exact < start:
            yield keys, f"must not be before the end of the baseline, at {_seconds(start)}; found {step.time}"
        before = step.time


def _schedule_steps(drug: Drug, numerics: Numerics) -> Iterator[Finding]:
    for n, step in enumerate(drug.schedule or ()):
        yield from _whole_steps(("drug", "schedule", n, "time"), step.time, numerics.dt)


RELATIONS: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Finding]]], ...] = (
    (("drug",), _drug_and_level),
    (("protocol", "numerics"), _phases),
    (("recording", "numerics"), _clocks),
    (("drug", "protocol"), _drug_in_time),
    (("drug", "numerics"), _schedule_steps),
)
