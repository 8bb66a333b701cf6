# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device runs the network, and why that one?

A device is a row of `DEVICES`. A CUDA device takes the place of `_cuda`, and a branch beside C++ in ``gpu.compile``;
nothing else in the program asks which device it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from circuit.errors import UserError
from gpu import toolchain
from gpu.cache import cache_folder
from gpu.toolchain import NoToolchain, Toolchain


@dataclass(frozen=True)
class Device:
    """A device that can run here.

    Attributes
    ----------
    name : str
        "cpp" or "numpy".
    reason : str
        The sentence shown to the user: what was chosen and why.
    toolchain : Toolchain or None
        The compiler, for devices that compile.
    """

    name: str
    reason: str
    toolchain: Toolchain | None = None

    @property
    def identity(self) -> str:
        """What of the device decides the compiled code."""
        return f"{self.name} {self.toolchain.fingerprint}" if self.toolchain else self.name


def choose(device: str, cache: Path | None = None) -> Device:
    """Return the device called `device`, or for "auto" the fastest one that works here.

    Parameters
    ----------
    device : str
        "auto", "cpp", "numpy" or "cuda".
    cache : Path, optional
        The cache folder; by default `gpu.cache.cache_folder`.

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
    return DEVICES[device](cache)


def _auto(cache: Path) -> Device:
    try:
        found = toolchain.find(cache)
    except NoToolchain as error:
        reason = f"NumPy, because {error}; many times slower than C++. To change that, {toolchain.install_hint()}."
        return Device("numpy", reason)
    return Device("cpp", f"C++, because a compiler works here: {found.version}.", found)


def _cpp(cache: Path) -> Device:
    try:
        found = toolchain.find(cache)
    except NoToolchain as error:
        raise UserError(
            f"The C++ device needs a compiler, but {error}. Either {toolchain.install_hint()}, or use --device numpy."
        ) from None
    return Device("cpp", f"C++, as asked: {found.version}.", found)


def _numpy(cache: Path) -> Device:
    return Device("numpy", "NumPy, as asked; many times slower than C++.")


def _cuda(cache: Path) -> Device:
    raise UserError("The CUDA device comes with the next version; use --device cpp or --device numpy for now.")


DEVICES: dict[str, Callable[[Path], Device]] = {"cpp": _cpp, "numpy": _numpy, "cuda": _cuda}
