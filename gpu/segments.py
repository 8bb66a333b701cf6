# SPDX-License-Identifier: GPL-3.0-or-later
"""A course of hours to weeks as a chain of runs, each from the last one's final state; what is done is kept on disk.

Beside the results folder to be, a folder ``<out>.segments`` takes one file a segment, under its final name only when it
is whole on the disk. A run that is started again goes on after the last of them, and since a segment depends on nothing
but its number and the state before it, ends as if it had never been stopped. Spikes under way at a border (a
millisecond of the segment's seconds) are lost; that is the same with and without a stop.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from circuit import columns, draw, equations, signalling
from circuit.course import Segment, references, segments
from circuit.errors import RunError, StorageError
from circuit.populations import ranges, sizes
from circuit.schema import fractions
from gpu import folder, progress, run
from gpu.build import Build

if TYPE_CHECKING:
    from circuit.config import Experiment

IDENTITY = "identity.json"
#: Wide enough that the files' names sort as their numbers do.
NAME = "{:05d}.npz"
Arrays = draw.Arrays


@dataclass(frozen=True)
class Done:
    """All segments of a course, joined.

    Attributes
    ----------
    outputs : dict of str to ndarray
        As of one run, times counting through.
    seen : list of dict
        After the reference and after each segment of the course, by contact: "stage", "head", "release",
        "potentiation", "scaling".
    timings : dict of str to float
        Sums over the segments, s.
    references : dict of str to ndarray
        What health is to each cell's sensors, by the names in `circuit.signalling.REFERENCES`.
    """

    outputs: Arrays
    seen: list[dict[str, np.ndarray]]
    timings: dict[str, float]
    references: dict[str, np.ndarray]


class Store:
    """The files of a course under way."""

    def __init__(self, out: Path, identity: dict[str, object]) -> None:
        self.folder = out.with_name(f"{out.name}.segments")
        self.identity = identity

    def resume(self) -> int:
        """Return how many segments are done; a folder that holds another course is refused.

        Raises
        ------
        RunError
            If the folder cannot be made or is another course's.
        """
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True)
                folder.write_json(self.folder / IDENTITY, self.identity)
            known = json.loads((self.folder / IDENTITY).read_text())
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder}, which keeps a course under way, cannot be used ({error}).") from error
        if known != json.loads(json.dumps(self.identity)):
            raise RunError(
                f"{self.folder} keeps a course under way that was started with another config, seed or program: "
                "remove it, or name another folder with --out."
            )
        return len(list(self._whole()))

    def _whole(self) -> Iterator[Path]:
        number = 0
        while (file := self.folder / NAME.format(number)).is_file():
            yield file
            number += 1

    def keep(self, number: int, parts: dict[str, np.ndarray]) -> None:
        """Write a segment, all of it or nothing; the state before it is no longer needed."""
        file = self.folder / NAME.format(number)
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as draft:
                np.savez(draft, **parts)
                draft.flush()
                os.fsync(draft.fileno())
            os.replace(draft.name, file)
        except OSError as error:
            raise StorageError(
                f"Segment {number} could not be kept in {self.folder} ({error.strerror or error}). What was done "
                "before is kept: make room and run again to go on."
            ) from error
        for left in self.folder.glob("*.part"):
            left.unlink(missing_ok=True)

    def read(self, number: int, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays of a segment whose names begin with `prefix`, without it."""
        file = self.folder / NAME.format(number)
        try:
            with np.load(file) as held:
                return {name.removeprefix(prefix): held[name] for name in held.files if name.startswith(prefix)}
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise RunError(f"{file} is damaged ({error}); remove it and those after it, and run again.") from error

    def remove(self) -> None:
        """Remove all files of the course, once its results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def identity(exps: Sequence[Experiment], program: Build) -> dict[str, object]:
    """What makes two starts parts of one course: every setting and number, and the program."""
    text = json.dumps([exp.resolved() for exp in exps], sort_keys=True)
    return {
        "config": hashlib.sha256(text.encode()).hexdigest(),
        "build": program.hash,
        "segments": [asdict(segment) for segment in segments(exps[0])],
    }


def execute(
    exps: Sequence[Experiment],
    program: Build,
    store: Store,
    num_cells: int,
    on_progress: progress.OnProgress,
    networks: draw.Networks,
) -> Done:
    """Simulate a course from where it stands to its end.

    Parameters
    ----------
    exps : sequence of Experiment
        The columns of the network; their courses are alike.
    program : Build
    store : Store
    num_cells : int
        Cells of one column.
    on_progress : callable
        Called with the simulated fraction of the whole course.
    networks : Networks
        What draws their values.

    Raises
    ------
    RunError
        If columns have unequal courses or the simulation fails.
    KeyboardInterrupt
        After Ctrl-C; the segments that were whole are kept.
    """
    plan = segments(exps[0])
    if any(segments(exp) != plan for exp in exps[1:]):
        raise RunError("The columns of one network go through one course, and these differ in theirs; run them apart.")
    total = sum(segment.duration for segment in plan)
    done = store.resume()
    state = store.read(done - 1, "state/") if done else {}
    values = _Values(exps, num_cells, networks)
    whole = _Whole(on_progress, sum(segment.duration for segment in plan[:done]) / total)
    for number in range(done, len(plan)):
        before = sum(segment.duration for segment in plan[:number])
        part = whole.part(before / total, plan[number].duration / total)
        given = values.of(plan[number]) | state
        given |= _weaker_SST(exps, plan[number], given)
        try:
            raw = _run(program, given, plan[number], _seed(exps[0].seed, number), part)
        except RunError as error:
            raise RunError(f"In segment {number + 1} of {len(plan)} ({plan[number].name}): {error}") from None
        if raw.interrupted:
            raise KeyboardInterrupt
        kept = {f"cells.{name}": given[f"cells.{name}"] for name in signalling.REFERENCES.values()}
        state = kept | _carried(raw.final, plan[number])
        parts = {f"state/{name}": value for name, value in state.items()}
        parts |= {f"output/{name}": value for name, value in raw.outputs.items()}
        parts |= {f"timing/{name}": np.array(value) for name, value in raw.timings.items()}
        parts |= {f"seen/{name}": value for name, value in _seen(given, state).items()}
        store.keep(number, parts)
    return _joined(store, plan, {name: state[f"cells.{name}"] for name in signalling.REFERENCES.values()})


def _run(
    program: Build, given: Arrays, segment: Segment, seed: int, on_progress: progress.OnProgress
) -> run.RawRun:
    with run.scratch() as workdir:
        return run.execute(program, given, segment.duration, seed, workdir, on_progress, final=equations.states())


class _Values:
    """Values of a segment; what two segments share is drawn once."""

    def __init__(self, exps: Sequence[Experiment], num_cells: int, networks: draw.Networks) -> None:
        self.exps, self.num_cells, self.networks = exps, num_cells, networks
        self.bases: dict[bool, list[Arrays]] = {}

    def of(self, segment: Segment) -> Arrays:
        if segment.intact not in self.bases:
            self.bases[segment.intact] = [self.networks.arrays(exp, segment) for exp in self.exps]
        parts = zip(self.exps, self.bases[segment.intact], strict=True)
        try:
            return columns.stack([base | draw.moving(exp, segment) for exp, base in parts], self.num_cells)
        except ValueError as error:
            raise RunError(f"This cannot be one network: {error}") from None


def _weaker_SST(exps: Sequence[Experiment], segment: Segment, given: Arrays) -> Arrays:
    """Synapses of SST cells, weakened as far as the stress hormone of their column has risen."""
    if segment.intact or not exps[0].course.weaker_SST:
        return {}
    weight = given["inhibition.weight_d"].copy()
    num_cells = given["cells.hormone"].size // len(exps)
    for column, exp in enumerate(exps):
        counts = sizes(exp.network.num_neurons, fractions(exp.numbers))
        where = {name: column * num_cells + np.r_[cells] for name, cells in ranges(counts).items()}
        loss = exp.numbers.signalling.stress_SST.si * given["cells.hormone"][where["PYR"]].mean()
        weight[np.isin(given["inhibition.i"], where["SST"])] *= 1 - loss
    return {"inhibition.weight_d": weight}


def _seed(seed: int, number: int) -> int:
    """Return the seed of the noise in a segment."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


