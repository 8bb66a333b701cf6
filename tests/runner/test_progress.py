# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress is read from a program's output and shown to people and to logs."""

from __future__ import annotations

import io

import pytest

from gpu import progress


def test_progress_lines_are_taken_out_of_the_output():
    seen = []
    said = ["hello\n", progress.line(0.25, 1.5) + "\n", "@progress 0.\n", "@progress half\n", "bye\n"]
    assert list(progress.follow(said, lambda *state: seen.append(state))) == ["hello\n", "bye\n"]
    assert seen == [(0.25, 1.5)]


@pytest.mark.parametrize(
    ("completed", "elapsed_s", "text"),
    [(0.0, 5, ""), (1.0, 5, ""), (0.5, 5, "5 s left"), (0.1, 20, "3 min 0 s left"), (0.01, 80, "2 h 12 min left")],
)
def test_time_left(completed: float, elapsed_s: float, text: str):
    assert progress.time_left(completed, elapsed_s) == text


def test_a_log_gets_a_line_every_tenth():
    out = io.StringIO()
    with progress.Meter("simulating", out) as meter:
        for step in range(101):
            meter(step / 100, step / 10)
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "simulating: 10 %, 9 s left"
    assert lines[-1] == "simulating: 100 %, 10.0 s"


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with progress.Meter("simulating", out) as meter:
        meter(0.5, 30.0)
    assert "simulating" in out.getvalue()
    assert "30 s left" in out.getvalue()
