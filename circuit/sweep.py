# SPDX-License-Identifier: GPL-3.0-or-later
"""Which experiments is a sweep? Every combination along its axes, each with a name that follows from its content.

In a config, ``sweep`` has ``axes`` and ``draws`` (`circuit.axes`); arms of a config are an axis too. The same config
gives the same points everywhere.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circuit.axes import ARM, Axis, Values, all_arms, check, label, labels_at, read_axes, with_varied
from circuit.config import Reader, read_text
from circuit.errors import ConfigError
from circuit.experiment import Experiment, plain
from circuit.layers import ReadText, nested
from circuit.yaml_source import Problems

#: What stands before the numbers in the JSON of a resolved experiment.
_NUMBERS = ', "model": '
#: Hexadecimal digits of a point's name.
ID_LENGTH = 12


@dataclass(frozen=True)
class Point:
    """An experiment of a sweep: its name, its place along each axis, and all there is to know to run it."""

    id: str
    place: tuple[int, ...]
    exp: Experiment


@dataclass(frozen=True)
class Sweep:
    """All points of a sweep, in the order of its axes, the last fastest."""

    title: str
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]

    def labels(self, point: Point) -> dict[str, str]:
        """Text of the values of a point, by key."""
        return labels_at(self.axes, point.place)


def expand(
    path: str | os.PathLike, overrides: Sequence[str] = (), vary: Sequence[str] = (), read_text: ReadText = read_text
) -> Sweep:
    """Return every point of a config's sweep.

    Parameters
    ----------
    path, overrides, read_text
        As for `circuit.config.load`.
    vary : sequence of str
        Axes besides those of the config, or in place of them: ``key=value,value,...``, such as ``seed=1..8``.

    Raises
    ------
    ConfigError
        If the sweep or any of its points does not hold together, or two points are the same.
    """
    reader, problems = Reader(path, overrides, read_text), Problems()
    arms, node = reader.arms(), reader.tree().value.get("sweep")
    axes = read_axes(node, tuple(arms), problems)
    axes = with_varied(axes, vary, tuple(arms), problems)
    if arms and not any(axis.name == ARM for axis in axes):
        axes.insert(0, all_arms(arms))
    check(axes, node, overrides, problems)
    problems.raise_if_any()
    points = tuple(_points(reader, axes))
    _check_different(points, axes)
    return Sweep(points[0].exp.title, tuple(axis.axis() for axis in axes), points)




def _points(reader: Reader, axes: Sequence[Values]) -> Iterator[Point]:
    known: dict[int, str] = {}
    for place in itertools.product(*(range(len(axis.nodes)) for axis in axes)):
        chosen = [(axis, axis.nodes[n]) for axis, n in zip(axes, place, strict=True)]
        pairs = [pair for axis, nodes in chosen for pair in zip(axis.keys, nodes, strict=True)]
        arm = next((node.value for key, node in pairs if key == ARM), None)
        changes = [nested(tuple(key.split(".")), node) for key, node in pairs if key != ARM]
        try:
            exp = reader.read(arm, changes).experiment
        except ConfigError as error:
            said = ", ".join(f"{key}={label(node)}" for key, node in pairs)
            raise ConfigError(f"{error}\nThis was found at the point {said} of the sweep.") from None
        yield Point(identity(exp, known), place, exp)


def identity(exp: Experiment, known: dict[int, str]) -> str:
    """Return the name of the point that an experiment is; `known` keeps the text of numbers that several share."""
    if id(exp.numbers) not in known:  # thousands of numbers, which most points share
        known[id(exp.numbers)] = json.dumps(plain(exp.numbers), sort_keys=True)
    return _name(exp.settings(), known[id(exp.numbers)])


def name_of(resolved: Mapping[str, Any] | None) -> str | None:
    """Return the name of the point that `Experiment.resolved` gave this of; None if it gave no such thing."""
    if not isinstance(resolved, dict) or "model" not in resolved:
        return None
    settings = {key: value for key, value in resolved.items() if key != "model"}
    return _name(settings, json.dumps(resolved["model"], sort_keys=True))


def name_in(text: str) -> str | None:
    """Return `name_of` what JSON text holds; numbers that stand in it as in one before are not read again.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    settings, _, numbers = text.partition(_NUMBERS)
    try:
        return _name(json.loads(settings + "}"), _sorted(numbers.removesuffix("}")))
    except (ValueError, RecursionError):  # "model" is not its last key, or is one of another group before
        return name_of(json.loads(text))


@functools.lru_cache(maxsize=4)
def _sorted(numbers: str) -> str:
    return json.dumps(json.loads(numbers), sort_keys=True)


def _name(settings: Mapping[str, Any], numbers: str) -> str:
    """Return the name of a point: the same for the same settings and numbers, whatever the sweep they are in."""
    text = json.dumps(settings, sort_keys=True) + numbers
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _check_different(points: Sequence[Point], axes: Sequence[Values]) -> None:
    first: dict[str, Point] = {}
    for point in points:
        if point.id in first:
            twins = [
                ", ".join(
                    f"{key}={label(node)}"
                    for axis, n in zip(axes, one.place, strict=True)
                    for key, node in zip(axis.keys, axis.nodes[n], strict=True)
                )
                for one in (first[point.id], point)
            ]
            raise ConfigError(f"Two points of the sweep are the same experiment: {twins[0]}, and {twins[1]}.")
        first[point.id] = point
