# SPDX-License-Identifier: GPL-3.0-or-later
r"""The aperiodic part of a power spectrum: what is there without any rhythm.

The method of Donoghue et al. (2020), specparam, once FOOOF: a curve without peaks is fitted to the logarithm of the
power where it is lowest, Gaussians are fitted to what stands above it, and the curve is fitted again to the spectrum
without them. The curve has a knee,

.. math:: \log_{10} A(f) = b - \log_{10}(10^q + f^\chi),

because synaptic currents that decay exponentially make power flat below their time constants and steep above them.
Least squares are our own: SciPy takes two seconds to import in every process that measures a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: From parameters, the values of a model and their derivatives, shape (num_frequencies, num_parameters).
Model = Callable[[Array], tuple[Array, Array]]

FIT_RANGE = (4.0, 150.0)
"""Hz. Where the curve is fitted: from the lowest frequency that segments of half a second resolve."""

MOST_PEAKS = 4
THRESHOLD = 2.0
"""A peak is higher than so many standard deviations of the flattened spectrum."""

WIDEST = 40.0
"""Hz. Two standard deviations of the widest peak; those of the narrowest are two steps of frequency."""

LOWEST_SHARE = 0.025
"""Share of the frequencies, the lowest above a first fit, that the second fit takes for free of peaks."""

BOUND = np.inf
ITERATIONS = 60
TOLERANCE = 1e-5


class Aperiodic(NamedTuple):
    """A fit: `offset` b, `knee` q and `exponent` chi of the module's formula, with power in u^2/Hz and f in Hz."""

    offset: float
    knee: float
    exponent: float

    def power(self, frequency: Array) -> Array:
        """Power density at frequencies in Hz, > 0, in u^2/Hz."""
        return 10 ** _curve(np.log(frequency), np.array(self))[0]


def fit(
    frequency: Array,
    power: Array,
    low: float = FIT_RANGE[0],
    high: float = FIT_RANGE[1],
    min_height: float = 0.0,
) -> Aperiodic | None:
    """Fit the aperiodic part of a power spectrum.

    Parameters
    ----------
    frequency, power : ndarray, shape (num_frequencies,)
        From `circuit.measures.spectrum`: equally spaced Hz, and u^2/Hz.
    low, high : float, optional
        Hz, > 0; what lies outside is not looked at.
    min_height : float, optional
        Peaks are higher than this above the curve, in log10 of power.

    Returns
    -------
    Aperiodic or None
        None if there are fewer than 20 frequencies within, or no power at one of them.
    """
    inside = (frequency >= low) & (frequency <= high)
    f, density = frequency[inside], power[inside]
    if f.size < 20 or not np.all(density > 0):
        return None
    logs, height = np.log(f), np.log10(density)
    through_all = _fit_curve(logs, height)
    flat = height - _curve(logs, through_all)[0]
    lowest = flat <= np.quantile(np.maximum(flat, 0), LOWEST_SHARE)
    background = _fit_curve(logs[lowest], height[lowest], through_all)
    guesses = _guesses(f, height - _curve(logs, background)[0], min_height)
    if not len(guesses):
        return Aperiodic(*through_all.tolist())
    peaks = _peaks(f, height - _curve(logs, background)[0], guesses)
    return Aperiodic(*_fit_curve(logs, height - peaks, background).tolist())


def _curve(logs: Array, parameters: Array) -> tuple[Array, Array]:
    """The aperiodic curve at natural logarithms of frequency; log10 of power."""
    offset, knee, exponent = parameters
    rising, level = np.exp(exponent * logs), 10.0**knee
    total = rising + level
    slopes = np.stack([np.ones_like(logs), -level / total, -rising * logs / (total * np.log(10))], axis=1)
    return offset - np.log10(total), slopes


