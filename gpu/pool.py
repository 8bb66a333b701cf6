# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a sweep on this machine: as many workers as its cores or GPUs keep busy, one process each.

A worker that dies is replaced, and a batch at which two have died is noted as failed. If this process dies, its workers
end when they next have something to tell it; what is done by then is on disk.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circuit import network
from circuit.errors import ResultsError, RunError, StorageError, UserError
from gpu import folder, job, points, progress, worker
from gpu.build import environment
from gpu.devices import Device
from gpu.plan import Batch, Plan

LOGS = "logs"
#: So many workers may die at one batch before it is noted as failed.
DEATHS = 2
#: A worker that is told to stop has so many seconds before it is killed.
PATIENCE = 10.0


@dataclass
class _Child:
    """A worker's process, and the batch it is at."""

    number: int
    process: subprocess.Popen[str]
    at: str | None = None
    fraction: float = 0.0
    trouble: str | None = None


@dataclass
class Pool:
    """Workers on one sweep, and what they have told.

    Attributes
    ----------
    plan : Plan
    device : Device
    workers : int
        How many at a time.
    say : callable
        Called with sentences for people.
    meter : callable
        Called with the completed fraction of the sweep and the seconds it took so far.
    """

    plan: Plan
    device: Device
    workers: int
    say: job.Say
    meter: progress.OnProgress
    _events: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    _children: dict[int, _Child] = field(default_factory=dict)
    _deaths: Counter = field(default_factory=Counter)
    _done: int = 0
    _first: int = 0
    _start: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Work until nothing is left.

        Raises
        ------
        UserError
            If a disk or the compiler refuses, or workers keep dying; what is done is kept.
        KeyboardInterrupt
            After Ctrl-C, when all workers have ended.
        """
        self._first = self._done = self._finished()
        try:
            (self.plan.folder / LOGS).mkdir(exist_ok=True)
            for number in range(self.workers):
                self._begin(number)
            while self._children:
                self._hear(*self._events.get())
        except OSError as error:
            raise StorageError(f"{self.plan.folder} cannot be written to ({error.strerror or error}).") from error
        finally:
            self._end()

    def _finished(self) -> int:
        """Points that need no more work."""
        return sum(state in (points.DONE, points.FAILING) for state in points.states(self.plan).values())

    def _begin(self, number: int) -> None:
        with (self.plan.folder / LOGS / f"worker-{number}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gpu.worker", *self._words(number)],
                env=environment() | self._own_device(number),
                process_group=0,  # a terminal's Ctrl-C reaches the pool alone, which tells them
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
            )
        child = _Child(number, process)
        self._children[number] = child
        threading.Thread(target=self._listen, args=(child,), daemon=True).start()

    def _words(self, number: int) -> list[str]:
        """Arguments of a worker."""
        return [str(self.plan.folder.absolute()), self.device.name, str(number), str(self.workers)]

    def _own_device(self, number: int) -> dict[str, str]:
        """Environment that gives each worker one of several GPUs."""
        visible = self.device.visible
        return {"CUDA_VISIBLE_DEVICES": visible[number % len(visible)]} if visible else {}

    def _listen(self, child: _Child) -> None:
        """Pass on what a worker says, and then that it has ended."""
        for line in child.process.stdout:
            if line.startswith(worker.PREFIX):
                with suppress(ValueError):  # half a line of a worker that was killed
                    self._events.put((child, json.loads(line.removeprefix(worker.PREFIX))))
        child.process.wait()
        self._events.put((child, None))

    def _hear(self, child: _Child, what: dict[str, Any] | None) -> None:
        if what is None:
            self._ended(child)
            return
        child.at = what.get("begin", child.at)
        child.fraction = what.get("fraction", 0.0 if "begin" in what else child.fraction)
        child.trouble = what.get("trouble", child.trouble)
        if "done" in what or "failed" in what:
            self._done += what.get("done", 1)
            child.fraction = 0.0
        self._show()

    def _show(self) -> None:
        """Show the part that is done; time left is at the pace of what was done here."""
        total = len(self.plan.points)
        under_way = sum(child.fraction for child in self._children.values())
        done = min(self._done + under_way, total)
        here = done - self._first
        elapsed = time.monotonic() - self._start
        self.meter(done / total, elapsed * done / here if here > 0 and done < total else elapsed)

    def _ended(self, child: _Child) -> None:
        del self._children[child.number]
        status = child.process.returncode
        if status == 0:
            return
        if child.trouble:
            raise (StorageError if status == worker.NO_ROOM else UserError)(child.trouble)
        log = self.plan.folder / LOGS / f"worker-{child.number}.log"
        if child.at is None:
            raise RunError(f"A worker ended with status {status} before it began; its last words are in {log}.")
        self._deaths[child.at] += 1
        self.say(f"A worker ended with status {status} at the batch {child.at}; another takes its place ({log}).")
        if self._deaths[child.at] >= DEATHS:
            self._give_up(child.at, status)
        self._begin(child.number)

    def _give_up(self, name: str, status: int) -> None:
        batch = next(batch for batch in self.plan.batches if batch.name == name)
        cause = "perhaps for want of memory" if status == -signal.SIGKILL else f"with status {status}"
        for point in batch.points:
            if not points.is_done(self.plan, point):
                points.fail(self.plan, point, f"Two workers ended at this point, {cause}.", points.KILLED)
                self._done += 1

    def _end(self) -> None:
        """Have all workers stop, kindly at first."""
        processes = [child.process for child in self._children.values()]
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def present(plan: Plan) -> Iterator[None]:
    """Let others know that this process drives the sweep, for `pfc cancel`."""
    file = plan.folder / f".pool-{os.getpid()}.json"
    try:
        folder.write_json(file, {"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())})
    except OSError as error:
        raise StorageError(f"{plan.folder} cannot be written to ({error.strerror or error}).") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def stop_others(plan: Plan) -> int:
    """Tell every process on this machine that drives the sweep to stop; return how many there were."""
    told = 0
    for file in plan.folder.glob(".pool-*.json"):
        try:
            who = folder.read_json(file)
            pid, host, started = who["pid"], who["host"], who["started"]
        except (ResultsError, KeyError):
            file.unlink(missing_ok=True)
            continue
        if host != socket.gethostname():
            continue
        if started is None or _started(pid) != started:  # dead, and its number may be another's by now
            file.unlink(missing_ok=True)
            continue
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
            told += 1
    return told


def _started(pid: int) -> str | None:
    """When a process began, in the system's own count; None if there is no such process."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return None


