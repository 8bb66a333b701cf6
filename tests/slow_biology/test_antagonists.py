# SPDX-License-Identifier: GPL-3.0-or-later
"""Each antagonist takes away what the literature on rodents says it does, and nothing upstream of its target.

What ketamine does in its presence is compared with the same antagonist alone; the share of ketamine's own effect that
is left is what counts. One seed: pairs share network and noise.
"""

from __future__ import annotations

import pytest

from circuit.config import arms
from figures.arms import MEASURES, chain_change, values
from tests.slow_biology.conftest import CONFIGS, experiment

pytestmark = [pytest.mark.slow, pytest.mark.gcc]
CONFIG = "antagonists.yaml"
STUDIED = ("NBQX", "K-252a", "rapamycin", "muscimol", "anti-BDNF")
DOWNSTREAM = ("p_mTOR_1h", "GluA1_6h", "formed_24h", "spines_24h")


@pytest.fixture(scope="module")
def runs(run_all):
    names = ["saline", "ketamine", *(f"{name}{rest}" for name in STUDIED for rest in ("", " + ketamine"))]
    assert set(names) <= set(arms(CONFIGS / CONFIG))
    return run_all({name: experiment(CONFIG, arm=name) for name in names}, "antagonists")


@pytest.fixture(scope="module")
def left(runs):
    """Share of ketamine's effect that is left in the presence of an antagonist, by antagonist and measure."""
    found = values({name: [run] for name, run in runs.items()})
    whole = {key: found["ketamine"][key] - found["saline"][key] for key in MEASURES}
    return {
        name: {key: (found[f"{name} + ketamine"][key] - found[name][key]) / whole[key] for key in MEASURES}
        for name in STUDIED
    }


#: Scaling up of NMDA weight wakes a column without AMPA after eight hours, and it wakes to a set point near zero.
REBOUNDS = pytest.mark.xfail(strict=True, reason="2.7 times ketamine's spines are left under NBQX: it wakes after 8 h")


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        pytest.param(name, measure, marks=[REBOUNDS] if (name, measure[-3:]) == ("NBQX", "24h") else [])
        for name in STUDIED
        for measure in DOWNSTREAM
    ],
)
def test_everything_downstream_is_blocked(left, name, measure):
    """NBQX: C9, C10, D19. TrkB: C8, C23. Rapamycin: C1, C3. Muscimol: D15. Anti-BDNF: C8."""
    assert abs(left[name][measure]) < 0.2


@pytest.mark.parametrize("name", ["NBQX", "muscimol"])
def test_without_throughput_no_BDNF_is_released(left, name):
    assert abs(left[name]["released_BDNF_1h"]) < 0.05


@pytest.mark.parametrize("name", ["K-252a", "rapamycin", "anti-BDNF"])
def test_BDNF_is_still_released(left, name):
    assert left[name]["released_BDNF_1h"] > 0.6


@pytest.mark.xfail(strict=True, reason="0.3 of the fall of p-eEF2 is left and none of BDNF's rise, itself 5 % of BDNF")
@pytest.mark.parametrize("name", ["K-252a", "rapamycin", "anti-BDNF"])
def test_eEF2_is_still_dephosphorylated_and_BDNF_still_made(left, name):
    for measure in ("p_eEF2_30min", "BDNF_1h"):
        assert left[name][measure] > 0.6, measure


@pytest.mark.parametrize("name", ["K-252a", "rapamycin", "anti-BDNF"])
def test_the_surge_upstream_stays(runs, name):
    surge = chain_change("throughput", 0.1, 0.5)
    whole = surge(runs["ketamine"]) - surge(runs["saline"])
    assert surge(runs[f"{name} + ketamine"]) - surge(runs[name]) > 0.6 * whole


def test_rapamycin_leaves_TrkB_and_its_kinases(runs):
    for name in ("TrkB", "Akt", "ERK"):
        rise = chain_change(name, 0.25, 1.0)
        whole = rise(runs["ketamine"]) - rise(runs["saline"])
        assert rise(runs["rapamycin + ketamine"]) - rise(runs["rapamycin"]) > 0.6 * whole, name
