# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated CUDA program computes what the C++ program does, on a processor that plays the GPU.

Everything but the GPU itself is the real thing: what brian2cuda writes, what we change in it, how it is told values and
what it leaves. Without noise the two programs agree up to rounding. What only a GPU shows is in test_parity.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from circuit import course, signalling
from circuit.config import load
from gpu import build, devices, run
from gpu.cache import cache_folder
from gpu.devices import Device
from tests.cuda import emulation
from tests.cuda.circuits import NO_NOISE, SMOKE, assert_equal, assert_noise, plain, simulate, spikes
from tests.runner import toy

pytestmark = [pytest.mark.gcc, pytest.mark.slow]

# Rounding of the two programs, whose sums are in another order; so little that no spike is moved within the tests.
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def cpu() -> Device:
    return plain(devices.choose("cpp"))


@pytest.fixture(scope="module")
def cuda() -> Device:
    return emulation.device()


def test_the_circuit_is_the_same_on_both(cpu: Device, cuda: Device):
    """Over a second, with the drug's onset."""
    runs = [simulate(device, NO_NOISE, 1.0) for device in (cuda, cpu)]
    assert spikes(runs[0].outputs).shape[1] > 50
    assert_equal(*runs, TOLERANCE)


def test_columns_in_single_precision_are_the_same_on_both(cpu: Device, cuda: Device):
    """For so long that rounding does not yet move a spike."""
    overrides = (*NO_NOISE, "numerics.precision=single")
    runs = [simulate(device, overrides, 0.2, seeds=(1, 2)) for device in (cuda, cpu)]
    assert runs[0].outputs["voltage_trace.v"].dtype == np.float32
    assert_equal(*runs, tolerance=1e-4)


def test_slow_biology_and_plasticity_are_the_same_on_both(cpu: Device, cuda: Device):
    """Theta bursts under stress. Hazards are 0: whether a spine comes or goes, each device draws in its own way."""
    segment = course.Segment("x", 0.6, pace=1.0, stress=1.0, inflammation=1.0, stimulus="theta bursts")
    changes = {f"cells.{name}": np.array(1e-10) for name in signalling.REFERENCES.values()}
    hazards = ("form", "mature", "lose_new", "lose_mature")
    changes |= {f"spines.hazard_{name}": np.array(0.0) for name in hazards}
    names = ("spines.potentiation", "spines.efficacy", "spines.head", "cells.p_eEF", "cells.hormone", "cells.entry_B_d")
    runs = [
        simulate(device, NO_NOISE, 0.6, segment=segment, changes=changes, final=names) for device in (cuda, cpu)
    ]
    assert_equal(*runs, TOLERANCE)
    for name in names:
        one, other = (raw.final[name] for raw in runs)
        np.testing.assert_allclose(one, other, atol=TOLERANCE * np.abs(other).max(), rtol=0)
    assert np.abs(runs[1].final["spines.potentiation"]).max() > 0.01
    assert runs[1].final["cells.hormone"].max() > 0


def test_memory_of_the_gpu_is_touched_there_alone_and_in_any_order(cuda: Device, monkeypatch: pytest.MonkeyPatch):
    expected = simulate(cuda, NO_NOISE, 0.05)
    monkeypatch.setenv("EMULATION_STRICT", "1")
    monkeypatch.setenv("EMULATION_REVERSE", "1")
    assert_equal(simulate(cuda, NO_NOISE, 0.05), expected, TOLERANCE)


