# SPDX-License-Identifier: GPL-3.0-or-later
"""How far is it, and how long will it take? A bar on a terminal, a line every tenth in a log.

A program that works for us says ``@progress FRACTION SECONDS`` on its standard output; `follow` picks these lines out
of whatever else it says, and a `Meter` shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, Self, TextIO

PREFIX = "@progress"

OnProgress = Callable[[float, float], None]
"""Called with the completed fraction (0 to 1) and the seconds it took so far."""


def ignore(completed: float, elapsed_s: float) -> None:
    """Show nothing; the default where a caller does not ask for progress."""


def line(completed: float, elapsed_s: float) -> str:
    """Return the line that reports `completed` (0 to 1) after `elapsed_s` seconds."""
    return f"{PREFIX} {completed:.6g} {elapsed_s:.6g}"


def follow(lines: Iterable[str], on_progress: OnProgress) -> Iterator[str]:
    """Hand progress lines to `on_progress`; yield all others."""
    for text in lines:
        if not text.startswith(PREFIX):
            yield text
            continue
        try:
            completed, elapsed_s = map(float, text.split()[1:3])
        except ValueError:  # Half a line, from a program that was stopped while writing.
            continue
        on_progress(min(max(completed, 0.0), 1.0), elapsed_s)


def time_left(completed: float, elapsed_s: float) -> str:
    """Return "12 s left" or "3 min 5 s left", at the pace so far; empty before anything is known."""
    if not 0 < completed < 1:
        return ""
    return f"{duration(elapsed_s * (1 - completed) / completed)} left"


def duration(seconds: float) -> str:
    """Return "12 s", "3 min 5 s" or "2 h 10 min"."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole} s" if minutes else f"{whole} s"


class _Display(Protocol):
    def show(self, completed: float, elapsed_s: float) -> None: ...

    def close(self) -> None: ...


class Meter:
    """Show progress on `stream`; a context manager that is called with (completed fraction, elapsed seconds).

    Parameters
    ----------
    label : str
        What is being done, "simulating".
    stream : text file
        Where to show it. A terminal gets a bar that is redrawn, anything else a line every 10 %.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with Meter("simulating", out) as meter:
    ...     meter(0.3, 6.0)
    >>> out.getvalue()
    'simulating: 30 %, 14 s left\\n'
    """

    def __init__(self, label: str, stream: TextIO) -> None:
        self._display: _Display = _Bar(label, stream) if stream.isatty() else _Lines(label, stream)

    def __call__(self, completed: float, elapsed_s: float) -> None:
        self._display.show(completed, elapsed_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.close()


class Silent:
    """A display that shows nothing."""

    def __enter__(self) -> OnProgress:
        return ignore

    def __exit__(self, *exception: object) -> None:
        pass


class _Lines:
    def __init__(self, label: str, stream: TextIO) -> None:
        self._label, self._stream, self._tenths = label, stream, 0

    def show(self, completed: float, elapsed_s: float) -> None:
        tenths = int(completed * 10 + 1e-9)
        if tenths <= self._tenths:
            return
        self._tenths = tenths
        rest = time_left(completed, elapsed_s) or f"{elapsed_s:.1f} s"
        self._stream.write(f"{self._label}: {tenths * 10} %, {rest}\n")
        self._stream.flush()

    def close(self) -> None:
        pass


class _Bar:
    def __init__(self, label: str, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        percent = TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}")
        columns = TextColumn("{task.description}"), BarColumn(), percent
        self._progress = Progress(*columns, console=Console(file=stream))
        self._task = self._progress.add_task(label, total=1.0, left="")
        self._progress.start()

    def show(self, completed: float, elapsed_s: float) -> None:
        left = time_left(completed, elapsed_s) or (f"{elapsed_s:.1f} s" if completed == 1 else "")
        self._progress.update(self._task, completed=completed, left=left)

    def close(self) -> None:
        self._progress.stop()
