# SPDX-License-Identifier: GPL-3.0-or-later
"""The column: glutamate in balance, its uptake and autoreceptors by their formulas, the drug on its schedule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from circuit import exposure
from circuit.draw import SCHEDULE_SAMPLES
from circuit.populations import POPULATIONS
from circuit.subunits import TAGS
from tests.numeric import rig
from tests.numeric.test_synapses import plasticity


@pytest.fixture(scope="module")
def exp():
    return rig.experiment()


@pytest.fixture(scope="module")
def column(exp):
    """The column alone: nothing spikes."""
    return rig.make(exp).only("column_step")


def pool(exp):
    """Leak, largest uptake (mM/s) and its constant (mM)."""
    numbers = exp.numbers.glutamate
    return numbers.leak.si, numbers.uptake_max.si, numbers.uptake_K.si


def settled(influx, largest, K):
    """Where uptake meets a constant influx (mM/s): K I/(V - I), mM."""
    return K * influx / (largest - influx)


def given(drug, level, site="whole brain"):
    """The experiment with a drug from its start on."""
    steps = f"schedule: [{{time: 0 s, concentration: {level}}}]"
    return rig.experiment(f"interventions=[{{name: {drug}, site: {site}, {steps}}}]")


def silent(column):
    """The column without afferent release, so that the leak alone comes in."""
    return column.set_column(release_ext=0.0, released=0.0)


@pytest.mark.parametrize("glutamate", [1e-5, 1e-3, 2e-2, 0.5])
def test_uptake_is_michaelis_menten(exp, column, glutamate):
    """One step of the column's clock changes glutamate by leak - V G/(K + G), for any level."""
    step, (leak, largest, K) = exp.recording.lfp_step.si, pool(exp)
    silent(column).set_column(glutamate=glutamate).run(step)
    expected = glutamate + step * (leak - largest * glutamate / (K + glutamate))
    assert column.column("glutamate") == pytest.approx(expected, rel=1e-12)


def test_glutamate_settles_where_uptake_meets_the_leak(exp, column):
    """The rate there, 40 /s, leaves nothing of the start after 1 s."""
    silent(column).set_column(glutamate=1e-2).run(1.0)
    assert column.column("glutamate") == pytest.approx(settled(*pool(exp)), rel=1e-9)


def test_glutamate_falls_as_a_tight_integrator_says(exp, column):
    """From 100 uM over 0.1 s; Euler's errors add up to at most step/2 times the largest rate, 2 % of the start."""
    leak, largest, K = pool(exp)
    solution = solve_ivp(
        lambda t, G: leak - largest * G / (K + G), (0, 0.1), [0.1], t_eval=np.arange(0.02, 0.11, 0.02), rtol=1e-10
    )
    silent(column).set_column(glutamate=0.1)
    found = [column.run(0.02).column("glutamate") for _ in solution.t]
    bound = exp.recording.lfp_step.si * largest / K / 2
    np.testing.assert_allclose(found, solution.y[0][: len(found)], atol=bound * 0.1, rtol=0)
    assert found[0] > 2 * found[-1]


@pytest.mark.parametrize("glutamate", [1e-5, 1e-3, 5e-3, 0.1])
def test_autoreceptors_follow_glutamate(exp, column, glutamate):
    """1 - max G^h/(G^h + EC50^h), of the glutamate just computed, on terminals of the column and of its afferents."""
    numbers = exp.numbers.glutamate
    column.set_column(glutamate=glutamate, mGluR_max_ext=0.3).run(exp.recording.lfp_step.si)
    G, h, half = column.column("glutamate"), numbers.mGluR_hill.value, numbers.mGluR_EC50.si
    occupied = G**h / (G**h + half**h)
    assert column.column("autoreceptor") == pytest.approx(1 - numbers.mGluR_max.value * occupied, rel=1e-12)
    assert column.column("autoreceptor_ext") == pytest.approx(1 - 0.3 * occupied, rel=1e-12)


