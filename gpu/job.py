# SPDX-License-Identifier: GPL-3.0-or-later
"""One run from its experiment to its results folder: draw, build, simulate, label, write."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from circuit import draw, network
from circuit.errors import RunError
from gpu import build, devices, progress, provenance, record, results, run
from gpu.cache import cache_folder

if TYPE_CHECKING:
    from circuit.config import Experiment

#: Makes what shows the progress of one stage, given its name.
Meters = Callable[[str], AbstractContextManager[progress.OnProgress]]


def prepare(exp: Experiment, device: str, say: Callable[[str], None], meters: Meters) -> build.Build:
    """Find or make the program for `exp`.

    Parameters
    ----------
    exp : Experiment
    device : str
        As for `gpu.devices.choose`.
    say : callable
        Called with sentences for the user.
    meters : callable
        Makes the display of a stage's progress.

    Raises
    ------
    UserError
        If the device cannot work here or the program does not compile.
    """
    chosen = devices.choose(device)
    say(f"Device: {chosen.reason}")
    with meters("building") as meter:
        return build.find_or_build(network.structure(exp), chosen, cache_folder(), say, meter)


def perform(
    exp: Experiment, out: Path, device: str, overwrite: bool, say: Callable[[str], None], meters: Meters
) -> results.Results:
    """Run `exp` and write its results folder, without figures.

    Interrupted by Ctrl-C while simulating, it writes what was computed and marks it as interrupted.

    Parameters
    ----------
    exp : Experiment
    out : Path
        Results folder; checked before anything else is done.
    device, say, meters
        As for `prepare`.
    overwrite : bool
        Whether results in `out` may be replaced.

    Returns
    -------
    Results

    Raises
    ------
    UserError
        With the sentence to show, if any stage fails.
    """
    results.check_destination(out, overwrite)
    program = prepare(exp, device, say, meters)
    start = time.monotonic()
    given = draw.arrays(exp)
    drawn = time.monotonic()
    raw = _simulate(exp, program, given, meters)
    data = record.run_data(exp, network.structure(exp), given, raw.outputs, raw.completed)
    timings = {"build_s": program.seconds, "draw_s": drawn - start, **raw.timings}
    manifest = provenance.manifest(
        device={"name": program.device.name, "reason": program.device.reason},
        build={"hash": program.hash, "compiled": program.compiled},
        timings={name: round(seconds, 4) for name, seconds in timings.items()},
        interrupted=raw.interrupted,
    )
    return results.write(out, exp, data, manifest, overwrite)


def _simulate(exp: Experiment, program: build.Build, given: draw.Arrays, meters: Meters) -> run.RawRun:
    try:
        workdir = Path(tempfile.mkdtemp(prefix="pfc-run-"))
    except OSError as error:
        raise RunError(f"There is no room for a temporary folder ({error}); set TMPDIR to one with room.") from error
    try:
        with meters("simulating") as meter:
            return run.execute(program, given, exp.duration.si, exp.seed, workdir, meter)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
