# SPDX-License-Identifier: GPL-3.0-or-later
"""What an experiment is: sizes, numerics, protocol, drug, recording, and the numbers of the model it runs on.

Every experiment is a small file over configs/baseline.yaml. Nothing has a default here: the numbers are in configs/.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction as Ratio
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, StrictBool

from circuit import drugs, plasticity
from circuit.dispositions import INFUSION, SPECIES, route_named
from circuit.parameter import Model, Text
from circuit.populations import POPULATIONS
from circuit.schema import Parameters
from circuit.subunits import CLASSES
from circuit.units import Count, Duration, Fraction, Quantity, number, quantity, shown

if TYPE_CHECKING:
    pass

DrugConcentration = quantity("uM", "nM", "mM", ge=0, le=1000)
DrugDose = quantity("mg/kg", "ug/kg", ge=0, le=1000)
InfusionDuration = quantity("min", "s", "h", gt=0, le=1440)
Interval = quantity("h", "min", "s", gt=0, le=8760)
Repeats = number(whole=True, ge=1, le=1000)
RecordingStep = quantity("ms", "us", "s", gt=0, le=1000)
Phase = quantity("s", "ms", "min", "h", ge=0, le=86400)
TimeStep = quantity("ms", "us", ge=0.001, le=0.5)
NetworkSize = number(whole=True, ge=500, le=1_000_000)
Seed = number(whole=True, ge=0, le=2**32 - 1)
TracedCells = number(whole=True, ge=0, le=100)
Acceleration = number(ge=1, le=100_000)
CourseTime = quantity("h", "d", "min", "s", gt=0, le=8760)
Averaging = quantity("s", "ms", gt=0, le=100)
SegmentLength = quantity("s", "min", gt=0, le=86400)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


class Network(Model):
    """Size of the circuit; the populations' shares are numbers of the model."""

    num_neurons: NetworkSize


class Numerics(Model):
    """Time steps, floating-point precision, and how far slow processes may be accelerated (`circuit.course`).

    `block_acceleration` is how much faster than life a channel block settles; in a course, how much at the most. No
    process of a course is accelerated to a time constant below `slowest_network`; its sensors average for no less than
    `averaging`.
    """

    dt: TimeStep
    block_step: RecordingStep
    slow_step: RecordingStep
    spine_step: RecordingStep
    slowest_network: Averaging
    averaging: Averaging
    precision: Literal["double", "single"]
    block_acceleration: Acceleration


class Protocol(Model):
    """Phases in their order: settle (discarded), baseline, then the drug: transition (not analysed) and drug."""

    t_settle: Phase
    t_baseline: Phase
    t_transition: Phase
    t_drug: Phase


class CoursePhase(Model):
    """A stretch of a course that `lasts` so long, at an acceleration, under stress from 0 to 1 or none.

    Chronic unpredictable `stress` drives stress hormone and cytokines, `corticosterone` is the hormone alone. A
    `stimulus` is a pattern of pulses to some cells' afferents, at the pace of life.
    """

    name: Annotated[Text, AfterValidator(_one_line)]
    lasts: CourseTime
    acceleration: Acceleration
    stress: Fraction | None = None
    corticosterone: Fraction | None = None
    stimulus: Literal[tuple(plasticity.PATTERNS)] | None = None


class Course(Model):
    """Hours to weeks, as phases in their order; the drug is given at the start of the phase `drug_from`.

    Each cell's health is measured for `reference` first. State is kept after at most `segment` of simulation. With
    `weaker_SST`, stress weakens the output of SST cells too.
    """

    reference: Averaging
    segment: SegmentLength
    drug_from: Text
    weaker_SST: StrictBool
    phases: Annotated[tuple[CoursePhase, ...], Field(min_length=1)]


class Genotype(Model):
    """Variants of genes on the way from glutamate to spines."""

    BDNF: Literal["Val/Val", "Val/Met", "Met/Met"]
    GSK3: Literal["wild type", "knock-in"]


