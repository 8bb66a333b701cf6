# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit on two devices, to be compared: built, run with the same values, spikes in one order."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from circuit import columns, course, draw, network
from circuit.config import load
from gpu import build, progress, run, toolchain
from gpu.cache import cache_folder
from gpu.devices import Device

SMOKE = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"
#: Without noise, since the two devices draw other; and with a mean of the afferents at which cells fire all the same.
STEADY = {"PYR.slow_ext": "0", "PYR.slow_ext_d": "0", "PV.slow_ext": "0", "PYR.mean_ext": "0.85 nS"}
NO_NOISE = ("parameters.drive.sd=0", *(f"parameters.cells.{key}={value}" for key, value in STEADY.items()))


def simulate(
    device: Device,
    overrides: tuple[str, ...],
    duration_s: float,
    seeds: tuple[int, ...] = (1,),
    noise_seed: int = 1,
    on_progress: progress.OnProgress = progress.ignore,
    segment: course.Segment | None = None,
    changes: Mapping[str, np.ndarray] = MappingProxyType({}),
    final: tuple[str, ...] = (),
) -> run.RawRun:
    """Run the smoke config's circuit, with all that a program can have, one column for each seed of the network.

    A `segment` of slow biology may be run, `changes` to its values made, and `final` values asked for. The outputs also
    hold, as "initial.noise" and "final.noise", the noise of all cells' afferents.
    """
    exps = [load(str(SMOKE), (*overrides, f"seed={seed}")) for seed in seeds]
    shape = replace(network.structure(exps[0], len(exps)), slow=True, plastic=True)
    program = build.find_or_build(shape, device, cache_folder(), lambda line: None)
    given = columns.stack([draw.arrays(exp, segment) for exp in exps], shape.column_cells) | changes
    with tempfile.TemporaryDirectory() as folder:
        names = ("cells.noise", "cells.noise_d")
        raw = run.execute(program, given, duration_s, noise_seed, Path(folder), on_progress, (*final, *names))
    noise = np.concatenate([raw.final[name] for name in names])
    initial = np.concatenate([given[name] for name in names])
    return replace(raw, outputs=raw.outputs | {"initial.noise": initial, "final.noise": noise})


def plain(device: Device) -> Device:
    """The same device with arithmetic by the rules, without fast-math; and compiled in less time."""
    flags = tuple(flag for flag in device.toolchain.flags if flag not in ("-ffast-math", "-use_fast_math", "-O3"))
    changes = {"flags": flags, "fingerprint": f"{device.toolchain.fingerprint} plain"}
    if isinstance(device.toolchain, toolchain.Toolchain):
        changes["link_flags"] = ()
    return replace(device, toolchain=replace(device.toolchain, **changes))


def spikes(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Times and cells, shape (2, num_spikes), by time and then by cell."""
    times, cells = outputs["spikes.t"], outputs["spikes.i"]
    return np.stack([times, cells])[:, np.lexsort((cells, times))]


def traces(outputs: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the recorded series."""
    return [name for name in outputs if "_trace." in name and not name.endswith(".t")]


def assert_equal(one: run.RawRun, other: run.RawRun, tolerance: float) -> None:
    """Assert the same spikes, and traces that differ by no more than `tolerance` of the largest value."""
    np.testing.assert_array_equal(spikes(one.outputs), spikes(other.outputs))
    for name in traces(one.outputs):
        largest = np.abs(other.outputs[name]).max()
        np.testing.assert_allclose(one.outputs[name], other.outputs[name], atol=tolerance * largest, rtol=0)


def assert_noise(raw: run.RawRun, decay: float) -> None:
    """Assert that an Ornstein-Uhlenbeck process that began at its equilibrium is there, and went on for its time.

    With `decay` its autocorrelation over the run. Each of the three bounds, of five standard errors, fails for one seed
    in two million.
    """
    initial, final = raw.outputs["initial.noise"], raw.outputs["final.noise"]
    error = 5 / np.sqrt(final.size)
    assert abs(final.mean()) < error
    assert abs(final.var() - 1) < np.sqrt(2) * error
    assert abs(np.mean(initial * final) - decay) < np.sqrt(1 + decay**2) * error
