# SPDX-License-Identifier: GPL-3.0-or-later
"""Receptor formulas against integrated kinetics and published tables: magnesium block, saturating gate, tonic part."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.integrate import solve_ivp

from circuit import draw, receptors
from circuit.populations import POPULATIONS
from circuit.subunits import CLASSES, TAGS
from tests.numeric import rig

#: Open fraction in 1 mM magnesium by voltage in mV, of Jahr and Stevens 1990 with 0.062 /mV and 3.57 mM; 3 decimals.
OPEN_FRACTION = {-70: 0.044, -60: 0.080, -50: 0.139, -40: 0.23}
#: (tau_decay, tau_rise) in ms to k0 and k1 at 0.5 /ms, of NEST's `iaf_bw_2001`; 4 decimals, then 3.
NEST_GATE = {
    (100, 2): (0.6484, -0.6321, 5e-5),
    (60, 2): (0.660, -0.632, 5e-4),
    (100, 3): (0.811, -0.777, 5e-4),
    (200, 5): (0.957, -0.918, 5e-4),
    (600, 3): (0.782, -0.777, 5e-4),
}


@pytest.fixture(scope="module")
def exp():
    return rig.experiment()


@pytest.fixture(scope="module")
def cells(exp):
    return rig.make(exp, dict.fromkeys(POPULATIONS, 10)).only("drive")


def test_magnesium_block_is_that_of_jahr_and_stevens(exp):
    """GluN2A and GluN2B, fitted to the blockers' potencies, lie on both sides: within 35 % of the unblocked share."""
    ratios = [draw.shared(exp, exp.numbers)[f"cells.Mg_ratio_{k}"] for k in "AB"]
    slope = exp.numbers.receptors.slope_Mg.si
    for millivolt, tabulated in OPEN_FRACTION.items():
        formula = 1 / (1 + 1 / 3.57 * np.exp(-0.062 * millivolt))
        found = [float(receptors.magnesium_unblocked(millivolt * 1e-3, ratio, 1.0, slope)) for ratio in ratios]
        assert formula == pytest.approx(tabulated, abs=0.005 if tabulated == 0.23 else 0.0005)
        assert max(found) == pytest.approx(formula, rel=0.35) and min(found) == pytest.approx(formula, rel=0.35)
        assert min(found) < formula < max(found)


def test_the_program_blocks_by_the_same_formula(exp, cells):
    """The text's B of both classes and compartments against `receptors` and the class's constant at its voltage."""
    v = np.linspace(-90e-3, 10e-3, 40)
    cells.set(v=v, v_d=v[::-1])
    numbers = exp.numbers.receptors
    for tag, name in zip(TAGS, CLASSES, strict=True):
        K_zero = getattr(numbers, name).K_Mg.si * np.exp(-numbers.slope_Mg.si * numbers.V_Mg.si)
        expected = receptors.magnesium_unblocked(v, numbers.Mg.si, K_zero, numbers.slope_Mg.si)
        np.testing.assert_allclose(cells.get(f"B_{tag}"), expected, rtol=1e-12)
        np.testing.assert_allclose(cells.get(f"B_{tag}_d"), expected[::-1], rtol=1e-12)
        at_reference = receptors.magnesium_unblocked(numbers.V_Mg.si, numbers.Mg.si, K_zero, numbers.slope_Mg.si)
        assert at_reference == pytest.approx(1 / (1 + numbers.Mg.si / getattr(numbers, name).K_Mg.si), rel=1e-12)


def integrated_gate(alpha, tau_rise, tau_decay, spikes, end):
    """Gate s at `end` of ds/dt = -s/tau_d + alpha x (1 - s), dx/dt = -x/tau_r, x jumping by 1 at each spike."""
    state, start = np.zeros(2), 0.0
    for time in [*spikes, end]:
        solution = solve_ivp(
            lambda t, y: (-y[0] / tau_decay + alpha * y[1] * (1 - y[0]), -y[1] / tau_rise),
            (start, time),
            state,
            rtol=1e-11,
            atol=1e-13,
        )
        state, start = solution.y[:, -1] + [0, time != end], time
    return state[0]


