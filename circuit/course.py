# SPDX-License-Identifier: GPL-3.0-or-later
r"""Two time scales in one program: which time of the slow biology a stretch of spiking stands for.

A *course* lasts hours to weeks. The network is simulated for seconds, during each of which the slow biology advances
by :math:`\kappa` seconds (the acceleration of the phase): the seamless heterogeneous multiscale method of E, Ren and
Vanden-Eijnden (2009). It holds while every accelerated process stays slow against the network, so each process has a
cap of its own: none is accelerated to a time constant below ``numerics.slowest_network``. A capped process lags by less
than the phase resolves, as long as what drives it changes slowly.

A course is simulated in *segments*, each a run of the compiled program that starts from the last one's final state:

* ``settle``: the network finds its state; nothing slow moves.
* ``reference``: the healthy column without drug, knock-down or genotype. What each cell's sensors read on average is
  health for this cell from then on.
* the pieces of the course's phases.

An experiment without a course is a single segment at the pace of life, in which nothing slow moves.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circuit import plasticity, signalling, spines
from circuit.schema import Parameters

if TYPE_CHECKING:
    from circuit.experiment import Experiment

#: The average over the reference is taken by a filter with this time constant, in lengths of the reference. Its weights
#: hardly fall off, so that noise averages out as in a plain mean (98 %; at half a length it would be 76 %).
REFERENCE_TAU = 2.0


@dataclass(frozen=True)
class Segment:
    """A stretch of simulation.

    Attributes
    ----------
    name : str
        Its phase.
    duration : float
        Simulated time, s.
    start : float
        Biological time at its start, s from the start of the course.
    pace : float
        Biological per simulated second.
    slow : {"still", "measured", "alive"}
        Whether nothing slow moves, the sensors are being averaged, or all of the slow biology runs.
    stress, inflammation : float
        0 to 1: drive of the stress hormone and of cytokines.
    stimulus : str or None
        Pattern of stimulation (`circuit.plasticity.PATTERNS`).
    stimulus_from : float
        How long it has gone on at the start, s.
    """

    name: str
    duration: float
    start: float = 0.0
    pace: float = 1.0
    slow: str = "alive"
    stress: float = 0.0
    inflammation: float = 0.0
    stimulus: str | None = None
    stimulus_from: float = 0.0

    @property
    def intact(self) -> bool:
        """Whether drugs, knock-downs and genotype wait: in a course, until its phases begin."""
        return self.name in ("settle", "reference")

    @property
    def end(self) -> float:
        """Biological time at its end, s."""
        return self.start + self.pace * self.duration


def segments(exp: Experiment) -> tuple[Segment, ...]:
    """Return the segments of an experiment in their order."""
    if exp.course is None:
        return (Segment("run", exp.duration.si, slow="still"),)
    course, step = exp.course, exp.numerics.spine_step.si
    found = [Segment("settle", exp.protocol.t_settle.si, slow="still", pace=0.0)] if exp.protocol.t_settle.si else []
    found.append(Segment("reference", course.reference.si, slow="measured", pace=0.0))
    start = 0.0
    for phase in course.phases:
        steps = max(1, round(phase.lasts.si / phase.acceleration / step))
        pace = phase.lasts.si / (steps * step)
        pieces = math.ceil(steps * step / course.segment.si - 1e-9)
        bounds = [round(n * steps / pieces) for n in range(pieces + 1)]
        stressed = phase.stress or 0.0
        for first, last in zip(bounds, bounds[1:], strict=False):
            found.append(
                Segment(
                    phase.name,
                    (last - first) * step,
                    start + first * step * pace,
                    pace,
                    stress=max(stressed, phase.corticosterone or 0.0),
                    inflammation=stressed,
                    stimulus=phase.stimulus,
                    stimulus_from=first * step if phase.stimulus else 0.0,
                )
            )
        start += phase.lasts.si
    return tuple(found)


def simulated(exp: Experiment) -> float:
    """Simulated length of a course, s."""
    return math.fsum(segment.duration for segment in segments(exp))


def test_pulses(exp: Experiment) -> list[tuple[float, np.ndarray]]:
    """Return end and times of the pulses of each phase of test pulses, simulated s; pulses whose answer is whole."""
    interval, window = exp.numbers.stimulation.test_interval.si, exp.numbers.readout.response_window.si
    found, start = [], 0.0
    for name, pieces in itertools.groupby(segments(exp), key=lambda segment: (segment.name, segment.stimulus)):
        length = math.fsum(segment.duration for segment in pieces)
        if name[1] == "test pulses":
            times = interval * np.arange(math.ceil(length / interval))
            found.append((start + length, start + times[times + window <= length]))
        start += length
    return found


def windows(exp: Experiment) -> dict[str, tuple[float, float]]:
    """Return what stands for baseline and drug, simulated s: the phase before the drug (or the reference), and with."""
    plan = segments(exp)
    ends = np.cumsum([segment.duration for segment in plan])
    starts = ends - [segment.duration for segment in plan]
    names = [segment.name for segment in plan]
    first = names.index(exp.course.drug_from)
    last = len(names) - 1 - names[::-1].index(exp.course.drug_from)
    before = names.index(names[first - 1])
    found = {"baseline": (starts[before], ends[first - 1]), "drug": (starts[first], ends[last])}
    return {name: (float(start), float(stop)) for name, (start, stop) in found.items()}


def advance(tau: float, step: float, pace: float, slowest: float) -> float:
    """Part of its way to a constant target that a process goes in a step of the clock, 0 to 1.

    Parameters
    ----------
    tau : float
        Time constant, s.
    step : float
        Of the clock, simulated s.
    pace : float
        Biological per simulated second.
    slowest : float
        No process is accelerated to a time constant below this, simulated s.
    """
    return -math.expm1(-step * min(pace, max(1.0, tau / slowest)) / tau)


def slow_numbers(exp: Experiment, numbers: Parameters, segment: Segment) -> dict[str, np.ndarray]:
    """Return all numbers of the slow biology for one segment, by ``object.variable``; of no dimension, SI units."""
    constants, numerics = numbers.signalling, exp.numerics
    slowest = numerics.slowest_network.si
    alive = segment.slow == "alive"
    values = {name: getattr(constants, name).si for name in signalling.PARAMETERS}
    values |= {f"step_{name}": 0.0 for name in signalling.CHAIN}
    if alive:
        for name in signalling.CHAIN:
            tau = getattr(constants.tau, name).si
            values[f"step_{name}"] = advance(tau, numerics.slow_step.si, segment.pace, slowest)
    clocks = {"fast": exp.recording.lfp_step.si, "slow": numerics.block_step.si}
    for name, clock in clocks.items():
        values[f"sensor_step_{name}"] = _sensor_step(exp, numbers, segment, clock)
    values |= {"stress": segment.stress, "inflammation": segment.inflammation, "secretion": 1.0, "GSK_serine": 1.0}
    if not segment.intact:
        values |= _genotype(exp, numbers)
    values["block_acceleration"] = numerics.block_acceleration
    if exp.course is not None:
        values["block_acceleration"] = max(1.0, min(segment.pace, numerics.block_acceleration))
    found = {f"cells.{name}": value for name, value in values.items()} | _spine_numbers(exp, numbers, segment)
    return {name: np.array(value, dtype=float) for name, value in found.items()}


def _sensor_step(exp: Experiment, numbers: Parameters, segment: Segment, clock: float) -> float:
    if segment.slow == "still":
        return 0.0
    if segment.slow == "measured":
        return -math.expm1(-clock / (REFERENCE_TAU * segment.duration))
    return advance(numbers.signalling.tau.sensor.si, clock, segment.pace, exp.numerics.averaging.si)


def _genotype(exp: Experiment, numbers: Parameters) -> dict[str, float]:
    constants = numbers.signalling
    secretion = {
        "Val/Val": 1.0,
        "Val/Met": constants.secretion_Val_Met.si,
        "Met/Met": constants.secretion_Met_Met.si,
    }[exp.genotype.BDNF]
    return {"secretion": secretion, "GSK_serine": float(exp.genotype.GSK3 == "wild type")}


def _spine_numbers(exp: Experiment, numbers: Parameters, segment: Segment) -> dict[str, float]:
    step = exp.numerics.spine_step.si
    elapsed = step * segment.pace if segment.slow == "alive" else 0.0
    rates = spines.rates(numbers)
    values = {f"hazard_{name}": rate * elapsed for name, rate in rates._asdict().items()}
    values["head_new"] = numbers.spines.head_new.si
    values["step_head"] = -math.expm1(-elapsed / numbers.spines.tau_head.si)
    constants = numbers.plasticity
    values |= {name: getattr(constants, name).si for name in plasticity.SPINE_NUMBERS}
    values |= {"step_induce": 0.0, "step_fade": 0.0}
    if segment.slow == "alive":
        clock, slowest = exp.numerics.slow_step.si, exp.numerics.slowest_network.si
        values["step_fade"] = advance(constants.tau_fading.si, clock, segment.pace, slowest)
        if segment.pace <= 1:  # coincidences of milliseconds do not stand for others
            values["step_induce"] = -math.expm1(-clock / constants.tau_induction.si)
    return {f"spines.{name}": value for name, value in values.items()}


def references(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn the sensors after the reference segment into the references, and set them to health.

    The filter started from 0, so what it reads is the average times what it has gathered of its weights.
    """
    gathered = -math.expm1(-1 / REFERENCE_TAU)
    found = {}
    for sensor, reference in signalling.REFERENCES.items():
        mean = state[f"cells.{sensor}"] / gathered
        found |= {f"cells.{sensor}": mean, f"cells.{reference}": mean}
    return found
