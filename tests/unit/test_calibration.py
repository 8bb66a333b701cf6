# SPDX-License-Identifier: GPL-3.0-or-later
"""What a calibration may be asked for, what it costs to miss a target, and what is refused with which sentence."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pfc
from circuit import calibration_spec, findings
from circuit.calibration import Free, Output, Spec, Target, bounds_of, turning_dose
from circuit.config import Reader, load
from circuit.errors import ConfigError, UserError
from circuit.variants import at_rest, parameter, scaled
from gpu import overrides

ROOT = Path(pfc.__file__).parent
BASELINE = ROOT / "configs" / "baseline.yaml"
DRIVE = "parameters.cells.PYR.mean_ext"
SOUND = f"""\
title: small
config: {BASELINE}
settings: {{network: {{num_neurons: 1000}}}}
seeds: [1, 2]
free:
  {DRIVE}: {{low: 0.5 nS, high: 0.9 nS, with: [parameters.cells.PYR.mean_ext_d]}}
  parameters.drive.sd: {{low: 1, high: 2, scale: lin, prior: {{mean: 1.5, sd: 0.2}}}}
rest: {{rate_PYR_baseline_hz: [1, 4]}}
conditions:
  low: {{drug: {{name: ketamine, concentration: 1 uM}}, protocol: {{t_drug: 1 s}}}}
