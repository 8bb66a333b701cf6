# SPDX-License-Identifier: GPL-3.0-or-later
"""How experiments of which only the summary is wanted share programs; the simulation itself is stood in for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from circuit import network
from circuit.config import load
from circuit.errors import RunError
from gpu import ensemble, job, progress, trials

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"


@pytest.fixture(scope="module")
def exps() -> list:
    return [load(CONFIG, [f"seed={seed}"]) for seed in range(5)]


def made(exp, columns: int) -> trials.Trials:
    return trials.Trials(SimpleNamespace(), network.structure(exp), 1, lambda text: None, columns)


def stand_in(monkeypatch, differ: bool = False, interrupted: bool = False) -> list[tuple[int, int]]:
    """Have runs return their seed; note how many were asked for, and how many a program."""
    asked = []

    def perform(device, tasks, overwrite, say, meters, per_program, at_once):
        asked.append((len(tasks), per_program))
        if differ and per_program > 1:
            raise job.UnlikeError("columns differ")
        with meters("simulating") as meter:
            meter(1.0, 1.0)
        return [SimpleNamespace(summary={"seed": task.exp.seed}, interrupted=interrupted) for task in tasks]

    monkeypatch.setattr(ensemble, "perform_on", perform)
    return asked


def test_summaries_come_in_order_and_programs_are_filled(monkeypatch, exps):
    asked, shown = stand_in(monkeypatch), []
    found = made(exps[0], 4)(exps, lambda completed, elapsed: shown.append(completed))
    assert [summary["seed"] for summary in found] == [0, 1, 2, 3, 4]
    assert asked == [(8, 4)] and shown == [1.0]


def test_what_cannot_be_one_network_is_run_apart_from_then_on(monkeypatch, exps):
    asked, one = stand_in(monkeypatch, differ=True), made(exps[0], 4)
    assert len(one(exps)) == len(one(exps)) == 5
    assert asked == [(8, 4), (5, 1), (5, 1)]


def test_another_structure_is_refused(monkeypatch, exps):
    asked = stand_in(monkeypatch)
    with pytest.raises(RunError, match="differ in what it is compiled for"):
        made(exps[0], 1)([exps[0], load(CONFIG, ["network.num_neurons=1200"])])
    assert not asked


def test_an_interrupt_leaves_nothing(monkeypatch, exps):
    stand_in(monkeypatch, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        made(exps[0], 1)(exps, progress.ignore)
