# SPDX-License-Identifier: GPL-3.0-or-later
"""Trapping block of the NMDA receptors: the program's own update, cells held still, against closed forms.

The scheme is db/dt = p (k_on c B (1 - b) - k_off b), with B the fraction free of magnesium. Every voltage stands on a
cell of its own; activation, concentration and time are the test's.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from circuit import receptors
from circuit.populations import POPULATIONS
from circuit.subunits import CLASSES, TAGS
from tests.numeric import rig

VOLTAGES = np.array([-80, -75, -70, -66, -60, -55, -50, -45, -40, -20]) * 1e-3
CELLS = np.tile(VOLTAGES, len(POPULATIONS))
#: V, by compartment: the dendrite of a cell is not where its soma is.
HELD = {"": CELLS, "_d": CELLS[::-1]}
#: Coarse clocks: with all else held still the update is exact for a step of any length, and long runs become cheap.
COARSE = ("numerics.dt=0.5 ms", "numerics.block_step=50 ms", "recording.lfp_step=100 ms", "recording.trace_step=1 s")
FAST = 1e4
"""So much faster than life, a channel that is active one hundredth of the time settles within some 0.1 s."""


@pytest.fixture(scope="module")
def exp():
    return rig.experiment(*COARSE)


@pytest.fixture(scope="module")
def network(exp):
    """Ten cells of each population, of whose step nothing but the block is left."""
    return rig.make(exp, dict.fromkeys(POPULATIONS, VOLTAGES.size)).only("block")


@pytest.fixture
def held(exp, network):
    """The cells, still at `HELD`, with activated fraction `p` everywhere and a drug concentration in mM."""

    def held(concentration, p=0.5, start=0.0, acceleration=1.0):
        blocks = {f"block_{k}{c}": start for k in TAGS for c in ("", "_d")}
        activation = {f"{pool}{c}": 0.0 for pool in ("g_NMDA", "g_NMDA_ext") for c in ("", "_d")}
        network.set_column(**{f"p_tonic_{k}": p for k in TAGS})
        network.set(v=HELD[""], v_d=HELD["_d"], block_acceleration=acceleration, **blocks, **activation)
        return network.give(exp, concentration)

    return held


def rates(exp, name, v):
    """k_on B (per mM and s) and k_off (per s) of one subunit at `v`, without the functions under test."""
    numbers, drug = exp.numbers.receptors, exp.numbers.drugs.ketamine
    K_Mg = getattr(numbers, name).K_Mg.si * np.exp(numbers.slope_Mg.si * (v - numbers.V_Mg.si))
    k_off = drug.k_on.si * getattr(drug, name).IC50.si * np.exp(drug.slope_off.si * (v - drug.V_off.si))
    return drug.k_on.si / (1 + numbers.Mg.si / K_Mg), k_off


def blocks(cells):
    """Blocked fraction by class name and compartment."""
    return {
        (name, c): cells.get(f"block_{tag}{c}") for tag, name in zip(TAGS, CLASSES, strict=True) for c in ("", "_d")
    }


@pytest.mark.parametrize("concentration", [1e-5, 3e-4, 1e-3, 1e-2, 0.1])
def test_steady_state_is_c_over_c_plus_IC50(exp, held, concentration):
    """At every voltage and for every subunit."""
    for (name, c), found in blocks(held(concentration, acceleration=FAST).run(1.0)).items():
        on, off = rates(exp, name, HELD[c])
        expected = concentration / (concentration + off / on)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        k_on = exp.numbers.drugs.ketamine.k_on.si
        oracle = receptors.block_steady_state(concentration, on / k_on, k_on, off)
        np.testing.assert_allclose(oracle, expected, rtol=1e-12)


def test_steady_state_does_not_depend_on_activation(held):
    """From a hundredth to all receptors active, also where synapses and ambient glutamate both activate them."""
    reference = blocks(held(1e-3, p=1.0, acceleration=FAST).run(4.0))
    for p in (0.01, 0.3):
        cells = held(1e-3, p=p, acceleration=FAST)
        cells.set(g_NMDA=0.2 * p * cells.get("g_NMDA_max"), g_NMDA_d=0.1 * p * cells.get("g_NMDA_max_d")).run(4.0)
        for key, found in blocks(cells).items():
            np.testing.assert_allclose(found, reference[key], rtol=1e-9)


@pytest.mark.parametrize("p", [0.02, 0.5, 1.0])
def test_onset_follows_its_time_constant(exp, held, p):
    """b(t) = b_inf (1 - exp(-t/tau)), tau = 1/(p (k_on c B + k_off)): exactly, since the update is exponential."""
    concentration, duration = 1e-3, 2.0
    for (name, c), found in blocks(held(concentration, p=p).run(duration)).items():
        on, off = rates(exp, name, HELD[c])
        tau = 1 / (p * (on * concentration + off))
        expected = concentration / (concentration + off / on) * -np.expm1(-duration / tau)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_offset_follows_k_off(exp, held):
    """Without drug, from fully blocked: exp(-p k_off t)."""
    for (name, c), found in blocks(held(0.0, p=0.5, start=1.0).run(2.0)).items():
        np.testing.assert_allclose(found, np.exp(-0.5 * rates(exp, name, HELD[c])[1] * 2.0), rtol=1e-10)


def test_onset_on_the_shipped_clocks():
    """The step that the update is given is the step at which it runs, whatever the step of the cells."""
    exp = rig.experiment("numerics.block_acceleration=1")
    cells = rig.make(exp).only("block").set(v=-60e-3, block_A=1.0).set_column(p_tonic_A=1.0)
    cells.give(exp, 0.0).run(0.1)
    assert exp.numerics.block_step.si > 2 * exp.numerics.dt.si
    np.testing.assert_allclose(cells.get("block_A"), np.exp(-0.1 * rates(exp, "GluN2A", -60e-3)[1]), rtol=1e-10)


def test_activation_is_synaptic_plus_tonic_and_at_most_one(exp, held):
    """Each compartment by its own synapses; the update integrates the scheme, as a tight integrator does."""
    concentration, duration = 1e-3, 0.5
    cells, synaptic = held(concentration, p=0.1), {"": 0.25, "_d": 2.0}
    for c, fraction in synaptic.items():
        pool = cells.get(f"g_NMDA_max{c}")
        cells.set(**{f"g_NMDA{c}": 0.4 * fraction * pool, f"g_NMDA_ext{c}": 0.6 * fraction * pool})
    for (name, c), found in blocks(cells.run(duration)).items():
        on, off = rates(exp, name, HELD[c])
        p = min(synaptic[c] + 0.1, 1.0)
        solution = solve_ivp(
            lambda t, b, p=p, on=on, off=off: p * (on * concentration * (1 - b) - off * b),
            (0, duration),
            np.zeros(CELLS.size),
            rtol=1e-10,
            atol=1e-12,
        )
        np.testing.assert_allclose(found, solution.y[:, -1], rtol=1e-6)


@pytest.mark.parametrize(("concentration", "start"), [(0.0, 0.7), (0.01, 0.2)])
def test_a_closed_channel_traps_the_blocker(held, concentration, start):
    """Neither in nor out in 100 s of life while nothing activates the receptors.

    The program never takes less than 1e-9 for an activation, so as not to divide by it; the fastest rate here, 5 /s of
    10 uM at a depolarised pore, moves 5e-7 with that. Active, the same channels would settle within seconds.
    """
    for found in blocks(held(concentration, p=0.0, start=start, acceleration=100).run(1.0)).values():
        np.testing.assert_allclose(found, start, atol=1e-6, rtol=0)


def test_acceleration_scales_time_and_nothing_else(held):
    """Forty times the speed for a fortieth of the time, at any point of the course."""
    course = {}
    for factor in (1, 40):
        cells = held(2e-3, p=0.3, acceleration=factor)
        course[factor] = [blocks(cells.run(2.0 / factor)) for _ in range(3)]
    for slow, fast in zip(course[1], course[40], strict=True):
        for key in slow:
            np.testing.assert_allclose(fast[key], slow[key], rtol=1e-10)


def apparent_IC50(cells):
    """Concentration that would block half of the somatic channels at -66 mV, from 1 uM when settled; uM by class."""
    settled = blocks(cells.run(1.0))
    return {name: ((1 - b) / b)[CELLS == -66e-3][0] for (name, c), b in settled.items() if not c}


def test_magnesium_competes(exp, held):
    """The compiled update gives Kotermanski and Johnson's IC50 at -66 mV (A4, A5) of all subunits within 35 %."""
    assert exp.numbers.receptors.Mg.to("mM") == 1

    ratios = {f"Mg_ratio_{k}": held(1e-3).get(f"Mg_ratio_{k}") for k in TAGS}
    with_Mg = apparent_IC50(held(1e-3, acceleration=FAST))
    without = apparent_IC50(held(1e-3, acceleration=FAST).set(**dict.fromkeys(ratios, 0.0)))
    held(1e-3).set(**ratios)
    assert list(without.values()) == pytest.approx([0.33, 0.31, 0.51, 0.83], rel=0.35)
    assert list(with_Mg.values()) == pytest.approx([5.35, 5.08, 1.18, 2.95], rel=0.35)


