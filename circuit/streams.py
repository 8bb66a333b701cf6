# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of random streams.

Everything random that is drawn on the host comes from one of these, each keyed by the run's seed and its own number:
adding a draw to one stream moves nothing in another, and the same seed gives the same network on every device. A
number, once given, is never used for another purpose.
"""

from __future__ import annotations

import numpy as np

STREAMS = {
    "connectivity": 1,
    "weights": 2,
    "cell_parameters": 3,
    "background_means": 4,
    "initial_state": 5,
    "apical_targets": 6,
    "subjects": 7,
    "spines": 8,
    "stimulated": 9,
    "NMDA_share": 10,
    "inhibition": 11,
    "common_input": 12,
}


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Generator of one stream.

    Parameters
    ----------
    seed : int
        Seed of the run, >= 0.
    purpose : str
        A name in `STREAMS`.
    *keys : int
        Further numbers, for example the index of a pathway, so that pathways do not depend on each other's sizes. A
        purpose has as many everywhere: a last key of 0 is the same as none.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, STREAMS[purpose], *keys]))
