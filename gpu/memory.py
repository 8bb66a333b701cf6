# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory will a run need, object by object, before anything is built?

Counts the arrays that the equations declare and the samples that the recording asks for. The program holds all of them
at once; what it recorded is then read back by this process. Nothing here imports Brian2.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from circuit import equations, signalling
from circuit.draw import SCHEDULE_SAMPLES
from circuit.errors import RunError
from circuit.network import BLOCK_SAMPLE, Structure, followed, recorded
from circuit.subunits import TAGS

#: Spikes per cell and second to make room for: about twice the mean of the reference column.
EXPECTED_RATE = 8.0
INTEGER = 4
#: Bytes that a compiled program holds for each synapse beside its values: source and target as given and as kept, and
#: the lists of every source. Measured with the C++ program at 12.8 million synapses.
SYNAPSE_INDICES = 30
#: Bytes of a synapse as drawn, which this process keeps while the program runs: two indices, two weights.
SYNAPSE_DRAWN = 2 * INTEGER + 2 * 8
COLUMN_TRACES = 6
VOLTAGE_TRACES = 2

_DECLARED = re.compile(r"^(?:d(?P<state>\w+)/dt = .*|(?P<value>\w+)) : [^()\n]+(?P<flags>\(.*\))?$", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """Memory of one object.

    Attributes
    ----------
    name : str
        The object, as the compiled program calls it.
    what : str
        What it holds, in words.
    count : int
        How many of what it holds.
    num_bytes : int
        Memory of all of them.
    remedy : str
        What to do to make it smaller.
    """

    name: str
    what: str
    count: int
    num_bytes: int
    remedy: str


def arrays_declared(text: str) -> int:
    """Number of arrays with one value an element that a model text declares: not shared, linked or computed."""
    return sum(
        not re.search("shared|linked|summed", match["flags"] or "")
        for match in _DECLARED.finditer(text)
        if match["state"] or match["value"]
    )


def estimate(shape: Structure, duration_s: float) -> list[Part]:
    """Memory of every object of a program, the largest first.

    Parameters
    ----------
    shape : Structure
    duration_s : float
        Simulated time.

    Returns
    -------
    list of Part
    """
    real = {"double": 8, "single": 4}[shape.precision]
    cells = shape.column_cells * shape.num_columns
    size = "lower network.num_neurons" + (" or the number of columns" if shape.num_columns > 1 else "")
    parts = [Part("cells", "cells", cells, cells * arrays_declared(equations.cells()) * real, size)]
    for name, number in shape.num_synapses:
        texts = {"readout": "", "excitation": equations.WEIGHT, "spines": equations.contacts()}
        values = arrays_declared(texts.get(name, equations.WEIGHTS))
        parts.append(Part(name, "synapses", number, number * (values * real + SYNAPSE_INDICES), size))
    drawn = sum(number for _, number in shape.num_synapses)
    parts.append(Part("as drawn", "synapses", drawn, drawn * SYNAPSE_DRAWN, size))
    parts += _recorded(shape, duration_s, real, size)
    samples = SCHEDULE_SAMPLES * shape.num_columns * len(equations.SCHEDULED)
    parts.append(Part("drug_schedule", "samples", samples, samples * 8, size))
    return sorted(parts, key=lambda part: -part.num_bytes)


def _recorded(shape: Structure, duration_s: float, real: int, size: str) -> list[Part]:
    spikes = round(shape.column_cells * shape.num_columns * EXPECTED_RATE * duration_s)
    parts = [Part("spikes", "spikes", spikes, spikes * (8 + INTEGER), size)]
    traced, sampled = (recorded(shape.num_cells, number).size for number in (shape.num_traced, BLOCK_SAMPLE))
    longer = "or shorten the protocol"
    monitors = (
        ("column_trace", 1, COLUMN_TRACES, shape.column_step, f"raise recording.lfp_step {longer}"),
        ("voltage_trace", traced, VOLTAGE_TRACES, shape.column_step, "lower recording.num_traced"),
        (
            "block_trace",
            sampled,
            len(TAGS) * len(equations.COMPARTMENTS),
            shape.trace_step,
            "raise recording.trace_step or shorten the protocol",
        ),
        (
            "chain_trace",
            followed(shape.num_cells).size if shape.slow else 0,
            len(signalling.SENSORS) + len(signalling.CHAIN) + len(signalling.SPINE_RATES),
            shape.spine_step,
            "raise numerics.spine_step or shorten the course",
        ),
    )
    for name, rows, variables, step, remedy in monitors:
        count = round(duration_s / step) * rows * shape.num_columns * variables
        parts.append(Part(name, "samples", count, count * real, remedy))
    return parts


def total(parts: Sequence[Part]) -> int:
    """Bytes of all parts."""
    return sum(part.num_bytes for part in parts)


def available() -> int | None:
    """Bytes of memory that a new process may still take, None where that cannot be known."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def check(parts: Sequence[Part], room: int | None, where: str) -> None:
    """Refuse a run that cannot fit.

    Parameters
    ----------
    parts : sequence of Part
        From `estimate`.
    room : int or None
        Bytes there are; None: not known, so nothing is refused.
    where : str
        Whose memory it is, "this machine".

    Raises
    ------
    RunError
        With the sentence that says what is largest and which setting makes it smaller.
    """
    needed = total(parts)
    if room is None or needed <= room:
        return
    largest = max(parts, key=lambda part: part.num_bytes)
    share = round(100 * largest.num_bytes / needed)
    raise RunError(
        f"The run needs about {readable(needed)} and {where} has {readable(room)} free. {share} % of it is "
        f"{largest.name} ({largest.count:,} {largest.what}): {largest.remedy}."
    )


def readable(num_bytes: float) -> str:
    """Text such as "3.2 MB"."""
    power = min(4, int(math.log10(max(num_bytes, 1)) // 3))
    return f"{num_bytes / 1000**power:.{1 if power else 0}f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def table(parts: Sequence[Part]) -> str:
    """Lines of text: object, what it holds, how many, bytes; then the sum."""
    lines = [f"{'object':<16}{'holds':<10}{'number':>16}{'memory':>12}"]
    lines += [f"{part.name:<16}{part.what:<10}{part.count:>16,}{readable(part.num_bytes):>12}" for part in parts]
    return "\n".join([*lines, f"{'together':<42}{readable(total(parts)):>12}"])
