# SPDX-License-Identifier: GPL-3.0-or-later
"""The arms of an experiment side by side: what each does to the chain and the spines, and what was published."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit.findings import Findings, load
from figures import style


@dataclass(frozen=True)
class Measure:
    """A read-out of a course, in percent of an arm's own state before the drug: words, and hours since the drug."""

    label: str
    read: Callable[[Any], float]
    unit: str = "% of before"


def chain_change(name: str, first: float, last: float) -> Callable[[Any], float]:
    """Return what reads the mean of a quantity of the chain between two hours, in % of the hour before the drug."""

    def read(results: Any) -> float:
        hours, values = results.chain(name)
        before, after = (hours > -1) & (hours < -1e-6), (hours >= first) & (hours <= last)
        return float(100 * values[after].mean() / values[before].mean()) if after.any() and before.any() else np.nan

    return read


def spine_change(name: str, at: float) -> Callable[[Any], float]:
    """Return what reads a quantity of the spines at an hour, in % of the session at the drug."""

    def read(results: Any) -> float:
        hours, values = results.spines(name)
        if hours[-1] < at - 1:
            return np.nan
        return float(100 * values[np.abs(hours - at).argmin()] / values[np.abs(hours).argmin()])

    return read


def formed(at: float) -> Callable[[Any], float]:
    """Return what reads the spines formed since the drug by an hour, in % of those at the drug."""
    return lambda results: 100 * _at(*results.spines("formed_since"), at)


def _at(hours: np.ndarray, values: np.ndarray, at: float) -> float:
    return float(values[np.abs(hours - at).argmin()]) if hours[-1] >= at - 1 else np.nan


def _around_induction(read: Callable[[Any, float], float]) -> Callable[[Any], float]:
    """Return what reads a quantity at the last phase of test pulses in % of that at the first."""

    def percent(results: Any) -> float:
        hours = results.responses("pulses")[0]
        return 100 * read(results, hours[-1]) / read(results, hours[0])

    return percent


def _pathway(name: str) -> Callable[[Any], float]:
    return _around_induction(lambda results, at: _at(*results.spines(name), at))


MEASURES = {
    "p_eEF2_30min": Measure("p-eEF2\n15-45 min", chain_change("p_eEF", 0.25, 0.75)),
    "released_BDNF_1h": Measure("free BDNF\n15-60 min", chain_change("BDNF_free", 0.25, 1.0)),
    "BDNF_1h": Measure("BDNF\n30-90 min", chain_change("BDNF", 0.5, 1.5)),
    "p_mTOR_1h": Measure("p-mTOR\n30-60 min", chain_change("mTOR", 0.5, 1.0)),
    "GluA1_6h": Measure("GluA1\n6 h", chain_change("GluA", 4.0, 8.0)),
    "formed_24h": Measure("formed\nby 24 h", formed(24.0), "% of spines"),
    "spines_24h": Measure("spines\n24 h", spine_change("density", 24.0)),
}
#: The same of an experiment with test pulses: an hour after what came between them, in percent of before.
OF_STIMULI = {
    "tested": Measure("tested\nspines", _pathway("tested")),
    "control": Measure("control\nspines", _pathway("control")),
    "charge": Measure("AMPA charge\nafter a pulse", _around_induction(lambda r, at: _at(*r.responses("charge"), at))),
}


@dataclass(frozen=True)
class Published:
    """What was published of an arm.

    Attributes
    ----------
    words : str
        Beside its bars, in front of the source.
    ids : tuple of str
        The findings (configs/findings.yaml) whose sources are named.
    signs : dict of str to tuple of str
        Of measures, the direction that a finding has, whatever the model shows: ``up``, ``down`` or ``none``, and its
        id. ``none`` beside ketamine means that its effect was prevented.
    """

    words: str
    ids: tuple[str, ...] = ()
    signs: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def label(self, known: Findings) -> str:
        """Return the words and the sources."""
        sources = ", ".join(dict.fromkeys(known[name].source.replace(" ", "\N{NO-BREAK SPACE}") for name in self.ids))
        return f"{self.words} ({sources})" if sources else self.words


