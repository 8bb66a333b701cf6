# SPDX-License-Identifier: GPL-3.0-or-later
"""Toolkits and drivers that are not there: shell scripts that answer as nvcc does, and a library of a few functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu import cuda_driver, cuda_toolkit, cuda_wheels
from gpu.cuda_toolkit import CudaToolchain
from gpu.devices import Device

# Answers as nvcc 13.0; a compilation runs BODY and leaves what -o names, a program that ends well.
SCRIPT = """#!/bin/sh
case "$*" in
  --version) {version} ;;
  --list-gpu-code) printf 'sm_80\\nsm_90\\nsm_120\\n'; exit 0 ;;
  --dryrun*) exit 0 ;;
esac
{body}
while [ $# -gt 0 ]; do [ "$1" = -o ] && output=$2; shift; done
[ -z "$output" ] || {{ printf '#!/bin/sh\\nexit 0\\n' > "$output"; chmod +x "$output"; }}
"""
VERSION = "echo 'Cuda compilation tools, release {}, V{}.88'; exit 0"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with make and g++ and nothing of NVIDIA; return the folder on its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write_script(folder / "make", "#!/bin/sh\n")
    write_script(folder / "g++", "#!/bin/sh\necho 'g++ 12.2.0'\n")
    for name in ("CUDA_PATH", "CUDA_HOME", "CUDAHOSTCXX", "NVCC_CCBIN", "CXX", "PFC_CUDA_ARCH", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(cuda_toolkit, "STANDARD_FOLDERS", ())
    monkeypatch.setattr(cuda_toolkit, "HOSTS", ("g++",))
    monkeypatch.setattr(cuda_wheels, "_folders", list)
    monkeypatch.setattr(cuda_driver, "LIBRARIES", ("libcuda-that-is-not-there.so",))
    which = cuda_toolkit.shutil.which
    monkeypatch.setattr(cuda_toolkit.shutil, "which", lambda name: which(name, path=str(folder)))
    return folder


@pytest.fixture
def nvcc(machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Make a toolkit whose nvcc runs `body` when it compiles; return its folder, which CUDA_PATH names."""

    def nvcc(body: str = "", release: str = "13.0", version: str | None = None) -> Path:
        home = tmp_path / "toolkit"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        write_script(
            home / "bin" / "nvcc", SCRIPT.format(body=body, version=version or VERSION.format(release, release))
        )
        monkeypatch.setenv("CUDA_PATH", str(home))
        return home

    return nvcc


class FakeLibrary:
    """libcuda with these GPUs, (name, major, minor), and a driver of this CUDA version."""

    def __init__(self, *gpus: tuple[str, int, int], cuda: int = 13000, init: int = 0) -> None:
        self.gpus, self.cuda, self.init = gpus, cuda, init

    def cuInit(self, flags: int) -> int:
        return self.init

    def cuGetErrorName(self, status: int, name: ctypes._CArgObject) -> int:
        name._obj.value = b"CUDA_ERROR_OF_A_TEST"
        return 0

    def cuDriverGetVersion(self, version: ctypes._CArgObject) -> int:
        version._obj.value = self.cuda
        return 0

    def cuDeviceGetCount(self, count: ctypes._CArgObject) -> int:
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, device: ctypes._CArgObject, number: int) -> int:
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, name: ctypes.Array, size: int, device: ctypes.c_int) -> int:
        name.value = self.gpus[device.value][0].encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: ctypes._CArgObject, device: ctypes.c_int) -> int:
        memory._obj.value = 80 * 2**30
        return 0

    def cuDeviceGetAttribute(self, value: ctypes._CArgObject, attribute: int, device: ctypes.c_int) -> int:
        value._obj.value = self.gpus[device.value][{75: 1, 76: 2}[attribute]]
        return 0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the machine a driver: arguments as of `FakeLibrary`."""

    def gpu(*gpus: tuple[str, int, int], **options: int) -> None:
        monkeypatch.setattr(cuda_driver, "_library", lambda: FakeLibrary(*gpus, **options))

    return gpu


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def device_with(nvcc: Path) -> Device:
    """A CUDA device whose programs this script compiles; nobody tried whether it works."""
    found = CudaToolchain(str(nvcc), "g++", "13.0", "", ("90",), (), (), f"test {nvcc.read_text()}")
    return Device("cuda", "CUDA, in a test.", found)


@pytest.fixture(scope="session")
def instant(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A CUDA device whose compiler writes empty programs, for tests that read the generated code."""
    script = tmp_path_factory.mktemp("instant") / "nvcc"
    write_script(script, 'while [ $# -gt 0 ]; do [ "$1" = -o ] && : > "$2"; shift; done\n'.join(["#!/bin/sh\n", ""]))
    return device_with(script)
