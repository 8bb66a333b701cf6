# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller that finds afferents for target rates, on maps whose answer is known; how it is asked."""

from __future__ import annotations

import numpy as np
import pytest

from circuit.errors import UserError
from circuit.variants import rates_asked
from gpu import afferents, response

#: A response like that of an inhibition-stabilised circuit: PV's own element is negative.
RESPONSE = np.array([[2.0, -0.4, -0.1, 0.05], [3.7, -0.4, -0.15, 0.1], [3.5, -0.9, 0.6, -0.5], [0.4, -0.1, -0.1, 2.0]])
TARGET = np.log([2.0, 9.0, 5.5, 5.0])


def measured(spread: float, bend: float = 0.0):
    """A map with a known root at x = (0.1, -0.2, 0.15, -0.05), bent around it, and an offset for each of five seeds."""
    root = np.array([0.1, -0.2, 0.15, -0.05])
    offsets = spread * np.random.default_rng(3).standard_normal((5, 4))
    offsets -= offsets.mean(axis=0)

    def measure(x):
        move = x - root
        return TARGET + RESPONSE @ (move + bend * move**2) + offsets

    return measure, root


@pytest.mark.parametrize("bend", [0.0, 0.5, -0.5])
def test_a_root_is_found_as_near_as_asked(bend):
    measure, root = measured(0.0, bend)
    found = afferents.solve(measure, TARGET, RESPONSE, 1e-6)
    np.testing.assert_allclose(found.y.mean(axis=0), TARGET, atol=1e-6)
    np.testing.assert_allclose(found.x, root, atol=1e-5)


def test_a_wrong_response_is_corrected_on_the_way():
    """A response of half the size and without its smaller elements leads there too, in more steps."""
    measure, root = measured(0.0, 0.3)
    wrong = np.where(np.abs(RESPONSE) < 0.3, 0.0, 0.5 * RESPONSE)
    found = afferents.solve(measure, TARGET, wrong, 0.01)
    np.testing.assert_allclose(found.x, root, atol=0.02)


def test_it_stops_where_the_seeds_say_no_more():
    measure, _ = measured(0.1)
    found = afferents.solve(measure, TARGET, RESPONSE, 1e-9)
    off = np.abs(found.y.mean(axis=0) - TARGET)
    assert np.all(off <= response.standard_error(found.y))


def test_the_error_of_the_values_is_that_of_the_rates_through_the_response():
    """On a linear map the root of each seed is known, and the standard error of their mean with it."""
    measure, root = measured(0.05)
    found = afferents.solve(measure, TARGET, RESPONSE, 1e-6)
    roots = found.x + np.linalg.solve(RESPONSE, (TARGET - measure(found.x)).T).T
    np.testing.assert_allclose(found.error, response.standard_error(roots), rtol=1e-6)


def test_a_far_error_is_not_clipped():
    """From 20 times the target rate, single moves are short, and the answer is the same."""
    measure, root = measured(0.0)
    found = afferents.solve(measure, TARGET, RESPONSE, 1e-6, start=root + np.array([0.9, -0.9, 0.5, 0.9]))
    assert np.abs(measure(root + np.array([0.9, -0.9, 0.5, 0.9])) - TARGET).max() > np.log(20)
    np.testing.assert_allclose(found.x, root, atol=1e-4)


def test_a_target_out_of_reach_is_told():
    """Rates that saturate below the target: the nearest is kept, and nothing is claimed."""

    def measure(x):
        return np.tanh(x)[None, :] + np.array([[0.001], [-0.001]])

    with pytest.raises(afferents.NotReachedError) as caught:
        afferents.solve(measure, np.array([2.0, 0.0]), np.eye(2), 0.01)
    assert caught.value.best.y.mean(axis=0)[0] < 1.0


@pytest.mark.parametrize("text, expected", [
    ("PYR=2 Hz,PV=9 Hz", {"PYR": 2.0, "PV": 9.0}), ("VIP = 5 Hz , PYR=2/s", {"PYR": 2.0, "VIP": 5.0}),
])  # fmt: skip
def test_rates_are_read(text, expected):
    assert rates_asked(text) == expected


@pytest.mark.parametrize("text, sentence", [
    ("PRY=2 Hz", "needs populations of PYR, PV, SST, VIP"), ("PYR=2 Hz,PYR=3 Hz", "each once"), ("", "found ''"),
    ("PYR=2", "which has no unit"), ("PYR=0 Hz", "must be more than 0 Hz"), ("PYR", "needs a number"),
])  # fmt: skip
def test_rates_that_cannot_be_are_told(text, sentence):
    with pytest.raises(UserError, match="--rates") as caught:
        rates_asked(text)
    assert sentence in str(caught.value)


def matrix(own: float, spread: float) -> response.Response:
    """A response matrix whose element of PV on itself is `own`, over four seeds that differ by `spread`."""
    elements = np.tile(RESPONSE, (4, 1, 1))
    elements[:, 1, 1] = own + spread * np.array([-1.0, 1.0, -1.0, 1.0])
    return response.Response(0.1, (1, 2, 3, 4), np.tile(TARGET, (4, 1)), elements)


@pytest.mark.parametrize("own, spread, stabilised, words", [
    (-0.4, 0.1, True, "negative"), (0.4, 0.1, False, "not inhibition-stabilised"), (-0.1, 0.2, None, "open"),
])  # fmt: skip
def test_a_circuit_is_called_stabilised_where_the_sign_is_sure(own, spread, stabilised, words):
    found = matrix(own, spread)
    assert found.stabilised is stabilised
    assert words in found.lines()[-1]
    assert found.own_PV == pytest.approx((own, spread * np.sqrt(4 / 3) / 2))
