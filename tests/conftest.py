# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: skips with their reason where a tool or a device is missing, and the project's folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

# The first example may have to import half of SciPy, and a shared machine may stall: time is no property of the code.
settings.register_profile("pfc", deadline=None)
settings.load_profile("pfc")


def _missing(marker: str) -> str | None:
    """Why tests with this marker cannot run here; None if they can."""
    if marker == "gcc" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        return "no C++ compiler on PATH"
    if marker == "nvcc" and not shutil.which("nvcc"):
        return "no nvcc on PATH"
    if marker == "gpu" and not _has_gpu():
        return "no NVIDIA GPU"
    return None


def _has_gpu() -> bool:
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return "GPU" in listing.stdout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, never fail, where a machine lacks what a test needs."""
    used = {marker.name for item in items for marker in item.iter_markers()}
    reasons = {name: _missing(name) for name in ("gcc", "nvcc", "gpu") if name in used}
    for item in items:
        for name, reason in reasons.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent
