# SPDX-License-Identifier: GPL-3.0-or-later
"""The dose axis: block by cell type, rates and glutamate against dose, and what was found in rats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit import findings
from circuit.populations import POPULATIONS
from circuit.units import parse
from figures import style

#: Axes whose places are repetitions of one thing.
REPEATS = frozenset({"seed", "drug.subject"})
#: Key that a sweep varied, its unit on the axis, and the words for it.
AXES = {
    "drug.concentration": ("uM", "Free concentration (µM)"),
    "drug.dose": ("mg/kg", "Dose (mg/kg)"),
}
#: Extracellular glutamate in rat prefrontal cortex after ketamine i.p., direction only.
FINDING = "B24"
RATS = {"name": "ketamine", "species": "rat", "route": "i.p."}
SIGNS = {1: "rises", 0: "does not change", -1: "falls"}
#: A mean change counts if it is more than this many standard errors from zero.
ERRORS = 2.0


@cache
def finding() -> findings.Finding:
    """Return what was published of glutamate against dose."""
    return findings.load()[FINDING]


def published() -> dict[float, int]:
    """Return the published direction of glutamate, 1, 0 or -1, at each dose in mg/kg."""
    signs = {"up": 1, "none": 0, "down": -1}
    return {parse(effect.at, ("mg/kg",)).magnitude: signs[effect.sign] for effect in finding().effects}


@dataclass(frozen=True)
class Table:
    """A sweep over doses and seeds.

    Attributes
    ----------
    key : str
        What was varied, a key of `AXES`.
    doses : ndarray, shape (num_doses,)
        Ascending, in the unit of `AXES`.
    values : dict of str to list of ndarray
        Each key of the summary: for every dose, its value in each run that has one.
    is_published : bool
        Whether the doses are given as they were in what was `published`.
    """

    key: str
    doses: np.ndarray
    values: dict[str, list[np.ndarray]]
    is_published: bool = False

    @classmethod
    def of(cls, sweep: Any) -> Table | None:
        """Return the table of a sweep; None if it varied anything but a dose and repetitions (seeds, subjects).

        Parameters
        ----------
        sweep : gpu.collect.Collected
            Or any object with the same attributes.
        """
        varied = [n for n, axis in enumerate(sweep.axes) if len(axis.labels) > 1 and not set(axis.keys) <= REPEATS]
        if len(varied) != 1 or sweep.axes[varied[0]].keys[0] not in AXES or len(sweep.axes[varied[0]].keys) > 1:
            return None
        axis = sweep.axes[varied[0]]
        key, unit = axis.keys[0], AXES[axis.keys[0]][0]
        amounts = np.array([parse(text, (unit, "nM" if unit == "uM" else "ug/kg")).to(unit) for (text,) in axis.labels])
        order = np.argsort(amounts)
        values = {
            name: [row[np.isfinite(row)] for row in np.moveaxis(found, varied[0], 0).reshape(len(amounts), -1)[order]]
            for name, found in sweep.values.items()
        }
        drug = sweep.settings.get("drug") or {}
        as_published = {key: drug.get(key) for key in RATS} == RATS
        return cls(key, amounts[order], values, key == "drug.dose" and as_published)

    def mean(self, name: str) -> np.ndarray:
        """Mean over the runs at each dose; NaN where there is none."""
        return np.array([values.mean() if values.size else np.nan for values in self.values[name]])

    def error(self, name: str) -> np.ndarray:
        """Standard error of that mean; zero of a single run."""
        return np.array([v.std(ddof=1) / np.sqrt(v.size) if v.size > 1 else 0.0 for v in self.values[name]])

    def sign(self, name: str) -> np.ndarray:
        """1, 0 or -1 for a change above, within or below `ERRORS` standard errors of zero."""
        mean, error = self.mean(name), self.error(name)
        return np.where(np.abs(mean) <= ERRORS * error, 0, np.sign(np.nan_to_num(mean))).astype(int)


@style.styled
def figure(table: Table) -> Figure:
    """Return the figure: A block by cell type, B rates, C glutamate and AMPA throughput against dose."""
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 68)
    panels = fig.subplots(1, 3)
    draw_block(panels[0], table)
    draw_rates(panels[1], table)
    draw_glutamate(panels[2], table)
    for axes, letter in zip(panels, "ABC", strict=True):
        _dose_axis(axes, table)
        style.letter(axes, letter, dx=-24, dy=4)
    return fig


def _dose_axis(axes: Axes, table: Table) -> None:
    positive = table.doses[table.doses > 0]
    axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    axes.set_xlim(0 if table.doses[0] == 0 else positive[0] * 0.8, positive[-1] * 1.25)
    ticks = style.apart(table.doses, axes, 0.07)
    axes.set_xticks(ticks, [f"{dose:g}" for dose in ticks], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel(AXES[table.key][1])


def _line(axes: Axes, table: Table, name: str, color: str, label: str, scale: float = 1.0, **marks: object) -> None:
    if name not in table.values:
        return
    axes.errorbar(
        table.doses,
        scale * table.mean(name),
        scale * table.error(name),
        color=color,
        label=label,
        linewidth=1.1,
        elinewidth=0.7,
        markersize=3,
        **({"marker": "o"} | marks),
    )


def draw_block(axes: Axes, table: Table) -> Axes:
    """Draw the blocked share of the NMDA conductance of each population, percent."""
    for name in POPULATIONS:
        _line(axes, table, f"block_{name}_mean", style.COLORS[name], name, 100)
    axes.set_ylim(0, 100)
    axes.set_ylabel("Blocked NMDA conductance (%)")
    axes.legend(loc="upper left", labelcolor="linecolor")
    return axes


def draw_rates(axes: Axes, table: Table) -> Axes:
    """Draw the change of each population's rate from its own baseline, percent."""
    axes.axhline(0, color=style.FAINT, linewidth=0.8, zorder=0)
    for name in POPULATIONS:
        _line(axes, table, f"rate_{name}_change_percent", style.COLORS[name], name)
    axes.set_ylabel("Change of firing rate (%)")
    return axes


