# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of the jobs that a sweep was submitted as? They are noted in the sweep's folder; Slurm is asked.

Files say which points are done (`gpu.points`). Slurm only adds what waits in a queue and how a task ended, so an answer
that is late or missing costs a sentence and no result.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from circuit.errors import ResultsError, StorageError, UserError
from gpu import folder, points
from gpu.plan import Plan

FOLDER, JOBS, FORMAT = "slurm", "jobs.json", "pfc-slurm 1"
QUEUED, RUNNING, ENDED = "queued", "running", "ended"
#: Slurm's words for tasks that are not over; all others are for those that are.
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
WORKING = frozenset(
    {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}
)
#: A task that the controller no longer knows and accounting believes alive.
GONE = "GONE"
#: Slurm's programs have so many seconds to answer.
PATIENCE = 30.0
#: So many log files of failed tasks are quoted.
MOST = 3


@dataclass(frozen=True)
class Job:
    """A job as it was submitted.

    Attributes
    ----------
    id : str
        Slurm's number.
    when : str
        Time of the submission, UTC.
    tasks : tuple of tuple of str
        For each task of the array, the names of its batches.
    options : mapping
        As `gpu.slurm.Request` gives them.
    closing : str, optional
        Slurm's number of the job that waits for this one, and makes the dataset.
    """

    id: str
    when: str
    tasks: tuple[tuple[str, ...], ...]
    options: Mapping[str, Any]
    closing: str | None = None

    def task_ids(self) -> list[str]:
        """Return Slurm's name of each task; a single one is no array."""
        return [self.id] if len(self.tasks) == 1 else [f"{self.id}_{n}" for n in range(len(self.tasks))]


@dataclass(frozen=True)
class Answer:
    """Slurm's words for the state of tasks, by their names; what it does not know is missing.

    Attributes
    ----------
    states : mapping
    trouble : str, optional
        Why it says nothing.
    reasons : mapping
        Why tasks wait, in Slurm's words.
    """

    states: Mapping[str, str]
    trouble: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def kind(self, task: str) -> str:
        """`QUEUED`, `RUNNING` or `ENDED`; ended too if nobody knows the task, since files tell what it left."""
        state = self.states.get(task, GONE)
        return QUEUED if state in WAITING else RUNNING if state in WORKING else ENDED


# --- noted in the sweep's folder


def make_folder(plan: Plan) -> Path:
    """Make the folder for what belongs to Slurm, and return it.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    where = plan.folder / FOLDER
    try:
        where.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{where} cannot be made ({error.strerror or error}).") from error
    return where


def noted(plan: Plan) -> list[Job]:
    """Return the jobs of a sweep, the newest last; none if it was never submitted.

    Raises
    ------
    ResultsError
        If the file that notes them cannot be read.
    """
    file = plan.folder / FOLDER / JOBS
    if not file.is_file():
        return []
    try:
        jobs = folder.read_json(file)["jobs"]
        return [Job(**job | {"tasks": tuple(map(tuple, job["tasks"]))}) for job in jobs]
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{file} is damaged ({error!r}): cancel its jobs by hand, and remove it") from None


def note(plan: Plan, id: str, tasks: Sequence[Sequence[str]], options: Mapping[str, Any]) -> Job:
    """Add a job to those noted; the caller holds the lock of the folder.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    job = Job(id, datetime.now(UTC).isoformat(timespec="seconds"), tuple(map(tuple, tasks)), dict(options))
    _write(plan, (*noted(plan), job), id)
    return job


def note_closing(plan: Plan, id: str, closing: str) -> None:
    """Add to a job that is noted the one that waits for it; the caller holds the lock of the folder.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    jobs = [replace(job, closing=closing) if job.id == id else job for job in noted(plan)]
    _write(plan, jobs, closing)


def _write(plan: Plan, jobs: Sequence[Job], id: str) -> None:
    file = plan.folder / FOLDER / JOBS
    draft = file.with_name(f".{JOBS}.new")
    try:
        folder.write_json(draft, {"format": FORMAT, "jobs": [vars(each) for each in jobs]})
        os.replace(draft, file)
    except OSError as error:
        told = f"Job {id} was submitted, but {file} cannot be written ({error.strerror or error})"
        raise StorageError(f"{told}: make room, and cancel the job with scancel {id} before you go on") from error


# --- asked of Slurm


def ask(jobs: Sequence[Job]) -> Answer:
    """Ask accounting (sacct), which remembers, and the controller (squeue), which knows what is not over.

    Accounting lags by seconds, and believes a task alive for ever whose end it missed, so the controller has the last
    word on what is not over.
    """
    if not jobs:
        return Answer({})
    ids = ",".join(job.id for job in jobs)
    try:
        states, no_history = read_states(call("sacct", "-n", "-P", "-X", "-j", ids, "-o", "JobID,State")), None
    except UserError as error:
        states, no_history = {}, str(error)
    try:
        text = call("squeue", "-h", "-r", "-j", ids, "-o", "%i|%T|%r")
    except UserError as error:
        return Answer(states, f"{no_history}; {error}" if no_history else None)
    alive = WAITING | WORKING
    states = {task: GONE if state in alive else state for task, state in states.items()}
    return Answer(states | read_states(text), reasons=read_states(text, 1))


def call(program: str, *arguments: str, text: str | None = None) -> str:
    """Return what a program of Slurm says, given a text to read.

    Raises
    ------
    UserError
        If it is not there, fails or does not answer.
    """
    if shutil.which(program) is None:
        raise UserError(f"there is no {program} on PATH")
    # Without the variable, both cut a long list of tasks short.
    env = os.environ | {"SLURM_BITSTR_LEN": "0"}
    try:
        said = subprocess.run(
            [program, *arguments],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{program} did not answer in {PATIENCE:.0f} s") from None
    except OSError as error:
        raise UserError(f"{program} could not be started ({error.strerror})") from None
    if said.returncode and "Invalid job id" in said.stderr:  # squeue of jobs that are all over
        return ""
    if said.returncode:
        words = said.stderr.strip() or f"it ended with status {said.returncode}"
        raise UserError(f"{program} says: {words.splitlines()[0]}")
    return said.stdout


def read_states(text: str, column: int = 0) -> dict[str, str]:
    """Return the state of each task in lines ``12_3|RUNNING``, ``12_[4-6,9%2]|PENDING`` or ``12|CANCELLED by 1000``.

    Of a task that is told twice, the later line counts. The next `column` is the reason why it waits, which may be of
    several words: ``12_[4-6]|PENDING|launch failed requeued held``.
    """
    states = {}
    for line in text.splitlines():
        name, *told = line.strip().split("|")
        if "." in name or len(told) <= column or not told[column].split():
            continue
        for task in _expanded(name):
            states[task] = told[column].strip() if column else told[0].split()[0].rstrip("+")
    return states


def _expanded(name: str) -> Iterator[str]:
    """Yield the tasks in Slurm's name of one or of several: ``12_[4-6,9%2]`` has four."""
    match = re.fullmatch(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]", name)
    if match is None:
        yield name
        return
    for piece in match[2].split(","):
        span, _, step = piece.partition(":")
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1, int(step or 1)):
            yield f"{match[1]}_{number}"


