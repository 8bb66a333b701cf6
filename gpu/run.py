# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a build: arrays in, recorded arrays out. The same for every device."""

from __future__ import annotations

import difflib
import fcntl
import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from circuit.errors import KilledError, RunError, StorageError
from gpu import progress, signals
from gpu.build import Build, Index, Variable, environment
from gpu.input_code import BUILD

TAIL_LINES = 20
SCRATCH = "pfc-run-"
#: Values of a run that are not the same in all places. A letter first and no capitals: programs take "-" and digits for
#: a number, and CUDA's lowers the case.
VALUES = "values.dat"
#: Of a program whose arrays share a file: that, and their names and sizes.
ARRAYS, SIZES = "arrays", "sizes.txt"
YOUNG_S = 60.0
# Brian2's program says these on its output and still ends with status 0.
COMPLAINTS = re.compile(r"^(Error |Could not |Cannot set )")
# What brian2cuda's program says of every kernel, and nobody needs to read before an error.
CHATTER = ("INFO", "\t", "Number of s")


@dataclass(frozen=True)
class RawRun:
    """What a run gave back.

    Attributes
    ----------
    outputs : dict of str to ndarray
        By "monitor.variable", in SI units: shape (num_events,) for spikes and times, (num_recorded, num_samples) for
        recorded variables.
    completed : float
        Simulated fraction of the duration, 1.0 unless the run was interrupted.
    interrupted : bool
    timings : dict of str to float
        Seconds: "prepare_s" (writing the arguments), "simulate_s" (the program, from start to end), "loop_s" (its time
        loop alone), "collect_s" (reading the results).
    final : dict of str to ndarray
        Final values of the variables that were asked for, by "object.variable", SI units.
    """

    outputs: dict[str, np.ndarray]
    completed: float
    interrupted: bool
    timings: dict[str, float]
    final: dict[str, np.ndarray] = field(default_factory=dict)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty temporary folder for one run, gone afterwards; those of processes that were killed go too.

    Raises
    ------
    StorageError
        If there is no room for it.
    """
    try:
        _remove_abandoned(Path(tempfile.gettempdir()))
        workdir = Path(tempfile.mkdtemp(prefix=SCRATCH))
        lock = os.open(workdir, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"There is no room for a temporary folder ({error}); set TMPDIR to another.") from error
    try:
        with suppress(OSError):  # no locks here: nothing is taken for abandoned either
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield workdir
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    """Remove temporary folders whose process is gone: it held a lock on each, which the system dropped."""
    for folder in parent.glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if not time.time() - folder.stat().st_mtime > YOUNG_S:
                continue  # perhaps made this moment, and not locked yet
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def execute(
    build: Build,
    arrays: Mapping[str, np.ndarray],
    duration_s: float,
    seed: int,
    workdir: Path,
    on_progress: progress.OnProgress = progress.ignore,
    final: Collection[str] = (),
) -> RawRun:
    """Run `build` with these values and return what it recorded.

    On Ctrl-C the program ends its time step and its recordings so far are returned; a second Ctrl-C ends it at once.

    Parameters
    ----------
    build : Build
    arrays : mapping of str to ndarray
        Values in SI units by "object.variable", each of the variable's size or of size 1; must hold "object.i" and
        "object.j", cell indices in the order of the synaptic arrays, for every `Synapses` of the network.
    duration_s : float
        Biological seconds, > 0.
    seed : int
        0 to 2**32 - 1; seeds the noise drawn inside the program.
    workdir : Path
        An empty folder with room for arguments and results; the caller removes it.
    on_progress : callable
        Called with the simulated fraction and the elapsed seconds, about four times a second.
    final : collection of str
        Variables, as "object.variable", whose final values are wanted; none of them constant.

    Raises
    ------
    RunError
        If a value does not fit the network, the program fails, or a value that is not finite comes out.
    KilledError
        If a signal ends the program.
    StorageError
        If a full disk cuts values or results short.
    """
    if not duration_s > 0 or not 0 <= seed < 2**32:
        raise RunError(
            f"A run needs a duration above 0 s and a seed from 0 to 2**32 - 1, not {duration_s} s and {seed}."
        )
    clock = [time.monotonic()]
    results = workdir / "results"
    try:
        settings = lay_out(build, arrays, workdir)
    except OSError as error:
        raise StorageError(f"The values of the run could not be written: {error}.{_room(workdir)}") from error
    clock.append(time.monotonic())
    command = [*build.command, "--results_dir", "results/", *settings]
    variables = environment() | {"PFC_DURATION": repr(float(duration_s)), "PFC_SEED": str(int(seed))}
    interrupted = _simulate(command, workdir, variables, on_progress)
    clock.append(time.monotonic())
    loop_s, completed = _last_run(results)
    files = _Files.of(results)
    outputs = _collect(build, files)
    _check_finite(build, files, outputs, completed * duration_s)
    kept = {name: _final(build.variables[name], files) for name in final}
    clock.append(time.monotonic())
    prepare_s, simulate_s, collect_s = np.diff(clock).tolist()
    timings = {"prepare_s": prepare_s, "simulate_s": simulate_s, "loop_s": loop_s, "collect_s": collect_s}
    return RawRun(outputs, completed, interrupted and completed < 1, timings, kept)


@dataclass(frozen=True)
class _Files:
    """The arrays that a program left: parts of one file, or where there is none, a file each.

    Attributes
    ----------
    folder : Path
    parts : dict of str to (int, int)
        Of arrays that share a file, first byte and size.
    shared : ndarray of uint8
        That file, mapped; empty where there is none.
    """

    folder: Path
    parts: dict[str, tuple[int, int]]
    shared: np.ndarray

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Look up what is in a folder of results."""
        parts, start, file = {}, 0, folder / SIZES
        with suppress(ValueError):  # of the last line, half may be there
            for line in file.read_text().splitlines() if file.is_file() else ():
                name, size = line.split()
                parts[name] = start, int(size)
                start += int(size)
        shared = folder / ARRAYS
        there = parts and shared.is_file() and shared.stat().st_size > 0
        # Hundreds of arrays are read, most of them small: opening the file for each takes longer than reading them, and
        # a part of a memmap is a memmap, which takes longer to make than an array.
        mapped = np.memmap(shared, np.uint8, "r").view(np.ndarray) if there else np.empty(0, np.uint8)
        return cls(folder, parts, mapped)

    def read(self, name: str, dtype: str, count: int) -> np.ndarray:
        """Return an array, as `look` does."""
        return self.look(name, dtype, count).copy()

    def look(self, name: str, dtype: str, count: int) -> np.ndarray:
        """Return an array where it lies, at whatever address: to copy from, not to compute with.

        Raises
        ------
        StorageError
            If it is missing or does not have `count` values.
        """
        expected = count * np.dtype(dtype).itemsize
        content = self._bytes(name)
        if content.size != expected:
            told = f"The results were cut short: {name} has {content.size} of {expected} bytes."
            raise StorageError(told + _room(self.folder))
        return content.view(dtype)

    def _bytes(self, name: str) -> np.ndarray:
        if name in self.parts:
            start, size = self.parts[name]
            return self.shared[start : start + size]
        file = self.folder / name
        return np.fromfile(file, np.uint8) if file.is_file() else np.empty(0, np.uint8)