def draw_glutamate(axes: Axes, table: Table) -> Axes:
    """Draw the change of glutamate and AMPA throughput, percent; of doses in rats, the published directions above."""
    axes.axhline(0, color=style.FAINT, linewidth=0.8, zorder=0)
    _line(axes, table, "glutamate_change_percent", style.GLUTAMATE, "glutamate")
    _line(axes, table, "ampa_throughput_change_percent", style.BASELINE, "AMPA throughput", marker="s")
    axes.set_ylabel("Change (%)")
    place = {"loc": "upper left", "bbox_to_anchor": (0, 0.9)} if table.is_published else {"loc": "best"}
    axes.legend(labelcolor="linecolor", **place)
    if table.is_published:  # a strip for the arrows, and below them the legend
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.5 * (high - low))
        means, signs = table.mean("glutamate_change_percent"), table.sign("glutamate_change_percent")
        known = published()
        for dose, mean, sign in zip(table.doses, means, signs, strict=True):
            if dose in known and np.isfinite(mean):
                agrees = sign == known[dose]
                axes.text(
                    dose,
                    high + 0.38 * (high - low),
                    {1: "↑", 0: "–", -1: "↓"}[known[dose]],
                    ha="center",
                    color=style.INK if agrees else style.COLORS["PV"],
                )
        axes.set_title("Arrows: rats. Red: differs", loc="right")
    return axes


def verdict(table: Table) -> list[str]:
    """Return in words where the model and the rats agree; nothing if the doses are not given as they were there."""
    if not table.is_published:
        return []
    words, known = [], published()
    changes = zip(
        table.doses, table.mean("glutamate_change_percent"), table.sign("glutamate_change_percent"), strict=True
    )
    for dose, mean, sign in changes:
        if dose in known and np.isfinite(mean):
            agree = "agrees" if sign == known[dose] else "differs"
            words.append(
                f"{dose:g} mg/kg: glutamate {SIGNS[sign]} here ({mean:+.1f} %) and {SIGNS[known[dose]]} in rats "
                f"({finding().source}): {agree}"
            )
    if words and finding().use == "calibration":
        words.append("The model was fitted with these directions in view, so that it agrees is no prediction")
    return words