class Routes(Model):
    """Where drugs reach NMDA receptors: in interneurons, for disinhibition; in pyramidal cells, for direct block."""

    disinhibition: StrictBool
    direct: StrictBool


class Step(Model):
    """A free concentration from a time on; the time counts from the start of the run."""

    time: Duration
    concentration: DrugConcentration


def _drug_name(value: object) -> str:
    """Return the identifier of a drug, or ``"none"``."""
    if not isinstance(value, str):
        raise ValueError(f"needs the name of a drug, such as ketamine; found {shown(value)}")
    return drugs.identifier(value)


def _route(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"needs a route, such as i.v.; found {shown(value)}")
    return route_named(value)


DrugName = Annotated[str, PlainValidator(_drug_name)]
Route = Annotated[str, PlainValidator(_route)]


class Drug(Model):
    """One drug and how it is given, in one of three ways.

    A free `concentration` from the end of the baseline on; a `schedule` of them; or a `dose` by a `route` in a
    `species`. The phase that follows the baseline begins so long `after` the dose, the last one if it is repeated. A
    `subject` has a body of its own, drawn from the spread between people or animals; without one it is the typical.
    An intervention at a `concentration` is there from so long a `lead` before the end of the baseline, for as long as
    it `lasts`.
    """

    name: DrugName
    site: Literal[drugs.SITES] | None = None
    concentration: DrugConcentration | None = None
    schedule: Annotated[tuple[Step, ...], Field(min_length=1)] | None = None
    dose: DrugDose | None = None
    route: Route | None = None
    species: Literal[SPECIES] | None = None
    after: Duration | None = None
    duration: InfusionDuration | None = None
    repeat: Repeats | None = None
    interval: Interval | None = None
    subject: Count | None = None
    lead: Duration | None = None
    lasts: CourseTime | None = None


#: What says how a dose is given, and is nothing without one.
DOSE_KEYS = ("route", "species", "after", "duration", "repeat", "interval", "subject")


class Knockdown(Model):
    """NMDA receptors with one subunit, of which a part `remaining` is left in some populations; 0 is a knock-out."""

    subunit: Literal[CLASSES]
    populations: Annotated[tuple[Literal[POPULATIONS], ...], Field(min_length=1)]
    remaining: Fraction


class Recording(Model):
    """What is kept: `trace_step` of traces, `lfp_step` of the column's clock, traced cells per population, synapses."""

    trace_step: RecordingStep
    lfp_step: RecordingStep
    num_traced: TracedCells
    synapses: StrictBool


class Settings(Model):
    """An experiment as its file says it, without the numbers of the model."""

    title: Annotated[Text, AfterValidator(_one_line)]
    seed: Seed
    network: Network
    numerics: Numerics
    protocol: Protocol
    drug: Drug
    interventions: tuple[Drug, ...]
    knockdowns: tuple[Knockdown, ...]
    genotype: Genotype
    routes: Routes
    plasticity: StrictBool
    recording: Recording
    course: Course | None = None


class Experiment(Settings):
    """All there is to know to run: settings and numbers. Made by `circuit.config.load`."""

    numbers: Parameters

    @property
    def drug_onset(self) -> Quantity:
        """When the drug is given: from the start of the run, or of the course if there is one."""
        return _seconds(span(self.protocol, self.course)[0])

    @property
    def duration(self) -> Quantity:
        """Simulated time; for a course, `circuit.course` adds it up."""
        if self.course is not None:
            from circuit.course import simulated  # which needs this module

            return Quantity(simulated(self), "s")
        return _seconds(end(self.protocol))

    @property
    def drugs(self) -> tuple[Drug, ...]:
        """The drug, if there is one, and all interventions."""
        return (() if self.drug.name == "none" else (self.drug,)) + self.interventions

    def settings(self) -> dict[str, Any]:
        """Return all but the numbers as plain data with units in text."""
        return self.model_dump(mode="json", exclude={"numbers"}, exclude_none=True)

    def resolved(self) -> dict[str, Any]:
        """Return everything as plain data with units in text; `circuit.config.load` reads it back as an equal one."""
        return self.settings() | {"model": plain(self.numbers)}

    def resolved_json(self) -> str:
        """Return `resolved` as one line of JSON; the part of the numbers is kept for the next experiment with them."""
        return f'{_json(self.settings())[:-1]}, "model": {_numbers_json(_Same(self.numbers))}}}'


