# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in sweep.nc and sweep.csv: the points of a sweep side by side. The one place that writes them.

sweep.nc is netCDF-4 with the axes of the sweep as dimensions; docs/results.md describes it. Nothing in either file
depends on when, where or in what order its points were made.
"""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.axes import coordinate
from circuit.errors import StorageError
from gpu import folder, netcdf, summary
from gpu.collect import Collected
from gpu.layout import SERIES
from gpu.netcdf import Variable

FORMAT = "pfc-sweep-data 1"
"""Goes up by one when a reader of the old layout would be wrong about the new one."""

DATASET, TABLE = "sweep.nc", "sweep.csv"
#: Group of series: what its variables' names begin with, and its dimensions besides the axes (name, unit, words).
NAMED = {
    "rates": ("", (("population", "1", "population"), ("time", "s", "middle of the bin"))),
    "chain": ("chain_", (("chain_hours", *SERIES["chain"]["hours"]),)),
    "spines": ("spines_", (("spines_hours", *SERIES["spines"]["hours"]),)),
}


def write(sweep: Collected) -> tuple[Path, Path]:
    """Write sweep.nc and sweep.csv into the folder of the sweep, each whole or not at all.

    Parameters
    ----------
    sweep : Collected

    Returns
    -------
    tuple of Path
        Both files.

    Raises
    ------
    StorageError
        If the disk is full or refuses; the points are safe.
    """
    return _put(sweep.path / DATASET, content(sweep)), _put(sweep.path / TABLE, table(sweep).encode())


def _put(path: Path, text: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            folder.write_file(draft, text)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written ({error.strerror or error}): the points are safe. Free some space or permit "
            f"writing there, then: pfc collect {path.parent}"
        ) from error
    return path


def table(sweep: Collected) -> str:
    """Return sweep.csv: a line for each point with its name, its state, its values along the axes, and its summary."""
    keys = [key for axis in sweep.axes for key in axis.keys]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["point", "status", *keys, *sweep.values])
    for point in sweep.points:
        numbers = (float(values[point.place]) for values in sweep.values.values())
        shown = ["" if math.isnan(number) else repr(number) for number in numbers]
        writer.writerow([point.id, sweep.status[point.id], *sweep.labels(point).values(), *shown])
    return text.getvalue()


def content(sweep: Collected) -> bytes:
    """Return sweep.nc."""
    attributes = {"format": FORMAT, "title": sweep.title, "points": len(sweep.points)}
    attributes |= {f"points_{state}": number for state, number in sweep.counts.items()}
    return netcdf.content(attributes, {netcdf.ROOT: variables(sweep)})


def variables(sweep: Collected) -> dict[str, Variable]:
    """Return every variable of sweep.nc, coordinates first."""
    data = {
        key: Variable((), values, *summary.described(key)) for key, values in sweep.values.items()
    } | _states(sweep)
    series, shared = _series(sweep)
    dims, coordinates = _coordinates(sweep, {*data, *series, *shared})
    others = {"coordinates": " ".join(sorted(coordinates.keys() - dims))} if coordinates.keys() - dims else {}
    placed = {
        name: Variable((*dims, *one.dims), one.values, one.units, one.long_name, others, len(one.dims) or len(dims))
        for name, one in (data | series).items()
    }
    return coordinates | shared | placed


def _states(sweep: Collected) -> dict[str, Variable]:
    names, states = (np.full(sweep.shape, "", dtype=object) for _ in range(2))
    for point in sweep.points:
        names[point.place], states[point.place] = point.id, sweep.status[point.id]
    words = "state of the point: done, failed, missing or damaged"
    return {"point": Variable((), names, "1", "name of the point"), "status": Variable((), states, "1", words)}


def _series(sweep: Collected) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """Return the series that all points share samples of, and their own coordinates."""
    found, shared = {}, {}
    for group, (start, own) in NAMED.items():
        stack = sweep.stacks.get(group)
        if stack is None or not stack.values:
            continue
        dims = tuple(name for name, _, _ in own)
        for (name, units, words), values in zip(own, stack.shared.values(), strict=True):
            is_text = values.dtype.kind in "OS"
            shared[name] = Variable((name,), _text(values) if is_text else values, units, words)
        for name, values in stack.values.items():
            units, words = ("Hz", "firing rate per cell") if group == "rates" else SERIES[group][name]
            found[f"{start}{name}"] = Variable(dims, values, units, words)
    return found, shared


def _text(values: NDArray[Any]) -> NDArray[np.object_]:
    return np.array([value.decode() if isinstance(value, bytes) else value for value in values], dtype=object)


def _coordinates(sweep: Collected, taken: set[str]) -> tuple[tuple[str, ...], dict[str, Variable]]:
    """Return the dimension of each axis, and the values of each key along its axis."""
    dims: list[str] = []
    found: dict[str, Variable] = {}
    for axis in sweep.axes:
        dim = _name(axis.name, {*taken, *found, *dims})
        dims.append(dim)
        if axis.name not in axis.keys:
            numbers = np.arange(len(axis.labels))
            found[dim] = Variable((dim,), numbers, "1", f"place along {axis.name}", {"key": axis.name})
        for n, key in enumerate(axis.keys):
            name = dim if key == axis.name else _name(key, {*taken, *found, *dims})
            values, units = coordinate([place[n] for place in axis.labels])
            array = np.array(values, dtype=object if units is None else np.float64)
            words = sweep.meanings.get(key, f"{key} of the configuration")
            found[name] = Variable((dim,), array, units or "1", words, {"key": key})
    return tuple(dims), found


def _name(key: str, taken: set[str]) -> str:
    """Return a key as the name of a dimension or variable: netCDF takes all but "/", and each only once."""
    name = key.replace("/", "_").strip()
    while name in taken:
        name += "_axis"
    return name
