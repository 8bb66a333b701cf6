# SPDX-License-Identifier: GPL-3.0-or-later
"""Rhythms of a field potential: power by band, power above the aperiodic part, peaks, and how spikes keep to a rhythm.

Arrays in, numbers or arrays out, as in `circuit.measures`; what the data cannot support is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuit import aperiodic
from circuit.measures import MIN_SPIKES, Array, band_power, spectrum

GAMMA_BAND = (30.0, 80.0)
"""Hz. Of gamma power, and of the rhythm that spikes are held against."""

BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": GAMMA_BAND,
    "hfo": (100.0, 170.0),
}
"""Hz. Bands of the field potential; hfo are the high-frequency oscillations that ketamine evokes in rats."""

SLOW_SEGMENT, FAST_SEGMENT = 2.0, 0.5
"""s. Welch segments for bands that end at 13 Hz or below, and for all others."""

SLOW_BELOW = 13.0
PEAK_RANGE = (25.0, 85.0)
"""Hz. Where a gamma peak is looked for."""

PEAK_SMOOTHING = 6.0
"""Hz. Running mean over the spectrum before a peak is looked for."""

NOISE_SDS = 3.5
"""What stands above the aperiodic part by less than so many standard deviations of a spectrum's noise is no peak."""

TROUGH_WITHIN = 25.0
"""Hz. How far below a peak its trough may lie."""


Spectra = dict[float, tuple[Array, Array]]
"""Frequency in Hz and power density in u^2/Hz, by the length of the Welch segments in s."""


def spectra(values: Array, step: float) -> Spectra:
    """Spectra of a signal with segments of both lengths, empty where the signal is shorter than a segment.

    Parameters
    ----------
    values : ndarray, shape (num_samples,)
        The signal, in any unit u.
    step : float
        Seconds between samples.
    """
    span = len(values) * step * (1 + 1e-6)
    none = np.empty(0), np.empty(0)
    return {s: spectrum(values, step, s) if span >= s else none for s in (SLOW_SEGMENT, FAST_SEGMENT)}


def band_powers(found: Spectra) -> dict[str, float]:
    """Power in each of `BANDS`, in u^2; NaN for one whose segments are longer than the signal, or that it misses."""
    return {name: _in_band(*found[segment_of(band[1])], *band) for name, band in BANDS.items()}


def segment_of(high: float) -> float:
    """Length of the Welch segments, s, for a band that ends at `high` Hz."""
    return SLOW_SEGMENT if high <= SLOW_BELOW else FAST_SEGMENT


def _in_band(frequency: Array, power: Array, low: float, high: float) -> float:
    return band_power(frequency, power, low, high) if frequency.size and frequency[-1] >= high else np.nan


def freedom(num_samples: int, step: float, segment: float) -> float:
    """Degrees of freedom of each frequency of a spectrum from half-overlapping Hann windows.

    `k` of them are worth ``36 k^2 / (19 k - 1)`` (Percival and Walden 1993, section 6.17), not ``2 k``.
    """
    k = max(1, int(2 * num_samples * step / segment + 1e-6) - 1)
    return 36 * k**2 / (19 * k - 1)


def periodic_power(frequency: Array, power: Array, low: float, high: float, freedom: float = np.inf) -> float:
    """Power between two frequencies above the aperiodic part of the spectrum (`circuit.aperiodic`).

    Parameters
    ----------
    frequency, power : ndarray, shape (num_frequencies,)
        From `circuit.measures.spectrum`: equally spaced Hz, and u^2/Hz.
    low, high : float
        Hz, both above 0.
    freedom : float, optional
        Degrees of freedom of each value. The fit is to logarithms, whose mean lies below the logarithm of the mean by
        nearly ``1 / freedom``; without it a spectrum of noise seems to have power above itself.

    Returns
    -------
    float
        u^2, below 0 by chance where there is no rhythm; NaN if the aperiodic part cannot be fitted.
    """
    found = aperiodic.fit(frequency, power, min_height=NOISE_SDS * np.sqrt(2 / freedom) / np.log(10))
    if found is None:
        return np.nan
    near = frequency > 0
    background = found.power(frequency[near]) * np.exp(1 / freedom)
    return band_power(frequency[near], power[near] - background, low, high)