def test_a_leak_empties_closed_channels_of_a_partial_trapper(exp, held):
    """Memantine at rest leaves by exp(-k_untrap t) alone; ketamine stays."""
    for drug, k in (("memantine", exp.numbers.drugs.memantine.k_untrap.si), ("ketamine", 0.0)):
        cells = held(0.0, p=0.0, start=0.8, acceleration=10).give(exp, 0.0, drug)
        for found in blocks(cells.run(1.0)).values():
            np.testing.assert_allclose(found, 0.8 * np.exp(-10 * k), rtol=1e-5)


def test_what_blocks_or_modulates_is_missing_from_the_conductance(exp, held):
    """The share left is f x activity x (1 - b), of tonic receptors too; a GluN2B modulator leaves the others."""
    cells = held(1e-3, p=0.4).give(exp, 1.0, "Ro_25_6981").run(0.05)
    share = 1 - exp.numbers.drugs.Ro_25_6981.max_effect.value
    for tag in TAGS:
        left = cells.get(f"f_{tag}") * (share if tag == "B" else 1.0)
        np.testing.assert_allclose(cells.get(f"free_{tag}"), left, rtol=1e-4)
        np.testing.assert_allclose(cells.get(f"tonic_{tag}"), 0.4 * cells.get("g_tonic_max") * left, rtol=1e-4)
    held(0.0)
