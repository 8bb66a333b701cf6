# SPDX-License-Identifier: GPL-3.0-or-later
"""What was evaluated, as JSON lines that a killed process leaves whole, and that the same command goes on from.

The first line says what the evaluations are of; every other one is an evaluation. Groups of lines are written at once
and seen onto the disk; half a line, or half a group, that a kill left is taken away when the log is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circuit.errors import ResultsError, StorageError
from gpu import folder
from gpu.cache import locked


class TrialLog:
    """Evaluations on disk; make it with `opened`.

    Attributes
    ----------
    path : Path
    records : list of dict
        All evaluations, in their order.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], group: int) -> None:
        self.path = path
        lines = list(_whole_lines(path))
        if lines and {key: lines[0].get(key) for key in header} != json.loads(json.dumps(header)):
            raise ResultsError(
                f"{path} is of another calibration, or of another version of this one: name another folder with --out"
            )
        self.records = lines[1 : 1 + (len(lines) - 1) // group * group] if lines else []
        content = "".join(f"{json.dumps(line)}\n" for line in [header, *self.records])
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            draft = path.with_name(f".{path.name}.new")
            folder.write_file(draft, content.encode())
            os.replace(draft, path)

    def add(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Note a group of evaluations.

        Raises
        ------
        StorageError
            If the disk is full or refuses.
        """
        text = "".join(f"{json.dumps(record)}\n" for record in records)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written to ({error.strerror or error}).") from error
        self.records += json.loads(f"[{text.replace(chr(10), ',').removesuffix(',')}]")


@contextmanager
def opened(path: Path, header: Mapping[str, Any], group: int = 1) -> Iterator[TrialLog]:
    """Open the log at `path`, or begin it; nobody else has it meanwhile.

    Parameters
    ----------
    path : Path
        Its folder is made.
    header : mapping
        What the evaluations are of.
    group : int, optional
        So many records belong together; fewer at the end are dropped.

    Raises
    ------
    ResultsError
        If the log is of something else, or another process is at it.
    StorageError
        If the disk is full or refuses.
    """

    def busy() -> None:
        raise ResultsError(f"{path}: another process is at this calibration; wait for it, or name another with --out")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), busy):
            yield TrialLog(path, header, group)
    except OSError as error:
        raise StorageError(f"{path} cannot be written to ({error.strerror or error}).") from error


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what stands in a log up to the first line that is not whole."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        try:
            found = json.loads(line) if line.endswith("\n") else None
        except ValueError:
            return
        if not isinstance(found, dict):
            return
        yield found
