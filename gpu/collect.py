# SPDX-License-Identifier: GPL-3.0-or-later
"""What has come of a sweep: every point's summary and series in arrays along the axes of the plan.

Each point is checked before it is read; what is damaged is left out and told. Equal results give equal arrays, when,
where and in what order they were made notwithstanding. `gpu.dataset` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.axes import Axis
from circuit.errors import ResultsError
from gpu import folder, points
from gpu.folder import DATA, SUMMARY
from gpu.layout import SERIES
from gpu.plan import Plan, Planned
from gpu.points import DONE, FAILING, MISSING, Failure
from gpu.results import Results

DAMAGED = "damaged"
STATES = (DONE, FAILING, MISSING, DAMAGED)
#: Series of a group that come to more bytes than this over all points stay in the points' own files.
LIMIT = 2**30
#: Group of data.nc: what its arrays share, and its arrays.
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rates": (("population", "time"), ("rate",)),
    "chain": (("hours",), tuple(name for name in SERIES["chain"] if name != "hours")),
    "spines": (("hours",), tuple(name for name in SERIES["spines"] if name != "hours")),
}
#: Entries of a manifest that say what a point was made with.
ORIGIN = ("device", "hardware", "versions", "commit")


@dataclass
class Stack:
    """Series of one group of data.nc, of all points that have it.

    Attributes
    ----------
    shape : tuple of int
        Places along each axis of the sweep.
    shared : dict of str to ndarray
        What all points have in common: ``population`` and ``time`` (s), or ``hours``.
    values : dict of str to ndarray
        Each series, shape (*shape, *its own shape); NaN where a point has none.
    why_not : str or None
        Why there is nothing here although points have such series.
    """

    shape: tuple[int, ...]
    shared: dict[str, NDArray[Any]] = field(default_factory=dict)
    values: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    why_not: str | None = None

    def add(self, place: tuple[int, ...], shared: Mapping[str, NDArray], values: Mapping[str, NDArray]) -> None:
        """Put the series of a point in their place."""
        if self.why_not is not None:
            return
        if not self.values:
            self._begin(shared, values)
        elif not self._fits(shared, values):
            self.why_not = "differ in their samples from point to point"
        if self.why_not is not None:
            self.shared, self.values = {}, {}
        for name in self.values:
            self.values[name][place] = values[name]

    def _begin(self, shared: Mapping[str, NDArray], values: Mapping[str, NDArray]) -> None:
        size = sum(part.nbytes for part in values.values()) * int(np.prod(self.shape))
        if size > LIMIT:
            self.why_not = f"would take {size / 2**30:.1f} GiB in one file"
            return
        self.shared = dict(shared)
        self.values = {n: np.full((*self.shape, *part.shape), np.nan, part.dtype) for n, part in values.items()}

    def _fits(self, shared: Mapping[str, NDArray], values: Mapping[str, NDArray]) -> bool:
        return self.values.keys() == values.keys() and all(
            np.array_equal(shared[name], part) for name, part in self.shared.items()
        )


@dataclass(frozen=True)
class Collected:
    """A sweep with what came of its points; make it with `gather`.

    Attributes
    ----------
    path : Path
        Folder of the sweep.
    title : str
    axes : tuple of Axis
    points : tuple of Planned
        In the order of the plan.
    settings : mapping
        Of the first point, as `circuit.experiment.Experiment.resolved` gives them.
    meanings : dict of str to str
        What the model says of a key that is varied, where it says something.
    status : dict of str to str
        Of each point, one of `STATES`.
    values : dict of str to ndarray
        Each key of summary.json, float64, shape (places along each axis); NaN where a point has no such number.
    stacks : dict of str to Stack
        Series, by the keys of `GROUPS`.
    failures : tuple of Failure
        Why points failed.
    damaged : dict of str to str
        Of each damaged point, the sentence that says what is wrong.
    origins : dict of str to list of str
        What points were made with (`ORIGIN`, as JSON), and which those are.
    """

    path: Path
    title: str
    axes: tuple[Axis, ...]
    points: tuple[Planned, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    damaged: dict[str, str] = field(default_factory=dict)
    origins: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Places along each axis."""
        return tuple(len(axis.labels) for axis in self.axes)

    @property
    def counts(self) -> dict[str, int]:
        """How many points are in each of `STATES`."""
        found = list(self.status.values())
        return {state: found.count(state) for state in STATES}

    def labels(self, point: Planned) -> dict[str, str]:
        """Text of the values of a point, by key."""
        places = zip(self.axes, point.place, strict=True)
        return {key: text for axis, n in places for key, text in zip(axis.keys, axis.labels[n], strict=True)}

    def results(self, point: str) -> Results:
        """Open the results of a point that is done; they were checked when they were collected."""
        return Results.open(self.path / "points" / point, verify=False)

    def sentences(self) -> list[str]:
        """What whoever asked for the sweep has to know about it."""
        told = [f"Point {name} is left out: {sentence}" for name, sentence in self.damaged.items()]
        if told:
            told.append(f"Run what is damaged again: pfc retry {self.path}")
        return told + [
            f"The {name} of the points {stack.why_not} and are left out; they are in the points' own {DATA}."
            for name, stack in self.stacks.items()
            if stack.why_not
        ]