def peak(
    frequency: Array, power: Array, low: float = PEAK_RANGE[0], high: float = PEAK_RANGE[1]
) -> tuple[float, float]:
    """Most prominent peak of a spectrum within a range.

    The spectrum is smoothed by a running mean over 6 Hz. A peak stands above both its neighbours, so that a spectrum
    that only falls has none. Its prominence is its height over that of the lowest point within 25 Hz below it.

    Parameters
    ----------
    frequency, power : ndarray, shape (num_frequencies,)
        From `circuit.measures.spectrum`.
    low, high : float, optional
        Hz.

    Returns
    -------
    frequency : float
        Of the peak, Hz.
    prominence : float
        A ratio. Both NaN if the range holds no peak.
    """
    if len(power) < 5:
        return np.nan, np.nan
    step = frequency[1] - frequency[0]
    width = max(2 * round(PEAK_SMOOTHING / step / 2 - 0.5) + 1, 1)
    smooth = np.convolve(power, np.ones(width) / width, mode="same")
    tops = 1 + np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:]))
    tops = tops[(frequency[tops] >= low) & (frequency[tops] <= high)]
    # The first frequencies are too low: the mean of each segment was taken off, and the running mean ends there.
    first = 2 + width // 2
    troughs = [smooth[max(top - round(TROUGH_WITHIN / step), first) : top].min(initial=np.inf) for top in tops]
    prominence = np.array([smooth[top] / trough for top, trough in zip(tops, troughs, strict=True)])
    if not prominence.size or not prominence.max() > 0:
        return np.nan, np.nan
    best = int(np.argmax(prominence))
    return float(frequency[tops[best]]), float(prominence[best])


def chance_prominence(freedom: float) -> float:
    """Prominence that one in twenty spectra without a peak reaches, for the `freedom` of each frequency.

    From simulated noise whose power falls as 1/f, with segments of half a second: 3 to 5 in a hundred of 1,500 spectra
    were above it in windows of 5 to 60 s, 8 in 2 s. Noise whose power falls faster stays below.
    """
    return max(1.2, float(np.exp(4 / np.sqrt(freedom) - 0.09)))


def analytic(values: Array, step: float, low: float, high: float) -> NDArray[np.complex128]:
    """Part of a signal between two frequencies with its Hilbert transform as imaginary part, by one Fourier transform.

    Parameters
    ----------
    values : ndarray, shape (num_samples,)
        The signal, in any unit u.
    step : float
        Seconds between samples.
    low, high : float
        Hz, both ends within; `low` above 0.

    Returns
    -------
    ndarray of complex, shape (num_samples,)
        u. The signal is taken for periodic, so a cycle or two at each end know of the other end.
    """
    parts = np.fft.fft(values)
    frequency = np.fft.fftfreq(len(values), step)
    return np.fft.ifft(np.where((frequency >= low) & (frequency <= high), 2 * parts, 0))


def phase_consistency(
    times: Array,
    cell: NDArray[np.integer],
    rhythm: NDArray[np.complex128],
    start: float,
    step: float,
    min_spikes: int = MIN_SPIKES,
) -> float:
    """Pairwise phase consistency (Vinck et al. 2010) of spikes with a rhythm, mean over cells.

    Of each cell, the mean cosine of the difference in phase over all pairs of its spikes, which is
    ``(|sum of exp(i phase)|^2 - n) / (n (n - 1))`` for n spikes. Unlike the length of the mean vector it does not grow
    when spikes are few. Pairs within a cell only: spikes of two cells that fire together need no rhythm to agree.

    Parameters
    ----------
    times, cell : ndarray, shape (num_spikes,)
        Spike times in s and cells >= 0, in any order.
    rhythm : ndarray of complex, shape (num_samples,)
        From `analytic`; between two samples a straight line.
    start, step : float
        Time of its first sample and time between samples, s.
    min_spikes : int, optional
        Cells with fewer spikes are left out; at least 2.

    Returns
    -------
    float
        0 without locking (below it by chance), 1 if each cell keeps to one phase; NaN if no cell fired often enough, or
        there is no rhythm.
    """
    if len(rhythm) < 2:
        return np.nan
    place = np.clip((np.asarray(times) - start) / step, 0, len(rhythm) - 1)
    left = np.minimum(place.astype(np.int64), len(rhythm) - 2)
    at = rhythm[left] + (place - left) * (rhythm[left + 1] - rhythm[left])
    size = np.abs(at)
    unit, owner = at[size > 0] / size[size > 0], np.asarray(cell)[size > 0]
    n = np.bincount(owner)
    squared = np.bincount(owner, unit.real) ** 2 + np.bincount(owner, unit.imag) ** 2
    enough = n >= min_spikes
    n, squared = n[enough], squared[enough]
    return float(np.mean((squared - n) / (n * (n - 1)))) if n.size else np.nan
