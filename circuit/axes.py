# SPDX-License-Identifier: GPL-3.0-or-later
"""Axes of a sweep: from what a config or ``--vary`` says of them to the values along each.

An axis is a key of the config with a list of values, whole numbers ``1..8``, or a range ``{from: 1 nS, to: 4 nS,
count: 4}``; a name of one's own with keys that change together; the arms of the config; or values of some keys drawn
from distributions. Values keep their place in the file, so that a wrong one is told with it.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.layers import override_value
from circuit.units import NUMBER, UNITS, Quantity, did_you_mean, number_text, shown
from circuit.yaml_source import Node, Place, Problems, Source, scalar

ARM, DRAW = "arm", "draw"
MAX_POINTS = 100_000
WHOLE_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
METHODS = ("random", "Sobol")
SPACINGS = ("linear", "logarithmic")
#: Distribution: what it is described by.
DISTRIBUTIONS = {
    "uniform": ("from", "to"),
    "log-uniform": ("from", "to"),
    "normal": ("mean", "sd"),
    "log-normal": ("median", "log_sd"),
}
#: Digits of a number that a range or a draw gives: enough to tell any two apart, and no noise of rounding.
DIGITS = 12


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Attributes
    ----------
    name : str
        "seed", "drug.dose", "arm", "draw", or a name of the config's own.
    keys : tuple of str
        The keys that it sets, ``("arm",)`` for the arms.
    labels : tuple of tuple of str
        For each place along it, the value of each key as text.
    """

    name: str
    keys: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Values:
    """An axis with its values as they stand in the config: for each place, a node for each key."""

    name: str
    keys: tuple[str, ...]
    nodes: tuple[tuple[Node, ...], ...]

    def axis(self) -> Axis:
        """Return the axis without the places in the config."""
        return Axis(self.name, self.keys, tuple(tuple(map(label, place)) for place in self.nodes))


def label(node: Node) -> str:
    """Return a value as text: a scalar as it stands, a group or list in one line."""
    value = node.plain()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return number_text(value) if isinstance(value, float) else "none" if value is None else str(value)


def labels_at(axes: Sequence[Axis], place: Sequence[int]) -> dict[str, str]:
    """Return the text of every key's value at a place along each of the axes."""
    here = zip(axes, place, strict=True)
    return {key: text for axis, n in here for key, text in zip(axis.keys, axis.labels[n], strict=True)}


def coordinate(labels: Sequence[str]) -> tuple[list[float] | list[str], str | None]:
    """Return the values of one key as numbers and their unit, or as the texts they are and None.

    Parameters
    ----------
    labels : sequence of str
        As in `Axis.labels`; numbers, or amounts of one dimension, become numbers in the unit of the first.
    """
    if all(re.fullmatch(NUMBER, label) for label in labels):
        return [float(label) for label in labels], "1"
    found = [_amount(label) for label in labels]
    if not found or any(amount is None or amount.dimension != found[0].dimension for amount in found):
        return list(labels), None
    unit = found[0].unit
    return [amount.to(unit) for amount in found], unit


def _amount(text: str) -> Quantity | None:
    match = re.fullmatch(rf"({NUMBER}) ?(\D.*)", text)
    return Quantity(float(match[1]), match[2]) if match and match[2] in UNITS else None


# --- what the config says


def read_axes(sweep: Node | None, arms: tuple[str, ...], problems: Problems) -> list[Values]:
    if sweep is None:
        return []
    if not _is_group(sweep, ("axes", "draws"), problems):
        return []
    found, axes = [], sweep.value.get("axes")
    if axes is not None and not axes.is_group:
        problems.add(axes.at, axes.path, f"needs keys with values, such as 'seed: 1..8'; found {shown(axes.value)}")
    elif axes is not None:
        found = [_axis(name, node, arms, problems) for name, node in axes.value.items()]
    draws = sweep.value.get("draws")
    if draws is not None:
        found.append(_draws(draws, problems))
    return [axis for axis in found if axis is not None]


