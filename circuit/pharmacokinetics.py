# SPDX-License-Identifier: GPL-3.0-or-later
r"""From a dose, a route and a species to concentrations against time.

Linear compartments: a depot for every route but intravenous ones, plasma with up to two peripheral compartments, the
metabolite with plasma and at most one, and the brain's free water behind the plasma of both. With amounts :math:`x`
per kg of body this is :math:`\dot x = A x`, solved by the matrix exponential: exact at any time, no step to choose.
Infusions are the integral of the same, repeated doses a sum.

.. code-block:: text

    depot --ka--> F: plasma <--> peripheral 1, 2     free brain --> ke0 (fu Kp,uu C_plasma - C_brain)
             \--> first pass: metabolite <--> peripheral    <-- formed from what is cleared

Only free drug reaches receptors. Brain tissue binds most of it: total over free is 1/fu_brain, from the measured ratio
of brain to plasma. What is given into the bath or the column needs no pharmacokinetics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuit import units
from circuit.dispositions import INFUSION, ROUTES, Absorption, Disposition, Metabolite
from circuit.parameter import Parameter
from circuit.streams import stream

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dosing:
    """One dose, or the same dose several times.

    Parameters
    ----------
    dose_mg_per_kg : float
    route : str
        A key of `ROUTES`.
    duration_h : float
        Of each infusion, h; zero otherwise.
    starts_h : tuple of float
        Ascending, h.

    Raises
    ------
    ValueError
        If the dose is negative, the times do not ascend, infusions overlap or last no time, or anything else has a
        duration.
    """

    dose_mg_per_kg: float
    route: str
    duration_h: float = 0.0
    starts_h: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        if not 0 <= self.dose_mg_per_kg < np.inf:
            raise ValueError(f"a dose must be at least 0 mg/kg; found {self.dose_mg_per_kg:g}")
        if self.route not in ROUTES:
            raise ValueError(f"{self.route!r} is not a route; take one of {', '.join(ROUTES)}")
        if (self.route == INFUSION) != (self.duration_h > 0):
            raise ValueError(
                f"{self.route} with a duration of {self.duration_h:g} h: only {INFUSION} has one, and must"
            )
        gaps = np.diff(self.starts_h)
        if not self.starts_h or (gaps <= 0).any() or (gaps < self.duration_h - 1e-12).any():
            raise ValueError("doses must follow each other, each after the end of the one before")


@dataclass(frozen=True)
class Course:
    """Concentrations against time; the last axis is the compound.

    Attributes
    ----------
    times_h : ndarray, shape (num_times,)
    compounds : tuple of str
        The drug and its metabolite, if it has one.
    plasma_ng_ml, plasma_uM, brain_free_uM, brain_total_ng_g : ndarray, shape (num_times, num_compounds)
        Bound and free in plasma, twice; in the water of the brain; in brain tissue, of which 1 g is taken for 1 ml.
    """

    times_h: Array
    compounds: tuple[str, ...]
    plasma_ng_ml: Array
    plasma_uM: Array
    brain_free_uM: Array
    brain_total_ng_g: Array


def subject(body: Disposition, number: int | None, seed: int = 0) -> Disposition:
    """Return one individual: clearances, volumes and bioavailability times log-normal factors of median 1.

    Parameters
    ----------
    body : Disposition
        The typical one.
    number, seed : int
        Which one of which study; without a number, the typical one is returned.
    """
    if number is None:
        return body
    draw = stream(seed, "subjects", number).standard_normal(3)
    CL, V, F = np.exp(draw * [body.log_sd_CL.si, body.log_sd_V.si, body.log_sd_F.si])
    changed = {key: _times(getattr(body, key), CL) for key in ("CL",)}
    changed |= {key: _times(getattr(body, key), V) for key in ("V", "V1", "V2")}
    for field in filter(None, ROUTES.values()):
        way = getattr(body, field)
        if way is not None:
            share = min(way.F.si * F, 1.0)
            left = (1 - share) * way.first_pass.si / max(1 - way.F.si, 1e-9)
            new = {"F": way.F.model_copy(update={"value": share})}
            new |= {"first_pass": way.first_pass.model_copy(update={"value": min(left, 1 - share)})}
            changed[field] = way.model_copy(update=new)
    return body.model_copy(update=changed)


def _times(parameter: Parameter, factor: float) -> Parameter:
    value = units.Quantity(parameter.value.magnitude * float(factor), parameter.value.unit)
    return parameter.model_copy(update={"value": value})


# -- the linear system ------------------------------------------------------------------------------------------------

DEPOT, PLASMA, FIRST, SECOND, METABOLITE, METABOLITE_PERIPHERAL, BRAIN, METABOLITE_BRAIN = range(8)
NUM_STATES = 8


def generator(body: Disposition, route: str) -> Array:
    """Matrix of the rates, 1/h; amounts in mg per kg of body, of the metabolite too, brain states in mg/l."""
    A = np.zeros((NUM_STATES, NUM_STATES))

    def flow(source: int, target: int | None, rate: float, share: float = 1.0) -> None:
        A[source, source] -= rate
        if target is not None:
            A[target, source] += share * rate

    per_h = {key: getattr(body, key).to("L/h/kg") for key in ("CL", "Q1", "Q2")}
    V, V1, V2 = (getattr(body, key).to("L/kg") for key in ("V", "V1", "V2"))
    flow(PLASMA, FIRST, per_h["Q1"] / V)
    flow(FIRST, PLASMA, per_h["Q1"] / V1)
    flow(PLASMA, SECOND, per_h["Q2"] / V)
    flow(SECOND, PLASMA, per_h["Q2"] / V2)
    way, made = absorption(body, route), body.norketamine
    mass = made.molar_mass.si / body.molar_mass.si if made else 0.0
    formed = made.formed.si * mass if made else 0.0
    flow(PLASMA, METABOLITE, per_h["CL"] / V, formed)
    if way is not None:
        ka = way.ka.to("/h")
        flow(DEPOT, PLASMA, ka, way.F.si)
        A[METABOLITE, DEPOT] += ka * way.first_pass.si * mass
    ke0 = np.log(2) / body.t_half_brain.to("h")
    A[BRAIN, BRAIN], A[BRAIN, PLASMA] = -ke0, ke0 * body.fu.si * body.Kp_uu.si / V
    if made is not None:
        V_m, Q_m = made.V.to("L/kg"), made.Q.to("L/h/kg")
        flow(METABOLITE, None, made.CL.to("L/h/kg") / V_m)
        flow(METABOLITE, METABOLITE_PERIPHERAL, Q_m / V_m)
        flow(METABOLITE_PERIPHERAL, METABOLITE, Q_m / made.V_peripheral.to("L/kg"))
        A[METABOLITE_BRAIN, METABOLITE_BRAIN] = -ke0
        A[METABOLITE_BRAIN, METABOLITE] = ke0 * made.fu.si * made.Kp_uu.si / V_m
    return A


def absorption(body: Disposition, route: str) -> Absorption | None:
    """Return the route's own numbers; none for intravenous ones."""
    field = ROUTES[route]
    return getattr(body, field) if field else None


