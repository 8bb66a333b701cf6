# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parameters decide an output? Sobol indices [Saltelli2010] by SALib, and elasticities around one point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Indices:
    """Sobol indices of one output; all arrays of shape (num_parameters,).

    Attributes
    ----------
    first : ndarray
        Share of the output's variance that a parameter explains alone.
    total : ndarray
        Share that goes when it is held, with whatever it does together with others.
    first_error, total_error : ndarray
        Half widths of bootstrap 95 % intervals.
    """

    first: Array
    total: Array
    first_error: Array
    total_error: Array


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def sample(names: Sequence[str], number: int, seed: int) -> Array:
    """Return the points at which a function must be known, in the unit cube, shape (number*(num_parameters + 2), n).

    Parameters
    ----------
    names : sequence of str
    number : int
        A power of two, as Sobol's sequence wants it.
    seed : int

    Raises
    ------
    UserError
        If `number` is no power of two, or SALib is not installed.
    """
    if number < 2 or number & (number - 1):
        raise UserError(f"--sobol needs a power of two, such as 64 or 128; found {number}")
    try:
        from SALib.sample import sobol
    except ImportError:
        raise UserError("Sobol indices need the package SALib: pip install 'pfc-ketamine[calibrate]'") from None
    return sobol.sample(_problem(names), number, calc_second_order=False, scramble=True, seed=seed)


def indices(names: Sequence[str], values: Array, seed: int) -> Indices:
    """Return the Sobol indices of a function from its values at the points of `sample`.

    Raises
    ------
    ValueError
        If it is the same everywhere.
    """
    from SALib.analyze import sobol

    if np.ptp(values) == 0:
        raise ValueError("is the same for all candidates")
    found = sobol.analyze(_problem(names), values, calc_second_order=False, seed=seed)
    return Indices(found["S1"], found["ST"], found["S1_conf"], found["ST_conf"])


def elasticities(up: Array, down: Array, step: float) -> tuple[Array, Array]:
    """Return d ln output / d ln parameter and its standard error over seeds.

    Parameters
    ----------
    up, down : ndarray, shape (num_seeds, ...)
        Natural logarithms of the output with the parameter times exp(step) and exp(-step), by seed.
    step : float
    """
    slopes = (up - down) / (2 * step)
    error = slopes.std(axis=0, ddof=1) / np.sqrt(len(slopes)) if len(slopes) > 1 else np.full(slopes.shape[1:], np.nan)
    return slopes.mean(axis=0), error
