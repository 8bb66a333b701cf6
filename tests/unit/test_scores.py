# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores as a file, a gate, a table and a page."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from circuit.errors import ResultsError
from circuit.scores import Checked, Score, Scores, headline, lost, page, published, table
from circuit.scoring import RULE

CHECK = Checked(
    at="30 mg/kg", quantity="glutamate", unit="%", read="glutamate_change_percent", sign="up", value=None, spread=None,
    low=20.0, high=None, neutral=0.0, mean=31.2, sd=6.0, error=2.0, num=9, sign_right=True, size_right=True,
    passes=True,
)  # fmt: skip


def row(name: str, verdict: str = "pass", use: str = "validation", **more) -> Score:
    checks = () if verdict == "out of scope" else (CHECK,)
    return Score(name, f"claim | of {name}", "Somebody 2020", name[0], use, verdict, "because", checks, {}, **more)


def scores(*rows: Score, is_part: bool = False) -> Scores:
    return Scores("Validation", (101, 102), is_part, "abc", rows)


FITTED = row("A2", use="calibration")
ALL = scores(row("B1"), row("B2", "sign only"), row("B3", "fail"), row("B4", "out of scope"), FITTED)


def test_a_file_holds_all_of_it():
    assert Scores.of(ALL.as_json(), "x") == ALL
    assert len(list(csv.DictReader(ALL.as_csv().splitlines()))) == 5


def test_what_is_fitted_or_out_of_scope_does_not_count():
    assert ALL.share("validation") == (1, 3) and ALL.share("calibration") == (1, 1)
    assert headline(ALL).startswith("1 of 3 findings that nothing was fitted to pass (33 %)")
    assert "2 of 4." in headline(ALL)
    assert headline(scores(row("B4", "out of scope"))).startswith("0 of 0 findings")


def test_gate_tells_what_passed_and_does_not_now():
    now = scores(row("B1", "sign only"), row("B2"), row("B3", "fail"), row("B4", "out of scope"), ALL.by_id["A2"])
    assert [line.split()[0] for line in lost(now, ALL)] == ["B1"]
    assert lost(ALL, ALL) == [] and lost(ALL, scores(row("B3", "fail"))) == []


def test_gate_of_a_whole_misses_a_row_that_is_gone_and_of_a_part_does_not():
    fewer = scores(row("B2"))
    assert len(lost(fewer, ALL)) == 2
    assert lost(replace(fewer, is_part=True), ALL) == []
    assert lost(scores(row("B1", "out of scope")), scores(row("B1")))


def test_a_gate_that_compares_nothing_says_so():
    with pytest.raises(ResultsError, match="no finding in common"):
        lost(scores(row("B1")), scores(row("B2")))


GOOD = json.loads(ALL.as_json())


@pytest.mark.parametrize("text, said", [
    ("", "damaged"), ("[]", "damaged"), ("{}", "damaged"), (ALL.as_json()[:200], "damaged"), ("[" * 100_000, "damaged"),
    (json.dumps(GOOD | {"rows": [1]}), "damaged"), (json.dumps(GOOD | {"rows": None}), "damaged"),
    (json.dumps(GOOD | {"rows": [GOOD["rows"][0] | {"verdict": "great"}]}), "damaged"),
    (json.dumps(GOOD | {"rows": [{**GOOD["rows"][0], "checks": [{}]}]}), "damaged"),
    (json.dumps(GOOD | {"format": "pfc-scores 0"}), "reads 'pfc-scores 1'"),
])  # fmt: skip
def test_a_damaged_file_is_one_sentence(text, said):
    with pytest.raises(ResultsError, match=said) as told:
        Scores.of(text, "scores.json")
    assert str(told.value).startswith("scores.json") and "\n" not in str(told.value)


def test_table_and_page_name_every_row_and_why_it_misses():
    for text in (table(ALL), page(ALL, RULE)):
        assert all(name in text for name in ALL.by_id) and headline(ALL) in text
    assert "31.2 ± 2 %" in page(ALL, RULE) and r"claim \| of B1" in page(ALL, RULE)
    assert page(ALL, RULE).count("(fail): because") == 1 and RULE in page(ALL, RULE)


@pytest.mark.parametrize("changes, words", [
    ({}, "up, at least 20"), ({"high": 40.0}, "up, 20 to 40"), ({"low": None, "high": 0.5}, "up, at most 0.5"),
    ({"low": None, "value": 13.0}, "up, 13"), ({"low": None, "value": 13.0, "spread": 2.0, "sign": None}, "13 ± 2"),
    ({"low": None, "sign": "none"}, "no change"),
])  # fmt: skip
def test_what_was_published_in_words(changes, words):
    assert published(replace(CHECK, **changes)) == words
