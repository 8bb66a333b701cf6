# SPDX-License-Identifier: GPL-3.0-or-later
"""Which few numbers does a run come down to? The flat keys of summary.json, each with its unit in its name.

docs/results.md says what each key means; a test holds the two together. A number that the run does not support (its
window was not reached, a population is silent) is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from circuit import measures, rhythms
from circuit.populations import INTERNEURONS, split

if TYPE_CHECKING:
    from circuit.config import Experiment
    from gpu.results import Results

Summary = dict[str, float | None]
Array = NDArray[np.float64]
#: Of each window, by its name: a number, spike times (s) and cells, times (s) and values of a series.
ByWindow = Mapping[str, float]
Trains = Mapping[str, tuple[Array, NDArray[np.integer]]]
Cut = Mapping[str, tuple[Array, Array]]
Span = tuple[float, float]

WINDOWS = ("baseline", "drug")

COUNT_BIN = 0.1
"""s. Bin of the spike counts behind the Fano factor and the correlation."""

COUNTED_CELLS = 2000
"""So many cells at most stand for their population in both, so that a large network stays cheap."""

LEAST_PERIODIC = 0.2
"""Share of the gamma power above the aperiodic part at baseline below which a change of it means nothing: two standard
deviations of what noise alone makes of it in 5 s are 0.08 to 0.16."""

#: What a key ends in, and the unit that it says; no such end is a number without unit.
UNITS = {
    "_uM_per_s": "uM/s",
    "_pC_per_s": "pC/s",
    "_percent": "%",
    "_hz": "Hz",
    "_uM": "uM",
    "_pA2": "pA^2",
    "_pA": "pA",
}
#: What a key of one window begins with, in words. Without a window in its name, it is of the baseline.
SPIKING = {
    "cv_isi": "coefficient of variation of inter-spike intervals",
    "fano_factor": "variance over mean of spike counts",
    "pairwise_correlation": "mean correlation of spike counts over pairs of cells",
    "rate_skewness": "skewness of the distribution of rates over cells",
    "rate_log_sd": "standard deviation of the logarithm of the rates of cells that fired",
    "active_fraction": "fraction of cells that fired",
}
#: What a key begins with, in words.
WORDS = {
    **SPIKING,
    "rate": "mean firing rate per cell",
    "glutamate_release": "glutamate that vesicles release into the extracellular space",
    "glutamate": "extracellular glutamate",
    "gaba_release": "spikes of interneurons that reach a cell, mean over all cells",
    "ampa_throughput": "AMPA charge per pyramidal cell and second",
    "excitation": "mean excitatory synaptic current, inward",
    "inhibition": "mean inhibitory synaptic current, outward",
    "block": "blocked fraction of NMDA channels under drug",
    "burst_fraction": "share of spikes less than 10 ms from another of the cell",
    "cells_up": "share of cells whose rate rises significantly",
    "cells_down": "share of cells whose rate falls significantly",
    "spike_field": "pairwise phase consistency of spikes with the gamma band of the field potential",
    **{
        f"{name}_power": f"power of the field potential from {low:.0f} to {high:.0f} Hz"
        for name, (low, high) in rhythms.BANDS.items()
    },
    "gamma_periodic": "power of the field potential from 30 to 80 Hz above its aperiodic part",
    "gamma_prominence": "height of the most prominent gamma peak over the trough below it",
    "gamma_peak": "frequency of the most prominent gamma peak",
}
PARTS = {
    "baseline": "at baseline",
    "drug": "under drug",
    "change": "change from baseline to drug",
    "mean": "mean over subunits by their conductance",
}


@dataclass(frozen=True)
class Constants:
    """What the summary has to know of the model.

    Attributes
    ----------
    in_degrees : mapping of str to int
        Synapses that one target cell receives, by pathway.
    leak, uptake_max, uptake_K : float
        Of extracellular glutamate, uM/s, uM/s and uM.
    has_uptake : bool
        Whether uptake is what these say throughout the run: no drug that blocks it is on board.
    """

    in_degrees: Mapping[str, int]
    leak: float
    uptake_max: float
    uptake_K: float
    has_uptake: bool

    @classmethod
    def of(cls, exp: Experiment) -> Self:
        """Constants of an experiment."""
        from circuit import schema  # not at the top: it needs the whole model, and most readers do not

        numbers = exp.numbers
        mechanisms = {getattr(getattr(numbers.drugs, drug.name), "mechanism", None) for drug in exp.drugs}
        glutamate = numbers.glutamate
        return cls(
            schema.in_degrees(numbers),
            glutamate.leak.to("uM/s"),
            glutamate.uptake_max.to("uM/s"),
            glutamate.uptake_K.to("uM"),
            "glutamate uptake block" not in mechanisms,
        )


def described(key: str) -> tuple[str, str]:
    """Return the unit of a key of summary.json and what it is, in words."""
    name, units = next(((key.removesuffix(end), unit) for end, unit in UNITS.items() if key.endswith(end)), (key, "1"))
    stem = next((stem for stem in WORDS if f"{name}_".startswith(f"{stem}_")), None)
    if stem is None:
        return units, name.replace("_", " ")
    parts = name.removeprefix(stem).split("_")[1:]
    if stem in SPIKING and "drug" not in parts:
        parts.append("baseline")
    return units, ", ".join([WORDS[stem], *(PARTS.get(part, part) for part in parts)])


def summarise(results: Results, constants: Constants) -> Summary:
    """All keys of summary.json.

    Parameters
    ----------
    results : Results
        An open run; only its data and windows are read.
    constants : Constants
        Of the experiment that was run.

    Returns
    -------
    dict
        Flat; floats, or None where the run does not support a number.
    """
    windows = {window: span for window, span in results.windows.items() if window in WINDOWS}
    trains = {name: {window: results.spikes(name, window) for window in windows} for name in results.sizes}
    rates = {name: _rates(trains[name], size, windows) for name, size in results.sizes.items()}
    cut = {name: _cut(series, windows) for name, series in _series(results).items()}
    values: Summary = {}
    for population, found in rates.items():
        values |= _both(f"rate_{population}", "hz", found)
    values |= _both("glutamate", "uM", _means(cut["glutamate"]))
    values |= _both("glutamate_release", "uM_per_s", _glutamate_release(cut["glutamate"], constants))
    values |= _both("gaba_release", "hz", _gaba_release(rates, results.sizes, constants))
    values |= _both("ampa_throughput", "pC_per_s", _means(cut["ampa_throughput"]))
    values |= _block(results)
    for population, size in results.sizes.items():
        values |= _spiking(population, size, trains[population], windows)
    values |= _both("excitation_PYR", "pA", {window: -mean for window, mean in _means(cut["excitatory"]).items()})
    values |= _both("inhibition_PYR", "pA", _means(cut["inhibitory"]))
    values |= _field(cut["lfp"]) | _locking(cut["lfp"], trains)
    return {key: _plain(value) for key, value in values.items()}


def _series(results: Results) -> dict[str, tuple[Array, Array]]:
    """Times and values of the series of which the summary tells."""
    column = {name: results.column(name) for name in ("glutamate", "ampa_throughput")}
    return column | {name: results.lfp(name) for name in ("excitatory", "inhibitory", "lfp")}


def _plain(value: float | None) -> float | None:
    """A number JSON can hold: NaN and infinity become None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _change(before: float | None, after: float | None) -> float | None:
    """Change in %, None where there is nothing to divide by."""
    return 100 * (after / before - 1) if before and after is not None else None


