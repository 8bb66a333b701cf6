# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure of the scores: where a change stands, what is drawn of a size, and that odd scores can be drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuit.scores import Checked, Score, Scores
from figures import style, validation

CHECK = Checked(
    at="gamma power: 30 mg/kg", quantity="firing rate", unit="% change", read="x", sign="up", value=30.0, spread=5.0,
    low=None, high=None, neutral=0.0, mean=20.0, sd=6.0, error=2.0, num=9, sign_right=True, size_right=True,
    passes=True,
)  # fmt: skip
LEVEL = replace(CHECK, at="rest", sign=None, neutral=None, value=2.0, spread=None, unit="Hz", mean=4.0, passes=False,
                sign_right=None)  # fmt: skip


def scores(*checks: Checked, verdict: str = "pass") -> Scores:
    row = Score("B1", "claim", "Somebody 2020; Other 2021", "B", "validation", verdict, "", checks, {})
    return Scores("t", (1, 2), False, "abc", (row,))


def test_a_change_stands_where_its_ratio_is_and_a_level_among_the_sizes():
    found = scores(CHECK, LEVEL)
    assert [check for _, check in validation.changes(found)] == [CHECK]
    assert validation.sizes(found) == [CHECK, LEVEL]
    assert validation.span(CHECK) == pytest.approx((1.2, 1.3, 1.4)) and validation.span(LEVEL) == (2.0, 2.0, 2.0)
    assert validation.published_change(CHECK) == (20.0, 40.0)
    assert validation.published_change(replace(CHECK, value=None, spread=None, high=50.0)) == (-100.0, 50.0)
    assert validation.color(CHECK) != validation.color(LEVEL)


def test_words_name_who_and_what_and_always_the_condition():
    row = scores(CHECK).rows[0]
    assert validation.words(row, CHECK) == "Somebody 2020, gamma power: 30 mg/kg"
    assert validation.words(row, LEVEL) == "Somebody 2020, firing rate: rest"
    long = validation.words(row, replace(CHECK, at=f"{'power ' * 20}: 30 mg/kg"))
    assert long.endswith("…: 30 mg/kg") and len(long) <= validation.MOST_WORDS


@pytest.mark.parametrize("found", [
    scores(CHECK, LEVEL), scores(verdict="out of scope"), scores(replace(CHECK, mean=None, sd=None, error=None)),
    scores(replace(CHECK, mean=5000.0), replace(CHECK, mean=-100.0, sd=None, error=None), verdict="fail"),
    scores(replace(LEVEL, mean=0.0), replace(LEVEL, value=0.0), replace(CHECK, neutral=1.0, mean=-0.2)),
])  # fmt: skip
def test_odd_scores_can_be_drawn(found, tmp_path):
    assert all(path.stat().st_size > 0 for path in style.save(validation.figure(found), tmp_path, "validation"))
