# SPDX-License-Identifier: GPL-3.0-or-later
"""From the files of an experiment to one tree of settings and one of numbers, each value with its place.

Layers, each over those before it: the file that a config ``extends``, the file itself, one of its arms, ``--set``, and
what a point of a sweep changes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from circuit.experiment import DOSE_KEYS
from circuit.schema import Parameters
from circuit.sentences import elsewhere, few, key_paths
from circuit.units import did_you_mean, shown
from circuit.yaml_source import Node, Place, Problems, Source, merge, parse, scalar

ReadText = Callable[[Path], str]
#: What an override may say instead of the value alone: a value that was fitted names its target (`gpu.overrides`).
FITTED_KEYS = {"value", "status", "note"}
ARM_NAME = re.compile(r"[\w+.-][\w +.-]{0,60}")


# --- files


def read_file(name: str, rank: int, asked_at: Node | None, read_text: ReadText, problems: Problems) -> Node | None:
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


def experiment_tree(
    name: str,
    overrides: Sequence[str],
    open_tree: Callable,
    problems: Problems,
    arm: str | None = None,
    changes: Sequence[Node] = (),
) -> Node | None:
    tree = open_tree(name, 0, None)
    said = _overrides(overrides, problems)
    if tree is None:
        return None
    parent = _parent_tree(tree, name, open_tree, problems)
    named_arms = arms_of(tree, problems)
    own = []
    if arm is not None and arm in named_arms and named_arms[arm].is_group:
        own = [lifted(named_arms[arm], 2)]
    return _layered([parent, without(tree, "extends", "arms", "sweep"), *own, *said, *changes])


def lifted(node: Node, depth: int) -> Node:
    """Return a tree as if it stood `depth` keys higher, its marks where they are."""
    value = node.value
    if isinstance(value, dict):
        value = {key: lifted(part, depth) for key, part in value.items()}
    elif isinstance(value, list):
        value = [lifted(part, depth) for part in value]
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
            trees.append(nested(keys, override_value(text.strip(), at, keys, problems)))
    return trees


def nested(keys: tuple[str, ...], node: Node) -> Node:
    """Return the layer of settings that gives `node` to the key that `keys` lead to, and says nothing else."""
    for depth in range(len(keys) - 1, -1, -1):
        node = Node({keys[depth]: node}, node.at, node.at, keys[:depth])
    return node


def override_value(text: str, at: Place, keys: tuple[str, ...], problems: Problems) -> Node:
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
    return without(under, *gone) if under.is_group else under


def without(node: Node, *keys: str) -> Node:
    return replace(node, value={key: value for key, value in node.value.items() if key not in keys})


def arms_of(tree: Node, problems: Problems) -> dict[str, Node]:
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


# --- the numbers of the model


def model_tree(tree: Node, open_tree: Callable, problems: Problems, incomplete: bool) -> tuple[Node | None, Path]:
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
    """Return the numbers `here` with the values of `change`; one that comes alone is assumed, by whom its note says."""
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
        elif node.is_group and node.value.keys() == FITTED_KEYS:
            group[key] = replace(group[key], value=group[key].value | node.value)
        elif node.is_group:
            problems.add(node.at, node.path, f"takes the value alone, such as '120 pF'; found {shown(node.value)}")
        else:
            source = node.at.source
            by = "--set" if source.is_override else Path(source.name).name
            marks = {"status": replace(node, value="assumed"), "note": replace(node, value=f"overridden by {by}")}
            group[key] = replace(group[key], value=group[key].value | {"value": node} | marks)
    return replace(here, value=group)
