# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a sweep: what its main read-outs do along its axes, with every seed as a point."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from circuit.axes import ARM, DRAW, Axis, coordinate
from circuit.populations import POPULATIONS
from figures import arms, beside, dose, style
from figures.dose import REPEATS

#: So many figures at most are drawn of one sweep; more axes than two make one for each of their places.
MOST = 6
#: So many rows at most can be told apart along an axis of words.
MOST_ROWS = 60
#: Up to so many marks along a curve are of full size.
MOST_MARKS = 16
#: So many keys that were drawn are shown: those that matter most.
MOST_DRAWN = 5
#: Keys in words where their own say too little.
KEYS = {
    "drug.concentration": "Free drug concentration",
    "drug.dose": "Dose",
    "arm": "Arm",
    "network.num_neurons": "Cells",
}
UNITS = {"uM": "µM", "ug/kg": "µg/kg", "1": ""}
SHADES = ("#1D4E89", "#D1490C", "#1A9A6C", "#B866A6", "#B07D00", "#5AA9D6", "#6E747D", "#8C1D40")


@dataclass(frozen=True)
class Panel:
    """What a panel shows: its title, and curves of (key of the summary, mark, is filled, scale)."""

    title: str
    curves: tuple[tuple[str, str, bool, float], ...]


PANELS = (
    *(
        Panel(
            f"{name} rate (Hz)",
            ((f"rate_{name}_baseline_hz", "o", False, 1), (f"rate_{name}_drug_hz", "o", True, 1)),
        )
        for name in POPULATIONS
    ),
    Panel("Glutamate (Δ %)", (("glutamate_change_percent", "o", True, 1),)),
    Panel("AMPA throughput (Δ %)", (("ampa_throughput_change_percent", "o", True, 1),)),
    Panel("NMDA block (%)", (("block_PYR_mean", "o", True, 100), ("block_PV_mean", "D", False, 100))),
    Panel("Gamma power (Δ %)", (("gamma_power_change_percent", "o", True, 1),)),
)
#: Read-outs that are set against what was drawn.
SCATTERED = {
    "rate_PYR_change_percent": "PYR rate\n(% change)",
    "rate_PV_change_percent": "PV rate\n(% change)",
    "glutamate_change_percent": "Glutamate\n(% change)",
    "ampa_throughput_change_percent": "AMPA charge\n(% change)",
    "gamma_power_change_percent": "Gamma power\n(% change)",
}
AT_REST = {f"rate_{name}_baseline_hz": f"{name} rate\n(Hz)" for name in POPULATIONS}


@dataclass(frozen=True)
class Drawn:
    """A figure with its name as a file, its heading, its caption, and its words for who cannot see it."""

    name: str
    figure: Figure
    title: str
    caption: str

    @property
    def alt(self) -> str:
        """Words in place of the picture."""
        return f"{self.title}. {self.caption}"


def draw(sweep: Any) -> list[Drawn]:
    """Return the figures that suit the axes of a sweep.

    Parameters
    ----------
    sweep : gpu.collect.Collected
        Or any object with the same attributes; points may be missing.

    Returns
    -------
    list of Drawn
        Empty if nothing was varied that can be shown, or no point is done.
    """
    if "done" not in sweep.status.values():
        return []
    if "chain" in sweep.stacks and (sweep.stacks["chain"].values or sweep.stacks["chain"].why_not):
        return _courses(sweep)
    if any(axis.name == DRAW for axis in sweep.axes):
        return _scatter(sweep)
    table = dose.Table.of(sweep)
    return ([_doses(table)] if table is not None else []) + _read_outs(sweep)


