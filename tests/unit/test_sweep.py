# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a config says of a sweep to its points; mistakes are told with their place."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from circuit.axes import coordinate
from circuit.config import load
from circuit.errors import ConfigError
from circuit.sweep import Sweep, expand, name_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TONIC = "parameters.cells.PV.g_tonic_max"


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(f"extends: {CONFIGS / 'smoke.yaml'}\n".replace("smoke", "baseline") + text)
    return path


def swept(folder: Path, text: str, *vary: str) -> Sweep:
    return expand(write(folder, text), (), vary)


def values(sweep: Sweep, key: str) -> list[str]:
    return [sweep.labels(point)[key] for point in sweep.points]


def test_every_combination_comes_once_the_last_axis_fastest(tmp_path):
    sweep = swept(tmp_path, "sweep: {axes: {network.num_neurons: [1000, 2000], seed: 1..3}}")
    pairs = [(point.exp.network.num_neurons, point.exp.seed) for point in sweep.points]
    assert pairs == list(itertools.product((1000, 2000), (1, 2, 3)))
    assert [point.place for point in sweep.points] == list(itertools.product(range(2), range(3)))


def test_a_point_is_the_experiment_that_set_would_give(tmp_path):
    path = write(tmp_path, "sweep: {axes: {drug: [{name: none}, {name: ketamine, concentration: 1 uM}], seed: [7]}}\n"
                           "protocol: {t_drug: 1 s}\n")  # fmt: skip
    points = expand(path).points
    assert points[0].exp == load(path, ["seed=7"])
    assert points[1].exp == load(path, ["seed=7", "drug={name: ketamine, concentration: 1 uM}"])


def test_names_follow_from_content_alone(tmp_path):
    first = swept(tmp_path, "sweep: {axes: {seed: 1..3}}")
    again = swept(tmp_path, "sweep: {axes: {seed: [3, 1], network.num_neurons: [2000, 1000]}}")
    assert {first.points[0].id, first.points[2].id} <= {point.id for point in again.points}
    assert len({point.id for point in (*first.points, *again.points)}) == 5
    assert all(name_of(point.exp.resolved()) == point.id for point in again.points)


@pytest.mark.parametrize("spacing, expected", [
    ("linear", [1, 2, 3, 4]), ("logarithmic", [1, 4 ** (1 / 3), 4 ** (2 / 3), 4]),
])  # fmt: skip
def test_a_range_is_spaced_as_it_says(tmp_path, spacing, expected):
    sweep = swept(tmp_path, f"sweep: {{axes: {{{TONIC}: {{from: 1 nS, to: 4000 pS, count: 4, spacing: {spacing}}}}}}}")
    found = [point.exp.numbers.cells.PV.g_tonic_max.value.to("nS") for point in sweep.points]
    assert found == pytest.approx(expected, rel=1e-11)


def test_keys_of_one_axis_change_together(tmp_path):
    sweep = swept(tmp_path, "sweep: {axes: {kind: {seed: 1..2, recording.num_traced: [0, 3]}}}")
    assert [(point.exp.seed, point.exp.recording.num_traced) for point in sweep.points] == [(1, 0), (2, 3)]
    assert sweep.axes[0].keys == ("seed", "recording.num_traced")


def test_arms_are_an_axis_and_can_be_chosen(tmp_path):
    text = "arms: {a: {seed: 5}, b: {seed: 6}, c: {seed: 7}}\n"
    assert values(swept(tmp_path, text), "arm") == ["a", "b", "c"]
    chosen = swept(tmp_path, text + "sweep: {axes: {arm: [c, a]}}")
    assert [point.exp.seed for point in chosen.points] == [7, 5]
    assert values(swept(tmp_path, text + "sweep: {axes: {arm: all}}"), "arm") == ["a", "b", "c"]


