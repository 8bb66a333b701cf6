# SPDX-License-Identifier: GPL-3.0-or-later
"""From experiments to results folders: build, draw, simulate, label, write.

One run is a network of one column. Several experiments of equal structure can share a network as its columns; each is
reported as its own run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit import columns, draw, network
from circuit.errors import RunError
from gpu import build, devices, memory, progress, provenance, record, results, run, segments
from gpu.cache import cache_folder

if TYPE_CHECKING:
    from circuit.config import Experiment

Say = Callable[[str], None]
#: Makes what shows the progress of one stage, given its name.
Meters = Callable[[str], AbstractContextManager[progress.OnProgress]]


@dataclass(frozen=True)
class Task:
    """An experiment and the folder its results go to."""

    exp: Experiment
    out: Path


def choose(device: str, say: Say, to_run: bool = True) -> devices.Device:
    """Return the device to use (`gpu.devices.choose`) and say which and why."""
    chosen = devices.choose(device, to_run=to_run)
    say(f"Device: {chosen.reason}")
    return chosen


def check_memory(shape: network.Structure, duration_s: float, at_once: int = 1) -> None:
    """Refuse, with a sentence, what does not fit into this machine's memory `at_once` times."""
    room = memory.available()
    memory.check(memory.estimate(shape, duration_s), room and room // at_once, "this machine")


def find(shape: network.Structure, device: devices.Device, say: Say, meters: Meters) -> build.Build:
    """Find or make the program for a structure.

    Raises
    ------
    BuildError
        If it does not compile.
    """
    with meters("building") as meter:
        return build.find_or_build(shape, device, cache_folder(), say, meter)


def perform(exp: Experiment, out: Path, device: str, overwrite: bool, say: Say, meters: Meters) -> results.Results:
    """Run one experiment and write its results folder, without figures.

    Interrupted by Ctrl-C while simulating, it writes what was computed and marks it as interrupted.

    Parameters
    ----------
    exp : Experiment
    out : Path
        Results folder; checked before anything else is done.
    device : str
        As for `gpu.devices.choose`.
    overwrite : bool
        Whether results in `out` may be replaced.
    say : callable
        Called with sentences for the user.
    meters : callable
        Makes the display of a stage's progress.

    Returns
    -------
    Results

    Raises
    ------
    UserError
        With the sentence to show, if any stage fails.
    """
    results.check_destination(out, overwrite)
    shape = network.structure(exp)
    check_memory(shape, exp.duration.si)
    program = find(shape, choose(device, say), say, meters)
    with meters("simulating") as meter:
        return run_columns([Task(exp, out)], program, overwrite, meter)[0]


class UnlikeError(RunError):
    """Experiments cannot be columns of one network."""


def run_columns(
    tasks: Sequence[Task],
    program: build.Build,
    overwrite: bool,
    on_progress: progress.OnProgress,
    wanted: Collection[Path] | None = None,
    networks: draw.Networks | None = None,
) -> list[results.Results]:
    """Run experiments of equal structure and duration as the columns of one network; write a folder for each.

    The noise inside the program comes from the first experiment's seed; every column has its own part of it. Of a
    folder that comes twice, the first column's results are written.

    Parameters
    ----------
    tasks : sequence of Task
    program : Build
    overwrite : bool
        Whether results that are there may be replaced.
    on_progress : callable
    wanted : collection of Path, optional
        Folders to write; by default those of all tasks.
    networks : Networks, optional
        What drew earlier ones, of which these may have the network.

    Raises
    ------
    UnlikeError
        If the columns differ in something they share.
    UserError
        If the simulation fails or a folder cannot be written.
    """
    networks = networks or draw.Networks()
    if tasks[0].exp.course is not None:
        return _run_course(tasks, program, overwrite, on_progress, wanted, networks)
    start = time.monotonic()
    exps = [task.exp for task in tasks]
    shape = network.structure(exps[0], len(exps))
    parts = [networks.arrays(exp) for exp in exps]
    try:
        given = columns.stack(parts, shape.column_cells)
    except ValueError as error:
        raise UnlikeError(f"This cannot be one network: {error}") from None
    drawn = time.monotonic()
    raw = _execute(program, given, exps[0], on_progress)
    written = []
    for number, task in _to_write(tasks, wanted):
        outputs = columns.take(raw.outputs, number, len(tasks), shape.column_cells)
        data = record.run_data(task.exp, shape, parts[number], outputs, raw.completed)
        manifest = _manifest(program, tasks, number, {"draw_s": drawn - start, **raw.timings}, raw.interrupted)
        written.append(results.write(task.out, task.exp, data, manifest, overwrite))
    return written


def _to_write(tasks: Sequence[Task], wanted: Collection[Path] | None) -> list[tuple[int, Task]]:
    """Return the tasks whose results are to be written, each folder once, with their numbers."""
    first: dict[Path, int] = {}
    for number, task in enumerate(tasks):
        first.setdefault(task.out, number)
    return [(number, tasks[number]) for out, number in first.items() if wanted is None or out in wanted]


def _run_course(
    tasks: Sequence[Task],
    program: build.Build,
    overwrite: bool,
    on_progress: progress.OnProgress,
    wanted: Collection[Path] | None,
    networks: draw.Networks,
) -> list[results.Results]:
    """Run experiments whose course is the same, from wherever an earlier start left off."""
    exps = [task.exp for task in tasks]
    shape = network.structure(exps[0], len(exps))
    store = segments.Store(tasks[0].out, segments.identity(exps, program))
    done = segments.execute(exps, program, store, shape.column_cells, on_progress, networks)
    written = []
    for number, task in _to_write(tasks, wanted):
        outputs = columns.take(done.outputs, number, len(tasks), shape.column_cells)
        seen = [{name: np.split(view[name], len(tasks))[number] for name in view} for view in done.seen]
        refs = {name: np.split(values, len(tasks))[number] for name, values in done.references.items()}
        data = record.course_data(task.exp, shape, networks.arrays(task.exp), outputs, seen, refs)
        manifest = _manifest(program, tasks, number, done.timings, False)
        written.append(results.write(task.out, task.exp, data, manifest, overwrite))
    store.remove()
    return written


def _manifest(
    program: build.Build, tasks: Sequence[Task], number: int, timings: dict[str, float], interrupted: bool
) -> dict[str, Any]:
    """What the runner knows of the column `number`."""
    return provenance.manifest(
        device={"name": program.device.name, "reason": program.device.reason},
        build={"hash": program.hash, "compiled": program.compiled},
        column={"number": number, "of": len(tasks), "noise_seed": tasks[0].exp.seed},
        timings={name: round(seconds, 4) for name, seconds in ({"build_s": program.seconds} | timings).items()},
        interrupted=interrupted,
    )


def _execute(program: build.Build, given: draw.Arrays, exp: Experiment, on_progress: progress.OnProgress) -> run.RawRun:
    with run.scratch() as workdir:
        return run.execute(program, given, exp.duration.si, exp.seed, workdir, on_progress)
