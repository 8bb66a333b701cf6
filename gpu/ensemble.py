# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs at a time, each into a folder of its own: the arms of an experiment.

A GPU runs them as columns of one network, many at a time; a CPU runs one a core, side by side. The caller says how
many; what is written does not depend on it, except that columns of one network share a generator of noise.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from circuit import network
from gpu import build, folder, progress, results
from gpu.devices import Device
from gpu.job import Meters, Say, Task, check_memory, choose, find, run_columns


def is_done(task: Task) -> bool:
    """Whether the folder of a task holds its whole results, from an earlier start.

    Raises
    ------
    UserError
        If it holds results that are damaged.
    """
    if not (task.out / folder.MANIFEST).is_file():
        return False
    found = results.Results.open(task.out).manifest
    return found["status"] == "complete" and found["config"] == json.loads(json.dumps(task.exp.resolved()))


def chunked(tasks: Sequence[Task], per_program: int) -> Iterator[list[Task]]:
    """Split tasks, in their order, into those that share a program: equal structure and duration."""
    alike = itertools.groupby(tasks, key=lambda task: (network.structure(task.exp), task.exp.duration))
    for _, group in alike:
        yield from (list(batch) for batch in itertools.batched(group, per_program))


def perform_all(
    tasks: Sequence[Task],
    device: str,
    overwrite: bool,
    say: Say,
    meters: Meters,
    per_program: int | None = None,
    at_once: int | None = None,
) -> list[results.Results]:
    """Run experiments and write their results folders, without figures.

    On Ctrl-C the runs that are simulating write what they have and are marked as interrupted; those that had not begun
    are left out.

    Parameters
    ----------
    tasks : sequence of Task
        The folders are checked before anything else is done.
    device, overwrite, say, meters
        As for `gpu.job.perform`.
    per_program : int, optional
        Columns that one program runs; by default what suits the device.
    at_once : int, optional
        Programs that run at a time; by default what suits the device.

    Returns
    -------
    list of Results
        In the order of `tasks`.

    Raises
    ------
    UserError
        With the sentence to show, if any stage fails; runs that are written by then stay.
    """
    for task in tasks:
        results.check_destination(task.out, overwrite)
    return perform_on(choose(device, say), tasks, overwrite, say, meters, per_program, at_once)


def perform_on(
    chosen: Device,
    tasks: Sequence[Task],
    overwrite: bool,
    say: Say,
    meters: Meters,
    per_program: int | None = None,
    at_once: int | None = None,
) -> list[results.Results]:
    """Do what `perform_all` does on a device that is chosen, for folders that are checked."""
    chunks = list(chunked(tasks, per_program or chosen.columns))
    at_once = min(at_once or chosen.at_once, len(chunks))
    for chunk in chunks:
        check_memory(_shape(chunk), chunk[0].exp.duration.si, at_once)
    programs: dict[network.Structure, build.Build] = {}
    for shape in dict.fromkeys(_shape(chunk) for chunk in chunks):
        programs[shape] = find(shape, chosen, say, meters)

    with meters("simulating") as meter:
        joint = _Joint(meter, [len(chunk) for chunk in chunks])

        def work(number: int) -> list[results.Results]:
            chunk = chunks[number]
            return run_columns(chunk, programs[_shape(chunk)], overwrite, joint.part(number))

        return [result for group in _side_by_side(work, len(chunks), at_once, joint.stop) for result in group]


def _shape(chunk: Sequence[Task]) -> network.Structure:
    return network.structure(chunk[0].exp, len(chunk))


def _side_by_side(
    work: Callable[[int], list[results.Results]], number: int, at_once: int, stop: threading.Event
) -> list[list[results.Results]]:
    """Do `work` for 0 to `number` - 1 in threads (each waits for a program).

    After Ctrl-C or an error nothing more begins. `stop` is set on Ctrl-C, for what has begun to end early.
    """
    closed = threading.Event()

    def begin(n: int) -> list[results.Results]:
        if closed.is_set():
            return []
        try:
            return work(n)
        except BaseException:
            closed.set()
            raise

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(begin, n) for n in range(number)]
        try:
            wait(futures, return_when="FIRST_EXCEPTION")
        except KeyboardInterrupt:
            closed.set()
            stop.set()
    return [future.result() for future in futures]


@dataclass
class _Joint:
    """Progress of several parts as one, by weight; passes a request to stop on to each part that is running."""

    show: progress.OnProgress
    weights: Sequence[int]
    stop: threading.Event = field(default_factory=threading.Event)
    _done: dict[int, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def part(self, number: int) -> progress.OnProgress:
        """What the part `number` reports to."""
        told = False

        def report(completed: float, elapsed_s: float) -> None:
            nonlocal told
            if self.stop.is_set() and not told:
                told = True  # once: a second interrupt would mean "at once, without results"
                raise KeyboardInterrupt
            with self._lock:
                self._done[number] = completed
                total = sum(self.weights[n] * done for n, done in self._done.items()) / sum(self.weights)
                self.show(total, time.monotonic() - self._start)

        return report
