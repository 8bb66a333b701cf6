# SPDX-License-Identifier: GPL-3.0-or-later
"""A CUDA compiler is found and put together, or one sentence says what is missing; a failure leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from circuit.errors import BuildError, UserError
from gpu import cuda_driver, cuda_toolkit, cuda_wheels, devices
from tests.cuda.conftest import write_script

NO_HEADER = "echo 'probe.cu:4:10: fatal error: curand.h: No such file or directory' >&2; exit 1"
NO_LIBRARY = "echo '/usr/bin/ld: cannot find -lcurand' >&2; exit 1"
REFUSED = "echo 'host_config.h:143:2: error: #error -- unsupported GNU version! gcc versions later than 15' >&2; exit 1"
H200 = ("NVIDIA H200", 9, 0)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str = "cu13") -> Path:
    """Install an nvidia package with cuRAND, as pip would."""
    folder = tmp_path / "nvidia" / name
    for file in ("include/curand.h", "include/other.h", "lib/libcurand.so.10", "lib/libother.so.1"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    monkeypatch.setattr(cuda_wheels, "_folders", lambda: [folder])
    return folder


def test_a_toolkit_that_works(nvcc: Callable, machine: Path, cache: Path):
    home = nvcc()
    found = cuda_toolkit.find(cache)
    assert found.nvcc == f"{home}/bin/nvcc"
    assert found.host == str(machine / "g++")
    assert (found.release, found.architectures, found.launcher) == ("13.0", ("90",), "")
    assert "-std=c++17" in found.flags
    assert "-gencode=arch=compute_90,code=sm_90" in found.flags
    assert "-lcurand" in found.link_flags
    assert not any("march" in flag for flag in found.flags)


def test_it_is_tried_once(nvcc: Callable, cache: Path, tmp_path: Path):
    tries = tmp_path / "tries"
    nvcc(f"echo try >> {tries}")
    assert cuda_toolkit.find(cache) == cuda_toolkit.find(cache)
    assert tries.read_text() == "try\n"


@pytest.mark.parametrize("where", ["CUDA_HOME", "PATH", "standard", "wheels"])
def test_where_it_may_lie(where: str, nvcc: Callable, machine: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    home = nvcc()
    monkeypatch.delenv("CUDA_PATH")
    match where:
        case "CUDA_HOME":
            monkeypatch.setenv("CUDA_HOME", str(home))
        case "PATH":
            shutil.copy(home / "bin" / "nvcc", machine / "nvcc")
        case "standard":
            monkeypatch.setattr(cuda_toolkit, "STANDARD_FOLDERS", (str(home),))
        case "wheels":
            monkeypatch.setattr(cuda_wheels, "_folders", lambda: [home])
    assert cuda_toolkit.find(cache).release == "13.0"


def test_a_compiler_cache_is_used_where_there_is_one(nvcc: Callable, machine: Path, cache: Path):
    nvcc()
    without = cuda_toolkit.find(cache)
    write_script(machine / "ccache", "#!/bin/sh\n")
    assert cuda_toolkit.find(cache).launcher == str(machine / "ccache")
    assert cuda_toolkit.find(cache).fingerprint == without.fingerprint


@pytest.mark.parametrize(
    ("body", "options", "sentence"),
    [
        ("", {"release": "11.8"}, r"is CUDA 11\.8 and at least 12\.0 is needed: install one"),
        ("", {"version": "kill -SEGV $$"}, r"nvcc does not tell its version \(status -11, no message\): install one"),
        ("", {"version": "echo nonsense; exit 0"}, r"does not tell its version \(status 0, nonsense\)"),
        (NO_HEADER, {}, r"cuRAND's header curand\.h was not found: install it \(make cuda"),
        (NO_LIBRARY, {}, r"cuRAND's library libcurand\.so was not found: install it"),
        (REFUSED, {}, r"accepts none of the C\+\+ compilers here \(g\+\+ 12\.2\.0\): install one .* CUDAHOSTCXX"),
        ("echo 'cannot write: No space left on device' >&2; exit 1", {}, "disk for temporary files is full: .*TMPDIR"),
        ("echo 'sh: 1: cicc: not found' >&2; exit 127", {}, "toolkit is not whole, cicc is missing: install all"),
        ("echo 'ld: cannot find -lcudart_static' >&2; exit 1", {}, "not whole, cudart_static is missing"),
        (
            "echo 'error: #error -- CUDA compiler and CUDA toolkit headers are incompatible' >&2; exit 1",
            {},
            "nvcc and its headers are of different CUDA versions: install packages that belong together",
        ),
        ("echo 'probe.cu(3): error: unheard of' >&2; exit 1", {}, r"small program \(probe.cu\(3\): error: unheard"),
    ],
)
def test_broken_toolkits(body: str, options: dict, sentence: str, nvcc: Callable, cache: Path):
    nvcc(body, **options)
    with pytest.raises(BuildError, match=sentence) as error:
        cuda_toolkit.find(cache)
    assert not str(error.value).endswith(".")
    assert not list(cache.glob("*"))
    nvcc()
    assert cuda_toolkit.find(cache).release == "13.0"


@pytest.mark.usefixtures("machine")
def test_no_nvcc(cache: Path):
    with pytest.raises(BuildError, match=r"no nvcc was found \(in CUDA_PATH.*nvidia packages.*: install one into this"):
        cuda_toolkit.find(cache)


def test_a_folder_without_nvcc(machine: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_PATH", str(machine))
    with pytest.raises(BuildError, match="CUDA_PATH is .*, where there is no bin/nvcc: correct it or unset it"):
        cuda_toolkit.find(cache)


def test_no_host_compiler(nvcc: Callable, machine: Path, cache: Path):
    nvcc()
    (machine / "g++").unlink()
    with pytest.raises(BuildError, match=r"no C\+\+ compiler was found on PATH .*nvcc needs one: install it"):
        cuda_toolkit.find(cache)


def test_a_program_that_does_not_start(nvcc: Callable, cache: Path):
    nvcc("trap 'printf \"#!/bin/sh\\necho libcurand.so.10: cannot open shared object file; exit 127\" > $output' EXIT")
    with pytest.raises(BuildError, match=r"compiled but does not run \(libcurand.so.10: cannot open shared"):
        cuda_toolkit.find(cache)


def test_another_host_compiler_is_tried(nvcc: Callable, machine: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    nvcc(f'case "$*" in *-ccbin={machine}/g++\\ *) {REFUSED};; esac')
    write_script(machine / "g++-11", "#!/bin/sh\necho 'g++ 11'\n")
    monkeypatch.setattr(cuda_toolkit, "HOSTS", ("g++", "g++-11"))
    assert cuda_toolkit.find(cache).host_version == "g++ 11"


@pytest.mark.parametrize("body", [NO_HEADER, NO_LIBRARY])
def test_curand_comes_from_the_package_where_the_toolkit_lacks_it(
    body: str, nvcc: Callable, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = wheel(monkeypatch, tmp_path)
    nvcc(f'case "$*" in *-I*nvidia-*) ;; *) {body};; esac')
    found = cuda_toolkit.find(cache)
    include = next(Path(flag[2:]) for flag in found.flags if flag.startswith("-I"))
    library = next(Path(flag[2:]) for flag in found.link_flags if flag.startswith("-L"))
    assert [file.name for file in include.iterdir()] == ["curand.h"]
    assert (library / "libcurand.so").resolve() == package / "lib" / "libcurand.so.10"
    assert not (library / "libother.so").exists()
    assert f"-Xlinker=-rpath={package / 'lib'}" in found.link_flags
    shutil.rmtree(include.parent)
    assert cuda_toolkit.find(cache) == found
    assert include.is_dir()


def test_curand_of_another_cuda_version_is_not_taken(
    nvcc: Callable, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wheel(monkeypatch, tmp_path, name="curand")  # Where packages for CUDA 12 have it.
    nvcc(NO_HEADER)
    with pytest.raises(BuildError, match="header curand.h was not found"):
        cuda_toolkit.find(cache)
    nvcc(f'case "$*" in *-I*nvidia-*) ;; *) {NO_HEADER};; esac', release="12.8")
    assert cuda_toolkit.find(cache).release == "12.8"


def test_a_cache_that_cannot_be_written(nvcc: Callable, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wheel(monkeypatch, tmp_path)
    nvcc(NO_HEADER)

    make = tempfile.mkdtemp

    def refuse(suffix: str | None = None, prefix: str | None = None, dir: Path | None = None) -> str:
        if dir == cache:
            raise OSError(errno.EROFS, "Read-only file system")
        return make(suffix, prefix, dir)

    monkeypatch.setattr(cuda_wheels.tempfile, "mkdtemp", refuse)
    with pytest.raises(BuildError, match=r"could not be kept in .*cache \(Read-only file system\): .* PFC_CACHE"):
        cuda_toolkit.find(cache)


@pytest.mark.parametrize(
    ("text", "expected"), [("90", ("90",)), ("8.0, 9.0", ("80", "90")), ("sm_120,sm_80", ("80", "120")), ("", ("90",))]
)
def test_architectures(text: str, expected: tuple, nvcc: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch):
    nvcc()
    monkeypatch.setenv("PFC_CUDA_ARCH", text)
    found = cuda_toolkit.find(cache)
    assert found.architectures == expected
    machine_code = [flag for flag in found.flags if ",code=sm_" in flag]
    portable = [flag for flag in found.flags if ",code=compute_" in flag]
    assert len(machine_code) == len(expected)
    assert len(portable) == (len(expected) > 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ninety", "PFC_CUDA_ARCH is 'ninety', and needs compute capabilities such as 90 or 80,90"),
        ("90,,80", "PFC_CUDA_ARCH is '90,,80'"),
        ("70", r"does not compile for compute capability 7\.0 \(it does for 80, 90, 120\): .* PFC_CUDA_ARCH"),
    ],
)
def test_bad_architectures(text: str, sentence: str, nvcc: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch):
    nvcc()
    monkeypatch.setenv("PFC_CUDA_ARCH", text)
    with pytest.raises(BuildError, match=sentence):
        cuda_toolkit.find(cache)
    assert not list(cache.glob("*"))


@pytest.mark.parametrize(
    ("architectures", "gpu", "runs"),
    [
        (("90",), "90", True),
        (("86",), "89", True),
        (("89",), "86", False),
        (("80",), "90", False),
        (("80", "90"), "120", True),
        (("80", "90"), "75", False),
    ],
)
def test_which_gpus_a_program_runs_on(architectures: tuple, gpu: str, runs: bool):
    assert cuda_toolkit.runs_on(architectures, gpu) is runs


def test_the_gpu_decides_the_architecture(nvcc: Callable, gpu: Callable, cache: Path):
    nvcc()
    gpu(("NVIDIA A100", 8, 0))
    assert cuda_toolkit.find(cache, cuda_driver.query()).architectures == ("80",)


@pytest.mark.parametrize(
    ("name", "cuda", "architecture", "sentence"),
    [
        (H200, 12040, "", r"driver supports CUDA 12\.4 and nvcc is CUDA 13\.0: update the driver, or take a toolkit"),
        (H200, 13000, "120", r"PFC_CUDA_ARCH is 120, which does not run on the NVIDIA H200 here \(90\): add that"),
        (("NVIDIA V100", 7, 0), 13000, "", r"does not compile for compute capability 7\.0"),
    ],
)
def test_drivers_and_gpus_that_do_not_fit(
    name: tuple, cuda: int, architecture: str, sentence: str, nvcc: Callable, gpu: Callable, cache: Path, monkeypatch
):
    nvcc()
    gpu(name, cuda=cuda)
    monkeypatch.setattr(cuda_driver, "MODULE", cache / "none")
    monkeypatch.setenv("PFC_CUDA_ARCH", architecture)
    with pytest.raises(BuildError, match=sentence):
        cuda_toolkit.find(cache, cuda_driver.query())


def test_the_driver_of_a_newer_minor_version_is_not_needed(nvcc: Callable, gpu: Callable, cache: Path):
    nvcc(release="13.2")
    gpu(H200, cuda=13000)
    assert cuda_toolkit.find(cache, cuda_driver.query()).release == "13.2"


def test_auto_takes_cuda_where_all_works(nvcc: Callable, gpu: Callable, cache: Path):
    nvcc()
    gpu(H200, H200)
    device = devices.choose("auto", cache)
    assert device.name == "cuda"
    assert device.reason == (
        "CUDA 13.0 on NVIDIA H200, the first of 2 GPUs, because a GPU and a CUDA compiler work here."
    )


def test_auto_says_why_it_does_not_take_a_gpu_that_is_there(nvcc: Callable, gpu: Callable, cache: Path):
    nvcc(NO_HEADER)
    gpu(H200)
    device = devices.choose("auto", cache)
    assert device.name in ("cpp", "numpy")
    assert "There is a GPU, but for CUDA cuRAND's header curand.h was not found: install it" in device.reason


def test_to_run_needs_a_gpu_and_to_build_does_not(nvcc: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch):
    nvcc()
    with pytest.raises(UserError, match="needs an NVIDIA GPU, but no NVIDIA driver was found.*--device cpp; pfc build"):
        devices.choose("cuda", cache)
    device = devices.choose("cuda", cache, to_run=False)
    assert device.reason == (
        "CUDA 13.0, as asked, for GPUs of compute capability 9.0; there is none here, PFC_CUDA_ARCH would name others."
    )
    monkeypatch.setenv("PFC_CUDA_ARCH", "80,90")
    assert devices.choose("cuda", cache, to_run=False).reason.endswith("compute capability 8.0 and 9.0.")


@pytest.mark.usefixtures("machine")
def test_cuda_without_a_compiler_says_what_to_install(gpu: Callable, cache: Path):
    gpu(H200)
    with pytest.raises(UserError, match="needs a CUDA compiler, but no nvcc was found .*: install one .* --device cpp"):
        devices.choose("cuda", cache)
