# SPDX-License-Identifier: GPL-3.0-or-later
"""From the file of a calibration to a `circuit.calibration.Spec`, or to a ConfigError with every problem's place."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit.axes import amounts
from circuit.calibration import CHANGE, Free, Output, Spec, Target, bounds_of
from circuit.config import read_text
from circuit.errors import ConfigError, UserError
from circuit.layers import lifted, read_file
from circuit.network import structure
from circuit.schema import Parameters
from circuit.sentences import key_paths
from circuit.units import did_you_mean, number_text, shown
from circuit.variants import REST, parameter, settings
from circuit.yaml_source import Node, Problems, merge

KEYS = ("title", "config", "settings", "seeds", "free", "conditions", "rest", "findings", "outputs", "optimiser")
NEEDED = ("title", "config", "seeds", "free", "rest")
FREE_KEYS = ("low", "high", "scale", "prior", "with")
FINDING_KEYS = ("id", "of", "effect", "condition", "output")
#: Of CMA-ES; sigma is a share of the way between bounds, a population of 0 that of its own rule.
OPTIMISER = {"sigma": 0.2, "population": 0, "generations": 50, "seed": 1}


def read(path: str | os.PathLike, findings: Callable[[], Mapping[str, Any]], read_text: Callable = read_text) -> Spec:
    """Return the calibration of a file.

    Parameters
    ----------
    path : path
        A YAML file.
    findings : callable
        Returns the rows of findings.yaml by id (`circuit.findings.load`); called only if the spec names any.
    read_text : callable
        As for `circuit.config.load`.

    Raises
    ------
    ConfigError
        With every problem found, each with its place.
    """
    problems = Problems()
    tree = read_file(os.fspath(path), 0, None, read_text, problems)
    problems.raise_if_any()
    _known(tree, KEYS, NEEDED, problems)
    problems.raise_if_any()
    spec = _Reading(tree, Path(path), problems).spec(findings)
    problems.raise_if_any()
    _check_candidates(spec, tree, problems)
    problems.raise_if_any()
    return spec


def _known(node: Node, keys: Sequence[str], needed: Sequence[str], problems: Problems) -> bool:
    """Whether a node is a group of known keys, and has those that it needs."""
    if not node.is_group:
        problems.add(node.at, node.path, f"needs keys ({', '.join(keys)}); found {shown(node.value)}")
        return False
    before = len(problems.found)
    for key, part in node.value.items():
        if key not in keys:
            problems.add(part.key_at, part.path, f"unknown key{did_you_mean(key, keys)}")
    for key in needed:
        if key not in node.value:
            problems.add(node.at, (*node.path, key), "is missing")
    return len(problems.found) == before


@dataclass
class _Reading:
    """A spec's tree on its way to a `Spec`."""

    tree: Node
    path: Path
    problems: Problems

    def spec(self, findings: Callable[[], Mapping[str, Any]]) -> Spec:
        values = self.tree.value
        conditions = self._groups("conditions")
        layer = values.get("settings")
        if not conditions:
            conditions = {"rest": functools.reduce(merge, settings(REST))}
        bands = tuple(self._bands(next(iter(conditions))))
        targets = bands + tuple(self._findings(conditions, findings))
        return Spec(
            path=self.path,
            title=str(values["title"].value),
            config=self.path.parent / str(values["config"].value),
            layer=(layer,) if layer is not None and layer.is_group else (),
            seeds=tuple(self._seeds()),
            free=tuple(filter(None, (self._free(key, node) for key, node in self._groups("free").items()))),
            conditions=conditions,
            targets=targets,
            outputs=tuple(self._outputs(conditions)),
            optimiser=self._optimiser(),
            content=self.tree.plain(),
        )

    def _tell(self, node: Node, sentence: str) -> None:
        self.problems.add(node.at, node.path, sentence)

    def _groups(self, key: str) -> dict[str, Node]:
        node = self.tree.value.get(key)
        if node is None:
            return {}
        if not node.is_group or not all(part.is_group for part in node.value.values()):
            self._tell(node, f"needs names, each with a group of keys; found {shown(node.value)}")
            return {}
        return {name: lifted(part, 2) for name, part in node.value.items()} if key == "conditions" else node.value

    def _seeds(self) -> list[int]:
        node = self.tree.value["seeds"]
        found = [part.value for part in node.value] if isinstance(node.value, list) else []
        if not found or not all(type(seed) is int and seed >= 0 for seed in found) or len(set(found)) < len(found):
            self._tell(node, f"needs a list of different whole numbers, such as [1, 2]; found {shown(node.plain())}")
        return found

    def _free(self, key: str, node: Node) -> Free | None:
        if not _known(node, FREE_KEYS, ("low", "high"), self.problems):
            return None
        found = amounts(node, ("low", "high"), self.problems)
        scale = node.value["scale"].value if "scale" in node.value else "log"
        if scale not in ("log", "lin"):
            self._tell(node.value["scale"], f"must be log or lin; found {shown(scale)}")
            return None
        if found is None:
            return None
        (low, high), unit = found
        if not low < high or (scale == "log" and low <= 0):
            least = "0 < low < high" if scale == "log" else "low < high"
            self._tell(node, f"needs {least}; found {number_text(low)} and {number_text(high)}")
            return None
        others = node.value.get("with")
        companions = tuple(str(part.value) for part in others.value) if others is not None else ()
        return Free(key, low, high, unit, scale == "log", self._prior(node, unit, scale), companions)

    def _prior(self, node: Node, unit: str, scale: str) -> tuple[float, float] | None:
        prior = node.value.get("prior")
        if prior is None or not _known(prior, ("mean", "sd"), ("mean", "sd"), self.problems):
            return None
        centre, spread = (amounts(prior, (key,), self.problems) for key in ("mean", "sd"))
        if centre is None or spread is None:
            return None
        wanted = {"mean": (centre[1], unit), "sd": (spread[1], unit if scale == "lin" else "")}
        for key, (found, right) in wanted.items():
            if found != right:
                self._tell(prior.value[key], f"needs the unit {right or 'none'}; found {shown(prior.value[key].value)}")
                return None
        if spread[0][0] <= 0 or (scale == "log" and centre[0][0] <= 0):
            self._tell(prior, "needs an sd above 0, and on a log scale a mean above 0")
            return None
        return centre[0][0], spread[0][0]

    def _bands(self, condition: str) -> Iterator[Target]:
        node = self.tree.value["rest"]
        if not node.is_group:
            self._tell(node, f"needs bands, such as rate_PYR_baseline_hz: [1, 4]; found {shown(node.value)}")
            return
        for key, band in node.value.items():
            ends = [part.value for part in band.value] if isinstance(band.value, list) else []
            bounds = [-math.inf if n == 0 else math.inf for n in range(2)]
            if len(ends) == 2 and all(end is None or type(end) in (int, float) for end in ends):
                bounds = [bound if end is None else float(end) for end, bound in zip(ends, bounds, strict=True)]
            if len(ends) != 2 or ends == [None, None] or not bounds[0] < bounds[1] or 0 in ends:
                self._tell(band, f"needs [low, high], one of which may be ~, neither 0; found {shown(band.plain())}")
                continue
            yield Target(f"{key} at rest", "", condition, key, bounds[0], bounds[1], 0.0)

    def _findings(self, conditions: Mapping[str, Node], load: Callable[[], Mapping[str, Any]]) -> Iterator[Target]:
        node = self.tree.value.get("findings")
        if node is None:
            return
        if not isinstance(node.value, list):
            self._tell(node, f"needs a list of rows, such as [{{id: B24, ...}}]; found {shown(node.value)}")
            return
        rows = load()
        for part in node.value:
            if _known(part, FINDING_KEYS, ("id", "condition", "output"), self.problems):
                yield from self._finding(part, rows, conditions)

    def _finding(self, part: Node, rows: Mapping[str, Any], conditions: Mapping[str, Node]) -> Iterator[Target]:
        name, condition, output = (str(part.value[key].value) for key in ("id", "condition", "output"))
        row = rows.get(name)
        if row is None:
            self._tell(part.value["id"], f"findings.yaml has no row {name}{did_you_mean(name, rows)}")
        elif row.use != "calibration":
            sentence = f"{name} is kept for {row.use}: a circuit that is fitted to it could not be tested on it"
            self._tell(part.value["id"], sentence)
        elif condition not in conditions:
            self._tell(part.value["condition"], f"is none of the conditions{did_you_mean(condition, conditions)}")
        elif not output.endswith(CHANGE):
            self._tell(part.value["output"], f"needs a read-out that ends in {CHANGE}; found {shown(output)}")
        else:
            at, of = (str(part.value[word].value) if word in part.value else "" for word in ("effect", "of"))
            effects = [effect for effect in row.effects if effect.of == of and at in ("", effect.at)]
            if len(effects) != 1:
                known = "; ".join(f"{effect.at}{f' of {effect.of}' if effect.of else ''}" for effect in row.effects)
                self._tell(part, f"needs one effect of {name}, by 'effect' and where there are several 'of': {known}")
                return
            try:
                low, high, spread = bounds_of(effects[0])
            except ValueError as error:
                self._tell(part, f"{name}: {error}")
                return
            words = f"{name}, {effects[0].at}: {output} at {condition}"
            yield Target(words, name, condition, output, low, high, spread)

    def _outputs(self, conditions: Mapping[str, Node]) -> Iterator[Output]:
        for name, node in self._groups("outputs").items():
            if not _known(node, ("output", "condition", "turning"), ("output",), self.problems):
                continue
            turning, condition = node.value.get("turning"), node.value.get("condition")
            if (turning is None) == (condition is None) or (turning is not None and not turning.is_group):
                self._tell(node, "needs either a condition, or turning: {CONDITION: dose, ...}")
                continue
            doses = turning.plain() if turning is not None else {str(condition.value): 1.0}
            numbers = [dose for dose in doses.values() if type(dose) in (int, float) and dose > 0]
            if unknown := [key for key in doses if key not in conditions]:
                self._tell(node, f"{unknown[0]} is none of the conditions{did_you_mean(unknown[0], conditions)}")
            elif len(numbers) < len(doses) or sorted(set(numbers)) != numbers:
                self._tell(node, "needs doses that ascend, numbers above 0")
            else:
                yield Output(name, str(node.value["output"].value), doses, turning is not None)

    def _optimiser(self) -> dict[str, float]:
        node = self.tree.value.get("optimiser")
        if node is None or not _known(node, tuple(OPTIMISER), (), self.problems):
            return dict(OPTIMISER)
        for key, part in node.value.items():
            kinds = (int, float) if key == "sigma" else (int,)
            if type(part.value) not in kinds or part.value <= 0:
                wanted = "number" if key == "sigma" else "whole number"
                self._tell(part, f"needs a {wanted} above 0; found {shown(part.value)}")
        return OPTIMISER | node.plain()