def _is_group(node: Node, keys: Sequence[str], problems: Problems, all_of: bool = False) -> bool:
    """Whether a node is a group of some of these keys, or of `all_of` them; if not, a problem says so."""
    if not node.is_group:
        problems.add(node.at, node.path, f"needs a group of keys ({', '.join(keys)}); found {shown(node.plain())}")
        return False
    unknown = [key for key in node.value if key not in keys]
    for key in unknown:
        problems.add(node.value[key].key_at, (*node.path, key), f"unknown key{did_you_mean(key, keys)}")
    missing = [key for key in keys if key not in node.value] if all_of else []
    for key in missing:
        problems.add(node.at, (*node.path, key), "is missing")
    return not unknown and not missing


def _axis(name: str, node: Node, arms: tuple[str, ...], problems: Problems) -> Values | None:
    if name == ARM:
        return _chosen_arms(node, arms, problems)
    if node.is_group and "from" not in node.value:
        return _together(name, node, problems)
    values = _range(node, problems) if node.is_group else _list(node, problems)
    return Values(name, (name,), tuple((value,) for value in values)) if values else None


def _list(node: Node, problems: Problems) -> list[Node]:
    """Return the values of a list, or of whole numbers such as ``1..8``; none and a problem otherwise."""
    if isinstance(node.value, list) and node.value:
        return [replace(value, path=node.path) for value in node.value]
    span = WHOLE_RANGE.fullmatch(node.value) if isinstance(node.value, str) else None
    if span and int(span[1]) <= int(span[2]) < int(span[1]) + MAX_POINTS:
        return [replace(node, value=number) for number in range(int(span[1]), int(span[2]) + 1)]
    wanted = "needs a list of values, whole numbers such as 1..8, or a range {from: 1 nS, to: 4 nS, count: 4}"
    problems.add(node.at, node.path, f"{wanted}; found {shown(node.plain())}")
    return []


def _range(node: Node, problems: Problems) -> list[Node]:
    if not _is_group(node, ("from", "to", "count", "spacing"), problems):
        return []
    count, spacing = (node.value[key].value if key in node.value else None for key in ("count", "spacing"))
    ends = amounts(node, ("from", "to"), problems)
    if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= MAX_POINTS:
        problems.add(node.at, (*node.path, "count"), f"needs a whole number of at least 2; found {shown(count)}")
        return []
    if spacing not in (None, *SPACINGS):
        problems.add(node.at, (*node.path, "spacing"), f"must be one of {', '.join(SPACINGS)}; found {shown(spacing)}")
        return []
    if ends is None:
        return []
    (first, last), unit = ends
    if spacing == "logarithmic" and not 0 < first < math.inf or spacing == "logarithmic" and last <= 0:
        problems.add(node.at, node.path, "a logarithmic range needs both ends above 0")
        return []
    values = np.geomspace(first, last, count) if spacing == "logarithmic" else np.linspace(first, last, count)
    return [number_node(node, value, unit) for value in values]


