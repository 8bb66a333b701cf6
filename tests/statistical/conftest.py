# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped ketamine experiment over several seeds, run once for all tests of this folder.

Any seed must do. The first one is ``PFC_TEST_SEED`` (default 1); after a failure, run again with another one, and with
twice as many (``PFC_TEST_SEEDS``, default 5), before believing it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from circuit.config import Experiment, load
from gpu import ensemble, progress, results, toolchain

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"
#: Traced cells of each population: a divisor of `circuit.network.BLOCK_SAMPLE`, so that their block is recorded too.
NUM_TRACED = 16
REPORTED = (
    *(f"rate_{population}_{{}}_hz" for population in ("PYR", "PV", "SST", "VIP")),
    "glutamate_{}_uM",
    "ampa_throughput_{}_pC_per_s",
)
lines = pytest.StashKey[list[str]]()


class Silent:
    """A display that shows nothing."""

    def __enter__(self) -> progress.OnProgress:
        return progress.ignore

    def __exit__(self, *exception: object) -> None:
        pass


def seeds() -> list[int]:
    """Seeds of this session."""
    start = int(os.environ.get("PFC_TEST_SEED", "1"))
    return list(range(start, start + int(os.environ.get("PFC_TEST_SEEDS", "5"))))


def experiment(*overrides: str) -> Experiment:
    """The shipped experiment with `NUM_TRACED` traced cells; all such share one program."""
    return load(CONFIG, [f"recording.num_traced={NUM_TRACED}", *overrides])


def perform(exps: Sequence[Experiment], folder: Path, per_program: int = 1) -> list[results.Results]:
    """Run experiments compiled, `per_program` as the columns of a network, as many networks at a time as cores."""
    tasks = [ensemble.Task(exp, folder / str(number)) for number, exp in enumerate(exps)]
    return ensemble.perform_all(
        tasks, "cpp", False, lambda text: None, lambda label: Silent(), per_program, toolchain.cores()
    )


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[results.Results]:
    """One run of each seed, in full."""
    done = perform([experiment(f"seed={seed}") for seed in seeds()], tmp_path_factory.mktemp("seeds"))
    request.config.stash[lines] = spread(done)
    return done


def spread(done: Sequence[results.Results]) -> list[str]:
    """Mean and standard deviation over seeds of what matters, as lines of a table."""
    table = [f"{'':<32}{'baseline':>16}{'drug':>18}{'change (%)':>20}"]
    for key in REPORTED:
        names = key.format("baseline"), key.format("drug"), key.partition("_{}")[0] + "_change_percent"
        values = [np.array([run.summary[name] for run in done]) for name in names]
        cells = [f"{value.mean():9.3f} +- {value.std(ddof=1):6.3f}" for value in values]
        table.append(f"{key.replace('_{}', ''):<32}" + "  ".join(cells))
    for key in ("cv_isi_PYR", "rate_skewness_PYR", "rate_log_sd_PYR", "block_PYR_mean", "block_PV_mean"):
        value = np.array([run.summary[key] for run in done])
        table.append(f"{key:<32}{value.mean():9.3f} +- {value.std(ddof=1):6.3f}")
    return table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the spread from seed to seed, whether a test failed or not."""
    if table := terminalreporter.config.stash.get(lines, None):
        terminalreporter.section(f"{len(seeds())} seeds from {seeds()[0]}: mean +- SD over seeds")
        for line in table:
            terminalreporter.line(line)
