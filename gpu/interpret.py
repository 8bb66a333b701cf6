# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a NumPy build: ``python -m gpu.interpret BUILD --results_dir DIR object.variable=FILE ...``.

It takes the arguments of a compiled program and leaves the same files, so that ``gpu.run`` need not know which of the
two it started. Seed and duration (s) come in the environment, as PFC_SEED and PFC_DURATION.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpu import progress
from gpu.build import DESCRIPTION
from gpu.compile import REPORT_PERIOD_S, create


def main(arguments: list[str]) -> None:
    """Run a build in the working directory; `arguments` as in the module's first line."""
    folder, _, results, *settings = arguments
    description = json.loads(Path(folder, DESCRIPTION).read_text())
    objects = _create(description)
    for setting in settings:
        name, _, given = setting.partition("=")
        _set(objects, name, _values(given, description["variables"][name]))
    _simulate(objects["network"], float(os.environ["PFC_DURATION"]), int(os.environ["PFC_SEED"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # What was computed is written even if Ctrl-C comes twice.
    _write(objects["network"], description, Path(results))


def _create(description: Mapping[str, Any]) -> dict[str, Any]:
    edges = {name: np.fromfile(entry["file"], dtype=entry["dtype"]) for name, entry in description["indices"].items()}
    synapses = {name.rpartition(".")[0] for name in edges}
    return create(description, {name: (edges[f"{name}.i"], edges[f"{name}.j"]) for name in synapses})


def _values(given: str, variable: Mapping[str, Any]) -> np.ndarray:
    """Return the values in a file from a byte on, "FILE@BYTE", or a number for all places.

    As for compiled programs, a digit or "-" begins a number.
    """
    if given[0] == "-" or given[0].isdigit():
        return np.full(variable["size"], float(given)).astype(variable["dtype"])
    file, _, first = given.rpartition("@")
    return np.fromfile(file, dtype=variable["dtype"], count=variable["size"], offset=int(first))


def _set(objects: Mapping[str, Any], name: str, values: np.ndarray) -> None:
    owner, _, variable = name.rpartition(".")
    if variable == "values":
        objects[owner].values[...] = values.reshape(objects[owner].values.shape)
    else:
        _variables(objects["network"])[name].set_value(values)


def _variables(network: Any) -> dict[str, Any]:
    """Return every array of the network by "object.variable"."""
    return {
        f"{variable.owner.name}.{variable.name}": variable
        for item in network.sorted_objects
        for variable in getattr(item, "variables", {}).values()
        if hasattr(variable, "get_value") and hasattr(variable, "owner") and hasattr(variable.owner, "name")
    }


def _simulate(network: Any, duration_s: float, seed: int) -> None:
    from brian2 import second
    from brian2 import seed as set_seed

    def report(elapsed: Any, completed: float, start: Any, duration: Any) -> None:
        print(progress.line(completed, float(elapsed)), flush=True)

    set_seed(seed)
    network.run(duration_s * second, report=report, report_period=REPORT_PERIOD_S * second, namespace={})


def _write(network: Any, description: Mapping[str, Any], results: Path) -> None:
    from brian2 import get_device

    variables = _variables(network)
    entries = [*description["variables"].values(), *description["outputs"].values()]
    files = {entry["file"] for entry in entries} | {entry["counter"] for entry in description["outputs"].values()}
    for file in files - {None}:
        np.asarray(variables[file].get_value()).tofile(results / file)
    device = get_device()
    loop_s, completed = device._last_run_time, float(device._last_run_completed_fraction)
    (results / "last_run_info.txt").write_text(f"{loop_s} {completed}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
