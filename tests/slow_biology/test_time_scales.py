# SPDX-License-Identifier: GPL-3.0-or-later
"""Results do not depend on how far time is accelerated, nor on the slow clock."""

from __future__ import annotations

import numpy as np
import pytest

from figures.arms import MEASURES
from tests.slow_biology.conftest import SEEDS, experiment, slowed

pytestmark = [pytest.mark.slow, pytest.mark.gcc]
#: Of SD of a difference between two means of so many seeds; a true null exceeds it once in some thousand measures.
SPREADS = 4


@pytest.fixture(scope="module")
def varied(run_all):
    """The day after ketamine at half the acceleration, and on half the slow step."""
    exps = {}
    for seed in SEEDS:
        slow = slowed(experiment("antidepressant.yaml"), 0.5)
        exps[f"half the acceleration {seed}"] = experiment("antidepressant.yaml", slow, seed=seed)
        exps[f"half the slow step {seed}"] = experiment("antidepressant.yaml", "numerics.slow_step=10 ms", seed=seed)
    return run_all(exps, "varied")


@pytest.mark.parametrize("what", ["half the acceleration", "half the slow step"])
@pytest.mark.parametrize("measure", MEASURES)
def test_no_read_out_moves_by_more_than_seeds_do(days, varied, what, measure):
    read = MEASURES[measure].read
    plain = np.array([read(days[f"ketamine {seed}"]) for seed in SEEDS])
    other = np.array([read(varied[f"{what} {seed}"]) for seed in SEEDS])
    spread = np.sqrt((plain.var(ddof=1) + other.var(ddof=1)) / len(SEEDS))
    print(f"{measure}: {plain.round(2)} and with {what} {other.round(2)}")
    assert abs(other.mean() - plain.mean()) <= SPREADS * spread
