# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CUDA compiler is there, do all its parts work together, and with which flags do we call it?

A toolkit may lie in the system, in folders that CUDA_PATH or CUDA_HOME name, or in the nvidia packages of this Python
environment; cuRAND may come from those packages where the toolkit lacks it. Whether it works is found out by compiling,
linking and starting a small program, once: what was seen to work is remembered in the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from gpu import cuda_probe, cuda_wheels
from gpu.cuda_driver import Driver
from gpu.cuda_probe import NoCuda

OLDEST = (12, 0)
DEFAULT_ARCHITECTURE = "90"
STANDARD_FOLDERS = ("/usr/local/cuda", "/opt/cuda")
HOSTS = ("g++", *(f"g++-{version}" for version in range(16, 8, -1)), "clang++")
# C++17 is what CUDA 13's headers ask for, and brian2cuda 1.0b1 writes C++11. Code of the host only sets up and writes
# files, so it is compiled fast, and for any processor: what a login node builds then runs on the nodes with GPUs.
FLAGS = ("-std=c++17", "-w", "-use_fast_math", "-Xcompiler=-O1")
GET_NVCC = (
    "install one into this Python environment (make cuda, or pip install '.[cuda]'), or a CUDA toolkit 12 or 13, or "
    "name its folder in CUDA_PATH"
)
GET_CURAND = "install it (make cuda, pip install '.[cuda]', or the toolkit's libcurand-dev package)"


