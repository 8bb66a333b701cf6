# SPDX-License-Identifier: GPL-3.0-or-later
"""Who connects to whom: edge lists from fixed in-degrees, drawn with NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fixed_in_degree(
    num_sources: int, num_targets: int, degree: int, recurrent: bool, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Edges that give each target exactly `degree` different sources, all subsets equally likely.

    Parameters
    ----------
    num_sources, num_targets : int
        Sizes of the two populations.
    degree : int
        Sources of each target; at most `num_sources`, less one if `recurrent`.
    recurrent : bool
        Whether the two populations are the same one; then no cell is its own source.
    rng : numpy.random.Generator
        Stream to draw from.

    Returns
    -------
    sources, targets : ndarray of int32, shape (num_targets * degree,)
        Grouped by target.

    Notes
    -----
    Draws with replacement, then redraws repeats until none is left: keeping the first and redrawing the later of two
    equal sources is drawing without replacement. Memory stays proportional to the number of edges.
    """
    targets = np.repeat(np.arange(num_targets, dtype=np.int32), degree)
    # A recurrent target draws from the other cells: indices at or above its own shift up by one.
    sources = _distinct_rows(num_sources - recurrent, num_targets, degree, rng).ravel()
    if recurrent:
        sources += sources >= targets
    return sources, targets


def _distinct_rows(high: int, rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.int32]:
    if 2 * columns > high:  # most are taken: a shuffle is quicker than redrawing
        return rng.permuted(np.tile(np.arange(high, dtype=np.int32), (rows, 1)), axis=1)[:, :columns]
    drawn = rng.integers(0, high, size=(rows, columns), dtype=np.int32)
    pending = np.arange(rows)
    while pending.size:
        block = drawn[pending]
        # With their places below them, equal sources stay in the order they were drawn, and only the later are redrawn.
        ranked = np.sort(block.astype(np.int64) << 32 | np.arange(columns), axis=1)
        order, ordered = ranked & 0xFFFFFFFF, ranked >> 32
        repeated = np.zeros_like(block, dtype=bool)
        np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        again = repeated.any(axis=1)
        pending, block, repeated = pending[again], block[again], repeated[again]
        block[repeated] = rng.integers(0, high, size=int(repeated.sum()), dtype=np.int32)
        drawn[pending] = block
    return drawn
