# SPDX-License-Identifier: GPL-3.0-or-later
"""What concentrations do to the column, by hand: each mechanism, competition in the pore, sites, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from circuit import interventions
from circuit.config import load
from circuit.drugs import NAMES, Modulator, identifier
from circuit.equations import SCHEDULED
from circuit.subunits import CLASSES, TAGS

NEUTRAL = dict.fromkeys(("GABA_agonist", "mGluR_agonist", *(f"on_{k}" for k in TAGS)), 0.0)


@pytest.fixture(scope="module")
def numbers(root):
    return load(root / "configs" / "baseline.yaml").numbers


@pytest.fixture
def act(numbers):
    """Effects of (drug, site, mM) at two samples."""

    def act(*given):
        doses = [(drug, site, np.broadcast_to(np.asarray(level, float), (2,))) for drug, site, level in given]
        return interventions.effects(numbers.drugs, numbers.receptors, doses, 2)

    return act


def test_every_scheduled_number_is_made(act):
    assert {"conc_drug", *act()} == set(SCHEDULED)


def test_without_drugs_nothing_changes(act):
    for name, values in act().items():
        if not name.startswith(("off_", "slope", "untrap")):
            np.testing.assert_array_equal(values, NEUTRAL.get(name, 1.0))


@pytest.mark.parametrize("drug", NAMES)
def test_every_drug_acts_at_a_high_concentration_and_not_at_none(act, drug):
    nothing, without = act((drug, "bath", 0.0)), act()
    much = act((drug, "bath", 1.0))
    names = [name for name in without if not name.startswith(("off_", "slope", "untrap"))]
    assert all(np.array_equal(nothing[name], without[name]) for name in names)
    assert any(not np.allclose(much[name], without[name], rtol=0.02) for name in names)


@pytest.mark.parametrize(
    ("drug", "name", "sign"),
    [
        ("NBQX", "AMPA_factor", -1),
        ("CX546", "AMPA_factor", 1),
        ("bicuculline", "GABA_factor", -1),
        ("L_655708", "alpha_five_factor", -1),
        ("TTX", "sodium_factor", -1),
        ("omega_conotoxin_GVIA", "release_factor", -1),
        ("Ro_25_6981", "activity_B", -1),
    ],
)
def test_half_the_effect_at_the_half_effective_concentration(numbers, act, drug, name, sign):
    entry = getattr(numbers.drugs, drug)
    assert isinstance(entry, Modulator)
    found = act((drug, "column", entry.EC50.si))[name][0]
    assert found == pytest.approx(1 + sign * entry.max_effect.value / 2, rel=1e-12)


def test_a_blocker_has_its_own_rates(numbers, act):
    for drug in ("ketamine", "memantine", "MK_801"):
        entry = getattr(numbers.drugs, drug)
        found = act((drug, "bath", 2e-3))
        for tag, name in zip(TAGS, CLASSES, strict=True):
            k_off = entry.k_on.si * getattr(entry, name).IC50.si * np.exp(-entry.slope_off.si * entry.V_off.si)
            np.testing.assert_allclose(found[f"on_{tag}"], entry.k_on.si * 2e-3, rtol=1e-12)
            np.testing.assert_allclose(found[f"off_{tag}"], k_off, rtol=1e-12)
        np.testing.assert_allclose(found["untrap"], entry.k_untrap.si, rtol=1e-12)


def test_two_blockers_share_the_pore_as_in_a_three_state_chain(numbers, act):
    """Free, ketamine, norketamine: the occupied fraction of the chain's steady state, at any voltage (equal slopes)."""
    c = {"ketamine": 1e-3, "norketamine": 4e-3}
    found = act(*((drug, "whole brain", level) for drug, level in c.items()))
    for v in (-0.07, -0.02):
        ratios = []
        for drug, level in c.items():
            entry = getattr(numbers.drugs, drug)
            k_off = entry.k_on.si * entry.GluN2C.IC50.si * np.exp(entry.slope_off.si * (v - entry.V_off.si))
            ratios.append(entry.k_on.si * level / k_off)
        on, off = found["on_C"][0], found["off_C"][0] * np.exp(found["slope_off"][0] * v)
        assert on / (on + off) == pytest.approx(sum(ratios) / (1 + sum(ratios)), rel=1e-9)


