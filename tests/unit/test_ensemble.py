# SPDX-License-Identifier: GPL-3.0-or-later
"""How runs share programs, and what a Ctrl-C does to them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from circuit.config import load
from circuit.errors import ConfigError
from gpu import ensemble

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"


def tasks(*rows: tuple[str, ...]) -> list[ensemble.Task]:
    return [ensemble.Task(load(CONFIG, row), Path(f"{n}")) for n, row in enumerate(rows)]


def test_programs_are_shared_by_equal_structures_only() -> None:
    larger = "network.num_neurons=1200"
    longer = "protocol.t_drug=0.5 s"
    rows = [("seed=1",), ("seed=2",), ("seed=3",), ("seed=1", larger), ("seed=2", larger), ("seed=2", larger, longer)]
    assert [len(chunk) for chunk in ensemble.chunked(tasks(*rows), 2)] == [2, 1, 2, 1]


def test_progress_is_the_weighted_whole() -> None:
    shown: list[float] = []
    joint = ensemble._Joint(lambda completed, elapsed: shown.append(completed), [1, 3])
    joint.part(0)(1.0, 5.0)
    joint.part(1)(0.5, 9.0)
    assert shown == [0.25, 0.625]


def test_a_stop_interrupts_each_part_once() -> None:
    joint = ensemble._Joint(lambda completed, elapsed: None, [1, 1])
    parts = [joint.part(0), joint.part(1)]
    joint.stop.set()
    for part in parts:
        with pytest.raises(KeyboardInterrupt):
            part(0.1, 1.0)
        part(0.2, 2.0)


def test_an_error_keeps_later_runs_from_beginning() -> None:
    begun: list[int] = []

    def work(number: int) -> list:
        begun.append(number)
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        ensemble._side_by_side(work, 50, 1, threading.Event())
    assert begun == [0]
