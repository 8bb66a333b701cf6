# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is exposed to what: the free concentration of every compound of an experiment against its time.

A drug given as a concentration or a schedule is at the receptors as it says. One given as a dose goes through
`circuit.pharmacokinetics`, and brings its metabolites where the model knows them as drugs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuit.dispositions import disposition
from circuit.drugs import NAMES, SITES
from circuit.pharmacokinetics import Course, Dosing, course, subject
from circuit.units import Quantity

if TYPE_CHECKING:
    from circuit.experiment import Drug, Experiment

DEFAULT_SITE = SITES[0]


class Exposure(NamedTuple):
    """Identifier of a compound, where it acts, and its free concentration, mM, shape (num_times,)."""

    compound: str
    site: str
    concentration: NDArray[np.float64]


def exposures(exp: Experiment, times: NDArray[np.float64]) -> list[Exposure]:
    """Return what acts at some times.

    Parameters
    ----------
    exp : Experiment
    times : ndarray, shape (num_times,)
        From the start of the run, s.

    Returns
    -------
    list of Exposure
        The experiment's drug first, if it has one; a dose's compound before its metabolites.
    """
    found = []
    for drug in exp.drugs:
        levels = _levels(exp, drug, np.asarray(times, dtype=float))
        found += [Exposure(name, drug.site or DEFAULT_SITE, level) for name, level in levels.items()]
    return found


def concentration(exp: Experiment, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Free concentration of the experiment's drug itself, mM, at times in s from the start of the run."""
    times = np.asarray(times, dtype=float)
    return np.zeros_like(times) if exp.drug.name == "none" else _levels(exp, exp.drug, times)[exp.drug.name]


def dosing(drug: Drug) -> Dosing:
    """Return the doses of a drug that is given as one; times in h from the first."""
    hours = drug.interval.to("h") if drug.interval else 0.0
    return Dosing(
        dose_mg_per_kg=drug.dose.to("mg/kg"),
        route=drug.route,
        duration_h=drug.duration.to("h") if drug.duration else 0.0,
        starts_h=tuple(n * hours for n in range(drug.repeat or 1)),
    )


def drug_steps(exp: Experiment, drug: Drug) -> tuple[tuple[Quantity, Quantity], ...]:
    """Times and the free concentration from each on, of a drug that is not given as a dose."""
    if drug.schedule is not None:
        return tuple((step.time, step.concentration) for step in drug.schedule)
    start = exp.drug_onset.si - (drug.lead.si if drug.lead else 0.0)
    steps = ((Quantity(start, "s"), drug.concentration),)
    if drug.lasts is None:
        return steps
    return (*steps, (Quantity(start + drug.lasts.si, "s"), Quantity(0, "uM")))


def _levels(exp: Experiment, drug: Drug, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    if drug.dose is not None:
        return _after_dose(exp, drug, times)
    steps = drug_steps(exp, drug)
    starts = np.array([time.si for time, _ in steps])
    levels = np.array([0.0, *(level.si for _, level in steps)])
    # A time within 1 ns of a step counts as on it, whatever its rounding.
    return {drug.name: levels[np.searchsorted(starts, times + 1e-9, side="right")]}


def _after_dose(exp: Experiment, drug: Drug, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The experiment's drug is not there before the baseline ends; an intervention may be on board all along.

    The baseline ends so long `after` the last of several doses; in a course, after the first.
    """
    plan = dosing(drug)
    counted = plan.starts_h[0 if exp.course else -1] + drug.after.to("h")
    hours = counted + (times - exp.drug_onset.si) / 3600
    begun = hours >= 0
    if drug is exp.drug:
        begun &= times + 1e-9 >= exp.drug_onset.si
    body = subject(
        disposition(exp.numbers.pharmacokinetics, drug.name, drug.species, drug.route), drug.subject, exp.seed
    )
    found: Course = course(body, plan, np.where(begun, hours, 0.0), drug.name)
    return {
        name: np.where(begun, found.brain_free_uM[:, n] * 1e-3, 0.0)
        for n, name in enumerate(found.compounds)
        if name in NAMES
    }