@pytest.mark.parametrize(("taus", "expected"), NEST_GATE.items())
def test_gate_constants_are_those_of_nest(taus, expected):
    tau_decay, tau_rise = (1e-3 * tau for tau in taus)
    k0, k1 = receptors.gate_jump(500.0, tau_rise, tau_decay)
    assert (k0, k1) == (pytest.approx(expected[0], abs=expected[2]), pytest.approx(expected[1], abs=expected[2]))


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 20.0, 500.0, 1.9e4, 2.1e4, 1e6])
@pytest.mark.parametrize("taus", [(0.1, 2e-3), (0.05, 2e-3), (0.04, 0.03), (2.1e-3, 2e-3), (2.0, 1e-4)])
def test_gate_constants_are_the_incomplete_gamma_function_of_scipy(alpha, taus):
    tau_decay, tau_rise = taus
    x, ratio = alpha * tau_rise, tau_rise / tau_decay
    k0 = x**ratio * special.gammainc(1 - ratio, x) * special.gamma(1 - ratio)
    assert receptors.gate_jump(alpha, tau_rise, tau_decay) == pytest.approx((k0, np.expm1(-x)), rel=1e-13, abs=0)


@pytest.mark.parametrize("taus", NEST_GATE)
@pytest.mark.parametrize("before", [(), (0.0,), (0.0, 0.1, 0.15)])
def test_gate_jump_is_the_effect_of_the_two_stage_kinetics(taus, before):
    """After any history: late after a spike, the gate is where the jump and a plain decay bring it.

    What the jump leaves out is the transmitter still there, exp(-interval/tau_rise): 40 rises after the last spike and
    at least 10 (5e-5 of it) between spikes.
    """
    tau_decay, tau_rise = (1e-3 * tau for tau in taus)
    k0, k1 = receptors.gate_jump(500.0, tau_rise, tau_decay)
    spikes = [*before, 0.2]
    end = spikes[-1] + 40 * tau_rise
    s, last = 0.0, 0.0
    for time in spikes:
        s *= np.exp(-(time - last) / tau_decay)
        s, last = s + k0 + k1 * s, time
    expected = integrated_gate(500.0, tau_rise, tau_decay, spikes, end)
    assert s * np.exp(-(end - last) / tau_decay) == pytest.approx(expected, rel=2e-4)


def test_gate_constants_reach_the_program_by_target(exp):
    """The gate decays as the NMDA conductance of the population it acts on."""
    values = draw.shared(exp, exp.numbers)
    synapses = exp.numbers.synapses
    for target in POPULATIONS:
        tau = getattr(exp.numbers.cells, target).tau_NMDA.si
        expected = receptors.gate_jump(synapses.gate_alpha.si, synapses.gate_tau_rise.si, tau)
        assert values[f"cells.tau_gate_{target}"] == tau
        assert (values[f"cells.k_zero_{target}"], values[f"cells.k_one_{target}"]) == expected


@pytest.mark.parametrize("glutamate", [1e-5, 3e-4, 1e-3, 3e-2])
def test_ambient_glutamate_activates_by_the_hill_equation(exp, glutamate):
    """The update's text and `receptors.tonic_activation`; the conductance is maximum times share times p."""
    cells = rig.make(exp, dict.fromkeys(POPULATIONS, 10)).only("column_step", "drive")
    cells.set_column(glutamate=glutamate, uptake_max=0.0, leak=0.0, release_ext=0.0).run(exp.recording.lfp_step.si)
    hill = exp.numbers.receptors.hill_glutamate.value
    for tag, name in zip(TAGS, CLASSES, strict=True):
        EC50 = getattr(exp.numbers.receptors, name).EC50_glutamate.si
        p = glutamate**hill / (glutamate**hill + EC50**hill)
        assert receptors.tonic_activation(glutamate, EC50, hill) == pytest.approx(p, rel=1e-12)
        np.testing.assert_allclose(cells.column(f"p_tonic_{tag}"), p, rtol=1e-12)
        for c in ("", "_d"):
            expected = cells.get(f"g_tonic_max{c}") * cells.get(f"f_{tag}") * p
            np.testing.assert_allclose(cells.get(f"tonic_{tag}{c}"), expected, rtol=1e-12)


def test_shares_of_the_classes_add_up(exp, cells):
    np.testing.assert_allclose(sum(cells.get(f"f_{tag}") for tag in TAGS), 1, rtol=1e-12)
    for tag, name in zip(TAGS, CLASSES, strict=True):
        wanted = [getattr(getattr(exp.numbers.cells, pop), f"fraction_{name}").value for pop in POPULATIONS]
        np.testing.assert_array_equal(cells.get(f"f_{tag}"), np.repeat(wanted, 10))