def _collect(build: Build, files: _Files) -> dict[str, np.ndarray]:
    """Return the recorded arrays of `build`.

    Raises
    ------
    StorageError
        If one is missing or does not hold as many values as the program counted.
    """
    outputs = {}
    for name, output in build.outputs.items():
        count = int(files.read(output.counter, "int32", 1)[0])
        values = files.look(output.file, output.dtype, count * (1 if output.width is None else output.width))
        outputs[name] = values.copy() if output.width is None else values.reshape(count, output.width).T.copy()
    return outputs


def _final(variable: Variable, files: _Files) -> np.ndarray:
    return files.read(variable.file, variable.dtype, variable.size)


def lay_out(build: Build, arrays: Mapping[str, np.ndarray], workdir: Path) -> list[str]:
    """Write the values where the program reads them; return its arguments.

    The program reads edges from ``static_arrays`` in its working directory, and what a run does not bring there from
    the build, to which there is a link. A value that holds for all cells stands in the arguments; all others share a
    file, and the arguments have their places in it (`gpu.input_code`).
    """
    _check_names(build, arrays)
    for name in ("static_arrays", "results"):
        (workdir / name).mkdir(parents=True, exist_ok=True)
    os.symlink(build.folder, workdir / BUILD)
    for name, index in build.indices.items():
        values = _fitted(name, arrays[name], index)
        if values.size and not 0 <= values.min() <= values.max() < index.below:
            raise RunError(f"{name} holds cells {values.min()} to {values.max()}; there are 0 to {index.below - 1}.")
        with open(workdir / index.file, "wb", buffering=0) as file:
            _put(values, file)
    settings, first = [], 0
    with open(workdir / VALUES, "wb", buffering=0) as file:
        for name in sorted(set(arrays) - set(build.indices)):
            variable = build.variables[name]
            values = _fitted(name, arrays[name], variable)
            if variable.file is not None and (values == values[:1]).all() and values.size:
                # Most variables have one value in all places.
                settings.append(f"{name}={_number(values[0])}")
                continue
            settings.append(f"{name}={VALUES}@{first}")
            first += _put(values, file)
    return settings