class _Whole:
    """Progress of the whole course, from that of its segments; what an earlier start did took as long per part."""

    def __init__(self, on_progress: progress.OnProgress, first: float) -> None:
        self.show, self.first, self.start = on_progress, first, time.monotonic()

    def part(self, start: float, share: float) -> progress.OnProgress:
        """What a segment reports to."""

        def report(completed: float, elapsed_s: float) -> None:
            total = start + share * completed
            here = max(total - self.first, 1e-9)
            self.show(total, (time.monotonic() - self.start) * total / here)

        return report


def _carried(final: Arrays, segment: Segment) -> Arrays:
    """Return the final state as the next segment starts from it, its clock at 0 again."""
    state = dict(final)
    for name in ("cells.t_last", "cells.t_ready"):
        state[name] = state[name] - segment.duration
    return state | (references(state) if segment.slow == "measured" else {})


def _seen(given: Arrays, state: Arrays) -> Arrays:
    """What an image of all spines and a recording of all currents would show at the end of a segment, by contact."""
    return {
        "stage": state["spines.stage"].astype(np.int8),
        "head": state["spines.head"].astype(np.float16),
        "release": state["cells.retrograde"][given["spines.j"]].astype(np.float16),
        "potentiation": state["spines.potentiation"].astype(np.float16),
        "scaling": state["cells.scaling"][given["spines.j"]].astype(np.float16),
    }


def _joined(store: Store, plan: Sequence[Segment], refs: dict[str, np.ndarray]) -> Done:
    """Read all segments back, as if they had been one run."""
    pieces: dict[str, list[np.ndarray]] = {}
    seen, timings, start = [], {}, 0.0
    for number, segment in enumerate(plan):
        for name, values in store.read(number, "output/").items():
            pieces.setdefault(name, []).append(values + start if name.endswith(".t") else values)
        for name, value in store.read(number, "timing/").items():
            timings[name] = timings.get(name, 0.0) + float(value)
        if segment.name != "settle":
            seen.append(store.read(number, "seen/"))
        start += segment.duration
    outputs = {name: np.concatenate(values, axis=-1) for name, values in pieces.items()}
    return Done(outputs, seen, timings, refs)
