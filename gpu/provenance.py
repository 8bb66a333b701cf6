# SPDX-License-Identifier: GPL-3.0-or-later
"""Where does a result come from? Versions, commit, hardware, memory and checksums for manifest.json.

Nothing here may stop a run: what cannot be found out is None. Nothing here names the machine or its user either, so a
results folder can be given away as it is.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("pfc-ketamine", "brian2", "brian2cuda", "numpy", "scipy", "h5py", "h5netcdf", "matplotlib", "pydantic")
"""Distributions whose version can change a result, a file or a figure."""

ROOT = Path(__file__).resolve().parent.parent
"""Folder of the program."""


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Version of Python and of each distribution, None where it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, None where there is no git, no answer or an error."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def commit(folder: Path = ROOT) -> str | None:
    """Commit of the program, if it runs from its own git checkout.

    Returns
    -------
    str or None
        The full hash, with ``-modified`` after it where tracked files differ from it. None without git, without a
        commit, or when `folder` only lies somewhere inside another project's checkout.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != Path(folder).resolve():
        return None
    name = _git(folder, "rev-parse", "--verify", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{name}-modified" if name and status else name or None


def _cpu_model() -> str | None:
    """The processor's trade name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or None


def hardware() -> dict[str, Any]:
    """Processor, cores this process may use, and memory.

    Returns
    -------
    dict
        ``cpu`` (str or None), ``cores`` (int), ``memory_gib`` (float or None), ``machine`` and ``system`` (str).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        memory = None
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gib": memory,
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
    }


def peak_memory() -> dict[str, float]:
    """Largest memory held so far by this process, and by the largest of its finished children (compiler, simulation).

    Returns
    -------
    dict
        ``this_process_mib`` and ``largest_child_mib``; Linux counts for a child at least what this process held when it
        started it.
    """
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes on macOS, KiB elsewhere
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"this_process_mib": round(own / unit, 1), "largest_child_mib": round(children / unit, 1)}


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(
    *,
    device: Mapping[str, str],
    build: Mapping[str, Any],
    column: Mapping[str, int],
    timings: Mapping[str, float],
    interrupted: bool = False,
) -> dict[str, Any]:
    """What only the runner knows about a run; `gpu.results.write` adds the rest.

    Parameters
    ----------
    device : mapping
        ``name`` and ``reason``, the sentence that says why it was taken.
    build : mapping
        ``hash`` of the structure, and ``compiled``: True if it was built for this run, False if found in the cache.
    column : mapping
        ``number`` (from 0) of this run among the columns of one network, ``of`` how many, and ``noise_seed``, which
        seeded the noise that the network shares.
    timings : mapping
        Seconds: ``build_s``, ``draw_s``, ``simulate_s``, ``collect_s``, ``figures_s``.
    interrupted : bool, optional
        True if the simulation did not reach its end.

    Returns
    -------
    dict
        Plain values, ready for JSON.
    """
    return {
        "status": "interrupted" if interrupted else "complete",
        "device": dict(device),
        "build": dict(build),
        "column": dict(column),
        "timings": dict(timings),
        "peak_memory": peak_memory(),
        **_origin(),
    }


@cache
def _origin() -> dict[str, Any]:
    """What is the same for every run of a process: asked once."""
    return {"versions": versions(), "commit": commit(), "hardware": hardware()}
