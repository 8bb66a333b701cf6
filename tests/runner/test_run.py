# SPDX-License-Identifier: GPL-3.0-or-later
"""One build serves every value, seed and duration; a run that goes wrong says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuit.errors import RunError
from gpu import build, devices, run
from tests.runner import toy
from tests.runner.conftest import MODEL, nothing

Execute = Callable[..., run.RawRun]
LONG_S = 1e4  # Some 30 s of computing if nobody stops it.


def spikes(raw: run.RawRun) -> np.ndarray:
    """Times and cells, by time and then by cell: a GPU records those of one step in any order."""
    times, cells = raw.outputs["spikes.t"], raw.outputs["spikes.i"]
    return np.stack([times, cells])[:, np.lexsort((cells, times))]


def equal(one: run.RawRun, other: run.RawRun) -> bool:
    """Whether two runs spiked alike, and differ otherwise by rounding alone: a GPU adds up in no fixed order."""
    same_spikes = np.array_equal(spikes(one), spikes(other))
    return same_spikes and np.allclose(one.outputs["traces.g"], other.outputs["traces.g"], rtol=1e-9, atol=0)


def only(source: int, arrays: dict) -> dict:
    """Values under which one source fires, regularly."""
    return arrays | {"sources.gain": 2.0 * (np.arange(20) == source), "sources.sigma": 0.0}


def test_outputs_have_shape_type_and_order(built: build.Build, arrays: dict, execute: Execute):
    result = execute(built, arrays)
    spikes, times = result.outputs["spikes.i"], result.outputs["spikes.t"]
    assert spikes.dtype == np.int32
    assert spikes.shape == times.shape
    assert set(spikes) <= set(range(20))
    assert np.all(np.diff(times) >= 0)
    assert result.outputs["traces.g"].shape == (10, 200)
    np.testing.assert_allclose(result.outputs["traces.t"], np.arange(200) * 1e-3, atol=1e-9)
    assert (result.completed, result.interrupted) == (1.0, False)
    assert set(result.timings) == {"prepare_s", "simulate_s", "loop_s", "collect_s"}


def test_the_same_seed_gives_the_same_spikes_and_another_seed_others(
    built: build.Build, arrays: dict, execute: Execute
):
    first, again, other = (execute(built, arrays, seed=seed) for seed in (1, 1, 2))
    assert equal(first, again)
    assert not equal(first, other)


def test_duration_is_an_argument(built: build.Build, arrays: dict, execute: Execute):
    short, long = (execute(built, arrays, duration_s=duration) for duration in (0.1, 0.25))
    early = long.outputs["spikes.t"] < 0.1 - 1e-9
    assert long.outputs["traces.t"].size == 250
    np.testing.assert_array_equal(long.outputs["spikes.t"][early], short.outputs["spikes.t"])


def test_silence_is_a_result(built: build.Build, arrays: dict, execute: Execute):
    """Arrays without values, which programs do not close or do not write, are read as such; all others as they are."""
    result = execute(built, arrays | {"sources.gain": 0.0, "sources.sigma": 0.0})
    assert result.outputs["spikes.i"].shape == result.outputs["spikes.t"].shape == (0,)
    assert result.outputs["traces.g"].shape == (10, 200) and not result.outputs["traces.g"].any()


@pytest.mark.parametrize("source", [3, 11])
def test_edges_and_weights_are_arguments(source: int, built: build.Build, arrays: dict, execute: Execute):
    """`g` is linear in the weights: with one source active, each target has it in proportion to what it gets."""
    rng = np.random.default_rng(source)
    edges = {"contacts.i": rng.integers(0, 20, 40), "contacts.j": rng.integers(0, 10, 40)}
    edges["contacts.i"][:12] = source
    weights = rng.uniform(0.5, 1.5, 40)
    result = execute(built, only(source, arrays) | edges | {"contacts.w": weights})
    mine = edges["contacts.i"] == source
    expected = np.bincount(edges["contacts.j"][mine], weights[mine], minlength=10)
    g = result.outputs["traces.g"][:, -1]
    assert set(result.outputs["spikes.i"]) == {source}
    np.testing.assert_allclose(g / g.sum(), expected / expected.sum(), rtol=1e-9)


def test_delays_are_arguments(built: build.Build, arrays: dict, execute: Execute):
    delays = np.array([0.002, 0.020])
    arrays["contacts.i"][0] = 3
    runs = [execute(built, only(3, arrays) | {"contacts.delay": delay}) for delay in delays]
    onsets = [result.outputs["traces.t"][result.outputs["traces.g"].any(axis=0)][0] for result in runs]
    # A trace is sampled every millisecond.
    assert onsets[1] - onsets[0] == pytest.approx(delays[1] - delays[0], abs=1.1e-3)


def test_schedules_are_arguments(built: build.Build, arrays: dict, execute: Execute):
    result = execute(built, arrays | {"drive.values": np.array([0.0, 2.0, 0.0, 0.0]), "sources.sigma": 0.0})
    times = result.outputs["spikes.t"]
    assert times.size
    assert times.min() > toy.Structure.drive_step - 1e-9
    assert times.max() < 2 * toy.Structure.drive_step + 1e-9


@pytest.mark.gcc
def test_single_precision(cpp: devices.Device, cache: Path, arrays: dict, execute: Execute):
    single = build.find_or_build(toy.Structure(precision="single"), cpp, cache, nothing, model=MODEL)
    assert single.variables["contacts.w"].dtype == "float32"
    assert single.variables["drive.values"].dtype == "float64"
    result = execute(single, only(3, arrays))
    assert result.outputs["traces.g"].dtype == np.float32
    assert set(result.outputs["spikes.i"]) == {3}


@pytest.mark.gcc
def test_both_devices_compute_the_same(cpp: devices.Device, cache: Path, arrays: dict, execute: Execute):
    """Without noise, until rounding shows: voltages of -ffast-math and NumPy agree over 0.2 s of regular firing."""
    runs = []
    for device in (cpp, devices.choose("numpy", cache)):
        network = build.find_or_build(toy.Structure(), device, cache, nothing, model=MODEL)
        runs.append(execute(network, only(3, arrays)))
    np.testing.assert_array_equal(runs[0].outputs["spikes.t"], runs[1].outputs["spikes.t"])
    np.testing.assert_allclose(runs[0].outputs["traces.g"], runs[1].outputs["traces.g"], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sources.gian": 1.0}, "no variable sources.gian .*did you mean sources.gain"),
        ({"sources.gain": np.ones(19)}, "sources.gain needs 20 values; got 19"),
        ({"sources.gain": np.array(np.nan)}, "sources.gain was given a value that is not a finite float64"),
        ({"sources.gain": np.array("high")}, "sources.gain needs values of type float64"),
        ({"contacts.i": np.zeros(39, int)}, "contacts.i needs 40 values; got 39"),
        ({"contacts.i": np.zeros(40)}, "contacts.i needs values of type int32; got float64"),
        ({"contacts.j": np.full(40, 10)}, "contacts.j holds cells 10 to 10; there are 0 to 9"),
        ({"contacts.i": None}, "lacks the edges of the network: contacts.i"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    change: dict, sentence: str, compiled: build.Build, arrays: dict, execute: Execute
):
    values = {name: value for name, value in (arrays | change).items() if value is not None}
    with pytest.raises(RunError, match=sentence):
        execute(compiled, values)


@pytest.mark.parametrize(("duration_s", "seed"), [(0.0, 1), (float("nan"), 1), (1.0, -1), (1.0, 2**32)])
def test_duration_and_seed_have_bounds(duration_s: float, seed: int, compiled: build.Build, execute: Execute):
    with pytest.raises(RunError, match="duration above 0 s and a seed from 0"):
        execute(compiled, {}, duration_s, seed)


def test_numbers_that_are_not_finite_are_found(built: build.Build, arrays: dict, execute: Execute):
    with pytest.raises(RunError, match="targets.g is not a finite number in .* of 10 places"):
        execute(built, arrays | {"contacts.w": np.full(40, 1e308)})


def test_what_is_not_finite_is_named_with_population_and_time(compiled: build.Build, arrays: dict, execute: Execute):
    variables = dict(compiled.variables)
    variables["cells.g"] = variables.pop("targets.g")
    counts = [["PYR", 6], ["PV", 4]]
    circuit = replace(compiled, variables=variables, structure={"num_cells": counts})
    hit = arrays["contacts.w"].size * [1.0]
    hit[0] = 1e308
    target = arrays["contacts.j"][0]
    arrays |= {"contacts.w": np.array(hit), "sources.gain": np.full(20, 3.0)}
    place = f"cells.g .* in 1 of 10 places \\(1 of {'PYR' if target < 6 else 'PV'}\\) at 0.2 s, the end"
    with pytest.raises(RunError, match=place + r", and traces.g since 0\.\d+ s"):
        execute(circuit, arrays)


def test_ctrl_c_keeps_what_was_computed(built: build.Build, arrays: dict, execute: Execute):
    def press_once(completed: float, elapsed_s: float) -> None:
        if completed > 0 and not pressed:
            pressed.append(completed)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[float] = []
    long_s = LONG_S / 10 if built.device.name == "cuda" else LONG_S  # CUDA makes room for all samples at once.
    result = execute(built, arrays, long_s, on_progress=press_once)
    assert result.interrupted
    assert pressed[0] <= result.completed < 1
    samples = result.outputs["traces.t"].size
    assert samples == pytest.approx(result.completed * long_s / toy.Structure.trace_step, abs=1)
    assert result.outputs["traces.g"].shape == (10, samples)


@pytest.mark.gcc
def test_a_second_ctrl_c_stops_at_once(compiled: build.Build, arrays: dict, execute: Execute, monkeypatch):
    send = subprocess.Popen.send_signal
    deaf = lambda process, number: None if number == signal.SIGINT else send(process, number)  # noqa: E731
    monkeypatch.setattr(run.subprocess.Popen, "send_signal", deaf)
    with pytest.raises(RunError, match="stopped at once"):
        execute(compiled, arrays, LONG_S, on_progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))


@pytest.mark.gcc
def test_ctrl_c_on_a_terminal_reaches_the_program_once(
    compiled: build.Build, arrays: dict, cache: Path, tmp_path: Path
):
    """A terminal sends it to the whole foreground group; the program must still write its results."""
    np.savez(tmp_path / "arrays.npz", **arrays)
    script = f"""
        from pathlib import Path
        import numpy as np
        from gpu import build, devices, run
        found = build.load(Path({str(compiled.folder)!r}), devices.choose("cpp", Path({str(cache)!r})))
        values = dict(np.load({str(tmp_path / "arrays.npz")!r}))
        say = lambda *state: print("running", flush=True)
        result = run.execute(found, values, {LONG_S}, 1, Path({str(tmp_path / "run")!r}), say)
        print(result.interrupted, result.outputs["spikes.i"].size > 0)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=build.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert [process.stdout.readline() for _ in range(2)] == ["running\n"] * 2
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "True True"


