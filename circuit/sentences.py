# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a config, in sentences: the key, what it needs, what was found, and the nearest right name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from circuit.experiment import Settings
from circuit.parameter import Parameter
from circuit.schema import Parameters
from circuit.units import did_you_mean, shown
from circuit.yaml_source import Node, Problems

LISTS = {
    "schedule": "{time: 7 s, concentration: 1 uM}",
    "interventions": "{name: NBQX, concentration: 10 uM}",
    "knockdowns": "{subunit: GluN2B, populations: [PYR], remaining: 0}",
    "populations": "PYR, PV",
    "effects": "{at: 30 mg/kg, sign: up}",
    "checks": "{effect: 30 mg/kg, arm: rat 30 mg/kg, read: rate_PYR_change_percent}",
}
# What an experiment file may say besides the keys of Settings.
FILE_KEYS = ("extends", "arms", "sweep", "model", "parameters")


def tell(error: ValidationError, tree: Node, kind: type[BaseModel], problems: Problems, incomplete: bool) -> None:
    """Add to `problems` what pydantic found wrong with `tree`; of an `incomplete` tree, not what is missing."""
    for detail in error.errors(include_url=False):
        node, left = tree.follow(detail["loc"])
        # A list whose only entries are wrong counts as empty too; they have their own sentence.
        if (detail["type"] == "missing" and incomplete) or (detail["type"] == "too_short" and node.plain()):
            continue
        at = node.key_at if detail["type"] in ("extra_forbidden", "missing") else node.at
        problems.add(at, (*node.path, *left), _sentence(detail, node, kind))


def _sentence(detail: dict, node: Node, kind: type[BaseModel]) -> str:
    found = shown(node.plain())
    match detail["type"]:
        case "extra_forbidden":
            return "unknown key" + _nearest(detail["loc"], kind)
        case "missing":
            return "is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"needs a group of keys ({few(_keys_at((*detail['loc'], ''), kind))}); found {found}"
        case "literal_error":
            allowed = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            return f"must be one of {', '.join(allowed)}; found {found}{did_you_mean(str(node.value), allowed)}"
        case "string_type":
            quotes = f": write '{node.value}' in quotes" if isinstance(node.value, int | float) else ""
            return f"needs text; found {found}{quotes}"
        case "string_too_short":
            return "must not be empty"
        case "tuple_type":
            return f"needs a list, such as [{LISTS[str(detail['loc'][-1])]}]; found {found}"
        case "too_short":
            return f"needs at least one entry, such as [{LISTS[str(detail['loc'][-1])]}]; found an empty list"
        case "value_error":
            return str(detail["ctx"]["error"])
        case _:
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}; found {found}"


def _nearest(loc: tuple, kind: type[BaseModel]) -> str:
    """Return the hint for an unknown key: a key of this group, or one of that name elsewhere in the file."""
    key, paths = str(loc[-1]), key_paths(kind)
    known = [*_keys_at(loc, kind), *(FILE_KEYS if len(loc) == 1 and kind is Settings else ())]
    if "." in key and key in paths:
        return f"; a file nests keys: write {key.replace('.', ': {')}: ...{'}' * key.count('.')}"
    if kind is Settings and key in Parameters.model_fields:
        return f"; did you mean 'parameters.{key}'?"
    same_name = [path for path in paths if path.split(".")[-1] == key]
    here = [".".join(map(str, (*loc[:-1], name))) for name in known]
    return elsewhere(key, same_name) or elsewhere(key, here) or elsewhere(key, paths)


def elsewhere(key: str, paths: list[str], prefix: str = "") -> str:
    """Return the hint with the whole path of the key whose last name is nearest to `key`."""
    first_path = {path.split(".")[-1]: path for path in reversed(paths)}
    return re.sub(r"'(.*)'", lambda name: f"'{prefix}{first_path[name[1]]}'", did_you_mean(key, first_path))


def few(keys: Iterable[str]) -> str:
    """Return the first names of a group."""
    names = [str(key) for key in keys]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def model_class(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as ``tuple[Step, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_class, get_args(annotation))), None)


def _keys_at(loc: tuple, kind: type[BaseModel] | None) -> list[str]:
    """Return the keys that may stand where the last of `loc` does."""
    for key in loc[:-1]:
        if kind is not None and not isinstance(key, int):
            kind = model_class(kind.model_fields[key].annotation) if key in kind.model_fields else None
    return [described.alias or name for name, described in kind.model_fields.items()] if kind is not None else []


def key_paths(kind: type[BaseModel], before: str = "") -> list[str]:
    """Return the dotted paths of all keys; a parameter leaf has none below it."""
    paths = []
    for field, described in kind.model_fields.items():
        name = described.alias or field
        paths.append(before + name)
        below = model_class(described.annotation)
        if below is not None and not issubclass(below, Parameter):
            paths += key_paths(below, f"{before}{name}.")
    return paths
