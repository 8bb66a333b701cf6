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


@dataclass
class Trials:
    """Runs experiments of one structure; make it with `Trials.on`.

    Attributes
    ----------
    device : Device
    shape : Structure
        What all experiments share, as that of a single run.
    at_once : int
        Programs that run at a time.
    say : callable
        Called with sentences for the user, such as that a program is built.
    columns : int
        Experiments that one program runs; 1 from the first time on that they turn out to differ in a number which the
        columns of a network share.
    """

    device: Device
    shape: network.Structure
    at_once: int
    say: job.Say
    columns: int

    @classmethod
    def on(cls, device: str, exp: Experiment, say: job.Say, meters: job.Meters, workers: int | None = None) -> Trials:
        """Choose the device and find or make the program that runs experiments like `exp`.

        Raises
        ------
        UserError
            If there is no such device, no room, or the program does not compile.
        """
        chosen = job.choose(device, say)
        job.find(network.structure(exp, chosen.columns), chosen, say, meters)
        return cls(chosen, network.structure(exp), workers or chosen.at_once, say, chosen.columns)

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
            return self._run(exps, on_progress)
        except job.UnlikeError:
            self.columns = 1
            return self._run(exps, on_progress)

    def _run(self, exps: Sequence[Experiment], on_progress: progress.OnProgress) -> list[Summary]:
        def meters(label: str) -> AbstractContextManager[progress.OnProgress]:
            return nullcontext(on_progress) if label == "simulating" else progress.Silent()

        # The last one fills what is left of the last network: one of another number of columns would be compiled anew.
        filled = [*exps, *[exps[-1]] * (-len(exps) % self.columns)]
        with tempfile.TemporaryDirectory(prefix="pfc-trials-") as folder:
            tasks = [job.Task(exp, Path(folder, str(number))) for number, exp in enumerate(filled)]
            done = ensemble.perform_on(self.device, tasks, False, self.say, meters, self.columns, self.at_once)
            if len(done) < len(tasks) or any(run.interrupted for run in done):
                raise KeyboardInterrupt
            return [run.summary for run in done[: len(exps)]]