def plain(numbers: Parameters) -> dict[str, Any]:
    """Return the numbers of a model as plain data with units in text."""
    return _without_blanks(numbers.model_dump(mode="json"))


class _Same:
    """A key that nothing but the very same numbers equals; to compare all of them takes longer than to ask."""

    def __init__(self, numbers: Parameters) -> None:
        self.numbers = numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.numbers is other.numbers

    def __hash__(self) -> int:
        return id(self.numbers)


@lru_cache(maxsize=1)
def _numbers_json(same: _Same) -> str:
    """A hundred kilobytes that the points of most sweeps share."""
    return _json(plain(same.numbers))


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def _without_blanks(group: Any) -> Any:
    if not isinstance(group, dict):
        return group
    return {key: _without_blanks(value) for key, value in group.items() if value not in ("", None)}


def _seconds(amount: Ratio) -> Quantity:
    return Quantity(float(amount), "s")


def onset(protocol: Protocol) -> Ratio:
    """Return the end of the baseline in s."""
    return protocol.t_settle.exact + protocol.t_baseline.exact


def end(protocol: Protocol) -> Ratio:
    """Return the end of the run in s."""
    return onset(protocol) + protocol.t_transition.exact + protocol.t_drug.exact


def span(protocol: Protocol, course: Course | None) -> tuple[Ratio, Ratio]:
    """Return when the drug is given and when all ends, s from the start of the run, or of the course if there is one.

    A course whose `drug_from` names no phase of it has none before its end.
    """
    if course is None:
        return onset(protocol), end(protocol)
    names = [phase.name for phase in course.phases]
    lengths = [phase.lasts.exact for phase in course.phases]
    before = names.index(course.drug_from) if course.drug_from in names else len(names)
    return sum(lengths[:before], Ratio(0)), sum(lengths, Ratio(0))


# What each check needs, and the check: settings that are right one by one can still be impossible together. A check
# yields the keys of the setting to blame, and the sentence.
Finding = tuple[tuple[str | int, ...], str]


def named(drug: Drug, interventions: tuple[Drug, ...]) -> Iterator[tuple[tuple[str | int, ...], Drug]]:
    """Yield the keys and the drug of everything that is given."""
    yield ("drug",), drug
    yield from ((("interventions", n), other) for n, other in enumerate(interventions))


def _ways(drug: Drug, interventions: tuple[Drug, ...]) -> Iterator[Finding]:
    """Each drug is given in one way, and each only once."""
    seen: dict[tuple[str, str | None], str] = {}
    for keys, one in named(drug, interventions):
        yield from _no_drug(keys, one) if one.name == "none" else _one_way(keys, one)
        place, given = ".".join(map(str, keys)), (one.name, one.site)
        if one.name != "none" and given in seen:
            yield keys, f"gives {one.name}, which {seen[given]} gives already; put all of its steps into one schedule"
        seen[given] = place


def _no_drug(keys: tuple[str | int, ...], drug: Drug) -> Iterator[Finding]:
    if keys != ("drug",):
        yield (*keys, "name"), "is none; take the entry out of the list"
    elif drug.concentration and drug.concentration.si > 0:
        yield (*keys, "concentration"), f"is {drug.concentration}, but drug.name is none; name the drug, or take 0 uM"
    elif drug.dose and drug.dose.si > 0:
        yield (*keys, "dose"), f"is {drug.dose}, but drug.name is none; name the drug"
    elif any(step.concentration.si > 0 for step in drug.schedule or ()):
        yield (*keys, "schedule"), "has steps above 0 uM, but drug.name is none; name the drug"


