# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on a sweep: batch after batch, until none is left that this process may do.

Runs as a process of its own (``python -m gpu.worker FOLDER``) under `gpu.pool`, or inside ``pfc work`` and a job of a
cluster. It needs the folder of the sweep, the cache of programs and room for temporary files, and no network. Whatever
ends it costs the batch in hand; of a course, its segment in hand.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from circuit import draw, network
from circuit.errors import BuildError, KilledError, StorageError, UserError
from gpu import build, job, points, progress, signals
from gpu.devices import Device
from gpu.job import Task
from gpu.plan import Batch, Plan

#: A line of a worker's standard output that is for the pool; the rest of the line is JSON.
PREFIX = "@work "
STOPPED, NO_ROOM = 143, 3
"""Exit status of a worker that was told to stop, and of one that a disk refused."""

Report = Callable[..., None]


class Stopped(BaseException):
    """A signal told this process to stop; no library takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@dataclass
class Asked:
    """Whether this process was told to stop, and by which signal."""

    number: int | None = None

    def check(self) -> None:
        """Stop now if told so: the signal may have come while a library was running a function of ours."""
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def stoppable(*numbers: int) -> Iterator[Asked]:
    """Have signals raise `Stopped` in the block; by default those that ask a process to end."""
    numbers = numbers or (signal.SIGTERM, signal.SIGINT)
    asked = Asked()

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        asked.number = number
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Worker:
    """Does batches of a plan, one after the other.

    Attributes
    ----------
    plan : Plan
    device : Device
    report : callable
        Called with keywords: ``begin`` (a batch's name), ``fraction`` of it, ``done`` (points), ``failed`` (a point).
    say : callable
        Called with sentences for people.
    asked : Asked
        Looked at after each failure, which may be no failure but a stop.
    """

    plan: Plan
    device: Device
    report: Report
    say: job.Say
    asked: Asked = field(default_factory=Asked)
    programs: dict[network.Structure, build.Build] = field(default_factory=dict)
    networks: draw.Networks = field(default_factory=draw.Networks)

    def work(self, batches: Sequence[Batch]) -> None:
        """Do what is missing of these batches and nobody else is at.

        Raises
        ------
        StorageError
            If a disk is full or refuses: then no further batch could be done either.
        BuildError
            If a program cannot be made.
        """
        failed = {failure.point for failure in points.failures(self.plan)}
        with points.Claims(self.plan) as claims:
            for batch in batches:
                if self._left(batch, failed) and claims.take(batch):
                    try:
                        if self._left(batch, failed):  # another may have done it in between
                            if claims.hold:
                                self._clear(batch)
                            self._perform(batch)
                    finally:
                        claims.give_back(batch)

    def _left(self, batch: Batch, failed: set[str]) -> bool:
        return any(point not in failed and not points.is_done(self.plan, point) for point in batch.points)

    def _clear(self, batch: Batch) -> None:
        """Remove what others who died at this batch left half written; while it is ours, nobody else writes."""
        for name in batch.points:
            for draft in self.plan.results("").glob(f".{name}.*"):
                shutil.rmtree(draft, ignore_errors=True)

    def _perform(self, batch: Batch) -> None:
        self.report(begin=batch.name)
        try:
            self._run(batch.points, batch.columns)
        except (StorageError, BuildError):
            self.asked.check()
            raise
        except Exception as error:
            self.asked.check()
            if batch.columns == 1:
                self._fail(batch.name, error)
                return
            self.say(f"{error} The points of this network are run one by one.")
            self._one_by_one(batch)

    def _one_by_one(self, batch: Batch) -> None:
        """Do the points of a batch apart, so that a bad one does not cost the others."""
        for point in batch.points:
            if points.is_done(self.plan, point):
                continue
            try:
                self._run((point,), 1)
            except (StorageError, BuildError):
                self.asked.check()
                raise
            except Exception as error:
                self.asked.check()
                self._fail(point, error)

    def _run(self, names: Sequence[str], columns: int) -> None:
        tasks = [Task(self.plan.experiment(name), self.plan.results(name)) for name in names]
        program = self._program(tasks[0], columns)
        wanted = [self.plan.results(name) for name in names if not points.is_done(self.plan, name)]
        filled = tasks + [tasks[-1]] * (columns - len(tasks))
        start = time.monotonic()
        try:
            job.run_columns(filled, program, True, self._fraction, wanted, self.networks)
        except KilledError:
            signals.outlive()
            raise
        self.say(f"{', '.join(path.name for path in wanted)}: done in {time.monotonic() - start:.1f} s")
        self.report(done=len(wanted))

    def _fraction(self, completed: float, elapsed_s: float) -> None:
        self.report(fraction=completed)

    def _program(self, task: Task, columns: int) -> build.Build:
        shape = network.structure(task.exp, columns)
        if shape not in self.programs:
            job.check_memory(shape, task.exp.duration.si)
            self.programs[shape] = job.find(shape, self.device, self.say, lambda label: progress.Silent())
        return self.programs[shape]

    def _fail(self, point: str, error: Exception) -> None:
        if not isinstance(error, UserError):
            self.say("".join(traceback.format_exception(error)))
        sentence = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        cause = points.KILLED if isinstance(error, KilledError | MemoryError) else points.BY_ITSELF
        points.fail(self.plan, point, sentence, cause)
        self.report(failed=point)


def part(plan: Plan, number: int, of: int) -> tuple[Batch, ...]:
    """Return the batches that are one of `of` equal parts of a plan, `number` counting from 0."""
    return plan.batches[number::of]


def turned(batches: Sequence[Batch], number: int, of: int) -> tuple[Batch, ...]:
    """Return all batches, beginning where one of `of` equal stretches does, and after the last with the first.

    Workers that each begin at another place have stretches of their own, with networks of their own, and help each
    other out at the end.
    """
    first = number * len(batches) // of
    return (*batches[first:], *batches[:first])


@dataclass
class Counted:
    """Shows as progress of a part what a worker reports."""

    plan: Plan
    batches: Sequence[Batch]
    show: progress.OnProgress
    start: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        names = [name for batch in self.batches for name in batch.points]
        self.total = len(names)
        self.first = self.done = sum(points.is_done(self.plan, name) for name in names)

    def __call__(self, **what: Any) -> None:
        """Hear of a batch that begins, is partly done, is done, or failed."""
        self.done += what.get("done", 0) + ("failed" in what)
        whole = self.done + what.get("fraction", 0.0)
        here = whole - self.first
        elapsed = time.monotonic() - self.start
        self.show(min(whole / max(1, self.total), 1.0), elapsed * whole / here if here > 0 else elapsed)


def wait_for_end(stopped: Stopped) -> None:
    """In a Slurm job that is asked to end, wait until it is ended: only then is it put back into the queue."""
    if signals.IN_SLURM in os.environ and stopped.number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm may say it again
        while True:
            signal.pause()


def main(arguments: Sequence[str]) -> int:
    """Work for a pool: the folder of the sweep, its name for the device, which worker of how many it is.

    Reports go to standard output.
    """
    folder, device, number, of = arguments
    from gpu import devices  # here, so that a pool's children start fast

    told = _Lines()
    try:
        with stoppable() as asked:
            plan = Plan.read(Path(folder))
            Worker(plan, devices.choose(device), told, _say, asked).work(turned(plan.batches, int(number), int(of)))
    except Stopped:
        return STOPPED
    except StorageError as error:
        told(trouble=str(error))
        return NO_ROOM
    except UserError as error:
        told(trouble=str(error))
        return 2
    return 0


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


class _Lines:
    """Says what it is told as lines for the pool; fractions at most twice a second."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, **what: Any) -> None:
        now = time.monotonic()
        if "fraction" in what and now - self.last < 0.5:
            return
        self.last = now
        try:
            print(PREFIX + json.dumps(what), flush=True)
        except BrokenPipeError:  # the pool is gone, and nobody waits for this process
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's last flush
            raise Stopped(signal.SIGPIPE) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
