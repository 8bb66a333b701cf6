# SPDX-License-Identifier: GPL-3.0-or-later
"""The resting circuit and the surge at 1 uM, in the mean over the seeds of this session.

These are what the circuit was fitted to (`pfc parameters` names the targets), so the tests keep what was reached and
predict nothing. Bounds are the bands that were asked for, not the means that were found; how far a mean over five seeds
scatters is printed at the end of the session.
"""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

#: Key of the summary, and the band of its mean over seeds.
AT_REST = {
    "rate_PYR_baseline_hz": (1, 4),
    "rate_PV_baseline_hz": (6, 14),
    "rate_SST_baseline_hz": (3, 8),
    "rate_VIP_baseline_hz": (3, 10),
    "cv_isi_PYR": (0.8, 1.2),
    "cv_isi_SST": (0.6, 1.2),
    "gamma_prominence_baseline": (1.7, 5),
    "rate_skewness_PYR": (1, 10),
}
UNDER_KETAMINE = {
    "rate_PYR_change_percent": (15, 70),
    "rate_PV_change_percent": (-35, -5),
    "rate_SST_change_percent": (-60, -8),
    "glutamate_change_percent": (12, 70),
    "gamma_power_change_percent": (20, 200),
    "inhibition_PYR_change_percent": (-50, -2),
}


def over_seeds(runs, key: str) -> np.ndarray:
    """A number of the summary in every seed; a spectrum without any peak has one as high as its trough."""
    return np.array([run.summary[key] if run.summary[key] is not None else 1.0 for run in runs])


@pytest.mark.parametrize(("key", "band"), [*AT_REST.items(), *UNDER_KETAMINE.items()])
def test_the_mean_over_seeds_is_in_its_band(runs, key, band):
    values = over_seeds(runs, key)
    print(f"{key}: {values.round(3)}")
    assert band[0] <= values.mean() <= band[1]


def test_spike_counts_of_pyramidal_cells_are_correlated(runs):
    """By what the cells of a column share: without it the mean over pairs is 0.0005 (one seed)."""
    values = over_seeds(runs, "pairwise_correlation_PYR")
    assert values.mean() > 0.002
    assert values.mean() > 3 * values.std(ddof=1) / np.sqrt(values.size)