@pytest.mark.gcc
def test_a_killed_program_is_reported(compiled: build.Build, arrays: dict, execute: Execute, monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(run.subprocess, "Popen", start)
    with pytest.raises(RunError, match="killed by signal SIGKILL, perhaps for want of memory"):
        execute(compiled, arrays, LONG_S, on_progress=lambda *_: started[0].kill())


@pytest.mark.gcc
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
@pytest.mark.parametrize("file", [run.ARRAYS, run.SIZES])
def test_a_full_disk_is_noticed(file: str, compiled: build.Build, arrays: dict, tmp_path: Path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / file).symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"cut short: .* has 0 of \d+ bytes\..* MB left"):
        run.execute(compiled, arrays, 0.2, 1, tmp_path)


@pytest.mark.gcc
def test_a_program_that_cannot_start_names_its_folder(compiled: build.Build, arrays: dict, execute: Execute, tmp_path):
    (tmp_path / "static_arrays").mkdir()
    (tmp_path / "main").write_bytes(b"")
    with pytest.raises(RunError, match="could not be started.*Remove its folder"):
        execute(replace(compiled, folder=tmp_path), arrays)


@pytest.mark.gcc
def test_a_program_that_fails_is_quoted(compiled: build.Build, arrays: dict, execute: Execute, tmp_path: Path):
    program = tmp_path / "main"
    program.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(RunError, match="failed with status 3. Its last output:\nout of order"):
        execute(replace(compiled, folder=tmp_path), arrays)
    program.write_text("#!/bin/sh\necho Error writing output file for spikes.\n")
    with pytest.raises(RunError, match="could not read its values or write its results"):
        execute(replace(compiled, folder=tmp_path), arrays)
    program.write_text("#!/bin/sh\n")
    with pytest.raises(RunError, match="results were not written in whole.*MB left"):
        execute(replace(compiled, folder=tmp_path), arrays)


