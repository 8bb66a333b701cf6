# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast part of validation on the command line, held against the scores of the whole."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

import pfc
from gpu import validation
from gpu.plan import PLAN

pytestmark = [pytest.mark.gcc, pytest.mark.slow]


@pytest.fixture(scope="module")
def fast(root, tmp_path_factory):
    """Folder of the fast part, and what the command said; the gate is that nothing that passed there fails here."""
    out = tmp_path_factory.mktemp("validated") / "fast"
    return out, run("--fast", "--gate", str(root / "docs" / "validation.json"), "--out", str(out))


def run(*words: str):
    return CliRunner().invoke(pfc.cli, ["validate", *words, "--device", "cpp"], catch_exceptions=False)


def test_what_passes_with_all_seeds_passes_in_the_fast_part(fast):
    out, done = fast
    assert done.exit_code == 0, done.output
    scores = validation.read(out / "scores.json")
    assert scores.is_part and scores.share("validation")[0] > 0
    assert (out / "scores.csv").read_text().count("\n") > len(scores.rows)


def test_runs_that_are_there_are_found_and_a_lost_one_is_done_again_to_the_same_scores(fast, tmp_path):
    copy = shutil.copytree(fast[0], tmp_path / "again")
    points = sorted((copy / "runs" / "points").iterdir())
    shutil.rmtree(points[0])
    (copy / "runs" / PLAN).write_text("half of")  # as a full disk leaves it
    kept = (points[1] / "data.nc").stat().st_mtime_ns
    assert run("--fast", "--out", str(copy)).exit_code == 0
    assert (points[1] / "data.nc").stat().st_mtime_ns == kept
    assert (copy / "scores.json").read_bytes() == (fast[0] / "scores.json").read_bytes()