def test_what_was_last_in_the_pore_leaves_with_its_own_rate(numbers, act):
    found = act(("memantine", "bath", [1e-3, 0.0]))
    assert found["on_A"][1] == 0
    for name in ("off_A", "off_D", "slope_off", "untrap"):
        assert found[name][1] == found[name][0] != act()[name][0]


def test_the_order_of_drugs_does_not_matter(act):
    some = [("ketamine", "bath", 1e-3), ("memantine", "bath", 1e-3), ("NBQX", "bath", 1e-4), ("TBOA", "column", 1e-2)]
    one, other = act(*some), act(*some[::-1])
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12)


def test_a_partial_agonist_helps_where_glycine_is_scarce_and_hinders_where_it_is_not(numbers):
    site = numbers.receptors.glycine
    for level, helps in ((0.01, True), (100.0, False)):
        changed = site.model_copy(update={"value": type(site.value)(level, "uM")})
        receptors = numbers.receptors.model_copy(update={"glycine": changed})
        given = [("rapastinel", "bath", np.array([0.05]))]
        found = interventions.effects(numbers.drugs, receptors, given, 1)
        assert all((found[f"activity_{tag}"][0] > 1) == helps for tag in TAGS)


def test_a_full_agonist_fills_the_site(numbers, act):
    """D-serine without limit: as if glycine saturated."""
    found = act(("D_serine", "bath", 1e6))
    for tag, name in zip(TAGS, CLASSES, strict=True):
        ratio = numbers.receptors.glycine.si / getattr(numbers.receptors, name).EC50_glycine.si
        assert found[f"activity_{tag}"][0] == pytest.approx((1 + ratio) / ratio, rel=1e-6)


def test_ligands_compete_at_mGluR_and_carrier(numbers, act):
    entries = numbers.drugs
    found = act(
        ("LY379268", "bath", 3 * entries.LY379268.EC50.si),
        ("LY341495", "bath", 2 * entries.LY341495.EC50.si),
        ("TBOA", "bath", entries.TBOA.EC50.si),
    )
    assert [found[name][0] for name in ("mGluR_agonist", "mGluR_shift", "uptake_shift")] == pytest.approx([3, 3, 2])


def test_what_is_put_into_the_column_leaves_the_afferents(act):
    """Sodium channels of afferent axons lie outside; a drug everywhere stops them too."""
    assert act(("TTX", "column", 1e-3))["afferent_factor"][0] == 1
    for site in ("whole brain", "bath"):
        found = act(("TTX", site, 1e-3))
        assert found["afferent_factor"][0] == found["sodium_factor"][0] < 0.01


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("ketamine", "liver", np.zeros(2)), "'liver' is not a site; take one of whole brain, column, bath"),
        (("ketamine", "bath", np.array([0, -1.0])), "negative or not finite"),
        (("ketamine", "bath", np.array([0, np.nan])), "negative or not finite"),
        (("ketamine", "bath", np.zeros(3)), r"has shape \(3,\), not \(2,\)"),
    ],
)
def test_what_makes_no_sense_is_refused(numbers, given, words):
    with pytest.raises(ValueError, match=words):
        interventions.effects(numbers.drugs, numbers.receptors, [given], 2)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("S-ketamine", "S_ketamine"), ("mk-801", "MK_801"), ("CP-101,606", "CP_101606"), ("Ro 25-6981", "Ro_25_6981")],
)
def test_drugs_go_by_the_names_people_write(written, meant):
    assert identifier(written) == meant


def test_an_unknown_drug_is_refused():
    with pytest.raises(ValueError, match="'ketamin2' is not a drug of this model; did you mean 'ketamine'"):
        identifier("ketamin2")