def _one_way(keys: tuple[str | int, ...], drug: Drug) -> Iterator[Finding]:
    for key in ("lead", "lasts"):
        if getattr(drug, key) is not None and (drug.concentration is None or keys == ("drug",)):
            yield (*keys, key), "is for an intervention that is given as a concentration"
    ways = [way for way in ("concentration", "schedule", "dose") if getattr(drug, way) is not None]
    if not ways:
        yield keys, f"{drug.name} needs a concentration, such as 1 uM, a schedule, or a dose, such as 10 mg/kg"
    elif len(ways) > 1:
        yield (*keys, ways[-1]), f"give either a {ways[0]} or a {ways[-1]}, not both"
    elif drug.dose is None:
        for key in DOSE_KEYS:
            if getattr(drug, key) is not None:
                yield (*keys, key), f"says how a dose is given, and there is no dose but a {ways[0]}"
    else:
        yield from _dose(keys, drug)


def _dose(keys: tuple[str | int, ...], drug: Drug) -> Iterator[Finding]:
    """Check that a dose says all it needs and nothing that contradicts."""
    examples = {"route": "i.p.", "species": "rat", "after": "20 min"}
    for key, example in examples.items():
        if getattr(drug, key) is None:
            yield (*keys, "dose"), f"needs {key} too, such as {key}: {example}"
    if drug.route == INFUSION and drug.duration is None:
        yield (*keys, "route"), f"{INFUSION} needs a duration, such as 40 min"
    if drug.route not in (INFUSION, None) and drug.duration is not None:
        yield (*keys, "duration"), f"is for the route {INFUSION}; found the route {drug.route}"
    if (drug.repeat or 1) > 1 and drug.interval is None:
        yield (*keys, "repeat"), f"{drug.repeat} doses need an interval, such as 24 h"
    if drug.interval is not None and (drug.repeat or 1) == 1:
        yield (*keys, "interval"), "is between doses, and there is one; give repeat too, such as repeat: 3"
    if drug.interval and drug.duration and drug.interval.exact < drug.duration.exact:
        yield (
            (*keys, "interval"),
            (f"is {drug.interval}, shorter than the infusion of {drug.duration}: the doses would overlap"),
        )


def _phases(protocol: Protocol, numerics: Numerics, course: Course | None = None) -> Iterator[Finding]:
    if course is not None:
        yield from _whole_steps(("protocol", "t_settle"), protocol.t_settle, numerics.dt)
        for name in ("t_baseline", "t_transition", "t_drug"):
            if getattr(protocol, name).si > 0:
                yield ("protocol", name), "must be 0 s: the course has phases of its own"
        return
    if end(protocol) == 0:
        yield ("protocol",), "all phases are 0 s long; there is nothing to run"
    for name in Protocol.model_fields:
        yield from _whole_steps(("protocol", name), getattr(protocol, name), numerics.dt)


def _clocks(recording: Recording, numerics: Numerics) -> Iterator[Finding]:
    for name in ("block_step", "slow_step", "spine_step"):
        yield from _whole_steps(("numerics", name), getattr(numerics, name), numerics.dt)
    for name in ("trace_step", "lfp_step"):
        yield from _whole_steps(("recording", name), getattr(recording, name), numerics.dt)


def _whole_steps(keys: tuple[str | int, ...], value: Quantity, dt: Quantity) -> Iterator[Finding]:
    steps = value.exact / dt.exact
    if steps.denominator != 1:
        nearest = Quantity(float(max(round(steps), 1) * dt.exact / Quantity(1, value.unit).exact), value.unit)
        yield keys, f"must be a whole number of time steps (numerics.dt is {dt}); found {value}; {nearest} would do"


#: A contact may change once a step of its clock; a longer step would miss events.
LONGEST_SPINE_STEP_H = 2.5