def save(drawn: Sequence[Drawn], folder: Path, second: beside.Helper | None = None) -> list[Path]:
    """Write every figure as PNG and PDF, one of them beside the others if there is a helper; return the PNG files.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    return [paths[0] for paths in beside.save([(one.figure, one.name) for one in drawn], folder, second)]


# --- axes in words and numbers


@dataclass(frozen=True)
class Scale:
    """An axis of a sweep for the eye: its words, the words of each place, and numbers where it has them.

    Attributes
    ----------
    words : str
    labels : list of str
    numbers : ndarray of float, shape (places,), or None
    unit : str
    """

    words: str
    labels: list[str]
    numbers: np.ndarray | None
    unit: str

    @classmethod
    def of(cls, axis: Axis) -> Scale:
        """Return the scale of an axis: of its first key, if several change together."""
        first = [place[0] for place in axis.labels]
        values, unit = coordinate(first)
        words = key_words(axis.keys[0]) if len(axis.keys) == 1 else axis.name
        unit = UNITS.get(unit or "", unit or "")
        numbers = None if unit is None or isinstance(values[0], str) else np.array(values, float)
        if numbers is not None:
            labels = [f"{value:.4g} {unit}".strip().replace("-", "−") for value in numbers]
        else:
            labels = [place_words(text) for text in first]
        return cls(words, labels, numbers, unit)

    @property
    def label(self) -> str:
        """Words for under the axis."""
        return f"{self.words} ({self.unit})" if self.unit else self.words


def key_words(key: str) -> str:
    """Return a key of the configuration in as few words as say it."""
    parts = key.removeprefix("parameters.").split(".")
    return KEYS.get(key, " ".join(parts[-2:]).replace("_", " ") if len(parts) > 1 else parts[-1])


def place_words(text: str) -> str:
    """Return a value as words: a scalar as it stands, a list of groups by what they hold."""
    if not text.startswith(("[", "{")):
        return text
    value = json.loads(text)
    groups = value if isinstance(value, list) else [value]
    return "; ".join(map(_words, groups)) or "none"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(_words, value.values()))
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Roles:
    """Which axis is which: repetitions, the axis to draw along, the one in colours, and the others; by number."""

    repeats: tuple[int, ...]
    along: int | None
    colours: int | None
    others: tuple[int, ...]

    @classmethod
    def of(cls, axes: Sequence[Axis]) -> Roles:
        """Choose: along goes the first axis of three or more numbers, else the longest; in colours the next."""
        varied = [n for n, axis in enumerate(axes) if len(axis.labels) > 1]
        repeats = tuple(n for n, axis in enumerate(axes) if set(axis.keys) <= REPEATS or n not in varied)
        left = [n for n in varied if n not in repeats]
        numeric = [n for n in left if len(axes[n].labels) > 2 and Scale.of(axes[n]).numbers is not None]
        along = (numeric or sorted(left, key=lambda n: -len(axes[n].labels)) or [None])[0]
        left = [n for n in left if n != along]
        return cls(repeats, along, left[0] if left else None, tuple(left[1:]))


def spread(sweep: Any, key: str, roles: Roles, others: Sequence[int]) -> np.ndarray:
    """Return a key of the summary, shape (places along, colours, repetitions); NaN where a point is missing."""
    values = sweep.values.get(key)
    if values is None:
        values = np.full(sweep.shape, np.nan)
    order = [n for n in (roles.along, roles.colours) if n is not None]
    values = np.moveaxis(values, [*roles.others, *order], range(len(roles.others) + len(order)))[tuple(others)]
    sizes = [1 if n is None else len(sweep.axes[n].labels) for n in (roles.along, roles.colours)]
    return values.reshape(*sizes, -1)


# --- read-outs along an axis


def _read_outs(sweep: Any) -> list[Drawn]:
    roles = Roles.of(sweep.axes)
    if roles.along is None:
        return []
    rows = Scale.of(sweep.axes[roles.along])
    is_shown = any(_is_there(sweep, curve[0]) for panel in PANELS for curve in panel.curves)
    if not is_shown or (rows.numbers is None and len(rows.labels) > MOST_ROWS):
        return []
    combinations = list(itertools.product(*(range(len(sweep.axes[n].labels)) for n in roles.others)))
    drawn = []
    for n, others in enumerate(combinations[:MOST]):
        fixed = [f"{s.words} {s.labels[k]}" for s, k in zip(_scales(sweep, roles.others), others, strict=True)]
        name = "read-outs" if len(combinations) == 1 else f"read-outs-{n + 1}"
        title = "Read-outs" + (f" at {', '.join(fixed)}" if fixed else "")
        drawn.append(Drawn(name, read_outs(sweep, roles, others), title, _caption(sweep, roles, len(combinations))))
    return drawn


def _scales(sweep: Any, numbers: Sequence[int]) -> list[Scale]:
    return [Scale.of(sweep.axes[n]) for n in numbers]


def _caption(sweep: Any, roles: Roles, combinations: int) -> str:
    along = Scale.of(sweep.axes[roles.along])
    repeats = int(np.prod([len(sweep.axes[n].labels) for n in roles.repeats])) if roles.repeats else 1
    words = f"Along {along.words}"
    if roles.colours is not None:
        words += f", in colours {Scale.of(sweep.axes[roles.colours]).words}"
    words += f": means of {repeats} runs, and faint each of them under drug. " if repeats > 1 else ": one run each. "
    words += "Open marks are the baseline and filled marks the drug; of the block, diamonds are PV and discs PYR. "
    words += "Δ % is the change from baseline to drug."
    if combinations > MOST:
        words += f" The first {MOST} of {combinations} combinations of the other axes are drawn; sweep.nc has all."
    return words


@style.styled
def read_outs(sweep: Any, roles: Roles, others: Sequence[int] = ()) -> Figure:
    """Return small multiples of the main read-outs along one axis, another in colours, repetitions as spread."""
    along = Scale.of(sweep.axes[roles.along])
    colours = Scale.of(sweep.axes[roles.colours]) if roles.colours is not None else None
    shown = [panel for panel in PANELS if any(_is_there(sweep, curve[0]) for curve in panel.curves)]
    across = along.numbers is not None
    lines = 1 if colours is None else len(colours.labels)
    height = 46.0 if across else 10 + 3.2 * len(along.labels) * max(1.0, 0.5 * lines)
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, rows * height + (14 if colours else 8))
    grid = np.atleast_1d(fig.subplots(rows, columns, squeeze=False, sharey=False)).ravel()
    shades = palette(colours)
    for n, (axes, panel) in enumerate(zip(grid, shown, strict=False)):
        _draw_panel(axes, sweep, roles, others, panel, along, shades)
        axes.set_title(f"{'ABCDEFGH'[n]}  {panel.title}", loc="left")
        if across:
            axes.set_xlabel(along.label if n + columns >= len(shown) else "")
        else:
            _row_axis(axes, along, n % columns == 0)
    for axes in grid[len(shown) :]:
        axes.remove()
    _legend(fig, colours, shades, shown, "-" if across else "none")
    return fig


def _draw_panel(
    axes: Axes,
    sweep: Any,
    roles: Roles,
    others: Sequence[int],
    panel: Panel,
    along: Scale,
    shades: Sequence[Any],
) -> None:
    """Draw the curves of a panel: numbers go across, words go down."""
    across = along.numbers is not None
    places = along.numbers if across else np.arange(len(along.labels), dtype=float)
    if "Δ" in panel.title:
        (axes.axhline if across else axes.axvline)(0, color=style.FAINT, linewidth=0.8, zorder=0)
    for key, mark, is_filled, scale in panel.curves:
        values = scale * spread(sweep, key, roles, others)
        if not np.isfinite(values).any():
            continue
        for n, shade in enumerate(shades):
            offset = 0.0 if across else 0.7 * ((n + 0.5) / len(shades) - 0.5)
            _draw_curve(axes, places + offset, values[:, n], across, shade, mark, is_filled)
    if across:
        number_axis(axes, places)


def _draw_curve(
    axes: Axes, places: np.ndarray, values: np.ndarray, across: bool, color: Any, mark: str, is_filled: bool
) -> None:
    """Draw the means of values of shape (places, repetitions), and of filled marks each repetition, faint."""
    means = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in values])
    if values.shape[1] > 1 and is_filled:  # of both, nobody could tell which is which
        spots = np.repeat(places, values.shape[1]), values.ravel()
        axes.plot(*(spots if across else spots[::-1]), ".", color=color, alpha=0.45, markersize=3, markeredgewidth=0)
    known = np.isfinite(means)
    size = 3.2 if len(places) <= MOST_MARKS or not across else 1.5
    axes.plot(
        *((places[known], means[known]) if across else (means[known], places[known])),
        marker=mark,
        linestyle=("-" if is_filled else (0, (2, 1.5))) if across else "none",
        color=color,
        markerfacecolor=color if is_filled else "white",
        markersize=size,
        markeredgewidth=size / 4,
        linewidth=1.0,
    )


def number_axis(axes: Axes, values: np.ndarray) -> None:
    """Scale an axis of numbers: in logarithms if they span so much, with no more ticks than have room."""
    found = np.unique(values[np.isfinite(values)])
    positive = found[found > 0]
    if found[0] >= 0 and positive.size > 2 and positive[-1] / positive[0] >= 20:
        axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
        axes.set_xlim(-0.1 * positive[0] if found[0] == 0 else positive[0] * 0.8, positive[-1] * 1.25)
        ticks = style.apart(found, axes)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    else:
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4)


def _row_axis(axes: Axes, along: Scale, is_named: bool) -> None:
    rows = np.arange(len(along.labels))
    labels = [_short(label) for label in along.labels]
    axes.set_yticks(rows, labels if is_named else [""] * len(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for row in rows[:-1]:
        axes.axhline(row + 0.5, color=style.FAINT, linewidth=0.3, zorder=0)
    axes.locator_params(axis="x", nbins=4)


def _short(label: str) -> str:
    return textwrap.shorten(label, 34, placeholder=" ...")


def palette(colours: Scale | None) -> list[Any]:
    """Return a colour for each place: in order for numbers, apart from each other for words."""
    if colours is None:
        return [SHADES[0]]
    number = len(colours.labels)
    if colours.numbers is None and number <= len(SHADES):
        return list(SHADES[:number])
    order = np.argsort(np.argsort(colours.numbers)) if colours.numbers is not None else np.arange(number)
    return [matplotlib.colormaps["viridis"](0.9 * rank / max(number - 1, 1)) for rank in order]


def _legend(fig: Figure, colours: Scale | None, shades: Sequence[Any], shown: Sequence[Panel], line: str) -> None:
    """Name the colours above the panels; of many, some."""
    handles = []
    if colours is not None:
        chosen = range(len(shades)) if len(shades) <= 8 else np.unique(np.linspace(0, len(shades) - 1, 6).astype(int))
        handles = [
            Line2D([], [], color=shades[n], linestyle=line, marker="o", markersize=3.2, label=_short(colours.labels[n]))
            for n in chosen
        ]
    if any(len(panel.curves) > 1 for panel in shown):
        marks = {"markersize": 3.2, "markeredgewidth": 0.8, "color": style.BASELINE, "linestyle": "none"}
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", label="baseline", **marks))
        handles.append(Line2D([], [], marker="o", label="under drug (block: PYR)", **marks))
        handles.append(Line2D([], [], marker="D", markerfacecolor="white", label="block: PV", **marks))
    if handles:
        title = colours.words if colours is not None else None
        fig.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), title=title, alignment="left")


# --- a dose


def _doses(table: dose.Table) -> Drawn:
    words = "A, blocked share of each population's NMDA conductance; B, its rate; C, glutamate and AMPA throughput. "
    words += "Bars are standard errors over the runs at a dose. "
    said = [f"{line}." for line in dose.verdict(table)]
    return Drawn("dose", dose.figure(table), "The dose axis", words + " ".join(said))


# --- courses


def _courses(sweep: Any) -> list[Drawn]:
    runs: dict[str, list[Any]] = {}
    kept = [n for n, axis in enumerate(sweep.axes) if len(axis.labels) > 1 and not set(axis.keys) <= REPEATS]
    scales = {n: Scale.of(sweep.axes[n]) for n in kept}
    for point in sweep.points:
        if sweep.status[point.id] == "done":
            named = (sweep.axes[n].name == ARM for n in kept)
            parts = [
                scales[n].labels[point.place[n]] if is_arm else f"{scales[n].words} {scales[n].labels[point.place[n]]}"
                for n, is_arm in zip(kept, named, strict=True)
            ]
            runs.setdefault(", ".join(parts) or sweep.title, []).append(sweep.results(point.id))
    if len(runs) > MOST_ROWS:
        return []
    most = max(map(len, runs.values()))
    words = "Bars are means, dots single runs. " if most > 1 else "One run each. "
    words += "Brown is what was published: arrows give the direction, whether or not the bar agrees. "
    return [Drawn("arms", arms.figure(runs), "Arms side by side", words)]


# --- draws


def _scatter(sweep: Any) -> list[Drawn]:
    at = next(n for n, axis in enumerate(sweep.axes) if axis.name == DRAW)
    if not _drawn_values(sweep, at) or not any(_is_there(sweep, key) for key in (*SCATTERED, *AT_REST)):
        return []
    words = "Every point of the sweep against what was drawn for it; rho is Spearman's rank correlation, with those of "
    words += "at least 0.4 in bold. "
    if len(sweep.axes[at].keys) > MOST_DRAWN:
        words += f"The {MOST_DRAWN} keys of {len(sweep.axes[at].keys)} that correlate most are shown."
    return [Drawn("draws", scatter(sweep), "What was drawn, and what came of it", words.strip())]


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's correlation of the pairs that are finite; NaN for fewer than three or no spread."""
    from scipy.stats import rankdata  # not at the top: slow to import

    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3 or np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x[known]), rankdata(y[known]))[0, 1])


