# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device runs the network, and why that one?

A device is a row of `DEVICES`; besides here, its name is known to ``gpu.compile``, which makes its programs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from circuit.errors import BuildError, UserError
from gpu import cuda_driver, cuda_toolkit, toolchain
from gpu.cache import cache_folder
from gpu.cuda_driver import Driver, NoGpu
from gpu.cuda_toolkit import CudaToolchain
from gpu.toolchain import NoToolchain, Toolchain

#: On an H100, 16 columns take 1.4 times as long as one, and 64 take 2.3 times; to draw each takes a third of a second.
COLUMNS_OF_GPU = 32


@dataclass(frozen=True)
class Device:
    """A device that can run here, or for which can be built here.

    Attributes
    ----------
    name : str
        "cuda", "cpp" or "numpy".
    reason : str
        The sentence shown to the user: what was chosen and why.
    toolchain : Toolchain, CudaToolchain or None
        The compiler, for devices that compile.
    visible : tuple of str
        GPUs among which the workers of a sweep are shared out, as CUDA_VISIBLE_DEVICES names them.
    """

    name: str
    reason: str
    toolchain: Toolchain | CudaToolchain | None = None
    visible: tuple[str, ...] = ()

    @property
    def columns(self) -> int:
        """Columns that one program should run: a GPU is idle with few, a core of a CPU gains nothing from more."""
        return COLUMNS_OF_GPU if self.name == "cuda" else 1

    @property
    def at_once(self) -> int:
        """Programs that should run at a time."""
        return 1 if self.name == "cuda" else toolchain.cores()

    @property
    def workers(self) -> int:
        """Processes that should work on a sweep: one a GPU or core.

        One more would fill the waits for the disk and take more from the others: simulations then interrupt each other
        a hundred times a second and find their values gone from the cache (docs/performance.md).
        """
        return max(1, len(self.visible)) if self.name == "cuda" else toolchain.cores()

    @property
    def identity(self) -> str:
        """What of the device decides the compiled code."""
        return f"{self.name} {self.toolchain.fingerprint}" if self.toolchain else self.name


def choose(device: str, cache: Path | None = None, to_run: bool = True) -> Device:
    """Return the device called `device`, or for "auto" the fastest one that works here.

    Parameters
    ----------
    device : str
        "auto", "cuda", "cpp" or "numpy".
    cache : Path, optional
        The cache folder; by default `gpu.cache.cache_folder`.
    to_run : bool, optional
        Whether programs shall run here. If not, a CUDA device needs no GPU.

    Raises
    ------
    UserError
        If the device is unknown or cannot work here; the sentence says what to install or to use instead.
    """
    cache = cache or cache_folder()
    if device == "auto":
        return _auto(cache)
    if device not in DEVICES:
        raise UserError(f"There is no device {device!r}; there are auto, {', '.join(DEVICES)}.")
    return DEVICES[device](cache, to_run)


def _auto(cache: Path) -> Device:
    try:
        driver = cuda_driver.query()
        return _on_gpu(driver, cuda_toolkit.find(cache, driver), "because a GPU and a CUDA compiler work here")
    except NoGpu:
        no_cuda = ""
    except BuildError as error:
        no_cuda = f" There is a GPU, but for CUDA {error}."
    try:
        found = toolchain.find(cache)
    except NoToolchain as error:
        reason = f"NumPy, because {error}; many times slower than C++. To change that, {toolchain.install_hint()}."
        return Device("numpy", reason + no_cuda)
    return Device("cpp", f"C++, because a compiler works here: {found.version}.{no_cuda}", found)


def _cuda(cache: Path, to_run: bool) -> Device:
    try:
        driver = cuda_driver.query()
    except NoGpu as error:
        if to_run:
            raise UserError(
                f"The CUDA device needs an NVIDIA GPU, but {error}. Or use --device cpp; pfc build --device cuda "
                "compiles without a GPU, for a machine that has one."
            ) from None
        driver = None
    try:
        found = cuda_toolkit.find(cache, driver)
    except BuildError as error:
        raise UserError(f"The CUDA device needs a CUDA compiler, but {error}. Or use --device cpp.") from None
    if driver:
        return _on_gpu(driver, found, "as asked")
    reason = f"CUDA {found.release}, as asked, for GPUs of compute capability {found.capabilities}"
    unasked = "" if cuda_toolkit.wanted_architectures() else "; there is none here, PFC_CUDA_ARCH would name others"
    return Device("cuda", f"{reason}{unasked}.", found)


def _on_gpu(driver: Driver, found: CudaToolchain, why: str) -> Device:
    others = f", the first of {len(driver.gpus)} GPUs" if len(driver.gpus) > 1 else ""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = tuple(filter(None, visible.split(","))) if visible else tuple(str(n) for n in range(len(driver.gpus)))
    return Device("cuda", f"CUDA {found.release} on {driver.gpus[0].name}{others}, {why}.", found, names)


def _cpp(cache: Path, to_run: bool) -> Device:
    try:
        found = toolchain.find(cache)
    except NoToolchain as error:
        raise UserError(
            f"The C++ device needs a compiler, but {error}. Either {toolchain.install_hint()}, or use --device numpy."
        ) from None
    return Device("cpp", f"C++, as asked: {found.version}.", found)


def _numpy(cache: Path, to_run: bool) -> Device:
    return Device("numpy", "NumPy, as asked; many times slower than C++.")


DEVICES: dict[str, Callable[[Path, bool], Device]] = {"cpp": _cpp, "numpy": _numpy, "cuda": _cuda}
