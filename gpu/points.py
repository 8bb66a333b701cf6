# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of each point of a sweep? Files tell, so the answer survives whoever was working on it.

A point is done when its results folder has its final name, and failed when ``failed/NAME.json`` is there. Who works on
a batch holds a lock on a byte of ``.claims``; the system drops it when its holder dies in whatever way, on network file
systems too as far as they know locks. Without locks, two may do a point twice; one of two equal results is kept.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, BinaryIO, Self

from circuit.errors import ResultsError, StorageError
from circuit.sweep import name_in, name_of
from gpu import folder
from gpu.folder import DATA, MANIFEST
from gpu.plan import Batch, Plan

CLAIMS, FAILED = ".claims", "failed"
DONE, FAILING, RUNNING, MISSING = "done", "failed", "running", "missing"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
#: Why a point failed: by itself, so that it will again, or for something around it.
BY_ITSELF, KILLED = "by itself", "killed"


@dataclass(frozen=True)
class Failure:
    """Why a point has no results: the sentence, and whether it was `BY_ITSELF` or `KILLED`."""

    point: str
    sentence: str
    cause: str


class Claims:
    """The right to work on batches, shared by all processes that work on a sweep; a context manager.

    Each process opens it once: POSIX locks belong to a process, and closing any of its files gives them back.

    Attributes
    ----------
    hold : bool
        Whether locks hold here; if not, `take` keeps nobody out.
    """

    def __init__(self, plan: Plan) -> None:
        self.hold = True
        try:
            self._file = (plan.folder / CLAIMS).open("a+b")
        except OSError as error:
            raise _refused(plan, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def take(self, batch: Batch) -> bool:
        """Take a batch; False if another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(batch))
        except OSError as error:
            self.hold = self.hold and error.errno not in NO_LOCKS
            return error.errno in NO_LOCKS
        return True

    def give_back(self, batch: Batch) -> None:
        """Let others take it again."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(batch))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise


def taken(plan: Plan, batches: Iterable[Batch]) -> set[str]:
    """Return the names of the batches that other processes have, without touching any.

    A process that holds `Claims` must not ask: closing the file here would give all of them back.
    """
    try:
        with (plan.folder / CLAIMS).open("rb") as file:
            return {batch.name for batch in batches if _is_locked(file, batch)}
    except FileNotFoundError:  # nobody has begun
        return set()
    except OSError as error:
        if error.errno in NO_LOCKS:
            return set()
        raise _refused(plan, error) from error


def _is_locked(file: BinaryIO, batch: Batch) -> bool:
    asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _offset(batch), 1, 0)
    return struct.unpack("hhqqi", fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK


def _offset(batch: Batch) -> int:
    """Byte that stands for a batch: far apart for different ones, and the same in every plan that has it."""
    return int(batch.name, 16)


def is_done(plan: Plan, point: str) -> bool:
    """Whether the results of a point are there, as far as a look tells; `check` reads them."""
    where = plan.results(point)
    try:
        manifest = folder.read_brief(where / MANIFEST)
        return manifest["status"] == "complete" and (where / DATA).stat().st_size == manifest["bytes"][DATA]
    except (ResultsError, OSError, KeyError, TypeError):
        return False


def check(plan: Plan, point: str) -> str | None:
    """Return what is wrong with the results of a point, None if they are what was written for it."""
    try:
        checked(plan, point)
    except ResultsError as error:
        return str(error)
    return None


def checked(plan: Plan, point: str) -> dict[str, Any]:
    """Return the manifest of a point whose results are what was written for it; its ``config`` may be left out.

    Raises
    ------
    ResultsError
        With what is wrong.
    """
    where = plan.results(point)
    manifest, config = folder.read_parts(where / MANIFEST)
    folder.verify(where, manifest)
    try:
        name = name_of(manifest.get("config")) if config is None else name_in(config)
    except ValueError:  # the whole of it is no JSON either, and says where
        name = name_of(folder.read_json(where / MANIFEST).get("config"))
    if name != point:
        raise ResultsError(
            f"{where} holds the results of another point: give it its own name again, or run the point again"
        )
    if manifest.get("status") != "complete":
        raise ResultsError(f"{where} holds an interrupted run: run the point again")
    return manifest


def states(plan: Plan) -> dict[str, str]:
    """State of each point: `DONE`, `FAILING`, `RUNNING` or `MISSING`."""
    failed = {failure.point for failure in failures(plan)}
    busy = taken(plan, plan.batches)
    running = {name for batch in plan.batches if batch.name in busy for name in batch.points}
    found = {}
    for point in plan.points:
        if is_done(plan, point.id):
            found[point.id] = DONE
        else:
            found[point.id] = RUNNING if point.id in running else FAILING if point.id in failed else MISSING
    return found


def fail(plan: Plan, point: str, sentence: str, cause: str) -> None:
    """Note that a point failed.

    Raises
    ------
    StorageError
        If the disk refuses; the point stays missing.
    """
    where, values = plan.folder / FAILED, plan.labels(plan.by_id[point])
    draft = where / f".{point}.{os.getpid()}"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        where.mkdir(exist_ok=True)
        folder.write_json(draft, {"sentence": sentence, "cause": cause, "when": when, "values": values})
        os.replace(draft, where / f"{point}.json")
    except OSError as error:
        raise _refused(plan, error) from error


def _refused(plan: Plan, error: OSError) -> StorageError:
    told = f"{plan.folder} cannot be written to ({error.strerror or error}): free some space or permit writing there"
    return StorageError(f"{told}, and give the sweep again; it goes on where it stands")


def failures(plan: Plan) -> list[Failure]:
    """What is noted of points that failed and have no results since, in the order of the points."""
    found = {}
    for file in (plan.folder / FAILED).glob("*.json"):
        try:
            text = folder.read_json(file)
        except ResultsError as error:
            text = {"sentence": f"{error}", "cause": KILLED}
        found[file.stem] = Failure(file.stem, str(text.get("sentence")), str(text.get("cause")))
    return [found[point.id] for point in plan.points if point.id in found and not is_done(plan, point.id)]


def forget(plan: Plan, points: Iterable[str]) -> None:
    """Take back that these points failed, so that they are run again.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    try:
        for point in points:
            (plan.folder / FAILED / f"{point}.json").unlink(missing_ok=True)
    except OSError as error:
        raise _refused(plan, error) from error


def discard(plan: Plan, points: Iterable[str]) -> None:
    """Put aside the results of these points, as ``points/NAME.damaged``, so that they are run again.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    try:
        for point in points:
            aside = plan.results(f"{point}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(plan.results(point), aside)
    except OSError as error:
        raise _refused(plan, error) from error
