# SPDX-License-Identifier: GPL-3.0-or-later
"""Submit a sweep to Slurm: an array in which each task does a part of the batches, and goes on when it is put back.

What is done is on disk, so a task that is ended by a time limit, by a more urgent job or with its node loses the point
in hand (of a course, the segment), and whoever does the part next goes on from there. Two ways lead here: submitit,
which also puts a task back that runs out of time; and a plain job script, which a person can read and submit by hand.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuit.errors import StorageError, UserError
from gpu import build, job, memory, points, pool, progress, slurm_jobs, threads, worker
from gpu.cache import cache_folder, locked
from gpu.devices import Device
from gpu.plan import Batch, Plan

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

LOCK = ".lock"
#: Tasks of an array where nobody says how many.
MOST_TASKS = 100
TIME = "4:00:00"
#: To read a thousand points and draw takes a minute.
CLOSING_TIME = "1:00:00"
#: A point at which so many starts in a row ran out of time is noted as failed.
STALLS = 3
#: A task is put back as often as it takes; one that does not move is stopped by STALLS.
FOREVER = 1_000_000
#: Variables of ours that decide which programs a task finds.
HANDED_ON = ("PFC_MARCH", "PFC_CUDA_ARCH", "CXX")
#: Options of sbatch that are ours to set.
OURS = frozenset({"array", "error", "job-name", "open-mode", "output", "requeue", "signal", "wrap"})
EXAMPLE = "such as qos=long or constraint=a100"
FORMS = "minutes, hours:minutes:seconds or days-hours, such as 90, 4:00:00 or 2-0"


@dataclass(frozen=True)
class Request:
    """What is asked of Slurm for a sweep.

    Attributes
    ----------
    device : str
        As for `gpu.devices.choose`, which is asked on the node.
    partition, gres, account : str, optional
        As for sbatch.
    time : str
        Limit of one start of a task, as for sbatch.
    array_limit : int, optional
        Tasks that run at a time.
    parts, points_per_task : int, optional
        Size of the array, by one or the other.
    cpus : int, optional
        Of a task; a simulation uses one, compiling uses all.
    mem : float, optional
        Of a task, GB.
    extra : tuple of str
        Further options of sbatch, "key=value".
    """

    device: str = "auto"
    partition: str | None = None
    time: str = TIME
    gres: str | None = None
    array_limit: int | None = None
    parts: int | None = None
    points_per_task: int | None = None
    cpus: int | None = None
    mem: float | None = None
    account: str | None = None
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.parts and self.points_per_task:
            raise UserError("--parts and --points-per-task both say how many tasks there are: give one of them")
        if _minutes(self.time) is None:
            raise UserError(f"--time {self.time}: needs {FORMS}")
        self.further()

    def further(self) -> dict[str, str]:
        """Options of sbatch besides the ones that have a name here.

        Raises
        ------
        UserError
            If one has another form than key=value, or is ours to set.
        """
        found = {}
        for text in self.extra:
            match = re.fullmatch(r"(?:--)?([a-z][a-z0-9-]*)=(\S.*)", text)
            if match is None:
                raise UserError(f"--slurm-option {text!r}: needs key=value with an option of sbatch, {EXAMPLE}")
            if match[1] in OURS:
                raise UserError(f"--slurm-option {text!r}: pfc sets {match[1]} itself; leave it out")
            found[match[1]] = match[2]
        return found

    def minutes(self) -> int:
        """Time limit of a task, as Slurm rounds it."""
        return _minutes(self.time)

    def on_gpu(self) -> bool:
        """Whether tasks get a GPU, as far as these options tell."""
        asked = " ".join(filter(None, (self.gres, *self.extra)))
        return self.device == "cuda" or (self.device == "auto" and "gpu" in asked)

    def options(self) -> dict[str, Any]:
        """Return all this as plain values, to be given to `Request` again."""
        return asdict(self) | {"extra": list(self.extra)}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Request:
        """Return what `options` was made of."""
        return cls(**{**options, "extra": tuple(options.get("extra", ()))})


def _minutes(text: str) -> int | None:
    """Return the minutes in a time as sbatch takes it, rounded up; None if it is none."""
    match = re.fullmatch(r"(?:(\d{1,5})-)?(\d{1,7})(?::(\d{1,3}))?(?::(\d{1,3}))?", text)
    if match is None:
        return None
    days, *rest = match.groups()
    given = [int(part) for part in rest if part is not None]
    if days is None and len(given) < 3:  # minutes, or minutes:seconds
        given.insert(0, 0)
    hours, minutes, seconds = (*given, 0, 0)[:3]
    return math.ceil(int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60) or None


@dataclass(frozen=True)
class Nodes(Device):
    """The device that the nodes of a cluster are taken to have; which it is, each finds out."""

    tasks: int = 1

    @property
    def at_once(self) -> int:
        """Tasks that run at a time."""
        return self.tasks


def nodes(request: Request, tasks: int = 1) -> Nodes:
    """Return what these options let one expect of the nodes."""
    name = "cuda" if request.on_gpu() else "cpp" if request.device == "auto" else request.device
    return Nodes(name, f"{name}, as far as the options tell.", tasks=min(tasks, request.array_limit or tasks))


# --- what a task does


@dataclass
class Part:
    """What one task of an array does: some batches of a sweep. It is pickled, so it is plain data.

    Attributes
    ----------
    folder : str
        Of the sweep.
    batches : tuple of str
        Their names.
    device : str
        As for `gpu.devices.choose`.
    stalled : int
        Starts in a row that ran out of time before anything was done.
    """

    folder: str
    batches: tuple[str, ...]
    device: str
    stalled: int = 0
    _at: str | None = field(default=None, init=False, repr=False)
    _begun: tuple[int, int] = field(default=(0, 0), init=False, repr=False)
    _asked: worker.Asked = field(default_factory=worker.Asked, init=False, repr=False)

    def __call__(self) -> None:
        """Do what is missing of the part; submitit calls this on the node."""
        plan = Plan.read(Path(self.folder))
        mine = [batch for batch in plan.batches if batch.name in set(self.batches)]
        self._begun = _progress(plan, mine)
        try:
            with progress.Meter(f"{len(mine)} batches", sys.stderr) as meter:
                counted = worker.Counted(plan, mine, meter)
                device = job.choose(self.device, _say)
                worker.Worker(plan, device, self._reporter(counted), _say, self._asked).work(mine)
        except UserError as error:
            _say(str(error))
            raise SystemExit(1) from None

    def _reporter(self, counted: worker.Report) -> worker.Report:
        def report(**what: Any) -> None:
            self._at = what.get("begin", self._at)
            counted(**what)

        return report

    def checkpoint(self) -> DelayedSubmission:
        """Return what is to be done after the time limit; submitit calls this when its signal comes, then we end.

        The signal may have come while a library was running a function of ours and takes what follows for an error of
        its own, so the worker is told too.
        """
        from submitit.helpers import DelayedSubmission

        self._asked.number = signal.SIGUSR2
        plan = Plan.read(Path(self.folder))
        mine = [batch for batch in plan.batches if batch.name in set(self.batches)]
        stalled = 0 if _progress(plan, mine) > self._begun else self.stalled + 1
        if stalled >= STALLS:
            self._give_up(plan)
            stalled = 0
        return DelayedSubmission(Part(self.folder, self.batches, self.device, stalled))

    def _give_up(self, plan: Plan) -> None:
        """Note the batch in hand as failed: it needs longer than a start may take."""
        for batch in plan.batches:
            for point in batch.points if batch.name == self._at else ():
                if not points.is_done(plan, point):
                    sentence = f"Not done within the time limit, {STALLS} starts in a row: ask for more with --time."
                    points.fail(plan, point, sentence, points.KILLED)


def _progress(plan: Plan, batches: Sequence[Batch]) -> tuple[int, int]:
    """Points that are done, and segments of courses that are: it grows if anything was done.

    It opens no file of claims, which would give back those of this process.
    """
    names = [name for batch in batches for name in batch.points]
    segments = sum(1 for name in names for _ in plan.results(f"{name}.segments").glob("*.npz"))
    return sum(points.is_done(plan, name) for name in names), segments


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


# --- submitting


def shares(batches: Sequence[Batch], request: Request) -> list[tuple[Batch, ...]]:
    """Share batches out among tasks, none of which is without any."""
    count = request.parts or MOST_TASKS
    if request.points_per_task:
        count = math.ceil(sum(len(batch.points) for batch in batches) / request.points_per_task)
    count = min(count, len(batches))
    return [tuple(batches[number::count]) for number in range(count)]


def submit(plan: Plan, request: Request, again: Collection[str] = (), closing: str = "figures") -> list[str]:
    """Submit what is missing of a sweep and in no task yet; return lines that tell what was done.

    Parameters
    ----------
    plan : Plan
    request : Request
    again : collection of str
        Points that failed and shall be run again: a task that is under way has passed over them.
    closing : {"figures", "collect"}
        Command of ours that a job of its own gives when all tasks have ended.

    Raises
    ------
    UserError
        If there is no Slurm, sbatch refuses, or a batch does not fit into the memory that is asked for.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise UserError(
            "There is no sbatch on PATH, and --slurm needs Slurm's programs: give the command on a login node of the "
            "cluster. --dry-run prints a job script without them; without --slurm, the sweep runs on this machine."
        )
    with _locked(plan):  # two that submit one sweep at a time do not submit its points twice
        batches, lines = _to_submit(plan, again)
        if not batches:
            return lines
        check_memory(plan, batches, request)
        tasks = shares(batches, request)
        id = _submit(plan, tasks, request)
        slurm_jobs.note(plan, id, [[batch.name for batch in task] for task in tasks], request.options())
        count = sum(len(batch.points) for batch in batches)
        lines.append(f"Submitted job {id}: {count} points in {len(tasks)} tasks; logs in {plan.folder / 'slurm'}")
        lines.append(_submit_closing(plan, request, id, closing))
    return lines


