# SPDX-License-Identifier: GPL-3.0-or-later
"""A network is compiled once and found again; a build that did not end well leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuit.errors import BuildError
from gpu import build, devices
from gpu.cache import cache_folder
from tests.runner import toy
from tests.runner.conftest import MODEL, nothing


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen]:
    """Collect the processes that the builder starts."""
    started: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(build.subprocess, "Popen", start)
    return started


def test_a_build_is_found_again(built: build.Build, cache: Path):
    said = []
    again = build.find_or_build(toy.Structure(), built.device, cache, said.append, model=MODEL)
    assert not again.compiled
    assert not said
    assert again.folder == built.folder
    assert again.variables == built.variables


def test_what_a_run_may_set_and_gives_back(built: build.Build):
    sizes = {name: variable.size for name, variable in built.variables.items()}
    assert sizes == {
        "sources.v": 20,
        "sources.gain": 20,
        "sources.sigma": 1,
        "targets.g": 10,
        "contacts.w": 40,
        "contacts.delay": 1,
        "drive.values": 4,
    }
    assert {name: (index.size, index.below) for name, index in built.indices.items()} == {
        "contacts.i": (40, 20),
        "contacts.j": (40, 10),
    }
    assert set(built.outputs) == {"spikes.i", "spikes.t", "traces.g", "traces.t"}
    assert built.outputs["spikes.i"].dtype == "int32"


def test_the_hash_changes_with_what_shapes_the_program(cache: Path, monkeypatch: pytest.MonkeyPatch):
    device = devices.choose("numpy", cache)
    structure = toy.Structure()
    source = build._source
    hashes = [
        build.structure_hash(structure, device, MODEL),
        build.structure_hash(replace(structure, num_sources=21), device, MODEL),
        build.structure_hash(replace(structure, precision="single"), device, MODEL),
        build.structure_hash(structure, replace(device, name="cpp"), MODEL),
    ]
    monkeypatch.setattr(build, "_source", lambda module: source(module) + "# edited" * (module == MODEL))
    hashes.append(build.structure_hash(structure, device, MODEL))
    assert len(set(hashes)) == len(hashes)


def test_the_hash_is_the_same_for_the_same_things(cache: Path):
    one, other = (build.structure_hash(toy.Structure(), devices.choose("numpy", cache), MODEL) for _ in range(2))
    assert one == other


def test_a_warm_run_does_not_import_brian2(built: build.Build, chosen: str, cache: Path, arrays: dict, tmp_path: Path):
    np.savez(tmp_path / "arrays.npz", **arrays)
    script = f"""
        import sys
        from pathlib import Path
        import numpy as np
        from gpu import build, devices, run
        from tests.cuda import emulation
        from tests.runner import toy
        cache = Path({str(cache)!r})
        found = build.find_or_build(toy.Structure(), {chosen}, cache, print, model={MODEL!r})
        workdir = Path({str(tmp_path)!r}, "run")
        run.execute(found, dict(np.load({str(tmp_path / "arrays.npz")!r})), 0.1, 1, workdir)
        print(found.compiled, "brian2" in sys.modules)
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=build.environment(), capture_output=True, text=True
    )
    assert answer.stdout.split() == ["False", "False"], answer.stderr


def test_of_two_builders_one_builds_and_the_other_waits(tmp_path: Path):
    device = devices.choose("numpy", tmp_path)
    said: list[str] = []

    def find_or_build(_: int) -> bool:
        return build.find_or_build(toy.Structure(), device, tmp_path, said.append, model=MODEL).compiled

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(find_or_build, range(2))) == [False, True]
    assert sorted(line.partition(" ")[0] for line in said) == ["Building", "Waiting:"]


def kill(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGKILL)


def press_ctrl_c(process: subprocess.Popen) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.gcc
@pytest.mark.parametrize(("act", "sentence"), [(kill, "was killed"), (press_ctrl_c, "was interrupted; nothing")])
def test_a_build_that_is_stopped_leaves_nothing(
    act: Callable, sentence: str, cpp: devices.Device, tmp_path: Path, processes: list[subprocess.Popen]
):
    with pytest.raises(BuildError, match=sentence):
        build.find_or_build(toy.Structure(), cpp, tmp_path, nothing, lambda *_: act(processes[0]), model=MODEL)
    assert not list(tmp_path.glob("*/"))
    assert processes[0].returncode is not None


def test_remains_of_dead_builders_are_not_used(tmp_path: Path):
    device = devices.choose("numpy", tmp_path)
    folder = tmp_path / f"numpy-{build.structure_hash(toy.Structure(), device, MODEL)}"
    folder.mkdir()
    (folder / "main.cpp").touch()
    remains = tmp_path / f"{folder.name}.tmp-dead"
    remains.mkdir()
    found = build.find_or_build(toy.Structure(), device, tmp_path, nothing, model=MODEL)
    assert found.compiled
    assert not (folder / "main.cpp").exists()
    assert not remains.exists()


@pytest.mark.gcc
def test_a_compiler_that_refuses_is_quoted_and_its_log_named(cpp: devices.Device, tmp_path: Path):
    broken = replace(cpp, toolchain=replace(cpp.toolchain, flags=("--no-such-flag",)))
    with pytest.raises(BuildError, match=r"no-such-flag[^\n]*\nThe whole output is in .*\.log") as error:
        build.find_or_build(toy.Structure(), broken, tmp_path, nothing, model=MODEL)
    assert "no-such-flag" in Path(str(error.value).rpartition(" in ")[2].rstrip(".")).read_text()
    assert not list(tmp_path.glob("*/"))


def test_a_model_that_fails_is_quoted(tmp_path: Path):
    structure = toy.Structure(num_synapses=(("contacts", 1),))
    with pytest.raises(BuildError, match="contacts has 1 synapses; a compiled network needs at least two"):
        build.find_or_build(structure, devices.choose("numpy", tmp_path), tmp_path, nothing, model=MODEL)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BuildError, match="could not be kept in .*file.*PFC_CACHE"):
        build.find_or_build(toy.Structure(), devices.choose("numpy", file), file, nothing, model=MODEL)


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PFC_CACHE", raising=False)
    assert cache_folder() == tmp_path / "pfc"
    monkeypatch.setenv("PFC_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
