# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads of linear algebra (gpu/threads.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpu import build, threads, toolchain

ROOT = Path(__file__).resolve().parents[2]
#: A product large enough for every library to share it out among its threads.
COUNT = """
import os
import numpy as np
a = np.ones((700, 700))
a @ a
print(len(os.listdir("/proc/self/task")))
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")


def count(env: dict[str, str], first: str = "") -> int:
    said = subprocess.run([sys.executable, "-c", first + COUNT], env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return int(said.stdout)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nobody has said how many."""
    for name in threads.ONE:
        monkeypatch.delenv(name, raising=False)
    return dict(os.environ)


def test_a_process_of_ours_has_one(others: dict[str, str]) -> None:
    assert count(build.environment()) == 1


def test_the_command_has_one(others: dict[str, str]) -> None:
    assert count(others, "from gpu import threads\nthreads.take_one()\n") == 1


@pytest.mark.skipif(toolchain.cores() < 2, reason="no library takes more threads than cores")
def test_the_user_may_have_more(others: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads.ONE:
        monkeypatch.setenv(name, "2")
    assert count(build.environment()) == 2


def test_no_command_imports_numpy_before_it_says_so() -> None:
    """Afterwards it would be too late."""
    words = "import sys, pfc; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True)