def _put(values: np.ndarray, file: io.FileIO) -> int:
    """Write raw values and return how many bytes; `tofile` takes twice as long for the few kilobytes that most are."""
    rest = memoryview(values).cast("B") if values.size else b""
    while rest:  # the system takes 2 GB at a time
        rest = rest[file.write(rest) :]
    return values.nbytes


def _number(value: np.generic) -> str:
    """Return the text that a program reads back as exactly this number."""
    return repr(float(value)) if value.dtype.kind == "f" else str(int(value))


def _check_names(build: Build, arrays: Mapping[str, np.ndarray]) -> None:
    known = build.variables.keys() | build.indices.keys()
    for name in sorted(arrays.keys() - known):
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else f"; it has {', '.join(sorted(known))}."
        raise RunError(f"The network has no variable {name} that a run can set{hint}")
    if missing := sorted(build.indices.keys() - arrays.keys()):
        raise RunError(f"The run lacks the edges of the network: {', '.join(missing)}.")


def _fitted(name: str, values: np.ndarray, target: Variable | Index) -> np.ndarray:
    """Return `values` with exactly the size and type the program expects: it reads raw bytes and checks nothing."""
    values = np.asarray(values)
    if values.size != target.size and (values.size != 1 or isinstance(target, Index)):
        raise RunError(f"{name} needs {target.size} values; got {values.size}.")
    if not np.can_cast(values.dtype, target.dtype, "same_kind"):
        raise RunError(f"{name} needs values of type {target.dtype}; got {values.dtype}.")
    if values.dtype == target.dtype and values.size == target.size:
        fitted = np.ascontiguousarray(values.ravel())
    else:
        with np.errstate(over="ignore"):
            fitted = np.broadcast_to(values.ravel(), target.size).astype(target.dtype)
    if not np.isfinite(fitted).all():
        raise RunError(f"{name} was given a value that is not a finite {target.dtype} number.")
    return fitted


