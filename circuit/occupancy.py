# SPDX-License-Identifier: GPL-3.0-or-later
"""A drug by itself, without a network: concentrations, and the receptors they occupy, against time.

Receptors are held at one voltage and at the activation that ambient and synaptic glutamate give on average. In the
circuit both move with activity; here they show what kinetics, magnesium and subunits alone do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuit import schema
from circuit.dispositions import disposition, route_named
from circuit.drugs import NAMES, NONE, identifier
from circuit.errors import UserError
from circuit.exposure import DEFAULT_SITE
from circuit.interventions import effects
from circuit.pharmacokinetics import Course, Dosing, course, subject, summaries
from circuit.populations import POPULATIONS
from circuit.potency import unblocked
from circuit.receptors import tonic_activation
from circuit.subunits import CLASSES, TAGS
from circuit.units import parse

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """What a dose does, shapes (num_times,) but for `course`.

    Attributes
    ----------
    drug, words : str
        Identifier; the dose, route and species as a title has them.
    times_h : ndarray
    course : Course
    by_subunit, by_population : dict of str to ndarray
        Blocked fraction of NMDA receptors; of a population the mean over its subunits. Empty unless a channel blocker.
    spread_uM : tuple of two ndarrays or None
        5th and 95th percentile of the free brain level of the drug over subjects.
    effects : dict of str to ndarray
        `circuit.interventions.effects`.
    """

    drug: str
    words: str
    times_h: Array
    course: Course
    by_subunit: dict[str, Array]
    by_population: dict[str, Array]
    spread_uM: tuple[Array, Array] | None
    effects: dict[str, Array]


def study(
    numbers: schema.Parameters,
    drug: str,
    species: str,
    dosing: Dosing,
    times_h: Array,
    num_subjects: int = 0,
    voltage: float | None = None,
    seed: int = 0,
) -> Study:
    """Follow a drug from its dose to the receptors.

    Parameters
    ----------
    numbers : Parameters
    drug, species : str
    dosing : Dosing
    times_h : ndarray, shape (num_times,)
        Ascending, from the first dose.
    num_subjects : int
        Individuals whose spread is given; 0 for none.
    voltage : float or None
        Membrane potential of the receptors, V; the voltage of the magnesium affinities if None.
    seed : int
        Of the subjects.

    Raises
    ------
    ValueError
        If there are no pharmacokinetics for this.
    """
    body = disposition(numbers.pharmacokinetics, drug, species, dosing.route)
    found = course(body, dosing, times_h, drug)
    given = [
        (name, DEFAULT_SITE, found.brain_free_uM[:, n] * 1e-3)
        for n, name in enumerate(found.compounds)
        if name in NAMES
    ]
    acting = effects(numbers.drugs, numbers.receptors, given, times_h.size)
    blocked = occupancy(numbers, acting, times_h * 3600, voltage) if acting["on_A"].any() else {}
    spread = None
    if num_subjects:
        levels = [
            course(subject(body, n, seed), dosing, times_h, drug).brain_free_uM[:, 0] for n in range(num_subjects)
        ]
        low, high = np.percentile(levels, [5, 95], axis=0)
        spread = (low, high)
    times = f"{len(dosing.starts_h)} x " if len(dosing.starts_h) > 1 else ""
    words = f"{drug} {times}{dosing.dose_mg_per_kg:g} mg/kg {dosing.route}, {species}"
    populations = by_population(numbers, blocked) if blocked else {}
    return Study(drug, words, times_h, found, blocked, populations, spread, acting)


def asked(
    numbers: schema.Parameters,
    drug: str,
    dose: str,
    route: str,
    species: str,
    duration: str | None = None,
    repeat: int = 1,
    interval: str | None = None,
    hours: float | None = None,
    subjects: int = 0,
) -> Study:
    """Return the study that words as on a command line ask for; see `study`.

    Raises
    ------
    UserError
        If a word is not understood, doses contradict each other, or there are no data for the route.
    """
    try:
        name, way = identifier(drug), route_named(route)
        if name == NONE:
            raise ValueError("name a drug, such as ketamine")
        body = disposition(numbers.pharmacokinetics, name, species, way)
        mg_per_kg = _mg_per_kg(dose, body.body_mass.to("kg"))
        lasts = parse(duration, HOURS, 40).to("h") if duration else 0.0
        every = parse(interval, HOURS, 24).to("h") if interval else 0.0
        if repeat > 1 and not interval:
            raise ValueError(f"{repeat} doses need an interval, such as 24 h")
        starts = tuple(n * every for n in range(repeat))
        dosing = Dosing(mg_per_kg, way, lasts, starts)
        times = _times(hours or starts[-1] + lasts + 6.0, starts, lasts)
        return study(numbers, name, species, dosing, times, subjects)
    except ValueError as error:
        raise UserError(str(error)) from error


HOURS = ("h", "min", "s")


def _mg_per_kg(text: str, body_mass: float) -> float:
    """Read a dose; one in mg is for a body of `body_mass` kg."""
    whole = text.strip().endswith(" mg")
    amount = parse(text, ("mg",) if whole else ("mg/kg", "ug/kg"), 10)
    if amount.magnitude < 0:
        raise ValueError(f"a dose must be at least 0; found {text}")
    return amount.to("mg") / body_mass if whole else amount.to("mg/kg")


def _times(hours: float, starts: tuple[float, ...], lasts: float) -> Array:
    """Times that show a fast rise after each dose and at the end of each infusion, h."""
    fine = np.concatenate([[0.0], np.geomspace(1 / 3600, hours, 240)])
    ends = [start + end for start in starts for end in {0.0, lasts}]
    found = np.concatenate([*(start + fine for start in ends), np.linspace(0, hours, 481)])
    return np.unique(found[found <= hours])


def occupancy(
    numbers: schema.Parameters, acting: dict[str, Array], times: Array, voltage: float | None = None
) -> dict[str, Array]:
    """Blocked fraction of the receptors with each subunit against time.

    Parameters
    ----------
    numbers : Parameters
    acting : dict of str to ndarray, shape (num_times,)
        `circuit.interventions.effects`.
    times : ndarray, shape (num_times,)
        s, ascending; nothing is blocked at the first.
    voltage : float or None
        V.
    """
    receptors, v = numbers.receptors, numbers.receptors.V_Mg.si if voltage is None else voltage
    found = {}
    for tag, name in zip(TAGS, CLASSES, strict=True):
        site = getattr(receptors, name)
        free = float(unblocked(receptors, name, v))
        tonic = tonic_activation(numbers.glutamate.initial.si, site.EC50_glutamate.si, receptors.hill_glutamate.si)
        p = np.clip(acting[f"activity_{tag}"] * (tonic + numbers.drive.activation.si), 0, 1)
        on = p * acting[f"on_{tag}"] * free
        off = p * acting[f"off_{tag}"] * np.exp(acting["slope_off"] * v) + (1 - p) * acting["untrap"]
        found[name] = _relaxed(on, off, np.diff(times))
    return found


def _relaxed(on: Array, off: Array, steps: Array) -> Array:
    """Solution of db/dt = on (1 - b) - off b from zero; the rates of a step are the mean of its ends."""
    course = np.zeros(on.size)
    for n, step in enumerate(steps):
        a, rate = (on[n] + on[n + 1]) / 2, (on[n] + on[n + 1] + off[n] + off[n + 1]) / 2
        course[n + 1] = a / rate + (course[n] - a / rate) * np.exp(-rate * step)
    return course


def by_population(numbers: schema.Parameters, blocked: dict[str, Array]) -> dict[str, Array]:
    """Mean of the blocked fractions over the subunits of each population."""
    found = {}
    for pop in POPULATIONS:
        mix = schema.subunit_mix(getattr(numbers.cells, pop))
        found[pop] = sum(mix[name] * blocked[name] for name in CLASSES)
    return found


def lines(result: Study) -> list[str]:
    """Return the numbers of a study as lines of text."""
    out = [result.words, ""]
    out.append(f"{'compound':<14}{'Cmax ng/ml':>12}{'tmax':>10}{'AUC ng h/ml':>13}{'t1/2':>9}{'free brain':>13}")
    for n, one in enumerate(summaries(result.course)):
        brain = result.course.brain_free_uM[:, n].max()
        out.append(
            f"{one.compound:<14}{one.Cmax_ng_ml:>12.4g}{60 * one.tmax_h:>6.0f} min{one.AUC_ng_h_ml:>13.4g}"
            f"{one.half_life_h:>7.2g} h{brain:>10.3g} uM"
        )
    if result.spread_uM is not None:
        low, high = (part.max() for part in result.spread_uM)
        out.append(f"free brain peak of {result.drug} between subjects (5 to 95 %): {low:.3g} to {high:.3g} uM")
    groups = (("subunit", result.by_subunit), ("cell type", result.by_population))
    for title, group in groups:
        if group:
            out += ["", f"{title:<14}{'peak block':>12}{'at':>10}{'above half':>13}"]
        for name, values in group.items():
            top = int(values.argmax())
            half = np.trapezoid((values > values[top] / 2).astype(float), result.times_h) if values[top] > 0 else 0.0
            out.append(f"{name:<14}{100 * values[top]:>10.1f} %{60 * result.times_h[top]:>6.0f} min{half:>11.2f} h")
    return out
