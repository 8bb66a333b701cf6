# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU computes what the CPU does: the same spikes while rounding allows, the same statistics after.

Both programs are compiled without fast-math. Without noise they have the same input; on a GPU sums of many synapses are
done in any order, so voltages differ by rounding, which grows from spike to spike.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ks_2samp

from circuit import network
from circuit.config import load
from circuit.populations import POPULATIONS, ranges
from gpu import devices, run
from gpu.devices import Device
from tests.cuda.circuits import NO_NOISE, SMOKE, assert_equal, assert_noise, plain, simulate, spikes

pytestmark = [pytest.mark.gpu, pytest.mark.gcc, pytest.mark.slow]

# Of the largest value of a trace, over the first WINDOW_S seconds, in which a few dozen cells spike. Doubles carry
# 1e-16 and a few thousand steps add up to 1e-12; the rest is room for the growth of differences before chaos.
TOLERANCE = 1e-7
TOLERANCE_SINGLE = 1e-2
WINDOW_S = 0.2
SEEDS = range(1, 9)


@pytest.fixture(scope="module")
def cpu() -> Device:
    return plain(devices.choose("cpp"))


@pytest.fixture(scope="module")
def cuda() -> Device:
    return plain(devices.choose("cuda"))


def test_the_same_spikes_and_voltages(cpu: Device, cuda: Device):
    runs = [simulate(device, NO_NOISE, WINDOW_S) for device in (cuda, cpu)]
    assert spikes(runs[0].outputs).shape[1] > 50
    assert_equal(*runs, TOLERANCE)


def test_columns_are_runs_of_their_own(cpu: Device, cuda: Device):
    runs = [simulate(device, NO_NOISE, WINDOW_S, seeds=(1, 2, 3)) for device in (cuda, cpu)]
    assert_equal(*runs, TOLERANCE)


def test_single_precision_is_near(cuda: Device):
    """How near is the difference to show: of the voltages of the first 50 ms, before spikes part."""
    runs = [simulate(cuda, (*NO_NOISE, f"numerics.precision={name}"), 0.05) for name in ("single", "double")]
    for name in ("voltage_trace.v", "voltage_trace.v_d"):
        single, double = (raw.outputs[name] for raw in runs)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=TOLERANCE_SINGLE)


def test_the_same_seed_gives_the_same_noise(cuda: Device):
    first, again, other = (simulate(cuda, (), 0.1, noise_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.outputs["final.noise"], again.outputs["final.noise"])
    assert not np.array_equal(first.outputs["final.noise"], other.outputs["final.noise"])


def test_noise_has_its_spread_and_time(cuda: Device):
    duration_s, tau_s = 0.005, load(str(SMOKE)).numbers.drive.tau.si
    assert_noise(simulate(cuda, (), duration_s, noise_seed=7), np.exp(-duration_s / tau_s))


def test_the_queue_of_spikes_does_not_depend_on_their_order(cuda: Device):
    """What is recorded in one step comes in any order and is sorted by whoever reads it; no spike comes twice."""
    found = spikes(simulate(cuda, (), 0.5).outputs)
    assert np.unique(found, axis=1).shape == found.shape


def rates(raw: run.RawRun, duration_s: float) -> dict[str, np.ndarray]:
    """Rate of every cell by population, Hz."""
    shape = network.structure(load(str(SMOKE)))
    counts = np.bincount(raw.outputs["spikes.i"], minlength=shape.column_cells) / duration_s
    return {population: counts[where] for population, where in ranges(dict(shape.num_cells)).items()}


@pytest.mark.parametrize("population", POPULATIONS)
def test_rates_are_as_far_apart_as_between_seeds(population: str, samples: Callable):
    """The mean distance of rate distributions between the devices, seed by seed, is no larger than between two seeds.

    Distances of Kolmogorov and Smirnov; equal networks, other noise. Of devices that are alike, simulated with
    log-normal rates and Poisson counts, fewer than 4 in 10000 failed.
    """
    on_cpu, on_gpu = samples(population)
    between = [ks_2samp(on_cpu[i], on_cpu[j], method="asymp").statistic for i in SEEDS for j in SEEDS if i < j]
    across = [ks_2samp(on_cpu[seed], on_gpu[seed], method="asymp").statistic for seed in SEEDS]
    assert np.mean(across) <= 1.2 * max(between)


@pytest.fixture(scope="module")
def samples(cpu: Device, cuda: Device) -> Callable:
    duration_s = 1.0
    runs = {
        device.name: {seed: rates(simulate(device, (), duration_s, noise_seed=seed), duration_s) for seed in SEEDS}
        for device in (cpu, cuda)
    }
    return lambda population: tuple(
        {seed: found[population] for seed, found in runs[name].items()} for name in ("cpp", "cuda")
    )


def test_an_interrupted_run_keeps_what_it_computed(cuda: Device):
    """Ctrl-C ends the time step, and traces end with it."""

    def press_once(completed: float, elapsed_s: float) -> None:
        if completed > 0 and not pressed:
            pressed.append(completed)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[float] = []
    duration_s = 600.0
    raw = simulate(cuda, (), duration_s, on_progress=press_once)
    assert raw.interrupted
    num_samples = raw.outputs["column_trace.t"].size
    assert num_samples == pytest.approx(raw.completed * duration_s / 1e-3, abs=2)
    assert raw.outputs["column_trace.glutamate"].shape == (1, num_samples)
    assert np.isfinite(raw.outputs["column_trace.glutamate"]).all()