PUBLISHED = {
    "ketamine": Published(
        "antidepressant",
        ("D19",),
        {
            "p_eEF2_30min": ("down", "C4"),
            "released_BDNF_1h": ("up", "C9"),
            "BDNF_1h": ("up", "C4"),
            "p_mTOR_1h": ("up", "C1"),
            "GluA1_6h": ("up", "C2"),
            "formed_24h": ("up", "D6"),
            "spines_24h": ("up", "C1"),
        },
    ),
    "NBQX + ketamine": Published("behaviour prevented", ("D19",), {"released_BDNF_1h": ("none", "C9")}),
    "nimodipine + ketamine": Published("BDNF not released", ("C9",), {"released_BDNF_1h": ("none", "C9")}),
    "anti-BDNF + ketamine": Published("behaviour prevented", ("C8",)),
    "K-252a + ketamine": Published("TrkB needed, say reviews"),
    "rapamycin + ketamine": Published(
        "prevented in rats", ("C1",), {"GluA1_6h": ("none", "C1"), "spines_24h": ("none", "C1")}
    ),
    "muscimol + ketamine": Published("behaviour prevented", ("D15",)),
    "compound C + ketamine": Published("BDNF rises less", ("C12",)),
    "BDNF Met-Met + ketamine": Published("no synaptogenesis", ("D12",), {"spines_24h": ("none", "D12")}),
    "GSK-3 knock-in + ketamine": Published("behaviour absent", ("C14",)),
    "SB216763": Published("not antidepressant", ("C15",)),
    "LY379268 + ketamine": Published("glutamate rise blocked", ("B33",)),
    "CP-101606": Published("antidepressant", ("D28",)),
    "MK-801": Published("as ketamine, shorter", ("D19",), {"p_eEF2_30min": ("down", "C4")}),
    "memantine": Published(
        "not antidepressant", ("A12",), {"p_eEF2_30min": ("none", "A12"), "BDNF_1h": ("none", "A12")}
    ),
    "rapastinel": Published("antidepressant, no surge", ("A25",)),
    "Ro 25-6981": Published("as ketamine", ("C3",), {"GluA1_6h": ("up", "C3"), "spines_24h": ("up", "C3")}),
    "PYR GluN2B knock-out": Published("antidepressant by itself", ("C24",), {"p_mTOR_1h": ("up", "C24")}),
    "PYR GluN2B knock-out + ketamine": Published("ketamine adds nothing", ("C24",)),
    "theta bursts": Published("potentiate", ("A30",), {"tested": ("up", "A30")}),
    "low frequency": Published("depresses", ("A31",), {"tested": ("down", "A31")}),
    "MK-801 theta bursts": Published("NMDA receptors needed"),
    "MK-801 low frequency": Published("NMDA receptors needed", ("A31",), {"tested": ("none", "A31")}),
    "Ro 25-6981 low frequency": Published("no depression", ("A32",), {"tested": ("none", "A32")}),
    "Ro 25-6981 theta bursts": Published("potentiate", ("A32",), {"tested": ("up", "A32")}),
    "no GluN2A theta bursts": Published("no potentiation", ("A32",), {"tested": ("none", "A32")}),
    "anti-BDNF theta bursts": Published("potentiate less", ("A33",)),
}
ARROWS = {"up": "↑", "down": "↓", "none": "–"}


Runs = Mapping[str, Sequence[Any]]
"""Of each arm, its runs: one for each seed."""


def measures_of(runs: Runs) -> dict[str, Measure]:
    """Return what is read of these runs."""
    return OF_STIMULI if all(run.has_stimuli for group in runs.values() for run in group) else MEASURES


def each(runs: Runs) -> dict[str, dict[str, np.ndarray]]:
    """Return every measure of every arm, shape (runs of the arm,)."""
    measures = measures_of(runs)
    return {
        name: {key: np.array([measure.read(run) for run in group]) for key, measure in measures.items()}
        for name, group in runs.items()
    }