def _both(name: str, unit: str, found: ByWindow) -> Summary:
    """A measure in both windows and its change; `unit` is empty for a number without."""
    baseline, drug = (found.get(window) for window in WINDOWS)
    end = f"_{unit}" if unit else ""
    return {
        f"{name}_baseline{end}": baseline,
        f"{name}_drug{end}": drug,
        f"{name}_change_percent": _change(baseline, drug),
    }


def _cut(series: tuple[Array, Array], windows: Mapping[str, Span]) -> Cut:
    """Times and values of a series in each window."""
    times, values = series
    places = {window: np.searchsorted(times, np.asarray(span) - measures.EARLY) for window, span in windows.items()}
    return {window: (times[start:stop], values[start:stop]) for window, (start, stop) in places.items()}


def _step(times: Array) -> float:
    """Time between samples, s, free of rounding."""
    return round(float(times[-1] - times[0]) / (len(times) - 1), 9) if len(times) > 1 else 1.0


def _means(cut: Cut) -> dict[str, float]:
    return {window: measures.mean_or_nan(values) for window, (_, values) in cut.items()}


def _rates(trains: Trains, size: int, windows: Mapping[str, Span]) -> dict[str, float]:
    return {w: measures.mean_rate(len(trains[w][0]), size, stop - start) for w, (start, stop) in windows.items()}


def _glutamate_release(cut: Cut, constants: Constants) -> dict[str, float]:
    """Vesicular release from the balance of glutamate, uM/s; nothing where uptake is not what the model has."""
    if not constants.has_uptake:
        return {}
    kinetics = constants.leak, constants.uptake_max, constants.uptake_K
    return {w: measures.vesicular_release(values, _step(times), *kinetics) for w, (times, values) in cut.items()}


def _gaba_release(rates: Mapping[str, ByWindow], counts: Mapping[str, int], constants: Constants) -> dict[str, float]:
    """Spikes that arrive at a cell's GABA synapses, mean over all cells, Hz."""
    weights = dict.fromkeys(INTERNEURONS, 0.0)
    for name, degree in constants.in_degrees.items():
        source, target = split(name)
        if source in weights:
            weights[source] += degree * counts[target] / sum(counts.values())
    return {window: sum(weights[name] * rates[name][window] for name in weights) for window in rates["PYR"]}


