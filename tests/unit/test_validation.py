# SPDX-License-Identifier: GPL-3.0-or-later
"""What validation asks for: every finding has a row, runs are shared, and mistakes are told with their place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import pfc
from circuit import assays, findings, validation
from circuit.config import load
from circuit.errors import ConfigError, UserError
from circuit.findings import Effect, Finding
from circuit.scores import page
from circuit.scoring import RULE
from circuit.validation import Check, Row, Study
from gpu import plan
from gpu import validation as running
from tests.figures.standin import StandIn

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "configs" / "validation.yaml"
SMALL = """
title: x
base: {base}
seeds: {{first: 5, number: 3}}
settings: {{numerics: {{precision: single}}}}
fast: {{seeds: {{first: 5, number: 2}}, settings: {{protocol: {{t_baseline: 1 s}}}}}}
arms:
  rest: {{}}
  none: {{drug: {{name: none}}}}
  ketamine: {{drug: {{name: ketamine, concentration: 1 uM}}, protocol: {{t_drug: 1 s}}}}
  unused: {{drug: {{name: ketamine, concentration: 2 uM}}}}
rows:
  B16: {{fast: true, checks: [{{effect: rest, arm: rest, read: rate_PYR_baseline_hz}}]}}
  B10: {{checks: [{{effect: ketamine, arm: ketamine, read: rate_PYR_drug_hz, against: none}}]}}
  B9: {{out_of_scope: no memory}}
