# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs to draw: complete, without drug, interrupted, silent, and so early that no window was reached."""

from __future__ import annotations

import pytest

from tests.figures.standin import StandIn

VARIANTS = {
    "complete": {},
    "no_drug": {"drug": False},
    "interrupted": {"stop": 9.3},
    "before_any_window": {"stop": 1.5},
    "one_silent": {"silent": ("SST",)},
    "all_silent": {"silent": ("PYR", "PV", "SST", "VIP")},
    "bare_manifest": {"config": False},
    "short_windows": {"windows": {"baseline": (6.6, 7.0), "drug": (7.1, 7.5)}},
    "flat_field": {"flat": True},
    "high_dose": {"dose": 30.0},
}


@pytest.fixture(scope="session", params=VARIANTS)
def results(request) -> StandIn:
    """Each kind of run; tests only read it."""
    return StandIn(**VARIANTS[request.param])


@pytest.fixture(scope="session")
def complete() -> StandIn:
    """A run that went well."""
    return StandIn()
