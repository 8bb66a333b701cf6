# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slurm is asked and told, with programs of our own in its place; tests/cluster has the real ones."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import pfc
from circuit.errors import UserError
from circuit.sweep import Sweep, expand
from gpu import build, plan, points, slurm, slurm_jobs
from gpu.plan import Plan
from gpu.slurm import Part, Request

ROOT = Path(pfc.__file__).parent
SMOKE = ROOT / "configs" / "smoke.yaml"
Fake = Callable[..., Path]


@pytest.fixture(scope="module")
def seeds() -> Sweep:
    """Five points."""
    return expand(SMOKE, (), ("seed=1..5",))


@pytest.fixture
def planned(seeds: Sweep, tmp_path: Path) -> Plan:
    """The five points in five batches, none done."""
    return plan.write(seeds, tmp_path / "sweep", 1)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put programs into a PATH of their own; each notes its arguments in NAME.said."""
    where = tmp_path / "bin"
    where.mkdir()
    monkeypatch.setenv("PATH", f"{where}:/usr/bin/nowhere:/bin/nowhere")

    def make(name: str, output: str = "", errors: str = "", status: int = 0) -> Path:
        """Return the file that this program notes its arguments in."""
        told = where / f"{name}.said"
        texts = [where / f"{name}.{stream}" for stream in ("out", "err")]
        for file, text in zip(texts, (output, errors), strict=True):
            file.write_text(text)
        program = where / name
        body = f"sys.stdout.write(open({str(texts[0])!r}).read()); sys.stderr.write(open({str(texts[1])!r}).read())"
        note = f"open({str(told)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
        program.write_text(f"#!{sys.executable}\nimport sys\n{note}\n{body}\nsys.exit({status})\n")
        program.chmod(0o755)
        return told

    return make


def submitted(planned: Plan, *numbers: int, id: str = "12") -> slurm_jobs.Job:
    """Note a job with a task for each of these batches."""
    slurm_jobs.make_folder(planned)
    return slurm_jobs.note(planned, id, [[planned.batches[n].name] for n in numbers], Request().options())


# --- answers


def test_arrays_are_told_in_many_forms() -> None:
    text = "12_0|RUNNING\n12_[1-3,7%2]|PENDING\n12_[8-12:2]|PENDING\n13|CANCELLED by 1000\n13.batch|FAILED\n\nx\n14|\n"
    running = {"12_0": "RUNNING", "13": "CANCELLED"}
    assert slurm_jobs.read_states(text) == running | {f"12_{n}": "PENDING" for n in (1, 2, 3, 7, 8, 10, 12)}


def test_the_controller_has_the_last_word_on_what_is_not_over(planned: Plan, fake: Fake) -> None:
    """Accounting remembers the end of 12_0, lags on 12_1, missed the end of 12_2 and has not heard of 12_3."""
    job = submitted(planned, 0, 1, 2, 3)
    fake("sacct", "12_0|COMPLETED\n12_1|PENDING\n12_2|RUNNING\n")
    asked = fake("squeue", "12_1|RUNNING\n12_3|PENDING\n")
    answer = slurm_jobs.ask([job])
    kinds = [answer.kind(task) for task in job.task_ids()]
    assert kinds == [slurm_jobs.ENDED, slurm_jobs.RUNNING, slurm_jobs.ENDED, slurm_jobs.QUEUED]
    assert answer.states["12_2"] == slurm_jobs.GONE
    assert "-j 12 " in asked.read_text()
    assert slurm_jobs.under_way([job], answer) == {planned.batches[n].name for n in (1, 3)}


def test_one_of_the_two_is_enough(planned: Plan, fake: Fake) -> None:
    job = submitted(planned, 0, 1)
    fake("sacct", errors="Slurm accounting storage is disabled\n", status=1)
    fake("squeue", "12_0|RUNNING\n")
    assert slurm_jobs.ask([job]) == slurm_jobs.Answer({"12_0": "RUNNING"})
    fake("sacct", "12_0|RUNNING\n12_1|TIMEOUT\n")
    fake("squeue", errors="slurm_load_jobs error: Unable to contact slurm controller\n", status=1)
    assert slurm_jobs.ask([job]) == slurm_jobs.Answer({"12_0": "RUNNING", "12_1": "TIMEOUT"})


def test_a_controller_that_has_forgotten_a_job_says_it_is_over(planned: Plan, fake: Fake) -> None:
    fake("sacct", "12|RUNNING\n")
    fake("squeue", errors="slurm_load_jobs error: Invalid job id specified\n", status=1)
    job = submitted(planned, 0)
    assert job.task_ids() == ["12"]
    assert slurm_jobs.ask([job]).kind("12") == slurm_jobs.ENDED


def test_where_nobody_answers_files_are_what_is_known(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1)
    fake("squeue", errors="slurm_load_jobs error: Zero Bytes were transmitted\n", status=1)
    (line,) = slurm_jobs.summary(planned)
    assert "there is no sacct on PATH; squeue says: slurm_load_jobs error: Zero Bytes" in line
    assert line.endswith("the files above are what is known.")


def test_status_tells_where_missing_points_are(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1, 2)
    (planned.folder / "slurm" / "12_0_0_log.err").write_text("Device: C++\nNo room.\n\n")
    fake("sacct", "12_0|FAILED\n12_1|RUNNING\n12_2|PENDING\n")
    fake("squeue", "12_1|RUNNING|None\n12_2|PENDING|launch failed requeued held\n")
    head, ended = slurm_jobs.summary(planned)
    queued = "1 in tasks that are queued (launch failed requeued held)"
    others = "1 in tasks that run, 1 in tasks that ended, 2 in no job"
    assert head == f"Slurm: of 5 points without results, {queued}, {others}"
    assert ended == f"ended: 1 x FAILED (12_0); {planned.folder / 'slurm' / '12_0_0_log.err'} ends: No room."


def test_a_batch_counts_where_it_was_submitted_last(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1, 2, 3, 4)
    submitted(planned, 0, id="15")
    fake("sacct", "12_[0-4]|TIMEOUT\n15|PENDING\n")
    fake("squeue", "15|PENDING\n")
    assert slurm_jobs.summary(planned)[0].endswith("1 in tasks that are queued, 4 in tasks that ended")


def test_a_sweep_that_was_never_submitted_asks_nobody(planned: Plan, fake: Fake) -> None:
    assert slurm_jobs.summary(planned) == []
    assert slurm_jobs.cancel(planned) == []


def test_cancel_tells_what_is_not_over(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1)
    submitted(planned, 2, id="15")
    fake("sacct", "12_[0-1]|COMPLETED\n15|RUNNING\n")
    fake("squeue", "15|RUNNING\n")
    told = fake("scancel")
    slurm_jobs.note_closing(planned, "12", "13")
    slurm_jobs.note_closing(planned, "15", "16")
    assert slurm_jobs.cancel(planned) == ["15"]
    assert told.read_text() == "16 15\n"


def test_a_job_that_waits_for_all_tasks_makes_the_dataset(
    planned: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be had, the sweep is submitted all the same."""

    def refuse(*words: str, text: str | None = None) -> str:
        raise UserError(f"{words[0]} says: no")

    fake("srun")
    asked = fake("sbatch", "Submitted batch job 20\n")
    said = slurm.submit(planned, Request(partition="p", account="a", gres="gpu:1", extra=("qos=long",)), (), "collect")
    assert said[-1] == "Submitted job 20: makes the dataset when job 20 has ended."
    words = asked.read_text().splitlines()[-1].split()
    assert {"--dependency=afterany:20", "--partition=p", "--account=a", "--qos=long"} <= set(words)
    assert not any("gres" in word for word in words)
    monkeypatch.setattr(slurm_jobs, "call", refuse)
    (planned.folder / "slurm" / "jobs.json").unlink()
    *_, submitted, told = slurm.submit(planned, Request())
    assert submitted.startswith("Submitted job 20")
    assert told == f"sbatch says: no. When the job has ended, give: pfc figures {planned.folder}"


