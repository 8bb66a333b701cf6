# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps whose points are made up and written as a run writes them, so that what reads them needs no simulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from circuit.subunits import CLASSES
from circuit.sweep import expand
from gpu import plan, results
from gpu.layout import SERIES, RunData
from gpu.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"PYR": 40, "PV": 4, "SST": 3, "VIP": 3}
RATES = {"PYR": 10, "PV": 40, "SST": 30, "VIP": 20}
DT = 1e-4
ORIGIN = {
    "status": "complete",
    "device": {"name": "cpp", "reason": "g++ works"},
    "hardware": {"cpu": "A <processor>", "cores": 2},
    "versions": {"python": "3.12.1", "brian2": "2.10.1"},
    "commit": "0123abcd",
}


def planned(path: Path, vary: Sequence[str], config: str | Path = ROOT / "configs/smoke.yaml") -> Plan:
    """Write the plan of a sweep of the smoke test, or of another config."""
    return plan.write(expand(config, (), vary), path, 1)


def fill(sweep: Plan, leave_out: Sequence[int] = (), backwards: bool = False, **changes: object) -> Plan:
    """Write the results of all points but some, by their numbers; `changes` as for `data`, or ``origin``."""
    order = [n for n in range(len(sweep.points)) if n not in leave_out]
    origin = changes.pop("origin", ORIGIN)
    for n in reversed(order) if backwards else order:
        exp = sweep.experiment(sweep.points[n].id)
        results.write(sweep.results(sweep.points[n].id), exp, data(exp, n, **changes), origin)
    return sweep


def data(exp, number: int, silent: Sequence[str] = (), bins: int = 0, sessions: int = 4) -> RunData:
    """A run of one second: Poisson spikes; glutamate 1 uM, then 1.1 to 2 uM, by its number; block as row + column / 10.

    Of a course, it has ten quantities of the chain, and `sessions` of looking at spines.
    """
    random, duration = np.random.default_rng(number), 1.0 + bins * 0.01
    if exp.course is not None:
        duration = exp.duration.si
    owner = np.repeat(list(SIZES), list(SIZES.values()))
    counts = random.poisson([0 if name in silent else RATES[name] for name in owner])
    slow, fast = np.arange(0, duration, 0.01), np.arange(0, duration, 0.001)
    on = slow >= exp.drug_onset.si if exp.course is None else slow >= 0.3 * duration
    fraction = np.add.outer(np.arange(4) / 10, np.arange(4) / 100)[:, :, None] * on
    wave = 100 + np.sin(2 * np.pi * 40 * fast) + random.normal(size=fast.size)
    return RunData(
        dt=DT,
        duration=duration,
        sizes=SIZES,
        spikes_step=random.integers(0, 10_000, counts.sum()),
        spikes_cell=np.repeat(np.arange(len(owner)), counts),
        column={
            "time": slow,
            "glutamate": np.where(on, 1.1 + number % 10 / 10, 1.0),
            "drug_concentration": 1.0 * on,
            "ampa_throughput": np.where(on, 3.0, 2.0),
        },
        block={"time": slow, "fraction": fraction, "share": np.tile([0.5, 0.2, 0.2, 0.1], (4, 1))},
        classes=CLASSES,
        lfp={"time": fast, "excitatory": wave, "inhibitory": -wave, "lfp": 2 * wave},
        **({} if exp.course is None else _slow_biology(number, duration, sessions)),
    )


def _slow_biology(number: int, duration: float, sessions: int) -> dict[str, dict[str, np.ndarray]]:
    hours = {"chain": np.linspace(-1, 24, 50), "spines": np.linspace(-1, 24, sessions)}
    return {
        group: {
            "time": np.linspace(0, duration, hours[group].size),
            "hours": hours[group],
            **{
                name: 1 + 0.1 * (k + number % 7) * (hours[group] > 0)
                for k, name in enumerate(name for name in SERIES[group] if name != "hours")
            },
        }
        for group in hours
    }