@pytest.mark.parametrize(
    ("drug", "site"),
    [("TTX", "whole brain"), ("TTX", "column"), ("omega_conotoxin_GVIA", "whole brain"), ("LY379268", "column")],
)
def test_afferents_release_as_they_drive(drug, site):
    """Spillover and drive lose the same share to a toxin that reaches the afferents, and to an mGluR2/3 agonist.

    A toxin put into the column leaves them alone. All else is off, so that what is there is what they released.
    """
    exp = given(drug, "10 nM", site)
    entry, step, size, most = getattr(exp.numbers.drugs, drug), exp.recording.lfp_step.si, 5e-3, 0.4
    share = 1 / (1 + entry.EC50.si / 1e-5)
    agonist = drug == "LY379268"
    left = 1 - (most if agonist else entry.max_effect.value) * share * (agonist or site != "column")
    cells = rig.make(exp).only("column_step", "drive").set(sd_ext=0.0, slow_ext=0.0, slow_ext_d=0.0)
    cells.set_column(release_ext=size, mGluR_max_ext=most, autoreceptor_ext=1.0)
    # With an EC50 out of reach for glutamate the receptors answer the drug alone, from the next step on.
    cells.set_column(mGluR_EC50=1e9, **dict.fromkeys(("uptake_max", "leak", "glutamate", "released"), 0.0))
    first = cells.run(step).column("glutamate")
    assert first == pytest.approx(step * size * (1.0 if agonist else left), rel=1e-12)
    cells.run(step)
    assert cells.column("vesicular") == pytest.approx(size * left, rel=1e-12)
    assert cells.column("glutamate") - first == pytest.approx(step * size * left, rel=1e-9)
    np.testing.assert_allclose(cells.get("g_ext"), left * cells.get("mean_ext"), rtol=1e-12)


@pytest.mark.parametrize("shift", [1.0, 6.0])
def test_uptake_block_raises_the_level_of_balance_by_its_shift(exp, shift):
    """A competitive blocker multiplies the Michaelis constant, and so the level that a constant influx settles at."""
    leak, largest, K = pool(exp)
    level = exp.numbers.drugs.TBOA.EC50.si * (shift - 1)
    column = rig.make(given("TBOA", f"{level * 1e3} uM")).only("column_step")
    afferents = 5e-3
    column.set_column(release_ext=afferents, mGluR_max_ext=0.0, autoreceptor_ext=1.0, released=0.0)
    balance = settled(leak + afferents, largest, shift * K)
    below, there, above = (
        column.set_column(glutamate=start).run(exp.recording.lfp_step.si).column("glutamate") - start
        for start in (0.9 * balance, balance, 1.1 * balance)
    )
    assert below > 0 > above
    assert there == pytest.approx(0, abs=1e-12 * balance)


def test_the_pool_is_bounded_whatever_the_rates(exp):
    """A terminal releases what it recovers, 1/tau_rec at most; with everything else that comes in, uptake keeps up.

    Ten times the release of rest is still far below the largest uptake, and the level is then less than twenty times
    that of rest.
    """
    numbers, path = exp.numbers.glutamate, exp.numbers.pathways.PYR_to_PYR
    length = 2.0
    for rate in (5, 50, 400):
        released = plasticity(path, np.arange(0, length, 1 / rate)).sum()
        assert released < 1 + length / path.tau_rec.si
    leak, largest, K = pool(exp)
    most = numbers.release_size.si / path.tau_rec.si + numbers.release_ext.si + leak
    assert most < largest / 2
    assert settled(most, largest, K) < K


@pytest.mark.parametrize("step", ["1 ms", "5 ms"])
def test_every_spike_of_a_pyramidal_cell_adds_its_glutamate_once(step):
    """Uptake, leak and autoreceptors off: glutamate is the sum of what was released, whenever in a step that was.

    The column looks once in many steps of the cells; none may be lost or counted twice, on its own step or between, nor
    when a cell fires twice between two looks.
    """
    exp = rig.experiment(f"recording.lfp_step={step}")
    number, dt = 20, exp.numerics.dt.si
    counts = dict.fromkeys(POPULATIONS, 1) | {"PYR": number}
    # Four spikes of each cell at all phases of the column's clock; the interneurons' must not count.
    trains = {k: 0.005 + dt * (k + np.array([0, 22, 60, 127])) for k in range(number)}
    trains |= {k: 0.006 + dt * np.array([0, 40]) for k in range(number, number + 3)}
    cells = rig.make(exp, counts).only("cells", "column_step", "drive")
    off = dict.fromkeys(("glutamate", "uptake_max", "leak", "release_ext", "mGluR_max"), 0.0)
    cells.set_column(**off | {"glutamate": 1e-3, "autoreceptor": 1.0})
    cells.set(mean_ext=0.0, mean_ext_d=0.0, g_tonic_max=0.0, g_tonic_max_d=0.0)
    cells.fire(trains).run(0.03)
    assert all(cells.spikes(k).size == len(train) for k, train in trains.items())
    path = exp.numbers.pathways.PYR_to_PYR
    released = sum(plasticity(path, trains[k]).sum() for k in range(number))
    expected = exp.numbers.glutamate.release_size.si * released / number
    assert cells.column("glutamate") - 1e-3 == pytest.approx(expected, rel=1e-9)


