# SPDX-License-Identifier: GPL-3.0-or-later
"""A config whose values were fitted: the one it came from, with those values, each naming what it was fitted to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from circuit.config import Reader, read_text
from circuit.errors import ResultsError, StorageError
from circuit.layers import override_value, without
from circuit.yaml_source import Place, Problems, Source, dump, scalar
from gpu import folder


def text(reader: Reader, values: Mapping[str, str], notes: Mapping[str, str], place: Path) -> str:
    """Return the text of the fitted config.

    A config extends one file at most, so what the config itself says over the file it extends is written out.

    Parameters
    ----------
    reader : Reader
        Of the config that the fit began with.
    values, notes : mapping of str to str
        By key, such as ``parameters.cells.PV.mean_ext``.
    place : Path
        The file to be; the file it extends is named from there.

    Raises
    ------
    ConfigError
        If the settings of the command line do not go with those of the config in one file.
    """
    tree = reader.tree()
    own: dict[str, Any] = {}
    base = Path(reader.path)
    if "extends" in tree.value:
        base = base.parent / tree.value["extends"].plain()
        own = without(tree, "extends").plain()
    model = own.get("model")
    if isinstance(model, str):
        own["model"] = _from(Path(reader.path).parent / model, place)
    for override in reader.overrides:
        key, _, value = override.partition("=")
        _put(own, key.strip(), _plain(key.strip(), value.strip()))
    for key, value in values.items():
        _put(own, key, {"value": scalar(value), "status": "fitted", "note": notes[key]})
    content = dump({"extends": _from(base, place)} | own)
    Reader(place, (), lambda path: content if path == place else read_text(path)).read()  # it does load
    return content


def _plain(key: str, value: str) -> Any:
    return override_value(value, Place(Source("--set", is_override=True)), tuple(key.split(".")), Problems()).plain()


def _from(file: Path, place: Path) -> str:
    return os.path.relpath(file, place.absolute().parent)


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for name in groups:
        tree = tree.setdefault(name, {})
    tree[last] = value


def check(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file that cannot or must not be written, or ends otherwise. Changes nothing; call it before long work.

    Raises
    ------
    ResultsError
        With the sentence that says what is in the way.
    """
    if path.suffix not in endings:
        raise ResultsError(f"{path}: --out needs a file that ends in {' or '.join(endings)}")
    if path.exists():
        raise ResultsError(f"{path} is already there: name another file with --out")
    parent = path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ResultsError(f"{path} cannot be made: {parent} is not a folder you may write to. Name another with --out")


def write(path: Path, content: str) -> None:
    """Write a file, all of it or none.

    Raises
    ------
    StorageError
        If the disk is full or refuses.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        folder.write_file(draft, content.encode())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"{path} could not be written ({error}): name another file with --out") from error
