# SPDX-License-Identifier: GPL-3.0-or-later
"""The membrane against two tight integrators and closed forms: Euler's order, spikes, refractoriness, resistance.

One integrator takes its equations from the program's own text, so it sees every slip of the numerics; the other is
typed here from the formulas of the model's description, because a derived oracle repeats a wrong equation faithfully.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from circuit import equations
from circuit.populations import POPULATIONS
from circuit.subunits import CLASSES, TAGS
from tests.numeric import rig

STATE = ("v", "v_d", "w", "g_AMPA", "g_AMPA_d", "g_NMDA", "g_NMDA_d", "g_GABA", "g_GABA_d")
STEPS_MS = (0.1, 0.05, 0.025)
DURATION, SAMPLE = 0.06, 1e-3
ORDER_TOLERANCE = 0.1
#: The term of second order must be small for the order to show: at dt = 0.1 ms and the fastest rate here, g_c/C_d of
#: about 2 /ms, log2 of the ratio of errors is off by up to 0.07.
BLOCKED = 0.3


def held(exp, cells):
    """Conductances that stay below threshold, in units of each cell's leak; all receptors and blocks take part."""
    g_L = cells.get("g_L")
    shares = {k: cells.get(f"f_{k}") for k in TAGS}
    fixed = {f"free_{k}{c}": shares[k] * (1 - BLOCKED) for k in TAGS for c in ("", "_d")}
    fixed |= {f"tonic_{k}{c}": 0.025 * g_L * (1 - BLOCKED) for k in TAGS for c in ("", "_d")}
    for c in ("", "_d"):
        fixed |= {f"g_ext{c}": 0.03 * g_L, f"g_NMDA_ext{c}": 0.05 * g_L}
        fixed |= {f"g_AMPA{c}": 0.1 * g_L, f"g_NMDA{c}": 0.1 * g_L, f"g_GABA{c}": 0.3 * g_L}
    return fixed | {"v": -66e-3, "v_d": -63e-3, "w": 5e-12}


@pytest.fixture(scope="module")
def runs():
    """One cell of each population, started off equilibrium, at three time steps."""
    made = {}
    for step in STEPS_MS:
        exp = rig.experiment(f"numerics.dt={step} ms")
        cells = rig.make(exp, watch=STATE, watch_step=SAMPLE).only("cells")
        made[step] = cells.set(**held(exp, cells)).run(DURATION)
    return made


@pytest.fixture(scope="module")
def exp():
    return rig.experiment()


def derived(cells, exp, k):
    """v, v_d and w of cell `k` from the equations' own text, shape (3, num_samples); V and A."""
    import sympy
    from brian2 import Equations
    from brian2.parsing.sympytools import str_to_sympy

    texts = dict(Equations(equations.cells()).get_substituted_expressions())
    rates = [str_to_sympy(texts[name].code) for name in STATE]
    symbols = {symbol.name: symbol for rate in rates for symbol in rate.free_symbols}
    values = {symbol: np.ravel(cells.get(name)) for name, symbol in symbols.items() if name not in (*STATE, "t")}
    values = {symbol: float(value[k if value.size > 1 else 0]) for symbol, value in values.items()}
    cell = getattr(exp.numbers.cells, POPULATIONS[k])
    # The program's constants make Euler's decay exact; the equations mean these.
    values |= {symbols[name]: getattr(cell, name).si for name in ("tau_AMPA", "tau_NMDA", "tau_GABA", "tau_GABA_d")}
    arguments = [*(symbols[name] for name in STATE), symbols["t"]]
    slope = sympy.lambdify(arguments, [rate.subs(values) for rate in rates], modules=[{"int": float}, "numpy"])
    start = [cells.trace(name)[k, 0] for name in STATE]
    return integrate(lambda t, y: slope(*y, t), start, cells.times)[:3]