def under_way(jobs: Sequence[Job], answer: Answer) -> set[str]:
    """Return the names of the batches that are in tasks which are queued or running."""
    pairs = [pair for job in jobs for pair in zip(job.task_ids(), job.tasks, strict=True)]
    return {name for task, batches in pairs if answer.kind(task) != ENDED for name in batches}


def summary(plan: Plan) -> list[str]:
    """Lines that tell where Slurm has the points that are missing by the files; none if it never had any."""
    jobs = noted(plan)
    if not jobs:
        return []
    answer = ask(jobs)
    if answer.trouble:
        return [f"Slurm could not be asked ({answer.trouble}); the files above are what is known."]
    found = points.states(plan)
    task_of = _last_tasks(jobs)
    missing = [
        task_of.get(batch.name) for batch in plan.batches for name in batch.points if found[name] in _OPEN
    ]
    if not missing:
        return ["Slurm: nothing is left to wait for."]
    kinds = Counter(answer.kind(task) if task else "in no job" for task in missing)
    waits = {answer.reasons.get(task, "None") for task in missing if task and answer.kind(task) == QUEUED} - {"None"}
    why = {QUEUED: f" ({', '.join(sorted(waits))})" if waits else ""}
    head = ", ".join(f"{kinds[kind]} {said}{why.get(kind, '')}" for kind, said in _SAID.items() if kinds[kind])
    over = sorted({task for task in missing if task and answer.kind(task) == ENDED}, key=_number)
    return [f"Slurm: of {len(missing)} points without results, {head}", *_ends(plan, answer, over)]


_OPEN = (points.MISSING, points.RUNNING)
_SAID = {
    QUEUED: "in tasks that are queued",
    RUNNING: "in tasks that run",
    ENDED: "in tasks that ended",
    "in no job": "in no job",
}


def _last_tasks(jobs: Sequence[Job]) -> dict[str, str]:
    """Task that last had each batch."""
    return {
        name: task for job in jobs for task, batches in zip(job.task_ids(), job.tasks, strict=True) for name in batches
    }


def _number(task: str) -> tuple[int, ...]:
    return tuple(int(part) for part in task.split("_"))


def _ends(plan: Plan, answer: Answer, tasks: Sequence[str]) -> list[str]:
    """Lines that tell how tasks ended that left points undone."""
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(answer.states.get(task, GONE), []).append(task)
    lines = []
    for state, names in groups.items():
        some = ", ".join(names[:MOST]) + (", ..." if len(names) > MOST else "")
        lines.append(f"ended: {len(names)} x {state} ({some}){_last_words(plan, names[-1])}")
    return lines


def _last_words(plan: Plan, task: str) -> str:
    for name in (f"{task}_0_log.err", f"{task}.log"):
        file = plan.folder / FOLDER / name
        if file.is_file():
            lines = [line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()]
            return f"; {file} ends: {lines[-1][:200]}" if lines else ""
    return ""


def cancel(plan: Plan) -> list[str]:
    """Cancel the noted jobs that are not over; return their names.

    Raises
    ------
    UserError
        If scancel is missing or refuses.
    """
    jobs = noted(plan)
    answer = ask(jobs)
    live = [job for job in jobs if answer.trouble or any(answer.kind(task) != ENDED for task in job.task_ids())]
    names = [job.id for job in live]
    if live:
        try:
            call("scancel", *(job.closing for job in live if job.closing), *names)
        except UserError as error:
            raise UserError(f"Jobs {', '.join(names)} could not be cancelled: {error}") from None
    return names
