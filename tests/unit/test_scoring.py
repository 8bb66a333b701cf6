# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule by which findings are scored, on numbers made for it."""

from __future__ import annotations

import numpy as np
import pytest

from circuit.scoring import FAIL, PASS, SIGN_ONLY, Outcome, Prediction, Published, outcome, verdict


def made(mean: float, error: float, num: int = 4, neutral: float | None = 0.0) -> Prediction:
    """A prediction with this mean and standard error over seeds."""
    values = np.array([-1.0, 1.0] * (num // 2))
    scaled = mean + values * error * np.sqrt(num) / values.std(ddof=1)
    found = Prediction(tuple(scaled), neutral)
    assert found.mean == pytest.approx(mean) and found.error == pytest.approx(error)
    return found


@pytest.mark.parametrize("mean, error, right", [
    (20, 4, {"up"}), (20, 10.1, set()), (-20, 4, {"down"}), (-20, 10.1, set()),  # beyond two errors, or not
    (4.9, 0.1, {"none"}), (5.1, 0.1, {"up", "none"}), (-5.1, 0.1, {"down", "none"}),  # and beyond 5 %
    (14, 1, {"up", "none"}), (16, 1, {"up"}), (0, 7.4, {"none"}), (0, 7.6, set()),  # no change is to be known too
])  # fmt: skip
def test_sign(mean, error, right):
    found = {sign for sign in ("up", "down", "none") if outcome(Published(sign), made(mean, error)).sign}
    assert found == right


def test_a_ratio_changes_from_one():
    predicted = made(1.2, 0.04, neutral=1.0)
    assert outcome(Published("up"), predicted).passes
    assert not outcome(Published("up"), made(1.04, 0.001, neutral=1.0)).passes
    assert outcome(Published("none"), made(1.1, 0.01, neutral=1.0)).passes


def test_no_change_within_the_published_spread():
    published = Published("none", value=0.0, spread=20.0)
    assert outcome(published, made(30, 5)) == Outcome(True, True)
    assert outcome(published, made(41, 5)) == Outcome(False, False)


@pytest.mark.parametrize("published, mean, right", [
    (Published("up", low=20, high=40), 20, True), (Published("up", low=20, high=40), 41, False),
    (Published("up", low=20), 500, True), (Published("up", high=40), 10, True), (Published("up", high=40), 41, False),
    (Published("up", value=30, spread=5), 39, True), (Published("up", value=30, spread=5), 41, False),
    (Published("up", value=30), 15, True), (Published("up", value=30), 14, False),
    (Published("up", value=30), 60, True), (Published("up", value=30), 61, False),
    (Published("up", value=30, low=29, high=31), 33, False),  # a range is more than a value
])  # fmt: skip
def test_size(published, mean, right):
    found = outcome(published, made(mean, 0.5))
    assert found == Outcome(True, right)


@pytest.mark.parametrize("mean, right", [(0.5, True), (0.6, True), (0.74, True), (0.76, False), (0.1, True)])
def test_a_ratio_is_right_within_a_factor_of_two_of_its_change(mean, right):
    assert outcome(Published("down", value=0.5), made(mean, 0.01, neutral=1.0)).size is right


def test_an_absolute_size_is_right_within_a_factor_of_two_of_itself():
    exact = Prediction((0.36,), None, by_chance=False)
    assert outcome(Published(value=0.71), exact) == Outcome(None, True)
    assert outcome(Published(value=0.73), exact) == Outcome(None, False)
    assert outcome(Published(value=0.71, spread=0.03), exact) == Outcome(None, False)


def test_what_has_no_chance_has_no_error():
    assert outcome(Published("down"), Prediction((-31.0,), 0.0, by_chance=False)).passes


@pytest.mark.parametrize("predicted", [Prediction(()), Prediction((50.0,))])
@pytest.mark.parametrize("sign", ["up", "down", "none"])
def test_one_seed_or_none_proves_nothing(predicted, sign):
    assert outcome(Published(sign), predicted).sign is False


def test_no_value_has_no_size():
    assert outcome(Published("up", low=1.0), Prediction(())) == Outcome(False, False)
    assert outcome(Published("up", value=0.0, spread=1.0), Prediction(())) == Outcome(False, False)


RIGHT, PART, WRONG, LEVEL = Outcome(True, True), Outcome(True, False), Outcome(False, None), Outcome(None, False)


@pytest.mark.parametrize("outcomes, expected", [
    ([RIGHT], PASS), ([Outcome(True, None), Outcome(None, True)], PASS), ([PART], SIGN_ONLY), ([WRONG], FAIL),
    ([RIGHT, WRONG], SIGN_ONLY), ([RIGHT, WRONG, WRONG], FAIL), ([PART, RIGHT, WRONG], SIGN_ONLY), ([LEVEL], FAIL),
    ([RIGHT, PART], SIGN_ONLY), ([Outcome(None, None)], FAIL),
])  # fmt: skip
def test_verdict(outcomes, expected):
    assert verdict(outcomes) == expected


def test_nothing_has_no_verdict():
    with pytest.raises(ValueError, match="no verdict"):
        verdict([])
