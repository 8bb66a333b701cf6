# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML text to a tree in which every value knows its place, and problems told with those places.

Which line of which file does a wrong number stand on? PyYAML finds the structure, this module decides what a scalar
is. The rules are those of YAML 1.2 without the traps of 1.1: ``no`` is text, ``1e-3`` is a number, ``010`` and
``1:30`` are text, which a field that wants a number then refuses. Anchors, aliases and tags are refused: a config needs
none of them, and they are how a small file grows without bound or makes objects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from circuit.errors import ConfigError
from circuit.units import NUMBER

MAX_DEPTH = 20  # a config is five levels deep; a text of brackets could be thousands
MAX_CHARACTERS = 1_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
#: Where the two readers differ: tabs, line ends besides "\n", escapes, "?", and letters beyond Latin and Greek.
_UNUSUAL = re.compile(r"[^\n -~\xa1-\u024f\u0370-\u03ff]|[\\?]")
_INT = re.compile(r"[-+]?(?:0|[1-9]\d{0,29})")
_LEADING_ZERO = re.compile(r"[-+]?0\d")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_HINTS = {
    "found character '\\t'": "a tab cannot indent; use spaces",
    "mapping values are not allowed": "a second ': ' here; is the line before complete, or does a text need quotes",
    "could not find expected ':'": "this line is not 'key: value'",
    "expected <block end>": "this line is indented differently from its group",
    "expected ',' or '}'": "a '{' is not closed, or a comma is missing",
    "expected ',' or ']'": "a '[' is not closed, or a comma is missing",
    "while scanning a quoted scalar": "a quotation mark is not closed",
    "but found another document": "a config is one document; take out the '---' between two",
}


@dataclass(frozen=True, eq=False)
class Source:
    """A text read: the name shown for it, its lines, the folder its relative paths start from, and its order."""

    name: str
    lines: tuple[str, ...] = ()
    folder: Path = Path()
    rank: int = 0
    is_override: bool = False


