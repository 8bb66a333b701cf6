# SPDX-License-Identifier: GPL-3.0-or-later
"""Spontaneous synaptic currents of a run, as of cells under voltage clamp: its network drawn anew, its spikes replayed.

On demand and not in every summary, because drawing the network takes longer than all of the summary does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from circuit import clamp, config, draw, measures, schema
from circuit.course import segments
from circuit.equations import SCHEDULED
from circuit.errors import ResultsError
from circuit.network import evenly
from circuit.populations import ranges, sizes
from circuit.receptors import tonic_activation

if TYPE_CHECKING:
    from circuit.experiment import Experiment
    from gpu.results import Results

Array = NDArray[np.float64]

SAMPLE = 100
"""At most so many cells of a population are clamped, evenly spread over it."""

PER_PA = 1e12


def clamped(results: Results, population: str, smallest: float = PER_PA * clamp.SMALLEST) -> dict[str, float]:
    """Frequency and amplitude of spontaneous EPSCs and IPSCs in each window that the run completed.

    Parameters
    ----------
    results : Results
        A run without a course, since spines are where they were drawn.
    population : str
        Of the clamped cells.
    smallest : float, optional
        Events below this are not seen, pA.

    Returns
    -------
    dict of str to float
        ``sEPSC_frequency_POP_WINDOW_hz``, ``sEPSC_amplitude_POP_WINDOW_pA``, the same of sIPSCs; NaN without an event.

    Raises
    ------
    ResultsError
        If the run followed a course, or there is no such population.
    """
    if results.has_course:
        raise ResultsError(f"{results.path} followed a course: its spines are not those that were drawn")
    if population not in results.sizes:
        raise ResultsError(f"{results.path} has no population {population!r}; it has {', '.join(results.sizes)}")
    exp = experiment(results)
    source, conductance = _contacts(exp, population)
    times, cell = results.spikes()
    size = _sizes(results, exp, population, times, cell)
    of_PYR = source < results.sizes["PYR"]
    num_cells = min(SAMPLE, results.sizes[population])
    reversal = exp.numbers.synapses
    kinds = {
        "sEPSC": (of_PYR, clamp.HELD_FOR_EXCITATION - reversal.E_exc.si),
        "sIPSC": (~of_PYR, clamp.HELD_FOR_INHIBITION - reversal.E_GABA.si),
    }
    found: dict[str, float] = {}
    for name, (kept, driving) in kinds.items():
        for window, (start, stop) in results.windows.items():
            inside = slice(*np.searchsorted(times, np.array([start, stop]) - measures.EARLY))
            opened = clamp.events(source[kept], conductance[kept], cell[inside], size[inside])
            frequency, amplitude = clamp.seen(opened, driving, num_cells, stop - start, smallest / PER_PA)
            found[f"{name}_frequency_{population}_{window}_hz"] = frequency
            found[f"{name}_amplitude_{population}_{window}_pA"] = PER_PA * amplitude
    return found


def experiment(results: Results) -> Experiment:
    """The experiment that was run, from its manifest."""
    settings = dict(results.manifest["config"])
    return config.restore(settings, settings.pop("model"))


def _contacts(exp: Experiment, population: str) -> tuple[NDArray[np.int32], Array]:
    """Source and conductance (S) of the contacts of a sample of cells, both compartments together."""
    numbers = exp.numbers
    counts = sizes(exp.network.num_neurons, schema.fractions(numbers))
    drawn = draw.inhibition(numbers, counts, exp.seed)
    parts = [("inhibition", drawn["inhibition.weight"] + drawn["inhibition.weight_d"])]
    if population == "PYR":
        drawn |= draw.contacts(numbers, counts, exp.seed)
        parts.append(("spines", (drawn["spines.weight"] + drawn["spines.weight_d"]) * drawn["spines.efficacy"]))
    else:
        drawn |= draw.excitation(numbers, counts, exp.seed)
        parts.append(("excitation", drawn["excitation.weight"]))
    is_sampled = np.zeros(exp.network.num_neurons, dtype=bool)
    is_sampled[evenly(ranges(counts)[population], SAMPLE)] = True
    sources, conductances = [], []
    for name, conductance in parts:
        kept = is_sampled[drawn[f"{name}.j"]] & (conductance > 0)
        sources.append(drawn[f"{name}.i"][kept])
        conductances.append(conductance[kept])
    return np.concatenate(sources), np.concatenate(conductances)


def _sizes(results: Results, exp: Experiment, target: str, times: Array, cell: NDArray[np.int32]) -> Array:
    """What each spike opens at contacts onto `target`, 1 for a first spike from rest without a drug."""
    counts = dict(results.sizes)
    terminals = draw.terminals(exp.numbers, counts)
    effects = _effects(exp, times)
    is_PYR = cell < counts["PYR"]
    share = effects["release_factor"] * np.where(is_PYR, _autoreceptor(results, exp, times, effects), 1.0)
    U = terminals[f"U_{target}"]
    fraction = clamp.released(
        times, cell, U, terminals[f"tau_rec_{target}"], terminals[f"tau_fac_{target}"], share
    )
    alpha_five = terminals[f"alpha_five_{target}"][cell] * (1 - effects["alpha_five_factor"])
    return fraction / U[cell] * np.where(is_PYR, effects["AMPA_factor"], effects["GABA_factor"] * (1 - alpha_five))


def _effects(exp: Experiment, times: Array) -> dict[str, Array]:
    """What the drugs do at each time, by the names in `SCHEDULED`."""
    segment = segments(exp)[0]
    row = np.minimum(times * draw.SCHEDULE_SAMPLES / segment.duration, draw.SCHEDULE_SAMPLES - 1).astype(np.int64)
    return dict(zip(SCHEDULED, draw.schedule(exp, segment)[row].T, strict=True))


def _autoreceptor(results: Results, exp: Experiment, times: Array, effects: dict[str, Array]) -> Array:
    """Share of its release that autoreceptors leave a pyramidal cell at each time."""
    constants = exp.numbers.glutamate
    sampled, glutamate = results.column("glutamate")
    last = np.maximum(np.searchsorted(sampled, times + measures.EARLY, side="right") - 1, 0)
    bound = glutamate[last] / constants.mGluR_EC50.to("uM") + effects["mGluR_agonist"]
    active = tonic_activation(bound / effects["mGluR_shift"], 1.0, constants.mGluR_hill.si)
    return 1 - constants.mGluR_max.si * active