def _together(name: str, node: Node, problems: Problems) -> Values | None:
    """Return an axis along which several keys change together."""
    columns = {key: _list(part, problems) for key, part in node.value.items()}
    lengths = {key: len(values) for key, values in columns.items()}
    if not all(lengths.values()):
        return None
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {number}" for key, number in lengths.items())
        problems.add(node.at, node.path, f"keys that change together need lists of equal length; {said}")
        return None
    return Values(name, tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _chosen_arms(node: Node, arms: tuple[str, ...], problems: Problems) -> Values | None:
    if not arms:
        problems.add(node.key_at, node.path, "is an axis over the arms of the config, and it has none")
        return None
    if node.value == "all":
        return Values(ARM, (ARM,), tuple((replace(node, value=name),) for name in arms))
    chosen = _list(node, problems)
    for one in chosen:
        if one.value not in arms:
            known = did_you_mean(str(one.value), arms) or f"; there are {', '.join(arms)}"
            problems.add(one.at, one.path, f"there is no arm {shown(one.value)}{known}")
    return Values(ARM, (ARM,), tuple((one,) for one in chosen)) if chosen else None


def all_arms(arms: dict[str, Node]) -> Values:
    return Values(ARM, (ARM,), tuple((replace(node, value=name),) for name, node in arms.items()))


def with_varied(
    axes: list[Values], vary: Sequence[str], arms: tuple[str, ...], problems: Problems
) -> list[Values]:
    """Return the axes with those of the command line in place of their own, or behind them."""
    at, seen = Place(Source("--vary", is_override=True, rank=3)), set()
    for text in vary:
        key, _, values = (part.strip() for part in text.partition("="))
        parts = [part.strip() for part in values.split(",")]
        if not key or not all(key.split(".")) or not all(parts):
            problems.add(at, (text,), "needs a key and its values, such as --vary seed=1..8")
        elif key in seen:
            problems.add(at, (key,), f"is given twice; put all its values into one, such as --vary {key}=1,2")
        else:
            seen.add(key)
            nodes = [node for part in parts for node in _varied(part, at, key, problems)]
            node = Node(nodes, at, at, (key,))
            axis = _axis(key, node, arms, problems)
            where = next((n for n, other in enumerate(axes) if other.keys == (key,)), len(axes))
            axes = axes[:where] + [axis for axis in [axis] if axis] + axes[where + 1 :]
    return axes


def _varied(text: str, at: Place, key: str, problems: Problems) -> list[Node]:
    span = WHOLE_RANGE.fullmatch(text)
    if span and int(span[1]) <= int(span[2]) < int(span[1]) + MAX_POINTS:
        return [Node(number, at, at, (key,)) for number in range(int(span[1]), int(span[2]) + 1)]
    return [override_value(text, at, (key,), problems)]


def check(axes: Sequence[Values], sweep: Node | None, overrides: Sequence[str], problems: Problems) -> None:
    """Check what axes are to each other."""
    at = sweep.at if sweep is not None else Place(Source("sweep"))
    fixed = {override.partition("=")[0].strip() for override in overrides}
    seen: dict[str, str] = {}
    for axis in axes:
        for key in axis.keys:
            if key in seen:
                problems.add(at, ("sweep",), f"{key} is set by two axes, {seen[key]} and {axis.name}")
            elif key in fixed:
                problems.add(at, ("sweep",), f"{key} is an axis, and --set gives it one value; use --vary {key}=...")
            elif key.split(".")[0] in ("extends", "arms", "sweep", "model"):
                problems.add(at, ("sweep",), f"{key} cannot be an axis; it says where the experiment is read from")
            seen[key] = axis.name
    number = math.prod(len(axis.nodes) for axis in axes)
    if not axes and not problems.found:
        problems.add(at, ("sweep",), "there are no axes: give sweep.axes in the config, or --vary seed=1..8")
    elif number > MAX_POINTS:
        problems.add(at, ("sweep",), f"has {number:,} points; at most {MAX_POINTS:,} are one sweep")


# --- numbers


def amounts(node: Node, keys: Sequence[str], problems: Problems) -> tuple[list[float], str] | None:
    """Return the numbers under some keys, all in the unit of the first ("" for none)."""
    found: list[float] = []
    unit: str | None = None
    for key in keys:
        part = node.value.get(key)
        value = part.value if part is not None else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            amount, own = float(value), ""
        elif isinstance(value, str) and (quantity := _amount(value)) is not None:
            same = unit and UNITS[unit][0] == quantity.dimension
            amount, own = (quantity.to(unit), unit) if same else (quantity.magnitude, quantity.unit)
        else:
            problems.add(
                (part or node).at, (*node.path, key), f"needs a number with its unit; found {shown(value)}"
            )
            return None
        if unit is not None and own != unit:
            problems.add(part.at, (*node.path, key), f"needs the unit of {keys[0]}, {unit or 'none'}; found {value}")
            return None
        unit = own
        found.append(amount)
    return found, unit or ""


def number_node(node: Node, value: float, unit: str) -> Node:
    """Return a value that was computed, as it would stand in the file."""
    text = number_text(float(f"{value:.{DIGITS}g}"))
    return replace(node, value=f"{text} {unit}" if unit else scalar(text))


def _draws(node: Node, problems: Problems) -> Values | None:
    """Return the axis of what is drawn; a place is one draw of all keys."""
    if not _is_group(node, ("method", "count", "seed", "keys"), problems, all_of=True):
        return None
    before = len(problems.found)
    method, count, seed = (node.value[key].value for key in ("method", "count", "seed"))
    if method not in METHODS:
        problems.add(node.value["method"].at, (*node.path, "method"), f"must be one of {', '.join(METHODS)}")
    for key, value, least in (("count", count, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 2**32 - 1:
            sentence = f"needs a whole number of at least {least}; found {shown(value)}"
            problems.add(node.value[key].at, (*node.path, key), sentence)
    keys = node.value["keys"]
    if not keys.is_group or not keys.value:
        problems.add(keys.at, keys.path, "needs keys with distributions, such as drug.dose: {uniform: {...}}")
    if len(problems.found) > before:
        return None
    if count > MAX_POINTS:
        problems.add(node.at, (*node.path, "count"), f"is {count:,}; at most {MAX_POINTS:,} points are one sweep")
        return None
    shares = _shares(method, count, len(keys.value), seed)
    columns = [_drawn(part, shares[:, n], problems) for n, part in enumerate(keys.value.values())]
    if len(problems.found) > before:
        return None
    return Values(DRAW, tuple(keys.value), tuple(zip(*columns, strict=True)))


def _shares(method: str, count: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Return numbers between 0 and 1, shape (count, dimensions)."""
    if method == "random":
        return np.random.default_rng(np.random.SeedSequence(seed)).random((count, dimensions))
    from scipy.stats import qmc  # not at the top: slow to import, and seldom needed

    with warnings.catch_warnings():  # that a count which is no power of 2 is not quite balanced: the docs say it
        warnings.simplefilter("ignore", UserWarning)
        return qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random(count)


def _drawn(node: Node, shares: NDArray[np.float64], problems: Problems) -> list[Node]:
    """Return the values of one key at these shares of its distribution."""
    kinds = list(node.value) if node.is_group else []
    if len(kinds) != 1 or kinds[0] not in DISTRIBUTIONS:
        wanted = f"needs one distribution ({', '.join(DISTRIBUTIONS)}), such as {{uniform: {{from: 1 nS, to: 4 nS}}}}"
        problems.add(node.at, node.path, f"{wanted}; found {shown(node.plain())}")
        return []
    kind = kinds[0]
    group, names = node.value[kind], DISTRIBUTIONS[kind]
    if not _is_group(group, names, problems, all_of=True):
        return []
    if kind == "log-normal":  # the spread of a logarithm has no unit
        centre, spread = amounts(group, names[:1], problems), amounts(group, names[1:], problems)
        found = centre and spread and ([*centre[0], *spread[0]], centre[1])
    else:
        found = amounts(group, names, problems)
    if not found:
        return []
    (a, b), unit = found
    if wrong := _impossible(kind, a, b):
        problems.add(group.at, group.path, wrong)
        return []
    return [number_node(node, value, unit) for value in _quantiles(kind, a, b, shares)]


def _impossible(kind: str, a: float, b: float) -> str:
    if kind in ("uniform", "log-uniform"):
        if kind == "log-uniform" and a <= 0:
            return "needs from above 0"
        return "" if a < b else "needs from below to"
    if kind == "log-normal" and a <= 0:
        return "needs a median above 0"
    return "" if b > 0 else f"needs {DISTRIBUTIONS[kind][1]} above 0"


def _quantiles(kind: str, a: float, b: float, shares: NDArray[np.float64]) -> NDArray[Any]:
    from scipy.special import ndtri

    match kind:
        case "uniform":
            return a + (b - a) * shares
        case "log-uniform":
            return a * (b / a) ** shares
        case "normal":
            return a + b * ndtri(np.clip(shares, 1e-12, 1 - 1e-12))
        case _:
            return a * np.exp(b * ndtri(np.clip(shares, 1e-12, 1 - 1e-12)))
