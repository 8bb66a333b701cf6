# SPDX-License-Identifier: GPL-3.0-or-later
"""The textbook program that we are timed against (benchmarks/peers) simulates our network.

Without noise, both are given the same cells, edges, weights and state. They differ in form alone: per-synapse against
presynaptic gates, one object a pathway against two, block by its differential equation against steps of 5 ms. So their
voltages part by microvolts before the first synapse is reached; later, spikes part one by one, as in any two programs,
and populations stay together. Nothing is random here: the bounds are three to ten times what was found.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from circuit import draw, network, schema
from circuit.config import load
from circuit.populations import POPULATIONS, ranges, sizes
from gpu import build, devices, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: No noise, and a mean drive under which every population fires without it.
STRONG = {"drive.sd": "0", "cells.PYR.mean_ext": "3 nS", "cells.SST.mean_ext": "1 nS", "cells.VIP.mean_ext": "1.2 nS"}
STRONG |= {f"cells.{population}.{key}": "0" for population in ("PYR", "PV") for key in ("slow_ext", "shared_ext")}
STRONG |= {"cells.PYR.slow_ext_d": "0"}
OVERRIDES = [f"parameters.{key}={value}" for key, value in STRONG.items()]
CELLS = 1000


def textbook(folder: Path, seconds: float, gate: str) -> dict[str, np.ndarray]:
    """Final state and spikes of the textbook program."""
    command = [sys.executable, str(ROOT / "benchmarks" / "peers" / "textbook_brian2.py"), "interpret", str(folder)]
    command += ["--cells", str(CELLS), "--seconds", str(seconds), "--gate", gate]
    command += [word for setting in OVERRIDES for word in ("--set", setting)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    with np.load(folder / "state.npz") as file:
        return dict(file)


def ours(folder: Path, seconds: float, builds: Path) -> dict[str, np.ndarray]:
    """Final state and spikes of this program, by the same names."""
    half = f"{seconds / 2:g} s"
    times = [f"protocol.{key}=0 s" for key in ("t_settle", "t_transition")]
    times += [f"protocol.{key}={half}" for key in ("t_baseline", "t_drug")]
    exp = load(ROOT / "configs" / "ketamine.yaml", [f"network.num_neurons={CELLS}", *times, *OVERRIDES])
    program = build.find_or_build(network.structure(exp), devices.choose("numpy"), builds, lambda sentence: None)
    keys = ("v", "v_d", "g_NMDA")
    done = run.execute(program, draw.arrays(exp), exp.duration.si, 1, folder, final=[f"cells.{key}" for key in keys])
    where, cell = ranges(sizes(CELLS, schema.fractions(exp.numbers))), done.outputs["spikes.i"]
    found = {f"{name}.{key}": done.final[f"cells.{key}"][at] for name, at in where.items() for key in keys}
    return found | {f"{name}.num_spikes": np.sum((cell >= at.start) & (cell < at.stop)) for name, at in where.items()}


def test_voltages_are_ours_before_the_first_synapse_is_reached(tmp_path: Path, builds: Path) -> None:
    """At 1 ms, less than the shortest delay but for the cells that start above threshold; median over cells."""
    (tmp_path / "ours").mkdir()
    mine, theirs = ours(tmp_path / "ours", 0.001, builds), textbook(tmp_path, 0.001, "event")
    for name in POPULATIONS:
        for key in ("v", "v_d"):
            apart = np.abs(mine[f"{name}.{key}"] - theirs[f"{name}.{key}"])
            assert np.median(apart) < 30e-6, (name, key)


@pytest.mark.parametrize("gate", ["event", "clock"])
def test_populations_are_ours_after_hundreds_of_spikes(gate: str, tmp_path: Path, builds: Path) -> None:
    (tmp_path / "ours").mkdir()
    mine, theirs = ours(tmp_path / "ours", 0.1, builds), textbook(tmp_path, 0.1, gate)
    for name in POPULATIONS:
        spikes = int(mine[f"{name}.num_spikes"])
        assert spikes > 50, name
        assert abs(int(theirs[f"{name}.num_spikes"]) - spikes) < max(0.05 * spikes, 4 * spikes**0.5), name
        assert theirs[f"{name}.g_NMDA"].sum() == pytest.approx(mine[f"{name}.g_NMDA"].sum(), rel=0.15), name
    all_mine, all_theirs = (sum(int(one[f"{name}.num_spikes"]) for name in POPULATIONS) for one in (mine, theirs))
    assert all_theirs == pytest.approx(all_mine, rel=0.1)