def _submit_closing(plan: Plan, request: Request, id: str, command: str) -> str:
    """Submit a job that collects the results when an array has ended, however it did; return a line that tells."""
    asked = {"job-name": f"{name(plan)}-{command}", "dependency": f"afterany:{id}", "time": CLOSING_TIME}
    asked |= {"output": f"{plan.folder.absolute() / slurm_jobs.FOLDER}/%j_{command}.log"}
    asked |= {"partition": request.partition, "account": request.account} | request.further()
    options = [f"--{key}={value}" for key, value in asked.items() if value]
    fonts = f"export MPLCONFIGDIR={shlex.quote(str(cache_folder().absolute() / 'matplotlib'))}"  # not in a home folder
    text = "\n".join(["#!/bin/bash", *exports(), fonts, f"exec {shlex.join(_ours(command, plan))}"]) + "\n"
    try:
        said = slurm_jobs.call("sbatch", "--parsable", *options, text=text)
    except UserError as error:
        return f"{error}. When the job has ended, give: pfc {command} {plan.folder}"
    closing = re.search(r"\d+|$", said)[0]
    slurm_jobs.note_closing(plan, id, closing)
    made = "dataset, figures and report" if command == "figures" else "dataset"
    return f"Submitted job {closing}: makes the {made} when job {id} has ended."


