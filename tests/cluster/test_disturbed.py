# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a sweep, it ends with every point once, bit for bit as if nothing had happened, or in a sentence.

Everything here runs `pfc` as a user does, in processes of its own, and disturbs it from outside.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import pfc
from gpu import points
from gpu.plan import Plan

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

ROOT = Path(pfc.__file__).parent
SMOKE = ROOT / "configs" / "smoke.yaml"
DOSES = "drug.concentration=0 uM,1 uM,10 uM"
KILLS = 50


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "pfc.py"), name, *map(str, arguments)]


def sweep(out: Path, seeds: str, *more: object) -> list[str]:
    short = [word for phase in ("baseline", "drug") for word in ("--set", f"protocol.t_{phase}=0.2 s")]
    options = ("--vary", DOSES, "--vary", f"seed={seeds}", "--device", "cpp", "--no-figures", "--out", out)
    return command("sweep", SMOKE, *short, *options, *more)


def said(words: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def bits(out: Path) -> dict[str, str]:
    """Checksum of data.nc of every point that has its final name; drafts are hidden folders, which a glob finds too."""
    files = sorted(file for file in (out / "points").glob("*/data.nc") if not file.parent.name.startswith("."))
    return {file.parent.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def assert_whole(out: Path, wanted: dict[str, str]) -> None:
    """Every point once, none damaged, all bits equal, nothing half written left."""
    assert bits(out) == wanted
    plan = Plan.read(out)
    assert set(points.states(plan).values()) == {points.DONE}
    assert said(command("verify", out)).returncode == 0
    assert sorted(path.name for path in (out / "points").iterdir()) == sorted(wanted)


@pytest.fixture(scope="module")
def undisturbed(builds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Checksums of a sweep of 60 points that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "sweep"
    done = said(sweep(out, "1..20"))
    assert done.returncode == 0, done.stderr
    found = bits(out)
    assert len(found) == 60
    return found


@pytest.fixture(scope="module")
def pace(undisturbed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a sweep of three points takes here and now: a fair time between two kills."""
    begun = time.monotonic()
    assert said(sweep(tmp_path_factory.mktemp("pace") / "sweep", "1")).returncode == 0
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def few(undisturbed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of six of these points; copy it before damaging it."""
    out = tmp_path_factory.mktemp("few") / "sweep"
    assert said(sweep(out, "1..2")).returncode == 0
    assert bits(out).items() <= undisturbed.items()
    return out


# --- kills


def processes(out: Path) -> dict[str, list[int]]:
    """Numbers of the processes at work on a sweep: its drivers, workers and simulations."""
    parents, words = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                # Both or neither: it may end between the two.
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words[int(entry.name)] = line
    workers = [pid for pid, line in words.items() if "gpu.worker" in line and str(out) in line]
    return {
        "driver": [pid for pid, line in words.items() if "sweep" in line and str(out) in line],
        "worker": workers,
        "simulation": [pid for pid, line in words.items() if "--results_dir" in line and parents[pid] in workers],
    }


def start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def test_fifty_kills_at_random_moments_cost_nothing(undisturbed, pace, tmp_path, request):
    """Driver, worker or simulation, drawn each time; a sweep that ends meanwhile is followed by a new one."""
    seed = request.config.getoption("--kill-seed")
    seed = seed if seed is not None else random.SystemRandom().randrange(10**6)
    print(f"--kill-seed {seed}")
    draw, killed, folders = random.Random(seed), collections.Counter(), []
    while killed.total() < KILLS:
        out = tmp_path / f"sweep{len(folders)}"
        folders.append(out)
        driver = start(sweep(out, "1..20"))
        while killed.total() < KILLS and not (driver.poll() == 0 and set(bits(out)) == set(undisturbed)):
            time.sleep(draw.uniform(0, pace))
            kind = draw.choice(["driver", "worker", "simulation"])
            # A simulation is there for a twentieth of a second at a time: wait for one, or few of them are killed.
            deadline = time.monotonic() + pace
            while not (victims := processes(out)[kind]) and driver.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(victims), signal.SIGKILL)
                    killed[kind] += 1
            if driver.poll() is not None and driver.returncode != 0:
                driver = start(sweep(out, "1..20"))
        driver.wait(300)
    print(f"{dict(killed)} over {len(folders)} sweeps")
    for out in folders:
        assert said(sweep(out, "1..20"), timeout=600).returncode == 0
        assert_whole(out, undisturbed)
    assert min(killed[kind] for kind in ("driver", "worker", "simulation")) > 0


def test_two_drivers_at_once_do_no_point_twice(undisturbed, tmp_path):
    out = tmp_path / "sweep"
    drivers = [start(sweep(out, "1..8", "--workers", 2)) for _ in range(2)]
    assert {driver.wait(600) for driver in drivers} <= {0, 1}  # 1: the other had not ended its last points yet
    assert_whole(out, {name: undisturbed[name] for name in bits(out)})
    logs = "".join(file.read_text() for file in (out / "logs").glob("worker-*.log"))
    begun = collections.Counter(re.findall(r"^(\w{12}): done", logs, re.MULTILINE))
    assert begun == dict.fromkeys(bits(out), 1)
    assert len(begun) == 24


def test_told_to_stop_it_stops_and_goes_on(undisturbed, tmp_path):
    out = tmp_path / "sweep"
    driver = start(sweep(out, "1..8"))
    while not bits(out):
        time.sleep(0.1)
    assert said(command("cancel", out)).stdout == "Told 1 to stop.\n"
    assert driver.wait(60) == pfc.INTERRUPTED
    assert not any(processes(out).values())
    assert 0 < len(bits(out)) < 24
    assert said(sweep(out, "1..8")).returncode == 0
    assert len(bits(out)) == 24
    assert_whole(out, {name: undisturbed[name] for name in bits(out)})


def test_a_bad_point_does_not_cost_the_others(undisturbed, tmp_path):
    """One that is not finite fails with its sentence, stays failed until asked for again, and the rest goes on."""
    out = tmp_path / "sweep"
    bad = ("--vary", "parameters.cells.PYR.C_m=180 pF,0.0001 pF")
    done = said([*sweep(out, "1"), *bad])
    assert done.returncode == 1, done.stderr
    assert "6 points: 3 done, 3 failed" in done.stdout
    assert "not a finite number" in done.stdout
    again = said([*sweep(out, "1"), *bad])
    assert again.returncode == 1 and "3 failed" in again.stdout
    assert said(command("status", out)).stdout == again.stdout.rpartition("Sweep:")[0]


# --- disks


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of so many bytes; only for those who may mount."""
    path.mkdir()
    if said(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield path
    finally:
        said(["umount", "-l", str(path)])


def remount(path: Path, options: str) -> None:
    assert said(["mount", "-o", f"remount,{options}", str(path)]).returncode == 0


def test_a_full_disk_ends_in_a_sentence_and_is_gone_on_from(undisturbed, tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        out = disk / "sweep"
        full = said(sweep(out, "1..8"))
        assert full.returncode == 2, full.stderr
        assert "Traceback" not in full.stderr
        assert re.search(r"(could not be written|cannot be written to).*[Nn]o space", full.stderr)
        assert bits(out).items() <= undisturbed.items()
        remount(disk, "size=200m")
        assert said(sweep(out, "1..8")).returncode == 0
        assert len(bits(out)) == 24
        assert_whole(out, {name: undisturbed[name] for name in bits(out)})


def test_a_full_scratch_ends_in_a_sentence(undisturbed, tmp_path):
    with small_disk(tmp_path / "scratch", "1m") as scratch:
        full = said(sweep(tmp_path / "sweep", "1"), env=os.environ | {"TMPDIR": str(scratch)})
        assert full.returncode == 2, full.stderr
        assert "Traceback" not in full.stderr
        assert re.search("make room and run again|set TMPDIR", full.stderr)
    assert said(sweep(tmp_path / "sweep", "1")).returncode == 0
    assert bits(tmp_path / "sweep").items() <= undisturbed.items()


def test_a_folder_that_became_read_only_ends_in_a_sentence(few, tmp_path):
    with small_disk(tmp_path / "disk", "100m") as disk:
        out = disk / "sweep"
        shutil.copytree(few, out)
        remount(disk, "ro")
        refused = said(sweep(out, "1..3"))
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
        assert "Read-only file system" in refused.stderr
        for name in ("status", "verify"):  # looking needs no writing
            assert said(command(name, out)).returncode == 0


# --- clocks and hands


def test_a_clock_that_goes_backwards_does_not_matter(undisturbed, tmp_path):
    """Each look at the clock says a day earlier than the last one, in every Python process."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n_now = [time.time()]\n\n\ndef _back():\n    _now[0] -= 86400\n    return _now[0]\n\n\n"
        "time.time = _back\n"
    )
    out = tmp_path / "sweep"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = said(sweep(out, "1..2"), env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert len(bits(out)) == 6
    assert bits(out).items() <= undisturbed.items()


def truncate(point: Path) -> None:
    content = (point / "data.nc").read_bytes()
    (point / "data.nc").write_bytes(content[: len(content) // 2])


def alter(point: Path) -> None:
    content = bytearray((point / "data.nc").read_bytes())
    content[len(content) // 2] ^= 1
    (point / "data.nc").write_bytes(content)


def alter_summary(point: Path) -> None:
    text = (point / "summary.json").read_text()
    (point / "summary.json").write_text(re.sub(r"\d", "7", text, count=1))


def lose_manifest(point: Path) -> None:
    (point / "manifest.json").unlink()


def write_nonsense(point: Path) -> None:
    (point / "manifest.json").write_text("{")


def exchange(point: Path) -> None:
    other = next(path for path in sorted(point.parent.iterdir()) if path != point)
    point.rename(point.with_name("between"))
    other.rename(point)
    point.with_name("between").rename(other)


@pytest.mark.parametrize("damage", [truncate, alter, alter_summary, lose_manifest, write_nonsense, exchange])
def test_damage_by_hand_is_told_and_healed(few, undisturbed, tmp_path, damage):
    out = tmp_path / "sweep"
    shutil.copytree(few, out)
    damage(sorted((out / "points").iterdir())[0])
    told = said(command("verify", out))
    assert told.returncode == 1
    assert len(told.stdout.splitlines()) == (2 if damage is exchange else 1)
    assert sorted((out / "points").iterdir())[0].name in told.stdout
    assert said(command("retry", out, "--device", "cpp")).returncode == 0
    for aside in (out / "points").glob("*.damaged"):
        shutil.rmtree(aside)
    assert_whole(out, {name: undisturbed[name] for name in bits(few)})


@pytest.mark.parametrize("content", ["", "{", '{"format": "pfc-sweep 99"}', "[]"])
def test_a_damaged_plan_is_told(few, tmp_path, content):
    out = tmp_path / "sweep"
    shutil.copytree(few, out)
    (out / "plan.json").write_text(content)
    told = said(command("status", out))
    assert told.returncode == 2
    assert "plan.json" in told.stderr or "format" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    if "format" not in content:
        assert said(sweep(out, "1..2")).returncode == 0
        assert_whole(out, bits(few))
