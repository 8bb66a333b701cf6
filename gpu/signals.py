# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that a cluster sends to every process of a job, of which only the first should hear."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

IN_SLURM = "SLURM_JOB_ID"
#: What Slurm sends before it ends a job: by itself, or as ``--signal`` asks it to.
FOR_A_JOB = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
#: When a job is ended, all of it is gone within so many seconds of the first process.
LAST_WORDS = 5.0


def for_children() -> Callable[[], None] | None:
    """Return a ``preexec_fn`` for processes that shall not hear, inside a Slurm job, that the job is to end.

    A simulation or a compiler that dies of it looks as if it had failed. To ignore a signal is inherited by whatever is
    started in turn; to block it is not, some shells unblock it.
    """
    return _ignore if IN_SLURM in os.environ else None


def _ignore() -> None:
    for number in FOR_A_JOB:
        signal.signal(number, signal.SIG_IGN)


def outlive() -> None:
    """Wait, inside a Slurm job, whether what killed a child ends this process too; then it says nothing of it."""
    if IN_SLURM in os.environ:
        time.sleep(LAST_WORDS)