def _ours(command: str, plan: Plan) -> list[str]:
    """Words of one of our commands on a sweep, as a node finds it."""
    program = Path(__file__).resolve().parents[1] / "pfc.py"
    return [sys.executable, str(program), command, str(plan.folder.absolute())]


@contextmanager
def _locked(plan: Plan) -> Iterator[None]:
    """Hold the right to submit jobs of a sweep."""
    file = slurm_jobs.make_folder(plan) / LOCK
    try:
        with locked(file, lambda: None):
            yield
    except OSError as error:
        raise StorageError(f"{file} cannot be written or locked ({error.strerror or error}).") from error


def _to_submit(plan: Plan, again: Collection[str]) -> tuple[list[Batch], list[str]]:
    """Return the batches that nobody is at or is going to be at, and lines that tell why others are not among them."""
    found = points.states(plan)
    jobs = slurm_jobs.noted(plan)
    answer = slurm_jobs.ask(jobs)
    others = slurm_jobs.under_way(jobs, answer) - {b.name for b in plan.batches if not set(again).isdisjoint(b.points)}
    lines = []
    if answer.trouble:
        lines.append(f"Slurm could not be asked about earlier jobs ({answer.trouble}); their points may come twice.")
    missing = [batch for batch in plan.batches if any(found[name] == points.MISSING for name in batch.points)]
    chosen = [batch for batch in missing if batch.name not in others]
    counts = Counter(found.values())
    if waiting := sum(len(batch.points) for batch in missing if batch.name in others):
        lines.append(f"{waiting} points are in tasks that are queued or running.")
    if counts[points.RUNNING]:
        lines.append(f"{counts[points.RUNNING]} points are being worked on.")
    if not chosen:
        lines.append("Nothing is left to submit.")
    return chosen, lines


def check_memory(plan: Plan, batches: Sequence[Batch], request: Request) -> None:
    """Refuse, with a sentence, batches that need more memory than is asked for."""
    if request.mem is None:
        return
    for shape, duration in pool.structures(plan, batches).items():
        needed = memory.total(memory.estimate(shape, duration))
        if needed > request.mem * 1e9:
            raise UserError(
                f"--mem {request.mem:g}: a batch needs about {memory.readable(needed)}; ask for more, or for fewer "
                "--columns"
            )


