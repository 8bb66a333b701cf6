# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure saved by a process beside is the same file; where that process fails, this one saves it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from figures import beside, style
from gpu.build import environment


def drawn() -> list[tuple[Figure, str]]:
    made = []
    for n, name in enumerate(("first", "second")):
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, n, 1])
        made.append((figure, name))
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files as this process alone writes them."""
    folder = tmp_path_factory.mktemp("alone")
    beside.save(drawn(), folder)
    return files(folder)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="one core, so there is no process beside")
def test_it_saves_the_first_figure(alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here: list[str] = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, folder, name: here.append(name) or save(figure, folder, name))
    with beside.helper(environment()) as second:
        paths = beside.save(drawn(), tmp_path, second)
    assert here == ["second"]
    assert files(tmp_path) == alone
    assert [path.name for pair in paths for path in pair] == ["first.png", "first.pdf", "second.png", "second.pdf"]


def test_one_that_died_costs_nothing(alone: dict[str, bytes], tmp_path: Path):
    with beside.helper(environment()) as second:
        if second._process is not None:  # there is more than one core
            second._process.kill()
            second._process.wait()
        beside.save(drawn(), tmp_path, second)
    assert files(tmp_path) == alone


def test_one_that_was_ended_costs_nothing(alone: dict[str, bytes], tmp_path: Path):
    with beside.helper(environment()) as second:
        second.end()
        beside.save(drawn(), tmp_path, second)
    assert files(tmp_path) == alone


def test_a_figure_that_cannot_be_handed_over_is_saved_here(alone: dict[str, bytes], tmp_path: Path):
    made = drawn()
    made[0][0].stray = lambda: None  # which no pickle takes
    with beside.helper(environment()) as second:
        beside.save(made, tmp_path, second)
    assert files(tmp_path) == alone


def test_without_cores_to_spare_there_is_none(tmp_path: Path, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    with beside.helper(environment()) as second:
        beside.save(drawn(), tmp_path, second)
    assert files(tmp_path) == alone


def test_what_the_disk_refuses_is_raised_here(tmp_path: Path):
    (tmp_path / "first.png").mkdir()
    with beside.helper(environment()) as second, pytest.raises(OSError):
        beside.save(drawn(), tmp_path, second)
