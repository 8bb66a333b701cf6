# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep on disk: which points there are, how they share programs, and where the results of each go.

Everything that works on a sweep reads plan.json and nothing else of the config, so that a file edited meanwhile changes
nothing. The plan keeps the first point in full, and of every other what differs from it.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from circuit import network
from circuit.axes import Axis, labels_at
from circuit.config import Experiment, restore
from circuit.errors import ResultsError
from circuit.experiment import plain
from circuit.schema import Parameters
from circuit.sweep import Sweep
from gpu import folder
from gpu.cache import locked

FORMAT = "pfc-sweep 1"
PLAN, LOCK, POINTS = "plan.json", ".plan.lock", "points"

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Planned:
    """A point of a plan: its name, its place along each axis, and what differs from the first point."""

    id: str
    place: tuple[int, ...]
    settings: Tree
    numbers: Tree


@dataclass(frozen=True)
class Batch:
    """A unit of work: points that one program runs at a time, as columns of one network.

    A program may have more `columns` than there are points; the last point then fills the rest, so that the last batch
    of many needs no program of its own.
    """

    points: tuple[str, ...]
    columns: int

    @property
    def name(self) -> str:
        """Name of its first point, by which it is claimed."""
        return self.points[0]


@dataclass(frozen=True)
class Plan:
    """What a sweep is; read it with `Plan.read`.

    Attributes
    ----------
    folder : Path
        Of the sweep.
    title : str
    axes : tuple of Axis
    points : tuple of Planned
    batches : tuple of Batch
    settings, numbers : mapping
        Of the first point, as `circuit.experiment.Experiment.resolved` gives them.
    """

    folder: Path
    title: str
    axes: tuple[Axis, ...]
    points: tuple[Planned, ...]
    batches: tuple[Batch, ...]
    settings: Tree
    numbers: Tree

    @classmethod
    def of(cls, text: Mapping[str, Any], path: Path) -> Plan:
        """Return the plan in the content of a plan.json.

        Raises
        ------
        KeyError, TypeError
            If it is no such content.
        """
        return cls(
            folder=path,
            title=text["title"],
            axes=tuple(Axis(a["name"], tuple(a["keys"]), tuple(map(tuple, a["labels"]))) for a in text["axes"]),
            points=tuple(Planned(p["id"], tuple(p["place"]), p["settings"], p["numbers"]) for p in text["points"]),
            batches=tuple(Batch(tuple(b["points"]), b["columns"]) for b in text["batches"]),
            settings=text["settings"],
            numbers=text["numbers"],
        )

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Open the sweep in a folder.

        Raises
        ------
        ResultsError
            If there is none, or it is damaged or of another version.
        """
        if not (path / PLAN).is_file():
            raise ResultsError(f"{path} is not the folder of a sweep: it has no {PLAN}")
        text = folder.read_json(path / PLAN)
        if text.get("format") != FORMAT:
            raise ResultsError(
                f"{path} has the format {text.get('format')!r} and this program reads {FORMAT!r}: use the version that "
                "wrote it, or run the sweep again in another folder"
            )
        try:
            return cls.of(text, path)
        except (KeyError, TypeError) as error:
            raise ResultsError(
                f"{path / PLAN} is damaged ({error!r}): give the sweep again with the same --out to write it anew"
            ) from None

    def results(self, point: str) -> Path:
        """Folder of the results of a point."""
        return self.folder / POINTS / point

    def labels(self, point: Planned) -> dict[str, str]:
        """Text of the values of a point, by key."""
        return labels_at(self.axes, point.place)

    @cached_property
    def by_id(self) -> dict[str, Planned]:
        """Points by their names."""
        return {point.id: point for point in self.points}

    @cached_property
    def _base(self) -> Parameters:
        return Parameters.model_validate(self.numbers)

    def experiment(self, point: str) -> Experiment:
        """Return all there is to know to run a point."""
        planned = self.by_id[point]
        numbers = _merged(self.numbers, planned.numbers) if planned.numbers else self._base
        return restore(_merged(self.settings, planned.settings), numbers)


def draft(sweep: Sweep, path: Path, columns: int) -> Plan:
    """Return the plan that `write` would write, and write nothing.

    Raises
    ------
    ResultsError
        As for `write`.
    """
    old = _earlier(sweep, path) if path.is_dir() else None
    return Plan.of(_text(sweep, old.batches if old else (), columns), path)


def write(sweep: Sweep, path: Path, columns: int) -> Plan:
    """Write the plan of a sweep into its folder, or take up the one that is there.

    A plan that is there may be of the same points or of some of them; the new ones are added.

    Parameters
    ----------
    sweep : Sweep
    path : Path
        Folder of the sweep; made if it is not there.
    columns : int
        Points that one program runs at a time.

    Raises
    ------
    ResultsError
        If the folder holds something else or another sweep, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with locked(path / LOCK, lambda: None):  # two that begin one sweep at a time write one plan
            old = _earlier(sweep, path)
            text = _text(sweep, old.batches if old else (), columns)
            if old is None or json.loads(json.dumps(text)) != folder.read_json(path / PLAN):
                new = path / f".{PLAN}.new"
                folder.write_json(new, text)
                os.replace(new, path / PLAN)
            (path / POINTS).mkdir(exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"{path}: the sweep could not be begun there ({error.strerror or error}): free some space, or name another "
            "folder with --out"
        ) from error
    return Plan.read(path)


