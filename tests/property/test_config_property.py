# SPDX-License-Identifier: GPL-3.0-or-later
"""Invariants of configs over random input: identity through YAML, one amount in any spelling, no crash on garbage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pfc
from circuit.config import ConfigError, load
from circuit.units import UNITS, Quantity, number_text, parse
from circuit.yaml_source import Problems, Source, dump, scalar
from circuit.yaml_source import parse as parse_yaml

CONFIGS = Path(pfc.__file__).parent / "configs"
TEXTS = {path.name: path.read_text() for path in CONFIGS.glob("*.yaml")}
finite = st.floats(allow_nan=False, allow_infinity=False)
units = st.sampled_from(sorted(set(UNITS) - {"1"}))  # a plain number is written without a unit


def load_text(text, overrides=()):
    """Load `text` as a file beside the shipped configs, without touching the disk."""
    texts = TEXTS | {"x.yaml": text}

    def read_text(path):
        if str(path) not in texts:
            raise FileNotFoundError(str(path))
        return texts[str(path)]

    return load("x.yaml", overrides, read_text)


def same_dimension(unit):
    return [other for other in UNITS if UNITS[other][0] == UNITS[unit][0] and other != "1"]


@given(finite, units)
def test_quantity_reads_back_from_its_text(magnitude, unit):
    quantity = Quantity(magnitude, unit)
    again = parse(str(quantity), (unit,))
    assert (again.magnitude, again.unit) == (quantity.magnitude, unit)


@given(st.decimals(-1_000_000, 1_000_000, places=6), units, st.data())
def test_any_spelling_of_one_amount_reads_equal(amount, unit, data):
    """The same exact amount in another unit, or with the decimal point elsewhere, is the same float."""
    wanted = tuple(data.draw(st.permutations(same_dimension(unit))))
    shift = data.draw(st.integers(-12, 12))
    plain = parse(f"{amount} {unit}", wanted)
    assert parse(f"{amount.scaleb(shift):f}e{-shift}{unit}", wanted).magnitude == plain.magnitude
    for other in same_dimension(unit):
        ratio = UNITS[unit][1] / UNITS[other][1]
        if ratio.denominator == 1 and len(str(ratio)) < 20:
            respelled = f"{amount * int(ratio):f} {other}"
            assert parse(respelled, wanted).magnitude == plain.magnitude


@given(finite.map(lambda x: x * 1e-30), units, st.data())
def test_quantity_survives_a_change_of_unit_up_to_rounding(magnitude, unit, data):
    quantity = Quantity(magnitude, unit)
    other = data.draw(st.sampled_from(same_dimension(unit)))
    assert Quantity(quantity.to(other), other).si == pytest.approx(quantity.si, rel=1e-15, abs=5e-324)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | finite
    | st.text(st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="\u2028\u2029\ufeff")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3),
    max_leaves=8,
))  # fmt: skip
def test_what_is_dumped_is_read_back(data):
    problems = Problems()
    tree = parse_yaml(dump({"data": data}), Source("x", ("",)), problems)
    assert problems.found == []
    assert repr(tree.plain()) == repr({"data": data})


@given(finite)
def test_number_reads_back_from_its_text(value):
    assert scalar(number_text(value)) == value


printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)
steps = st.integers(1, 100).map(lambda n: f"{n / 10} ms")
phases = st.integers(1, 10**6).map(lambda n: f"{n} ms")
levels = st.floats(0, 1000).map(lambda x: f"{number_text(x)} uM")


@settings(deadline=None, max_examples=15)
@given(
    title=printable, seed=st.integers(0, 2**32 - 1), size=st.integers(2000, 10**6), kappa=st.floats(1, 10_000),
    precision=st.sampled_from(["double", "single"]), phase=st.tuples(phases, phases, phases, phases),
    step=st.tuples(steps, steps), level=levels, capacitance=st.floats(1, 1e6).map(lambda x: f"{number_text(x)} pF"),
)  # fmt: skip
def test_config_resolves_to_yaml_that_loads_equal(title, seed, size, kappa, precision, phase, step, level, capacitance):
    data = {
        "extends": "baseline.yaml",
        "title": title,
        "seed": seed,
        "network": {"num_neurons": size},
        "numerics": {"block_acceleration": kappa, "precision": precision},
        "protocol": dict(zip(("t_settle", "t_baseline", "t_transition", "t_drug"), phase, strict=True)),
        "drug": {"name": "ketamine", "concentration": level},
        "recording": dict(zip(("trace_step", "lfp_step"), step, strict=True)),
        "parameters": {"cells": {"PYR": {"C_m": capacitance}}},
    }
    experiment = load_text(dump(data))
    again = load_text(dump(experiment.resolved()))
    assert again == experiment
    assert dump(again.resolved()) == dump(experiment.resolved())
    assert (experiment.title, experiment.seed) == (title, seed)


line = st.sampled_from(TEXTS["ketamine.yaml"].splitlines() + TEXTS["baseline.yaml"].splitlines())
yaml_like = st.lists(line | st.text("abc: -[]{},&*!'\"#|>%@`\t\n\\0123456789.eE~?", max_size=20), max_size=8).map(
    "\n".join
)


@settings(deadline=None, max_examples=500)
@given(
    st.text() | yaml_like, st.lists(st.text(max_size=20) | st.text("drug.seed=[{:, }]!&*1", max_size=20), max_size=2)
)
def test_garbage_raises_nothing_but_config_errors(text, overrides):
    try:
        load_text(text, overrides)
    except ConfigError as error:
        assert str(error).strip()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damaged_character_raises_nothing_but_config_errors(data):
    text = TEXTS["ketamine.yaml"]
    at = data.draw(st.integers(0, len(text) - 1))
    replacement = data.draw(st.text(max_size=3))
    try:
        load_text(text[:at] + replacement + text[at + data.draw(st.integers(0, 5)) :])
    except ConfigError as error:
        assert str(error).strip()
