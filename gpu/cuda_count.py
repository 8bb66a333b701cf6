# SPDX-License-Identifier: GPL-3.0-or-later
"""How much does a step of a generated CUDA program ask of the GPU?

Small networks wait for launches and copies, not for arithmetic, so their number is the first thing to know. They are
counted in the text of the program; nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu.cuda_code import schedule


@dataclass(frozen=True)
class Calls:
    """What one function of the time loop asks of the GPU each time it is called.

    Attributes
    ----------
    function : str
        "cells_stateupdater_codeobject".
    period : float
        Its clock's step, s.
    launches, launches_on_spikes : int
        Kernels; those of the second kind only when a cell has spiked.
    clears : int
        Memory set to zero.
    waits : int
        Copies to the host, each of which waits for the GPU.
    """

    function: str
    period: float
    launches: int
    launches_on_spikes: int
    clears: int
    waits: int


@dataclass(frozen=True)
class Work:
    """What a program asks of the GPU, in the mean over its clocks, per step of the fastest.

    Attributes
    ----------
    num_files : int
        Files that were compiled.
    launches, launches_on_spikes, clears, waits : float
        As of `Calls`.
    """

    num_files: int
    launches: float
    launches_on_spikes: float
    clears: float
    waits: float


def count(folder: Path) -> Work:
    """Count what the program in `folder` asks per step; see `Work`."""
    num_files = sum(1 for file in folder.rglob("*.cu") if file.stat().st_size)
    return summed(calls(folder), num_files)


def summed(parts: Sequence[Calls], num_files: int) -> Work:
    """Add up calls of several clocks."""
    step = min(part.period for part in parts)
    kinds = ("launches", "launches_on_spikes", "clears", "waits")
    return Work(num_files, *(sum(getattr(part, kind) * step / part.period for part in parts) for kind in kinds))


def calls(folder: Path) -> list[Calls]:
    """Return what each function of the time loop asks, in the order of a step."""
    main = (folder / "main.cu").read_text()
    periods = {clock: float(dt) for clock, dt in re.findall(r"_array_(\w+)_dt\[0\] = ([\d.e-]+);", main)}
    found = []
    for function, clock in schedule(main).items():
        name = function.removeprefix("_run_")
        file = folder / "code_objects" / f"{name}.cu"
        if file.exists():
            found.append(_calls(name, periods[clock], file.read_text()))
    return found


def _calls(name: str, period: float, text: str) -> Calls:
    _, _, body = text.partition(f"void _run_{name}()")
    if "_advance_kernel" in body:  # Queues of synapses with different delays, which a uniform one passes by.
        return Calls(name, period, 0, 0, 0, 0)
    launches = body.count("<<<")
    on_spikes = launches if re.search(r"num_spiking_neurons|_num_events", body) else 0
    waits = len(re.findall(r"cudaMemcpy\([^;]*cudaMemcpyDeviceToHost", body))
    return Calls(name, period, launches - on_spikes, on_spikes, body.count("cudaMemset("), waits)
