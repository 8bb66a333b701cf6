# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a Slurm job, the end that is announced to every process is heard by the worker and not by its simulation."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from gpu import signals

SURVIVES = ("sh", "-c", "kill -TERM $$; kill -USR2 $$; echo alive")


def child() -> subprocess.CompletedProcess[str]:
    with signals.kept_from_children():
        return subprocess.run(SURVIVES, capture_output=True, text=True, check=False)


def test_a_child_in_a_job_does_not_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert child().stdout == "alive\n"


def test_a_child_elsewhere_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert child().returncode == -signal.SIGTERM


def test_this_process_hears_it_when_the_child_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    try:
        with signals.kept_from_children():
            os.kill(os.getpid(), signal.SIGUSR2)
            assert not heard
        assert heard == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)
