# SPDX-License-Identifier: GPL-3.0-or-later
"""Drugs and knock-downs in the circuit do what their mechanism says, one run each against its own baseline.

Only signs that follow from the mechanism itself, and beyond what a seed moves: the slow input that the cells of a
column share changes means over some seconds by 6 % (SD) without a drug. What the circuit makes of subtler drugs is no
test of this file.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circuit.config import load
from tests.statistical.conftest import perform

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "baseline.yaml"
SEED = os.environ.get("PFC_TEST_SEED", "1")
SHORT = ("protocol.t_settle=1 s", "protocol.t_baseline=8 s", "protocol.t_transition=4 s", "protocol.t_drug=8 s")
GONE = (-101, -99)
#: Drug, its concentration, what of the summary changes, and between which bounds (%).
ACTS = (
    ("TTX", "100 nM", "rate_PYR", GONE),
    ("TTX", "100 nM", "rate_PV", GONE),
    ("NBQX", "10 uM", "ampa_throughput", (-101, -90)),
    ("CX546", "300 uM", "ampa_throughput", (30, 1000)),
    ("muscimol", "1 uM", "rate_PYR", (-101, -50)),
    ("bicuculline", "1 uM", "rate_PYR", (5, 1000)),
    ("LY379268", "100 nM", "glutamate", (-60, -5)),
    ("TBOA", "30 uM", "glutamate", (50, 5000)),
    # At least the share of release that N-type channels carry, at most all that is vesicular.
    ("omega-conotoxin GVIA", "1 uM", "glutamate", (-97, -30)),
    ("MK-801", "100 nM", "rate_PV", (-101, -10)),
)


@pytest.fixture(scope="module")
def summaries(tmp_path_factory):
    """Summary of a run with each drug of `ACTS`, of one without, and of one with less GluN2D in PV and SST cells."""
    given = dict.fromkeys((drug, level) for drug, level, *_ in ACTS)
    steps = "schedule: [{{time: 9 s, concentration: {}}}]"
    changes = {drug: f"interventions=[{{name: {drug}, {steps.format(level)}}}]" for drug, level in given}
    changes |= {"none": "interventions=[]"}
    changes |= {"knocked down": "knockdowns=[{subunit: GluN2D, populations: [PV, SST], remaining: 0.7}]"}
    common = (*SHORT, f"seed={SEED}", "numerics.block_acceleration=40")
    done = perform([load(CONFIG, (*common, change)) for change in changes.values()], tmp_path_factory.mktemp("drugs"))
    return dict(zip(changes, (run.summary for run in done), strict=True))


def test_without_a_drug_nothing_happens(summaries):
    for key in ("glutamate", "ampa_throughput", "rate_PYR"):
        assert abs(summaries["none"][f"{key}_change_percent"]) < 20


@pytest.mark.parametrize(("drug", "level", "key", "bounds"), ACTS)
def test_a_drug_acts_on_its_target(summaries, drug, level, key, bounds):
    low, high = bounds
    assert low < summaries[drug][f"{key}_change_percent"] < high


def test_interneurons_that_lose_GluN2D_free_pyramidal_cells(summaries):
    """What their own rate does is the circuit's: more excitation reaches them. Without GluN2D the column runs away."""
    whole, without = summaries["none"], summaries["knocked down"]
    assert without["rate_PYR_baseline_hz"] > 1.2 * whole["rate_PYR_baseline_hz"]
