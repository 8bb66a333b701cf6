# SPDX-License-Identifier: GPL-3.0-or-later
"""Who fired when: a raster of the whole run, population rates under it, and one second before and under the drug."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit.measures import binned_rate
from figures import style, timeline
from figures.timeline import Timeline

# Rows that can still be told apart on 60 mm of paper.
MOST_ROWS = 400
# Rows of white between two populations, as a share of all rows.
GAP = 0.02
ZOOM_S = 1.0
FINE_BIN_S = 0.02
SMOOTHING_S = 0.1


def thinning(sizes: dict[str, int]) -> int:
    """Return k such that drawing every k-th cell of each population leaves at most `MOST_ROWS` rows."""
    return max(1, int(np.ceil(sum(sizes.values()) / MOST_ROWS)))


def draw_raster(axes: Axes, results: Any, window: tuple[float, float] | None = None, dot: float = 1.0) -> Axes:
    """Draw a spike raster, populations stacked with PYR at the bottom.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    results : Results
        The run.
    window : (float, float), optional
        Time from and to, in s; the whole run if left out.
    dot : float
        Height of a spike, points.

    Returns
    -------
    Axes
        The same axes.
    """
    every = thinning(results.sizes)
    shown = {name: -(-results.sizes[name] // every) for name in results.sizes}
    gap = GAP * sum(shown.values())
    base, centres = 0.0, {}
    for name, rows in shown.items():
        times, cell = results.spikes(name, window)
        keep = cell % every == 0
        axes.plot(
            times[keep],
            base + cell[keep] // every,
            linestyle="none",
            marker="|",
            markersize=dot,
            markeredgewidth=0.5,
            color=style.COLORS[name],
            rasterized=True,
        )
        if not times.size:
            axes.annotate(
                "silent",
                (0.5, base + rows / 2),
                xycoords=("axes fraction", "data"),
                ha="center",
                va="center",
                fontsize=7,
                color=style.BASELINE,
            )
        centres[name] = base + (rows - 1) / 2
        base += rows + gap
    axes.set_ylim(-gap, base)
    axes.set_yticks(list(centres.values()), [f"{n} ({results.sizes[n]:,})" for n in centres])
    for text, name in zip(axes.get_yticklabels(), centres, strict=True):
        text.set_color(style.COLORS[name])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return axes


def draw_rate(axes: Axes, results: Any, population: str, course: Timeline) -> Axes:
    """Draw the rate of one population (Hz): fine bins light, a Gaussian average dark."""
    times, _ = results.spikes(population)
    color = style.COLORS[population]
    centres, rate = binned_rate(times, results.sizes[population], 0.0, course.stop, FINE_BIN_S)
    if centres.size:
        axes.plot(centres, rate, color=color, alpha=0.3, linewidth=0.5)
        axes.plot(centres, smooth(rate, SMOOTHING_S / FINE_BIN_S), color=color)
    top = max(float(np.percentile(rate, 99.5)) * 1.15 if rate.size else 0.0, 1.0)
    axes.set_ylim(0, top)
    axes.locator_params(axis="y", nbins=3)
    axes.set_ylabel(f"{population} (Hz)", color=color)
    return axes


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Return the Gaussian average of `values` (shape (n,)), `sigma` in samples, weighted right up to both ends."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    # Dividing by the weight that fell inside keeps the ends from bending to zero.
    weight = np.convolve(np.ones_like(values), kernel, mode="full")[reach : reach + values.size]
    return np.convolve(values, kernel, mode="full")[reach : reach + values.size] / weight


def zooms(course: Timeline) -> dict[str, tuple[float, float]]:
    """Return the last `ZOOM_S` seconds of every analysis window: name -> (from, to) in s."""
    return {name: (max(start, stop - ZOOM_S), stop) for name, (start, stop) in course.windows.items()}


def _zoom_title(name: str, window: tuple[float, float], course: Timeline) -> str:
    if window == course.windows[name]:
        return f"The {name} window"
    return f"Last {window[1] - window[0]:.3g} s of the {name} window"


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A raster, B population rates, C and D one second before and under the drug."""
    course = Timeline.of(results)
    present = list(results.sizes)
    near = zooms(course)
    rows = 1 + len(present) + bool(near)
    heights = [5.2] + [1.15] * len(present) + [4.2] * bool(near)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 12.0 * sum(heights) + 14)
    grid = fig.add_gridspec(rows, max(len(near), 1), height_ratios=heights)
    top = fig.add_subplot(grid[0, :])
    draw_raster(top, results)
    timeline.shade_drug(top, course, label=True)
    timeline.mark_windows(top, course)
    timeline.time_axis(top, course, label=False)
    style.letter(top, "A", dx=-47, dy=5)
    strips: list[Axes] = []
    for row, name in enumerate(reversed(present), start=1):
        axes = fig.add_subplot(grid[row, :])
        strips.append(axes)
        draw_rate(axes, results, name, course)
        timeline.shade_drug(axes, course)
        timeline.time_axis(axes, course, label=row == len(present))
        if row == 1:
            style.letter(axes, "B", dx=-47)
    for at, (name, window) in enumerate(near.items()):
        axes = fig.add_subplot(grid[-1, at])
        draw_raster(axes, results, window, dot=1.6)
        axes.set_xlim(*window)
        axes.set_xlabel("Time (s)")
        axes.set_title(_zoom_title(name, window, course))
        if name == "drug":
            axes.set_facecolor(style.DRUG_SHADE)
        style.letter(axes, "CD"[at], dx=-47)
    fig.align_ylabels(strips)
    return fig


def caption(results: Any) -> str:
    """Return the words under the figure."""
    every = thinning(results.sizes)
    share = "Every cell is shown" if every == 1 else f"Every {_ordinal(every)} cell of each population is shown"
    words = (
        "Spikes of the run. (A) One mark per spike, cells grouped by population (number of cells simulated in "
        f"brackets). {share}. (B) Population rates: bins of {FINE_BIN_S * 1e3:.0f} ms (light) and their Gaussian "
        f"average with a standard deviation of {SMOOTHING_S * 1e3:.0f} ms (dark), from all cells."
    )
    if zooms(Timeline.of(results)):
        words += f" Below: the end of each analysis window, at most {ZOOM_S:.0f} s, same cells."
    return words


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    course = Timeline.of(results)
    parts = []
    for name in results.sizes:
        rates = [f"{results.rate(name, window):.3g} Hz ({which})" for which, window in course.windows.items()]
        parts.append(f"{name} " + (", ".join(rates) or "no analysed window"))
    rates = "; ".join(parts)
    return f"Spike raster and population rates over {course.stop:.3g} s, {course.treatment}. Mean rates: {rates}."


def _ordinal(k: int) -> str:
    ending = "th" if 10 <= k % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(k % 10, "th")
    return f"{k}{ending}"
