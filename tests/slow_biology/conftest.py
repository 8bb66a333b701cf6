# SPDX-License-Identifier: GPL-3.0-or-later
"""Courses of a day and of two weeks, each run once for all tests of this folder, on half of the configured cells.

Any seed must do; the first is ``PFC_TEST_SEED`` (default 1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from circuit.config import Experiment, load
from gpu import ensemble, progress, results, toolchain

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALLER = "network.num_neurons=1000"
FIRST_SEED = int(os.environ.get("PFC_TEST_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + 3)


class Silent:
    """A display that shows nothing."""

    def __enter__(self) -> progress.OnProgress:
        return progress.ignore

    def __exit__(self, *exception: object) -> None:
        pass


def perform(exps: Mapping[str, Experiment], folder: Path) -> dict[str, results.Results]:
    """Run experiments compiled, as many at a time as there are cores."""
    tasks = [ensemble.Task(exp, folder / name) for name, exp in exps.items()]
    done = ensemble.perform_all(tasks, "cpp", False, lambda text: None, lambda label: Silent(), 1, toolchain.cores())
    return dict(zip(exps, done, strict=True))


def experiment(config: str, *overrides: str, seed: int = FIRST_SEED, arm: str | None = None) -> Experiment:
    """A shipped experiment on fewer cells."""
    return load(CONFIGS / config, [SMALLER, f"seed={seed}", *overrides], arm=arm)


def slowed(exp: Experiment, factor: float) -> str:
    """Override that has a course run at a part of its acceleration, with segments that last as long in life."""
    phases = [
        f"{{name: {phase.name}, lasts: {phase.lasts}, acceleration: {phase.acceleration * factor:g}, "
        f"stress: {phase.stress or 0:g}}}"
        for phase in exp.course.phases
    ]
    return f"course.phases=[{', '.join(phases)}]"


@pytest.fixture(scope="session")
def run_all(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Mapping[str, Experiment], str], dict]:
    """Run experiments into a folder of the session."""
    return lambda exps, name: perform(exps, tmp_path_factory.mktemp(name))


ARMS = {"ketamine": (), "saline": ("drug.name=none",)}
#: Two weeks without stress or drug.
HEALTHY = "course.phases=[{name: healthy, lasts: 14 d, acceleration: 24000, stress: 0}]"


@pytest.fixture(scope="session")
def weeks(run_all):
    """Two weeks after stress, with ketamine and without, of the first seed."""
    exps = {name: experiment("antidepressant_two_weeks.yaml", *overrides) for name, overrides in ARMS.items()}
    return run_all(exps, "weeks")


@pytest.fixture(scope="session")
def days(run_all, weeks):
    """A day after stress or more, with ketamine and without, of every seed: ``days["ketamine 1"]``."""
    exps = {
        f"{name} {seed}": experiment("antidepressant.yaml", *overrides, seed=seed)
        for seed in SEEDS[1:]
        for name, overrides in ARMS.items()
    }
    return {f"{name} {FIRST_SEED}": run for name, run in weeks.items()} | run_all(exps, "days")


@pytest.fixture(scope="session")
def healthy(run_all):
    """Two healthy weeks of every seed."""
    overrides = ("drug.name=none", "course.drug_from=healthy", HEALTHY)
    return run_all({str(seed): experiment("antidepressant.yaml", *overrides, seed=seed) for seed in SEEDS}, "healthy")