def _block(results: Results) -> Summary:
    """Blocked fraction of the NMDA channels in the drug window, by class and weighted by the classes' conductance."""
    values: Summary = {}
    for population in results.sizes:
        if "drug" in results.windows:
            means = [results.mean_block(population, name, "drug") for name in results.classes]
            shares = results.class_shares(population)
            # A class that a population lacks has no block, and no share in the mean.
            whole = None if shares is None else sum(s * m for s, m in zip(shares, means, strict=True) if s > 0)
        else:
            means, whole = [None] * len(results.classes), None
        values |= {f"block_{population}_{name}": mean for name, mean in zip(results.classes, means, strict=True)}
        values[f"block_{population}_mean"] = whole
    return values


def _spiking(population: str, size: int, trains: Trains, windows: Mapping[str, Span]) -> Summary:
    """Variability of a population's spike trains in both windows, bursts, and cells that changed."""
    values: Summary = {}
    for window, end in zip(WINDOWS, ("", "_drug"), strict=True):
        found = _variability(size, *trains[window], *windows[window]) if window in windows else dict.fromkeys(SPIKING)
        values |= {f"{key}_{population}{end}": value for key, value in found.items()}
    bursts = {window: measures.burst_fraction(*train) for window, train in trains.items()}
    values |= _both(f"burst_fraction_{population}", "", bursts)
    up = down = None
    if len(windows) == len(WINDOWS):
        counts = [np.bincount(trains[window][1], minlength=size) for window in WINDOWS]
        up, down = measures.changed_cells(*counts, *(stop - start for start, stop in map(windows.get, WINDOWS)))
    return values | {f"cells_up_{population}": up, f"cells_down_{population}": down}


def _variability(size: int, times: Array, cell: NDArray[np.integer], start: float, stop: float) -> dict[str, float]:
    """The measures of `SPIKING` from the spikes of a window."""
    rates = measures.cell_rates(cell, size, stop - start)
    sampled = cell < COUNTED_CELLS
    counts = measures.spike_counts(times[sampled], cell[sampled], min(size, COUNTED_CELLS), start, stop, COUNT_BIN)
    return {
        "cv_isi": measures.mean_or_nan(measures.cv_isi(times, cell)),
        "fano_factor": measures.fano_factor(counts),
        "pairwise_correlation": measures.pairwise_correlation(counts),
        "rate_skewness": measures.rate_skewness(rates),
        "rate_log_sd": measures.log_rate_sd(rates),
        "active_fraction": measures.mean_or_nan(rates > 0),
    }


def _field(cut: Cut) -> Summary:
    """Power of the LFP proxy by band, gamma above the aperiodic part, the gamma peak where it is more than noise."""
    spectra = {window: rhythms.spectra(values, _step(times)) for window, (times, values) in cut.items()}
    powers = {window: rhythms.band_powers(found) for window, found in spectra.items()}
    values: Summary = {}
    for band in rhythms.BANDS:
        values |= _both(f"{band}_power", "pA2", {window: found[band] for window, found in powers.items()})
    periodic: dict[str, float] = {}
    for window in WINDOWS:
        peak = prominence = None
        if window in cut:
            times, signal = cut[window]
            found = spectra[window][rhythms.FAST_SEGMENT]
            freedom = rhythms.freedom(len(signal), _step(times), rhythms.FAST_SEGMENT)
            periodic[window] = rhythms.periodic_power(*found, *rhythms.GAMMA_BAND, freedom)
            peak, prominence = rhythms.peak(*found)
            peak = peak if prominence >= rhythms.chance_prominence(freedom) else None
        values |= {f"gamma_peak_{window}_hz": peak, f"gamma_prominence_{window}": prominence}
    values |= _both("gamma_periodic", "pA2", periodic)
    if "baseline" in cut and not periodic["baseline"] >= LEAST_PERIODIC * powers["baseline"]["gamma"]:
        values["gamma_periodic_change_percent"] = None
    return values


def _locking(cut: Cut, trains: Mapping[str, Trains]) -> Summary:
    """How the spikes of each population keep to the gamma rhythm of the LFP proxy."""
    values: Summary = {f"spike_field_{name}_{window}": None for name in trains for window in WINDOWS}
    for window, (times, signal) in cut.items():
        step = _step(times)
        if len(times) * step < rhythms.FAST_SEGMENT * (1 - 1e-6):
            continue  # a dozen cycles agree with anything
        wave = rhythms.analytic(signal, step, *rhythms.GAMMA_BAND)
        for name, found in trains.items():
            values[f"spike_field_{name}_{window}"] = rhythms.phase_consistency(*found[window], wave, times[0], step)
    return values
