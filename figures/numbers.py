# SPDX-License-Identifier: GPL-3.0-or-later
"""The model's numbers as a run recorded them in its manifest; what an older or a bare manifest lacks is simply None."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from circuit import units
from circuit.populations import POPULATIONS, sizes, split


@dataclass(frozen=True)
class Leaf:
    """One number of the model: its key, value with unit as text, and where it comes from."""

    key: str
    value: str
    meaning: str = ""
    source: str = ""
    where: str = ""
    status: str = ""
    note: str = ""


def tree(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tree of numbers in a manifest's resolved configuration, empty if there is none."""
    config = manifest.get("config") or {}
    for key in ("numbers", "model"):
        if isinstance(config.get(key), Mapping):
            return config[key]
    return {}


def leaves(branch: Mapping[str, Any], key: str = "") -> Iterator[Leaf]:
    """Yield every number of a tree, in its order."""
    for name, value in branch.items():
        path = f"{key}.{name}" if key else str(name)
        if not isinstance(value, Mapping):
            continue
        if "value" in value:
            words = {k: str(value.get(k) or "") for k in ("meaning", "source", "where", "status", "note")}
            yield Leaf(path, str(value["value"]), **words)
        else:
            yield from leaves(value, path)


def value(numbers: Mapping[str, Any], key: str, unit: str = "") -> float | None:
    """Return one number, such as ``cells.PYR.mean_ext`` in ``nS``.

    Parameters
    ----------
    numbers : mapping
        From `tree`.
    key : str
        Names on the way down, joined by dots.
    unit : str, optional
        The unit wanted; empty for a bare number.

    Returns
    -------
    float or None
        None if the number is not there or has another kind of unit.
    """
    node: Any = numbers
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    found = node.get("value") if isinstance(node, Mapping) else None
    if found is None:
        return None
    try:
        if not unit:
            return float(found)
        dimension = units.UNITS[unit][0]
        same_kind = tuple(name for name, (kind, _) in units.UNITS.items() if kind == dimension)
        return units.parse(found, (unit, *same_kind)).magnitude
    except (TypeError, ValueError):
        return None


def in_degrees(numbers: Mapping[str, Any]) -> dict[str, int]:
    """Return how many synapses a target cell receives over each pathway; pathways without numbers are missing.

    The same rule as `circuit.schema.in_degrees` (a test compares them), on plain data, so that a page can be made
    from a manifest whose model this version no longer loads.
    """
    shares = {name: value(numbers, f"populations.{name}.fraction") for name in POPULATIONS}
    reference = value(numbers, "synapses.num_neurons_ref")
    if reference is None or None in shares.values():
        return {}
    counts = sizes(round(reference), shares)
    probability = {path: value(numbers, f"pathways.{path}.p") for path in numbers.get("pathways") or {}}
    return {path: round(p * counts[split(path)[0]]) for path, p in probability.items() if p is not None}


def conductances(numbers: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean conductance of the first spike on each pathway, nS; pathways without numbers are missing."""
    found = {path: value(numbers, f"pathways.{path}.g", "nS") for path in numbers.get("pathways") or {}}
    return {path: g for path, g in found.items() if g is not None}


def text(number: float | None, digits: int = 3) -> str:
    """Return a number as written in a figure: three digits, a dash if there is none."""
    return "–" if number is None or not math.isfinite(number) else f"{number:.{digits}g}"
