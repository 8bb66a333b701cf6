# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps as `gpu.collect.gather` gives them, made up in memory."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from circuit.axes import Axis
from circuit.populations import POPULATIONS
from gpu.collect import Collected, Stack
from gpu.plan import Planned
from gpu.points import Failure

ORIGIN = {
    "device": {"name": "cpp", "reason": "g++ 12.2 works"},
    "hardware": {"cpu": "A <processor>", "cores": 2},
    "versions": {"python": "3.12.1", "brian2": "2.10.1"},
    "commit": "0123abcd",
}


def axis(name: str, *values: str) -> Axis:
    """An axis of one key."""
    return Axis(name, (name,), tuple((value,) for value in values))


def seeds(number: int) -> Axis:
    return axis("seed", *(str(n + 1) for n in range(number)))


def sweep(
    *axes: Axis,
    missing: Sequence[int] = (),
    failed: Mapping[int, str] | None = None,
    damaged: Sequence[int] = (),
    silent: Sequence[str] = (),
    drug: Mapping[str, str] | None = None,
    runs: Mapping[int, object] | None = None,
    path: Path = Path("results/sweep"),
    with_drug: bool = True,
) -> Collected:
    """A sweep along these axes; points that are not done have no numbers. With `runs`, a course."""
    shape, failed = tuple(len(one.labels) for one in axes), failed or {}
    places = list(itertools.product(*map(range, shape)))
    points = tuple(Planned(f"{n:012x}", place, {}, {}) for n, place in enumerate(places))
    states = {point.id: "done" for point in points}
    states |= {points[n].id: "missing" for n in missing} | {points[n].id: "failed" for n in failed}
    states |= {points[n].id: "damaged" for n in damaged}
    made = _Made if runs is not None else Collected
    found = made(
        path=path,
        title='A sweep of <doses> & "seeds"',
        axes=axes,
        points=points,
        settings={"drug": drug or {}},
        status=states,
        values=_values(shape, silent, with_drug),
        stacks={"chain": Stack(shape, why_not="are made up" if runs is not None else None)},
        failures=tuple(Failure(points[n].id, sentence, "by itself") for n, sentence in failed.items()),
        damaged={points[n].id: f"{path}/points/{points[n].id}/data.nc has been altered: run it again" for n in damaged},
        origins={json.dumps(ORIGIN): [name for name, state in states.items() if state == "done"]},
    )
    for point in points:
        for values in found.values.values():
            values[point.place] = values[point.place] if states[point.id] == "done" else np.nan
    if runs is not None:
        found.runs.update({points[n].id: run for n, run in runs.items()})
    return found


class _Made(Collected):
    """A sweep that has its runs in memory."""

    runs: dict = {}

    def results(self, point):
        return self.runs[point]


def _values(shape: tuple[int, ...], silent: Sequence[str], with_drug: bool) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    values = {}
    for name in POPULATIONS:
        scale = 0.0 if name in silent else 1.0
        before, after = scale * random.uniform(2, 10, (2, *shape))
        values[f"rate_{name}_baseline_hz"], values[f"rate_{name}_drug_hz"] = before, after
        change = np.full(shape, np.nan) if name in silent else 100 * (after / np.where(before, before, 1) - 1)
        values[f"rate_{name}_change_percent"] = change
        values[f"block_{name}_mean"] = random.uniform(0, 0.5, shape)
    for name in ("glutamate", "ampa_throughput", "gamma_power"):
        values[f"{name}_change_percent"] = random.normal(5, 10, shape)
    is_known = {key: with_drug or "baseline" in key for key in values}
    return {key: found if is_known[key] else np.full(shape, np.nan) for key, found in values.items()}


def words(figure, with_ticks: bool) -> str:
    """All text of a figure; numbers at ticks are there after it was laid out, which takes a second."""
    import matplotlib.text

    if with_ticks:
        figure.draw_without_rendering()
    return " ".join(re.sub(r"\s+", " ", text.get_text()) for text in figure.findobj(matplotlib.text.Text))
