# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a Slurm job, the end that is announced to every process is heard by the worker and not by its simulation."""

from __future__ import annotations

import signal
import subprocess

import pytest

from gpu import signals

#: A shell in between, as make has them; one that has waited for a child may unblock signals.
SURVIVES = ("sh", "-c", "true; sleep 0; sh -c 'kill -TERM $$; kill -USR2 $$; echo alive'; kill -TERM $$; echo still")


def child() -> subprocess.CompletedProcess[str]:
    return subprocess.run(SURVIVES, capture_output=True, text=True, check=False, preexec_fn=signals.for_children())


def test_a_child_in_a_job_does_not_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert child().stdout == "alive\nstill\n"
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_IGN


def test_a_child_elsewhere_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert child().returncode == -signal.SIGTERM


def test_only_in_a_job_is_the_end_of_a_child_waited_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(signals.time, "sleep", waited.append)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    signals.outlive()
    assert not waited
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    signals.outlive()
    assert waited == [signals.LAST_WORDS]
