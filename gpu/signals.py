# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that a cluster sends to every process of a job, of which only the first should hear."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

IN_SLURM = "SLURM_JOB_ID"
#: What Slurm sends before it ends a job: by itself, or as ``--signal`` asks it to.
FOR_A_JOB = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Have processes that are started in the block, inside a Slurm job, not hear the end of the job announced.

    A simulation that is told so before this process is, dies, and its point would be taken for one that fails. For
    this process, a signal that comes in the block waits until the block is over.
    """
    if IN_SLURM not in os.environ:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_A_JOB)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