def typed(cells, exp, k):
    """The same from the formulas of docs/model.md, in mV, ms, nS, pF and pA; V and A."""
    cell, synapses, receptors = (
        getattr(exp.numbers.cells, POPULATIONS[k]),
        exp.numbers.synapses,
        exp.numbers.receptors,
    )
    E_L, V_T, D, E_exc, E_GABA = (
        p.to("mV") for p in (cell.E_L, cell.V_T, cell.Delta_T, synapses.E_exc, synapses.E_GABA)
    )
    g_L, g_Ld, g_c, a = (getattr(cell, name).to("nS") for name in ("g_L", "g_L_d", "g_c", "a"))
    C, C_d, tau_w = cell.C_m.to("pF"), cell.C_d.to("pF"), cell.tau_w.to("ms")
    shares = [getattr(cell, f"fraction_{name}").value for name in CLASSES]
    K = [getattr(receptors, name).K_Mg.to("mM") for name in CLASSES]
    slope, V_K = receptors.slope_Mg.to("/mV"), receptors.V_Mg.to("mV")
    g0 = {name: cells.trace(name)[k, 0] * 1e9 for name in STATE[3:]}
    g_ext, g_NMDA_ext, g_tonic = 0.03 * g_L, 0.05 * g_L, 0.025 * g_L

    def current(t, v, c):
        def g(name, tau):
            return g0[f"g_{name}{c}"] * np.exp(-t / tau.to("ms"))

        open_NMDA = sum(
            (share * (g("NMDA", cell.tau_NMDA) + g_NMDA_ext) + g_tonic)
            * (1 - BLOCKED)
            / (1 + receptors.Mg.to("mM") / (K_k * np.exp(slope * (v - V_K))))
            for share, K_k in zip(shares, K, strict=True)
        )
        inhibition = g("GABA", cell.tau_GABA_d if c else cell.tau_GABA) * (v - E_GABA)
        return inhibition + (g("AMPA", cell.tau_AMPA) + g_ext + open_NMDA) * (v - E_exc)

    def slopes(t, y):
        v, v_d, w = y
        spike = g_L * D * np.exp((v - V_T) / D)
        return (
            (g_L * (E_L - v) + spike - w + g_c * (v_d - v) - current(t, v, "")) / C,
            (g_Ld * (E_L - v_d) + g_c * (v - v_d) - current(t, v_d, "_d")) / C_d,
            (a * (v - E_L) - w) / tau_w,
        )

    scale = np.array([1e3, 1e3, 1e12])
    start = [cells.trace(name)[k, 0] for name in STATE[:3]] * scale
    return integrate(slopes, start, cells.times * 1e3) / scale[:, None]


def integrate(slopes, start, times):
    """Tight solution of an initial value problem at `times`; the scale of each variable is that of its start."""
    solution = solve_ivp(
        slopes,
        (0, times[-1]),
        start,
        t_eval=times,
        rtol=1e-10,
        atol=1e-10 * np.abs(start),
        method="DOP853",
        first_step=times[-1] * 1e-6,
        max_step=times[-1] / 600,  # the solver's interpolation between steps is of lower order than its steps
    )
    assert solution.success
    return solution.y


def test_the_two_oracles_agree(runs, exp):
    """Each is within 1e-10 of its scale at each of some 600 steps."""
    for k in range(len(POPULATIONS)):
        np.testing.assert_allclose(derived(runs[0.1], exp, k), typed(runs[0.1], exp, k), rtol=1e-7, atol=1e-17)


@pytest.mark.parametrize("oracle", [derived, typed])
@pytest.mark.parametrize("k", range(len(POPULATIONS)), ids=POPULATIONS)
def test_euler_is_of_order_one(runs, exp, oracle, k):
    truth = oracle(runs[0.1], exp, k)
    assert all(cells.spikes(k).size == 0 for cells in runs.values())
    assert np.ptp(truth[0]) > 1e-3  # the voltage has somewhere to go
    for row, name in enumerate(STATE[:3]):
        errors = [np.abs(cells.trace(name)[k] - truth[row]).max() for cells in runs.values()]
        if errors[0] < 1e-9 * np.abs(truth[row]).max():
            continue  # no adaptation: nothing to integrate
        orders = np.log2(np.array(errors[:-1]) / errors[1:])
        np.testing.assert_allclose(orders, 1, atol=ORDER_TOLERANCE, err_msg=f"{name}: errors {errors}")


@pytest.mark.parametrize("k", range(len(POPULATIONS)), ids=POPULATIONS)
def test_conductances_decay_exactly(runs, exp, k):
    """`euler_tau` makes one Euler step the exact factor; what is left is rounding, at most 2 units a step."""
    cell = getattr(exp.numbers.cells, POPULATIONS[k])
    taus = {"AMPA": cell.tau_AMPA, "AMPA_d": cell.tau_AMPA, "NMDA": cell.tau_NMDA, "NMDA_d": cell.tau_NMDA}
    taus |= {"GABA": cell.tau_GABA, "GABA_d": cell.tau_GABA_d}
    for step, cells in runs.items():
        steps = DURATION / (step * 1e-3)
        for name, tau in taus.items():
            g = cells.trace(f"g_{name}")[k]
            rounding = 2 * steps * np.finfo(float).eps * (1 + step * 1e-3 / tau.si)
            np.testing.assert_allclose(g, g[0] * np.exp(-cells.times / tau.si), rtol=rounding, err_msg=name)


