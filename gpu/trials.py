# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short experiments of which only the summary is wanted, on one compiled program.

What is varied are values, which a program takes at run time; an experiment of another structure would need a program of
its own, and is refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from circuit import network
from circuit.config import Experiment
from circuit.errors import RunError
from gpu import ensemble, job, progress
from gpu.devices import Device
from gpu.summary import Summary


@dataclass(frozen=True)
class Trials:
    """Runs experiments of one structure; make it with `Trials.on`.

    Attributes
    ----------
    device : Device
    shape : Structure
        What all experiments share.
    at_once : int
        Programs that run at a time.
    say : callable
        Called with sentences for the user, such as that a program is built.
    """

    device: Device
    shape: network.Structure
    at_once: int
    say: job.Say

    @classmethod
    def on(cls, device: str, exp: Experiment, say: job.Say, meters: job.Meters, workers: int | None = None) -> Trials:
        """Choose the device and find or make the program that runs experiments like `exp`.

        Raises
        ------
        UserError
            If there is no such device, no room, or the program does not compile.
        """
        chosen = job.choose(device, say)
        shape = network.structure(exp)
        job.find(shape, chosen, say, meters)
        return cls(chosen, shape, workers or chosen.at_once, say)

    def __call__(
        self, exps: Sequence[Experiment], on_progress: progress.OnProgress = progress.ignore
    ) -> list[Summary]:
        """Run experiments; return the summary of each, in their order.

        Raises
        ------
        RunError
            If one needs another program.
        UserError
            If a simulation fails.
        KeyboardInterrupt
            After Ctrl-C: a part of the runs is of no use here.
        """
        if any(network.structure(exp) != self.shape for exp in exps):
            raise RunError("Experiments that are to share a compiled program differ in what it is compiled for.")
        try:
            return self._run(exps, None, on_progress)
        except job.UnlikeError:  # they differ in a number that the columns of a network share
            return self._run(exps, 1, on_progress)

    def _run(
        self, exps: Sequence[Experiment], per_program: int | None, on_progress: progress.OnProgress
    ) -> list[Summary]:
        def meters(label: str) -> AbstractContextManager[progress.OnProgress]:
            return nullcontext(on_progress) if label == "simulating" else progress.Silent()

        with tempfile.TemporaryDirectory(prefix="pfc-trials-") as folder:
            tasks = [job.Task(exp, Path(folder, str(number))) for number, exp in enumerate(exps)]
            done = ensemble.perform_on(self.device, tasks, False, self.say, meters, per_program, self.at_once)
            if len(done) < len(tasks) or any(run.interrupted for run in done):
                raise KeyboardInterrupt
            return [run.summary for run in done]
