# SPDX-License-Identifier: GPL-3.0-or-later
"""Invariants of the network over random sizes, in-degrees, seeds and schedules."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from circuit import draw, network, receptors, schema
from circuit.config import load
from circuit.connectivity import fixed_in_degree
from circuit.course import segments
from circuit.populations import PATHWAYS, POPULATIONS, ranges, sizes, split
from circuit.subunits import TAGS

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"
seeds = st.integers(0, 2**32 - 1)
shares = st.lists(st.integers(1, 100), min_size=4, max_size=4).map(
    lambda parts: {name: part / sum(parts) for name, part in zip(POPULATIONS, parts, strict=True)}
)


@cache
def experiment(num_neurons: int, seed: int = 1, *overrides: str):
    return load(CONFIG, [f"network.num_neurons={num_neurons}", f"seed={seed}", *overrides])


@given(st.integers(500, 1_000_000), shares)
def test_sizes_add_up_and_ranges_tile(num_neurons, fractions):
    counts = sizes(num_neurons, fractions)
    where = ranges(counts)
    assert sum(counts.values()) == num_neurons and min(counts.values()) >= 1
    assert [where[name].stop - where[name].start for name in POPULATIONS] == [counts[name] for name in POPULATIONS]
    assert [where[name].start for name in POPULATIONS] == [0, *(where[name].stop for name in POPULATIONS[:-1])]
    # Interneurons are rounded to the nearest cell, and the pyramidal cells take up what that leaves.
    for name in POPULATIONS[1:]:
        assert abs(counts[name] - num_neurons * fractions[name]) <= max(0.5, 1 - num_neurons * fractions[name]) + 1e-6


@given(st.integers(1, 60), st.integers(1, 60), st.booleans(), seeds, st.data())
def test_in_degrees_are_exact_and_sources_distinct(num_sources, num_targets, recurrent, seed, data):
    if recurrent:
        num_targets = num_sources
    degree = data.draw(st.integers(0, num_sources - recurrent))
    i, j = fixed_in_degree(num_sources, num_targets, degree, recurrent, np.random.default_rng(seed))
    assert i.dtype == j.dtype == np.int32
    assert np.bincount(j, minlength=num_targets).tolist() == [degree] * num_targets
    assert len(set(zip(i.tolist(), j.tolist(), strict=True))) == i.size
    assert not i.size or 0 <= i.min() <= i.max() < num_sources
    assert not (recurrent and np.any(i == j))


@settings(max_examples=15)
@given(st.integers(1000, 4000), seeds, st.integers(1, 3))
def test_arrays_have_the_sizes_that_the_structure_counts(num_neurons, seed, num_columns):
    """What is drawn and what is compiled are counted in two places; an in-degree stays when the network grows."""
    exp = experiment(num_neurons, seed)
    shape, given_, one = network.structure(exp, num_columns), draw.arrays(exp), network.structure(exp)
    counts = dict(shape.num_cells)
    assert sum(counts.values()) == num_neurons
    for name, number in one.num_synapses:
        assert given_[f"{name}.i"].size == given_[f"{name}.j"].size == number
        assert given_[f"{name}.i"].dtype == given_[f"{name}.j"].dtype == np.int32
    assert shape.num_synapses == tuple((name, number * num_columns) for name, number in one.num_synapses)
    assert replace(shape, num_columns=1, num_synapses=one.num_synapses) == one
    per_cell = {value.size for name, value in given_.items() if name.startswith("cells.") and value.ndim}
    assert per_cell == {num_neurons}
    degrees = schema.in_degrees(exp.numbers) | {"PYR_to_PYR": schema.contacts(exp.numbers)}
    expected = sum(degrees[name] * counts[split(name)[1]] for name in PATHWAYS if split(name)[0] == "PYR")
    assert given_["excitation.i"].size + given_["spines.i"].size == expected


@settings(max_examples=15)
@given(st.integers(1000, 3000), seeds)
def test_edges_stay_in_their_populations(num_neurons, seed):
    """Sources of excitation are pyramidal and of inhibition are not; every target has the in-degree of each pathway.

    Among pyramidal cells it has as many potential contacts as the share of them with a spine asks for.
    """
    exp = experiment(num_neurons, seed)
    given_, counts = draw.arrays(exp), dict(network.structure(exp).num_cells)
    stops = np.cumsum([counts[name] for name in POPULATIONS])
    degrees = schema.in_degrees(exp.numbers) | {"PYR_to_PYR": schema.contacts(exp.numbers)}
    found = np.zeros((num_neurons, len(POPULATIONS)), dtype=int)
    for name in ("excitation", "inhibition", "spines"):
        i, j = given_[f"{name}.i"], given_[f"{name}.j"]
        source = np.searchsorted(stops, i, side="right")
        assert np.all((source == 0) == (name != "inhibition"))
        assert not np.any(i == j)
        np.add.at(found, (j, source), 1)
    owner = np.searchsorted(stops, np.arange(num_neurons), side="right")
    table = np.array([[degrees[f"{source}_to_{target}"] for source in POPULATIONS] for target in POPULATIONS])
    np.testing.assert_array_equal(found, table[owner])


@settings(max_examples=25)
@given(st.integers(500, 100_000), st.integers(0, 100))
def test_recorded_cells_are_in_their_populations_and_evenly_spread(num_neurons, number):
    counts = dict(network.structure(experiment(max(num_neurons, 1000))).num_cells)
    cells = network.recorded(tuple(counts.items()), number)
    assert np.all(np.diff(cells) > 0)
    for where in ranges(counts).values():
        size = where.stop - where.start
        mine = cells[(cells >= where.start) & (cells < where.stop)]
        assert mine.size == min(number, size)
        if mine.size > 1:
            assert np.ptp(np.diff(mine)) <= 1


levels = st.lists(st.integers(0, 1000), min_size=1, max_size=8)


@settings(max_examples=25)
@given(levels, st.data())
def test_the_schedule_is_within_half_a_sample_of_what_was_asked(amounts, data):
    """Any steps: the sampled schedule holds each level from its step on, to within half a sample either way."""
    exp = experiment(1000)
    onset, end, dt = exp.drug_onset.si, exp.duration.si, exp.numerics.dt.si
    steps = range(round(onset / dt), round(end / dt))
    times = sorted(data.draw(st.sets(st.sampled_from(steps), min_size=len(amounts), max_size=len(amounts))))
    text = ", ".join(
        f"{{time: {step / 10:g} ms, concentration: {amount} uM}}" for step, amount in zip(times, amounts, strict=True)
    )
    exp = experiment(1000, 1, f"drug.schedule=[{text}]")
    values = draw.column(exp, 10, segments(exp)[0])["drug_schedule.values"][:, 0] * 1e3
    sample = end / draw.SCHEDULE_SAMPLES
    middle = (np.arange(values.size) + 0.5) * sample
    clear = np.abs(middle[:, None] - np.array(times) * dt).min(axis=1) > 1e-9
    expected = [next((a for s, a in zip(times[::-1], amounts[::-1], strict=True) if m >= s * dt), 0) for m in middle]
    np.testing.assert_allclose(values[clear], np.array(expected, dtype=float)[clear], rtol=1e-12)


concentrations = st.floats(1e-6, 1.0)
voltages = st.floats(-0.1, 0.02)


@given(concentrations, concentrations, voltages, voltages, st.floats(0.01, 10))
def test_block_rises_with_dose_and_is_a_fraction(one, other, v, w, Mg):
    """Of the shipped classes; and magnesium's block falls as the cell depolarises."""
    numbers = experiment(1000).numbers
    drug, slope = numbers.drugs.ketamine, numbers.receptors.slope_Mg.si
    low, high = sorted((one, other))
    for tag in TAGS:
        name = f"GluN2{tag}"
        K = getattr(numbers.receptors, name).K_Mg.si * np.exp(-slope * numbers.receptors.V_Mg.si)
        B, C = (float(receptors.magnesium_unblocked(x, Mg, K, slope)) for x in sorted((v, w)))
        assert 0 < B <= C < 1
        k_on, k_off = drug.k_on.si, drug.k_on.si * getattr(drug, name).IC50.si
        blocks = [float(receptors.block_steady_state(c, B, k_on, k_off)) for c in (low, high)]
        assert 0 < blocks[0] <= blocks[1] < 1
        half = k_off / (k_on * B)
        assert abs(float(receptors.block_steady_state(half, B, k_on, k_off)) - 0.5) < 1e-12


@given(st.floats(1, 5000), st.floats(1e-4, 0.02), st.floats(0.021, 2.0), st.integers(1, 200), st.floats(1e-3, 0.2))
def test_the_gate_saturates(alpha, tau_rise, tau_decay, spikes, interval):
    """However fast the train, the gate stays below its fixed point k0/|k1|, and each spike opens less than the last."""
    k0, k1 = receptors.gate_jump(alpha, tau_rise, tau_decay)
    assert k0 > 0 and -1 <= k1 < 0
    s, opened = 0.0, []
    for _ in range(spikes):
        opened.append(k0 + k1 * s)
        s = (s + opened[-1]) * np.exp(-interval / tau_decay)
    assert 0 <= s <= k0 / -k1 * (1 + 1e-12)
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in zip(opened, opened[1:], strict=False))
