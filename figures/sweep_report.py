# SPDX-License-Identifier: GPL-3.0-or-later
"""One page about a sweep: what was varied and came of it, which points failed and why, what they were made with."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from circuit.populations import POPULATIONS
from figures import report
from figures.html import Html, join, picture, table, tag, whole_page
from figures.sweep import Drawn, Scale

#: So many points at most are rows of the table; all of them are in sweep.csv.
MOST_POINTS = 2000
#: So many places of an axis are named in the table of what was varied.
MOST_PLACES = 24
#: Columns of the table of points: key of the summary, heading.
COLUMNS = {
    **{f"rate_{name}_drug_hz": f"{name} (Hz)" for name in POPULATIONS},
    "glutamate_change_percent": "Glutamate (Δ %)",
    "ampa_throughput_change_percent": "AMPA (Δ %)",
    "block_PYR_mean": "Block PYR",
    "block_PV_mean": "Block PV",
    "gamma_power_change_percent": "Gamma (Δ %)",
}
STATE_WORDS = {
    "done": "done",
    "failed": "failed",
    "missing": "not there yet",
    "damaged": "damaged",
}
ALIKE = "All points were made with the same versions, commit, device and hardware."
UNLIKE = (
    "Not all points were made alike. Another device, compiler or processor draws the same network and other noise: "
    "compare statistics over several seeds between them, not spikes."
)


def write(sweep: Any, drawn: Sequence[Drawn], pictures: Sequence[Path]) -> Path:
    """Write report.html into the folder of a sweep, whole or not at all.

    Parameters
    ----------
    sweep : gpu.collect.Collected
        Or any object with the same attributes.
    drawn : sequence of Drawn
        From `figures.sweep.draw`.
    pictures : sequence of Path
        Their PNG files, from `figures.sweep.save`; they are put into the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OSError
        If a figure cannot be read or the page cannot be written.
    """
    return report.put(sweep.path / "report.html", page(sweep, drawn, pictures))


def page(sweep: Any, drawn: Sequence[Drawn], pictures: Sequence[Path]) -> str:
    """Return the page as text."""
    sections = (
        ("What was varied", _varied(sweep)),
        ("Figures", _figures(drawn, pictures)),
        ("Failures", _failures(sweep)),
        ("Points", _points(sweep)),
        ("How it was run", _origins(sweep)),
        ("All results", _files()),
    )
    return whole_page(sweep.title, join(_lead(sweep), _warning(sweep)), sections)


def _lead(sweep: Any) -> Html:
    along = " × ".join(f"{len(axis.labels)} of {axis.name}" for axis in sweep.axes)
    states = ", ".join(f"{number:,} {STATE_WORDS[state]}" for state, number in sweep.counts.items() if number)
    return tag("p", f"A sweep of {_many(len(sweep.points))} ({along}): {states}.", class_="lead")


def _many(number: int) -> str:
    return f"{number:,} point{'' if number == 1 else 's'}"


def _warning(sweep: Any) -> Html | None:
    absent = len(sweep.points) - sweep.counts["done"]
    if not absent:
        return None
    words = f"{_many(absent)} of {len(sweep.points):,} {'has' if absent == 1 else 'have'} no results on this page."
    return tag("p", tag("strong", "Not whole. "), words, class_="warning", role="note")


def _varied(sweep: Any) -> Html:
    rows = []
    for axis in sweep.axes:
        for n, key in enumerate(axis.keys):
            texts = [place[n] for place in axis.labels]
            some = ", ".join(texts[:MOST_PLACES]) + (", ..." if len(texts) > MOST_PLACES else "")
            meaning = sweep.meanings.get(key, "")
            rows.append((tag("code", key), axis.name if axis.name != key else "", str(len(texts)), some, meaning))
    return table(("Key", "Axis", "Places", "Values", "Meaning"), rows)


def _figures(drawn: Sequence[Drawn], pictures: Sequence[Path]) -> Html:
    return join(
        picture(path, f"Figure {n}. {one.title}. ", one.caption, one.alt)
        for n, (one, path) in enumerate(zip(drawn, pictures, strict=True), start=1)
    )


def _failures(sweep: Any) -> Html:
    """Return failures and damaged points, those with the same first line together, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for failure in sweep.failures:
        groups.setdefault(failure.sentence.strip().split("\n")[0], []).append(failure.point)
    for point, sentence in sweep.damaged.items():
        groups.setdefault(_without_place(sentence, sweep, point), []).append(point)
    if not groups:
        return join()
    rows = [
        (str(len(names)), sentence, ", ".join(names[:6]) + (", ..." if len(names) > 6 else ""))
        for sentence, names in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
    again = tag("p", "pfc retry, with the folder of this sweep, runs them again.", class_="note")
    return join(table(("Points", "Why", "Which"), rows), again)


def _without_place(sentence: str, sweep: Any, point: str) -> str:
    """Return the sentence about a damaged point so that it is the same for all that are damaged alike."""
    return sentence.replace(str(sweep.path / "points" / point), "Its folder").split("\n")[0]


def _points(sweep: Any) -> Html:
    keys = [key for axis in sweep.axes for key in axis.keys]
    shown = {key: words for key, words in COLUMNS.items() if key in sweep.values}
    labels = [Scale.of(axis).labels if len(axis.keys) == 1 else None for axis in sweep.axes]
    rows = []
    for point in sweep.points[:MOST_POINTS]:
        status = sweep.status[point.id]
        there = status in ("done", "damaged")
        name = tag("a", point.id, href=f"points/{point.id}/") if there else tag("span", point.id)
        values = []
        for n, (axis, place) in enumerate(zip(sweep.axes, point.place, strict=True)):
            values += [labels[n][place]] if labels[n] is not None else list(axis.labels[place])
        rows.append((name, STATE_WORDS[status], *values, *(_cell(sweep, key, point) for key in shown)))
    words = "Rates are those under drug; block is the blocked share of the NMDA conductance. "
    words += f"The first {MOST_POINTS:,} of {len(sweep.points):,}; sweep.csv has all." * (len(rows) < len(sweep.points))
    return tag("div", table(("Point", "State", *keys, *shown.values()), rows, words), style="overflow-x: auto")


def _cell(sweep: Any, key: str, point: Any) -> str:
    value = float(sweep.values[key][point.place])
    return report.number(value) if math.isfinite(value) else report.NO_VALUE


def _origins(sweep: Any) -> Html:
    found = {text: json.loads(text) for text in sweep.origins}
    if not found:
        return join()
    rows = []
    for text, origin in found.items():
        device, versions = origin.get("device") or {}, origin.get("versions") or {}
        rows.append(
            (
                f"{len(sweep.origins[text]):,}",
                ": ".join(str(device[key]) for key in ("name", "reason") if device.get(key)) or report.NO_VALUE,
                report.hardware(origin.get("hardware") or {}),
                str(origin.get("commit") or "not a git checkout"),
                ", ".join(f"{name} {version}" for name, version in versions.items() if version) or report.NO_VALUE,
            )
        )
    differ = [key for key in ("device", "hardware", "commit", "versions") if _differs(found.values(), key)]
    words = f"{UNLIKE} They differ in: {', '.join(differ)}." if differ else ALIKE
    head = ("Points", "Device", "Hardware", "Commit", "Versions")
    return join(tag("p", words, class_="warning" if differ else None), table(head, rows))


def _differs(origins: Any, key: str) -> bool:
    return len(Counter(json.dumps(origin.get(key), sort_keys=True) for origin in origins)) > 1


def _files() -> Html:
    read = (
        "import xarray\n\n"
        'data = xarray.open_dataset("sweep.nc", engine="h5netcdf")  # every number of every point, along the axes'
    )
    words = "sweep.nc and sweep.csv have every number of every point; each folder in points/ is a run of its own."
    return join(tag("p", words), tag("pre", tag("code", read)))