def test_a_cell_holds_its_reset_for_the_refractory_period_and_not_a_step_more(exp):
    """Over spikes at many times, because rounding of a time is different at each."""
    dt = exp.numerics.dt.si
    cells = rig.make(exp, watch=("v", "w"), watch_step=dt).only("cells")
    train = np.arange(5e-3, 0.4, 7.3e-3)
    cells.fire(dict.fromkeys(range(len(POPULATIONS)), train))
    before = cells.get("V_r")
    cells.run(train[-1] + 5e-3)
    for k, population in enumerate(POPULATIONS):
        spikes = np.rint(cells.spikes(k) / dt).astype(int)
        np.testing.assert_allclose(spikes * dt, train, atol=dt / 4)
        v, w = cells.trace("v")[k], cells.trace("w")[k]
        cell = getattr(exp.numbers.cells, population)
        wanted = round(cell.t_ref.si / dt)
        kept = [np.argmax(v[spike + 1 :] != before[k]) for spike in spikes]
        assert kept == [wanted] * len(spikes), population
        # Adaptation jumps by b, besides what it moves in the step itself.
        drift = 2 * dt / cell.tau_w.si * (cell.a.si * 0.1 + np.abs(w).max())
        np.testing.assert_allclose(w[spikes + 1] - w[spikes], cell.b.si, atol=drift, rtol=0)


def test_intervals_of_a_leaky_integrator_are_the_closed_form():
    r"""No adaptation, no dendrite, a sharp threshold: :math:`T = t_{ref} + \tau \ln((V_\infty-V_r)/(V_\infty-V_T))`.

    Brian2 stamps a spike with the start of the step that crosses, and the first step after the refractory period moves
    the voltage already, so an interval is up to one step shorter; Euler approaches the threshold faster by up to
    dt/(2 tau). All intervals of a cell are equal to the step: rounding must not move a spike.
    """
    exp = rig.experiment()
    dt = exp.numerics.dt.si
    cells = rig.make(exp).only("cells")
    C, g_L, E_L = 100e-12, 5e-9, -70e-3
    V_T, V_r, t_ref = -50e-3, -60e-3, 2e-3
    tau, end = C / g_L, E_L + np.array([21, 25, 40, 80]) * 1e-3
    quiet = dict.fromkeys(("a", "b", "g_c", "g_ext", "g_ext_d", "g_NMDA_ext", "g_NMDA_ext_d"), 0.0)
    quiet |= {f"tonic_{k}{c}": 0.0 for k in TAGS for c in ("", "_d")}
    cells.set(
        **quiet,
        C_m=C,
        g_L=g_L,
        E_L=E_L,
        V_T=V_T,
        V_T_rest=V_T,
        V_cut=V_T + 5e-6,
        Delta_T=1e-6,
        V_r=V_r,
        t_ref=t_ref,
        v=V_r,
    )
    # Adaptation that neither decays nor follows is a constant current.
    cells.set(tau_w=1e9, w=-g_L * (end - E_L)).run(0.5)
    integrating = tau * np.log((end - V_r) / (end - V_T))
    for k in range(4):
        intervals = np.unique(np.diff(np.rint(cells.spikes(k) / dt)))
        assert intervals.size == 1
        found = intervals[0] * dt - t_ref
        assert integrating[k] * (1 - dt / (2 * tau)) - dt - 1e-9 <= found <= integrating[k] + 1e-9


def test_input_resistance_of_the_pyramidal_soma():
    """1/(g_L + g_c g_Ld/(g_c + g_Ld)) without adaptation; Hass 2016 has a median of 141 MOhm."""
    exp = rig.experiment()
    cells = rig.make(exp).only("cells")
    names = ("g_ext", "g_ext_d", "g_NMDA_ext", "g_NMDA_ext_d", *(f"tonic_{k}{c}" for k in TAGS for c in ("", "_d")))
    E_L = cells.get("E_L")
    injected = 10e-12
    cells.set(**dict.fromkeys(names, 0.0), a=0.0, tau_w=1e9, w=-injected, v=E_L, v_d=E_L).run(0.5)
    cell = exp.numbers.cells.PYR
    g_L, g_Ld, g_c = cell.g_L.si, cell.g_L_d.si, cell.g_c.si
    resistance = (cells.get("v") - E_L)[rig.first("PYR")] / injected
    # 1 in 1000: the exponential current at 19 mV below V_T, and 15 time constants of settling.
    assert resistance == pytest.approx(1 / (g_L + g_c * g_Ld / (g_c + g_Ld)), rel=1e-3)
    assert resistance == pytest.approx(139e6, rel=5e-3)
