# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and units: what the program recorded over all cells, summed up by population, against sums by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import draw, measures, network
from circuit.config import load
from circuit.populations import POPULATIONS, ranges
from circuit.subunits import CLASSES, TAGS
from gpu import record

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"
SAMPLES, BLOCK_TIMES = 50, 7


@pytest.fixture(scope="module")
def exp():
    return load(CONFIG, ["recording.num_traced=3"])


@pytest.fixture(scope="module")
def shape(exp):
    return network.structure(exp)


@pytest.fixture(scope="module")
def given(exp):
    return draw.arrays(exp)


@pytest.fixture(scope="module")
def outputs(shape):
    """Made-up records of the shapes that the program returns, SI units."""
    rng = np.random.default_rng()
    counts = dict(shape.num_cells)
    sampled = network.recorded(shape.num_cells, network.BLOCK_SAMPLE).size
    traced = network.recorded(shape.num_cells, shape.num_traced).size
    step = rng.integers(0, 10_000, 200)
    found = {"spikes.i": rng.integers(0, sum(counts.values()), 200, dtype=np.int32), "spikes.t": step * shape.dt}
    found["column_trace.t"] = np.arange(SAMPLES) * shape.column_step
    for name in ("glutamate", "vesicular", "conc_drug", "I_AMPA_sum", "I_exc_sum", "I_inh_sum"):
        found[f"column_trace.{name}"] = rng.normal(size=(1, SAMPLES)) * 1e-9
    found["block_trace.t"] = np.arange(BLOCK_TIMES) * shape.trace_step
    for k in TAGS:
        for c in ("", "_d"):
            found[f"block_trace.block_{k}{c}"] = rng.random((sampled, BLOCK_TIMES))
    found["voltage_trace.t"] = found["column_trace.t"]
    for name in ("v", "v_d"):
        found[f"voltage_trace.{name}"] = rng.normal(-65e-3, 5e-3, (traced, SAMPLES))
    return found


@pytest.fixture(scope="module")
def data(exp, shape, given, outputs):
    return record.run_data(exp, shape, given, outputs, 0.25)


def test_times_are_whole_steps_and_cells_stay_in_order(data, shape, outputs):
    assert data.spikes_step.dtype == np.int64
    np.testing.assert_allclose(data.spikes_step * shape.dt, outputs["spikes.t"], atol=shape.dt * 1e-6)
    np.testing.assert_array_equal(data.spikes_cell, outputs["spikes.i"])


def test_an_interrupted_run_lasted_as_long_as_it_did(data, exp):
    assert data.duration == pytest.approx(exp.duration.si / 4)


def test_column_is_in_its_units(data, outputs, shape):
    """mM to uM, and summed A to pA (pC/s) a pyramidal cell; an inward AMPA current is a positive throughput."""
    num_PYR = dict(shape.num_cells)["PYR"]
    np.testing.assert_allclose(data.column["glutamate"], outputs["column_trace.glutamate"][0] * 1000)
    np.testing.assert_allclose(data.column["vesicular_release"], outputs["column_trace.vesicular"][0] * 1000)
    np.testing.assert_allclose(data.column["drug_concentration"], outputs["column_trace.conc_drug"][0] * 1000)
    expected = -outputs["column_trace.I_AMPA_sum"][0] * 1e12 / num_PYR
    np.testing.assert_allclose(data.column["ampa_throughput"], expected)


def test_field_potential_is_the_proxy_of_the_mean_currents(data, exp, shape, outputs):
    per_cell = 1e12 / dict(shape.num_cells)["PYR"]
    excitatory, inhibitory = (outputs[f"column_trace.I_{kind}_sum"][0] * per_cell for kind in ("exc", "inh"))
    np.testing.assert_allclose(data.lfp["excitatory"], excitatory)
    np.testing.assert_allclose(data.lfp["inhibitory"], inhibitory)
    lag = round(exp.numbers.readout.lfp_delay.to("ms") / (shape.column_step * 1e3))
    assert lag > 0
    proxy = measures.lfp_proxy(excitatory, inhibitory, lag, exp.numbers.readout.lfp_GABA_weight.value)
    np.testing.assert_allclose(data.lfp["lfp"], proxy)
    t = SAMPLES - 1
    by_hand = abs(excitatory[t - lag]) + exp.numbers.readout.lfp_GABA_weight.value * abs(inhibitory[t])
    assert data.lfp["lfp"][t] == pytest.approx(by_hand)


@pytest.mark.parametrize("population", POPULATIONS)
def test_block_is_the_mean_weighted_by_conductance(data, exp, shape, given, outputs, population):
    """By a loop over the recorded cells and both compartments; NaN for a class that the population lacks."""
    p = POPULATIONS.index(population)
    cells = network.recorded(shape.num_cells, network.BLOCK_SAMPLE)
    where = ranges(dict(shape.num_cells))[population]
    mix = [getattr(getattr(exp.numbers.cells, population), f"fraction_{name}").value for name in CLASSES]
    for k, (tag, share) in enumerate(zip(TAGS, mix, strict=True)):
        assert data.block["share"][p, k] == pytest.approx(share)
        if share == 0:
            assert np.isnan(data.block["fraction"][p, k]).all()
            continue
        blocked, total = np.zeros(BLOCK_TIMES), 0.0
        for row, cell in enumerate(cells):
            for c in ("", "_d"):
                if where.start <= cell < where.stop:
                    weight = given[f"cells.g_NMDA_max{c}"][cell] + given[f"cells.g_tonic_max{c}"][cell]
                    blocked += weight * outputs[f"block_trace.block_{tag}{c}"][row]
                    total += weight
        np.testing.assert_allclose(data.block["fraction"][p, k], blocked / total, rtol=1e-12)
    assert data.classes == CLASSES


def test_voltages_are_in_mV_with_the_cells_they_belong_to(data, shape, outputs):
    np.testing.assert_allclose(data.voltage["soma"], outputs["voltage_trace.v"] * 1000)
    np.testing.assert_allclose(data.voltage["dendrite"], outputs["voltage_trace.v_d"] * 1000)
    np.testing.assert_array_equal(data.voltage["cell"], network.recorded(shape.num_cells, 3))


def test_a_run_without_traced_cells_has_no_voltages(exp, shape, given, outputs):
    bare = {name: values for name, values in outputs.items() if not name.startswith("voltage_trace")}
    assert record.run_data(exp, shape, given, bare, 1.0).voltage == {}