def _drawn_values(sweep: Any, at: int) -> dict[str, tuple[np.ndarray, str]]:
    """Return, of each key that was drawn as a number, its value at every point, shape of the sweep, and its label."""
    found = {}
    for n, key in enumerate(sweep.axes[at].keys):
        values, unit = coordinate([place[n] for place in sweep.axes[at].labels])
        if unit is not None:
            shape = [1] * len(sweep.shape)
            shape[at] = -1
            unit = UNITS.get(unit, unit)
            label = f"{key_words(key)} ({unit})" if unit else key_words(key)
            found[key] = np.broadcast_to(np.reshape(values, shape), sweep.shape), label
    return found


@style.styled
def scatter(sweep: Any) -> Figure:
    """Return scatter plots of the main read-outs against each key that was drawn, with rank correlations."""
    at = next(n for n, axis in enumerate(sweep.axes) if axis.name == DRAW)
    drawn = _drawn_values(sweep, at)
    shown = {key: label for key, label in SCATTERED.items() if _is_there(sweep, key)}
    shown = shown or {key: label for key, label in AT_REST.items() if _is_there(sweep, key)}
    rho = {
        (key, out): rank_correlation(drawn[key][0].ravel(), sweep.values[out].ravel()) for key in drawn for out in shown
    }
    weight = {key: max(abs(np.nan_to_num(rho[key, out])) for out in shown) for key in drawn}
    first = sorted(drawn, key=weight.__getitem__, reverse=True)[:MOST_DRAWN]
    keys = [key for key in drawn if key in first]
    width = min(style.DOUBLE_COLUMN_MM, 20 + 42 * len(keys))
    fig = style.new_figure(width, 10 + 27 * len(shown))
    panels = fig.subplots(len(shown), len(keys), squeeze=False, sharex="col", sharey="row")
    for row, (out, words) in enumerate(shown.items()):
        for column, key in enumerate(keys):
            axes = panels[row][column]
            axes.plot(drawn[key][0].ravel(), sweep.values[out].ravel(), ".", color=SHADES[0], markersize=3, alpha=0.6)
            _write_rho(axes, rho[key, out])
            axes.set_ylabel(words if column == 0 else "")
            axes.set_xlabel("\n".join(textwrap.wrap(drawn[key][1], 24)) if row == len(shown) - 1 else "")
            axes.locator_params(nbins=4)
    fig.align_labels()
    return fig


def _is_there(sweep: Any, key: str) -> bool:
    return key in sweep.values and bool(np.isfinite(sweep.values[key]).any())


def _write_rho(axes: Axes, rho: float) -> None:
    if np.isfinite(rho):
        weight = "bold" if abs(rho) >= 0.4 else "normal"
        text = f"ρ {rho:+.2f}".replace("-", "−")
        axes.set_title(text, loc="right", fontsize=6.5, fontweight=weight, color=style.INK, pad=2)