"""


def small(folder: Path, *changes: tuple[str, str], **options) -> Study:
    """The small file above, with texts in it replaced."""
    text = SMALL.format(base=ROOT / "configs" / "baseline.yaml")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "v.yaml"
    path.write_text(text)
    return validation.load(path, **options)


@pytest.fixture(scope="module")
def study() -> Study:
    return validation.load(FILE, num_seeds=2)


@pytest.fixture(scope="module")
def known():
    return findings.load()


# -- the file of the model


def test_every_finding_of_receptors_and_circuit_has_a_row(study, known):
    assert list(study.rows) == [name for name, finding in known.items() if finding.class_ in "AB"]
    running.fit(study, known)  # and every effect of it is looked at or left out with a reason


def test_what_is_read_of_a_run_is_there(study):
    known = {*StandIn().summary, *running.READ_OUTS}
    checks = [check for row in study.rows.values() for check in row.checks]
    read = {key for check in checks for key in (check.read, check.start) if key}
    assert read and read <= known
    assert set(running.READ_OUTS) <= read


def test_seeds_of_the_model_are_apart_from_those_of_any_fit(study):
    assert min(study.seeds) > 100


# -- arms to runs


def test_arms_that_are_one_experiment_are_run_once_and_unused_ones_never(tmp_path):
    found = small(tmp_path)
    assert found.runs.keys() == {"rest", "ketamine", "none"} and found.seeds == (5, 6, 7)
    assert found.runs["rest"] == found.runs["none"] != found.runs["ketamine"]
    assert len(found.sweep.points) == 6
    assert {point.exp.seed for point in found.sweep.points} == {5, 6, 7}
    assert {point.exp.numerics.precision for point in found.sweep.points} == {"single"}
    assert sorted(point.place for point in found.sweep.points) == [(a, s) for a in (0, 1) for s in (0, 1, 2)]


def test_fast_and_only_take_their_rows_with_their_settings(tmp_path):
    found = small(tmp_path, fast=True)
    assert list(found.rows) == ["B16"] and found.is_part and found.seeds == (5, 6)
    assert {str(point.exp.protocol.t_baseline) for point in found.sweep.points} == {"1 s"}
    assert list(small(tmp_path, only=["B10"]).rows) == ["B10"]
    with pytest.raises(UserError, match="no row 'X99'"):
        small(tmp_path, only=["X99"])


def test_another_circuit_may_be_meant(tmp_path):
    first = small(tmp_path)
    found = small(tmp_path, overrides=["network.num_neurons=1000", "parameters.drive.sd=1.2"])
    assert {point.exp.network.num_neurons for point in found.sweep.points} == {1000}
    assert running.fingerprint(found) != running.fingerprint(first)


def test_a_plan_of_other_runs_makes_way_and_what_is_done_stays(tmp_path):
    first, second = small(tmp_path), small(tmp_path, ("1 uM", "4 uM"))
    runs = tmp_path / "runs"
    plan.write(first.sweep, runs, 1)
    kept = runs / plan.POINTS / second.runs["rest"][0]
    kept.mkdir()
    for left in ("logs", "failed"):  # what a pool leaves
        (runs / left).mkdir()
        (runs / left / "x").touch()
    running._make_way(second.sweep, runs)
    assert {point.id for point in plan.write(second.sweep, runs, 1).points} == {p.id for p in second.sweep.points}
    assert kept.is_dir()
    running._make_way(small(tmp_path, num_seeds=4).sweep, runs)
    assert not (runs / plan.PLAN).is_file()  # those of before are not among them


# -- what can be wrong with the file


READ = "arm: rest, read: rate_PYR_baseline_hz"


@pytest.mark.parametrize("changes, said", [
    ([("arm: rest", "arm: rset")], "no arm 'rset'; did you mean 'rest'"),
    ([("read: rate_PYR_baseline_hz", "assay: half block")], "not both"),
    ([(READ, "assay: half blok")], "no assay 'half blok'; did you mean 'half block'"),
    ([(READ, "assay: half block, given: {drug: ketamine}")], "needs receptor"),
    ([(READ, "assay: half block, given: {drug: ketamine, receptor: GluN3, mV: -70}")], "'GluN3' is no receptor"),
    ([(READ, "assay: binding rate, given: {drug: 3}")], "drug needs a name; found"),
    ([(READ, "assay: binding rate, given: {drug: ketamin}")], "is not a drug"),
    ([(READ, "assay: binding rate, given: {drug: NBQX}")], "blocks no channel"),
    ([(READ, "assay: binding rate, given: {drug: ketamine, mV: -70}")], "takes drug; found mV"),
    ([(READ, "arm: rest")], "needs an arm and what to read of it"),
    ([("against: none", "against: none, minus: rest")], "compares with one thing"),
    ([("against: none", "against: none, high: 3")], "or neither"),
    ([("no memory", "no memory, checks: [{effect: a, arm: rest, read: b}]")], "needs checks"),
    ([("{out_of_scope: no memory}", "{}")], "needs checks"),
    ([("number: 3", "number: 1")], "at least 2"),
    ([("title: x", "titel: x")], "unknown key"),
    ([("{name: ketamine, concentration: 1 uM}", "{name: ketamine, concentration: 1 mg}")], "concentration"),
    ([("rows:", "rows: [")], "is not closed"),
])  # fmt: skip
def test_a_wrong_file_is_told_with_its_place(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said) as told:
        small(tmp_path, *changes)
    assert "v.yaml" in str(told.value)


FINDING = Finding.model_validate({
    "claim": "c", "class": "B", "preparation": "p", "species": "rat", "quantity": "q", "source": "s",
    "known": "memory", "use": "validation",
    "effects": [
        {"at": "a", "sign": "up"}, {"of": "r", "at": "b", "sign": "down", "value": 0.5, "unit": "ratio to rest"},
    ],
})  # fmt: skip


def checked(*checks: dict, **more) -> Row:
    return Row.model_validate({"checks": [{"arm": "rest"} | check for check in checks], **more})


UP, RATIO = {"effect": "a", "read": "x_change_percent"}, {"effect": "r: b", "read": "x_change_percent", "to": "ratio"}


@pytest.mark.parametrize("row, said", [
    (checked(UP), "'r: b' needs a check, or a reason"), (checked(UP, RATIO, {**UP, "effect": "d"}), "no effect at 'd'"),
    (checked({**UP, "read": "x"}, RATIO), "is a change, and x is none"),
    (checked(UP, {**RATIO, "to": None}), "is in ratio to rest, and x_change_percent is not"),
])  # fmt: skip
def test_rows_and_findings_that_do_not_fit_are_told(study, row, said):
    wrong = Study("", study.numbers, {"B1": row}, study.sweep, {}, (1, 2), False)
    with pytest.raises(ConfigError, match=said):
        running.fit(wrong, {"B1": FINDING})
    running.fit(Study("", study.numbers, {"B1": checked(UP, RATIO)}, study.sweep, {}, (1, 2), False), {"B1": FINDING})


# -- from runs to predictions


class Numbers:
    """Stands for the runs: numbers of two arms in three seeds."""

    TABLE = {
        ("a", "x"): [2.0, 4.0, None], ("b", "x"): [1.0, 2.0, 3.0], ("a", "y"): [1.0, 1.0, 1.0], ("z", "x"): [0.0] * 3,
    }  # fmt: skip

    def values(self, arm: str, key: str) -> list[float | None]:
        return self.TABLE[arm, key]


@pytest.mark.parametrize("check, values, neutral", [
    ({}, (2, 4), None), ({"to": "percent"}, (200, 400), None), ({"to": "remaining"}, (-1, -3), 1),
    ({"start": "y"}, (100, 300), 0), ({"against": "b"}, (100, 100), 0), ({"minus": "b"}, (1, 2), 0),
    ({"against": "b", "to": "ratio"}, (2, 2), 1), ({"against": "z"}, (), 0), ({"share_of": "b"}, (2, 2), 1),
    ({"against": "b", "to": "loss"}, (-100, -100), 0),
])  # fmt: skip
def test_comparisons_are_seed_by_seed_where_both_have_a_number(study, check, values, neutral):
    found = running.predict(study, Numbers(), Check(effect="e", arm="a", read="x", **check))
    assert found.values == pytest.approx(values) and found.neutral == neutral and found.by_chance


def test_a_share_is_the_ratio_of_means_with_its_standard_error():
    rng = np.random.default_rng(3)
    whole = rng.normal(20.0, 4.0, (4000, 10))
    part = 0.4 * whole + rng.normal(0.0, 2.0, whole.shape)
    found = np.array([running.shares(list(a), list(b)) for a, b in zip(part, whole, strict=True)])
    np.testing.assert_allclose(found.mean(axis=1), part.mean(axis=1) / whole.mean(axis=1))
    told = found.std(axis=1, ddof=1) / np.sqrt(10)
    # 4000 draws of ten seeds: chance is 1 %, and an SD of ten values is 3 % too small on average
    assert found.mean(axis=1).std() == pytest.approx(told.mean(), rel=0.08)


def test_read_outs_of_a_run_are_numbers():
    run = StandIn()
    for name, read in running.READ_OUTS.items():
        if not name.startswith(("GluA", "retrograde", "BDNF", "p_eEF", "tested", "sEPSC", "sIPSC")):
            assert np.isfinite(read(run)), name
    assert 0 <= running.READ_OUTS["fraction_above_1_hz_PV"](run) <= 1
    assert running.READ_OUTS["share_poisson_like"](run) > 0.5  # its trains are Poisson's


@pytest.mark.parametrize("rate, expected", [(19.0, 7.0), (21.0, None), (None, 7.0)])
def test_a_run_that_ran_away_has_no_value(monkeypatch, rate, expected):
    summary = {"rate_PYR_baseline_hz": 2.0, "rate_PYR_drug_hz": rate, "x": 7.0}
    monkeypatch.setattr(running.Results, "open", lambda path: SimpleNamespace(summary=summary))
    reading = running.Reading(SimpleNamespace(runs={"a": ("one", "two")}), Path)
    assert reading.values("a", "x") == [expected, expected]


def test_a_number_that_no_run_has_is_told(monkeypatch):
    monkeypatch.setattr(running.Results, "open", lambda path: SimpleNamespace(summary={"rate_PYR_drug_hz": 2.0}))
    with pytest.raises(ConfigError, match="no number 'rate_PYR_drg_hz'; did you mean 'rate_PYR_drug_hz'"):
        running.Reading(SimpleNamespace(runs={"a": ("one",)}), Path).values("a", "rate_PYR_drg_hz")


class Course:
    """Stands for a course: an hour before the drug and two after it; test pulses at both ends."""

    def chain(self, name):
        return np.array([-0.9, -0.1, 0.0, 0.6, 1.4, 2.0]), np.array([1.0, 3.0, 9.0, 2.0, 4.0, 8.0])

    def responses(self, name):
        return np.array([-0.1, 1.9]), np.array([3.0, 3.0])

    def spines(self, name):
        return np.array([-1.0, -0.1, 0.5, 2.0]), np.array([1.0, 2.0, 9.0, 3.0])


def test_read_outs_of_a_course_compare_with_the_hour_before_the_drug_or_the_first_pulses():
    assert running.READ_OUTS["GluA_1h_change_percent"](Course()) == pytest.approx(50)
    assert running.READ_OUTS["GluA_1_to_3h_change_percent"](Course()) == pytest.approx(200)
    assert running.READ_OUTS["tested_pathway_change_percent"](Course()) == pytest.approx(50)


# -- assays


@pytest.fixture(scope="module")
def numbers():
    return load(ROOT / "configs" / "baseline.yaml").numbers


def test_half_of_the_channels_are_blocked_at_the_half_blocking_concentration(numbers):
    for given in ({"receptor": "GluN2A", "mV": -70}, {"receptor": "GluN2D", "mV": -30, "Mg": 1.0}):
        half = assays.half_block(numbers, "ketamine", **given)
        assert assays.block(numbers, "ketamine", half, **given) == pytest.approx(0.5)
    assert assays.half_block(numbers, "ketamine", "GluN2A", -70) == pytest.approx(
        assays.unbinding_rate(numbers, "ketamine", "GluN2A", -70) / assays.binding_rate(numbers, "ketamine")
    )
    assert assays.hill_coefficient(numbers, "ketamine", 0.3, "GluN2A", -70) == pytest.approx(1.0)


def test_block_settles_with_its_time_constant_and_waits_for_agonist(numbers):
    given = {"drug": "ketamine", "uM": 1.0, "receptor": "GluN2A", "mV": -70}
    tau = assays.time_of_onset(numbers, **given) / 1e3
    settled = assays.block(numbers, **given)
    after = assays.block_after(numbers, **given, activation=1.0, seconds=tau)
    assert after == pytest.approx(settled * (1 - np.exp(-1)))
    assert assays.block_after(numbers, **given, activation=0.0, seconds=60.0) == 0


def test_drugs_that_act_elsewhere_leave_what_an_assay_reads_as_it_is(numbers):
    assert assays.IPSP(numbers, "ketamine", 50.0) == 1
    assert assays.IPSP(numbers, "bicuculline", 1.5) == pytest.approx(0.5)
    assert assays.activity(numbers, "ketamine", 10.0, "PYR") == 1
    ro = [assays.activity(numbers, "Ro 25-6981", 1.0, receptor) for receptor in ("GluN2B", "PYR", "GluN2A")]
    assert 0 < ro[0] < ro[1] < ro[2] == 1
    assert assays.electrical_distance(numbers, "ketamine") == pytest.approx(0.80, abs=0.01)
    assert assays.trapped(numbers, "ketamine", 100.0) == 1 > assays.trapped(numbers, "memantine", 20.0)


# -- the command


def run(*words: str):
    return CliRunner().invoke(pfc.cli, ["validate", *words])


@pytest.mark.parametrize("words, said", [
    (("nowhere.yaml",), "nowhere.yaml: there is no such file"), (("--only", "X99"), "no row 'X99'"),
    (("--only", "B24", "--gate", "nowhere.json"), "nowhere.json cannot be read"),
])  # fmt: skip
def test_mistakes_are_told_before_anything_is_run(words, said):
    done = run(*words)
    assert isinstance(done.exception, UserError) and said in str(done.exception)


def test_what_needs_no_network_is_scored_without_one(tmp_path):
    done = run("--only", "A4", "--only", "A13", "--out", str(tmp_path / "v"))
    assert done.exit_code == 0, done.output
    assert "A4   pass" in done.output and "A13  out of scope" in done.output
    scores = running.read(tmp_path / "v" / "scores.json")
    assert list(scores.by_id) == ["A4", "A13"] and (tmp_path / "v" / "validation.png").stat().st_size > 0
    assert (tmp_path / "v" / "validation.md").read_text() == page(scores, RULE)
    again = run("--only", "A4", "--gate", str(tmp_path / "v" / "scores.json"), "--out", str(tmp_path / "w"))
    assert again.exit_code == 0


def test_the_gate_closes_with_status_1(tmp_path):
    assert run("--only", "A2", "--only", "A4", "--out", str(tmp_path / "v")).exit_code == 0
    file = tmp_path / "v" / "scores.json"
    text = file.read_text()
    assert '"verdict": "fail"' in text
    file.write_text(text.replace('"verdict": "fail"', '"verdict": "pass"'))
    done = run("--only", "A2", "--only", "A4", "--gate", str(file), "--out", str(tmp_path / "w"))
    assert done.exit_code == 1 and "A2 (Gilling 2009) passed and is now: fail." in done.output


def test_an_effect_is_called_by_its_quantity_and_condition():
    assert running.label(Effect(at="30 mg/kg", sign="up")) == "30 mg/kg"
    assert running.label(Effect(of="gamma power", at="30 mg/kg", sign="up")) == "gamma power: 30 mg/kg"
