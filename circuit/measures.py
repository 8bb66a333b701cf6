# SPDX-License-Identifier: GPL-3.0-or-later
"""What do spikes and signals say? Rates, variability, correlation and spectra: arrays in, numbers or arrays out.

Times are in s, rates in Hz; a spike train is a pair of equally long arrays, `times` and `cell` (which cell fired then).
A measure that the data cannot support (no spike, a single interval, zero power) is NaN, never a made-up zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EARLY = 1e-9
"""s. Rounding of step * dt may put a sample a hair before the start of its window."""

MIN_SPIKES = 5
"""Cells with fewer spikes are left out of the CV: fewer than four intervals say little about their spread."""

BURST_INTERVAL = 0.01
"""s. Two spikes of a cell that are closer than this belong to a burst."""

SIGNIFICANCE = 0.05
"""Two-sided. So seldom at most does a cell whose rate stays the same seem to have changed it."""

Array = NDArray[np.float64]


def mean_rate(num_spikes: int, num_cells: int, duration: float) -> float:
    """Mean firing rate of a population, in Hz.

    Parameters
    ----------
    num_spikes : int
        Spikes of all cells together.
    num_cells : int
        Cells, the silent ones included.
    duration : float
        Seconds in which the spikes fell.

    Returns
    -------
    float
        Hz; 0 for a silent population, NaN without cells or time.
    """
    return num_spikes / (num_cells * duration) if num_cells and duration > 0 else np.nan


def cell_rates(cell: NDArray[np.integer], num_cells: int, duration: float) -> Array:
    """Firing rate of every cell, in Hz.

    Parameters
    ----------
    cell : ndarray of int, shape (num_spikes,)
        Which cell fired, 0 to `num_cells` - 1, in any order.
    num_cells : int
        Cells, the silent ones included.
    duration : float
        Seconds in which the spikes fell, > 0.

    Returns
    -------
    ndarray, shape (num_cells,)
        Hz; 0 for a silent cell.
    """
    return np.bincount(cell, minlength=num_cells) / duration


def bin_edges(start: float, stop: float, width: float) -> Array:
    """Edges of the whole bins of `width` seconds that fit between `start` and `stop`, shape (num_bins + 1,), s."""
    # 1e-6 of a bin: 0.3 / 0.1 is 2.999..., and the third bin is meant to be there.
    return start + width * np.arange(max(int((stop - start) / width + 1e-6), 0) + 1)


def spike_counts(
    times: Array, cell: NDArray[np.integer], num_cells: int, start: float, stop: float, width: float
) -> NDArray[np.int64]:
    """Spikes of every cell in every bin.

    Parameters
    ----------
    times, cell : ndarray, shape (num_spikes,)
        Spike times in s and cells 0 to `num_cells` - 1. Spikes outside the bins do not count.
    num_cells : int
        Cells, the silent ones included.
    start, stop, width : float
        Seconds; bins are half open, [left, right), and only whole ones are kept.

    Returns
    -------
    ndarray of int, shape (num_cells, num_bins)
    """
    num_bins = len(bin_edges(start, stop, width)) - 1
    # A spike on an edge belongs to the bin on its right, although rounding may put it a hair to the left.
    which = np.floor((np.asarray(times) - start) / width + 1e-6).astype(np.int64)
    inside = (which >= 0) & (which < num_bins)
    flat = np.asarray(cell, dtype=np.int64)[inside] * num_bins + which[inside]
    return np.bincount(flat, minlength=num_cells * num_bins).reshape(num_cells, num_bins)


def binned_rate(times: Array, num_cells: int, start: float, stop: float, width: float) -> tuple[Array, Array]:
    """Population rate in bins.

    Parameters
    ----------
    times : ndarray, shape (num_spikes,)
        Spike times of the whole population, s.
    num_cells : int
        Cells, the silent ones included.
    start, stop, width : float
        Seconds; as in `spike_counts`.

    Returns
    -------
    centres : ndarray, shape (num_bins,)
        Middle of each bin, s.
    rate : ndarray, shape (num_bins,)
        Hz per cell.
    """
    edges = bin_edges(start, stop, width)
    counts = spike_counts(times, np.zeros(len(times), dtype=np.int64), 1, start, stop, width)[0]
    return (edges[:-1] + edges[1:]) / 2, counts / (max(num_cells, 1) * width)


def cv_isi(times: Array, cell: NDArray[np.integer], min_spikes: int = MIN_SPIKES) -> Array:
    """Coefficient of variation of the inter-spike intervals, one value for each cell that fired often enough.

    0 for a clock, 1 for a Poisson process. A short recording pulls it down: with `n` intervals the sample CV of a
    Poisson train is about 1 - 1/(n + 2), and intervals longer than the window are never seen.

    Parameters
    ----------
    times, cell : ndarray, shape (num_spikes,)
        Spike times in s and cells (any integers), in any order.
    min_spikes : int, optional
        Cells with fewer spikes are left out; at least 3.

    Returns
    -------
    ndarray, shape (cells with at least `min_spikes`,)
        In the order of the cell numbers; empty if there is none.

    Raises
    ------
    ValueError
        If `min_spikes` is below 3, since one interval has no spread.
    """
    if min_spikes < 3:
        raise ValueError(f"the CV of intervals needs at least 3 spikes a cell, got min_spikes={min_spikes}")
    order = np.lexsort((times, cell))
    sorted_cell, intervals = np.asarray(cell)[order], np.diff(np.asarray(times)[order])
    same = sorted_cell[1:] == sorted_cell[:-1]
    owner, intervals = sorted_cell[1:][same], intervals[same]
    owner = np.cumsum(np.diff(owner, prepend=owner[:1]) != 0)  # from 0, without those that have no interval
    num = np.bincount(owner)
    mean = np.bincount(owner, intervals) / num
    variance = np.bincount(owner, (intervals - mean[owner]) ** 2) / np.maximum(num - 1, 1)
    enough = (num + 1 >= min_spikes) & (mean > 0)
    return np.sqrt(variance[enough]) / mean[enough]


def mean_or_nan(values: Array) -> float:
    """Mean of the values, NaN without a warning if there is none."""
    return float(np.mean(values)) if np.size(values) else np.nan


def rate_skewness(rates: Array) -> float:
    """Skewness of the distribution of rates over cells: above 0 when a few cells fire much more than most.

    Parameters
    ----------
    rates : ndarray, shape (num_cells,)
        Hz, silent cells included.

    Returns
    -------
    float
        Adjusted Fisher-Pearson coefficient; NaN with fewer than 3 cells or no spread.
    """
    size = len(rates)
    if size < 3 or np.ptp(rates) == 0:
        return np.nan
    # scipy.stats.skew(rates, bias=False); a process that does many short runs should not import SciPy's for it.
    apart = rates - np.mean(rates)
    moment = np.mean(apart**3) / np.mean(apart**2) ** 1.5
    return float(moment * np.sqrt(size * (size - 1)) / (size - 2))


def log_rate_sd(rates: Array) -> float:
    """Standard deviation of the natural logarithm of the rates of the cells that fired.

    Parameters
    ----------
    rates : ndarray, shape (num_cells,)
        Hz; silent cells have no logarithm and are left out.

    Returns
    -------
    float
        The sigma of a log-normal distribution; NaN with fewer than 2 cells that fired.
    """
    active = rates[rates > 0]
    return float(np.std(np.log(active), ddof=1)) if len(active) > 1 else np.nan


def fano_factor(counts: NDArray[np.integer]) -> float:
    """Variance over mean of the spike count in a bin, averaged over the cells that fired.

    Parameters
    ----------
    counts : ndarray of int, shape (num_cells, num_bins)
        From `spike_counts`.

    Returns
    -------
    float
        0 for a clock, 1 for a Poisson process; NaN with fewer than 2 bins or without a spike.
    """
    if counts.shape[1] < 2:
        return np.nan
    active = counts[counts.sum(axis=1) > 0]
    return mean_or_nan(active.var(axis=1, ddof=1) / active.mean(axis=1)) if len(active) else np.nan


def pairwise_correlation(counts: NDArray[np.integer]) -> float:
    """Mean Pearson correlation of the spike counts over all pairs of cells.

    No pair has to be looked at: for n z-scored rows the mean over pairs is (variance of their sum - n) / (n (n - 1)).

    Parameters
    ----------
    counts : ndarray of int, shape (num_cells, num_bins)
        From `spike_counts`. Cells whose count never changes have no correlation and are left out.

    Returns
    -------
    float
        -1 to 1; NaN with fewer than 2 cells or 2 bins left.
    """
    if counts.shape[1] < 2:
        return np.nan
    varying = counts[np.ptp(counts, axis=1) > 0]
    num_cells, num_bins = varying.shape
    if num_cells < 2:
        return np.nan
    scores = (varying - varying.mean(axis=1, keepdims=True)) / varying.std(axis=1, keepdims=True)
    return float((np.sum(scores.sum(axis=0) ** 2) / num_bins - num_cells) / (num_cells * (num_cells - 1)))


def burst_fraction(times: Array, cell: NDArray[np.integer], interval: float = BURST_INTERVAL) -> float:
    """Share of the spikes that belong to a burst: the spike before or the one after is closer than an interval.

    There is no standard definition of a burst (Bakkum et al. 2014); this one has an interval and no least number.
    A Poisson process of rate r has ``1 - exp(-2 r interval)`` of them without any tendency to burst: 4 % at 2 Hz, 18 %
    at 10 Hz.

    Parameters
    ----------
    times, cell : ndarray, shape (num_spikes,)
        Spike times in s and cells (any integers), in any order.
    interval : float, optional
        s.

    Returns
    -------
    float
        0 to 1, over the spikes of all cells together; NaN without a spike.
    """
    order = np.lexsort((times, cell))
    sorted_cell = np.asarray(cell)[order]
    # Intervals of exactly this length, in steps, are none shorter, whatever rounding does.
    close = (np.diff(np.asarray(times)[order]) < interval - EARLY) & (sorted_cell[1:] == sorted_cell[:-1])
    return mean_or_nan(np.append(close, False) | np.insert(close, 0, False)) if len(order) else np.nan


def changed_cells(
    before: NDArray[np.integer], after: NDArray[np.integer], duration_before: float, duration_after: float
) -> tuple[float, float]:
    """Share of the cells whose rate is significantly higher, and lower, in one window than in another.

    Given all spikes of a cell, those in the second window are binomial if its rate is the same in both and its spikes
    are Poisson. A cell has changed if so many or more, or so few or fewer, have a chance of at most 2.5 % (exact
    two-sided test of two Poisson rates at 5 %, Przyborowski and Wilenski 1940). By chance each share is therefore at
    most 2.5 %, and less for cells that fire seldom: with windows of equal length, fewer than 6 spikes never suffice.
    Cells that are more regular than Poisson change by chance less often, those with slow changes of their own more.

    Parameters
    ----------
    before, after : ndarray of int, shape (num_cells,)
        Spikes of each cell in the two windows.
    duration_before, duration_after : float
        Lengths of the windows, s, > 0.

    Returns
    -------
    up, down : float
        0 to 1, silent cells among all; NaN without a cell.
    """
    total = np.asarray(before) + np.asarray(after)
    if not total.size:
        return np.nan, np.nan
    n, which = np.unique(total, return_inverse=True)
    # The binomial distributions for every n that occurs, one after the other, each from its own `first` place.
    first = np.cumsum(n + 1) - (n + 1)
    spikes = np.repeat(n, n + 1)
    k = np.arange(spikes.size) - np.repeat(first, n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n[-1] + 1)))])
    share = duration_after / (duration_before + duration_after)
    ways = log_factorial[spikes] - log_factorial[k] - log_factorial[spikes - k]
    probability = np.exp(ways + k * np.log(share) + (spikes - k) * np.log1p(-share))
    found = first[which] + np.asarray(after)
    at_most = np.cumsum(probability)[found] - which  # the distributions before this one add up to 1 each
    at_least = 1 - at_most + probability[found]
    return float(np.mean(at_least <= SIGNIFICANCE / 2)), float(np.mean(at_most <= SIGNIFICANCE / 2))


def evoked(times: Array, pulses: Array, window: float, weights: Array | float = 1.0) -> float:
    """How much more there is in a window after a pulse than in one of the same length before it.

    Parameters
    ----------
    times : ndarray, shape (num_events,)
        Times of spikes or samples in ascending order, s.
    pulses : ndarray, shape (num_pulses,)
        s.
    window : float
        s.
    weights : ndarray, shape (num_events,), optional
        What each counts; 1 by default.

    Returns
    -------
    float
        Mean over the pulses of the sum of weights; NaN without a pulse.
    """
    summed = np.concatenate([[0.0], np.cumsum(np.broadcast_to(weights, times.shape))])
    before, at, after = (summed[np.searchsorted(times, pulses + shift)] for shift in (-window, 0.0, window))
    return mean_or_nan(after - 2 * at + before)


def spectrum(values: Array, step: float, segment: float = 0.5) -> tuple[Array, Array]:
    """Power spectral density by Welch's method: Hann windows, half overlapping, each with its mean taken off.

    Parameters
    ----------
    values : ndarray, shape (num_samples,)
        The signal, in any unit u.
    step : float
        Seconds between samples.
    segment : float, optional
        Length of a window in s; its inverse is the resolution in Hz. Cut to the signal where that is shorter.

    Returns
    -------
    frequency : ndarray, shape (num_frequencies,)
        Hz, from 0 to 1 / (2 `step`).
    power : ndarray, shape (num_frequencies,)
        u^2 / Hz. Both empty with fewer than 2 samples.
    """
    if len(values) < 2:
        return np.empty(0), np.empty(0)
    # What scipy.signal.welch does, less two seconds of imports in every process that measures a run.
    length = min(len(values), max(round(segment / step), 2))
    pieces = np.lib.stride_tricks.sliding_window_view(values, length)[:: length - length // 2]
    window = np.sin(np.pi * np.arange(length) / length) ** 2
    parts = np.fft.rfft((pieces - pieces.mean(axis=1, keepdims=True)) * window, axis=1)
    power = (parts.real**2 + parts.imag**2).mean(axis=0) * step / np.sum(window**2)
    power[1 : (length + 1) // 2] *= 2  # What lies at negative frequencies: at all but 0 and 1 / (2 step).
    return np.fft.rfftfreq(length, step), power


def band_power(frequency: Array, power: Array, low: float, high: float) -> float:
    """Power between two frequencies.

    Parameters
    ----------
    frequency, power : ndarray, shape (num_frequencies,)
        From `spectrum`: equally spaced Hz, and u^2 / Hz.
    low, high : float
        Hz. By the trapezoidal rule, so that bands that share an end share no power.

    Returns
    -------
    float
        u^2; NaN if fewer than two frequencies fall in the band.
    """
    inside = (frequency >= low - 1e-9) & (frequency <= high + 1e-9)
    return float(np.trapezoid(power[inside], frequency[inside])) if np.count_nonzero(inside) > 1 else np.nan


def vesicular_release(glutamate: Array, step: float, leak: float, uptake_max: float, uptake_K: float) -> float:
    """Release of glutamate by vesicles that the course of its concentration implies.

    What vesicles released is what was taken up, plus what was gained, less what leaked: the balance of
    `circuit.equations.COLUMN_STEP`, whose steps are the samples.

    Parameters
    ----------
    glutamate : ndarray, shape (num_samples,)
        Extracellular concentration at each step, uM.
    step : float
        Seconds between samples.
    leak, uptake_max : float
        Non-vesicular release and largest rate of uptake, uM/s.
    uptake_K : float
        Concentration at which uptake is half its largest, uM.

    Returns
    -------
    float
        Mean over the samples, uM/s; NaN with fewer than 2 of them.
    """
    if len(glutamate) < 2:
        return np.nan
    before = np.asarray(glutamate, dtype=np.float64)[:-1]
    gained = (float(glutamate[-1]) - float(glutamate[0])) / (step * len(before))
    return float(np.mean(uptake_max * before / (uptake_K + before))) + gained - leak


def lfp_proxy(
    excitatory: NDArray[np.float64], inhibitory: NDArray[np.float64], lag: int, weight: float
) -> NDArray[np.float64]:
    """Weighted sum of synaptic currents that stands for a local field potential (Mazzoni et al. 2015).

    Parameters
    ----------
    excitatory, inhibitory : ndarray, shape (num_samples,)
        Mean synaptic currents of the pyramidal cells, of any sign.
    lag : int
        Samples by which the excitatory part comes later, >= 0.
    weight : float
        Of the inhibitory part.

    Returns
    -------
    ndarray, shape (num_samples,)
        ``|excitatory(t - lag)| + weight |inhibitory(t)|``; the first `lag` samples repeat the first excitatory value.
    """
    late = np.concatenate([np.repeat(excitatory[:1], lag), excitatory])[: excitatory.size]
    return np.abs(late) + weight * np.abs(inhibitory)
