# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled network against the interpreted one: same arrays, no noise, until chaos shows.

The drive is constant, so that the two differ by rounding alone: the revised loops (gpu/cpp_code.py) and -ffast-math
reorder sums and take a vector exp good to some 1e-15. The fastest growth is a cell's own near threshold, a factor e
every 0.2 ms at most and only within a millisecond of a spike; 1e-9 V over 50 ms leaves room for it, and is 1e4 times
less than one step of integration is off.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import draw, network
from circuit.config import load
from gpu import build, devices, run

pytestmark = pytest.mark.gcc

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"
DURATION = 0.05
#: Drug, block and glutamate take part from the start.
OVERRIDES = (
    "parameters.drive.sd=0",
    *(f"parameters.cells.{key}=0" for key in ("PYR.slow_ext", "PYR.slow_ext_d", "PV.slow_ext")),
    "parameters.cells.PYR.mean_ext=2.2 nS",
    "protocol.t_settle=0 s",
    "protocol.t_baseline=0.01 s",
    "protocol.t_transition=0 s",
    "protocol.t_drug=0.04 s",
    "drug.concentration=30 uM",
)


@pytest.fixture(scope="module")
def outputs(builds, tmp_path_factory):
    """What each device recorded of the same run."""
    exp = load(CONFIG, OVERRIDES)
    shape, given = network.structure(exp), draw.arrays(exp)
    found = {}
    for name in ("cpp", "numpy"):
        program = build.find_or_build(shape, devices.choose(name), builds, lambda line: None)
        found[name] = run.execute(program, given, DURATION, exp.seed, tmp_path_factory.mktemp(name)).outputs
    return found


def test_spikes_are_the_same(outputs):
    compiled, interpreted = (
        np.lexsort((found["spikes.i"], np.rint(found["spikes.t"] / 1e-4))) for found in outputs.values()
    )
    assert compiled.size == interpreted.size > 200
    for name in ("spikes.i", "spikes.t"):
        np.testing.assert_array_equal(outputs["cpp"][name][compiled], outputs["numpy"][name][interpreted])


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        *((f"voltage_trace.{v}", 1e-9) for v in ("v", "v_d")),
        *((f"column_trace.{key}", 1e-9) for key in ("glutamate", "conc_drug")),
        *((f"block_trace.block_{k}{c}", 1e-9) for k in "ABCD" for c in ("", "_d")),
    ],
)
def test_records_are_the_same(outputs, name, bound):
    """V, mM and fractions; and there is something to compare."""
    compiled, interpreted = (found[name] for found in outputs.values())
    assert np.ptp(compiled) > 1e-5
    np.testing.assert_allclose(compiled, interpreted, atol=bound, rtol=0)


@pytest.mark.parametrize("name", ["I_AMPA_sum", "I_exc_sum", "I_inh_sum"])
def test_summed_currents_are_the_same(outputs, name):
    compiled, interpreted = (found[f"column_trace.{name}"] for found in outputs.values())
    np.testing.assert_allclose(compiled, interpreted, rtol=1e-7)
