# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor is right about what is there, and its status about whether the device works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from circuit.errors import UserError
from gpu import doctor
from gpu.doctor import Finding
from pfc import cli

H200 = ("NVIDIA H200", 9, 0)


@pytest.fixture
def examine(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., doctor.Report]:
    """`gpu.doctor.examine` on a machine with make and a C++ compiler; Brian2 is taken to be there."""
    monkeypatch.setattr(doctor, "_brian", lambda: Finding("Brian2", True, "imports"))
    return lambda device="auto": doctor.examine(device, tmp_path / "cache")


def about(report: doctor.Report, what: str) -> Finding:
    return next(finding for finding in report.findings if finding.what == what)


def test_a_machine_without_a_gpu(examine: Callable):
    report = examine()
    assert (report.works, report.verdict) == (True, "The device auto works: it takes cpp.")
    assert about(report, "C++ compiler").found == "g++ 12.2.0 compiles a small program; --device cpp"
    assert not about(report, "GPU and driver").works
    assert "no NVIDIA driver was found" in about(report, "GPU and driver").found
    assert not about(report, "CUDA compiler").works
    assert not examine("cuda").works
    assert examine("cpp").works


def test_a_machine_that_builds_for_others(examine: Callable, nvcc: Callable):
    nvcc()
    report = examine("cuda")
    assert not report.works
    assert report.verdict.endswith("does not work here. It can be built for: pfc build --device cuda.")
    assert "compiles and links a small program with cuRAND, for compute capability 9.0" in str(report.findings)


def test_a_machine_with_all(examine: Callable, nvcc: Callable, gpu: Callable):
    nvcc()
    gpu(H200)
    assert examine().verdict == "The device auto works: it takes cuda."
    report = examine("cuda")
    assert report.works
    assert "NVIDIA H200 (9.0, 80 GiB); " in about(report, "GPU and driver").found
    assert "CUDA up to 13.0" in about(report, "GPU and driver").found
    assert "compiles, links and runs" in about(report, "CUDA compiler").found


def test_a_gpu_without_a_compiler(examine: Callable, gpu: Callable):
    gpu(H200)
    report = examine("cuda")
    assert not report.works
    assert "no nvcc was found" in about(report, "CUDA compiler").found
    assert report.verdict == "The device cuda does not work here."


def test_nothing_but_python(examine: Callable, machine: Path):
    (machine / "g++").unlink()
    report = examine()
    assert report.verdict == "The device auto works: it takes numpy."
    assert "no C++ compiler was found on PATH" in about(report, "C++ compiler").found


def test_a_cache_that_cannot_be_written(examine: Callable, tmp_path: Path):
    (tmp_path / "cache").touch()
    report = examine("numpy")
    assert not report.works
    assert "cannot be written (" in about(report, "Cache of builds").found
    assert "PFC_CACHE" in about(report, "Cache of builds").found


def test_a_full_disk(examine: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "NEEDED_BYTES", 1e30)
    assert "MB left: make room" in about(examine(), "Cache of builds").found


def test_a_file_that_hides_a_package(examine: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "brian2.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "brian2", raising=False)
    report = examine()
    assert not report.works
    assert "brian2.py hides the package brian2: rename it" in about(report, "Python packages").found


def test_brian2_is_imported():
    assert doctor._brian().works


def test_an_unknown_device():
    with pytest.raises(UserError, match="no device 'tpu'"):
        doctor.examine("tpu")


@pytest.mark.usefixtures("examine")
def test_the_command_prints_every_finding_and_ends_with_the_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PFC_CACHE", str(tmp_path / "cache"))
    missing, there = (CliRunner().invoke(cli, ["doctor", "--device", name]) for name in ("cuda", "numpy"))
    assert (missing.exit_code, there.exit_code) == (1, 0)
    assert "no  GPU and driver   no NVIDIA driver was found" in missing.output
    assert missing.output.endswith("The device cuda does not work here.\n")
    assert there.output.endswith("The device numpy works.\n")
