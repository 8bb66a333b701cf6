# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit compiles and links with the real nvcc, and the program starts; no GPU is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from circuit import network
from circuit.config import load
from circuit.errors import RunError
from gpu import build, cuda_driver, cuda_toolkit, cuda_wheels, devices, run
from gpu.cache import cache_folder
from gpu.cuda_driver import NoGpu
from tests.cuda.circuits import SMOKE

pytestmark = [pytest.mark.nvcc, pytest.mark.slow]

VECTORS = """
#include "cuda_vectors.h"
int main() {
    pfc::host_vector<double> here(3);
    pfc::device_vector<double> there;
    there = here;
    there.resize(5);
    there.push_back(1.0);
    there[0] = 2.0;
    here = there;
    pfc::device_vector<double *> pointers;
    pointers.push_back(pfc::raw_pointer_cast(&there[0]));
    return here.size() == 6 && pointers.size() == 1 ? 0 : 1;
}
"""


@pytest.fixture(scope="session")
def built() -> build.Build:
    """The smoke config's network, compiled for a GPU that need not be there."""
    device = devices.choose("cuda", to_run=False)
    return build.find_or_build(network.structure(load(str(SMOKE))), device, cache_folder(), lambda line: None)


@pytest.fixture
def no_gpu() -> None:
    try:
        cuda_driver.query()
    except NoGpu:
        return
    pytest.skip("there is a GPU")


def test_it_compiles_and_links(built: build.Build):
    assert os.access(built.folder / "main", os.X_OK)
    assert not list(built.folder.rglob("*.o"))
    assert "excitation.weight" in built.variables
    assert "error" not in (built.folder / "compile.log").read_text()


@pytest.mark.usefixtures("no_gpu")
def test_it_starts_and_says_that_there_is_no_gpu(built: build.Build):
    done = subprocess.run([*built.command, "--results_dir", "results/"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("No GPU can be used here (")
    assert done.stderr.endswith("); pfc doctor --device cuda says what is missing.\n")


@pytest.mark.usefixtures("no_gpu")
def test_a_run_says_so_too(built: build.Build, tmp_path: Path):
    with pytest.raises(RunError, match=r"failed with status 1. Its last output:\nNo GPU can be used here"):
        run._simulate([*built.command], tmp_path, build.environment(), lambda *_: None)


@pytest.mark.usefixtures("no_gpu")
def test_the_command_refuses_before_it_builds(tmp_path: Path, root: Path):
    command = [
        sys.executable,
        str(root / "pfc.py"),
        "run",
        str(SMOKE),
        "--device",
        "cuda",
        "--out",
        str(tmp_path / "out"),
    ]
    environment = os.environ | {"PFC_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("The CUDA device needs an NVIDIA GPU, but ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("cache/cuda-*"))
    assert not (tmp_path / "out").exists()


def test_the_build_is_found_again(built: build.Build, root: Path):
    command = [sys.executable, str(root / "pfc.py"), "build", str(SMOKE), "--device", "cuda"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith(f"Found {built.hash} in "), done.stderr


def test_single_precision_compiles():
    """Literals become floats by text, and no name suffers from it."""
    device = devices.choose("cuda", to_run=False)
    shape = network.structure(load(str(SMOKE), ("numerics.precision=single",)))
    made = build.find_or_build(shape, device, cache_folder(), lambda line: None)
    assert made.variables["excitation.weight"].dtype == "float32"
    kernels = (made.folder / "code_objects" / "cells_stateupdater_codeobject.cu").read_text()
    assert "const float _v = " in kernels


@pytest.mark.parametrize("config", ["antidepressant", "ltp"])
def test_a_course_compiles_and_links(config: str, root: Path):
    """At its own size, with the chain to spines, and with their plasticity."""
    shape = network.structure(load(str(root / "configs" / f"{config}.yaml")))
    made = build.find_or_build(shape, devices.choose("cuda", to_run=False), cache_folder(), lambda line: None)
    assert os.access(made.folder / "main", os.X_OK)
    objects = {file.stem for file in (made.folder / "code_objects").glob("*.cu")}
    assert {"signalling_codeobject", "spine_step_codeobject", "spines_pre_codeobject"} <= objects
    assert ("spine_plasticity_codeobject" in objects) == shape.plastic == (config == "ltp")
    assert "error" not in (made.folder / "compile.log").read_text()


def test_the_vectors_compile_and_link(tmp_path: Path, root: Path):
    device = devices.choose("cuda", to_run=False)
    found = device.toolchain
    (tmp_path / "vectors.cu").write_text(VECTORS)
    compiler = [found.nvcc, f"-ccbin={found.host}", f"-I{root / 'gpu'}", *found.flags]
    command = [*compiler, str(tmp_path / "vectors.cu"), "-o", str(tmp_path / "vectors"), *found.link_flags]
    subprocess.run(command, check=True)


def test_the_packages_alone_are_a_toolkit(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    """With no other nvcc to be found; `make cuda` installs them."""
    if not cuda_wheels.toolkits():
        pytest.skip("the nvidia packages with nvcc are not installed (make cuda)")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "g++", "gcc", "as", "ld", "sh", "rm", "cat"):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tools))
    for name in ("CUDA_PATH", "CUDA_HOME", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cuda_toolkit, "STANDARD_FOLDERS", ())
    device = devices.choose("cuda", tmp_path / "cache", to_run=False)
    assert device.toolchain.nvcc.startswith(str(tmp_path / "cache" / "nvidia-"))
    made = build.find_or_build(network.structure(load(str(SMOKE))), device, tmp_path / "cache", lambda line: None)
    assert json.loads((made.folder / "request.json").read_text())["toolchain"]["nvcc"] == device.toolchain.nvcc
    done = subprocess.run([*made.command], capture_output=True, text=True)
    assert "libcurand" not in done.stderr