@dataclass(frozen=True)
class CudaToolchain:
    """A CUDA compiler that was seen to work.

    Attributes
    ----------
    nvcc, host : str
        Paths of nvcc and of the C++ compiler that it calls.
    release : str
        CUDA version, "13.0".
    host_version : str
        The C++ compiler's own first line.
    architectures : tuple of str
        Compute capabilities that programs are compiled for, ("80", "90").
    flags, link_flags : tuple of str
    fingerprint : str
        Changes with everything that decides the compiled code.
    launcher : str
        Path of a compiler cache to put before nvcc; empty without one.
    """

    nvcc: str
    host: str
    release: str
    host_version: str
    architectures: tuple[str, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    fingerprint: str
    launcher: str = ""

    @property
    def capabilities(self) -> str:
        """The architectures as NVIDIA writes them, "8.0 and 9.0"."""
        return " and ".join(f"{name[:-1]}.{name[-1]}" for name in self.architectures)


@dataclass(frozen=True)
class _Nvcc:
    """An nvcc that tells its version: its path, the version as (13, 0), and all it says about it."""

    path: str
    version: tuple[int, int]
    identity: str

    @property
    def release(self) -> str:
        return ".".join(map(str, self.version))


def find(cache: Path, driver: Driver | None = None) -> CudaToolchain:
    """Return a CUDA compiler that builds a small program.

    Parameters
    ----------
    cache : Path
        Folder where what was seen to work is remembered, and where links to the nvidia packages are made.
    driver : Driver, optional
        Of the GPU that programs shall run on; without one they are for `PFC_CUDA_ARCH` or `DEFAULT_ARCHITECTURE`.

    Raises
    ------
    NoCuda
        With the reason and what to do.
    """
    architectures = _architectures(driver)
    if not shutil.which("make"):
        raise NoCuda("make was not found on PATH: install it (apt install make, dnf install make)")
    nvcc = _nvcc(cache)
    _check_architectures(nvcc, architectures, driver)
    if driver and driver.cuda[0] < nvcc.version[0]:
        own = f"{f'{driver.release} ' if driver.release else ''}supports CUDA {driver.cuda[0]}.{driver.cuda[1]}"
        raise NoCuda(
            f"the NVIDIA driver {own} and nvcc is CUDA {nvcc.release}: update the driver, or take a toolkit of CUDA "
            f"{driver.cuda[0]}"
        )
    complaints = []
    for host in _hosts():
        try:
            found = _with_host(nvcc, host, architectures, cache)
            return replace(found, launcher=shutil.which("ccache") or shutil.which("sccache") or "")
        except cuda_probe.HostRefused as error:
            complaints.append(str(error))
    raise NoCuda(
        f"nvcc of CUDA {nvcc.release} accepts none of the C++ compilers here ({'; '.join(complaints)}): install one "
        "that it accepts and name it in CUDAHOSTCXX"
    )


def wanted_architectures() -> tuple[str, ...]:
    """Return what the environment variable PFC_CUDA_ARCH lists, "80,90" or "8.0,9.0"; empty if it is not set.

    Raises
    ------
    NoCuda
        If it is set to something else.
    """
    text = os.environ.get("PFC_CUDA_ARCH", "").strip()
    found = [re.fullmatch(r"(?:sm_)?(\d{1,2})\.?(\d)", part.strip()) for part in text.split(",")] if text else []
    if not all(found):
        raise NoCuda(
            f"PFC_CUDA_ARCH is {text!r}, and needs compute capabilities such as 90 or 80,90: correct it or unset it"
        )
    return tuple(sorted({match[1] + match[2] for match in found if match}, key=int))


def runs_on(architectures: tuple[str, ...], gpu: str) -> bool:
    """Whether a program for these architectures runs on a GPU of architecture `gpu`.

    Machine code runs on later models of its own generation. A list also carries the code of its last one in a form
    that drivers translate for any later GPU.
    """
    same_generation = any(int(one) // 10 == int(gpu) // 10 and int(one) <= int(gpu) for one in architectures)
    return same_generation or (len(architectures) > 1 and int(architectures[-1]) <= int(gpu))


def _architectures(driver: Driver | None) -> tuple[str, ...]:
    own = driver.gpus[0].architecture if driver else DEFAULT_ARCHITECTURE
    return wanted_architectures() or (own,)


def _check_architectures(nvcc: _Nvcc, architectures: tuple[str, ...], driver: Driver | None) -> None:
    answer = _call([nvcc.path, "--list-gpu-code"])
    known = re.findall(r"sm_(\d+)", answer.stdout)
    for name in architectures:
        if known and name not in known:
            raise NoCuda(
                f"nvcc of CUDA {nvcc.release} does not compile for compute capability {name[:-1]}.{name[-1]} (it does "
                f"for {', '.join(known)}): use another CUDA toolkit, or set PFC_CUDA_ARCH to one of these"
            )
    if driver and not runs_on(architectures, driver.gpus[0].architecture):
        raise NoCuda(
            f"PFC_CUDA_ARCH is {','.join(architectures)}, which does not run on the {driver.gpus[0].name} here "
            f"({driver.gpus[0].architecture}): add that to the list, or unset it"
        )


def _nvcc(cache: Path) -> _Nvcc:
    complaints = []
    for path in _candidates(cache):
        try:
            return _identify(path)
        except NoCuda as error:
            complaints.append(str(error))
    if complaints:
        raise NoCuda("; ".join(complaints))
    raise NoCuda(
        "no nvcc was found (in CUDA_PATH, CUDA_HOME, PATH, /usr/local/cuda, /opt/cuda and the nvidia packages of this "
        f"Python environment): {GET_NVCC}"
    )


def _candidates(cache: Path) -> Iterator[str]:
    """Every place where an nvcc may be, the one that the user named alone if there is one."""
    for name in ("CUDA_PATH", "CUDA_HOME"):
        if folder := os.environ.get(name):
            path = Path(folder, "bin", "nvcc")
            if not path.is_file():
                raise NoCuda(f"{name} is {folder}, where there is no bin/nvcc: correct it or unset it")
            yield str(path)
            return
    if path := shutil.which("nvcc"):
        yield path
    for folder in STANDARD_FOLDERS:
        if Path(folder, "bin", "nvcc").is_file():
            yield f"{folder}/bin/nvcc"
    for folder in cuda_wheels.toolkits():
        yield str(cuda_wheels.linked(folder, cache) / "bin" / "nvcc")


def _identify(path: str) -> _Nvcc:
    answer = _call([path, "--version"])
    found = re.search(r"release (\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found:
        said = (answer.stderr.strip() or answer.stdout.strip() or "no message").splitlines()[0]
        raise NoCuda(f"{path} does not tell its version (status {answer.returncode}, {said}): {GET_NVCC}")
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise NoCuda(f"{path} is CUDA {version[0]}.{version[1]} and at least {oldest} is needed: {GET_NVCC}")
    return _Nvcc(path, version, answer.stdout)


def _hosts() -> list[str]:
    """Paths of the C++ compilers to offer to nvcc, the user's own alone if there is one."""
    own = os.environ.get("CUDAHOSTCXX") or os.environ.get("NVCC_CCBIN") or os.environ.get("CXX")
    names = (own,) if own else HOSTS
    paths = list(dict.fromkeys(path for name in names if (path := shutil.which(name))))
    if not paths:
        raise NoCuda(
            f"no C++ compiler was found on PATH (looked for {', '.join(names[:1])}), and nvcc needs one: install it "
            "(apt install g++, dnf install gcc-c++)"
        )
    return paths


def _with_host(nvcc: _Nvcc, host: str, architectures: tuple[str, ...], cache: Path) -> CudaToolchain:
    """Return the toolchain with this host compiler, from memory or after trying it."""
    host_version = _call([host, "--version"]).stdout.partition("\n")[0].strip()
    package = cuda_wheels.curand(nvcc.version[0])
    question = [nvcc.path, nvcc.identity, host, host_version, *architectures, *FLAGS, str(package), platform.machine()]
    question += [os.environ.get(name, "") for name in ("CPATH", "LIBRARY_PATH", "LD_LIBRARY_PATH")]
    memory = cache / f"nvcc-{hashlib.sha256(repr(question).encode()).hexdigest()[:16]}.json"
    known = _recall(memory)
    if known is None:
        known = _try(nvcc, host, host_version, architectures, package, cache)
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            memory.write_text(json.dumps(asdict(known)))
        except OSError:
            pass  # A cache that cannot be written is reported where a build needs it.
    return known


def _recall(memory: Path) -> CudaToolchain | None:
    """Return what was seen to work, if its folders are still there."""
    try:
        fields = json.loads(memory.read_text())
        known = CudaToolchain(**{key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})
    except (OSError, ValueError, TypeError):
        return None
    folders = [flag[2:] for flag in (*known.flags, *known.link_flags) if flag[:2] in ("-I", "-L")]
    return known if all(map(os.path.isdir, folders)) else None


def _try(
    nvcc: _Nvcc, host: str, host_version: str, architectures: tuple[str, ...], package: Path | None, cache: Path
) -> CudaToolchain:
    """Try the toolkit as it is, then with cuRAND from the nvidia package."""
    own = _library_flags(nvcc)
    try:
        return _tried(nvcc, host, host_version, architectures, (), own)
    except cuda_probe.NoCurand as error:
        if package is None:
            raise NoCuda(f"{error}: {GET_CURAND}") from None
    home = cuda_wheels.linked(package, cache, only="curand")
    link = (f"-L{home / 'lib64'}", f"-Xlinker=-rpath={package / 'lib'}", *own)
    try:
        return _tried(nvcc, host, host_version, architectures, (f"-I{home / 'include'}",), link)
    except cuda_probe.NoCurand as error:
        raise NoCuda(f"{error}: {GET_CURAND}") from None


def _tried(
    nvcc: _Nvcc,
    host: str,
    host_version: str,
    architectures: tuple[str, ...],
    include: tuple[str, ...],
    link: tuple[str, ...],
) -> CudaToolchain:
    codes = [f"-gencode=arch=compute_{name},code=sm_{name}" for name in architectures]
    if len(architectures) > 1:
        codes.append(f"-gencode=arch=compute_{architectures[-1]},code=compute_{architectures[-1]}")
    flags, link = (*FLAGS, *codes, *include), (*codes, *link, "-lcurand")
    identity = (nvcc.identity, host_version, *flags, *link, platform.machine(), metadata.version("brian2cuda"))
    fingerprint = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    found = CudaToolchain(nvcc.path, host, nvcc.release, host_version, architectures, flags, link, fingerprint)
    cuda_probe.run(found)
    return found


def _library_flags(nvcc: _Nvcc) -> tuple[str, ...]:
    """Return flags with which a program finds the toolkit's own cuRAND when it starts, wherever the toolkit lies."""
    said = _call([nvcc.path, "--dryrun", "-x", "cu", os.devnull]).stderr
    top = re.search(r"^#\$ TOP=(.*)$", said, re.MULTILINE)
    folders = [Path(top[1].strip(), part).resolve() for part in ("lib64", "lib")] if top else []
    return tuple(f"-Xlinker=-rpath={folder}" for folder in folders if any(folder.glob("libcurand.so*")))[:1]


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoCuda(f"{command[0]} could not be started ({error.strerror}): {GET_NVCC}") from None
