# SPDX-License-Identifier: GPL-3.0-or-later
"""How far is a sweep, what failed, and is what is there what was written? Answers as lines of text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from circuit.errors import ResultsError
from gpu import folder, memory, points, pool, progress
from gpu.devices import Device
from gpu.plan import PLAN, Batch, Plan

ORDER = (points.DONE, points.RUNNING, points.FAILING, points.MISSING)
#: Processor seconds per simulated second and cell, about; docs/performance.md has measurements.
COST = {"cpp": 2e-4, "cuda": 1e-5, "numpy": 5e-3}
#: So many points or failures are listed; the rest is counted.
MOST = 12


def summary(plan: Plan) -> list[str]:
    """Lines that tell how many points are in which state, and the first line of each distinct failure."""
    found = points.states(plan)
    counts = Counter(found.values())
    head = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    return [f"{plan.title}: {len(plan.points)} points: {head}", *failures(plan)]


def failures(plan: Plan) -> list[str]:
    """Lines that tell the distinct failures, the most frequent first, each with how many and which points."""
    groups: dict[str, list[str]] = defaultdict(list)
    for failure in points.failures(plan):
        groups[failure.sentence.strip().split("\n")[0]].append(failure.point)
    lines = []
    for sentence, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        lines.append(f"failed: {len(names)} x {sentence} ({some})")
    more = [f"... and {len(lines) - MOST} other failures"] if len(lines) > MOST else []
    return [*lines[:MOST], *more]


def preview(plan: Plan, device: Device, workers: int) -> list[str]:
    """Lines that tell what a sweep would do: points, programs, batches, memory, time."""
    batches = pool.left(plan)
    found = points.states(plan)
    lines = [f"{len(plan.points)} points, {len(plan.points) - Counter(found.values())[points.DONE]} of them to do:"]
    for point in plan.points[:MOST]:
        values = ", ".join(f"{key}={value}" for key, value in plan.labels(point).items())
        lines.append(f"  {point.id}  {found[point.id]:<8}{values}")
    if len(plan.points) > MOST:
        lines.append(f"  ... and {len(plan.points) - MOST} more")
    shapes = pool.structures(plan, batches)
    lines.append(f"{len(shapes)} programs to compile or find, {len(batches)} batches, {workers} at a time")
    if shapes:
        most = max(memory.total(memory.estimate(shape, duration)) for shape, duration in shapes.items())
        lines.append(f"memory: about {memory.readable(most)} a batch, {memory.readable(most * workers)} together")
        lines.append(f"time: about {progress.duration(seconds(plan, batches, device) / min(workers, device.at_once))}")
    return lines


def seconds(plan: Plan, batches: Sequence[Batch], device: Device) -> float:
    """Processor seconds that these batches take, roughly."""
    experiments = (plan.experiment(name) for batch in batches for name in batch.points)
    return sum(exp.duration.si * exp.network.num_neurons for exp in experiments) * COST[device.name]


def verify(path: Path) -> list[str]:
    """Return a sentence for each thing wrong with the folder of a run or of a sweep; none if all is as written.

    Raises
    ------
    ResultsError
        If it is neither.
    """
    if not (path / PLAN).is_file():
        try:
            folder.verify(path, folder.read_json(path / folder.MANIFEST))
        except ResultsError as error:
            if not (path / folder.MANIFEST).is_file():
                raise ResultsError(f"{path} is neither the folder of a run nor that of a sweep") from None
            return [str(error)]
        return []
    plan = Plan.read(path)
    wrong = [sentence for point in plan.points if (sentence := _wrong(plan, point.id))]
    known = {point.id for point in plan.points} | {""}  # nothing before the dot: a draft
    foreign = sorted(p.name for p in plan.results("").iterdir() if p.name.partition(".")[0] not in known)
    return wrong + [f"{plan.results(name)} belongs to no point of this sweep" for name in foreign]


def _wrong(plan: Plan, point: str) -> str | None:
    return points.check(plan, point) if plan.results(point).exists() else None


def damaged(plan: Plan) -> list[str]:
    """Return the points whose results are there and are not what was written."""
    return [point.id for point in plan.points if _wrong(plan, point.id)]
