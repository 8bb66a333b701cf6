# SPDX-License-Identifier: GPL-3.0-or-later
"""A search goes on after a kill as if there had been none; Sobol indices and elasticities of known functions."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from circuit.errors import ResultsError, UserError
from gpu import search, sensitivity
from gpu.trial_log import opened

cma = pytest.importorskip("cma")
pytest.importorskip("SALib")

OPTIONS = {"sigma": 0.2, "population": 6, "generations": 12, "seed": 5}
START = np.full(3, 0.5)
OPTIMUM = np.array([0.2, 0.7, 0.4])
HEADER = {"kind": "toy"}


def cost(shares):
    """A bowl that is ten times as steep along its first axis, with ripples."""
    moves = [np.asarray(share) - OPTIMUM for share in shares]
    return [{"cost": float((np.array([10, 1, 1]) * move**2).sum() + 1e-4 * np.sin(99 * move).sum())} for move in moves]


def found_in(folder: Path, evaluate=cost, options=OPTIONS) -> search.Optimum:
    with opened(folder / "log.jsonl", HEADER, options["population"]) as log:
        return search.minimise(evaluate, START, options, log)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, search.Optimum]:
    """A search that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, found_in(folder)


def test_the_minimum_is_found(tmp_path):
    found = found_in(tmp_path, options=OPTIONS | {"generations": 40})
    np.testing.assert_allclose(found.centre, OPTIMUM, atol=0.02)
    assert found.best["cost"] < 0.01


@pytest.mark.parametrize("share", [0.0, 0.003, 0.2, 0.5, 0.77, 0.999])
def test_a_log_cut_anywhere_is_taken_up(whole, tmp_path, share):
    content = (whole[0] / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(content[: int(share * len(content))])
    found = found_in(tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() == content
    np.testing.assert_array_equal(found.centre, whole[1].centre)


def test_what_was_evaluated_is_not_evaluated_again(whole):
    def never(shares):
        raise AssertionError("evaluated again")

    assert found_in(whole[0], never).best == whole[1].best


def test_more_generations_go_on_from_there(whole, tmp_path):
    (tmp_path / "log.jsonl").write_bytes((whole[0] / "log.jsonl").read_bytes())
    longer = OPTIONS | {"generations": 15}
    counted: list[int] = []

    def count(shares):
        counted.append(len(shares))
        return cost(shares)

    found_in(tmp_path, count, longer)
    assert counted == [6, 6, 6]


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit import test_search as t
def slow(shares):
    time.sleep(0.05)
    return t.cost(shares)
t.found_in(Path({folder!r}), slow)
"""


def test_a_killed_search_goes_on(whole, tmp_path):
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen([sys.executable, "-c", SLOW.format(root=root, folder=str(tmp_path))])
    log, deadline = tmp_path / "log.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and not (log.is_file() and log.read_text().count("\n") > 12):
        time.sleep(0.01)
    process.kill()
    process.wait()
    content = (whole[0] / "log.jsonl").read_bytes()
    assert log.read_bytes() != content and content.startswith(log.read_bytes())
    np.testing.assert_array_equal(found_in(tmp_path).centre, whole[1].centre)
    assert log.read_bytes() == content


def test_the_log_of_something_else_is_refused(whole):
    with pytest.raises(ResultsError, match="is of another calibration"), opened(whole[0] / "log.jsonl", {"kind": "x"}):
        pass


def test_two_at_a_time_are_refused(tmp_path):
    refused = pytest.raises(ResultsError, match="another process is at this")
    with opened(tmp_path / "log.jsonl", HEADER), refused, opened(tmp_path / "log.jsonl", HEADER):
        pass


def test_a_candidate_without_a_cost_is_the_worst(tmp_path):
    def broken(shares):
        pairs = zip(shares, cost(shares), strict=True)
        return [{"cost": float("inf")} if share[0] > 0.6 else record for share, record in pairs]

    found = found_in(tmp_path, broken, OPTIONS | {"generations": 40})
    np.testing.assert_allclose(found.centre, OPTIMUM, atol=0.02)


def ishigami(shares: np.ndarray) -> np.ndarray:
    """Sobol's standard test: sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 for x uniform in -pi to pi [Ishigami1990]."""
    x = np.pi * (2 * shares - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_sobol_indices_of_the_ishigami_function():
    """Closed forms: V1 = (1 + b pi^4/5)^2/2, V2 = a^2/8, V13 = 8 b^2 pi^8/225, V3 = 0."""
    a, b = 7.0, 0.1
    alone = np.array([(1 + b * np.pi**4 / 5) ** 2 / 2, a**2 / 8, 0.0])
    both = 8 * b**2 * np.pi**8 / 225
    whole = alone.sum() + both
    points = sensitivity.sample(["x1", "x2", "x3"], 4096, 1)
    assert points.shape == (4096 * 5, 3)
    found = sensitivity.indices(["x1", "x2", "x3"], ishigami(points), 1)
    np.testing.assert_allclose(found.first, alone / whole, atol=0.02)
    np.testing.assert_allclose(found.total, (alone + np.array([both, 0, both])) / whole, atol=0.02)
    assert np.all(np.abs(found.first - alone / whole) <= 2 * found.first_error)


@pytest.mark.parametrize("number", [0, 1, 3, 100, -4])
def test_sobol_needs_a_power_of_two(number):
    with pytest.raises(UserError, match="needs a power of two"):
        sensitivity.sample(["a", "b"], number, 1)


def test_elasticities_of_a_power_law_are_its_exponents():
    step = np.log(1.1)
    up, down = (np.log(np.array([3.0, 5.0])[:, None] * np.exp(s * step * np.array([2.0, -0.5]))) for s in (1, -1))
    mean, error = sensitivity.elasticities(up, down, step)
    np.testing.assert_allclose(mean, [2.0, -0.5])
    np.testing.assert_allclose(error, 0, atol=1e-12)
