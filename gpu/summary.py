# SPDX-License-Identifier: GPL-3.0-or-later
"""Which few numbers does a run come down to? The flat keys of summary.json, each with its unit in its name.

docs/results.md says what each key means; a test holds the two together. A number that the run does not support (its
window was not reached, a population is silent) is None.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from circuit import measures

if TYPE_CHECKING:
    from gpu.results import Results

Summary = dict[str, float | None]

COUNT_BIN = 0.1
"""s. Bin of the spike counts behind the Fano factor and the correlation."""

COUNTED_CELLS = 2000
"""So many cells at most stand for their population in both, so that a large network stays cheap."""

#: What a key ends in, and the unit that it says; no such end is a number without unit.
UNITS = {"_pC_per_s": "pC/s", "_percent": "%", "_hz": "Hz", "_uM": "uM", "_pA2": "pA^2"}
#: What a key begins with, in words.
WORDS = {
    "rate_skewness": "skewness of the distribution of rates over cells at baseline",
    "rate_log_sd": "standard deviation of the logarithm of the rates of cells that fired at baseline",
    "rate": "mean firing rate per cell",
    "glutamate": "extracellular glutamate",
    "ampa_throughput": "AMPA charge per pyramidal cell and second",
    "block": "blocked fraction of NMDA channels under drug",
    "cv_isi": "coefficient of variation of inter-spike intervals at baseline",
    "fano_factor": "variance over mean of spike counts at baseline",
    "pairwise_correlation": "mean correlation of spike counts over pairs of cells at baseline",
    "active_fraction": "fraction of cells that fired at baseline",
    "gamma_index": "share of 30 to 80 Hz in the power of the field potential",
    "gamma_power": "power of the field potential from 30 to 80 Hz",
    "gamma_peak": "frequency of the highest peak of the field potential from 30 to 80 Hz",
}
PARTS = {
    "baseline": "at baseline",
    "drug": "under drug",
    "change": "change from baseline to drug",
    "mean": "mean over subunits by their conductance",
}


def described(key: str) -> tuple[str, str]:
    """Return the unit of a key of summary.json and what it is, in words."""
    name, units = next(((key.removesuffix(end), unit) for end, unit in UNITS.items() if key.endswith(end)), (key, "1"))
    stem = next((stem for stem in WORDS if f"{name}_".startswith(f"{stem}_")), None)
    if stem is None:
        return units, name.replace("_", " ")
    parts = name.removeprefix(stem).split("_")[1:]
    return units, ", ".join([WORDS[stem], *(PARTS.get(part, part) for part in parts)])


def summarise(results: Results) -> Summary:
    """All keys of summary.json.

    Parameters
    ----------
    results : Results
        An open run; only its data and windows are read.

    Returns
    -------
    dict
        Flat; floats, or None where the run does not support a number.
    """
    values: Summary = {}
    for population in results.sizes:
        values |= _both(results, f"rate_{population}", "hz", lambda w, p=population: results.rate(p, w))
    values |= _both(results, "glutamate", "uM", lambda w: results.mean("glutamate", w))
    values |= _both(results, "ampa_throughput", "pC_per_s", lambda w: results.mean("ampa_throughput", w))
    values |= _block(results)
    for population in results.sizes:
        values |= _spiking(results, population)
    values |= _gamma(results)
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: float | None) -> float | None:
    """A number JSON can hold: NaN and infinity become None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _change(before: float | None, after: float | None) -> float | None:
    """Change in %, None where there is nothing to divide by."""
    return 100 * (after / before - 1) if before and after is not None else None


def _both(results: Results, name: str, unit: str, measure) -> Summary:
    """A measure in both windows and its change."""
    baseline, drug = (measure(w) if w in results.windows else None for w in ("baseline", "drug"))
    return {
        f"{name}_baseline_{unit}": baseline,
        f"{name}_drug_{unit}": drug,
        f"{name}_change_percent": _change(baseline, drug),
    }


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


def _spiking(results: Results, population: str) -> Summary:
    """Variability of a population's spike trains in the baseline window."""
    keys = ("cv_isi", "fano_factor", "pairwise_correlation", "rate_skewness", "rate_log_sd", "active_fraction")
    if "baseline" not in results.windows:
        return {f"{key}_{population}": None for key in keys}
    start, stop = results.windows["baseline"]
    times, cell = results.spikes(population, "baseline")
    size = results.sizes[population]
    rates = measures.cell_rates(cell, size, stop - start)
    sampled = cell < COUNTED_CELLS
    counts = measures.spike_counts(times[sampled], cell[sampled], min(size, COUNTED_CELLS), start, stop, COUNT_BIN)
    found = (
        measures.mean_or_nan(measures.cv_isi(times, cell)),
        measures.fano_factor(counts),
        measures.pairwise_correlation(counts),
        measures.rate_skewness(rates),
        measures.log_rate_sd(rates),
        measures.mean_or_nan(rates > 0),
    )
    return {f"{key}_{population}": value for key, value in zip(keys, found, strict=True)}


def _gamma(results: Results) -> Summary:
    """Gamma share, power and peak of the LFP proxy in both windows."""
    found: dict[str, tuple[float, float, float]] = {}
    for window in results.windows:
        frequency, power = results.lfp_spectrum(window)
        found[window] = (
            measures.gamma_index(frequency, power),
            measures.band_power(frequency, power, *measures.GAMMA_BAND),
            measures.peak_frequency(frequency, power, *measures.GAMMA_BAND),
        )
    values: Summary = {}
    for i, (name, unit) in enumerate((("gamma_index", ""), ("gamma_power", "_pA2"), ("gamma_peak", "_hz"))):
        for window in ("baseline", "drug"):
            values[f"{name}_{window}{unit}"] = found[window][i] if window in found else None
    values["gamma_power_change_percent"] = _change(values["gamma_power_baseline_pA2"], values["gamma_power_drug_pA2"])
    return values