def test_vary_adds_an_axis_or_replaces_one(tmp_path):
    text = "sweep: {axes: {seed: 1..9, network.num_neurons: [1000]}}"
    sweep = swept(tmp_path, text, "seed=3,5..6", "recording.num_traced=0,1")
    assert [axis.name for axis in sweep.axes] == ["seed", "network.num_neurons", "recording.num_traced"]
    assert values(sweep, "seed") == ["3", "3", "5", "5", "6", "6"]


def draws(kind: str, count: int = 512, method: str = "random", seed: int = 1) -> str:
    keys = f"{{{TONIC}: {{{kind}}}}}"
    return f"sweep: {{draws: {{method: {method}, count: {count}, seed: {seed}, keys: {keys}}}}}"


@pytest.mark.slow
@pytest.mark.parametrize("kind, law", [
    ("uniform: {from: 1 nS, to: 4 nS}", stats.uniform(1, 3)),
    ("log-uniform: {from: 1 nS, to: 4 nS}", stats.loguniform(1, 4)),
    ("normal: {mean: 50 nS, sd: 5 nS}", stats.norm(50, 5)),
    ("log-normal: {median: 2 nS, log_sd: 0.5}", stats.lognorm(0.5, scale=2)),
])  # fmt: skip
def test_draws_follow_their_distribution(tmp_path, kind, law):
    """A Kolmogorov-Smirnov test fails by chance once in a million; here the seed is fixed, so always or never."""
    sweep = swept(tmp_path, draws(kind))
    found = [point.exp.numbers.cells.PV.g_tonic_max.value.to("nS") for point in sweep.points]
    assert stats.kstest(found, law.cdf).pvalue > 1e-6


def test_sobol_points_fill_every_part(tmp_path):
    """Of 2^m scrambled Sobol points, each of 2^m equal parts of the range holds exactly one."""
    sweep = swept(tmp_path, draws("uniform: {from: 0 nS, to: 16 nS}", 16, "Sobol"))
    found = [point.exp.numbers.cells.PV.g_tonic_max.value.to("nS") for point in sweep.points]
    assert sorted(np.floor(found)) == list(range(16))


@pytest.mark.parametrize("method", ["random", "Sobol"])
def test_draws_are_the_same_again_and_others_with_another_seed(tmp_path, method):
    one, two, other = (
        values(swept(tmp_path, draws("uniform: {from: 1 nS, to: 4 nS}", 4, method, seed)), TONIC) for seed in (1, 1, 2)
    )
    assert one == two != other


