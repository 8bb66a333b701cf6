# SPDX-License-Identifier: GPL-3.0-or-later
"""Config files to a frozen `Experiment`, or to a ConfigError that lists every problem with its place.

An experiment is read in layers, each saying only what it changes: the file it ``extends`` (one level), the file itself,
``--set key=value``. The numbers of the model come from the file under ``model``; ``parameters`` overrides some of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from circuit.dispositions import NoData, disposition
from circuit.errors import ConfigError
from circuit.experiment import DOSE_KEYS, RELATIONS, Drug, Experiment, Recording, Settings, named
from circuit.parameter import Model, Parameter
from circuit.populations import sizes
from circuit.schema import Parameters, check_mixes, check_sizes, fractions, short_delays
from circuit.sentences import FILE_KEYS, elsewhere, few, key_paths, model_class, tell
from circuit.units import did_you_mean, shown
from circuit.yaml_source import MAX_CHARACTERS, Node, Place, Problems, Source, merge, parse, scalar

__all__ = ["ConfigError", "Experiment", "Loaded", "Model", "Parameter", "arms", "load", "read"]

ReadText = Callable[[Path], str]
ARM_NAME = re.compile(r"[\w+.-][\w +.-]{0,60}")


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
    problems = Problems()
    tree = _file(os.fspath(path), 0, None, read_text, problems)
    found = _arms(tree, problems) if tree is not None else {}
    problems.raise_if_any()
    return tuple(found)


def _arms(tree: Node, problems: Problems) -> dict[str, Node]:
    node = tree.value.get("arms")
    if node is None:
        return {}
    if not node.is_group:
        problems.add(node.at, node.path, f"needs names of arms, each with its settings; found {shown(node.value)}")
        return {}
    for name, arm in node.value.items():
        if not ARM_NAME.fullmatch(name):
            sentence = "is the name of a folder too: letters, digits, blanks, and any of + - _ ."
            problems.add(arm.key_at, arm.path, sentence)
        elif not arm.is_group:
            problems.add(arm.at, arm.path, f"needs settings, such as drug: {{name: none}}; found {shown(arm.value)}")
    return node.value


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
    problems = Problems()
    files: list[Path] = []

    def open_tree(name: str, rank: int, asked_at: Node | None) -> Node | None:
        files.append(Path(name))
        return _file(name, rank, asked_at, read_text, problems)

    tree = _experiment_tree(os.fspath(path), overrides, open_tree, problems, arm)
    if tree is None:
        problems.raise_if_any()
    incomplete = bool(problems.found)  # then what is missing may stand in what could not be read
    settings = _settings(tree, problems, incomplete)
    model, folder = _model_tree(tree, open_tree, problems, incomplete)
    numbers = _numbers(model, problems) if model else None
    _check_together(tree, settings, numbers, problems)
    problems.raise_if_any()
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return Loaded(Experiment(**values, numbers=numbers), tuple(files), folder)


# --- files and layers


def _file(name: str, rank: int, asked_at: Node | None, read_text: ReadText, problems: Problems) -> Node | None:
    """Return the tree of a file; a problem stands where the file was asked for, or under its name if the user did."""

    def refuse(sentence: str) -> None:
        if asked_at is None:
            problems.add(Place(Source(name)), (), sentence)
        else:
            problems.add(asked_at.at, asked_at.path, f"{name}: {sentence}")

    try:
        text = read_text(Path(name))
    except FileNotFoundError:
        return refuse(f"there is no such file{_similar_file(Path(name))}")
    except UnicodeDecodeError as error:
        return refuse(f"is not UTF-8 text (byte {error.start + 1} is 0x{error.object[error.start]:02x})")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        return refuse(reason if reason.startswith("is ") else f"cannot be read: {reason}")
    source = Source(name, tuple(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)), Path(name).parent, rank)
    before = len(problems.found)
    tree = parse(text, source, problems)
    if tree is None and len(problems.found) == before:
        refuse("is empty")
    elif tree is not None and not tree.is_group:
        problems.add(tree.at, (), f"needs keys with values, such as 'seed: 1'; found {shown(tree.value)}")
        return None
    return tree


def _similar_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f", nor a folder {path.parent}"
    try:
        return did_you_mean(path.name, os.listdir(path.parent))
    except OSError:  # a folder that may be passed through but not listed
        return ""


def _experiment_tree(
    name: str, overrides: Sequence[str], open_tree: Callable, problems: Problems, arm: str | None = None
) -> Node | None:
    tree = open_tree(name, 0, None)
    said = _overrides(overrides, problems)
    if tree is None:
        return None
    parent = _parent_tree(tree, name, open_tree, problems)
    named_arms = _arms(tree, problems)
    own = []
    if arm is not None and arm in named_arms and named_arms[arm].is_group:
        own = [_lifted(named_arms[arm], 2)]
    return _layered([parent, _without(tree, "extends", "arms"), *own, *said])


def _lifted(node: Node, depth: int) -> Node:
    """Return a tree as if it stood `depth` keys higher, its marks where they are."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _lifted(part, depth) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_lifted(part, depth) for part in value]
    return replace(node, value=value, path=node.path[depth:])