def left(plan: Plan) -> list[Batch]:
    """Batches of which a point is missing or is being worked on."""
    open_states = (points.MISSING, points.RUNNING)
    found = points.states(plan)
    return [batch for batch in plan.batches if any(found[point] in open_states for point in batch.points)]


def structures(plan: Plan, batches: Sequence[Batch]) -> dict[network.Structure, float]:
    """Programs that these batches need, each with the longest simulated time that it runs for, in s."""
    found: dict[network.Structure, float] = {}
    for batch in batches:
        exp = plan.experiment(batch.name)
        shape = network.structure(exp, batch.columns)
        found[shape] = max(found.get(shape, 0.0), exp.duration.si)
    return found


def perform(plan: Plan, device: Device, workers: int | None, say: job.Say, meters: job.Meters) -> None:
    """Do what is missing of a sweep on this machine.

    Parameters
    ----------
    plan : Plan
    device : Device
    workers : int, optional
        Processes at a time; by default what keeps the device busy.
    say, meters
        As for `gpu.job.perform`.

    Raises
    ------
    UserError
        With the sentence to show; what is done is kept.
    """
    batches = left(plan)
    if not batches:
        return
    workers = min(workers or device.workers, len(batches))
    for shape, duration in structures(plan, batches).items():
        job.check_memory(shape, duration, workers)
        job.find(shape, device, say, meters)
    with present(plan), meters(f"{len(plan.points)} points") as meter:
        Pool(plan, device, workers, say, meter).run()
