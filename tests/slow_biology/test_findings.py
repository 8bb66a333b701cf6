# SPDX-License-Identifier: GPL-3.0-or-later
"""A day and two weeks after ketamine against published signs and times; the codes are those of the list of findings.

Each quantity is compared between ketamine and saline of the same seed, so that what stress alone does cancels. A change
counts as one in its direction for every seed, or as none within a small part of the peak.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.slow_biology.conftest import FIRST_SEED, SEEDS

pytestmark = [pytest.mark.slow, pytest.mark.gcc]
#: What the circuit with recurrent excitation does instead; sizes are those of seeds 1 to 3.
fails = partial(pytest.mark.xfail, strict=True)
KINASES = ("Akt", "ERK", "mTOR", "p_SK", "p_BP")
PROTEINS = ("synapsin", "PSD", "GluA")


def ratio(pair, name, first, last):
    """Mean of a quantity of the chain between two hours after ketamine, over that after saline."""
    means = []
    for run in pair:
        hours, values = run.chain(name)
        means.append(values[(hours >= first) & (hours <= last)].mean())
    return means[0] / means[1]


def seen(run, name, at):
    """A quantity of the spines at the session nearest to an hour."""
    hours, values = run.spines(name)
    return values[np.abs(hours - at).argmin()]


@pytest.fixture(scope="module")
def pairs(days):
    return [(days[f"ketamine {seed}"], days[f"saline {seed}"]) for seed in SEEDS]


STATES = (*KINASES, *PROTEINS, "p_eEF", "BDNF", "BDNF_free", "TrkB", "AMPK", "GSK", "growth", "retrograde")


@pytest.mark.parametrize("name", ["throughput", *STATES])
def test_health_is_a_fixed_point(healthy, name):
    """Over two healthy weeks the means of every seed stay within 5 %."""
    for run in healthy.values():
        assert run.chain(name)[1].mean() == pytest.approx(1, abs=0.05)


def test_spines_stay_over_a_healthy_day(days):
    for run in days.values():
        density = run.spines("density")[1]
        assert density[1] == pytest.approx(density[0], rel=0.01)


def test_nothing_runs_away(healthy, days):
    """In two weeks of health, three of stress, and after ketamine neither spines nor what they feed on runs off."""
    for run in (*healthy.values(), *days.values()):
        density, charge = run.spines("density")[1], run.chain("throughput")[1]
        print(f"density {density.min():.3f} to {density.max():.3f}, charge {charge.min():.2f} to {charge.max():.2f}")
        assert density.min() > 0.3 and density.max() < 0.7
        assert charge.min() > 0.3 and charge.max() < 3


def test_stress_lowers_spines_currents_and_the_tone_of_the_chain(days):
    """D1, D2: fewer and smaller spines. C3: fewer EPSC. C12, C18: AMPK down, cytokines up. The chain is taken over the
    last two weeks: at this acceleration the hour before the drug is 4 s of a noisy column."""
    for run in days.values():
        for name in ("density", "head", "EPSC_frequency", "apical_frequency"):
            values = run.spines(name)[1]
            assert seen(run, name, 0) < 0.95 * values[0], name
        assert 0.6 < seen(run, "density", 0) / run.spines("density")[1][0] < 0.9
        for name, sign in (("BDNF", -1), ("mTOR", -1), ("AMPK", -1), ("PSD", -1), ("GluA", -1), ("synapsin", -1)):
            hours, values = run.chain(name)
            assert sign * (values[(hours > -336) & (hours < 0)].mean() - 1) > 0.01, name
        for name in ("IL_beta", "IL_six"):
            hours, values = run.chain(name)
            assert values[(hours > -336) & (hours < 0)].mean() > 1.5


@fails(reason="synaptic scaling makes up for smaller heads: the amplitude is 5 to 14 % above health")
def test_stress_makes_currents_smaller(days):
    """C3."""
    for run in days.values():
        assert seen(run, "EPSC_amplitude", 0) < 0.95 * run.spines("EPSC_amplitude")[1][0]


@fails(
    reason="resting calcium rises with disinhibition: p-eEF2 falls by 15 to 18 % at 30 min and BDNF rises by 1 to 3 %"
)
def test_eEF2_is_dephosphorylated_and_BDNF_rises_within_the_hour(pairs):
    """C4, C5: p-eEF2 down and BDNF up at 30 min."""
    for pair in pairs:
        assert ratio(pair, "p_eEF", 0.4, 0.6) < 0.85
        assert ratio(pair, "BDNF", 0.4, 0.6) > 1.03
        assert ratio(pair, "BDNF", 0.75, 1.0) > 1.05


def test_eEF2_falls_and_BDNF_is_released_and_all_is_over_by_24_h(pairs):
    """C4: p-eEF2 down at 30 min. C9: BDNF is released within 15 to 60 min. C5: gone by 24 h."""
    for pair in pairs:
        assert ratio(pair, "p_eEF", 0.4, 0.6) < 0.95
        assert ratio(pair, "BDNF_free", 0.25, 1.0) > 1.2
        assert ratio(pair, "p_eEF", 20, 24) == pytest.approx(1, abs=0.05)
        assert ratio(pair, "BDNF", 20, 24) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", KINASES)
def test_phosphoproteins_rise_at_30_to_60_min_and_are_back_by_about_2_h(pairs, name):
    """C1, C2. Back: less than a third of the rise is left between 2 and 2.5 h, and nothing between 3 and 4 h."""
    for pair in pairs:
        rise = ratio(pair, name, 0.5, 1.0) - 1
        assert rise > 0.2
        assert ratio(pair, name, 2.0, 2.5) - 1 < rise / 3
        assert ratio(pair, name, 3.0, 4.0) - 1 < rise / 5


@pytest.mark.parametrize("name", PROTEINS)
def test_synaptic_proteins_rise_from_2_h(pairs, name):
    """C1, C2: up from 2 h; not before the kinases have done their work."""
    for pair in pairs:
        assert abs(ratio(pair, name, 0.0, 0.5) - 1) < 0.005
        assert ratio(pair, name, 2.0, 4.0) > 1.01


@fails(reason="of 2 to 5 % at 2 to 4 h, 0.2 to 2.3 % are left after a day and 0.2 % after two")
@pytest.mark.parametrize("name", PROTEINS)
def test_synaptic_proteins_stay_up(pairs, weeks, name):
    """C1, C2: still up after a day and after two."""
    for pair in pairs:
        assert ratio(pair, name, 20.0, 24.0) > 1.015
    assert ratio((weeks["ketamine"], weeks["saline"]), name, 40.0, 56.0) > 1.01


@fails(reason="after a day 1.7, 0 and 1.3 % more spines than under saline")
def test_spines_come_at_12_to_24_h_and_not_before_3_h(pairs):
    """D6; and D5: what the first hours do is not spines."""
    for ketamine, saline in pairs:
        gain = {at: seen(ketamine, "density", at) / seen(saline, "density", at) - 1 for at in (2, 3, 14, 24)}
        assert gain[14] > 0.01
        assert gain[24] > 0.02
        assert abs(gain[2]) < gain[24] / 10
        assert abs(gain[3]) < gain[24] / 10


@fails(reason="in a day 17, -1 and 19 % more spines form than under saline")
def test_more_spines_form(pairs):
    """D8."""
    for ketamine, saline in pairs:
        assert seen(ketamine, "formed_since", 24) / seen(saline, "formed_since", 24) > 1.25


def test_elimination_does_not_change(pairs):
    """D8."""
    for ketamine, saline in pairs:
        lost = seen(ketamine, "eliminated_since", 24) / seen(saline, "eliminated_since", 24)
        assert lost == pytest.approx(1, abs=0.05)


@fails(reason="under stress spines drift by -1 to +4 % a day without the drug, as much as it adds")
def test_stress_lost_more_than_ketamine_brings_back(pairs):
    """C3, D5 ask for a repair, not for more spines than in health."""
    for ketamine, _ in pairs:
        density = ketamine.spines("density")[1]
        assert seen(ketamine, "density", 0) < seen(ketamine, "density", 24) < density[0]
        assert seen(ketamine, "EPSC_frequency", 24) > seen(ketamine, "EPSC_frequency", 0)


def test_the_drug_is_gone_after_a_day(weeks):
    ketamine = weeks["ketamine"]
    times, level = ketamine.column("drug_concentration")
    after = np.interp(ketamine.chain_times, times, level)[ketamine.chain("mTOR")[0] > 24]
    assert after.max() < 1e-3 * level.max()


@fails(reason="after a day 1.7 % more spines than under saline, after two none")
def test_spines_outlast_the_drug(weeks):
    gain = {at: seen(weeks["ketamine"], "density", at) / seen(weeks["saline"], "density", at) - 1 for at in (24, 48)}
    assert gain[24] > 0.02
    assert gain[48] > 0.01


def test_cytokines_fall_within_the_hour(pairs):
    """C17: IL-1beta and IL-6 lower at 30 min."""
    for pair in pairs:
        for name in ("IL_beta", "IL_six"):
            assert ratio(pair, name, 0.4, 1.0) < 0.98


def test_GSK_is_inhibited_and_AMPK_activated(pairs):
    """C12: AMPK up at 30 min. C14: GSK-3beta is phosphorylated, so less active."""
    for pair in pairs:
        assert ratio(pair, "AMPK", 0.25, 0.75) > 1.02
        assert ratio(pair, "GSK", 0.25, 0.75) < 0.9


def test_the_first_seed_is_the_one_that_was_asked_for(days):
    assert {run.manifest["seed"] for run in days.values()} == set(SEEDS)
    assert min(SEEDS) == FIRST_SEED
