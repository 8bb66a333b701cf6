# SPDX-License-Identifier: GPL-3.0-or-later
"""A results folder as files: where it may go, how it gets there whole, whether it is still what was written."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from circuit.errors import ResultsError, StorageError
from gpu import provenance

DATA, MANIFEST, SUMMARY = "data.nc", "manifest.json", "summary.json"
CONTENTS = frozenset({DATA, MANIFEST, SUMMARY, "figures", "report.html"})
"""All that this program ever puts into a results folder."""
_LAST = ',\n  "config": '
"""How the last line of a manifest begins, as `write_json` writes it."""


def check_destination(path: str | Path, overwrite: bool = False) -> None:
    """Refuse a results folder that cannot or must not be written. Changes nothing; call it before a long run.

    Parameters
    ----------
    path : str or Path
        The folder to be.
    overwrite : bool, optional
        Whether a results folder that is there may be replaced. Anything else that is there never is.

    Raises
    ------
    ResultsError
        With the sentence that says what is in the way.
    """
    path = Path(path)
    if path.is_dir():
        _check_replaceable(path, {entry.name for entry in path.iterdir()}, overwrite)
    elif path.exists() or path.is_symlink():
        raise ResultsError(f"{path} is a file, and results need a folder: name another with --out")
    parent = next(folder for folder in (path.absolute().parent, *path.absolute().parents) if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ResultsError(f"{path} cannot be made: {parent} is not a folder you may write to. Name another with --out")


def _check_replaceable(path: Path, names: set[str], overwrite: bool) -> None:
    """Raise unless the folder is empty, or holds our files only and may be overwritten."""
    if not names:
        return
    if not {DATA, MANIFEST} <= names:
        raise ResultsError(f"{path} is not empty and holds no results: name a new folder with --out")
    if not overwrite:
        raise ResultsError(f"{path} already holds results: name another folder with --out, or add --overwrite")
    if foreign := sorted(names - CONTENTS):
        raise ResultsError(
            f"{path} holds {', '.join(foreign)} besides the results, which --overwrite would delete: move it elsewhere"
        )


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A folder beside `path` to write into; it becomes `path` when the block ends well, and goes when it does not.

    Raises
    ------
    StorageError
        If the disk is full or refuses.
    """
    parent = path.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
        try:
            folder.chmod(0o777 & ~_umask())  # mkdtemp makes it private, results are for sharing
            yield folder
            sync_names(folder)
            _put_in_place(folder, path)
            sync_names(parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written ({error}): free some space, or name another with --out"
        ) from error


def _put_in_place(folder: Path, path: Path) -> None:
    """Rename the draft to its final name; an old folder steps aside first and comes back if that fails."""
    old = None
    if path.is_dir():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.absolute().parent)) / "old"
        os.rename(path, old)
    try:
        os.rename(folder, path)
    except OSError:
        if old is not None:
            os.rename(old, path)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old.parent, ignore_errors=True)


def amend_manifest(path: str | Path, **changes: Any) -> None:
    """Change entries of manifest.json, at once or not at all; a mapping is merged into the one that is there.

    Raises
    ------
    ResultsError
        If the folder holds no readable manifest.
    """
    file = Path(path) / MANIFEST
    manifest = read_json(file)
    for key, value in changes.items():
        old = manifest.get(key)
        manifest[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, Mapping) else value
    draft = file.with_name(f".{MANIFEST}.new")
    write_json(draft, manifest)
    os.replace(draft, file)


def _umask() -> int:
    """The umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_names(path: Path) -> None:
    """See to it that names given to files in a folder are on the disk too, where the system can."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, values: Mapping[str, Any], **texts: str) -> None:
    """Write JSON that any reader takes (no NaN), a key a line, and see it onto the disk; `texts` are JSON already."""
    dumps = functools.partial(json.dumps, ensure_ascii=False, allow_nan=False)
    lines = [f"  {dumps(key)}: {dumps(value)}" for key, value in values.items()]
    lines += [f"  {dumps(key)}: {text}" for key, text in texts.items()]
    write_file(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ResultsError
        If it is missing, cannot be read, or is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path.parent} is not a results folder: it has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read ({error}): restore it from a copy, or run again") from None
    if not isinstance(values, dict):
        raise ResultsError(f"{path} does not hold what this program writes: restore it from a copy, or run again")
    return values


def read_brief(path: Path) -> dict[str, Any]:
    """Read a manifest without its configuration, which is most of it and takes most of the time.

    Raises
    ------
    ResultsError
        As for `read_json`.
    """
    return read_parts(path)[0]


def read_parts(path: Path) -> tuple[dict[str, Any], str | None]:
    """Read a manifest without its configuration, and that as the text it is.

    One that is not as `write_json` leaves it is read as a whole, and there is no such text.

    Raises
    ------
    ResultsError
        As for `read_json`.
    """
    with suppress(OSError, ValueError):
        head, _, config = path.read_text(encoding="utf-8").partition(_LAST)
        if config.endswith("}\n}\n") and config.count("\n") == 2:  # one line, and the last of a whole file
            return json.loads(head + "\n}"), config[:-3]
    return read_json(path), None


def write_file(path: Path, content: bytes) -> None:
    """Write a file and see it onto the disk."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def checksums(path: Path) -> dict[str, dict[str, Any]]:
    """Return what the manifest of a folder says of its other files: ``sha256`` and ``bytes``."""
    files = [path / DATA, path / SUMMARY]
    return {
        "sha256": {file.name: provenance.sha256(file) for file in files},
        "bytes": {file.name: file.stat().st_size for file in files},
    }


def verify(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise unless the files of a results folder are those that its manifest was written for."""
    known = manifest.get("sha256")
    for name in (DATA, SUMMARY):
        if not (path / name).is_file():
            raise ResultsError(f"{path} is not a whole results folder: {name} is missing. Restore it or run again")
        wanted = known.get(name) if isinstance(known, dict) else None
        if wanted is None and name == SUMMARY:  # written before the summary had one
            continue
        try:
            found = provenance.sha256(path / name)
        except OSError as error:
            raise ResultsError(f"{path / name} cannot be read ({error}): restore it, or run again") from error
        if found != wanted:
            raise ResultsError(
                f"{path / name} has been truncated or altered since it was written (its checksum is not the one in "
                f"{MANIFEST}): restore it from a copy, or run again"
            )


def holds_object(path: Path) -> bool:
    """Whether a file holds a whole JSON object."""
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