def test_noise_follows_the_seed(cuda: Device):
    first, again, other = (simulate(cuda, (), 0.1, noise_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(spikes(first.outputs), spikes(again.outputs))
    assert not np.array_equal(first.outputs["voltage_trace.v"], other.outputs["voltage_trace.v"])


def test_noise_has_its_spread_and_time(cuda: Device):
    duration_s, tau_s = 0.005, load(str(SMOKE)).numbers.drive.tau.si
    assert_noise(simulate(cuda, (), duration_s, noise_seed=7), np.exp(-duration_s / tau_s))


@pytest.fixture(scope="module")
def regular() -> dict[str, np.ndarray]:
    """Values of the toy network under which one source fires regularly."""
    rng = np.random.default_rng(3)
    return {
        "contacts.i": np.full(40, 3),
        "contacts.j": rng.integers(0, 10, 40),
        "contacts.w": rng.uniform(0.5, 1.5, 40),
        "sources.gain": 2.0 * (np.arange(20) == 3),
        "sources.sigma": np.array(0.0),
        "drive.values": np.full(4, 1.5),
    }


def toy_run(device: Device, structure: toy.Structure, given: dict, duration_s: float, folder: Path) -> run.RawRun:
    program = build.find_or_build(structure, device, cache_folder(), lambda line: None, model="tests.runner.toy")
    return run.execute(program, given, duration_s, 1, folder)


def test_clocks_meet_after_64_seconds(cuda: Device, regular: dict, tmp_path: Path):
    """Then times of a 1 ms and a 0.1 ms clock differ by more than Brian2's tolerance; delays must not change with it.

    The summed conductance runs through the same few values for ever.
    """
    outputs = toy_run(cuda, toy.Structure(), regular, 75.0, tmp_path).outputs
    times, total = outputs["traces.t"], outputs["traces.g"].sum(axis=0)
    early, late = (np.unique(total[(times > start) & (times < start + 9)].round(6)) for start in (50, 65))
    assert 10 < early.size < 100
    np.testing.assert_array_equal(early, late)


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.02])
def test_spikes_of_the_last_steps_are_recorded(
    delay_s: float, cpu: Device, cuda: Device, regular: dict, tmp_path: Path
):
    """Spikes are recorded as late as the delay allows: at once without one, and at the end if the run is shorter."""
    given = regular | {"contacts.delay": np.array(delay_s)}
    runs = [toy_run(device, toy.Structure(), given, 0.0125, tmp_path / device.name) for device in (cuda, cpu)]
    assert spikes(runs[0].outputs).shape[1] == 3
    np.testing.assert_array_equal(spikes(runs[0].outputs), spikes(runs[1].outputs))
    np.testing.assert_allclose(runs[0].outputs["traces.g"], runs[1].outputs["traces.g"], rtol=TOLERANCE)


def test_an_interrupted_run_keeps_what_it_computed(cuda: Device, regular: dict, tmp_path: Path):
    """Traces end with the time step, and the spikes are there up to it: one source fires every 4 ms."""
    pressed: list[float] = []

    def press_once(completed: float, elapsed_s: float) -> None:
        if completed > 0 and not pressed:
            pressed.append(completed)
            os.kill(os.getpid(), signal.SIGINT)

    program = build.find_or_build(toy.Structure(), cuda, cache_folder(), lambda line: None, model="tests.runner.toy")
    raw = run.execute(program, regular, 200.0, 1, tmp_path, press_once)
    end_s = raw.completed * 200.0
    assert raw.interrupted
    assert raw.outputs["traces.g"].shape == (10, raw.outputs["traces.t"].size)
    assert raw.outputs["traces.t"].size == pytest.approx(end_s / 1e-3, abs=2)
    assert 0 <= end_s - raw.outputs["spikes.t"].max() < 0.0045


def test_a_clock_that_is_no_multiple_of_the_cells(cpu: Device, cuda: Device, regular: dict, tmp_path: Path):
    """Its ticks between two steps of the cells move no queue of delayed spikes."""
    structure = toy.Structure(trace_step=3.3e-4)
    runs = [toy_run(device, structure, regular, 0.2, tmp_path / device.name) for device in (cuda, cpu)]
    np.testing.assert_array_equal(spikes(runs[0].outputs), spikes(runs[1].outputs))
    np.testing.assert_allclose(runs[0].outputs["traces.g"], runs[1].outputs["traces.g"], rtol=TOLERANCE)
