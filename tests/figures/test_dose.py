# SPDX-License-Identifier: GPL-3.0-or-later
"""The dose axis: what it reads from a sweep, what it draws, and what it says of rats."""

from __future__ import annotations

import numpy as np
import pytest

from circuit.populations import POPULATIONS
from figures import dose
from tests.figures.sweeps import axis, sweep

NAMES = [f"block_{pop}_mean" for pop in POPULATIONS] + [f"rate_{pop}_change_percent" for pop in POPULATIONS]
NAMES += ["glutamate_change_percent", "ampa_throughput_change_percent"]


GIVEN = {"name": "ketamine", "species": "rat", "route": "i.p."}


def table(rows, key="drug.dose", extra=None, drug=GIVEN):
    """The table of a sweep: rows of (dose, seed, glutamate), everything else a tenth of that; NaN without a row."""
    doses, found = list(dict.fromkeys(row[0] for row in rows)), list(dict.fromkeys(str(row[1]) for row in rows))
    axes = [axis(key, *doses), axis("seed", *found), *([extra] if extra else [])]
    made = sweep(*axes, drug=drug)
    made.values.clear()
    made.values.update({name: np.full(made.shape, np.nan) for name in NAMES})
    for dose_, seed, glutamate in rows:
        place = doses.index(dose_), found.index(str(seed))
        for name, value in zip(NAMES, [0.1] * 4 + [glutamate / 10] * 4 + [glutamate, 2 * glutamate], strict=True):
            made.values[name][place] = value
    return dose.Table.of(made)


def directions(found):
    """What is said of each dose, without the last line."""
    *lines, last = dose.verdict(found)
    assert last.endswith("is no prediction")  # as long as the finding is one of calibration
    return lines


RAT = [("10 mg/kg", 1, 5.0), ("10 mg/kg", 2, 6.0), ("200 mg/kg", 1, -4.0), ("200 mg/kg", 2, -5.0)]
RAT += [("50 mg/kg", 1, 1.0), ("50 mg/kg", 2, -1.0)]


def test_what_was_published_is_the_finding():
    assert dose.published() == {10: 1, 20: 1, 30: 1, 50: 0, 200: -1}


def test_runs_are_grouped_by_dose_in_its_order():
    found = table(RAT)
    np.testing.assert_array_equal(found.doses, [10, 50, 200])
    np.testing.assert_allclose(found.mean("glutamate_change_percent"), [5.5, 0, -4.5])
    np.testing.assert_allclose(found.error("glutamate_change_percent"), [0.5, 1, 0.5])


def test_units_may_differ_from_row_to_row():
    rows = [("500 nM", 1, 1.0), ("1 uM", 1, 2.0), ("0 uM", 1, 0.0)]
    found = table(rows, "drug.concentration")
    np.testing.assert_allclose(found.doses, [0, 0.5, 1])


def test_a_single_run_has_no_error():
    found = table([("10 mg/kg", 1, 5.0), ("30 mg/kg", 1, 5.0)])
    np.testing.assert_array_equal(found.error("glutamate_change_percent"), [0.0, 0.0])


@pytest.mark.parametrize(
    ("key", "extra"), [("network.num_neurons", None), ("drug.dose", axis("network.kappa", "1", "2"))]
)
def test_what_is_no_dose_axis_is_left_alone(key, extra):
    assert table([("10 mg/kg", 1, 5.0), ("20 mg/kg", 1, 5.0)], key, extra) is None


def test_doses_without_a_run_have_no_verdict():
    found = table([*RAT, ("30 mg/kg", 1, np.nan)])
    assert len(directions(found)) == 3 and np.isnan(found.mean("glutamate_change_percent")[1])
    dose.figure(found)


@pytest.mark.parametrize("other", [{"species": "human"}, {"route": "i.v."}, {"name": "memantine"}])
def test_what_was_published_of_rats_is_held_against_nothing_else(other):
    assert dose.verdict(table(RAT, drug=GIVEN | other)) == []


def test_a_change_counts_beyond_two_standard_errors():
    assert table(RAT).sign("glutamate_change_percent").tolist() == [1, 0, -1]


def test_the_verdict_says_where_model_and_rats_part():
    assert [line.rsplit(": ")[-1] for line in directions(table(RAT))] == ["agrees"] * 3
    turned = [(amount, seed, -glutamate + 3) for amount, seed, glutamate in RAT]
    said = directions(table(turned))
    assert [line.rsplit(": ")[-1] for line in said] == ["differs", "differs", "differs"]
    assert said[0].startswith("10 mg/kg: glutamate falls here (-2.5 %) and rises in rats")


def test_a_bath_has_no_verdict():
    assert dose.verdict(table([("1 uM", 1, 5.0), ("2 uM", 1, 5.0)], "drug.concentration")) == []


@pytest.mark.parametrize("key", dose.AXES)
def test_the_figure_shows_every_dose_of_every_curve(key):
    unit = dose.AXES[key][0]
    rows = [(f"{amount} {unit}", seed, amount / 10) for amount in (0, 10, 50, 200) for seed in (1, 2)]
    fig = dose.figure(table(rows, key))
    block, rates, glutamate = fig.axes
    for axes, curves in ((block, 4), (rates, 4), (glutamate, 2)):
        drawn = [line for line in axes.lines if len(line.get_xdata()) == 4]
        assert len(drawn) == curves
        low, high = axes.get_xlim()
        assert low <= 0 and high > 200
    np.testing.assert_allclose(block.lines[0].get_ydata(), 10.0)
    arrows = [text for text in glutamate.texts if text.get_text() in "↑–↓"]
    assert len(arrows) == (3 if key == "drug.dose" else 0)
