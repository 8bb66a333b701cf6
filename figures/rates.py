# SPDX-License-Identifier: GPL-3.0-or-later
"""How firing rates are spread over the cells of a population, and what each cell does under the drug."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from matplotlib.transforms import blended_transform_factory

from figures import style
from figures.timeline import Timeline

# Bins a decade; with few spikes a bin is widened until it holds a whole count.
BINS_PER_DECADE = 8
# Points drawn in a cell-by-cell panel: more only blacken it.
MOST_POINTS = 800


def count_edges(duration: float, top: float) -> np.ndarray:
    """Return histogram edges (Hz) that lie between whole spike counts and are about equal on a log axis.

    Rates are counts over the window, so equal log bins would leave gaps at low rates: an artefact, not a distribution.

    Parameters
    ----------
    duration : float
        Length of the window, s.
    top : float
        Highest rate to cover, Hz.
    """
    exponents = np.arange(0, np.log10(max(top * duration, 10)) + 2 / BINS_PER_DECADE, 1 / BINS_PER_DECADE)
    counts = np.unique(np.round(10**exponents))
    return (counts - 0.5) / duration


def draw_distribution(axes: Axes, rates: np.ndarray, duration: float, color: str, filled: bool) -> Axes:
    """Draw the density of log rates of the cells that fired: share of all cells per decade.

    Parameters
    ----------
    axes : Axes
        Gets a logarithmic x axis in Hz.
    rates : ndarray, shape (num_cells,)
        Hz, silent cells included.
    duration : float
        Length of the window, s.
    color : str
        Of the line and the filling.
    filled : bool
        Filled for the drug, a line for the baseline.
    """
    active = rates[rates > 0]
    axes.set_xscale("log")
    if active.size:
        edges = count_edges(duration, active.max())
        counts, _ = np.histogram(active, edges)
        density = counts / rates.size / np.diff(np.log10(edges))
        axes.stairs(density, edges, color=color, fill=filled, alpha=0.35 if filled else 1.0, linewidth=0.9)
        if filled:
            axes.stairs(density, edges, color=color, linewidth=0.9)
    return axes


def draw_log_normal(axes: Axes, rates: np.ndarray, color: str) -> Axes:
    """Draw the log-normal density with the mean and spread of the log rates of `rates` (Hz, shape (num_cells,))."""
    active = rates[rates > 0]
    if active.size > 10:
        logs = np.log10(active)
        center, spread = logs.mean(), max(logs.std(), 1e-3)
        x = np.linspace(center - 3 * spread, center + 3 * spread, 200)
        height = active.size / rates.size / (spread * np.sqrt(2 * np.pi))
        axes.plot(
            10**x,
            height * np.exp(-0.5 * ((x - center) / spread) ** 2),
            color=color,
            linewidth=0.8,
            linestyle=(0, (2.5, 1.5)),
        )
    return axes


def draw_cells(axes: Axes, before: np.ndarray, after: np.ndarray, color: str, floor: float) -> Axes:
    """Draw each cell's rate under the drug against its rate before it (Hz, shape (num_cells,)); silent cells at "
    "`floor`."""
    every = max(1, before.size // MOST_POINTS)
    # Whole counts put many cells on one spot: shift each by up to a tenth, always the same way.
    shift = np.random.default_rng(0).uniform(-0.05, 0.05, (2, before[::every].size))
    x = np.maximum(before[::every], floor) * 10 ** shift[0]
    y = np.maximum(after[::every], floor) * 10 ** shift[1]
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=1.7, markeredgewidth=0, color=color, alpha=0.45, rasterized=True
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    return axes


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: one column a population; above, distributions of rates; below, cell by cell."""
    course = Timeline.of(results)
    present = list(results.sizes)
    measured = {name: {w: results.cell_rates(name, span) for w, span in course.windows.items()} for name in present}
    limits = _limits(measured, course)
    paired = len(course.windows) == 2
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 98 if paired else 54)
    grid = fig.subplots(1 + paired, len(present), squeeze=False)
    for at, name in enumerate(present):
        _distribution_panel(grid[0, at], name, measured[name], course, limits)
        if paired:
            changed = tuple(results.summary.get(f"cells_{way}_{name}") or 0.0 for way in ("up", "down"))
            _cells_panel(grid[1, at], name, measured[name], limits, changed)
    _share_height(grid[0])
    for axes in grid[0]:
        axes.set_xlabel("Rate (Hz)")
    grid[0, 0].set_ylabel("Share of cells per decade")
    style.letter(grid[0, 0], "A", dx=-27, dy=4)
    if paired:
        for axes in grid[1]:
            axes.set_xlabel("Rate before (Hz)")
            axes.tick_params(labelleft=axes is grid[1, 0])
        grid[1, 0].set_ylabel("Rate under drug (Hz)")
        style.letter(grid[1, 0], "B", dx=-27, dy=2)
    return fig


def _distribution_panel(
    axes: Axes, name: str, rates: dict[str, np.ndarray], course: Timeline, limits: tuple[float, float]
) -> None:
    color = style.COLORS[name]
    words = []
    for window, values in rates.items():
        start, stop = course.windows[window]
        ink, place = (style.BASELINE, 0.97) if window == "baseline" else (color, 0.87)
        draw_distribution(axes, values, stop - start, ink, filled=window == "drug")
        _mean_mark(axes, float(values.mean()), ink)
        words.append((window, float(values.mean()), float(np.mean(values == 0)), ink, place))
    if not rates:
        axes.text(0.5, 0.5, "no complete window", transform=axes.transAxes, ha="center", color=style.BASELINE)
    draw_log_normal(axes, rates.get("baseline", np.empty(0)), style.INK)
    _plain_log(axes.xaxis, limits)
    axes.set_xlim(*limits)
    axes.set_title(name, color=color, fontweight="bold")
    for window, mean, silent, ink, place in words:
        if mean == 0:
            text = f"{window}: silent"
        else:
            text = f"{window} {mean:.{1 if mean >= 1 else 2}f} Hz" + (
                f", {100 * silent:.0f} % silent" if silent >= 0.005 else ""
            )
        axes.text(0.02, place, text, transform=axes.transAxes, color=ink, fontsize=6.5, va="top")


def _cells_panel(
    axes: Axes, name: str, rates: dict[str, np.ndarray], limits: tuple[float, float], changed: tuple[float, float]
) -> None:
    """Draw each cell; `changed` are the shares that went up and down significantly."""
    before, after = rates["baseline"], rates["drug"]
    low, high = limits
    floor = low * 1.7
    if before.any() or after.any():
        draw_cells(axes, before, after, style.COLORS[name], floor)
    else:
        axes.set(xscale="log", yscale="log")
        axes.text(0.5, 0.7, "silent", transform=axes.transAxes, ha="center", va="center", color=style.BASELINE)
    axes.plot([low, high], [low, high], color=style.INK, linewidth=0.6, linestyle=(0, (2.5, 1.5)), zorder=0)
    for axis in (axes.xaxis, axes.yaxis):
        _plain_log(axis, limits, floor)
    axes.set(xlim=limits, ylim=limits)
    up, down = changed
    axes.text(0.04, 0.97, f"{100 * up:.0f} % up", transform=axes.transAxes, va="top", fontsize=6.5)
    axes.text(0.97, 0.04, f"{100 * down:.0f} % down", transform=axes.transAxes, ha="right", fontsize=6.5)


def _limits(measured: dict[str, dict[str, np.ndarray]], course: Timeline) -> tuple[float, float]:
    longest = max((stop - start for start, stop in course.windows.values()), default=1.0)
    top = max((float(values.max()) for both in measured.values() for values in both.values() if values.size), default=1)
    # One spike in the window is the lowest rate; below it the silent cells have a place of their own.
    return 0.2 / longest, max(top, 10.0) * 1.6


def _mean_mark(axes: Axes, mean: float, color: str) -> None:
    if mean > 0:
        place = blended_transform_factory(axes.transData, axes.transAxes)
        axes.plot(
            [mean],
            [0.0],
            transform=place,
            marker="^",
            markersize=4,
            color=color,
            clip_on=False,
            zorder=6,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )


def _share_height(row: np.ndarray) -> None:
    top = max(axes.get_ylim()[1] for axes in row)
    for at, axes in enumerate(row):
        axes.set_ylim(0, top * 1.25)
        axes.tick_params(labelleft=at == 0)


def _plain_log(axis: Axis, limits: tuple[float, float], floor: float = 0.0) -> None:
    """Write 0.1, 1, 10 instead of powers, and 0 at `floor`, where silent cells are put."""
    low = 2 * floor or limits[0]
    decades = [10.0**k for k in range(-4, 5) if low < 10.0**k < limits[1]]
    axis.set_major_locator(FixedLocator([floor] * bool(floor) + decades))
    axis.set_major_formatter(FuncFormatter(lambda x, _: "0" if floor and np.isclose(x, floor) else f"{x:g}"))
    minor = [k * 10.0**p for p in range(-4, 5) for k in (2, 5) if low < k * 10.0**p < limits[1]]
    axis.set_minor_locator(FixedLocator(minor))
    axis.set_minor_formatter(NullFormatter())


def caption(results: Any) -> str:
    """Return the words under the figure."""
    course = Timeline.of(results)
    spans = " and ".join(f"{name} ({start:.3g} to {stop:.3g} s)" for name, (start, stop) in course.windows.items())
    words = (
        f"Firing rates of all cells in the windows {spans or '(none)'}. (A) Distribution over the cells that "
        "fired, on a logarithmic axis, as a share of all cells per decade: grey line, baseline; filled, under "
        "the drug; dashed, the log-normal distribution with the mean and spread of the baseline. Triangles mark "
        "the means. Numbers are means over all cells, silent ones included."
    )
    if len(course.windows) == 2:
        words += (
            " (B) Each cell under the drug against before; dashed, no change; 0 collects cells without a spike "
            "in the window. Points are spread by up to a tenth of their value because rates are whole counts. Up and "
            "down: cells whose rate is significantly higher or lower (two-sided Poisson test, 5 %); chance makes at "
            "most 2.5 % of each."
        )
    return words


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    course = Timeline.of(results)
    parts = []
    for name in results.sizes:
        medians = [f"{np.median(results.cell_rates(name, w)):.3g} Hz ({which})" for which, w in course.windows.items()]
        parts.append(f"{name} " + (", ".join(medians) or "no analysed window"))
    return f"Distributions of firing rates over cells. Medians: {'; '.join(parts)}."
