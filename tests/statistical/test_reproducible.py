# SPDX-License-Identifier: GPL-3.0-or-later
"""The same seed gives the same spikes, another seed others, and what a study varies compiles nothing anew. Exact."""

from __future__ import annotations

import numpy as np
import pytest

from tests.statistical.conftest import experiment, perform, seeds

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

SHORT = {"settle": "0.1 s", "baseline": "0.3 s", "transition": "0.1 s", "drug": "0.3 s"}
#: What is varied: the whole run must be found, not compiled.
VARIED = {
    "again": (),
    "seed": None,
    "dose": ("drug.concentration=30 uM",),
    "schedule": ("drug.schedule=[{time: 0.4 s, concentration: 3 uM}, {time: 0.6 s, concentration: 0 uM}]",),
    "no drug": ("drug.name=none",),
    "acceleration": ("numerics.block_acceleration=500",),
    "duration": ("protocol.t_drug=0.5 s",),
    "rates": ("parameters.cells.PYR.mean_ext=1.3 nS",),
    "weights": ("parameters.pathways.PV_to_PYR.g=2 nS",),
    "kinetics": ("parameters.drugs.ketamine.k_on=0.1 /uM/s",),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A short run, and one with each change, in this order."""
    seed = seeds()[0]
    exps = {"first": short(seed)}
    exps |= {name: short(seed, *change) if change is not None else short(seed + 1) for name, change in VARIED.items()}
    done = perform(list(exps.values()), tmp_path_factory.mktemp("short"))
    return dict(zip(exps, done, strict=True))


def short(seed, *overrides):
    """The shipped experiment in 0.8 s, phases as in `SHORT` unless overridden."""
    changed = {override.partition("=")[0] for override in overrides}
    phases = [f"protocol.t_{name}={length}" for name, length in SHORT.items() if f"protocol.t_{name}" not in changed]
    return experiment(f"seed={seed}", *phases, *overrides)


def test_the_same_seed_gives_the_same_spikes(results):
    """And everything else that is recorded: the file is the same, byte for byte."""
    first, again = results["first"], results["again"]
    assert first.spikes()[0].size > 500
    for one, two in zip(first.spikes(), again.spikes(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert first.manifest["sha256"] == again.manifest["sha256"]


@pytest.mark.parametrize("change", [name for name in VARIED if name != "again"])
def test_every_change_reaches_the_run(results, change):
    """From when it can: a change of the drug leaves the spikes before its onset as they were."""
    first, other = results["first"], results[change]
    early = [run.spikes()[0][run.spikes()[0] < 0.4 - 1e-9] for run in (first, other)]
    late = [run.spikes()[0][run.spikes()[0] >= 0.4 - 1e-9] for run in (first, other)]
    assert not np.array_equal(*late)
    if change in ("dose", "schedule", "no drug", "acceleration", "duration", "kinetics"):
        np.testing.assert_array_equal(*early)
    else:
        assert not np.array_equal(*early)


def test_nothing_was_compiled_but_the_first(results):
    """One program for all, found by the runs after the one that made it."""
    assert len({run.manifest["build"]["hash"] for run in results.values()}) == 1


def test_a_later_run_finds_the_program(results, tmp_path):
    """Its manifest says so, and finding it takes a fraction of a second."""
    (found,) = perform([short(seeds()[0] + 17, "drug.concentration=7 uM")], tmp_path)
    assert found.manifest["build"] == {"hash": results["first"].manifest["build"]["hash"], "compiled": False}
    assert found.manifest["timings"]["build_s"] < 1