WRONG = {
    "no axes": ("seed: 1", (), "there are no axes"),
    "sweep is a list": ("sweep: [1]", (), "x.yaml:2:8: sweep: needs a group of keys (axes, draws)"),
    "unknown key": ("sweep: {axis: {seed: 1..2}}", (), "sweep.axis: unknown key; did you mean 'axes'?"),
    "axes is a list": ("sweep: {axes: [seed]}", (), "sweep.axes: needs keys with values, such as 'seed: 1..8'"),
    "one value": ("sweep: {axes: {seed: 3}}", (), "sweep.axes.seed: needs a list of values, whole numbers"),
    "empty list": ("sweep: {axes: {seed: []}}", (), "sweep.axes.seed: needs a list of values"),
    "range backwards": ("sweep: {axes: {seed: 3..1}}", (), "sweep.axes.seed: needs a list of values"),
    "unknown axis": ("sweep: {axes: {drug.doze: [1 mg/kg]}}", (), "drug.doze: unknown key; did you mean 'drug.dose'?"),
    "wrong value": (
        "seed: 1\nsweep:\n  axes:\n    network.num_neurons: [1000, 12 mV]", (),
        "x.yaml:5:33: sweep.axes.network.num_neurons: needs a whole number; found '12 mV'",
    ),
    "range without count": (
        f"sweep: {{axes: {{{TONIC}: {{from: 1 nS, to: 2 nS}}}}}}", (), "count: needs a whole number of at least 2",
    ),
    "range in two dimensions": (
        f"sweep: {{axes: {{{TONIC}: {{from: 1 nS, to: 2 mV, count: 3}}}}}}", (), "to: needs the unit of from, nS",
    ),
    "range from zero, logarithmic": (
        f"sweep: {{axes: {{{TONIC}: {{from: 0 nS, to: 2 nS, count: 3, spacing: logarithmic}}}}}}", (), "above 0",
    ),
    "unequal lengths": (
        "sweep: {axes: {a: {seed: 1..3, recording.num_traced: [0]}}}", (), "lists of equal length; seed has 3",
    ),
    "no such arm": ("arms: {one: {}}\nsweep: {axes: {arm: [on]}}", (), "there is no arm 'on'; did you mean 'one'?"),
    "arms of a config without": ("sweep: {axes: {arm: all}}", (), "is an axis over the arms of the config, and"),
    "key twice": ("sweep: {axes: {seed: 1..2, a: {seed: 1..2}}}", (), "seed is set by two axes, seed and a"),
    "the same point twice": ("sweep: {axes: {seed: [1, 1]}}", (), "Two points of the sweep are the same experiment"),
    "other file": ("sweep: {axes: {model: [a.yaml]}}", (), "model cannot be an axis"),
    "too many": ("sweep: {axes: {seed: 1..1000, drug.subject: 1..1000}}", (), "has 1,000,000 points"),
    "method": (draws("uniform: {from: 1 nS, to: 2 nS}", 4, "Halton"), (), "must be one of random, Sobol"),
    "no count": ("sweep: {draws: {method: random, seed: 1, keys: {}}}", (), "sweep.draws.count: is missing"),
    "distribution": (draws("gamma: {from: 1 nS, to: 2 nS}"), (), "needs one distribution (uniform, log-uniform"),
    "distribution's words": (draws("uniform: {mean: 1 nS, sd: 2 nS}"), (), "mean: unknown key"),
    "backwards": (draws("uniform: {from: 2 nS, to: 1 nS}"), (), "needs from below to"),
    "no spread": (draws("normal: {mean: 2 nS, sd: 0 nS}"), (), "needs sd above 0"),
    "vary without values": ("", ("seed",), "--vary seed: needs a key and its values, such as --vary seed=1..8"),
    "vary with a gap": ("", ("seed=1,,2",), "needs a key and its values"),
    "vary twice": ("", ("seed=1,2", "seed=3"), "--vary seed: is given twice"),
    "vary with a wrong value": ("", ("seed=1,x",), "--vary seed: needs a whole number; found 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("text, vary, sentence", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, vary, sentence):
    with pytest.raises(ConfigError) as told:
        swept(tmp_path, text, *vary)
    assert sentence in str(told.value)


def test_a_wrong_point_is_named(tmp_path):
    text = "sweep: {axes: {seed: 1..2, network.num_neurons: [1000, 600]}}"
    with pytest.raises(ConfigError, match=r"600 cells are too few(.|\n)*at the point seed=1, network.num_neurons=600"):
        swept(tmp_path, text)


def test_set_cannot_fix_an_axis(tmp_path):
    with pytest.raises(ConfigError, match="seed is an axis, and --set gives it one value; use --vary seed="):
        expand(write(tmp_path, "sweep: {axes: {seed: 1..2}}"), ["seed=1"])


@pytest.mark.parametrize("labels, expected", [
    (["1", "2.5", "1e-3"], ([1.0, 2.5, 1e-3], "1")),
    (["1 mg/kg", "300 ug/kg"], ([1.0, 0.3], "mg/kg")),
    (["1 uM", "1 mg/kg"], (["1 uM", "1 mg/kg"], None)),
    (["none", "1 uM"], (["none", "1 uM"], None)),
])  # fmt: skip
def test_coordinates_are_numbers_where_they_can_be(labels, expected):
    found, unit = coordinate(labels)
    assert (found == expected[0] if unit is None else found == pytest.approx(expected[0])) and unit == expected[1]


def test_a_sweep_with_a_sweep_key_still_runs_and_checks_as_one_experiment(tmp_path):
    assert load(write(tmp_path, "seed: 4\nsweep: {axes: {seed: 1..2}}")).seed == 4