def test_autoreceptors_scale_release_of_pyramidal_cells_alone(exp):
    cells = rig.make(exp).only("cells").set_column(autoreceptor=0.6)
    cells.fire({k: [0.005] for k in range(len(POPULATIONS))}).run(0.007)
    for target in POPULATIONS:
        np.testing.assert_allclose(cells.get(f"release_{target}"), [0.6, 1, 1, 1], rtol=1e-12)
    U = exp.numbers.pathways.PYR_to_PYR.U.value
    np.testing.assert_allclose(cells.get("released"), [0.6 * U, 0, 0, 0], rtol=1e-12)


def test_read_outs_sum_the_currents_of_the_pyramidal_cells():
    """By hand from conductances and voltages of three of them; interneurons do not count."""
    counts = dict.fromkeys(POPULATIONS, 2) | {"PYR": 3}
    exp, rng, number = rig.experiment(), np.random.default_rng(), sum(counts.values())
    cells = rig.make(exp, counts).only()
    names = [
        f"{key}{c}" for key in ("g_AMPA", "g_NMDA", "g_GABA", "g_ext", "g_NMDA_ext", "tonic_A") for c in ("", "_d")
    ]
    g = {name: rng.uniform(0.1, 1, number) * 1e-9 for name in names}
    v = {"": rng.uniform(-80e-3, -40e-3, number), "_d": rng.uniform(-80e-3, -40e-3, number)}
    free = {f"free_{k}{c}": rng.uniform(0, 1, number) if k == "A" else 0.0 for k in TAGS for c in ("", "_d")}
    others = {f"tonic_{k}{c}": 0.0 for k in TAGS[1:] for c in ("", "_d")}
    cells.set(**g, **others, **free, **{f"v{c}": v[c] for c in v})
    cells.run(exp.recording.lfp_step.si)
    synapses, receptors = exp.numbers.synapses, exp.numbers.receptors
    AMPA, excitatory, inhibitory = 0.0, 0.0, 0.0
    for c in ("", "_d"):
        K = receptors.GluN2A.K_Mg.si * np.exp(receptors.slope_Mg.si * (v[c] - receptors.V_Mg.si))
        opened = (g[f"g_NMDA{c}"] + g[f"g_NMDA_ext{c}"]) * free[f"free_A{c}"] + g[f"tonic_A{c}"]
        driving = v[c] - synapses.E_exc.si
        AMPA += (g[f"g_AMPA{c}"] * driving)[:3].sum()
        excitatory += ((g[f"g_AMPA{c}"] + g[f"g_ext{c}"] + opened / (1 + receptors.Mg.si / K)) * driving)[:3].sum()
        inhibitory += (g[f"g_GABA{c}"] * (v[c] - synapses.E_GABA.si))[:3].sum()
    assert cells.column("I_AMPA_sum") == pytest.approx(AMPA, rel=1e-12)
    assert cells.column("I_exc_sum") == pytest.approx(excitatory, rel=1e-12)
    assert cells.column("I_inh_sum") == pytest.approx(inhibitory, rel=1e-12)


def test_the_drug_follows_its_schedule():
    """At every sample of the column further than one sample of the schedule from a step: exactly as configured."""
    exp = rig.experiment(
        *(f"protocol.t_{name}={length}" for name, length in (("settle", "0.2 s"), ("baseline", "0.3 s"))),
        *("protocol.t_transition=0.2 s", "protocol.t_drug=0.6 s"),
        "drug.schedule=[{time: 0.5 s, concentration: 1 uM}, {time: 0.71 s, concentration: 30 uM},"
        " {time: 0.9003 s, concentration: 0 uM}, {time: 1.1 s, concentration: 250 nM}]",
    )
    column = rig.make(exp).only("column_step").run(exp.duration.si)
    trace = column.objects["column_trace"]
    times, found = np.array(trace.t_), np.array(trace.conc_drug_)[0]
    steps = np.array([time.si for time, _ in exposure.drug_steps(exp, exp.drug)])
    near = np.abs(times[:, None] - steps).min(axis=1) <= exp.duration.si / SCHEDULE_SAMPLES
    expected = exposure.concentration(exp, times)
    np.testing.assert_allclose(found[~near], expected[~near], rtol=1e-12)
    assert near.sum() <= len(steps)
    assert set(np.round(found * 1e3, 9)) == {0, 1, 30, 0.25}