def _earlier(sweep: Sweep, path: Path) -> Plan | None:
    """Return the plan that is there, None if the folder is empty or its plan is not whole.

    Raises
    ------
    ResultsError
        If the folder holds something else, or a sweep that has points which this one lacks.
    """
    if not (path / PLAN).is_file():
        if foreign := sorted(p.name for p in path.iterdir() if not p.name.startswith(".") and p.name != POINTS):
            raise ResultsError(f"{path} is not empty and holds no sweep ({foreign[0]}): name a new folder with --out")
        return None
    try:
        old = Plan.read(path)
    except ResultsError:
        if folder.holds_object(path / PLAN):  # of another version
            raise
        return None
    lost = set(old.by_id) - {point.id for point in sweep.points}
    if lost:
        raise ResultsError(
            f"{path} holds another sweep: {len(lost)} of its {len(old.points)} points are not in this one. Name "
            "another folder with --out"
        )
    return old


def _text(sweep: Sweep, batches: Sequence[Batch], columns: int) -> dict[str, Any]:
    first = sweep.points[0].exp
    settings, numbers = first.settings(), plain(first.numbers)
    changed: dict[int, Tree] = {id(first.numbers): {}}
    points = []
    for point in sweep.points:
        if id(point.exp.numbers) not in changed:
            changed[id(point.exp.numbers)] = _difference(numbers, plain(point.exp.numbers))
        own = _difference(settings, point.exp.settings())
        points.append(
            {"id": point.id, "place": point.place, "settings": own, "numbers": changed[id(point.exp.numbers)]}
        )
    planned = {point for batch in batches for point in batch.points}
    batches = [*batches, *_batches(sweep, planned, columns)]
    return {
        "format": FORMAT,
        "title": sweep.title,
        "axes": [{"name": axis.name, "keys": axis.keys, "labels": axis.labels} for axis in sweep.axes],
        "batches": [{"points": batch.points, "columns": batch.columns} for batch in batches],
        "settings": settings,
        "numbers": numbers,
        "points": points,
    }


def _batches(sweep: Sweep, planned: Collection[str], columns: int) -> list[Batch]:
    """Points that are not `planned` yet, in groups that share a program, a duration and a course.

    In a group, points that share their cells and synapses, such as all doses of a seed, follow each other: those are
    drawn once then (`circuit.draw.Networks`), and of a sweep that is stopped, whole curves are there.
    """
    groups: dict[Any, dict[Any, list[str]]] = {}
    for point in sweep.points:
        if point.id not in planned:
            course = point.exp.course and point.exp.course.model_dump_json()
            key = network.structure(point.exp), point.exp.duration.exact, course
            drawn = point.exp.seed, id(point.exp.numbers)
            groups.setdefault(key, {}).setdefault(drawn, []).append(point.id)
    return [
        Batch(points, min(columns, sum(map(len, group.values()))))
        for group in groups.values()
        for points in itertools.batched(itertools.chain.from_iterable(group.values()), columns)
    ]


# --- what differs


def _difference(base: Tree, other: Tree) -> dict[str, Any]:
    """Return what is to be put into `base` to make it `other`: values, None for what goes, groups of such."""
    found: dict[str, Any] = {key: None for key in base if key not in other}
    for key, value in other.items():
        if key in base and isinstance(value, dict) and isinstance(base[key], dict):
            if inner := _difference(base[key], value):
                found[key] = inner
        elif key not in base or base[key] != value:
            found[key] = value
    return found


def _merged(base: Tree, change: Tree) -> dict[str, Any]:
    """Return `base` with a `_difference` in it."""
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
