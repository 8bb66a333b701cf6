# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NVIDIA GPUs can a program use here, and what does their driver support?

Asked of the driver's own library, so neither a CUDA toolkit nor nvidia-smi is needed. A GPU is chosen with
CUDA_VISIBLE_DEVICES, which the library obeys: the first one it shows is ours.
"""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit.errors import BuildError

LIBRARIES = ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")
MODULE = Path("/proc/driver/nvidia/version")
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
NO_DEVICE = 100  # CUresult
REMEDIES = {
    34: "libcuda is the toolkit's stand-in for building: take its folder out of LD_LIBRARY_PATH",
    802: "wait for the machine's NVSwitch fabric manager, or start it",
    803: "the driver's library and its kernel module differ, as after an update: restart the machine",
    999: "the driver's kernel module does not answer: load it (nvidia-modprobe) or restart the machine",
}


class NoGpu(BuildError):
    """No GPU can be used; the text is the reason and what to do about it, without a full stop."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver shows us.

    Attributes
    ----------
    name : str
        "NVIDIA H200".
    capability : tuple of int
        Compute capability, (9, 0).
    memory : int
        Bytes.
    """

    name: str
    capability: tuple[int, int]
    memory: int

    @property
    def architecture(self) -> str:
        """The capability as compilers write it, "90"."""
        return "".join(map(str, self.capability))


@dataclass(frozen=True)
class Driver:
    """A driver that works and shows at least one GPU.

    Attributes
    ----------
    cuda : tuple of int
        Newest CUDA version it supports, (13, 0).
    release : str or None
        Its own version, "580.65.06", where the system tells.
    gpus : tuple of Gpu
    """

    cuda: tuple[int, int]
    release: str | None
    gpus: tuple[Gpu, ...]


def query() -> Driver:
    """Ask the driver.

    Raises
    ------
    NoGpu
        If there is no driver, it does not work, or it shows no GPU.
    """
    library = _library()
    status = library.cuInit(0)
    if status == NO_DEVICE:
        raise NoGpu(_none_visible())
    _require(library, status, "does not start")
    version, count = ctypes.c_int(), ctypes.c_int()
    _require(library, library.cuDriverGetVersion(ctypes.byref(version)), "does not tell its version")
    _require(library, library.cuDeviceGetCount(ctypes.byref(count)), "does not count its GPUs")
    if not count.value:
        raise NoGpu(_none_visible())
    cuda = version.value // 1000, version.value % 1000 // 10
    return Driver(cuda, _release(), tuple(_gpu(library, number) for number in range(count.value)))


def _library() -> Any:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise NoGpu(
        f"no NVIDIA driver was found ({LIBRARIES[0]} cannot be loaded): install the driver on a machine with an NVIDIA "
        "GPU; in a container, pass the GPU through (--gpus all, --nv)"
    )


def _none_visible() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return f"CUDA_VISIBLE_DEVICES is {visible!r}, which shows no GPU: unset it, or set it to 0"
    return "the NVIDIA driver shows no GPU: ask for one (in a Slurm job, --gres=gpu:1), or pass it to the container"


def _require(library: Any, status: int, what: str) -> None:
    if not status:
        return
    name = ctypes.c_char_p()
    library.cuGetErrorName(status, ctypes.byref(name))
    code = name.value.decode() if name.value else str(status)
    remedy = REMEDIES.get(status, "nvidia-smi may say more")
    raise NoGpu(f"the NVIDIA driver {what} ({code}): {remedy}")


def _gpu(library: Any, number: int) -> Gpu:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    capability = ctypes.c_int(), ctypes.c_int()
    what = f"does not describe GPU {number}"
    _require(library, library.cuDeviceGet(ctypes.byref(device), number), what)
    _require(library, library.cuDeviceGetName(name, len(name), device), what)
    _require(library, library.cuDeviceTotalMem_v2(ctypes.byref(memory), device), what)
    for value, attribute in zip(capability, (CAPABILITY_MAJOR, CAPABILITY_MINOR), strict=True):
        _require(library, library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device), what)
    return Gpu(name.value.decode(errors="replace"), (capability[0].value, capability[1].value), memory.value)


def _release() -> str | None:
    try:
        found = re.search(r"Module\s+(?:for\s+\S+\s+)?(\d[\d.]+)", MODULE.read_text())
    except OSError:
        return None
    return found[1] if found else None