@pytest.mark.gcc
def test_a_program_dies_with_its_parent(compiled: build.Build, arrays: dict, cache: Path, tmp_path: Path):
    """Killed without a chance to clean up, the runner leaves no simulation behind: its pipe breaks."""
    np.savez(tmp_path / "arrays.npz", **arrays)
    script = f"""
        import subprocess
        from pathlib import Path
        import numpy as np
        from gpu import build, devices, run
        found = build.load(Path({str(compiled.folder)!r}), devices.choose("cpp", Path({str(cache)!r})))
        popen = subprocess.Popen
        def start(*arguments, **options):
            process = popen(*arguments, **options)
            print(process.pid, flush=True)
            return process
        run.subprocess.Popen = start
        values = dict(np.load({str(tmp_path / "arrays.npz")!r}))
        run.execute(found, values, {LONG_S}, 1, Path({str(tmp_path / "run")!r}))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=build.environment(), stdout=subprocess.PIPE, text=True
    )
    program = int(process.stdout.readline())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(program):
        time.sleep(0.05)
    assert not _runs(program)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.gcc
def test_values_that_are_not_all_there_are_noticed(compiled: build.Build, arrays: dict, tmp_path: Path):
    words = [*compiled.command, "--results_dir", "results/", *run.lay_out(compiled, arrays, tmp_path)]
    with (tmp_path / run.VALUES).open("r+b") as file:
        file.truncate(8)
    variables = build.environment() | {"PFC_DURATION": "0.01", "PFC_SEED": "1"}
    said = subprocess.run(words, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True, check=False).stderr
    assert "Error reading" in said and "the file ends at 8" in said
    assert run.COMPLAINTS.match(said)