def _fit_curve(logs: Array, height: Array, start: Array | None = None) -> Array:
    if start is None:
        upper = logs >= logs.mean()
        exponent = max(-np.polyfit(logs[upper], height[upper], 1)[0] * np.log(10), 0.5)
        # The knee begins at the middle of the range, on its logarithmic axis.
        knee = exponent * (logs[0] + logs[-1]) / 2 / np.log(10)
        start = np.array([height[0] + np.log10(10**knee + np.exp(exponent * logs[0])), knee, exponent])
    # Below the lower bound of the knee the curve is a straight line in any range from 1 Hz up.
    return least_squares(lambda p: _curve(logs, p), height, start, np.array([-BOUND, -3, 0]), np.array([BOUND, 20, 8]))


def _peaks(f: Array, flat: Array, guesses: Array) -> Array:
    """Sum of the Gaussians that stand above 0 in a flattened spectrum, near their guesses; shape (num_frequencies,)."""
    center, height, sd = guesses.T
    step = f[1] - f[0]
    low = np.stack([center - 3 * sd, np.zeros_like(sd), np.full_like(sd, step)], axis=1).ravel()
    high = np.stack([center + 3 * sd, np.full_like(sd, BOUND), np.full_like(sd, WIDEST / 2)], axis=1).ravel()
    return _gaussians(f, least_squares(lambda p: _gaussians(f, p), flat, guesses.ravel(), low, high))[0]


def _guesses(f: Array, flat: Array, min_height: float) -> Array:
    """Center, height and standard deviation of peaks, highest first; without those cut by an edge or by another."""
    rest, step, found = flat.copy(), f[1] - f[0], []
    for _ in range(MOST_PEAKS):
        top = int(np.argmax(rest))
        height = rest[top]
        if height <= max(THRESHOLD * np.std(rest), min_height):
            break
        low = np.flatnonzero(rest <= height / 2)
        sides = np.abs(low - top)
        half_width = sides.min() if sides.size else f.size
        sd = np.clip(2 * half_width * step / np.sqrt(8 * np.log(2)), step, WIDEST / 2)
        found.append((f[top], height, sd))
        rest -= _gaussians(f, np.array(found[-1]))[0]
    kept = [one for one in found if min(one[0] - f[0], f[-1] - one[0]) > one[2]]
    by_center = sorted(kept)
    for left, right in zip(by_center, by_center[1:], strict=False):
        if right[0] - left[0] < 0.75 * (left[2] + right[2]):
            kept = [one for one in kept if one is not min(left, right, key=lambda peak: peak[1])]
    return np.array(kept)


def _gaussians(f: Array, parameters: Array) -> tuple[Array, Array]:
    """Sum of Gaussians, each a center, a height and a standard deviation in `parameters`."""
    center, height, sd = parameters.reshape(-1, 3).T
    away = (f[:, None] - center) / sd
    shape = np.exp(-0.5 * away**2)
    slopes = np.stack([height * shape * away / sd, shape, height * shape * away**2 / sd], axis=2)
    return shape @ height, slopes.reshape(f.size, -1)


def least_squares(model: Model, data: Array, start: Array, low: Array, high: Array) -> Array:
    """Parameters within bounds that minimise the sum of squares (Levenberg 1944, Marquardt 1963).

    Parameters
    ----------
    model : callable
        From parameters, its values (shape of `data`) and their derivatives, shape (num_data, num_parameters).
    data : ndarray, shape (num_data,)
    start, low, high : ndarray, shape (num_parameters,)
        A step over a bound ends on it.

    Returns
    -------
    ndarray, shape (num_parameters,)
        Of a local minimum, or as far as 60 steps lead.
    """
    found, damping = np.clip(start, low, high), 1e-2
    values, slopes = model(found)
    error = np.sum((data - values) ** 2)
    for _ in range(ITERATIONS):
        curvature = slopes.T @ slopes
        scale = np.diag(np.maximum(np.diag(curvature), 1e-12))
        tried = np.clip(found + np.linalg.solve(curvature + damping * scale, slopes.T @ (data - values)), low, high)
        values_there, slopes_there = model(tried)
        error_there = np.sum((data - values_there) ** 2)
        if error_there <= error:
            gained = error - error_there
            found, values, slopes, error = tried, values_there, slopes_there, error_there
            damping = max(damping / 5, 1e-9)
            if gained <= TOLERANCE * error:
                break
        else:
            damping *= 5
            if damping > 1e9:
                break
    return found
