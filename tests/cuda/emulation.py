# SPDX-License-Identifier: GPL-3.0-or-later
"""A CUDA device without a GPU: the same generated program, compiled for the processor (stand_in/cuda_runtime.h)."""

from __future__ import annotations

import shutil
from pathlib import Path

from gpu.cuda_toolkit import CudaToolchain
from gpu.devices import Device

NVCC = Path(__file__).parent / "stand_in" / "nvcc"


def device(*flags: str) -> Device:
    """Return a CUDA device whose compiler is the stand-in; further flags go to the C++ compiler."""
    flags = ("-std=c++17", "-O1", *flags)
    host = shutil.which("g++") or shutil.which("c++") or "g++"
    identity = "".join(path.read_text() for path in sorted(NVCC.parent.iterdir()))
    found = CudaToolchain(str(NVCC), host, "13.0", "", ("90",), flags, (), f"emulation {identity} {flags}")
    return Device("cuda", "CUDA, emulated.", found)