@dataclass(frozen=True)
class Place:
    """A line and column (from 0) of a source."""

    source: Source
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Node:
    """A value with its place; a group is a dict of nodes, a list a list of nodes.

    Attributes
    ----------
    value : dict, list, str, int, float, bool or None
    at, key_at : Place
        Where the value and its key stand.
    path : tuple of str
        The keys that lead to it in its own source.
    """

    value: Any
    at: Place
    key_at: Place
    path: tuple[str, ...] = ()

    @property
    def is_group(self) -> bool:
        """Whether this is a group of keys."""
        return isinstance(self.value, dict)

    def plain(self) -> Any:
        """Return the value without places."""
        if self.is_group:
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def follow(self, keys: Sequence[str | int]) -> tuple[Node, tuple]:
        """Return the node that `keys` lead to and (), or the last one on the way and the keys that are left."""
        node = self
        for n, key in enumerate(keys):
            try:
                node = node.value[key]
            except (KeyError, IndexError, TypeError):
                return node, tuple(keys[n:])
            if not isinstance(node, Node):  # a character of a text
                return self.follow(keys[:n])[0], tuple(keys[n:])
        return node, ()


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where, under which key, and the sentence."""

    at: Place
    path: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        source, key = self.at.source, ".".join(self.path)
        if source.is_override:
            return f"{source.name} {key}: {self.sentence}"
        if not source.lines:
            return f"{source.name}: {self.sentence}"
        head = f"{source.name}:{self.at.line + 1}:{self.at.column + 1}: {key}{': ' if key else ''}{self.sentence}"
        line = source.lines[self.at.line] if self.at.line < len(source.lines) else ""
        start = max(0, self.at.column - 80)
        excerpt = _CONTROL.sub("?", line[start : start + 110].replace("\t", " "))
        return f"{head}\n    {excerpt}\n    {' ' * (self.at.column - start)}^"


@dataclass
class Problems:
    """What was found wrong so far, so that all of it can be told at once."""

    found: list[Problem] = field(default_factory=list)

    def add(self, at: Place, path: Iterable[str | int], sentence: str) -> None:
        """Note one problem."""
        self.found.append(Problem(at, tuple(map(str, path)), sentence))

    def raise_if_any(self) -> None:
        """Raise ConfigError with every problem, sorted by place.

        Raises
        ------
        ConfigError
            If there is at least one.
        """
        if self.found:
            ordered = sorted(self.found, key=lambda p: (p.at.source.rank, p.at.line, p.at.column))
            text = "\n".join(dict.fromkeys(map(str, ordered)))
            raise ConfigError(text.encode("utf-8", "backslashreplace").decode())


def parse(text: str, source: Source, problems: Problems, path: tuple[str, ...] = ()) -> Node | None:
    """Return the tree of a YAML text, or None if it has none; what is wrong with it goes to `problems`."""
    start = Place(source)
    if len(text) > MAX_CHARACTERS:
        problems.add(start, path, f"has {len(text)} characters; a config has at most {MAX_CHARACTERS}")
        return None
    try:
        root = _composed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(Place(source, mark.line, mark.column), path, _syntax_sentence(error))
        return None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        at = Place(source, before.count("\n"), len(before) - before.rfind("\n") - 1)
        problems.add(at, path, f"the character U+{ord(text[error.position]):04X} cannot be in a config")
        return None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):  # PyYAML lets out chr() of an escape too large
        problems.add(start, path, "is not YAML that can be read")
        return None
    if root is None:
        return None
    return _node(root, start, path, source, problems)


def _composed(text: str) -> yaml.Node | None:
    """Return the structure of a text: by libyaml where it is here, which takes a tenth of the time.

    PyYAML's own reader words every refusal, and reads what libyaml might understand in another way.
    """
    if yaml.__with_libyaml__ and not _UNUSUAL.search(text):
        with suppress(Exception):
            return _FastComposer(text).get_single_node()
    return _Composer(text).get_single_node()


class _Refusing:
    """Structure only; refuses what makes a text mean more than it shows."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent) or anchor is not None:
            mark = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise _refusal(f"anchors and aliases ({mark}{anchor}) are not read; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal(f"tags ({event.tag}) are not read; write a plain value", event)
        if self.depth == MAX_DEPTH:
            raise _refusal(f"is nested more than {MAX_DEPTH} levels deep", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Composer(_Refusing, yaml.SafeLoader):
    """Reads as PyYAML does."""


if yaml.__with_libyaml__:

    class _FastComposer(_Refusing, yaml.composer.Composer, yaml.cyaml.CParser, yaml.resolver.BaseResolver):
        """Composes in Python, so that it can refuse, from the events of libyaml."""

        def __init__(self, text: str) -> None:
            yaml.cyaml.CParser.__init__(self, text)
            yaml.composer.Composer.__init__(self)
            yaml.resolver.BaseResolver.__init__(self)

        def compose_scalar_node(self, anchor: str | None) -> yaml.ScalarNode:
            if not self.peek_event().value:
                raise ValueError("the readers differ in where nothing stands")
            return super().compose_scalar_node(anchor)


def _refusal(sentence: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=sentence, problem_mark=event.start_mark)


def _syntax_sentence(error: yaml.MarkedYAMLError) -> str:
    said = " ".join(filter(None, [error.context, error.problem]))
    hint = next((hint for start, hint in _HINTS.items() if start in said), None)
    return f"{hint} ({said})" if hint else said


def _node(raw: yaml.Node, key_at: Place, path: tuple[str, ...], source: Source, problems: Problems) -> Node:
    at = Place(source, raw.start_mark.line, raw.start_mark.column)
    if isinstance(raw, yaml.ScalarNode):
        if bad := _CONTROL.search(raw.value):
            problems.add(at, path, f"the character U+{ord(bad[0]):04X} cannot be in a config")
        text = _CONTROL.sub("?", raw.value)
        return Node(text if raw.style else scalar(text), at, key_at, path)
    if isinstance(raw, yaml.SequenceNode):
        items = [_node(item, at, (*path, str(n)), source, problems) for n, item in enumerate(raw.value)]
        return Node(items, at, key_at, path)
    group: dict[str, Node] = {}
    for key, value in raw.value:
        key_place = Place(source, key.start_mark.line, key.start_mark.column)
        if not isinstance(key, yaml.ScalarNode) or _CONTROL.search(key.value):
            problems.add(key_place, path, "a key must be a plain word")
            continue
        if first := group.get(key.value):
            where = f"first on line {first.key_at.line + 1}" if first.key_at.line != key_place.line else "on this line"
            problems.add(key_place, (*path, key.value), f"is given twice ({where})")
            continue
        group[key.value] = _node(value, key_place, (*path, key.value), source, problems)
    return Node(group, at, key_at, path)


def scalar(text: str) -> str | int | float | bool | None:
    """Return what an unquoted YAML scalar means here."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if re.fullmatch(NUMBER, text) and not _LEADING_ZERO.match(text) and math.isfinite(float(text)):
        return float(text)
    return text


def merge(under: Node, over: Node) -> Node:
    """Return `under` with everything that `over` says instead; groups are merged, lists and values replaced."""
    if not (under.is_group and over.is_group):
        return over
    both = dict(under.value)
    for key, node in over.value.items():
        both[key] = merge(both[key], node) if key in both else node
    return Node(both, over.at, over.key_at, over.path)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 would misread; our reader also takes 1e-3 for a number.
    style = None if scalar(text) == text and isinstance(scalar(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _group(dumper: yaml.SafeDumper, group: dict) -> yaml.MappingNode:
    # A parameter leaf fits on one line, which makes a resolved config as readable as the file it came from.
    return dumper.represent_mapping("tag:yaml.org,2002:map", group.items(), flow_style="value" in group)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _group)


def dump(data: dict) -> str:
    """Return plain data (dicts, lists, texts, numbers) as YAML text that `parse` reads back as the same data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
