# SPDX-License-Identifier: GPL-3.0-or-later
"""`pfc pharmacology` as a user types it, and the study behind it."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import pfc
from circuit import occupancy
from circuit.config import load
from circuit.pharmacokinetics import Dosing
from circuit.subunits import CLASSES

HUMAN = ("ketamine", "--dose", "0.5 mg/kg", "--route", "i.v. infusion", "--duration", "40 min", "--species", "human")


@pytest.fixture(scope="module")
def numbers():
    return load(pfc.CONFIGS / "baseline.yaml").numbers


@pytest.fixture
def typed(monkeypatch, capsys):
    """Exit status of the command with these words, and all it says."""

    def typed(*words, out):
        monkeypatch.setattr(sys, "argv", ["pfc", "pharmacology", *words, "--out", str(out)])
        with pytest.raises(SystemExit) as left:
            pfc.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out + said.err

    return typed


def test_it_prints_the_numbers_and_draws_the_figure(typed, tmp_path):
    status, said = typed(*HUMAN, "--subjects", "20", out=tmp_path / "deep" / "k.png")
    assert status == 0
    peak = float(re.search(r"^ketamine +([\d.]+) +\d+ min", said, re.M)[1])
    assert 100 < peak < 250  # ng/ml, P2
    for name in ("norketamine", *CLASSES, "PYR", "PV", "SST", "VIP", "between subjects"):
        assert name in said
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"k.png", "k.pdf"}
    assert said.endswith(f"Figure: {tmp_path / 'deep' / 'k.png'}\n")


def test_a_whole_dose_is_for_the_typical_body(numbers):
    mass = numbers.pharmacokinetics.ketamine.human.body_mass.to("kg")
    per_kg = occupancy.asked(numbers, "ketamine", "1 mg/kg", "oral", "human")
    whole = occupancy.asked(numbers, "ketamine", f"{mass} mg", "p.o.", "human")
    np.testing.assert_allclose(whole.course.plasma_ng_ml, per_kg.course.plasma_ng_ml, rtol=1e-12)


def replaced(old, new):
    return [new if word == old else word for word in HUMAN]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (replaced("ketamine", "ketamin"), "'ketamin' is not a drug of this model; did you mean 'ketamine'?"),
        (replaced("ketamine", "none"), "name a drug, such as ketamine"),
        (replaced("ketamine", "NBQX"), "NBQX cannot be given as a dose"),
        (replaced("0.5 mg/kg", "-0.5 mg/kg"), "a dose must be at least 0; found -0.5 mg/kg"),
        (replaced("0.5 mg/kg", "0.5 uM"), "needs a number and one of mg/kg, ug/kg, such as '10 mg/kg'; found '0.5 uM'"),
        (replaced("i.v. infusion", "topical"), "'topical' is not a route; take one of i.v.,"),
        (replaced("i.v. infusion", "i.p."), "ketamine has no data for the route i.p. in human; it has i.v.,"),
        (replaced("i.v. infusion", "i.m."), "only i.v. infusion has one, and must"),
        (replaced("human", "dog"), "'dog' is not one of 'human', 'rat', 'mouse'"),
        ([*HUMAN, "--repeat", "3"], "3 doses need an interval, such as 24 h"),
        ([*HUMAN, "--repeat", "3", "--interval", "30 min"], "doses must follow each other"),
        ([*HUMAN, "--hours", "-1"], "-1.0 is not in the range"),
        ([*HUMAN, "--set", "parameters.receptors.Mg=1 mV"], "parameters.receptors.Mg: needs a number and one of"),
    ],
)
def test_a_mistake_gets_a_sentence_and_leaves_nothing(typed, tmp_path, arguments, words):
    status, said = typed(*arguments, out=tmp_path / "k.png")
    assert status == 2
    assert words in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_written_is_told(typed, tmp_path):
    (tmp_path / "file").write_text("")
    status, said = typed(*HUMAN, "--subjects", "0", out=tmp_path / "file" / "k.png")
    assert status == 2
    assert "the figure could not be written" in said


def test_occupancy_settles_at_the_block_of_the_level(numbers):
    """A level held for an hour: c B / (c B + IC50), whatever the activation."""
    times = np.linspace(0, 3600, 721)
    acting = occupancy.effects(numbers.drugs, numbers.receptors, [("ketamine", "bath", np.full(721, 1e-3))], 721)
    found = occupancy.occupancy(numbers, acting, times)
    for name in CLASSES:
        site, IC50 = getattr(numbers.receptors, name), getattr(numbers.drugs.ketamine, name).IC50.to("uM")
        free = 1 / (1 + numbers.receptors.Mg.si / site.K_Mg.si)
        assert found[name][-1] == pytest.approx(free / (free + IC50), rel=1e-3)
        assert np.all(np.diff(found[name]) >= 0)


def test_depolarised_GluN2A_is_blocked_more(numbers):
    """Magnesium gives way to the drug on depolarisation: GluN2A, held by magnesium at rest, is blocked more at -40."""
    times = np.linspace(0, 1, 301)
    dosing = Dosing(0.5, "i.v.")
    rest, up = (
        occupancy.study(numbers, "ketamine", "human", dosing, times, voltage=v).by_subunit["GluN2A"].max()
        for v in (-0.08, -0.04)
    )
    assert up > rest


def test_norketamine_adds_to_the_block(numbers):
    """Of ketamine swallowed, most arrives as the metabolite, which binds several times more weakly."""
    found = occupancy.asked(numbers, "ketamine", "1 mg/kg", "oral", "human")
    at = found.course.compounds.index("norketamine")
    assert found.course.brain_free_uM[:, at].max() > found.course.brain_free_uM[:, 0].max()
    alone = [("ketamine", "whole brain", found.course.brain_free_uM[:, 0] * 1e-3)]
    acting = occupancy.effects(numbers.drugs, numbers.receptors, alone, found.times_h.size)
    without = occupancy.occupancy(numbers, acting, found.times_h * 3600)
    assert found.by_subunit["GluN2B"].max() > 1.1 * without["GluN2B"].max()