def _simulate(command: list[str], workdir: Path, variables: dict[str, str], on_progress: progress.OnProgress) -> bool:
    """Run the program to its end; return whether it was interrupted.

    It has a process group of its own. In ours, the terminal would send it Ctrl-C as well as we do, and the second
    signal means "at once, without results".
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=workdir,
            env=variables,
            process_group=0,
            preexec_fn=signals.for_children(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise RunError(
            f"{command[0]} could not be started ({error.strerror}). Remove its folder, so that it is built again."
        ) from error
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        interrupted = _watch(process, tail, on_progress)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
    _check_end(process.returncode, interrupted, tail)
    return interrupted


def _watch(process: subprocess.Popen[str], tail: deque[str], on_progress: progress.OnProgress) -> bool:
    """Follow the program to its end; on Ctrl-C ask it to stop, on a second one kill it."""
    interrupted = False
    while True:
        try:
            lines = progress.follow(process.stdout, on_progress)
            tail.extend(line for line in lines if not line.startswith(CHATTER))
            process.wait()
            return interrupted
        except KeyboardInterrupt:
            if interrupted:
                raise RunError("The run was stopped at once, at the second Ctrl-C; nothing of it was kept.") from None
            interrupted = True
            process.send_signal(signal.SIGINT)


def _check_end(status: int, interrupted: bool, tail: deque[str]) -> None:
    said = "".join(tail).rstrip()
    output = f" Its last output:\n{said}" if said else " It said nothing."
    if status and interrupted:
        raise RunError("The run was interrupted before its first time step; there is nothing to keep.")
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        cause = ", perhaps for want of memory" if -status == signal.SIGKILL else ""
        raise KilledError(f"The simulation was killed by signal {name}{cause}.{output}")
    if status:
        raise RunError(f"The simulation failed with status {status}.{output}")
    if any(COMPLAINTS.match(line) for line in tail):
        raise RunError(f"The simulation could not read its values or write its results.{output}")


def _last_run(results: Path) -> tuple[float, float]:
    """Return the seconds of the time loop and the completed fraction."""
    try:
        loop_s, completed = (results / "last_run_info.txt").read_text().split()
        return float(loop_s), float(completed)
    except (OSError, ValueError):
        raise StorageError(f"The simulation ended but its results were not written in whole.{_room(results)}") from None


def _check_finite(build: Build, files: _Files, outputs: Mapping[str, np.ndarray], end_s: float) -> None:
    """Look for NaN and infinity in the final state, as the compiled program (-ffast-math) cannot.

    Raises
    ------
    RunError
        With the variable, how many of which population, and since when as far as the records tell.
    """
    for name, variable in build.variables.items():
        if variable.constant or not variable.dtype.startswith("float"):
            continue
        finite = np.isfinite(_final(variable, files))
        if not finite.all():
            wrong = np.flatnonzero(~finite)
            where = _populations(build, name, variable.size, wrong)
            raise RunError(
                f"The simulation went wrong: {name} is not a finite number in {wrong.size} of {variable.size} places"
                f"{where} at {end_s:g} s, the end{_since(outputs)}. A shorter time step or smaller conductances may "
                "help."
            )


def _populations(build: Build, name: str, size: int, wrong: np.ndarray) -> str:
    """Return how many of each population are wrong, " (3 of PYR, 1 of PV)"; nothing for what is not of cells."""
    counts = dict(build.structure.get("num_cells", ()))
    if not name.startswith("cells.") or not counts or size % sum(counts.values()):
        return ""
    population = np.searchsorted(np.cumsum(list(counts.values())), wrong % sum(counts.values()), side="right")
    found = [(int(number), pop) for number, pop in zip(np.bincount(population), counts, strict=False) if number]
    return f" ({', '.join(f'{number} of {pop}' for number, pop in found)})"


def _since(outputs: Mapping[str, np.ndarray]) -> str:
    """Return the first record that is not finite and its time, ", and column_trace.glutamate since 1.2 s"."""
    first = []
    for name, values in outputs.items():
        times = outputs.get(f"{name.partition('.')[0]}.t")
        if values.ndim == 2 and times is not None:
            sick = np.flatnonzero(~np.isfinite(values).all(axis=0))
            first += [(float(times[sick[0]]), name)] if sick.size else []
    return f", and {min(first)[1]} since {min(first)[0]:g} s" if first else ""


def _room(folder: Path) -> str:
    """Return how full the disk is, as a sentence to end an error with."""
    free = shutil.disk_usage(folder if folder.exists() else folder.anchor or os.sep).free
    return f" The disk that holds {folder} has {free / 1e6:.0f} MB left; make room and run again."
