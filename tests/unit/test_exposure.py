# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is exposed to what and when: concentrations, schedules and doses of an experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import exposure, pharmacokinetics
from circuit.config import load
from circuit.dispositions import disposition

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TIMES = np.array([0.0, 6.9, 7.0, 10.0, 19.0])


def given(*overrides: str, config: str = "ketamine.yaml") -> list[exposure.Exposure]:
    return exposure.exposures(load(CONFIGS / config, overrides), TIMES)


def test_a_concentration_is_there_from_the_end_of_the_baseline_on() -> None:
    (only,) = given()
    assert (only.compound, only.site) == ("ketamine", "whole brain")
    np.testing.assert_allclose(only.concentration, [0, 0, 1e-3, 1e-3, 1e-3])


def test_an_intervention_follows_its_own_schedule_at_its_own_site() -> None:
    steps = "[{time: 0 s, concentration: 5 uM}, {time: 8 s, concentration: 0 uM}]"
    _, other = given(f"interventions=[{{name: NBQX, site: column, schedule: {steps}}}]")
    assert (other.compound, other.site) == ("NBQX", "column")
    np.testing.assert_allclose(other.concentration, [5e-3, 5e-3, 5e-3, 0, 0])


def test_without_a_drug_there_is_nothing() -> None:
    exp = load(CONFIGS / "baseline.yaml")
    assert exposure.exposures(exp, TIMES) == []
    np.testing.assert_array_equal(exposure.concentration(exp, TIMES), 0)


def test_a_dose_comes_with_its_metabolite_and_is_seen_so_long_after() -> None:
    """20 min after 30 mg/kg i.p. in the rat, as `circuit.pharmacokinetics` has it; before, the animal has had none."""
    exp = load(CONFIGS / "ketamine_rat.yaml")
    drug, metabolite = exposure.exposures(exp, TIMES)
    assert (drug.compound, metabolite.compound) == ("ketamine", "norketamine")
    body = disposition(exp.numbers.pharmacokinetics, "ketamine", "rat", "i.p.")
    at = 20 / 60 + (TIMES - exp.drug_onset.si) / 3600
    expected = pharmacokinetics.course(body, pharmacokinetics.Dosing(30, "i.p."), at).brain_free_uM * 1e-3
    begun = (exp.drug_onset.si + 1e-9 > 0) & (exp.drug_onset.si - 1e-9 <= TIMES)
    assert begun.sum() == 3
    for n, one in enumerate((drug, metabolite)):
        np.testing.assert_array_equal(one.concentration[~begun], 0)
        np.testing.assert_allclose(one.concentration[begun], expected[begun, n], rtol=1e-9)


def test_the_last_of_several_doses_counts() -> None:
    """Three doses a quarter of an hour apart leave more than one, 20 min after the last."""
    once, again = (given(*more, config="ketamine_rat.yaml") for more in ((), ("drug.repeat=3", "drug.interval=15 min")))
    assert again[0].concentration[-1] > 1.5 * once[0].concentration[-1]


def test_an_intervention_by_dose_is_on_board_before_the_baseline() -> None:
    dose = "[{name: MK-801, dose: 0.1 mg/kg, route: i.p., species: mouse, after: 30 min}]"
    (only,) = given(f"interventions={dose}", config="baseline.yaml")
    assert only.compound == "MK_801"
    assert (only.concentration > 0).all()


def test_a_subject_has_its_own_level_and_the_same_again() -> None:
    first, second, again = (given(f"drug.subject={n}", config="ketamine_rat.yaml")[0] for n in (1, 2, 1))
    np.testing.assert_array_equal(first.concentration, again.concentration)
    assert first.concentration[-1] != second.concentration[-1]
    typical = given(config="ketamine_rat.yaml")[0].concentration[-1]
    assert first.concentration[-1] == pytest.approx(typical, rel=2)


def test_doses_are_in_proportion() -> None:
    one, ten = (given(f"drug.dose={dose} mg/kg", config="ketamine_rat.yaml")[0] for dose in (3, 30))
    np.testing.assert_allclose(10 * one.concentration, ten.concentration, rtol=1e-9)
