# SPDX-License-Identifier: GPL-3.0-or-later
"""Where builds are kept between runs, and how two processes stay out of each other's way there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache: ``$PFC_CACHE``, else ``$XDG_CACHE_HOME/pfc``, else ``~/.cache/pfc``. May not exist."""
    if own := os.environ.get("PFC_CACHE"):
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pfc"


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`; if another process holds it, call `on_wait` once and wait.

    The lock belongs to the open file, so the system drops it when its holder dies in whatever way. The file itself
    stays: removing it would let two processes lock two files of one name.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