def gather(plan: Plan) -> Collected:
    """Read what has come of every point.

    Parameters
    ----------
    plan : Plan
        Points may be missing, failed or damaged.
    """
    shape = tuple(len(axis.labels) for axis in plan.axes)
    sweep = Collected(
        path=plan.folder,
        title=plan.title,
        axes=plan.axes,
        points=plan.points,
        settings=plan.settings,
        meanings=_meanings(plan),
        stacks={name: Stack(shape) for name in GROUPS},
        failures=tuple(points.failures(plan)),
    )
    failed = {failure.point for failure in sweep.failures}
    for point in plan.points:
        sweep.status[point.id] = FAILING if point.id in failed else _take(sweep, plan, point)
    return sweep


def _take(sweep: Collected, plan: Plan, point: Planned) -> str:
    """Put what a point has into the arrays; return its state."""
    where = plan.results(point.id)
    if not where.is_dir():
        return MISSING
    try:
        manifest = points.checked(plan, point.id)
        summary, found = folder.read_json(where / SUMMARY), _series(where / DATA)
    except ResultsError as error:
        sweep.damaged[point.id] = str(error)
        return DAMAGED
    for key, value in summary.items():
        if key not in sweep.values:
            sweep.values[key] = np.full(sweep.shape, np.nan)
        sweep.values[key][point.place] = np.nan if value is None else value
    for group, (shared, values) in found.items():
        sweep.stacks[group].add(point.place, shared, values)
    origin = json.dumps({key: manifest.get(key) for key in ORIGIN}, sort_keys=True)
    sweep.origins.setdefault(origin, []).append(point.id)
    return DONE


def _series(path: Path) -> dict[str, tuple[dict[str, NDArray], dict[str, NDArray]]]:
    """Read the series of a point: for each group that it has, what they share and each of them."""
    import h5py  # not at the top: slow to import

    try:
        with h5py.File(path, "r") as file:
            return {group: _read(file[group], *names) for group, names in GROUPS.items() if group in file}
    except (OSError, KeyError) as error:
        raise ResultsError(f"{path} cannot be read ({error}): run the point again") from error


def _read(
    group: Any, shared: tuple[str, ...], names: tuple[str, ...]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.floating]]]:
    return {name: group[name][()] for name in shared}, {name: group[name][()] for name in names if name in group}


def _meanings(plan: Plan) -> dict[str, str]:
    """What the model says of those of its numbers that are varied."""
    found = {}
    for key in (key for axis in plan.axes for key in axis.keys if key.startswith("parameters.")):
        leaf: Any = plan.numbers
        for part in key.split(".")[1:]:
            leaf = leaf.get(part) if isinstance(leaf, Mapping) else None
        if isinstance(leaf, Mapping) and isinstance(leaf.get("meaning"), str):
            found[key] = leaf["meaning"]
    return found
