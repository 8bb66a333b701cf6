# SPDX-License-Identifier: GPL-3.0-or-later
"""From a presynaptic spike to the conductance it opens: plasticity, gate, delay, weight, and of which terminal.

The program keeps plasticity on the presynaptic cell and advances it in closed form at a spike. The oracles here go
event by event through the formulas of Tsodyks and Markram, typed from the papers.
"""

from __future__ import annotations

import numpy as np
import pytest

from circuit.populations import PATHWAYS, POPULATIONS, split
from circuit.receptors import gate_jump
from circuit.subunits import TAGS
from tests.numeric import rig
from tests.numeric.rig import Contact

#: Plasticity moves at spikes only, so the step of the cells does not enter.
COARSE = "numerics.dt=0.5 ms"
#: s. Bursts, pauses long against every time constant, and what lies between.
TRAIN = 0.01 + np.cumsum([0, 10, 10, 10, 15, 40, 120, 350, 20, 20, 900, 30]) * 1e-3
AUTORECEPTOR = 0.8


def plasticity(path, train, share=1.0):
    """Fraction of the resources that each spike of a train releases; `share` is what autoreceptors leave of it.

    Tsodyks and Markram 1997, Markram et al. 1998: u is the utilisation at a spike, R the resources before it.
    """
    U, tau_rec, tau_fac = path.U.value, path.tau_rec.si, path.tau_fac.si
    u, R, released = U, 1.0, []
    for interval in [*np.diff(train), np.inf]:
        released.append(u * R * share)
        u = U + u * (1 - U) * np.exp(-interval / tau_fac)
        R = 1 + (R - released[-1] - 1) * np.exp(-interval / tau_rec)
    return np.array(released)


def gates(exp, target, train, released):
    """How much each spike opens of the NMDA gate at synapses onto `target`."""
    tau = getattr(exp.numbers.cells, target).tau_NMDA.si
    k0, k1 = gate_jump(exp.numbers.synapses.gate_alpha.si, exp.numbers.synapses.gate_tau_rise.si, tau)
    s, opened = 0.0, []
    for interval, fraction in zip([*np.diff(train), np.inf], released, strict=True):
        opened.append(fraction * (k0 + k1 * s))
        s = (s + opened[-1]) * np.exp(-interval / tau)
    return np.array(opened), k0


@pytest.fixture(scope="module")
def exp():
    return rig.experiment(COARSE)


@pytest.fixture(scope="module")
def terminals(exp):
    """One cell of each population after the same train, its terminals watched."""
    watch = [f"{name}_{target}" for name in ("release", "gate", "x", "s") for target in POPULATIONS]
    cells = rig.make(exp, watch=watch).only("cells").set_column(autoreceptor=AUTORECEPTOR)
    return cells.fire(dict.fromkeys(range(len(POPULATIONS)), TRAIN)).run(TRAIN[-1] + 0.005)


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_release_follows_tsodyks_and_markram(exp, terminals, pathway):
    """In units of a first spike from rest; autoreceptors act on pyramidal cells alone."""
    source, target = split(pathway)
    k, path = POPULATIONS.index(source), getattr(exp.numbers.pathways, pathway)
    released = plasticity(path, TRAIN, AUTORECEPTOR if source == "PYR" else 1.0)
    after = np.searchsorted(terminals.times, terminals.spikes(k) + 1e-9)
    np.testing.assert_allclose(terminals.spikes(k), TRAIN, atol=1e-9)
    np.testing.assert_allclose(terminals.trace(f"release_{target}")[k, after], released / path.U.value, rtol=1e-9)
    opened, k0 = gates(exp, target, TRAIN, released)
    found = terminals.trace(f"gate_{target}")[k, after]
    np.testing.assert_allclose(found, opened / (path.U.value * k0), rtol=1e-9)
    assert np.ptp(released) > 0.05 * path.U.value  # plasticity was there to be seen


def test_synapses_facilitate_and_depress_as_their_constants_say(exp):
    """What the two formulas do to the second of two spikes 20 ms apart, without going through them."""
    cells = rig.make(exp).only("cells").set_column(autoreceptor=1.0)
    cells.fire({k: [0.01, 0.03] for k in range(len(POPULATIONS))}).run(0.04)
    second = {target: cells.get(f"release_{target}")[0] for target in POPULATIONS}
    assert second["SST"] > 1.3
    assert 1.05 < min(second["PYR"], second["PV"]) <= max(second["PYR"], second["PV"]) < 1.3  # the mix of PFC
    assert second["VIP"] < 0.9