def _parent_tree(tree: Node, name: str, open_tree: Callable, problems: Problems) -> Node | None:
    asked = tree.value.get("extends")
    if asked is None:
        return None
    if not isinstance(asked.value, str):
        problems.add(asked.at, asked.path, f"needs the name of a file; found {shown(asked.value)}")
        return None
    parent_name = str(asked.at.source.folder / asked.value)
    if os.path.realpath(parent_name) == os.path.realpath(name):
        problems.add(asked.at, asked.path, "is this file itself; name the file to build on, such as baseline.yaml")
        return None
    parent = open_tree(parent_name, 1, asked)
    if parent is not None and "extends" in parent.value:
        again = parent.value["extends"]
        problems.add(again.key_at, again.path, f"only one level: {name} already extends this file; give all in one")
        return None
    return parent


def _overrides(overrides: Sequence[str], problems: Problems) -> list[Node]:
    """Return one tree for each ``key.path=value``."""
    trees, seen = [], set()
    for rank, override in enumerate(overrides, start=3):
        key, sign, text = override.partition("=")
        keys = tuple(key.strip().split("."))
        at = Place(Source("--set", is_override=True, rank=rank))
        if not sign:
            problems.add(at, (override,), "needs a key and a value, such as drug.concentration='1 uM'")
        elif not all(keys):
            problems.add(at, (key,), "needs a key before '=', such as drug.concentration")
        elif keys in seen:
            problems.add(at, keys, "is given twice")
        elif keys == ("extends",):
            problems.add(at, keys, "can only stand in a file")
        else:
            seen.add(keys)
            node = _override_value(text.strip(), at, keys, problems)
            for depth in range(len(keys) - 1, -1, -1):
                node = Node({keys[depth]: node}, at, at, keys[:depth])
            trees.append(node)
    return trees


def _override_value(text: str, at: Place, keys: tuple[str, ...], problems: Problems) -> Node:
    """Return the value of an override: a list or group or quoted text as in a file, otherwise one plain value.

    A plain value is not read as YAML, which would take ``run #3`` for ``run`` and a comment.
    """
    if text[:1] in ("[", "{", "'", '"'):
        return parse(text, at.source, problems, keys) or Node(None, at, at, keys)
    return Node(scalar(text), at, at, keys)


def _layered(layers: list[Node | None]) -> Node:
    """Merge layers, later ones over earlier ones.

    A layer that gives a drug in one way (concentration, schedule, dose) replaces the other ways below it;
    ``name: none`` takes all away. Otherwise `--set drug.name=none` could not switch a drug off.
    """
    tree: Node | None = None
    for layer in filter(None, layers):
        drug = layer.value.get("drug")
        if tree is not None and drug is not None and drug.is_group and "drug" in tree.value:
            tree = replace(tree, value=tree.value | {"drug": _superseded(tree.value["drug"], drug)})
        tree = layer if tree is None else merge(tree, layer)
    return tree