# --- submitting


def test_what_is_under_way_is_not_submitted_again(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1)
    fake("sacct", "12_0|RUNNING\n12_1|FAILED\n")
    fake("squeue", "12_0|RUNNING\n")
    fake("srun")
    fake("sbatch", "Submitted batch job 20\n")
    said = slurm.submit(planned, Request(parts=2, partition="p"))
    assert said == [
        "1 points are in tasks that are queued or running.",
        f"Submitted job 20: 4 points in 2 tasks; logs in {planned.folder / 'slurm'}",
        "Submitted job 20: makes the dataset, figures and report when job 20 has ended.",
    ]
    job = slurm_jobs.noted(planned)[-1]
    assert job.closing == "20"
    assert [len(task) for task in job.tasks] == [2, 2]
    assert Request.of(job.options) == Request(parts=2, partition="p")
    assert planned.batches[0].name not in {name for task in job.tasks for name in task}


def test_a_failed_point_is_submitted_again_though_its_task_is_under_way(planned: Plan, fake: Fake) -> None:
    submitted(planned, 0, 1)
    fake("sacct", "12_0|RUNNING\n12_1|RUNNING\n")
    fake("squeue", "12_0|RUNNING\n12_1|RUNNING\n")
    fake("srun")
    fake("sbatch", "Submitted batch job 20\n")
    slurm.submit(planned, Request(parts=1), [planned.batches[1].name])
    assert slurm_jobs.noted(planned)[-1].tasks == (tuple(batch.name for batch in planned.batches[1:]),)