def test_a_regular_train_settles_at_the_closed_form(exp):
    """400 spikes at 100 Hz; of the start less than 1e-9 is left in the slowest pathway."""
    interval, train = 0.01, 0.01 * np.arange(1, 401)
    cells = rig.make(exp).only("cells").set_column(autoreceptor=1.0)
    cells.fire(dict.fromkeys(range(len(POPULATIONS)), train)).run(train[-1] + 0.001)
    for name, path in exp.numbers.pathways:
        source, target = split(name)
        U, fac, rec = path.U.value, np.exp(-interval / path.tau_fac.si), np.exp(-interval / path.tau_rec.si)
        u = U / (1 - (1 - U) * fac)
        R = (1 - rec) / (1 - (1 - u) * rec)
        found = cells.get(f"release_{target}")[POPULATIONS.index(source)]
        assert found == pytest.approx(u * R / U, rel=1e-6), name


#: Cells of each population: one that fires, one for the synapse from each source, one to spare.
COUNTS = dict.fromkeys(POPULATIONS, 2 + len(POPULATIONS))
SPARE = {population: rig.first(population, COUNTS) + 1 + len(POPULATIONS) for population in POPULATIONS}


def contact(pathway, weight):
    """The synapse of a pathway, from the firing cell of its source to a cell that has no other."""
    source, target = split(pathway)
    post = rig.first(target, COUNTS) + 1 + POPULATIONS.index(source)
    return Contact(rig.first(source, COUNTS), post, weight, source == "SST")


def apical(pathway, weight):
    """A synapse of a pyramidal cell on the dendrite of the spare cell of its target."""
    return Contact(rig.first("PYR", COUNTS), SPARE[split(pathway)[1]], weight, on_dendrite=True)


def network(exp, contacts, watch):
    """The cells of `COUNTS` with these synapses and nothing else: no drive, no block, autoreceptors at rest."""
    by_kind = {True: [], False: []}
    for item in contacts:
        by_kind[item.source == rig.first("PYR", COUNTS)].append(item)
    cells = rig.make(exp, COUNTS, by_kind[True], by_kind[False], watch=watch)
    return cells.only("cells").set_column(autoreceptor=1.0)


@pytest.fixture(scope="module")
def delivered():
    """A synapse of 1 nS in every pathway; two spikes of each source cell, as close as it can fire."""
    exp = rig.experiment()
    contacts = {pathway: contact(pathway, 1e-9) for pathway in PATHWAYS}
    contacts["PYR_to_PYR_d"] = apical("PYR_to_PYR", 1e-9)
    watch = [f"g_{receptor}{c}" for receptor in ("AMPA", "NMDA", "GABA") for c in ("", "_d")]
    refractory = {source: getattr(exp.numbers.cells, source).t_ref.si for source in POPULATIONS}
    trains = {rig.first(source, COUNTS): 0.005 + np.array([0, refractory[source]]) for source in POPULATIONS}
    return exp, contacts, trains, network(exp, contacts.values(), watch).fire(trains).run(0.02)


@pytest.mark.parametrize("pathway", [*PATHWAYS, "PYR_to_PYR_d"])
def test_each_spike_arrives_after_the_delay_with_its_own_release(delivered, pathway):
    """The second spike must not overwrite the first one's release before it is delivered; nor arrive elsewhere.

    A conductance that arrives at t is in the sample of the step after; between arrivals it decays by exp(-t/tau).
    """
    exp, contacts, trains, cells = delivered
    synapse = contacts[pathway]
    pathway = pathway.removesuffix("_d")
    source, target = split(pathway)
    dt, synapses = exp.numerics.dt.si, exp.numbers.synapses
    train = trains[synapse.source]
    delay = synapses.delay_excitation.si if source == "PYR" else synapses.delay_inhibition.si
    path, cell = getattr(exp.numbers.pathways, pathway), getattr(exp.numbers.cells, target)
    releases = plasticity(path, train) / path.U.value
    opened, k0 = gates(exp, target, train, plasticity(path, train))
    ratio = cell.NMDA_ratio.value / (path.U.value * k0)
    compartments = ("_d", "") if synapse.on_dendrite else ("", "_d")
    jumps = (
        {"AMPA": (releases, cell.tau_AMPA), "NMDA": (opened * ratio, cell.tau_NMDA)}
        if source == "PYR"
        else {"GABA": (releases, cell.tau_GABA_d if synapse.on_dendrite else cell.tau_GABA)}
    )
    for receptor in ("AMPA", "NMDA", "GABA"):
        here, other = (cells.trace(f"g_{receptor}{c}")[synapse.target] for c in compartments)
        assert not other.any()
        expected = np.zeros_like(here)
        for time, size in zip(train + delay, jumps.get(receptor, ([], None))[0], strict=False):
            since = cells.times - time
            expected += np.where(since > dt / 2, size * 1e-9 * np.exp(-(since - dt) / jumps[receptor][1].si), 0)
        np.testing.assert_allclose(here, expected, rtol=1e-9, atol=1e-24, err_msg=receptor)


