# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's library is asked for GPUs; without any, one sentence says why."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu import cuda_driver
from gpu.cuda_driver import Driver, Gpu, NoGpu

LIBRARY = """
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return flags; }
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7 + number; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, device == 7 ? "NVIDIA L40S" : "other", size);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 48318382080ull; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 9; return 0; }
int cuGetErrorName(int status, const char **name) { *name = "CUDA_ERROR_UNKNOWN"; return 0; }
"""


@pytest.mark.gcc
def test_the_functions_are_called_as_the_library_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, library = tmp_path / "cuda.c", tmp_path / "libcuda.so.1"
    source.write_text(LIBRARY)
    compiler = shutil.which("gcc") or shutil.which("cc") or "c++"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setattr(cuda_driver, "LIBRARIES", (str(library),))
    monkeypatch.setattr(cuda_driver, "MODULE", tmp_path / "version")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n")
    first, second = Gpu("NVIDIA L40S", (8, 9), 48318382080), Gpu("other", (8, 9), 48318382080)
    assert cuda_driver.query() == Driver((12, 8), "580.65.06", (first, second))
    assert first.architecture == "89"


@pytest.mark.parametrize("text", ["NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun", "strange", None])
def test_the_release_is_told_where_it_is_known(text: str | None, tmp_path: Path, gpu: Callable, monkeypatch):
    gpu(("NVIDIA H200", 9, 0))
    monkeypatch.setattr(cuda_driver, "MODULE", tmp_path / "version")
    if text:
        (tmp_path / "version").write_text(text)
    assert cuda_driver.query().release == ("535.183.01" if text and "NVRM" in text else None)


@pytest.mark.usefixtures("machine")
def test_no_driver():
    with pytest.raises(NoGpu, match="no NVIDIA driver was found .*: install the driver on a machine with an"):
        cuda_driver.query()


@pytest.mark.parametrize(
    ("visible", "sentence"),
    [
        ("", "CUDA_VISIBLE_DEVICES is '', which shows no GPU: unset it, or set it to 0"),
        (None, "the NVIDIA driver shows no GPU: ask for one"),
    ],
)
@pytest.mark.parametrize("options", [{"init": 100}, {}])
def test_no_gpu_is_visible(visible: str | None, sentence: str, options: dict, gpu: Callable, monkeypatch):
    gpu(**options)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(NoGpu, match=sentence):
        cuda_driver.query()


@pytest.mark.parametrize(
    ("status", "remedy"), [(803, "restart the machine"), (34, "LD_LIBRARY_PATH"), (1, "nvidia-smi may say more")]
)
def test_a_driver_that_does_not_start(status: int, remedy: str, gpu: Callable):
    gpu(init=status)
    with pytest.raises(NoGpu, match=rf"driver does not start \(CUDA_ERROR_OF_A_TEST\): .*{remedy}"):
        cuda_driver.query()