def states(body: Disposition, dosing: Dosing, times_h: Array) -> Array:
    """Amounts of the linear system, shape (num_times, NUM_STATES), for one unit of `Dosing`; see `generator`."""
    times = np.asarray(times_h, dtype=float)
    A = generator(body, dosing.route)
    entry = PLASMA if ROUTES[dosing.route] is None else DEPOT
    total = np.zeros((times.size, NUM_STATES))
    for start in dosing.starts_h:
        since = times - start
        if dosing.duration_h > 0:
            rate = dosing.dose_mg_per_kg / dosing.duration_h
            total += rate * (_integrals(A, entry, since) - _integrals(A, entry, since - dosing.duration_h))
        else:
            after = np.where(since >= 0, since, 0.0)
            total += dosing.dose_mg_per_kg * _powers(A, after)[:, :, entry] * (since >= 0)[:, None]
    return total


def _powers(A: Array, times: Array) -> Array:
    """Matrix exponentials at all times, each distinct time once."""
    from scipy.linalg import expm  # not at the top: slow to import, and a concentration needs none of it

    distinct, where = np.unique(times, return_inverse=True)
    return expm(A * distinct[:, None, None])[where]


def _integrals(A: Array, entry: int, times: Array) -> Array:
    """Response to one unit of inflow an hour since time zero, by a source state that stays full."""
    augmented = np.zeros((NUM_STATES + 1, NUM_STATES + 1))
    augmented[:NUM_STATES, :NUM_STATES] = A
    augmented[entry, NUM_STATES] = 1.0
    return _powers(augmented, np.maximum(times, 0.0))[:, :NUM_STATES, NUM_STATES]


def course(body: Disposition, dosing: Dosing, times_h: Array, name: str = "drug") -> Course:
    """Return concentrations at some times after the first dose.

    Parameters
    ----------
    body : Disposition
        From `disposition` or `subject`.
    dosing : Dosing
    times_h : ndarray, shape (num_times,)
        h; before the first dose there is nothing.
    name : str
        What the drug is called in the result.
    """
    times = np.asarray(times_h, dtype=float)
    x = np.maximum(states(body, dosing, times), 0.0)  # rounding leaves -1e-18 where nothing is
    made = body.norketamine
    columns = [(body, PLASMA, BRAIN)] + ([(made, METABOLITE, METABOLITE_BRAIN)] if made else [])
    plasma, molar, free, total = [], [], [], []
    for one, at, brain in columns:
        plasma.append(x[:, at] / one.V.to("L/kg") * 1e3)
        molar.append(plasma[-1] / one.molar_mass.to("g/mol"))
        free.append(x[:, brain] / one.molar_mass.to("g/mol") * 1e3)
        total.append(x[:, brain] * 1e3 / fu_brain(one))
    names = (name, "norketamine")[: len(columns)]
    stacked = (np.stack(part, axis=1) for part in (plasma, molar, free, total))
    return Course(times, names, *stacked)


def fu_brain(one: Disposition | Metabolite) -> float:
    """Free fraction in brain tissue: free over total in plasma, over the ratio of brain to plasma, times Kp,uu."""
    return one.fu.si * one.Kp_uu.si / one.brain_to_plasma.si


@dataclass(frozen=True)
class Summary:
    """What a course comes down to, for one compound: ng/ml, h, ng h/ml, h."""

    compound: str
    Cmax_ng_ml: float
    tmax_h: float
    AUC_ng_h_ml: float
    half_life_h: float


def summaries(found: Course) -> list[Summary]:
    """Return the numbers pharmacologists print; area by trapezoids, half-life from the last tenth of the course."""
    result = []
    for n, name in enumerate(found.compounds):
        level = found.plasma_ng_ml[:, n]
        late = (found.times_h > 0.9 * found.times_h[-1]) & (level > 0)
        slope = np.polyfit(found.times_h[late], np.log(level[late]), 1)[0] if late.sum() > 1 else np.nan
        half = -np.log(2) / slope if slope < 0 else np.nan
        top = int(level.argmax())
        area = float(np.trapezoid(level, found.times_h))
        result.append(Summary(name, float(level[top]), float(found.times_h[top]), area, float(half)))
    return result
