# SPDX-License-Identifier: GPL-3.0-or-later
"""Which experiments does holding the model against findings take? configs/validation.yaml to experiments and read-outs.

The file has settings that all arms share, arms by name, and for each finding what of it is read where; or, of a finding
that the model has no quantity for, why it is out of scope. An arm comes in every seed, and arms that are the same
experiment are one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from circuit import assays
from circuit.axes import Axis
from circuit.config import Experiment, Reader, read_text
from circuit.errors import UserError
from circuit.layers import ReadText, lifted, nested, read_file
from circuit.parameter import Model, Text
from circuit.schema import Parameters
from circuit.scoring import Prediction
from circuit.sentences import tell
from circuit.sweep import Point, Sweep, identity
from circuit.units import did_you_mean, number, number_text
from circuit.yaml_source import Node, Place, Problems, Source

ARM, SEED = "arm", "seed"
#: How a number is put into the unit of what was published, and what no change is then.
CONVERTED = {"ratio": (0.01, 1.0), "percent": (100.0, 0.0), "remaining": (-1.0, 1.0), "loss": (-1.0, 0.0)}

Seed = number(whole=True, ge=0, le=2**32 - 1)
Several = number(whole=True, ge=2, le=1000)
Arguments = dict[str, float | str]


class Check(Model):
    """What of the model is held to one effect of a finding.

    A number of a run (`read`, a key of summary.json or of `gpu.validation.READ_OUTS`) in an `arm`: as it stands; or as
    its change in percent from another number of the same run (`start`), or from the same number in another arm
    (`against`); or as the difference from (`minus`), or as a share of (`share_of`), what another arm has. Or what a
    formula says without a run: an `assay` with the arguments `given`, as its change in percent from what it says with
    those of `over`. `to` converts: percent of change to a ratio or to a loss, a fraction to percent or to what remains.
    Where no size was published, but words that ask for more than a sign, such as "abolished", `low` and `high` say how
    far the prediction must go to earn them, and `words` which they are.
    """

    effect: Text
    arm: Text | None = None
    read: Text | None = None
    start: Text | None = None
    against: Text | None = None
    minus: Text | None = None
    share_of: Text | None = None
    assay: Text | None = None
    given: Arguments = {}
    over: Arguments | None = None
    to: Literal["ratio", "percent", "remaining", "loss"] | None = None
    low: float | None = None
    high: float | None = None
    words: Text | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of all arms that it reads."""
        return tuple(name for name in (self.arm, self.against, self.minus, self.share_of) if name is not None)

    @property
    def neutral(self) -> float | None:
        """What no change is, None if this is no change."""
        if self.to in ("ratio", "remaining") or self.share_of:
            return 1.0
        changed = self.start or self.against or self.minus or self.over is not None
        return 0.0 if changed or (self.read or "").endswith("change_percent") else None

    @property
    def described(self) -> str:
        """What is read, in words."""
        what = self.read or self.assay
        if self.assay:
            return f"{what} ({_listed(self.given)})" + (f" over ({_listed(self.over)})" if self.over else "")
        for word, name in (("from", self.start), ("against", self.against), ("minus", self.minus)):
            what += f" {word} {name}" if name else ""
        return f"{what} as a share of {self.share_of}" if self.share_of else what


def _listed(given: Mapping[str, float | str]) -> str:
    return ", ".join(f"{key} {value if isinstance(value, str) else number_text(value)}" for key, value in given.items())


class Row(Model):
    """One finding: its checks, or why it is `out_of_scope`.

    Of effects that nothing is held to, `left_out` says why; `misses` why the model misses what it misses. `fast` rows
    are also scored when there is little time.
    """

    out_of_scope: Text | None = None
    checks: tuple[Check, ...] = ()
    left_out: dict[str, Text] = {}
    misses: Text | None = None
    fast: bool = False


class Seeds(Model):
    """Seeds of every arm: so many from the first on."""

    first: Seed
    number: Several


class Fast(Model):
    """What there is time for between two commits: settings over those of the whole, and seeds."""

    seeds: Seeds
    settings: dict[str, Any]


class File(Model):
    """The content of configs/validation.yaml."""

    title: Text
    base: Text
    seeds: Seeds
    settings: dict[str, Any]
    fast: Fast
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    rows: Annotated[dict[str, Row], Field(min_length=1)]


@dataclass(frozen=True)
class Study:
    """All there is to do; make it with `load`.

    Attributes
    ----------
    title : str
    numbers : Parameters
        Of the model that is held against the findings, for assays.
    rows : dict of str to Row
        By the id of the finding.
    sweep : Sweep
        The runs, each once; empty axes if nothing asks for a run.
    runs : dict of str to tuple of str
        For each arm, the name of its run in each seed.
    seeds : tuple of int
    is_part : bool
        Whether rows of the file were left out.
    """

    title: str
    numbers: Parameters
    rows: dict[str, Row]
    sweep: Sweep
    runs: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    is_part: bool


