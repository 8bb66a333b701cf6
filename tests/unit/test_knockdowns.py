# SPDX-License-Identifier: GPL-3.0-or-later
"""Knock-outs and knock-downs of a subunit, as the arrays of a run have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import draw
from circuit.config import load
from circuit.populations import POPULATIONS, ranges, sizes
from circuit.schema import fractions, subunit_mix
from circuit.subunits import CLASSES, TAGS

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"


def knocked(subunit: str, populations: str, remaining: float):
    return load(CONFIG, [f"knockdowns=[{{subunit: {subunit}, populations: [{populations}], remaining: {remaining}}}]"])


@pytest.fixture(scope="module")
def whole():
    exp = load(CONFIG)
    return exp, draw.arrays(exp)


@pytest.mark.parametrize(("subunit", "population", "remaining"), [("GluN2B", "PYR", 0.0), ("GluN2D", "PV", 0.4)])
def test_only_that_subunit_in_those_cells_is_less(whole, subunit, population, remaining):
    exp, full = whole
    found = draw.arrays(knocked(subunit, population, remaining))
    where = ranges(sizes(exp.network.num_neurons, fractions(exp.numbers)))
    for tag, name in zip(TAGS, CLASSES, strict=True):
        for pop in POPULATIONS:
            share = remaining if (name, pop) == (subunit, population) else 1.0
            for key in (f"cells.f_{tag}", f"cells.tonic_{tag}"):
                np.testing.assert_allclose(found[key][where[pop]], share * full[key][where[pop]], rtol=1e-12)


def test_nothing_compensates_and_the_drive_of_other_cells_is_as_it_was(whole):
    exp, full = whole
    found = draw.arrays(knocked("GluN2B", "PYR", 0.0))
    moved = {key for key in full if not np.array_equal(full[key], found[key])}
    assert {"cells.f_B", "cells.tau_NMDA"} <= moved
    assert not moved & {"excitation.weight", "excitation.i", "inhibition.weight", "cells.mean_ext", "cells.f_A"}


def test_what_is_left_deactivates_as_the_subunits_left(whole):
    """Without GluN2B the receptors of a pyramidal cell, now all GluN2A, are as much faster as 2A is than their mix."""
    exp, _ = whole
    cell = exp.numbers.cells.PYR
    receptors = exp.numbers.receptors
    after = draw.with_knockdowns(knocked("GluN2B", "PYR", 0.0)).cells.PYR
    mix = subunit_mix(cell)
    assert mix["GluN2A"] + mix["GluN2B"] == pytest.approx(1)
    rates = {name: 1 / getattr(receptors, name).tau_deactivation.si for name in ("GluN2A", "GluN2B")}
    mean = sum(mix[name] * rate for name, rate in rates.items())
    assert after.tau_NMDA.si == pytest.approx(cell.tau_NMDA.si * mean / rates["GluN2A"], rel=1e-9)
    assert after.tau_NMDA.si < cell.tau_NMDA.si


def test_a_knock_down_of_nothing_changes_nothing(whole):
    _, full = whole
    found = draw.arrays(knocked("GluN2C", "PYR", 0.0))
    for key, values in full.items():
        np.testing.assert_array_equal(found[key], values)


def test_cells_may_lose_all_their_NMDA_receptors(whole):
    exp, _ = whole
    all_out = "[" + ", ".join(f"{{subunit: {name}, populations: [PV], remaining: 0}}" for name in CLASSES) + "]"
    found = draw.arrays(load(CONFIG, [f"knockdowns={all_out}"]))
    where = ranges(sizes(exp.network.num_neurons, fractions(exp.numbers)))["PV"]
    assert all(np.all(found[f"cells.f_{tag}"][where] == 0) for tag in TAGS)
    assert all(np.isfinite(values).all() for values in found.values())
