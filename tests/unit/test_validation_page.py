# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/validation.md is what `pfc validate` wrote, of this model and of these findings, and every miss has a reason.

To renew it: pfc validate --out FOLDER; then copy FOLDER/scores.json to docs/validation.json, and its validation.md and
validation.png to docs/. A change of a number of the model, of a finding or of a row asks for it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from circuit import findings, validation
from circuit.scores import Scores, page
from circuit.scoring import RULE
from gpu import validation as running

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def scores() -> Scores:
    return running.read(DOCS / "validation.json")


@pytest.fixture(scope="module")
def study() -> validation.Study:
    return validation.load(ROOT / "configs" / "validation.yaml", num_seeds=2)


def test_the_page_is_of_the_scores_beside_it(scores):
    assert (DOCS / "validation.md").read_text() == page(scores, RULE)
    assert not scores.is_part


def test_the_scores_are_of_this_model(scores, study):
    assert scores.model == running.fingerprint(study)


def test_the_scores_are_of_these_findings_and_rows(scores, study):
    known = findings.load()
    assert list(scores.by_id) == list(study.rows)
    for name, score in scores.by_id.items():
        row, finding = study.rows[name], known[name]
        assert (score.claim, score.source, score.use) == (finding.claim, finding.source, finding.use)
        assert [(check.at, check.read) for check in score.checks] == [(c.effect, running.reads(c)) for c in row.checks]
        assert score.left_out == row.left_out
        if score.verdict != "pass":
            assert score.reason == (row.out_of_scope or row.misses)


def test_every_miss_has_a_reason(scores):
    assert [row.id for row in scores.rows if row.verdict != "pass" and not row.reason] == []
