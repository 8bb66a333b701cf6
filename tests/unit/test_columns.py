# SPDX-License-Identifier: GPL-3.0-or-later
"""Several columns in one network: put together, taken apart, and what they must share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import columns, draw, network
from circuit.config import load

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"


def experiments(*overrides: str) -> list:
    return [load(CONFIG, (f"seed={seed}", f"drug.concentration={seed} uM", *overrides)) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def parts() -> list[draw.Arrays]:
    return [draw.arrays(exp) for exp in experiments()]


def test_each_column_is_where_it_was_put(parts) -> None:
    stacked = columns.stack(parts, 1000)
    for name, values in stacked.items():
        own = [part[name] for part in parts]
        if name == columns.SCHEDULE:
            np.testing.assert_array_equal(values, np.concatenate(own, axis=1))
        elif own[0].ndim and not name.endswith((".i", ".j")):
            np.testing.assert_array_equal(np.split(values, 3), own)


def test_no_edge_leaves_its_column(parts) -> None:
    stacked = columns.stack(parts, 1000)
    for name in ("excitation", "inhibition"):
        i, j = stacked[f"{name}.i"], stacked[f"{name}.j"]
        np.testing.assert_array_equal(i // 1000, j // 1000)
        np.testing.assert_array_equal(i % 1000, np.concatenate([part[f"{name}.i"] for part in parts]))
        np.testing.assert_array_equal(j % 1000, np.concatenate([part[f"{name}.j"] for part in parts]))
    np.testing.assert_array_equal(stacked["readout.i"] // 1000, stacked["readout.j"])


def test_sizes_are_those_of_the_structure(parts) -> None:
    shape = network.structure(experiments()[0], 3)
    stacked = columns.stack(parts, shape.column_cells)
    for name, number in shape.num_synapses:
        assert stacked[f"{name}.i"].size == number
    assert stacked["cells.v"].size == 3 * shape.column_cells


def test_one_column_is_a_single_run(parts) -> None:
    for name, values in columns.stack(parts[:1], 1000).items():
        np.testing.assert_array_equal(values, parts[0][name])


def test_columns_that_differ_in_what_they_share_are_refused() -> None:
    differing = [draw.arrays(load(CONFIG, (f"parameters.receptors.Mg={Mg} mM",))) for Mg in (1, 2)]
    with pytest.raises(ValueError, match="the columns of one network share Mg_ratio_A"):
        columns.stack(differing, 1000)


def test_records_are_taken_apart() -> None:
    rng = np.random.default_rng()
    cell = rng.integers(0, 30, 200).astype(np.int32)
    outputs = {
        "spikes.i": cell,
        "spikes.t": np.sort(rng.random(200)),
        "column_trace.t": np.arange(5.0),
        "column_trace.glutamate": np.arange(15.0).reshape(3, 5),
        "block_trace.block_A": np.arange(30.0).reshape(6, 5),
    }
    taken = [columns.take(outputs, c, 3, 10) for c in range(3)]
    np.testing.assert_array_equal(taken[1]["spikes.i"], cell[(cell >= 10) & (cell < 20)] - 10)
    np.testing.assert_array_equal(taken[2]["column_trace.glutamate"], [[10, 11, 12, 13, 14]])
    np.testing.assert_array_equal(taken[0]["block_trace.block_A"], np.arange(10.0).reshape(2, 5))
    assert sum(part["spikes.t"].size for part in taken) == 200
