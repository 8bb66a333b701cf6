# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps on a real Slurm of one node: whatever ends a task, every point comes out once and as it would have anyway.

The simulations are the real ones, made longer by a pause before each, so that something can happen to them on a machine
of few cores. What takes Slurm minutes (it looks at time limits every 30 s) goes on beside the other tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray

import pfc
from gpu import points, slurm_jobs, status
from gpu.plan import Plan

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.gcc]

ROOT = Path(pfc.__file__).parent
HERE = Path(__file__).parent
AXES = ("--vary", "drug.concentration=0 uM,1 uM,10 uM", "--vary", "seed=1,2")
#: What configs/dose_response.yaml takes minutes for, in seconds.
DOSES_SMALL = (
    "network.num_neurons=1000", "recording.num_traced=2", "protocol.t_settle=0.1 s", "protocol.t_baseline=0.4 s",
    "protocol.t_transition=0.4 s", "protocol.t_drug=0.4 s", "numerics.block_acceleration=200",
)  # fmt: skip
#: Points of each sweep here.
COUNT = 6
PATIENCE = 240.0


@dataclass(frozen=True)
class Box:
    """A cluster, the environment that finds it, a sweep that nothing disturbed, and checksums of its points."""

    folder: Path
    env: dict[str, str]
    local: Path
    wanted: dict[str, str]

    def call(self, *words: object, check: bool = True, **env: str) -> str:
        """Run a program and return what it said."""
        done = subprocess.run(
            [*map(str, words)], env=self.env | env, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def pfc(self, *words: object, **env: str) -> str:
        return self.call(sys.executable, ROOT / "pfc.py", *words, **env)

    def sweep(self, out: Path, *options: object, pause: float = 0.0) -> str:
        """Submit the sweep; each of its points begins with so many seconds of sleep."""
        words = ("sweep", ROOT / "configs" / "smoke.yaml", *AXES, "--out", out, "--device", "cpp", "--slurm")
        return self.pfc(*words, *options, PFC_TEST_PAUSE=str(pause))

    def by_hand(self, out: Path, *options: object, pause: float = 0.0) -> str:
        """Submit the job script that the program prints, as a person would; return the number of the job."""
        words = ("sweep", ROOT / "configs" / "smoke.yaml", *AXES, "--out", out, "--device", "cpp")
        if not (out / "slurm").is_dir():
            self.pfc(*words, "--plan")
        shown = subprocess.run(
            [sys.executable, str(ROOT / "pfc.py"), *map(str, words), "--slurm", "--dry-run", *map(str, options)],
            env=self.env, capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        script = out / "job.sh"
        script.write_text(shown.stdout)
        return self.call("sbatch", "--parsable", script, PFC_TEST_PAUSE=str(pause)).strip()

    def restarts(self, task: str) -> int:
        words = self.call("scontrol", "show", "job", task, check=False).split()
        return max((int(word.partition("=")[2]) for word in words if word.startswith("Restarts=")), default=0)

    def state(self, task: str) -> str:
        """What accounting says became of a task."""
        return self.call("sacct", "-n", "-P", "-X", "-j", task, "-o", "State").strip().partition(" ")[0]

    def finished(self, out: Path) -> dict[str, int]:
        """Points that are done, and when each was written, ns."""
        plan = Plan.read(out)
        done = [point.id for point in plan.points if points.is_done(plan, point.id)]
        return {name: (plan.results(name) / "data.nc").stat().st_mtime_ns for name in done}

    def assert_whole(self, out: Path, before: dict[str, int] | None = None) -> None:
        """Every point once, bit for bit as undisturbed, what was done before not done again, nothing failed."""
        wait_for(lambda: len(self.finished(out)) == COUNT or _failures(out), f"{out.name} to be done")
        assert not _failures(out)
        assert bits(out) == self.wanted
        assert (before or {}).items() <= self.finished(out).items()
        assert not status.verify(out)


def wait_for(happened: Callable[[], object], what: str, step: float = 0.5, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(step)


def _failures(out: Path) -> list[str]:
    return [failure.sentence for failure in points.failures(Plan.read(out))]


def told(out: Path) -> str:
    """What `pfc status` says of the jobs; a process of its own takes seconds to begin."""
    return "\n".join(slurm_jobs.summary(Plan.read(out)))


def bits(out: Path) -> dict[str, str]:
    files = sorted((out / "points").glob("*/data.nc"))
    return {file.parent.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def box(builds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A cluster with accounting, whose jobs find the program of the undisturbed sweep, with a pause in it."""
    folder = tmp_path_factory.mktemp("slurm")
    local = folder / "local"
    words = ("sweep", ROOT / "configs" / "smoke.yaml", *AXES, "--out", local, "--device", "cpp", "--no-figures")
    subprocess.run([sys.executable, str(ROOT / "pfc.py"), *map(str, words)], check=True, capture_output=True, cwd=ROOT)
    home = folder / "home"
    home.mkdir()
    env = os.environ | {"HOME": str(home), "PFC_CACHE": str(_with_pause(builds, folder / "cache", local))}
    env |= {"SLURM_CONF": str(folder / "box" / "slurm.conf"), "XDG_CACHE_HOME": str(home / "cache")}
    with (Path(tempfile.gettempdir()) / "pfc-slurmbox.lock").open("a") as lock, pytest.MonkeyPatch.context() as own:
        fcntl.flock(lock, fcntl.LOCK_EX)  # its ports are fixed
        own.setenv("SLURM_CONF", env["SLURM_CONF"])
        if trouble := _slurmbox("start", folder / "box", env):
            _slurmbox("stop", folder / "box", env)
            pytest.skip(f"no cluster could be started here: {trouble}")
        try:
            yield Box(folder, env, local, bits(local))
        finally:
            _slurmbox("stop", folder / "box", env)


def _slurmbox(what: str, where: Path, env: dict[str, str]) -> str | None:
    """Start or stop the cluster; return why it could not be."""
    asked = {"ACCT": "dbd", "CPUS": "8", "GPUS": "2", "GPUFILES": "/dev/null /dev/zero"}
    try:
        done = subprocess.run(
            [str(HERE / "slurmbox.sh"), what, str(where)], env=env | asked, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "it took longer than two minutes"
    return None if done.returncode == 0 else (done.stderr.strip() or "it said nothing").splitlines()[-1]


def _with_pause(builds: Path, cache: Path, sweep: Path) -> Path:
    """Copy the program that a sweep used into a cache of its own, and have it sleep before it begins."""
    manifest = json.loads(next(sweep.glob("points/*/manifest.json")).read_text())
    name = f"cpp-{manifest['build']['hash']}"
    shutil.copytree(builds / name, cache / name, symlinks=True)
    program = cache / name / "main"
    program.rename(program.with_name("main.real"))
    program.write_text(f'#!/bin/sh\nsleep "${{PFC_TEST_PAUSE:-0}}"\nexec {program}.real "$@"\n')
    program.chmod(0o755)
    return cache


@dataclass(frozen=True)
class Limited:
    """Two sweeps that run out of time: one as submitit's array, one as the plain script (and its job)."""

    out: Path
    plain: Path
    job: str


@pytest.fixture(scope="module")
def limited(box: Box) -> Limited:
    """Submitted first and looked at late: a time limit of one minute ends a job after about 84 s."""
    found = Limited(box.folder / "limited", box.folder / "limited-plain", "")
    said = box.sweep(found.out, "--parts", 1, "--time", 1, pause=7)
    assert f"{COUNT} points in 1 tasks" in said
    job = box.by_hand(found.plain, "--parts", 1, "--time", 1, pause=18)
    return Limited(found.out, found.plain, job)


@pytest.mark.usefixtures("limited")
def test_an_array_with_gpus_ends_complete(box: Box, tmp_path: Path) -> None:
    """The device is asked on the node; what is in a task is not submitted again; nothing is written to home."""
    out = tmp_path / "array"
    assert f"{COUNT} points in 3 tasks" in box.sweep(out, "--gres", "gpu:1", "--columns", 1, "--parts", 3, pause=2)
    again = box.sweep(out, "--columns", 1)
    assert "Nothing is left to submit" in again
    assert "are in tasks that are queued or running" in again
    assert "points without results" in told(out)
    box.assert_whole(out)
    assert told(out) == "Slurm: nothing is left to wait for."
    assert "Nothing is left to submit" in box.sweep(out, "--columns", 1)
    log = next((out / "slurm").glob("*_0_0_log.err")).read_text()
    assert "C++, as asked" in log
    assert not list((box.folder / "home").rglob("*"))


def test_the_dose_axis_is_the_same_as_here(box: Box, tmp_path: Path) -> None:
    """One command, here and with Slurm: one figure, one dataset and one table, equal to the last bit.

    What it is made smaller by are values that the program is given, and the size of the one that is there.
    """
    words = ["sweep", ROOT / "configs" / "dose_response.yaml", "--device", "cpp"]
    words += [word for setting in DOSES_SMALL for word in ("--set", setting)]
    words += ["--vary", "drug.dose=0 mg/kg,10 mg/kg,30 mg/kg", "--vary", "seed=1,2"]
    here, there = tmp_path / "here", tmp_path / "there"
    box.pfc(*words, "--out", here)
    box.pfc(*words, "--out", there, "--slurm", "--parts", 2)
    wait_for((there / "report.html").exists, "the job that waits for the others")
    for file in ("sweep.nc", "sweep.csv", "figures/dose.png", "figures/dose.pdf"):
        assert (there / file).read_bytes() == (here / file).read_bytes(), file
    assert bits(there) == bits(here)
    data = xarray.load_dataset(there / "sweep.nc", engine="h5netcdf")
    assert dict(data["rate_PYR_drug_hz"].sizes) == {"drug.dose": 3, "seed": 2}
    assert int(data["rate_PYR_drug_hz"].count()) == COUNT
    assert (data["block_PYR_mean"].diff("drug.dose") > 0).all()


def test_a_cancelled_sweep_is_submitted_again(box: Box, tmp_path: Path) -> None:
    out = tmp_path / "cancelled"
    box.sweep(out, "--parts", 2, pause=4)
    wait_for(lambda: box.finished(out), "a point")
    assert "Cancelled Slurm's" in box.pfc("cancel", out)
    wait_for(lambda: "in tasks that ended" in told(out) and "CANCELLED" in told(out), "the tasks to end")
    before = box.finished(out)
    assert 0 < len(before) < COUNT
    assert told(out) in box.pfc("status", out)
    assert f"{COUNT - len(before)} points" in box.pfc("retry", out)
    box.assert_whole(out, before)


@pytest.mark.parametrize("plain", [False, True], ids=["submitit", "script"])
def test_a_task_killed_while_it_writes_is_submitted_again(box: Box, tmp_path: Path, plain: bool) -> None:
    out = tmp_path / "killed"
    submit = box.by_hand if plain else box.sweep
    submit(out, "--parts", 1)
    _kill_while_writing(out)
    assert list((out / "points").glob(".*")), "it was not writing"
    before = box.finished(out)
    assert len(before) < COUNT
    if not plain:
        wait_for(lambda: "FAILED" in told(out), "the task to end")
    submit(out, "--parts", 1)
    box.assert_whole(out, before)


def _kill_while_writing(out: Path) -> None:
    """Stop the task as soon as there is a draft of a results folder, and kill it if the draft is still there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not any(name.startswith(".") for name in _names(out / "points")):
            time.sleep(0.0005)
            continue
        for process in _of_sweep(out):
            os.kill(process, signal.SIGSTOP)
            caught = any(name.startswith(".") for name in _names(out / "points"))
            os.kill(process, signal.SIGKILL if caught else signal.SIGCONT)
            if caught:
                return
    raise AssertionError("no results were seen being written")


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _of_sweep(out: Path) -> list[int]:
    """Python processes that work on a sweep inside a job: their command names its folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_bytes().decode(errors="replace").split("\0")
            works = "submitit.core._submit" in words or "work" in words
            if works and "srun" not in words[0] and any(word.startswith(str(out)) for word in words):
                found.append(int(entry.parent.name))
    return found


def test_preempted_tasks_are_put_back_and_go_on(box: Box, tmp_path: Path) -> None:
    """An urgent job takes the GPUs of both kinds of job."""
    out, plain = tmp_path / "preempted", tmp_path / "preempted-plain"
    hand = box.by_hand(plain, "--parts", 1, "--gres", "gpu:1", "--columns", 1, pause=5)
    ours = _number(box.sweep(out, "--parts", 1, "--gres", "gpu:1", "--columns", 1, pause=5))
    wait_for(lambda: box.finished(out) and box.finished(plain), "a point of each")
    urgent = ("sbatch", "--partition", "urgent", "--gres", "gpu:2", "--output", "/dev/null", "--wrap", "sleep 1")
    box.call(*urgent)
    wait_for(lambda: box.restarts(ours) and box.restarts(hand), "both to be put back")
    before, before_plain = box.finished(out), box.finished(plain)
    assert 0 < len(before) < COUNT
    assert 0 < len(before_plain) < COUNT
    box.assert_whole(out, before)
    box.assert_whole(plain, before_plain)


def _number(said: str) -> str:
    return said.partition("Submitted job ")[2].partition(":")[0]


def test_a_task_out_of_time_is_put_back_by_submitit(box: Box, limited: Limited) -> None:
    box.assert_whole(limited.out)
    log = next((limited.out / "slurm").glob("*_0_log.out")).read_text()
    assert "Calling checkpoint method" in log
    assert "Requeued job" in log


def test_a_script_out_of_time_is_submitted_again(box: Box, limited: Limited) -> None:
    wait_for(lambda: box.state(limited.job) == "TIMEOUT", "the time limit")
    before = box.finished(limited.plain)
    assert 0 < len(before) < COUNT
    box.by_hand(limited.plain, "--parts", 1, "--time", 1)
    box.assert_whole(limited.plain, before)


def test_tasks_outlive_their_node(box: Box, tmp_path: Path) -> None:
    """Last, since it takes the node from all."""
    out, plain = tmp_path / "node", tmp_path / "node-plain"
    hand = box.by_hand(plain, "--parts", 1, pause=5)
    ours = _number(box.sweep(out, "--parts", 1, pause=5))
    wait_for(lambda: box.finished(out) and box.finished(plain), "a point of each")
    node = box.call("sinfo", "-h", "-o", "%N").split()[0]
    for state in ("drain", "down"):  # drained, it does not come back by itself
        box.call("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")
    wait_for(lambda: box.restarts(ours) and box.restarts(hand), "both to be put back")
    wait_for(lambda: not _of_sweep(out) and not _of_sweep(plain), "what ran to end")
    before, before_plain = box.finished(out), box.finished(plain)
    assert 0 < len(before) < COUNT
    assert 0 < len(before_plain) < COUNT
    time.sleep(2)  # a node that is given a job again while the old one's step is there is put aside for ever
    box.call("scontrol", "update", f"nodename={node}", "state=resume")
    box.assert_whole(out, before)
    box.assert_whole(plain, before_plain)
