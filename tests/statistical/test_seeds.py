# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit at rest and under 1 uM ketamine, seed by seed, in full length.

Null hypothesis: a run is one more draw from the runs of this model. Over 24 seeds, random ones among them, the measures
scattered normally enough (means and SDs below); the chance that one more falls outside its bound is then that of
Student's t with 23 degrees of freedom. The nearest bounds are PV at 14 Hz and SST at 8 Hz, 5.5 SD away: 1e-5 a seed.
All five seeds and all bounds of this file together fail by chance less than once in 5,000 sessions.

====================  ============  ===============  ============
measure               mean +- SD    bound            distance, SD
====================  ============  ===============  ============
PYR (Hz)              1.97 +- 0.06  1 to 4           16
PV                    10.9 +- 0.56  6 to 14          5.5
SST                   5.48 +- 0.45  3 to 8           5.6
VIP                   4.97 +- 0.25  3 to 10          8
CV of ISI, PYR        0.75 +- 0.01  0.6 and above    22
skewness, PYR rates   2.0 +- 0.21   above 0          9.6
PYR change (%)        +15 +- 0.75   above 0          20
glutamate change (%)  +6.3 +- 0.3   above 0          20
PV change (%)         -27 +- 1.0    below 0          26
SST change (%)        -33 +- 1.9    below 0          17
====================  ============  ===============  ============
"""

from __future__ import annotations

import numpy as np
import pytest

from gpu.results import Results

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

#: Hz, of awake mouse prefrontal cortex: the acceptance bands of the parameters' page.
BANDS = {"PYR": (1, 4), "PV": (6, 14), "SST": (3, 8), "VIP": (3, 10)}
LEAST_CV = 0.6


def over(runs: list[Results], key: str) -> np.ndarray:
    """A number of the summary for each seed."""
    return np.array([run.summary[key] for run in runs], dtype=float)


@pytest.mark.parametrize("population", BANDS)
def test_baseline_rates_are_in_their_bands(runs, population):
    low, high = BANDS[population]
    rates = over(runs, f"rate_{population}_baseline_hz")
    assert np.all((low <= rates) & (rates <= high)), rates


def test_pyramidal_cells_fire_irregularly(runs):
    values = over(runs, "cv_isi_PYR")
    assert np.all(values >= LEAST_CV), values


def test_pyramidal_rates_are_skewed_to_the_right(runs):
    """A few cells fire much more than most; by the third moment, and by the mean above the median."""
    values = over(runs, "rate_skewness_PYR")
    assert np.all(values > 0), values
    for run in runs:
        rates = run.cell_rates("PYR", "baseline")
        assert rates.mean() > np.median(rates)


@pytest.mark.parametrize(("key", "sign"), [("rate_PYR", 1), ("glutamate", 1), ("rate_PV", -1), ("rate_SST", -1)])
def test_ketamine_disinhibits_in_every_seed(runs, key, sign):
    """Pyramidal cells and glutamate up, PV and SST down: of one seed's own baseline."""
    changes = over(runs, f"{key}_change_percent")
    assert np.all(changes * sign > 0), changes


def test_every_run_is_whole_and_its_drug_is_on_time(runs):
    for run in runs:
        assert not run.interrupted
        time, level = run.column("drug_concentration")
        onset = run.attributes["drug_onset_s"]
        assert not level[time < onset - 0.01].any()
        np.testing.assert_allclose(level[time > onset + 0.01], 1.0, rtol=1e-9)


def test_seeds_differ(runs):
    """No two of them have the same spikes."""
    assert len({run.manifest["sha256"]["data.nc"] for run in runs}) == len(runs)
    assert len({run.spikes()[0].tobytes() for run in runs}) == len(runs)
