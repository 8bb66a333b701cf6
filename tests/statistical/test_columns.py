# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of one network behave as runs of their own: 32 columns against 32 single runs of the same seeds.

Column and run of a seed have the same cells and edges and different noise, so their rates differ by noise alone. Null
hypothesis: no difference in the mean (paired t test) nor in the distribution over seeds (two-sample
Kolmogorov-Smirnov, conservative because the samples are paired). Twelve tests at 1e-4 each: one false alarm in 800.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from circuit.config import load
from tests.statistical.conftest import perform

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "baseline.yaml"
FIRST_SEED = int(os.environ.get("PFC_TEST_SEED", "1"))
NUMBER = 32
FALSE_ALARM = 1e-4
KEYS = (*(f"rate_{population}_baseline_hz" for population in ("PYR", "PV", "SST", "VIP")), "cv_isi_PV", "cv_isi_VIP")


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """Of columns and of single runs: each key of the summary, shape (32,)."""
    short = ("network.num_neurons=1000", "protocol.t_settle=0.3 s", "protocol.t_baseline=1 s", "recording.num_traced=0")
    exps = [load(CONFIG, (f"seed={seed}", *short)) for seed in range(FIRST_SEED, FIRST_SEED + NUMBER)]
    found = {}
    for kind, per_program in (("columns", NUMBER), ("singles", 1)):
        done = perform(exps, tmp_path_factory.mktemp(kind), per_program)
        found[kind] = {key: np.array([run.summary[key] for run in done]) for key in KEYS}
        assert [run.manifest["column"]["of"] for run in done] == [per_program] * NUMBER
    return found


@pytest.mark.parametrize("key", KEYS)
def test_columns_have_the_statistics_of_single_runs(summaries, key: str) -> None:
    column, single = summaries["columns"][key], summaries["singles"][key]
    assert stats.ttest_rel(column, single).pvalue > FALSE_ALARM
    assert stats.ks_2samp(column, single).pvalue > FALSE_ALARM


def test_column_and_run_of_a_seed_share_their_network(summaries) -> None:
    """Rates of VIP cells depend on the network more than on noise: correlated over seeds, as one network's would be.

    The slow input, which differs, moves the others within a second. Under independence the correlation of 32 pairs
    exceeds 0.6 once in 3,000 times.
    """
    key = "rate_VIP_baseline_hz"
    assert np.corrcoef(summaries["columns"][key], summaries["singles"][key])[0, 1] > 0.6
