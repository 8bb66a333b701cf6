# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole calibration on a circuit that is a formula: what it finds, what decides it, what it leaves on disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from circuit.calibration import Free, Output, Spec, Target
from circuit.errors import ResultsError, UserError
from gpu import calibration
from gpu.progress import Silent

pytest.importorskip("cma")
pytest.importorskip("SALib")

KEYS = ("parameters.drive.sd", "parameters.cells.PV.g_tonic_max", "parameters.cells.PYR.b")
CENTRE = np.array([1.5, 6.0, 20.0])
EXPONENTS = (2.0, -0.5, 0.0)


class ToySpec(Spec):
    """A spec whose experiments are their values and seed alone."""

    def experiments(self, values, seeds):
        return [SimpleNamespace(values=np.asarray(CENTRE if values is None else values), seed=s) for s in seeds]

    @property
    def digest(self) -> str:
        return "toy"

    def start(self):
        return np.array([1.2, 7.0, 12.0])


class Toy:
    """A read-out that is a power law of the parameters, and one that is a rate; it counts what it runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, exps, on_progress=None):
        self.runs += len(exps)
        summaries = []
        for exp in exps:
            move = np.log(exp.values / CENTRE)
            ratio = 1.3 * np.exp(np.dot(EXPONENTS, move) + 0.01 * (-1) ** exp.seed)
            summaries.append({"rate": 2.0 * np.exp(3 * move[0]), "G_change_percent": 100 * (ratio - 1)})
        return summaries


def spec(**changes) -> ToySpec:
    ends = ((1.0, 2.0, ""), (3.0, 10.0, "nS"), (4.0, 40.0, "pA"))
    said = {
        "path": Path("toy.yaml"), "title": "toy", "config": Path("none.yaml"), "layer": (), "seeds": (1, 2),
        "free": tuple(Free(key, low, high, unit, True) for key, (low, high, unit) in zip(KEYS, ends, strict=True)),
        "conditions": {"low": None},
        "targets": (
            Target("rate at rest", "", "low", "rate", 1.9, 2.1, 0.0),
            Target("B1", "B1", "low", "G_change_percent", np.log(1.3), np.log(1.3), 0.05),
        ),
        "outputs": (Output("G", "G_change_percent", {"low": 1.0}, False),),
        "optimiser": {"sigma": 0.2, "population": 6, "generations": 25, "seed": 1},
        "content": {},
    }  # fmt: skip
    return ToySpec(**(said | changes))


def work(folder: Path, **changes) -> calibration.Calibration:
    return calibration.Calibration(spec(**changes), Toy(), folder, lambda label: Silent(), lambda text: None)


@pytest.fixture
def fitted(tmp_path) -> tuple[calibration.Calibration, calibration.Fit]:
    one = work(tmp_path / "out")
    return one, one.fit()


def test_a_search_meets_its_targets_with_seeds_it_has_not_seen(fitted):
    _, found = fitted
    assert found.fresh_seeds == (3, 4)
    assert found.record["cost"] < 0.5
    assert found.record["values"][KEYS[0]] == pytest.approx(1.5, rel=0.05)
    assert "B1" in found.note() and "rate" in found.note()
    assert any(line.startswith("drive.sd") for line in found.lines())


def test_what_is_in_the_log_is_not_run_again(fitted):
    one, found = fitted
    again = work(one.folder)
    assert again.fit().record == found.record
    assert again.trials.runs == 4  # the two candidates that are judged, with two seeds each
    lines = (one.folder / calibration.SEARCH).read_text().splitlines()
    assert json.loads(lines[0])["findings_read"] == ["B1"] and len(lines) == 1 + 25 * 6


def test_elasticities_are_the_exponents_whatever_the_seeds_add(tmp_path):
    rows = work(tmp_path).elasticity(10)
    assert [row["parameter"] for row in rows] == list(KEYS)
    np.testing.assert_allclose([row["elasticity"] for row in rows], EXPONENTS, atol=1e-9)
    np.testing.assert_allclose([row["error"] for row in rows], 0, atol=1e-9)


def test_sobol_indices_are_the_shares_of_variance(tmp_path):
    """ln output is linear in the shares of the way, so first and total are variances over their sum."""
    one = work(tmp_path)
    rows = one.sobol(256)
    widths = np.array([free.high / free.low for free in one.spec.free])
    variances = (np.array(EXPONENTS) * np.log(widths)) ** 2
    np.testing.assert_allclose([row["first"] for row in rows], variances / variances.sum(), atol=0.03)
    np.testing.assert_allclose([row["total"] for row in rows], variances / variances.sum(), atol=0.03)


def test_a_sobol_study_goes_on_where_it_ended(tmp_path):
    one = work(tmp_path)
    whole = one.sobol(16)
    log = tmp_path / calibration.SOBOL
    content = log.read_bytes()
    log.write_bytes(content[: len(content) // 2])
    again = work(tmp_path)
    assert again.sobol(16) == whole and log.read_bytes() == content
    assert 0 < again.trials.runs < one.trials.runs


def test_a_profile_tells_what_is_pinned_down_and_what_is_not(fitted):
    """The rate depends on the first parameter alone, nothing on the third."""
    one, _ = fitted
    sd, b = ([row["cost"] for row in one.profile(key)] for key in (KEYS[0], KEYS[2]))
    assert min(sd[0], sd[-1]) > 10 and min(sd) < 1
    assert max(b) < 1


def test_studies_are_written_as_tables(tmp_path):
    lines = work(tmp_path).perform(None, 10.0, None)
    assert lines[0].split() == ["output", "parameter", "elasticity", "error"] and lines[-1].endswith("elasticity.csv")
    with (tmp_path / "elasticity.csv").open() as file:
        assert [row["parameter"] for row in csv.DictReader(file)] == list(KEYS)


def test_what_cannot_be_studied_is_told(tmp_path):
    with pytest.raises(UserError, match="has no outputs"):
        work(tmp_path, outputs=()).elasticity(10)
    with pytest.raises(UserError, match="holds no calibration yet"):
        work(tmp_path).profile(KEYS[0])
    with pytest.raises(UserError, match="is not free in toy.yaml"):
        work(tmp_path).profile("parameters.cells.PV.b")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(ResultsError, match="holds no calibration"):
        calibration.check(tmp_path / "other")
