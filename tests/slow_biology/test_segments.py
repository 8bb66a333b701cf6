# SPDX-License-Identifier: GPL-3.0-or-later
"""A course that is killed goes on where it was and ends as if nothing had happened; what stands in its way is said."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from circuit import course
from circuit.config import load
from circuit.errors import RunError
from gpu import folder, segments
from tests.slow_biology.conftest import CONFIGS

pytestmark = [pytest.mark.slow, pytest.mark.gcc]
ROOT = CONFIGS.parent
#: A short course with every kind of segment, in many of them.
SHORT = """
extends: {baseline}
title: A short course
network: {{num_neurons: 1000}}
protocol: {{t_settle: 1 s, t_baseline: 0 s}}
numerics: {{block_acceleration: 500}}
drug: {{name: ketamine, dose: 10 mg/kg, route: i.p., species: rat, after: 0 s}}
course:
  reference: 2 s
  segment: 1 s
  drug_from: drug
  weaker_SST: true
  phases:
    - {{name: stress, lasts: 10 d, acceleration: 30000, stress: 1}}
    - {{name: drug, lasts: 6 h, acceleration: 900, stress: 1}}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(SHORT.format(baseline=CONFIGS / "baseline.yaml"))
    return path


def command(config: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "pfc", "run", str(config), "--out", str(out), "--device", "cpp", "--no-figures"]


def started(config: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command(config, out), cwd=ROOT, process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def whole(out: Path) -> int:
    return len(list(out.with_name(f"{out.name}.segments").glob("[0-9]*.npz")))


def checksum(out: Path) -> str:
    return json.loads((out / folder.MANIFEST).read_text())["sha256"][folder.DATA]


def test_three_kills_at_random_moments_change_nothing(config, tmp_path):
    """SIGKILL of the whole process group, three times; the file of results is the same to the last bit."""
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    process = started(config, undisturbed)
    assert process.wait() == 0, process.stderr.read()
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed of the moments: {seed}")
    moments = random.Random(seed)
    for _ in range(3):
        before = whole(killed)
        process = started(config, killed)
        deadline = time.monotonic() + 120
        more = moments.randint(1, 6)
        while whole(killed) < before + more and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(moments.random())
        assert process.poll() is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not killed.exists()
        assert whole(killed) >= before + more
    process = started(config, killed)
    assert process.wait() == 0, process.stderr.read()
    assert checksum(killed) == checksum(undisturbed)
    assert not killed.with_name("killed.segments").exists()


def test_another_course_in_the_same_place_is_refused(config, tmp_path):
    out = tmp_path / "out"
    process = started(config, out)
    while whole(out) < 2 and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = subprocess.run([*command(config, out), "--set", "seed=2"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert "another config, seed or program" in again.stderr and "out.segments" in again.stderr


def test_ctrl_c_keeps_whole_segments(config, tmp_path):
    out = tmp_path / "out"
    process = started(config, out)
    while whole(out) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "Traceback" not in process.stderr.read()
    assert whole(out) >= 2 and not out.exists()


def test_a_damaged_segment_is_named(tmp_path):
    store = segments.Store(tmp_path / "out", {"a": 1})
    assert store.resume() == 0
    store.keep(0, {"state/x": np.ones(3)})
    file = store.folder / segments.NAME.format(0)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(RunError, match=r"00000\.npz is damaged"):
        store.read(0, "state/")


def test_a_full_disk_keeps_what_is_whole(tmp_path, monkeypatch):
    store = segments.Store(tmp_path / "out", {"a": 1})
    store.resume()
    store.keep(0, {"state/x": np.ones(3)})

    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunError, match="No space left on device"):
        store.keep(1, {"state/x": np.ones(3)})
    assert store.resume() == 1


def test_segments_cover_the_course_without_gaps():
    """Every phase is as long as it was asked for, and each piece begins where the one before ended."""
    exp = load(CONFIGS / "antidepressant_two_weeks.yaml")
    plan = [segment for segment in course.segments(exp) if not segment.intact]
    assert plan[0].start == 0
    for one, other in zip(plan, plan[1:], strict=False):
        assert other.start == pytest.approx(one.end, rel=1e-12)
    assert plan[-1].end == pytest.approx(36 * 86400 + 0.0 + 3600, rel=1e-12)
    assert all(segment.duration <= exp.course.segment.si + exp.numerics.spine_step.si for segment in plan)