def load(
    path: str | os.PathLike,
    base: str | os.PathLike | None = None,
    overrides: Sequence[str] = (),
    num_seeds: int | None = None,
    fast: bool = False,
    only: Sequence[str] = (),
    read_text: ReadText = read_text,
) -> Study:
    """Return what a validation file asks for.

    Parameters
    ----------
    path : path
        The file.
    base : path, optional
        The experiment whose circuit is held against the findings; by default the one that the file names.
    overrides : sequence of str
        ``"key.path=value"``, over the settings of the base and below those of the arms.
    num_seeds : int, optional
        By default as many as the file says.
    fast : bool
        Only the rows that are marked so, with the settings for it.
    only : sequence of str
        Only the rows of these findings; all if empty.

    Raises
    ------
    ConfigError
        With every problem found.
    UserError
        If there is no such row.
    """
    problems = Problems()
    tree = read_file(os.fspath(path), 0, None, read_text, problems)
    file = None
    if tree is not None:
        file = _validated(tree, problems)
        if file is not None:
            _check_rows(tree, file, problems)
    problems.raise_if_any()
    rows = _chosen(file, fast, only)
    asked = file.fast.seeds if fast else file.seeds
    seeds = tuple(asked.first + n for n in range(num_seeds or asked.number))
    layers = [lifted(tree.value["settings"], 1)]
    if fast:
        layers.append(lifted(tree.value["fast"].value["settings"], 2))
    reader = Reader(base or Path(path).parent / file.base, overrides, read_text)
    wanted = dict.fromkeys(name for row in rows.values() for check in row.checks for name in check.arms)
    arms = {name: lifted(tree.value["arms"].value[name], 2) for name in wanted}
    points, runs, labels = _points(reader, layers, arms, seeds)
    axes = (Axis(ARM, (ARM,), labels), Axis(SEED, (SEED,), tuple((str(seed),) for seed in seeds)))
    numbers = reader.read(None, layers).experiment.numbers
    return Study(file.title, numbers, rows, Sweep(file.title, axes, points), runs, seeds, fast or bool(only))


def _chosen(file: File, fast: bool, only: Sequence[str]) -> dict[str, Row]:
    if unknown := [name for name in only if name not in file.rows]:
        raise UserError(f"there is no row {unknown[0]!r}{did_you_mean(unknown[0], file.rows)}")
    return {name: row for name, row in file.rows.items() if (row.fast or not fast) and (name in only or not only)}


def _validated(tree: Node, problems: Problems) -> File | None:
    try:
        return File.model_validate(tree.plain())
    except ValidationError as error:
        tell(error, tree, File, problems, incomplete=False)
        return None


def _points(
    reader: Reader, layers: Sequence[Node], arms: Mapping[str, Node], seeds: Sequence[int]
) -> tuple[tuple[Point, ...], dict[str, tuple[str, ...]], tuple[tuple[str, ...], ...]]:
    """Return the runs, each once; the run of every arm in every seed; and the label of each place along the arms."""
    known: dict[int, str] = {}
    points: dict[str, Point] = {}
    runs, labels = {}, []
    for name, arm in arms.items():
        exps = [_experiment(reader, [*layers, arm], seed) for seed in seeds]
        names = [identity(exp, known) for exp in exps]
        if names[0] not in points:
            labels.append((name,))
        for n, (own, exp) in enumerate(zip(names, exps, strict=True)):
            points.setdefault(own, Point(own, (len(labels) - 1, n), exp))
        runs[name] = tuple(names)
    return tuple(points.values()), runs, tuple(labels)


def _experiment(reader: Reader, layers: Sequence[Node], seed: int) -> Experiment:
    at = Place(Source("seed"))
    return reader.read(None, [*layers, nested((SEED,), Node(seed, at, at))]).experiment


def _check_rows(tree: Node, file: File, problems: Problems) -> None:
    """Check that each row is in scope or not, and each of its checks one thing, of arms and assays that exist."""
    for name, row in file.rows.items():
        keys = ("rows", name)
        if bool(row.checks) == (row.out_of_scope is not None):
            _add(tree, keys, "needs checks, or a sentence out_of_scope that says why there are none", problems)
        for n, check in enumerate(row.checks):
            for sentence in _wrong(check, file):
                _add(tree, (*keys, "checks", n), sentence, problems)


def _wrong(check: Check, file: File) -> list[str]:
    found = []
    if check.assay is None and (check.arm is None or check.read is None):
        found.append("needs an arm and what to read of it, or an assay")
    if check.assay is not None:
        if check.arms or check.read or check.start:
            found.append("is either an assay or read from an arm, not both")
        found += _wrong_assay(check)
    elif check.given or check.over is not None:
        found.append("has arguments, which are for an assay")
    if (check.words is None) != (check.low is None and check.high is None):
        found.append("has words that ask for more than a sign, and low or high for them, or neither")
    if sum(other is not None for other in (check.start, check.against, check.minus, check.share_of)) > 1:
        found.append("compares with one thing: start, against, minus or share_of")
    for arm in check.arms:
        if arm not in file.arms:
            found.append(f"there is no arm {arm!r}{did_you_mean(arm, file.arms)}")
    return found


def _wrong_assay(check: Check) -> list[str]:
    if check.assay not in assays.ASSAYS:
        return [f"there is no assay {check.assay!r}{did_you_mean(check.assay, assays.ASSAYS)}"]
    sentences = []
    for given in (check.given, *([check.over] if check.over is not None else [])):
        try:
            assays.check(check.assay, given)
        except ValueError as error:
            sentences.append(str(error))
    return sentences


def _add(tree: Node, keys: tuple[str | int, ...], sentence: str, problems: Problems) -> None:
    node, _ = tree.follow(keys)
    problems.add(node.at, keys, sentence)


def computed(numbers: Parameters, check: Check) -> Prediction:
    """What a formula says without a run, for a check with an assay."""
    value = assays.ASSAYS[check.assay](numbers, **check.given)
    if check.over is not None:
        value = 100 * (value / assays.ASSAYS[check.assay](numbers, **check.over) - 1)
    return converted(check, (value,), by_chance=False)


def converted(check: Check, values: Sequence[float], by_chance: bool = True) -> Prediction:
    """Put values of a check into the unit of what was published."""
    if check.to is None:
        return Prediction(tuple(values), check.neutral, by_chance)
    factor, offset = CONVERTED[check.to]
    return Prediction(tuple(offset + factor * value for value in values), check.neutral, by_chance)