def test_nothing_arrives_where_no_synapse_is(delivered):
    _, contacts, _, cells = delivered
    silent = sorted(set(range(sum(COUNTS.values()))) - {synapse.target for synapse in contacts.values()})
    assert len(silent) == len(POPULATIONS) + 3  # those that fire, and the interneurons to spare
    for receptor in ("AMPA", "NMDA", "GABA"):
        assert not cells.trace(f"g_{receptor}")[silent].any()


#: Means over pairs of the first-spike PSP at rest, mV: Campagnola et al. 2022, layer 2/3 where it is given.
CAMPAGNOLA = {
    "PYR_to_PYR": 0.26,
    "PYR_to_PV": 0.38,
    "PYR_to_SST": 0.30,
    "PYR_to_VIP": 0.61,
    "PV_to_PYR": 0.41,
    "PV_to_PV": 0.65,
    "PV_to_SST": 0.52,
    "PV_to_VIP": 0.60,
    "SST_to_PYR": 0.29,
    "SST_to_PV": 0.25,
    "SST_to_SST": 0.27,
    "SST_to_VIP": 0.34,
    "VIP_to_SST": 0.27,
    "VIP_to_PV": 0.20,
    "VIP_to_VIP": 0.26,
}
#: The model takes the median of PYR to SST (0.12 mV): the pair's mean is carried by its facilitated trials, and the
#: model's facilitation multiplies whatever the first spike is.
CAMPAGNOLA_MEDIAN = {"PYR_to_SST": 0.12}
#: In rat prefrontal cortex they are larger (Hass 2016: 0.84 to 0.95, 1.3 to 1.7 and 1.8 to 2.3 mV).
PREFRONTAL = {"PYR_to_PYR": 0.9, "PYR_to_PV": 1.5, "PV_to_PYR": 2.0}
PSP_FACTOR = 2
SETTLE = 0.4


@pytest.fixture(scope="module")
def psps():
    """Peak deviation of the somatic voltage after one spike, mV, by pathway; and of an apical synapse between PYR.

    In the cell of the model without drive or tonic receptors: excitation from -70 mV towards 0, inhibition from -55 mV
    towards -70, as the conductances were derived.
    """
    exp = rig.experiment("parameters.synapses.E_GABA=-70 mV")
    contacts = {name: contact(name, path.g.si) for name, path in exp.numbers.pathways}
    soma = contacts["PYR_to_PYR"]
    scale = exp.numbers.synapses.apical_scale.value
    contacts["apical"] = apical("PYR_to_PYR", scale * soma.weight)
    cells = network(exp, contacts.values(), ["v"])
    quiet = ("g_ext", "g_NMDA_ext", *(f"tonic_{k}" for k in TAGS))
    inhibited = [item.target for item in contacts.values() if item.source != soma.source]
    E_L = np.full(sum(COUNTS.values()), -70e-3)
    E_L[inhibited] = -55e-3
    cells.set(E_L=E_L, v=E_L, v_d=E_L, w=0.0, **{f"{name}{c}": 0.0 for name in quiet for c in ("", "_d")})
    cells.fire({rig.first(source, COUNTS): [SETTLE] for source in POPULATIONS}).run(SETTLE + 0.08)
    v, start = cells.trace("v") * 1e3, np.searchsorted(cells.times, SETTLE - 1e-9)
    return {name: np.abs(v[item.target, start:] - v[item.target, start]).max() for name, item in contacts.items()}


@pytest.mark.parametrize("pathway", CAMPAGNOLA)
def test_unitary_psps_are_those_of_cortex(psps, pathway):
    target = (CAMPAGNOLA | CAMPAGNOLA_MEDIAN | PREFRONTAL)[pathway]
    assert target / PSP_FACTOR < psps[pathway] < target * PSP_FACTOR


def test_an_apical_synapse_counts_at_the_soma_as_a_somatic_one(psps):
    """What `apical_scale` is for; within a fifth, because NMDA receptors of the dendrite see another voltage."""
    assert psps["apical"] == pytest.approx(psps["PYR_to_PYR"], rel=0.2)
