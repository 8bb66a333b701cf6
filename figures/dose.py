# SPDX-License-Identifier: GPL-3.0-or-later
"""The dose axis: block by cell type, rates and glutamate against dose, and what was found in rats."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit.populations import POPULATIONS
from circuit.units import parse
from figures import style

#: Key that an ensemble varied, its unit on the axis, and the words for it.
AXES = {
    "drug.concentration": ("uM", "Free concentration (µM)"),
    "drug.dose": ("mg/kg", "Dose (mg/kg)"),
}
#: Extracellular glutamate in rat prefrontal cortex after ketamine i.p., direction only (Moghaddam 1997, finding B24).
PUBLISHED = {10.0: 1, 20.0: 1, 30.0: 1, 50.0: 0, 200.0: -1}
SIGNS = {1: "rises", 0: "does not change", -1: "falls"}
#: A mean change counts if it is more than this many standard errors from zero.
ERRORS = 2.0


@dataclass(frozen=True)
class Table:
    """An ensemble over doses and seeds.

    Attributes
    ----------
    key : str
        What was varied, a key of `AXES`.
    doses : ndarray, shape (num_doses,)
        Ascending, in the unit of `AXES`.
    values : dict of str to list of ndarray
        Each column of the summary: for every dose, its value in each run.
    """

    key: str
    doses: np.ndarray
    values: dict[str, list[np.ndarray]]

    @classmethod
    def read(cls, path: Path) -> Table | None:
        """Read the table of an ensemble; None if it varied anything but seeds and a dose."""
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        varied = [name for name in rows[0] if "." in name] if rows else []
        if len(varied) != 1 or varied[0] not in AXES:
            return None
        key = varied[0]
        unit = AXES[key][0]
        amounts = np.array([parse(row[key], (unit, "nM" if unit == "uM" else "ug/kg")).to(unit) for row in rows])
        doses = np.unique(amounts)
        columns = [name for name in rows[0] if name not in ("folder", "seed", key)]
        values = {
            name: [
                np.array([_number(row[name]) for row, a in zip(rows, amounts, strict=True) if a == d]) for d in doses
            ]
            for name in columns
        }
        return cls(key, doses, values)

    def mean(self, name: str) -> np.ndarray:
        """Mean over the runs at each dose."""
        return np.array([values.mean() for values in self.values[name]])

    def error(self, name: str) -> np.ndarray:
        """Standard error of that mean; zero of a single run."""
        return np.array([v.std(ddof=1) / np.sqrt(v.size) if v.size > 1 else 0.0 for v in self.values[name]])

    def sign(self, name: str) -> np.ndarray:
        """1, 0 or -1 for a change above, within or below `ERRORS` standard errors of zero."""
        mean, error = self.mean(name), self.error(name)
        return np.where(np.abs(mean) <= ERRORS * error, 0, np.sign(mean)).astype(int)


def _number(text: str) -> float:
    return float(text) if text else float("nan")


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
    ticks = [dose for dose in table.doses if dose == 0 or dose >= positive[0]]
    axes.set_xticks(ticks, [f"{dose:g}" for dose in ticks], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel(AXES[table.key][1])


def _line(axes: Axes, table: Table, name: str, color: str, label: str, scale: float = 1.0, **marks: object) -> None:
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
    axes.legend(loc="upper left", labelcolor="linecolor")
    if table.key == "drug.dose":
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.35 * (high - low))
        for dose, sign in zip(table.doses, table.sign("glutamate_change_percent"), strict=True):
            if dose in PUBLISHED:
                agrees = sign == PUBLISHED[dose]
                axes.text(
                    dose,
                    high + 0.24 * (high - low),
                    {1: "↑", 0: "–", -1: "↓"}[PUBLISHED[dose]],
                    ha="center",
                    color=style.INK if agrees else style.COLORS["PV"],
                )
        axes.set_title("Arrows: rats. Red: differs", loc="right")
    return axes


def verdict(table: Table) -> list[str]:
    """Return in words where the model and the rats agree; nothing if the axis is no dose."""
    if table.key != "drug.dose":
        return []
    words = []
    changes = zip(
        table.doses, table.mean("glutamate_change_percent"), table.sign("glutamate_change_percent"), strict=True
    )
    for dose, mean, sign in changes:
        if dose in PUBLISHED:
            agree = "agrees" if sign == PUBLISHED[dose] else "differs"
            words.append(
                f"{dose:g} mg/kg: glutamate {SIGNS[sign]} here ({mean:+.1f} %) and {SIGNS[PUBLISHED[dose]]} in rats "
                f"(Moghaddam 1997): {agree}"
            )
    return words