def _check_candidates(spec: Spec, tree: Node, problems: Problems) -> None:
    """Check that the free keys are numbers, and that the ends of their bounds are experiments that share a program."""
    places = tree.value["free"].value
    for free in spec.free:
        _check_keys(spec, free, places[free.key], problems)
    problems.raise_if_any()
    lows, highs = [free.low for free in spec.free], [free.high for free in spec.free]
    if _shares_program(spec, lows) and _shares_program(spec, highs):
        return
    for n, free in enumerate(spec.free):  # one of them does not: which?
        for end in (free.low, free.high):
            values = spec.start()
            values[n] = end
            if not _shares_program(spec, values):
                sentence = "changes what the program is compiled for, and each candidate would need one of its own"
                problems.add(places[free.key].key_at, places[free.key].path, sentence)
                break


def _check_keys(spec: Spec, free: Free, node: Node, problems: Problems) -> None:
    """Check that a free key and its companions are numbers of the model, and that the bounds have its unit."""
    for key in (free.key, *free.companions):
        try:
            own = parameter(spec.base.numbers, key)
        except KeyError:
            hint = "" if key.startswith("parameters.") else ": only numbers under 'parameters.' can be free"
            hint = hint or did_you_mean(key, [f"parameters.{path}" for path in key_paths(Parameters)])
            problems.add(node.key_at, node.path, f"{key} is no number of the model{hint}")
            return
    own = parameter(spec.base.numbers, free.key)
    try:
        size = own.to(free.unit or "1")
    except ValueError as error:
        problems.add(node.at, node.path, str(error))
        return
    if size == 0 and free.companions:
        problems.add(node.at, node.path, "is 0 in the config, so nothing can keep its ratio to it")


def _shares_program(spec: Spec, values: Sequence[float]) -> bool:
    try:
        candidate = spec.experiments(values, spec.seeds[:1])[0]
    except ConfigError as error:
        raise UserError(f"{spec.path}: a bound is a value that the model does not take: {error}") from None
    return structure(candidate) == structure(spec.base)