def _course(course: Course, numerics: Numerics) -> Iterator[Finding]:
    names = [phase.name for phase in course.phases]
    if course.drug_from not in names:
        yield ("course", "drug_from"), f"names no phase; there are {', '.join(names)}"
    for n, phase in enumerate(course.phases):
        keys = ("course", "phases", n)
        if phase.name in names[:n]:
            yield (*keys, "name"), f"{phase.name} comes twice"
        if phase.name in ("settle", "reference"):
            yield (*keys, "name"), f"{phase.name} is what comes before a course; take another name"
        hours = phase.acceleration * numerics.spine_step.si / 3600
        if hours > LONGEST_SPINE_STEP_H:
            most = LONGEST_SPINE_STEP_H * 3600 / numerics.spine_step.si
            yield (
                (*keys, "acceleration"),
                f"makes a step of the spines {hours:.3g} h long (numerics.spine_step is {numerics.spine_step}), "
                f"and it may be {LONGEST_SPINE_STEP_H} h; take at most {most:g}",
            )
        if phase.stimulus is not None and phase.acceleration != 1:
            yield (*keys, "acceleration"), f"must be 1 under {phase.stimulus}: pulses come at the pace of life"
    yield from _whole_steps(("course", "reference"), course.reference, numerics.dt)


def _plastic(plasticity: bool, course: Course | None = None) -> Iterator[Finding]:
    if plasticity and course is None:
        yield ("plasticity",), "is true, but nothing slow moves without a course; take false, or add a course"


def _drug_in_time(
    drug: Drug, interventions: tuple[Drug, ...], protocol: Protocol, course: Course | None = None
) -> Iterator[Finding]:
    start, stop = span(protocol, course)
    if drug.concentration and drug.concentration.si > 0 and stop == start:
        yield ("drug", "concentration"), "is never reached: protocol.t_transition and t_drug are both 0 s"
    if drug.dose and drug.dose.si > 0 and stop == start:
        yield ("drug", "dose"), "never acts: protocol.t_transition and t_drug are both 0 s"
    for keys, one in named(drug, interventions):
        yield from _steps_in_time(keys, one, start if keys == ("drug",) else Ratio(0), stop)


def _steps_in_time(keys: tuple[str | int, ...], drug: Drug, start: Ratio, stop: Ratio) -> Iterator[Finding]:
    before = None
    for n, step in enumerate(drug.schedule or ()):
        here = (*keys, "schedule", n, "time")
        if before is not None and step.time.exact <= before.exact:
            yield here, f"must be later than the step before it, at {before}; found {step.time}"
        if step.time.exact >= stop:
            yield here, f"must be before the end of the run, at {_seconds(stop)}; found {step.time}"
        if step.concentration.si > 0 and step.time.exact < start:
            yield here, f"must not be before the end of the baseline, at {_seconds(start)}; found {step.time}"
        before = step.time


def _schedule_steps(
    drug: Drug, interventions: tuple[Drug, ...], numerics: Numerics, course: Course | None = None
) -> Iterator[Finding]:
    if course is not None:
        return
    for keys, one in named(drug, interventions):
        for n, step in enumerate(one.schedule or ()):
            yield from _whole_steps((*keys, "schedule", n, "time"), step.time, numerics.dt)


def _knocked_down_once(knockdowns: tuple[Knockdown, ...]) -> Iterator[Finding]:
    seen = set()
    for n, knockdown in enumerate(knockdowns):
        for pop in knockdown.populations:
            if (pop, knockdown.subunit) in seen:
                yield ("knockdowns", n), f"{knockdown.subunit} in {pop} is knocked down twice"
            seen.add((pop, knockdown.subunit))


#: What a check needs; of a name with a question mark there may be none.
RELATIONS: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Finding]]], ...] = (
    (("drug", "interventions"), _ways),
    (("knockdowns",), _knocked_down_once),
    (("protocol", "numerics", "course?"), _phases),
    (("recording", "numerics"), _clocks),
    (("course", "numerics"), _course),
    (("plasticity", "course?"), _plastic),
    (("drug", "interventions", "protocol", "course?"), _drug_in_time),
    (("drug", "interventions", "numerics", "course?"), _schedule_steps),
)
