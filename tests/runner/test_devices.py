# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device is chosen, and what is said when one cannot work."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest

from circuit.errors import UserError
from gpu import devices, toolchain


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make `$CXX` a shell script with this body."""

    def compiler(body: str) -> None:
        script = tmp_path / "fake-g++"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("CXX", str(script))

    return compiler


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH with make and without a compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "make").symlink_to(shutil.which("make") or "/bin/true")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.gcc
def test_auto_takes_cpp_where_a_compiler_works(cpp: devices.Device, cache: Path):
    device = devices.choose("auto", cache)
    assert device.name == "cpp"
    assert "because a compiler works here" in device.reason
    assert device.toolchain == cpp.toolchain


@pytest.mark.usefixtures("bare_path")
def test_auto_takes_numpy_without_a_compiler_and_says_why(cache: Path):
    device = devices.choose("auto", cache)
    assert device.name == "numpy"
    assert "no C++ compiler was found on PATH" in device.reason
    assert "slower" in device.reason


@pytest.mark.usefixtures("bare_path")
def test_cpp_without_a_compiler_says_what_to_install(cache: Path):
    with pytest.raises(UserError, match=r"no C\+\+ compiler was found.*install.*--device numpy"):
        devices.choose("cpp", cache)


def test_no_make_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(toolchain.NoToolchain, match="make was not found"):
        toolchain.find(tmp_path)


def test_a_compiler_that_fails_is_not_taken(compiler, tmp_path: Path):
    compiler("echo 'cannot find crt1.o' >&2; exit 1")
    device = devices.choose("auto", tmp_path)
    assert device.name == "numpy"
    assert "does not compile a small program (cannot find crt1.o)" in device.reason


@pytest.mark.gcc
def test_a_flag_the_compiler_refuses_is_dropped(cpp: devices.Device, compiler, tmp_path: Path):
    real = cpp.toolchain.compiler
    compiler(f'case "$*" in *--param*) echo "unknown argument" >&2; exit 1;; esac\nexec {real} "$@"')
    found = toolchain.find(tmp_path)
    assert found.flags == tuple(flag for flag in cpp.toolchain.flags if not flag.startswith("--param"))
    assert len(found.flags) == len(cpp.toolchain.flags) - 1
    assert found.fingerprint != cpp.toolchain.fingerprint


@pytest.mark.gcc
def test_programs_for_another_processor(cpp: devices.Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = "x86-64" if platform.machine() == "x86_64" else "armv8-a"
    monkeypatch.setenv("PFC_MARCH", known)
    found = toolchain.find(tmp_path)
    assert f"-march={known}" in found.flags
    assert "-march=native" not in found.flags
    assert found.fingerprint != cpp.toolchain.fingerprint
    monkeypatch.setenv("PFC_MARCH", "z80")
    with pytest.raises(UserError, match="PFC_MARCH is 'z80', and .* knows no -march=z80: name one that it knows"):
        devices.choose("cpp", tmp_path)


def test_unknown_devices_are_refused_with_a_sentence(cache: Path):
    with pytest.raises(UserError, match="no device 'tpu'; there are auto, cpp, numpy, cuda"):
        devices.choose("tpu", cache)
