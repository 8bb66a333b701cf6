# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a clamped cell, counted from spikes and contacts that are known."""

from __future__ import annotations

import numpy as np
import pytest

from circuit import clamp, draw, schema
from circuit.config import load
from circuit.errors import ResultsError
from circuit.populations import ranges, sizes
from circuit.subunits import CLASSES
from gpu import clamped
from gpu.layout import RunData
from gpu.results import write


def test_a_first_spike_releases_its_utilisation_and_the_next_less_or_more():
    # Without facilitation: R before the second spike is 1 - U exp(-t/tau). Without depression: u grows by U (1 - U).
    U, times, cell = np.array([0.4, 0.1]), np.array([0.0, 0.0, 0.05, 0.05]), np.array([0, 1, 0, 1])
    found = clamp.released(times, cell, U, np.array([0.2, 1e-9]), np.array([1e-9, 0.3]), np.ones(4))
    second = 0.4 * (1 - 0.4 * np.exp(-0.05 / 0.2)), 0.1 + 0.1 * 0.9 * np.exp(-0.05 / 0.3)
    assert found == pytest.approx([0.4, 0.1, *second])


def test_the_order_of_the_spikes_does_not_matter():
    random = np.random.default_rng(1)
    times, cell = random.uniform(0, 3, 300), random.integers(0, 7, 300)
    constants = random.uniform(0.1, 0.6, 8), random.uniform(0.1, 0.5, 8), random.uniform(0.1, 0.5, 8)
    share = random.uniform(0.5, 1, 300)
    found, order = clamp.released(times, cell, *constants, share), random.permutation(300)
    assert clamp.released(times[order], cell[order], *constants, share[order]) == pytest.approx(found[order])
    assert clamp.released(np.empty(0), np.empty(0, int), *constants, np.empty(0)).size == 0


def test_a_regular_train_settles_where_tsodyks_and_markram_say():
    U, tau, interval = 0.5, 0.4, 0.1
    found = clamp.released(
        np.arange(80) * interval, np.zeros(80, int), np.array([U]), np.array([tau]), np.array([1e-9]), np.ones(80)
    )
    left = np.exp(-interval / tau)
    assert found[-1] == pytest.approx(U * (1 - left) / (1 - (1 - U) * left))


def test_every_spike_is_an_event_at_each_contact_of_its_cell():
    source, conductance = np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0])
    found = clamp.events(source, conductance, np.array([2, 0, 1, 2]), np.array([1.0, 0.5, 9.0, 0.25]))
    assert found.tolist() == [1, 0.25, 1, 3, 0.75]
    assert clamp.events(source[:0], conductance[:0], np.array([2]), np.ones(1)).size == 0


def test_small_events_are_not_seen():
    found = clamp.seen(np.array([0.05e-9, 0.1e-9, 0.3e-9]), -0.07, num_cells=2, duration=0.5)
    assert found.frequency == 2 and found.amplitude == pytest.approx(14e-12)
    none = clamp.seen(np.empty(0), 0.07, 2, 0.5)
    assert none.frequency == 0 and np.isnan(none.amplitude)


# Of a whole run, with spikes that are made up


def run(tmp_path, *overrides, name="run"):
    """A run of 1,000 cells in which each fires once a second, so that all terminals are at rest or nearly so."""
    config = clamped.__file__.replace("gpu/clamped.py", "configs/smoke.yaml")
    phases = [f"protocol.t_{phase}" for phase in ("settle=1 s", "baseline=2 s", "transition=1 s", "drug=2 s")]
    exp = load(config, [*phases, *overrides])
    counts = sizes(1000, schema.fractions(exp.numbers))
    random, slow = np.random.default_rng(1), np.arange(0, exp.duration.si, 0.01)
    seconds = np.arange(6)
    step = (10_000 * seconds + random.integers(0, 1000, size=(1000, 1))).ravel()
    data = RunData(
        dt=1e-4,
        duration=exp.duration.si,
        sizes=counts,
        spikes_step=step,
        spikes_cell=np.repeat(np.arange(1000), 6),
        column={"time": slow, "glutamate": 1 + 0 * slow, "ampa_throughput": 1 + 0 * slow},
        block={"time": slow, "fraction": np.zeros((4, 4, slow.size))},
        classes=CLASSES,
        lfp={"time": slow} | dict.fromkeys(("excitatory", "inhibitory", "lfp"), 0 * slow),
    )
    return exp, write(tmp_path / name, exp, data, {"status": "complete"})


def test_a_run_has_as_many_events_as_spikes_times_contacts(tmp_path):
    exp, results = run(tmp_path, "drug.name=none", "drug.concentration=null")
    found = results.clamped("PYR") | clamped.clamped(results, "PYR", smallest=0.0)
    numbers = exp.numbers
    degrees, counts = schema.in_degrees(numbers), results.sizes
    # One spike a second at each contact.
    inhibitory = sum(degrees[f"{source}_to_PYR"] for source in ("PV", "SST", "VIP"))
    assert found["sIPSC_frequency_PYR_baseline_hz"] == inhibitory
    drawn = draw.contacts(numbers, counts, exp.seed)
    cells = np.arange(clamped.SAMPLE) * counts["PYR"] // clamped.SAMPLE + ranges(counts)["PYR"].start
    there = np.isin(drawn["spines.j"], cells) & (drawn["spines.efficacy"] > 0)
    assert found["sEPSC_frequency_PYR_baseline_hz"] == pytest.approx(there.sum() / clamped.SAMPLE)
    conductance = ((drawn["spines.weight"] + drawn["spines.weight_d"]) * drawn["spines.efficacy"])[there]
    held = abs(clamp.HELD_FOR_EXCITATION - numbers.synapses.E_exc.si)
    # Autoreceptors take the same share of each, and a second after a spike little of its depression is left.
    share = found["sEPSC_amplitude_PYR_baseline_pA"] / (1e12 * held * conductance.mean())
    bound = 1 / numbers.glutamate.mGluR_EC50.to("uM")
    left = 1 - numbers.glutamate.mGluR_max.si / (1 + bound ** -numbers.glutamate.mGluR_hill.si)
    assert share == pytest.approx(left, rel=0.05)


def test_a_drug_at_the_synapse_is_seen_in_its_amplitude_alone(tmp_path):
    drug = ["drug.name=NBQX", "drug.concentration=1 uM"]
    exp, results = run(tmp_path, *drug)
    found = clamped.clamped(results, "PYR", smallest=0.0)
    blocker = exp.numbers.drugs.NBQX
    left = 1 - blocker.max_effect.si / (1 + (blocker.EC50.to("uM") / 1.0) ** blocker.hill.si)
    before, under = (found[f"sEPSC_amplitude_PYR_{window}_pA"] for window in ("baseline", "drug"))
    assert under / before == pytest.approx(left, rel=0.02)  # depression goes on settling a little
    assert found["sIPSC_amplitude_PYR_drug_pA"] == pytest.approx(found["sIPSC_amplitude_PYR_baseline_pA"], rel=0.05)
    assert found["sEPSC_frequency_PYR_drug_hz"] == found["sEPSC_frequency_PYR_baseline_hz"]


def test_interneurons_can_be_clamped_and_what_is_not_there_cannot(tmp_path):
    exp, results = run(tmp_path)
    degree = schema.in_degrees(exp.numbers)["PYR_to_PV"]
    assert clamped.clamped(results, "PV", smallest=0.0)["sEPSC_frequency_PV_baseline_hz"] == degree
    with pytest.raises(ResultsError, match="no population 'LHX6'; it has PYR"):
        results.clamped("LHX6")
