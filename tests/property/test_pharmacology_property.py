# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every dose, route, species and time, and for every mixture of drugs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit import pharmacokinetics as pk
from circuit.config import load
from circuit.dispositions import INFUSION, SPECIES, disposition
from circuit.drugs import NAMES
from circuit.interventions import effects

NUMBERS = load(Path(__file__).resolve().parents[2] / "configs" / "baseline.yaml").numbers


def known() -> list[tuple[str, str, str]]:
    """Every drug, species and route there are numbers for."""
    found = []
    for drug in type(NUMBERS.pharmacokinetics).model_fields:
        for species in SPECIES:
            body = getattr(getattr(NUMBERS.pharmacokinetics, drug), species)
            found += [(drug, species, route) for route in body.routes()] if body else []
    return found


KNOWN = st.sampled_from(known())
DOSE = st.floats(0.01, 100)
TIMES = st.lists(st.floats(0, 48), min_size=1, max_size=6).map(sorted).map(np.array)


def dosing(amount: float, route: str, starts: tuple[float, ...] = (0.0,)) -> pk.Dosing:
    return pk.Dosing(amount, route, 0.5 if route == INFUSION else 0.0, starts)


def levels(way: tuple[str, str, str], amount: float, times: np.ndarray, number: int | None = None) -> pk.Course:
    drug, species, route = way
    body = pk.subject(disposition(NUMBERS.pharmacokinetics, drug, species, route), number)
    return pk.course(body, dosing(amount, route), times, drug)


@given(KNOWN, DOSE, st.floats(0.1, 10), TIMES)
def test_levels_are_in_proportion_to_the_dose(way, amount, factor, times):
    one, other = levels(way, amount, times), levels(way, factor * amount, times)
    for name in ("plasma_ng_ml", "brain_free_uM", "brain_total_ng_g"):
        np.testing.assert_allclose(getattr(other, name), factor * getattr(one, name), rtol=1e-6, atol=1e-9)


@given(KNOWN, DOSE, TIMES, st.floats(1, 24))
def test_a_second_dose_adds_the_course_of_the_first(way, amount, times, later):
    drug, species, route = way
    body = disposition(NUMBERS.pharmacokinetics, drug, species, route)
    both = pk.course(body, dosing(amount, route, (0.0, later)), times, drug).plasma_ng_ml
    first, second = (pk.course(body, dosing(amount, route), at, drug).plasma_ng_ml for at in (times, times - later))
    np.testing.assert_allclose(both, first + second, rtol=1e-6, atol=1e-9)


@given(KNOWN, DOSE, TIMES, st.none() | st.integers(0, 1000))
def test_no_body_holds_more_than_it_was_given(way, amount, times, number):
    """Amounts are never negative, and those of the drug never add up to more than the dose."""
    drug, species, route = way
    body = pk.subject(disposition(NUMBERS.pharmacokinetics, drug, species, route), number)
    x = pk.states(body, dosing(amount, route), times)
    parent = [pk.DEPOT, pk.PLASMA, pk.FIRST, pk.SECOND]
    assert x.min() >= -1e-9 * amount
    assert x[:, parent].sum(axis=1).max() <= amount * (1 + 1e-9)


@given(KNOWN, DOSE)
def test_nothing_is_there_before_a_dose_and_little_weeks_after(way, amount):
    found = levels(way, amount, np.array([-1.0, 2000.0]))
    assert not found.plasma_ng_ml[0].any()
    assert found.plasma_ng_ml[1].max() <= 1e-6 * amount * 1e3


MIXTURE = st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1)), max_size=4, unique_by=lambda one: one[0])


@given(MIXTURE)
def test_any_mixture_has_bounded_effects_and_block(mixture):
    """In mM, up to far beyond any use: factors stay positive or zero, rates finite, and block is a fraction."""
    found = effects(NUMBERS.drugs, NUMBERS.receptors, [(name, "bath", np.array([level])) for name, level in mixture], 1)
    for name, values in found.items():
        assert np.all(np.isfinite(values)), name
        if name.endswith("_factor") or name.startswith(("activity_", "on_", "off_")):
            assert np.all(values >= 0), name


@given(MIXTURE, st.sampled_from(["ketamine", "memantine", "MK_801"]), st.floats(1e-5, 1))
@pytest.mark.filterwarnings("error")
def test_more_of_a_blocker_never_opens_the_pore(mixture, drug, level):
    others = [(name, "bath", np.full(2, amount)) for name, amount in mixture if name != drug]
    found = effects(NUMBERS.drugs, NUMBERS.receptors, [*others, (drug, "bath", np.array([0.0, level]))], 2)
    off = found["off_A"] * np.exp(found["slope_off"] * -0.066)
    settled = found["on_A"] / np.maximum(found["on_A"] + off, 1e-300)
    assert settled[1] >= settled[0] * (1 - 1e-6)