def _submit(plan: Plan, tasks: Sequence[Sequence[Batch]], request: Request) -> str:
    """Have submitit make and submit the array; return Slurm's number of the job."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError
    from submitit.slurm.slurm import SlurmExecutor

    where = plan.folder.absolute() / slurm_jobs.FOLDER
    executor = SlurmExecutor(where, max_num_timeout=FOREVER)
    executor.update_parameters(
        job_name=name(plan),
        time=request.minutes(),
        wckey=None,
        array_parallelism=request.array_limit or len(tasks),
        # Slurm may be a minute early with the signal; to be put back takes a second.
        signal_delay_s=min(60, request.minutes() * 15),
        setup=[*exports(), *(f"export {key}=${{{key}:-{number}}}" for key, number in threads.ONE.items())],
        additional_parameters=flags(request),
    )
    parts = [Part(str(plan.folder.absolute()), tuple(b.name for b in task), request.device) for task in tasks]
    try:
        with _quiet():
            jobs = executor.submit_array(parts)
    except (FailedJobError, FailedSubmissionError) as error:
        said = [line.removeprefix("sbatch: error: ") for line in str(error).splitlines() if line.strip()]
        raise UserError(f"sbatch refused: {' '.join(said) or 'it said nothing'}") from None
    except OSError as error:
        raise StorageError(f"{where} cannot be written to ({error.strerror or error}).") from error
    return jobs[0].job_id.partition("_")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep submitit, which prints what sbatch says before it raises it, from printing."""
    with open(os.devnull, "w") as nowhere:
        before, sys.stderr = sys.stderr, nowhere
        try:
            yield
        finally:
            sys.stderr = before


def flags(request: Request) -> dict[str, Any]:
    """Options of sbatch that both ways of submitting share; True for those without a value."""
    named = {
        "partition": request.partition,
        "account": request.account,
        "gres": request.gres,
        "cpus-per-task": request.cpus,
        "mem": request.mem and f"{math.ceil(request.mem * 1000)}M",
        "requeue": True,
    }
    return {key: value for key, value in named.items() if value} | request.further()


def name(plan: Plan) -> str:
    """Return what a job of this sweep is called in the queue."""
    return f"pfc-{plan.folder.absolute().name}"


def exports() -> Iterator[str]:
    """Lines of a job script that have a task find our packages and programs, whatever a node's home folder has."""
    values = {"PYTHONPATH": build.environment()["PYTHONPATH"], "PFC_CACHE": str(cache_folder().absolute())}
    values |= {key: os.environ[key] for key in HANDED_ON if os.environ.get(key)}
    for key, value in values.items():
        yield f"export {key}={shlex.quote(value)}"


# --- by hand


def script(plan: Plan, request: Request, first: str | None) -> str:
    """Return a job script for sbatch that does the sweep without submitit.

    Parameters
    ----------
    plan : Plan
    request : Request
    first : str, optional
        The command that writes the plan, if it has not been written.
    """
    batches = pool.left(plan) or plan.batches
    count = len(shares(batches, request))
    where = plan.folder.absolute()
    head = {"job-name": name(plan), "array": f"0-{count - 1}{f'%{request.array_limit}' if request.array_limit else ''}"}
    head |= {"time": request.time, "output": f"{where / slurm_jobs.FOLDER}/%A_%a.log", "open-mode": "append"}
    lines = ["#!/bin/bash", f"# {plan.title}: {len(plan.points)} points in {count} tasks."]
    lines.append("# What is done is not done again: after a time limit, submit the same script once more.")
    lines.append(f"# At the end, for the dataset and figures: {shlex.join(_ours('figures', plan))}")
    lines += [f"# Before the first time: {first}"] if first else []
    lines += [f"#SBATCH --{key}" + ("" if value is True else f"={_quoted(value)}") for key, value in
              (head | flags(request)).items()]  # fmt: skip
    work = shlex.join(_ours("work", plan))
    lines += [
        "",
        "# Whatever your cluster needs besides, such as: module load gcc",
        *exports(),
        "",
        "# exec, so that the program itself is told when Slurm wants the node back.",
        f'exec {work} --part "$SLURM_ARRAY_TASK_ID" --of {count} --device {shlex.quote(request.device)}',
    ]
    return "\n".join(lines) + "\n"


def _quoted(value: Any) -> str:
    return shlex.quote(str(value))
