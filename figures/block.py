# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the NMDA conductance the drug takes, when, in which cells and through which receptors."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit.subunits import CLASSES
from figures import style, timeline
from figures.timeline import Timeline


def block_of(results: Any, population: str, cls: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times (s) and blocked fraction (0 to 1), both empty where the population has no such receptors."""
    shares = results.class_shares(population)
    absent = shares is not None and shares[results.classes.index(cls)] == 0
    times, values = results.block(population, cls)
    return (np.empty(0), np.empty(0)) if absent or not np.isfinite(values).any() else (times, values)


def window_mean(times: np.ndarray, values: np.ndarray, window: tuple[float, float] | None) -> float:
    """Return the mean of `values` over a window (s); NaN if nothing falls in it."""
    if window is None or not times.size:
        return float("nan")
    inside = (times >= window[0]) & (times < window[1])
    return float(np.nanmean(values[inside])) if inside.any() else float("nan")


def draw_block(axes: Axes, results: Any, cls: str) -> Axes:
    """Draw the blocked fraction of the receptors with one subunit against time, a line for each population, percent."""
    for name in results.sizes:
        times, values = block_of(results, name, cls)
        if times.size:
            axes.plot(times, 100 * values, color=style.COLORS[name], label=name)
    return axes


def draw_settled(axes: Axes, results: Any, window: tuple[float, float] | None) -> Axes:
    """Draw the mean block in a window for every population, with the mark of each subunit."""
    present = list(results.sizes)
    for row, name in enumerate(present):
        means = [100 * window_mean(*block_of(results, name, cls), window) for cls in CLASSES]
        shown = [m for m in means if np.isfinite(m)]
        if len(shown) > 1:
            axes.plot([min(shown), max(shown)], [row, row], color=style.FAINT, linewidth=1.2, zorder=1)
        for mean, cls in zip(means, CLASSES, strict=True):
            if np.isfinite(mean):
                marker(axes, mean, row, style.COLORS[name], cls)
    axes.set_yticks(range(len(present)), present)
    for text, name in zip(axes.get_yticklabels(), present, strict=True):
        text.set_color(style.COLORS[name])
    axes.set_ylim(len(present) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    return axes


def marker(axes: Axes, x: float, y: float, color: str, cls: str, size: float = 5.0) -> None:
    """Put the mark of a subunit at a point (see `figures.style.CLASS_MARKERS`)."""
    shape, filled = style.CLASS_MARKERS[cls]
    axes.plot(
        [x],
        [y],
        marker=shape,
        markersize=size * (0.9 if shape == "D" else 1.0),
        color=color,
        markerfacecolor=color if filled else "white",
        markeredgewidth=1.1,
        linestyle="none",
        zorder=3,
    )


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A free drug, B to E block by subunit against time, F settled block."""
    course = Timeline.of(results)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 108)
    grid = fig.add_gridspec(3, 3, height_ratios=[0.55, 1.6, 1.6], width_ratios=[1, 1, 0.75])
    top = max(_highest(results), 1e-3)
    for at in range(2):
        strip = fig.add_subplot(grid[0, at])
        _dose_strip(strip, results, course)
        if at == 0:
            strip.set_ylabel("µM")
            style.letter(strip, "A", dx=-24, dy=4)
    for at, cls in enumerate(CLASSES):
        axes = fig.add_subplot(grid[1 + at // 2, at % 2])
        _subunit_panel(axes, results, cls, course, top)
        style.letter(axes, "BCDE"[at], dx=-24 if at % 2 == 0 else -16, dy=4)
        if at % 2 == 0:
            axes.set_ylabel("Blocked receptors (%)")
    _settled_panel(fig.add_subplot(grid[1:, 2]), results, course, top)
    _key(fig.add_subplot(grid[0, 2]))
    return fig


def _subunit_panel(axes: Axes, results: Any, cls: str, course: Timeline, top: float) -> None:
    draw_block(axes, results, cls)
    timeline.shade_drug(axes, course)
    timeline.time_axis(axes, course, label=cls in CLASSES[2:])
    axes.set_ylim(0, min(100.0, 112 * top) if top > 1e-3 else 100.0)
    axes.set_title(cls)
    if axes.lines and cls in (CLASSES[0], CLASSES[2]):
        axes.legend(loc="upper left", handlelength=1.2, labelcolor="linecolor", ncols=2, columnspacing=1.0)
    if not course.epochs:
        axes.text(0.5, 0.5, "no drug", transform=axes.transAxes, ha="center", color=style.BASELINE)
    elif not axes.lines:
        axes.text(0.5, 0.5, "none in any cell", transform=axes.transAxes, ha="center", color=style.BASELINE)


def _dose_strip(axes: Axes, results: Any, course: Timeline) -> None:
    times, concentration = timeline.column(results, "drug_concentration")
    highest = float(concentration.max()) if concentration.size else 0.0
    if times.size:
        axes.fill_between(times, concentration, step="post", facecolor=style.DRUG_SHADE, edgecolor="none")
        axes.plot(times, concentration, drawstyle="steps-post", color=style.DRUG, linewidth=0.9)
    axes.set_ylim(0, 1.25 * highest or 1)
    axes.locator_params(axis="y", nbins=2)
    timeline.time_axis(axes, course, label=False)
    axes.set_title(f"Free {course.drug or 'drug'}")


def _settled_panel(axes: Axes, results: Any, course: Timeline, top: float) -> None:
    window = course.windows.get("drug") if course.epochs else None
    draw_settled(axes, results, window)
    axes.set_xlim(0, 112 * top if top > 1e-3 else 100)
    axes.set_xlabel("Block (%)")
    axes.set_title("Mean of the drug window" if window else "No drug window")
    axes.grid(axis="x", color=style.FAINT, linewidth=0.4)
    style.letter(axes, "F", dx=-20, dy=4)


def _key(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(-0.6, 1.6))
    for at, cls in enumerate(CLASSES):
        x, y = 0.04 + 0.5 * (at // 2), 1 - at % 2
        marker(axes, x, y, style.INK, cls)
        axes.text(x + 0.08, y, cls, va="center")
    axes.set_axis_off()


def _highest(results: Any) -> float:
    values = [block_of(results, name, cls)[1] for name in results.sizes for cls in CLASSES]
    return max((float(np.nanmax(v)) for v in values if v.size), default=0.0)


def caption(results: Any) -> str:
    """Return the words under the figure."""
    course = Timeline.of(results)
    speed = timeline.config(results).get("numerics", {}).get("block_acceleration")
    words = (
        "Block of NMDA receptors, as it follows from receptor kinetics alone: the drug enters pores that are "
        "open and free of magnesium, and is trapped when they close. (A) Free concentration. (B to E) Blocked "
        "fraction by GluN2 subunit, mean over the cells of each population; a subunit that a population lacks is "
        "left out."
    )
    if "drug" in course.windows and course.epochs:
        start, stop = course.windows["drug"]
        words += f" (F) Means from {start:.3g} to {stop:.3g} s."
    if speed and float(speed) != 1:
        words += f" Binding and unbinding run {float(speed):.3g} times faster than in life"
        words += "; the settled block does not depend on it."
    return words


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    course = Timeline.of(results)
    window = course.windows.get("drug")
    if not course.epochs or window is None:
        return f"Blocked fraction of NMDA receptors against time, {course.treatment}; no drug window was analysed."
    parts = []
    for name in results.sizes:
        for cls in CLASSES:
            mean = window_mean(*block_of(results, name, cls), window)
            if np.isfinite(mean):
                parts.append(f"{name} {cls} {100 * mean:.0f} %")
    settled = ", ".join(parts) or "none"
    return f"Blocked fraction of NMDA receptors against time under {course.treatment}. Settled: {settled}."