def _superseded(under: Node, over: Node) -> Node:
    ways = {"concentration": ("concentration",), "schedule": ("schedule",), "dose": ("dose", *DOSE_KEYS)}
    given = [way for way in ways if way in over.value]
    gone = {key for way, keys in ways.items() if given and way not in given for key in keys}
    if "name" in over.value and over.value["name"].value == "none":
        gone = {key for keys in ways.values() for key in keys}
    return _without(under, *gone) if under.is_group else under


def _without(node: Node, *keys: str) -> Node:
    return replace(node, value={key: value for key, value in node.value.items() if key not in keys})


# --- the numbers of the model


def _model_tree(tree: Node, open_tree: Callable, problems: Problems, incomplete: bool) -> tuple[Node | None, Path]:
    """Return the tree of numbers with the overrides of the experiment in it, and its folder."""
    asked = tree.value.get("model")
    if asked is None:
        if not incomplete:
            problems.add(tree.at, ("model",), "is missing; it names the file of numbers, such as parameters.yaml")
        return None, Path()
    folder = asked.at.source.folder
    if asked.is_group:  # a resolved config carries its numbers in itself
        model = asked
    elif isinstance(asked.value, str):
        model = open_tree(str(folder / asked.value), 2, asked)
        folder = (folder / asked.value).parent
        model = _with_topics(model, open_tree, problems) if model else None
    else:
        problems.add(asked.at, asked.path, f"needs the name of a file of numbers; found {shown(asked.value)}")
        return None, folder
    changes = tree.value.get("parameters")
    return (_override(model, changes, problems) if model and changes else model), folder


def _with_topics(model: Node, open_tree: Callable, problems: Problems) -> Node | None:
    """Return the numbers with every topic that stands in a file of its own, beside theirs, read from it."""
    topics = dict(model.value)
    for name, node in model.value.items():
        if isinstance(node.value, str) and name in Parameters.model_fields:
            found = open_tree(str(node.at.source.folder / node.value), 2, node)
            if found is None:
                return None
            topics[name] = replace(found, key_at=node.key_at)
    return replace(model, value=topics)


def _override(here: Node, change: Node, problems: Problems) -> Node:
    """Return the numbers `here` with the values of `change`, each now assumed and saying who changed it."""
    if not change.is_group:
        problems.add(change.at, change.path, f"is a group ({few(here.value)}); found {shown(change.value)}")
        return here
    group = dict(here.value)
    for key, node in change.value.items():
        if key not in group:
            here_or_anywhere = [".".join((*change.path[1:], name)) for name in group], key_paths(Parameters)
            hint = next(filter(None, (elsewhere(key, paths, "parameters.") for paths in here_or_anywhere)), "")
            problems.add(node.key_at, node.path, f"unknown key{hint}")
        elif not group[key].is_group:
            problems.add(node.at, change.path, "takes the value alone, such as '120 pF'")
        elif "value" not in group[key].value:
            group[key] = _override(group[key], node, problems)
        elif node.is_group:
            problems.add(node.at, node.path, f"takes the value alone, such as '120 pF'; found {shown(node.value)}")
        else:
            source = node.at.source
            by = "--set" if source.is_override else Path(source.name).name
            marks = {"status": replace(node, value="assumed"), "note": replace(node, value=f"overridden by {by}")}
            group[key] = replace(group[key], value=group[key].value | {"value": node} | marks)
    return replace(here, value=group)


def _numbers(model: Node, problems: Problems) -> Parameters | None:
    try:
        return Parameters.model_validate(model.plain())
    except ValidationError as error:
        tell(error, model, Parameters, problems, incomplete=False)
        return None


# --- settings, and what they are together


def _settings(tree: Node, problems: Problems, incomplete: bool) -> Settings | None:
    try:
        return Settings.model_validate(_without(tree, *FILE_KEYS).plain())
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
    try:
        return TypeAdapter(Settings.model_fields[name].annotation).validate_python(tree.value[name].plain())
    except (KeyError, ValidationError):
        return None