def values(runs: Runs) -> dict[str, dict[str, float]]:
    """Return the mean of every measure over the runs of every arm."""
    return {name: {key: _mean(found) for key, found in group.items()} for name, group in each(runs).items()}


def _mean(found: np.ndarray) -> float:
    known = found[np.isfinite(found)]
    return float(known.mean()) if known.size else float("nan")


def lines(runs: Runs) -> list[str]:
    """Return the measures as a table of text."""
    width = max(len(name) for name in runs) + 2
    head = " " * width + "".join(f"{key:>18}" for key in measures_of(runs))
    return [head] + [
        f"{name:<{width}}" + "".join(f"{value:>18.1f}" for value in found.values())
        for name, found in values(runs).items()
    ]


def write_table(runs: Runs, path: Path) -> None:
    """Write the measures as CSV, one line an arm.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", *measures_of(runs)])
        writer.writerows([name, *found.values()] for name, found in values(runs).items())


@style.styled
def figure(runs: Runs) -> Figure:
    """Return the figure: a row for each arm, a column of bars for each measure, what was published at the right.

    Bars are means over the runs of an arm; if there are several, each is a dot. An arrow beside a bar is the published
    direction of that measure, whether or not the bar agrees.
    """
    names, found, measures = list(runs), each(runs), measures_of(runs)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 26 + 6.5 * len(names))
    panels = np.atleast_1d(fig.subplots(1, len(measures), sharey=True))
    rows = np.arange(len(names))
    for n, (axes, (key, measure)) in enumerate(zip(panels, measures.items(), strict=True)):
        bars = np.array([_mean(found[name][key]) for name in names])
        base = 0.0 if measure.unit == "% of spines" else 100.0
        colors = [style.COLORS["PYR"] if "ketamine" in name else style.BASELINE for name in names]
        axes.barh(rows, bars - base, left=base, color=colors, height=0.62)
        for row, name in enumerate(names):
            if found[name][key].size > 1:
                dots = found[name][key]
                axes.plot(dots, np.full(dots.size, row), ".", color=style.INK, markersize=2.2, markeredgewidth=0)
        axes.axvline(base, color=style.INK, linewidth=0.7)
        axes.set_title(f"{'ABCDEFG'[n]}  {measure.label}", fontsize=6.5, loc="left")
        axes.set_xlabel(measure.unit, fontsize=6.5)
        axes.tick_params(labelsize=6.5)
        axes.locator_params(axis="x", nbins=2)
    panels[0].set_yticks(rows, names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    _draw_published(panels, list(measures), names)
    return fig


def _draw_published(panels: Sequence[Axes], measures: Sequence[str], names: Sequence[str]) -> None:
    """Write right of each panel the published direction of its measure, and right of all what else was published."""
    rows, known = {row: PUBLISHED[name] for row, name in enumerate(names) if name in PUBLISHED}, load()
    for row, published in rows.items():
        for axes, measure in zip(panels, measures, strict=True):
            if measure in published.signs:
                arrow = ARROWS[published.signs[measure][0]]
                _beside(axes, (1, row), ("axes fraction", "data"), arrow, dx=4, va="center", fontsize=8.0)
        words = textwrap.fill(published.label(known), 26)
        _beside(panels[-1], (1, row), ("axes fraction", "data"), words, va="center")
    if rows:
        _beside(panels[-1], (1, 1), "axes fraction", "Published,\narrows: direction", dy=3)


def _beside(
    axes: Axes, at: tuple[float, float], coords: Any, words: str, dx: float = 15, dy: float = 0, **look: Any
) -> None:
    """Write words `dx` and `dy` points from a place that may lie outside of the axes."""
    look = {"fontsize": 6.5, "color": style.DRUG} | look
    axes.annotate(
        words, at, xycoords=coords, xytext=(dx, dy), textcoords="offset points", annotation_clip=False, **look
    )
