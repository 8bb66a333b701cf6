# SPDX-License-Identifier: GPL-3.0-or-later
"""Save a figure in a process of its own, beside the others: files of a sweep's figures take a second each.

The process imports what it needs while this one still reads the sweep, then takes one figure. Whatever goes wrong in
it, this one saves the figure itself, and has the error, if there is one, in its own words.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Helper:
    """Such a process, or none where there is but one core; in `environment` it finds our packages."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if len(os.sched_getaffinity(0)) > 1:
            with suppress(OSError):
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "figures.beside"],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )

    def take(self, figure: Figure, folder: Path, name: str) -> None:
        """Have a figure saved; only once."""
        if self._process is not None:
            with suppress(OSError, pickle.PicklingError, TypeError, AttributeError), self._process.stdin as given:
                pickle.dump((figure, folder, name), given)

    def has_saved(self) -> bool:
        """Wait for the figure; False if it was not saved."""
        return self._process is not None and self._process.wait() == 0

    def end(self) -> None:
        """End the process, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(OSError):
                self._process.stdin.close()
            self._process = None


@contextmanager
def helper(environment: Mapping[str, str]) -> Iterator[Helper]:
    """A process that can save one figure; gone after the block."""
    made = Helper(environment)
    try:
        yield made
    finally:
        made.end()


def save(figures: list[tuple[Figure, str]], folder: Path, second: Helper | None = None) -> list[list[Path]]:
    """Save figures by name as `style.save` does, the first of several by the helper."""
    from figures import style  # not at the top: the helper is to begin before this process imports Matplotlib

    if second is None or len(figures) < 2:
        return [style.save(figure, folder, name) for figure, name in figures]
    (first, its_name), *others = figures
    folder.mkdir(parents=True, exist_ok=True)
    second.take(first, folder, its_name)
    paths = [style.save(figure, folder, name) for figure, name in others]
    return [style.paths(folder, its_name) if second.has_saved() else style.save(first, folder, its_name), *paths]


def main() -> None:
    """Save the figure that comes on standard input."""
    import matplotlib.backends.backend_pdf  # noqa: F401 - while there is nothing to do yet

    from figures import style

    figure, folder, name = pickle.load(sys.stdin.buffer)
    style.save(figure, folder, name)


if __name__ == "__main__":
    main()
