# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan on disk gives back the points it was made of; states, claims and failures are what the files say."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from circuit.errors import ResultsError
from circuit.sweep import expand
from gpu import plan, points, status, worker
from gpu.build import environment
from gpu.plan import Plan

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMOKE = CONFIGS / "smoke.yaml"
VARY = ("drug.concentration=0 uM,1 uM", "seed=1..3")


@pytest.fixture
def planned(tmp_path: Path) -> Plan:
    return plan.write(expand(SMOKE, (), VARY), tmp_path / "sweep", 1)


@pytest.mark.parametrize("config, vary", [
    (SMOKE, VARY),
    (CONFIGS / "antagonists.yaml", ("seed=1,2",)),
    (SMOKE, ("parameters.cells.PV.g_tonic_max=1 nS,2 nS", "knockdowns=[]")),
])  # fmt: skip
def test_every_experiment_comes_back(tmp_path, config, vary):
    sweep = expand(config, (), vary)
    written = plan.write(sweep, tmp_path / "sweep", 4)
    for read in (written, Plan.read(tmp_path / "sweep"), plan.draft(sweep, tmp_path / "none", 4)):
        assert read.axes == sweep.axes
        for point in sweep.points:
            assert read.experiment(point.id) == point.exp
            assert read.labels(read.by_id[point.id]) == sweep.labels(point)
    assert not (tmp_path / "none").exists()


def test_batches_share_structure_and_hold_every_point_once(tmp_path):
    sweep = expand(SMOKE, (), ("network.num_neurons=1000,1200", "seed=1..5"))
    batches = plan.write(sweep, tmp_path / "sweep", 4).batches
    assert [len(batch.points) for batch in batches] == [4, 1, 4, 1]
    assert {batch.columns for batch in batches} == {4}  # the last ones are filled, and need no program of their own
    assert sorted(name for batch in batches for name in batch.points) == sorted(point.id for point in sweep.points)


def test_points_of_one_network_follow_each_other(tmp_path):
    vary = ("network.num_neurons=1000,1200", "drug.concentration=0 uM,1 uM,3 uM", "seed=1..4")
    planned = plan.write(expand(SMOKE, (), vary), tmp_path / "sweep", 1)
    exps = [planned.experiment(batch.name) for batch in planned.batches]
    found = [(exp.network.num_neurons, exp.seed, exp.drug.concentration.to("uM")) for exp in exps]
    assert found == list(itertools.product((1000, 1200), (1, 2, 3, 4), (0.0, 1.0, 3.0)))


def test_workers_begin_apart_and_each_does_all_that_is_left(planned):
    orders = [worker.turned(planned.batches, number, 3) for number in range(3)]
    assert [order[0] for order in orders] == [planned.batches[n] for n in (0, 2, 4)]
    assert all(set(order) == set(planned.batches) and len(order) == 6 for order in orders)
    assert worker.turned(planned.batches[:1], 2, 3) == planned.batches[:1]


def test_a_sweep_can_grow_and_keeps_its_batches(tmp_path):
    first = plan.write(expand(SMOKE, (), ("seed=1..3",)), tmp_path / "sweep", 2)
    grown = plan.write(expand(SMOKE, (), ("seed=1..5",)), tmp_path / "sweep", 2)
    assert grown.batches[: len(first.batches)] == first.batches
    assert len(grown.points) == 5


def test_another_sweep_is_refused_and_nothing_changes(planned):
    before = (planned.folder / plan.PLAN).read_bytes()
    with pytest.raises(ResultsError, match="holds another sweep: 6 of its 6 points are not in this one"):
        plan.write(expand(SMOKE, (), ("seed=7,8",)), planned.folder, 1)
    assert (planned.folder / plan.PLAN).read_bytes() == before


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ResultsError, match="is not empty and holds no sweep"):
        plan.write(expand(SMOKE, (), VARY), tmp_path, 1)
    with pytest.raises(ResultsError, match="is not the folder of a sweep"):
        Plan.read(tmp_path)


HOLD = """
import sys, pathlib
from gpu.plan import Plan
from gpu.points import Claims
plan = Plan.read(pathlib.Path(sys.argv[1]))
with Claims(plan) as claims:
    print([claims.take(batch) for batch in plan.batches[:2]], flush=True)
    sys.stdin.read()
"""


def test_a_claim_keeps_others_out_until_its_holder_dies(planned):
    words = [sys.executable, "-c", HOLD, str(planned.folder)]
    other = subprocess.Popen(words, stdin=-1, stdout=-1, text=True, env=environment())
    assert other.stdout.readline() == "[True, True]\n"
    assert points.taken(planned, planned.batches) == {batch.name for batch in planned.batches[:2]}
    assert list(points.states(planned).values()).count(points.RUNNING) == 2
    with points.Claims(planned) as claims:
        assert [claims.take(batch) for batch in planned.batches[:3]] == [False, False, True]
    other.kill()
    other.wait()
    with points.Claims(planned) as claims:
        assert all(claims.take(batch) for batch in planned.batches)
    assert set(points.states(planned).values()) == {points.MISSING}


def test_failures_are_grouped_by_their_first_line(planned):
    names = [point.id for point in planned.points]
    for name in names[:3]:
        points.fail(planned, name, "It broke.\nLong story.", points.BY_ITSELF)
    points.fail(planned, names[3], "It was killed.", points.KILLED)
    assert status.summary(planned) == [
        "Smoke test: 6 points: 4 failed, 2 missing",
        f"failed: 3 x It broke. ({', '.join(names[:3])})",
        f"failed: 1 x It was killed. ({names[3]})",
    ]
    points.forget(planned, names)
    assert status.summary(planned) == ["Smoke test: 6 points: 6 missing"]


def test_a_failure_that_cannot_be_read_is_one_all_the_same(planned):
    points.fail(planned, planned.points[0].id, "x", points.BY_ITSELF)
    (planned.folder / points.FAILED / f"{planned.points[0].id}.json").write_text("{")
    assert points.failures(planned)[0].cause == points.KILLED


def test_verify_names_what_belongs_to_no_point(planned):
    planned.results("0123456789ab").mkdir()
    assert status.verify(planned.folder) == [
        f"{planned.results('0123456789ab')} belongs to no point of this sweep"
    ]


def test_verify_of_neither_run_nor_sweep_is_told(tmp_path):
    with pytest.raises(ResultsError, match="is neither the folder of a run nor that of a sweep"):
        status.verify(tmp_path)


def test_the_plan_is_small(tmp_path):
    """A point costs what differs in it, not a copy of all numbers."""
    plan.write(expand(SMOKE, (), ("seed=1..100",)), tmp_path / "sweep", 1)
    text = json.loads((tmp_path / "sweep" / plan.PLAN).read_text())
    assert all(len(json.dumps(point)) < 200 for point in text["points"])
