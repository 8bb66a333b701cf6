# SPDX-License-Identifier: GPL-3.0-or-later
"""How long does what take? One measurement of one configuration as one line of JSON.

A line says what was run, on what, and four times: build (0 if the program was there), initialise (writing the values,
starting the program, reading them, writing results), simulate (the time loop alone) and collect. Rates are in it so
that two lines can be compared only where they did the same work.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit import columns, draw, network
from circuit.errors import UserError
from circuit.populations import ranges
from gpu import job, provenance, run

if TYPE_CHECKING:
    from circuit.config import Experiment


def measure(
    exp: Experiment, device: str, num_columns: int, say: job.Say, meters: job.Meters, repeats: int = 1
) -> dict[str, Any]:
    """Run an experiment as `num_columns` columns that differ in their seed; say how long everything took.

    Parameters
    ----------
    exp : Experiment
    device : str
        As for `gpu.devices.choose`.
    num_columns : int
        Columns of one network.
    say, meters
        As for `gpu.job.perform`.
    repeats : int, optional
        Runs of the program; the times are those of the fastest.

    Returns
    -------
    dict
        Plain values, ready for JSON.

    Raises
    ------
    UserError
        If it does not fit, build or run.
    """
    shape = network.structure(exp, num_columns)
    job.check_memory(shape, exp.duration.si)
    program = job.find(shape, job.choose(device, say), say, meters)
    start = time.monotonic()
    seeds = [exp.model_copy(update={"seed": exp.seed + n}) for n in range(num_columns)]
    given = columns.stack([draw.arrays(one) for one in seeds], shape.column_cells)
    draw_s = time.monotonic() - start
    runs = []
    for _ in range(repeats):
        workdir = Path(tempfile.mkdtemp(prefix="pfc-benchmark-"))
        try:
            with meters("simulating") as meter:
                runs.append(run.execute(program, given, exp.duration.si, exp.seed, workdir, meter))
        finally:
            shutil.rmtree(workdir, ignore_errors=True)
        if runs[-1].interrupted:
            raise UserError("The measurement was interrupted; nothing of it is kept.")
    best = min(runs, key=lambda done: done.timings["loop_s"])
    times = {"build_s": program.seconds if program.compiled else 0.0, "draw_s": draw_s, **_times(best.timings)}
    return (
        {"date": datetime.now(UTC).isoformat(timespec="seconds"), "device": program.device.name}
        | _size(exp, shape)
        | {name: round(value, 4) for name, value in times.items()}
        | _costs(exp, shape, times["simulate_s"])
        | {"rates_hz": _rates(shape, best, exp.duration.si), "repeats": repeats}
        | {"device_reason": program.device.reason, "hardware": provenance.hardware()}
        | {"versions": provenance.versions(), "commit": provenance.commit()}
    )


def _times(timings: dict[str, float]) -> dict[str, float]:
    return {
        "initialise_s": timings["prepare_s"] + timings["simulate_s"] - timings["loop_s"],
        "simulate_s": timings["loop_s"],
        "collect_s": timings["collect_s"],
    }


def _size(exp: Experiment, shape: network.Structure) -> dict[str, Any]:
    return {
        "cells": shape.column_cells,
        "columns": shape.num_columns,
        "synapses": sum(number for name, number in shape.num_synapses if name != "readout"),
        "precision": shape.precision,
        "dt_ms": round(1e3 * shape.dt, 9),
        "duration_s": exp.duration.si,
    }


def _costs(exp: Experiment, shape: network.Structure, simulate_s: float) -> dict[str, float]:
    """The loop's time for a biological second of all columns, and for a cell and step."""
    steps = exp.duration.si / shape.dt
    return {
        "per_biological_second_s": round(simulate_s / exp.duration.si, 6),
        "per_cell_step_ns": round(1e9 * simulate_s / (steps * shape.column_cells * shape.num_columns), 4),
    }


def _rates(shape: network.Structure, done: run.RawRun, duration_s: float) -> dict[str, float]:
    """Mean rate of each population over the whole run and all columns."""
    cell = done.outputs["spikes.i"] % shape.column_cells
    counts = np.bincount(cell, minlength=shape.column_cells) / (duration_s * shape.num_columns)
    return {name: round(float(counts[where].mean()), 3) for name, where in ranges(dict(shape.num_cells)).items()}