findings: [{{id: B1, effect: low dose, condition: low, output: glutamate_change_percent}}]
outputs: {{G: {{output: glutamate_change_percent, condition: low}}}}
"""


def effect(**said) -> SimpleNamespace:
    return SimpleNamespace(**({"at": "low dose", "of": "", "sign": None, "unit": ""} | said))


ROWS = {
    "B1": SimpleNamespace(use="calibration", effects=(effect(sign="up"), effect(at="high dose", sign="down"))),
    "B2": SimpleNamespace(use="validation", effects=(effect(sign="up"),)),
    "B3": SimpleNamespace(use="calibration", effects=(effect(value=5.0, unit="Hz"),)),
}


def read(folder: Path, text: str = SOUND) -> Spec:
    (folder / "spec.yaml").write_text(text)
    return calibration_spec.read(folder / "spec.yaml", lambda: ROWS)


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> Spec:
    return read(tmp_path_factory.mktemp("spec"))


def test_a_spec_is_read(spec):
    assert spec.seeds == (1, 2) and spec.rows == ("B1",)
    assert [target.output for target in spec.targets] == ["rate_PYR_baseline_hz", "glutamate_change_percent"]
    assert spec.free[1] == Free("parameters.drive.sd", 1.0, 2.0, "", False, (1.5, 0.2))
    exps = spec.experiments([0.8, 1.25], spec.seeds)
    assert [exp.seed for exp in exps] == [1, 2]
    assert exps[0].network.num_neurons == 1000 and exps[0].drug.concentration.to("uM") == 1
    assert exps[0].numbers.drive.sd.value == 1.25


def test_companions_keep_their_ratio(spec):
    own, fitted = spec.base.numbers.cells.PYR, spec.experiments([0.8, 1.5], [1])[0].numbers.cells.PYR
    assert fitted.mean_ext.to("nS") == 0.8
    assert fitted.mean_ext_d.si / fitted.mean_ext.si == pytest.approx(own.mean_ext_d.si / own.mean_ext.si, rel=1e-5)


def test_the_shipped_spec_is_read_with_the_findings_it_names():
    spec = calibration_spec.read(ROOT / "configs" / "calibration.yaml", findings.load)
    rows = findings.load()
    assert spec.rows and all(rows[name].use == "calibration" for name in spec.rows)
    own = [parameter(spec.base.numbers, free.key).to(free.unit or "1") for free in spec.free]
    np.testing.assert_allclose(spec.start(), own, err_msg="the model's own values are inside the bounds")


# What replaces what in the sound spec, and what the message must say.
DAMAGE = {
    "unknown key": ("title:", "titel:", "titel: unknown key; did you mean 'title'?", "title: is missing"),
    "no rest": ("rest: {rate_PYR_baseline_hz: [1, 4]}", "", "rest: is missing"),
    "validation row": ("id: B1", "id: B2", "B2 is kept for validation: a circuit that is fitted to it could not"),
    "unknown row": ("id: B1", "id: B11", "findings.yaml has no row B11"),
    "unknown effect": ("low dose", "no dose", "needs one effect of B1", "low dose; high dose"),
    "no effect of two": ("effect: low dose, ", "", "needs one effect of B1"),
    "unit that is no ratio": ("id: B1, effect: low dose", "id: B3", "B3: its size is in Hz"),
    "unknown condition": ("condition: low, output", "condition: lwo, output", "is none of the conditions"),
    "output that is no change": (
        "condition: low, output: glutamate_change_percent",
        "condition: low, output: glutamate_drug_uM",
        "needs a read-out that ends in _change_percent",
    ),
    "unknown parameter": ("drive.sd:", "drive.sdd:", "parameters.drive.sdd"),
    "setting as a parameter": ("parameters.drive.sd: {low: 1, high: 2", "seed: {low: 1, high: 2", "only numbers under"),
    "bounds turned round": ("low: 0.5 nS, high: 0.9 nS", "low: 0.9 nS, high: 0.5 nS", "needs 0 < low < high"),
    "zero on a log scale": ("low: 0.5 nS", "low: 0 nS", "needs 0 < low < high"),
    "two units": ("low: 0.5 nS", "low: 0.5 mV", "needs the unit of low"),
    "wrong unit": ("low: 0.5 nS, high: 0.9 nS", "low: 0.5 mV, high: 0.9 mV", "is a conductance and cannot be"),
    "unknown scale": ("scale: lin", "scale: linear", "must be log or lin; found 'linear'"),
    "prior without sd": ("{mean: 1.5, sd: 0.2}", "{mean: 1.5}", "sd: is missing"),
    "prior of another unit": ("{mean: 1.5, sd: 0.2}", "{mean: 1.5 nS, sd: 0.2}", "needs the unit none"),
    "band without end": ("[1, 4]", "[~, ~]", "needs [low, high]"),
    "band as text": ("[1, 4]", "about 2", "needs [low, high]"),
    "seeds twice": ("seeds: [1, 2]", "seeds: [1, 1]", "needs a list of different whole numbers"),
    "output without condition": ("{output: glutamate_change_percent, condition: low}}", "{output: x}}", "needs either"),
    "no file": (f"config: {BASELINE}", "config: none.yaml", "none.yaml: there is no such file"),
    "structure": (
        "parameters.drive.sd: {low: 1, high: 2, scale: lin, prior: {mean: 1.5, sd: 0.2}}",
        "parameters.pathways.PYR_to_PYR.p: {low: 0.08, high: 0.14}",
        "changes what the program is compiled for",
    ),
}


@pytest.mark.parametrize("sound, damaged, said", [(s, d, e) for s, d, *e in DAMAGE.values()], ids=DAMAGE)
def test_damage_is_told(tmp_path, sound, damaged, said):
    assert sound in SOUND
    with pytest.raises(UserError) as caught:
        read(tmp_path, SOUND.replace(sound, damaged))
    assert [part for part in said if part not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize("words, said", [
    (["spec.yaml"], "spec.yaml:3:1: seedz: unknown key"),
    (["spec.yaml", "--sobol", "8", "--elasticity", "10"], "give one of them"),
    ([str(BASELINE), "--rates", "PYR=2 Hz", "--out", "x.txt"], "needs a file that ends in .yaml"),
])  # fmt: skip
def test_mistakes_end_with_status_2_and_leave_nothing(tmp_path, words, said):
    (tmp_path / "spec.yaml").write_text("title: a\nconfig: b\nseedz: [1]\n")
    program = [sys.executable, str(ROOT / "pfc.py"), "calibrate", *words]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


def test_a_share_of_the_way_is_on_the_scale():
    log, lin = Free("k", 1.0, 100.0, "nS", True), Free("k", 1.0, 3.0, "", False, (2.0, 0.5))
    assert log.value(0.5) == pytest.approx(10) and lin.value(0.5) == pytest.approx(2)
    assert [free.share(free.value(0.3)) for free in (log, lin)] == pytest.approx([0.3, 0.3])
    assert (log.surprise(7), lin.surprise(3)) == (0.0, 2.0)
    assert log.text(log.value(1 / 3)) == "4.64159 nS"


@pytest.mark.parametrize("said, expected", [
    ({"sign": "up"}, (math.log(1.05), math.inf, 0.05)), ({"sign": "down"}, (-math.inf, -math.log(1.05), 0.05)),
    ({"sign": "none"}, (-math.log(1.05), math.log(1.05), 0.05)),
    ({"value": 2.0, "spread": 0.5, "unit": "ratio to baseline"}, (math.log(2), math.log(2), math.log(1.25))),
    ({"value": 13, "unit": "% change"}, (math.log(1.13), math.log(1.13), 0.1)),
    ({"low": 2.0, "high": 4.0, "unit": "ratio to baseline"}, (math.log(2), math.log(4), 0.1)),
    ({"low": 2.0, "unit": "ratio to control"}, (math.log(2), math.inf, 0.1)),
])  # fmt: skip
def test_published_effects_become_bounds(said, expected):
    said = {"low": None, "high": None, "value": None, "spread": None} | said
    assert bounds_of(effect(**said)) == pytest.approx(expected)


def test_distance_is_counted_outside_the_bounds_only():
    band = Target("", "", "rest", "rate_PYR_baseline_hz", 1.0, 4.0, 0.0)
    assert [band.distance(rate) for rate in (2.0, 4.4, 0.8)] == pytest.approx([0, 1, -2])
    rise = Target("", "B1", "low", "glutamate_change_percent", math.log(1.05), math.inf, 0.05)
    assert [rise.distance(p) for p in (20.0, 5.0)] == pytest.approx([0, 0], abs=1e-12)
    assert rise.distance(0.0) == pytest.approx(-math.log(1.05) / 0.05)
    assert rise.distance(None) == 10 and rise.distance(-100.0) < -100


def test_cost_is_the_sum_of_squares_over_targets_and_priors(spec):
    found = {"low": {"rate_PYR_baseline_hz": [4.2, 4.6], "glutamate_change_percent": [4.0, 16.0]}}
    cost, terms = spec.cost(found, [0.7, 1.7])
    assert list(terms.values()) == pytest.approx([1.0, 0.0, 1.0]) and cost == pytest.approx(2.0)


@pytest.mark.parametrize("effects, expected", [
    ([0.2, 0.2, -0.2], (10 * math.sqrt(10), True)), ([0.1, 0.2, 0.3], (100, False)), ([-0.1, -0.2, -0.3], (1, False)),
    ([-0.1, 0.3, -0.1], (10 * 10**0.75, True)), ([0.3, -0.1, -0.3], (10**0.75, True)),
])  # fmt: skip
def test_an_effect_turns_where_it_crosses_zero(effects, expected):
    assert turning_dose([1, 10, 100], effects) == pytest.approx(expected)


def test_an_output_reads_its_condition_or_its_doses():
    found = {"a": {"x_change_percent": 50.0}, "b": {"x_change_percent": -50.0}, "c": {"x_change_percent": None}}
    assert Output("", "x_change_percent", {"b": 1.0}, False).of(found) == -50
    assert 1 < Output("", "x_change_percent", {"a": 1.0, "b": 10.0}, True).of(found) < 10
    assert Output("", "x_change_percent", {"a": 1.0, "c": 10.0}, True).of(found) is None


# --- the circuit at rest, and the config that a fit writes


def test_the_circuit_at_rest_has_no_drug_and_only_a_baseline():
    exp = at_rest(Reader(ROOT / "configs" / "ketamine.yaml"), {"parameters.drive.sd": "1.25"}, 7)
    assert exp.drug.name == "none" and not exp.interventions and exp.seed == 7 and exp.numbers.drive.sd.value == 1.25
    assert exp.duration.si == exp.protocol.t_settle.si + exp.protocol.t_baseline.si


@pytest.mark.parametrize("name, said", [("ltp.yaml", "has arms"), ("antidepressant.yaml", "has")])
def test_what_is_no_circuit_at_rest_is_told(name, said):
    with pytest.raises(UserError, match=said):
        at_rest(Reader(ROOT / "configs" / name), {}, 1)


def test_zeros_stay_zero_and_are_not_named():
    numbers = load(BASELINE).numbers
    keys = (DRIVE, "parameters.cells.PV.mean_ext_d")
    assert scaled(numbers, keys, 2.0) == {DRIVE: f"{2 * numbers.cells.PYR.mean_ext.to('nS'):.6g} nS"}


@pytest.mark.parametrize("name", ["baseline.yaml", "ketamine_rat.yaml"])
def test_a_fitted_config_is_the_old_one_with_values_that_name_their_targets(tmp_path, name):
    reader, place = Reader(ROOT / "configs" / name, ["network.num_neurons=1000"]), tmp_path / "fitted.yaml"
    overrides.write(place, overrides.text(reader, {DRIVE: "0.7 nS"}, {DRIVE: "target: 2 Hz"}, place))
    old, new = reader.read().experiment, load(place)
    assert new.settings() == old.settings()
    found = parameter(new.numbers, DRIVE)
    assert (found.to("nS"), found.status, found.note) == (0.7, "fitted", "target: 2 Hz")
    differing = [pop for pop in ("PYR", "PV") if getattr(new.numbers.cells, pop) != getattr(old.numbers.cells, pop)]
    assert differing == ["PYR"] and new.numbers.pathways == old.numbers.pathways


def test_a_fitted_value_needs_its_target(tmp_path):
    (tmp_path / "x.yaml").write_text(
        f"extends: {BASELINE}\nparameters: {{drive: {{sd: {{value: 1.2, status: fitted, note: ''}}}}}}\n"
    )
    with pytest.raises(ConfigError, match="its note must name the target it was fitted to"):
        load(tmp_path / "x.yaml")
