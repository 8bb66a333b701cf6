# SPDX-License-Identifier: GPL-3.0-or-later
"""Config files to a frozen `Experiment`, or to a ConfigError that lists every problem with its place.

An experiment is read in layers, each saying only what it changes (`circuit.layers`). The numbers of the model come from
the file under ``model``; ``parameters`` overrides some of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from circuit.dispositions import NoData, disposition
from circuit.errors import ConfigError
from circuit.experiment import RELATIONS, Drug, Experiment, Recording, Settings, named
from circuit.layers import ReadText, arms_of, experiment_tree, model_tree, read_file, without
from circuit.parameter import Model, Parameter
from circuit.populations import sizes
from circuit.schema import Parameters, check_mixes, check_sizes, fractions, short_delays
from circuit.sentences import FILE_KEYS, model_class, tell
from circuit.yaml_source import MAX_CHARACTERS, Node, Problems

__all__ = [
    "ConfigError", "Experiment", "Loaded", "Model", "Parameter", "Reader", "arms", "load", "read", "restore",
]  # fmt: skip



@dataclass(frozen=True)
class Loaded:
    """An experiment, the files it was read from (the model's last), and the folder of its numbers and references."""

    experiment: Experiment
    files: tuple[Path, ...]
    folder: Path


def read_text(path: Path) -> str:
    """Return the text of a small UTF-8 file.

    Raises
    ------
    OSError
        If there is no such file, or it is a folder or a device, or it is too large to be a config.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError("is a folder, where a file is needed" if path.is_dir() else "is not an ordinary file")
    with path.open("rb") as file:
        content = file.read(4 * MAX_CHARACTERS + 1)
    if len(content) > 4 * MAX_CHARACTERS:
        raise OSError("is too large to be a config")
    return content.decode("utf-8-sig")


def arms(path: str | os.PathLike, read_text: ReadText = read_text) -> tuple[str, ...]:
    """Return the names of the arms of a config, in their order; none if it is a single experiment.

    An arm is what one group of animals gets that others do not: settings over those of the file, under a name.

    Raises
    ------
    ConfigError
        If the file cannot be read, or its arms are no groups of settings.
    """
    return tuple(Reader(path, (), read_text).arms())


def load(
    path: str | os.PathLike, overrides: Sequence[str] = (), read_text: ReadText = read_text, arm: str | None = None
) -> Experiment:
    """Return the experiment of a config file.

    Parameters
    ----------
    path : path
        A YAML file.
    overrides : sequence of str
        ``"key.path=value"``, the value as it would stand in the file.
    read_text : callable
        Path to text; what opens files.
    arm : str, optional
        Which of its `arms`; without one, the settings that all of them share.

    Raises
    ------
    ConfigError
        With every problem found, each with file, line, column, key, and what is needed.
    """
    return read(path, overrides, read_text, arm).experiment


def read(
    path: str | os.PathLike, overrides: Sequence[str] = (), read_text: ReadText = read_text, arm: str | None = None
) -> Loaded:
    """Return the experiment of a config file and where it was read from; see `load`."""
    return Reader(path, overrides, read_text).read(arm)


class Reader:
    """A config whose files are read once, for experiments that differ in an arm and in some settings.

    Parameters
    ----------
    path, overrides, read_text
        As for `load`.
    """

    def __init__(
        self, path: str | os.PathLike, overrides: Sequence[str] = (), read_text: ReadText = read_text
    ) -> None:
        self.path, self.overrides, self.read_text = os.fspath(path), tuple(overrides), read_text
        self._trees: dict[tuple[str, int], Node | None] = {}
        self._known: dict[str, tuple[Parameters, Path]] = {}

    def tree(self) -> Node:
        """Return the tree of the file itself.

        Raises
        ------
        ConfigError
            If it cannot be read.
        """
        problems = Problems()
        tree = self._open(self.path, 0, None, problems)
        problems.raise_if_any()
        return tree

    def arms(self) -> dict[str, Node]:
        """Return the arms of the file by name; see `arms`."""
        problems = Problems()
        found = arms_of(self.tree(), problems)
        problems.raise_if_any()
        return found

    def read(self, arm: str | None = None, changes: Sequence[Node] = ()) -> Loaded:
        """Return the experiment with the settings of an arm and of `changes` (see `nested`) over those of the file.

        Raises
        ------
        ConfigError
            With every problem found.
        """
        problems = Problems()

        def open_tree(name: str, rank: int, asked_at: Node | None) -> Node | None:
            return self._open(name, rank, asked_at, problems)

        tree = experiment_tree(self.path, self.overrides, open_tree, problems, arm, changes)
        if tree is None:
            problems.raise_if_any()
        incomplete = bool(problems.found)  # then what is missing may stand in what could not be read
        settings = _settings(tree, problems, incomplete)
        numbers, folder = self._numbers(tree, open_tree, problems, incomplete)
        _check_together(tree, settings, numbers, problems)
        problems.raise_if_any()
        values = {name: getattr(settings, name) for name in Settings.model_fields}
        files = tuple(Path(name) for name, _ in self._trees)
        return Loaded(Experiment(**values, numbers=numbers), files, folder)

    def _open(self, name: str, rank: int, asked_at: Node | None, problems: Problems) -> Node | None:
        if (name, rank) not in self._trees:
            self._trees[name, rank] = read_file(name, rank, asked_at, self.read_text, problems)
        return self._trees[name, rank]

    def _numbers(
        self, tree: Node, open_tree: Callable, problems: Problems, incomplete: bool
    ) -> tuple[Parameters | None, Path]:
        """Return the numbers of the model and their folder; those that experiments share are checked once."""
        asked, changes = tree.value.get("model"), tree.value.get("parameters")
        key = json.dumps([node and node.plain() for node in (asked, changes)])
        if key in self._known:
            return self._known[key]
        before = len(problems.found)
        model, folder = model_tree(tree, open_tree, problems, incomplete)
        numbers = _numbers(model, problems) if model else None
        if numbers is not None and len(problems.found) == before:
            self._known[key] = numbers, folder
        return numbers, folder


def restore(settings: Mapping[str, Any], numbers: Mapping[str, Any] | Parameters) -> Experiment:
    """Return the experiment whose `resolved` was split into settings and numbers; nothing is read from any file.

    Raises
    ------
    pydantic.ValidationError
        If the two were not written by `Experiment.resolved`.
    """
    read_settings = Settings.model_validate(settings)
    values = {name: getattr(read_settings, name) for name in Settings.model_fields}
    if not isinstance(numbers, Parameters):
        numbers = Parameters.model_validate(numbers)
    return Experiment(**values, numbers=numbers)


def _numbers(model: Node, problems: Problems) -> Parameters | None:
    try:
        return Parameters.model_validate(model.plain())
    except ValidationError as error:
        tell(error, model, Parameters, problems, incomplete=False)
        return None


# --- settings and numbers, and what they are together


def _settings(tree: Node, problems: Problems, incomplete: bool) -> Settings | None:
    try:
        return Settings.model_validate(without(tree, *FILE_KEYS).plain())
    except ValidationError as error:
        tell(error, tree, Settings, problems, incomplete)
        return None


def _check_together(tree: Node, settings: Settings | None, numbers: Parameters | None, problems: Problems) -> None:
    """Check the relations between sections, as far as the sections are right by themselves."""
    sections = {name: getattr(settings, name, None) for name in Settings.model_fields}
    sections |= {name: _section(tree, name) for name in _sections() if sections[name] is None}
    for needs, check in RELATIONS:
        if all(sections[name] is not None for name in needs if not name.endswith("?")):
            for keys, sentence in check(*(sections[name.removesuffix("?")] for name in needs)):
                node, _ = tree.follow(keys)
                problems.add(node.at, keys, sentence)
    if numbers and sections["network"]:
        _check_size(tree, numbers, sections["network"].num_neurons, sections["recording"], problems)
    if numbers:
        for keys, sentence in check_mixes(numbers):
            node, _ = tree.follow(("parameters", *keys))
            problems.add(node.at, ("parameters", *keys), sentence)
        _check_doses(tree, numbers, sections["drug"], sections["interventions"], problems)
    if numbers and sections["numerics"]:
        for name, sentence in short_delays(numbers, sections["numerics"].dt):
            keys = ("parameters", "synapses", name)
            node, _ = tree.follow(keys)
            problems.add(node.at, keys, sentence)


def _check_doses(
    tree: Node, numbers: Parameters, drug: Drug | None, interventions: tuple[Drug, ...] | None, problems: Problems
) -> None:
    """Check that there are pharmacokinetics for each dose."""
    for keys, one in named(drug, interventions or ()):
        if one is None or one.name == "none" or one.dose is None or one.route is None or one.species is None:
            continue
        try:
            disposition(numbers.pharmacokinetics, one.name, one.species, one.route)
        except NoData as error:
            node, _ = tree.follow((*keys, error.key))
            problems.add(node.at, (*map(str, keys), error.key), str(error))


def _check_size(tree: Node, numbers: Parameters, size: int, recording: Recording | None, problems: Problems) -> None:
    try:
        check_sizes(numbers, size)
    except ValueError as error:
        node, _ = tree.follow(("network", "num_neurons"))
        problems.add(node.at, ("network", "num_neurons"), str(error))
        return
    name, least = min(sizes(size, fractions(numbers)).items(), key=lambda item: item[1])
    if recording and recording.num_traced > least:
        node, _ = tree.follow(("recording", "num_traced"))
        problems.add(
            node.at, node.path, f"must be at most {least}, the number of {name} cells; found {recording.num_traced}"
        )


def _sections() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if model_class(field.annotation)]


def _section(tree: Node, name: str) -> Any:
    """Return a section read by itself, of settings of which another section is wrong; nothing if it is wrong too."""
    if name not in tree.value:  # so it is for most of the points of a sweep, and an adapter takes long to make
        return None
    try:
        return TypeAdapter(Settings.model_fields[name].annotation).validate_python(tree.value[name].plain())
    except ValidationError:
        return None
