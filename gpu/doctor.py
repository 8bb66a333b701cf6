# SPDX-License-Identifier: GPL-3.0-or-later
"""What is here to run the network with, does it work, and what to do about what does not?

Everything is tried anew: what was seen to work before may be broken now.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from circuit.errors import BuildError
from gpu import cuda_driver, cuda_toolkit, devices, toolchain
from gpu.build import environment
from gpu.cache import cache_folder
from gpu.cuda_driver import Driver, NoGpu
from gpu.toolchain import NoToolchain

PACKAGES = ("brian2", "brian2cuda", "numpy", "h5py")
NEEDED_BYTES = 500e6
"""Room that a build and a run should find; the program itself takes a few MB."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
        "C++ compiler".
    works : bool
    found : str
        What is there, or the reason why it does not work and what to do.
    """

    what: str
    works: bool
    found: str


@dataclass(frozen=True)
class Report:
    """All findings, and whether the device that was asked for works.

    Attributes
    ----------
    findings : tuple of Finding
    works : bool
    verdict : str
        A sentence.
    """

    findings: tuple[Finding, ...]
    works: bool
    verdict: str


def examine(device: str = "auto", cache: Path | None = None) -> Report:
    """Look at everything.

    Parameters
    ----------
    device : str
        As for `gpu.devices.choose`; `Report.works` is about this one.
    cache : Path, optional
        The cache folder; by default `gpu.cache.cache_folder`.

    Raises
    ------
    UserError
        If there is no device of that name.
    """
    if device not in ("auto", *devices.DEVICES):
        devices.choose(device)
    cache = cache or cache_folder()
    driver, gpus = _gpus()
    shared = [_packages(), _cache(cache)]
    parts = {"numpy": [_brian()], "cpp": [_cpp()], "cuda": [gpus, _cuda(driver)]}
    findings = (*shared, *(finding for part in parts.values() for finding in part))
    base = all(finding.works for finding in (*shared, *parts["numpy"]))
    working = [name for name, part in parts.items() if base and all(finding.works for finding in part)]
    if device == "auto":
        return Report(findings, bool(working), _auto_verdict(working))
    if device in working:
        return Report(findings, True, f"The device {device} works.")
    built = device == "cuda" and base and parts["cuda"][1].works
    more = " It can be built for: pfc build --device cuda." if built else ""
    return Report(findings, False, f"The device {device} does not work here.{more}")


def _auto_verdict(working: list[str]) -> str:
    if not working:
        return "No device works here."
    return f"The device auto works: it takes {working[-1]}."


def _packages() -> Finding:
    versions, problems = [f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            own = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
            continue
        versions.append(f"{name} {own.version}")
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and not Path(spec.origin).resolve().is_relative_to(Path(own.locate_file("")).resolve()):
            problems.append(f"{spec.origin} hides the package {name}: rename it, or take its folder out of PYTHONPATH")
    return Finding("Python packages", not problems, "; ".join(problems) or ", ".join(versions))


def _cache(cache: Path) -> Finding:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(b"room")
        free = shutil.disk_usage(cache).free
    except OSError as error:
        advice = "permit writing there, make room, or name another folder in PFC_CACHE"
        return Finding("Cache of builds", False, f"{cache} cannot be written ({error.strerror or error}): {advice}")
    if free < NEEDED_BYTES:
        return Finding("Cache of builds", False, f"{cache} has {free / 1e6:.0f} MB left: make room, or set PFC_CACHE")
    return Finding("Cache of builds", True, f"{cache}, {free / 1e9:.0f} GB free")


def _brian() -> Finding:
    """Import Brian2 in a process of its own, as builds and runs do, and draw one random number with it."""
    script = "import brian2; brian2.seed(1); print(brian2.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        return Finding("Brian2", False, f"it cannot be imported ({said}): set the environment up again (make setup)")
    return Finding("Brian2", True, f"{done.stdout.split()[-1]} imports; --device numpy")


def _cpp() -> Finding:
    try:
        with tempfile.TemporaryDirectory(prefix="pfc-doctor-") as folder:
            found = toolchain.find(Path(folder))
    except NoToolchain as error:
        return Finding("C++ compiler", False, f"{error}: {toolchain.install_hint()}")
    except OSError as error:
        return Finding("C++ compiler", False, f"it cannot be tried ({error}): make room, or set TMPDIR")
    return Finding("C++ compiler", True, f"{found.version} compiles a small program; --device cpp")


def _gpus() -> tuple[Driver | None, Finding]:
    try:
        driver = cuda_driver.query()
    except NoGpu as error:
        return None, Finding("GPU and driver", False, str(error))
    models = [f"{gpu.name} ({_dotted(gpu.capability)}, {gpu.memory / 2**30:.0f} GiB)" for gpu in driver.gpus]
    release = f"driver {driver.release}, " if driver.release else ""
    return driver, Finding("GPU and driver", True, f"{', '.join(models)}; {release}CUDA up to {_dotted(driver.cuda)}")


def _cuda(driver: Driver | None) -> Finding:
    try:
        with tempfile.TemporaryDirectory(prefix="pfc-doctor-") as folder:
            found = cuda_toolkit.find(Path(folder), driver)
    except BuildError as error:
        return Finding("CUDA compiler", False, str(error))
    except OSError as error:
        return Finding("CUDA compiler", False, f"it cannot be tried ({error}): make room, or set TMPDIR")
    done = "compiles, links and runs" if driver else "compiles and links"
    launcher = f", with {Path(found.launcher).name}" if found.launcher else ""
    text = f"CUDA {found.release} with {found.host_version}{launcher} {done} a small program with cuRAND"
    return Finding("CUDA compiler", True, f"{text}, for compute capability {found.capabilities}; --device cuda")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
