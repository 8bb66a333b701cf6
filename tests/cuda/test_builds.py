# SPDX-License-Identifier: GPL-3.0-or-later
"""A CUDA build that goes wrong ends in a sentence and leaves the cache as it was."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from circuit.errors import BuildError
from gpu import build
from gpu.devices import Device
from tests.cuda.conftest import device_with, write_script
from tests.runner import toy

MODEL = "tests.runner.toy"


def nothing(line: str) -> None:
    """Take a line and show it to nobody."""


def find_or_build(device: Device, cache: Path, **options: Callable) -> build.Build:
    return build.find_or_build(toy.Structure(), device, cache, nothing, model=MODEL, **options)


def misbehaving(tmp_path: Path, body: str) -> Device:
    write_script(tmp_path / "nvcc", f"#!/bin/sh\n{body}\n")
    return device_with(tmp_path / "nvcc")


def assert_unharmed(cache: Path) -> None:
    assert not list(cache.glob("*/"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "echo 'fatbinary: No space left on device' >&2; exit 1",
            "the disk of .*cache is full. Make room there, or set",
        ),
        (
            "echo 'x.cu(7): error: unheard of' >&2; exit 1",
            r"x.cu\(7\): error: unheard of\nThe whole output is in .*log",
        ),
        ("echo Killed >&2; exit 137", "The build was killed, perhaps for want of memory; nothing of it was kept"),
    ],
)
def test_a_compiler_that_fails(body: str, sentence: str, instant: Device, tmp_path: Path):
    cache = tmp_path / "cache"
    with pytest.raises(BuildError, match=sentence):
        find_or_build(misbehaving(tmp_path, body), cache)
    assert_unharmed(cache)


def kill(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGKILL)


def press_ctrl_c(process: subprocess.Popen) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("act", "sentence"), [(kill, "was killed"), (press_ctrl_c, "was interrupted; nothing")])
def test_a_build_that_is_stopped(act: Callable, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(build.subprocess, "Popen", start)
    marker = tmp_path / "compiling"
    device = misbehaving(tmp_path, f"touch {marker}; echo compiling; sleep 0.2")
    with pytest.raises(BuildError, match=sentence):
        find_or_build(device, tmp_path / "cache", on_progress=lambda *_: marker.exists() and act(started[0]))
    assert marker.exists()
    assert_unharmed(tmp_path / "cache")


def test_a_cache_that_cannot_be_written(instant: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(**options: object) -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(build.tempfile, "mkdtemp", refuse)
    with pytest.raises(
        BuildError, match=r"could not be kept in .* \(Read-only file system\). Make room or permit.*PFC_"
    ):
        find_or_build(instant, tmp_path)
    assert_unharmed(tmp_path)


def test_of_two_builders_one_builds_and_the_other_waits(instant: Device, tmp_path: Path):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: find_or_build(instant, tmp_path), range(2)))
    assert sorted(one.compiled for one in made) == [False, True]
    assert made[0].variables == made[1].variables


def test_what_decides_the_program(instant: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = build.structure_hash(toy.Structure(), instant, MODEL)
    source = build._source
    for changed in ("gpu.cuda_code", *build.CUDA_HEADERS, "gpu.compile"):
        monkeypatch.setattr(build, "_source", lambda name, changed=changed: source(name) + " " * (name == changed))
        assert build.structure_hash(toy.Structure(), instant, MODEL) != own