def test_the_job_says_what_was_asked(planned: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("srun")
    fake("sbatch", "Submitted batch job 20\n")
    monkeypatch.setenv("PFC_CACHE", "/a cache")
    slurm.submit(planned, Request(time="1:30:00", gres="gpu:1", array_limit=2, mem=1.5, cpus=3, extra=("qos=long",)))
    lines = (planned.folder / "slurm" / "20_submission.sh").read_text().splitlines()
    wanted = ("array=0-4%2", "time=90", "gres=gpu:1", "mem=1500M", "cpus-per-task=3", "qos=long", "signal=USR2@60")
    assert {f"#SBATCH --{each}" for each in (*wanted, "requeue", "job-name=pfc-sweep")} <= set(lines)
    assert "export PFC_CACHE='/a cache'" in lines
    assert not any("wckey" in line for line in lines)


def test_a_script_can_be_read(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFC_CACHE", "/cache")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name in slurm.HANDED_ON:
        monkeypatch.delenv(name, raising=False)
    request = Request(partition="gpu", time="2:00:00", gres="gpu:1", array_limit=4, points_per_task=2)
    text = slurm.script(planned, request, "pfc sweep x --plan")
    where = planned.folder
    ours = f"{sys.executable} {ROOT / 'pfc.py'}"
    work = f"{ours} work {where}"
    assert text == f"""#!/bin/bash
# Smoke test: 5 points in 3 tasks.
# What is done is not done again: after a time limit, submit the same script once more.
# At the end, for the dataset and figures: {ours} figures {where}
# Before the first time: pfc sweep x --plan
#SBATCH --job-name=pfc-sweep
#SBATCH --array=0-2%4
#SBATCH --time=2:00:00
#SBATCH --output={where}/slurm/%A_%a.log
#SBATCH --open-mode=append
#SBATCH --partition=gpu
#SBATCH --gres=gpu:1
#SBATCH --requeue

# Whatever your cluster needs besides, such as: module load gcc
export PYTHONPATH={ROOT}
export PFC_CACHE=/cache

# exec, so that the program itself is told when Slurm wants the node back.
exec {work} --part "$SLURM_ARRAY_TASK_ID" --of 3 --device auto
"""


@pytest.mark.parametrize("text, minutes", [
    ("90", 90), ("90:30", 91), ("4:00:00", 240), ("1-0", 1440), ("1-2:30", 1590), ("0-0:1:30", 2), ("0:30", 1),
])  # fmt: skip
def test_times_are_those_of_sbatch(text: str, minutes: int) -> None:
    assert Request(time=text).minutes() == minutes


def test_shares_are_equal_and_none_is_empty(planned: Plan) -> None:
    one_each = [1] * 5
    wanted = {Request(): one_each, Request(parts=2): [3, 2], Request(parts=9): one_each}
    for request, sizes in (wanted | {Request(points_per_task=3): [3, 2]}).items():
        assert [len(share) for share in slurm.shares(planned.batches, request)] == sizes


def test_a_gpu_is_taken_to_be_there_if_it_is_asked_for() -> None:
    assert slurm.nodes(Request(gres="gpu:a100:1")).columns > 1
    assert slurm.nodes(Request(extra=("gpus=1",))).columns > 1
    assert slurm.nodes(Request()).columns == 1
    assert slurm.nodes(Request(gres="gpu:1", device="cpp")).columns == 1


# --- mistakes


@pytest.mark.parametrize("options, sentence", [
    ({"time": "ten"}, "--time ten: needs minutes"), ({"time": "0"}, "--time 0: needs minutes"),
    ({"time": "1:2:3:4"}, "--time 1:2:3:4"), ({"extra": ("abc",)}, "--slurm-option 'abc': needs key=value"),
    ({"extra": ("a b=c",)}, "needs key=value"), ({"extra": ("qos=",)}, "needs key=value"),
    ({"extra": ("array=0-3",)}, "pfc sets array itself"), ({"parts": 2, "points_per_task": 3}, "give one of them"),
])  # fmt: skip
def test_a_mistake_is_told(options: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Request(**options)


def test_without_slurm_nothing_is_submitted(planned: Plan, fake: Fake) -> None:
    with pytest.raises(UserError, match="There is no sbatch on PATH"):
        slurm.submit(planned, Request())


def test_what_sbatch_refuses_is_quoted(planned: Plan, fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake("srun")
    said = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job failed\n"
    fake("sbatch", errors=said, status=1)
    with pytest.raises(UserError, match="sbatch refused: invalid partition specified: nope Batch job failed"):
        slurm.submit(planned, Request(partition="nope"))
    assert slurm_jobs.noted(planned) == []
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_does_not_fit_is_told(planned: Plan, fake: Fake) -> None:
    with pytest.raises(UserError, match="--mem 0.001: a batch needs about"):
        slurm.check_memory(planned, planned.batches, Request(mem=0.001))


@pytest.mark.parametrize("arguments, sentence", [
    (["--time", "5"], "--time asks something of Slurm: add --slurm"),
    (["--slurm", "--workers", "2"], "--workers is for a sweep on this machine"),
    (["--slurm", "--time", "soon"], "--time soon: needs minutes"),
    (["--slurm", "--slurm-option", "x"], "--slurm-option 'x': needs key=value"),
])  # fmt: skip
def test_the_command_line_answers_a_mistake_in_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    out = tmp_path / "s"
    said = CliRunner().invoke(pfc.cli, ["sweep", str(SMOKE), "--vary", "seed=1,2", "--out", str(out), *arguments])
    assert isinstance(said.exception, UserError)
    assert str(said.exception).startswith(sentence)
    assert not out.exists()


def test_a_mistake_ends_with_status_2(tmp_path: Path) -> None:
    words = ["sweep", str(SMOKE), "--out", str(tmp_path / "s"), "--slurm", "--time", "soon"]
    said = subprocess.run([sys.executable, str(ROOT / "pfc.py"), *words], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith("--time soon: needs")
    assert said.stderr.count("\n") == 1


def test_notes_that_are_damaged_are_told(planned: Plan) -> None:
    (slurm_jobs.make_folder(planned) / "jobs.json").write_text('{"jobs": [{"id": "1"}]}')
    with pytest.raises(UserError, match="jobs.json is damaged"):
        slurm_jobs.noted(planned)


# --- a task


def test_a_task_that_never_moves_fails_the_point_in_hand(planned: Plan) -> None:
    """Each time limit makes another part, with a count; one that moves begins to count anew."""
    names = tuple(batch.name for batch in planned.batches)
    part = Part(str(planned.folder), names, "cpp")
    for stalled in (1, 2):
        part._at = names[1]
        part = part.checkpoint().function
        assert part.stalled == stalled
        assert not points.failures(planned)
    part._at = names[1]
    part = part.checkpoint().function
    assert part.stalled == 0
    (failure,) = points.failures(planned)
    assert failure.point == names[1]
    assert "ask for more with --time" in failure.sentence
    assert failure.cause == points.KILLED


def test_a_segment_is_progress(planned: Plan) -> None:
    names = tuple(batch.name for batch in planned.batches)
    part = Part(str(planned.folder), names, "cpp", stalled=2)
    segments = planned.results(f"{names[0]}.segments")
    segments.mkdir()
    (segments / "00000.npz").touch()
    part._at = names[0]
    assert part.checkpoint().function.stalled == 0
    assert not points.failures(planned)


def test_a_part_is_plain_data_and_stops_its_worker(planned: Plan) -> None:
    part = Part(str(planned.folder), ("a",), "auto")
    assert pickle.loads(pickle.dumps(part)) == part
    part.checkpoint()
    assert part._asked.number is not None
    assert json.dumps(Request(extra=("a=b",)).options())


def test_what_a_task_starts_leaves_the_home_folder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PFC_CACHE", "/cache")
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    assert build.environment()["MPLCONFIGDIR"] == "/cache/matplotlib"
    monkeypatch.setenv("MPLCONFIGDIR", "/own")
    assert build.environment()["MPLCONFIGDIR"] == "/own"
