# SPDX-License-Identifier: GPL-3.0-or-later
"""Extracellular glutamate and AMPA throughput against time, as recorded and as a microdialysis probe would see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style, timeline
from figures.timeline import Timeline

# A probe collects fluid for a while and reports one value; here the fraction of the run that one sample takes.
SAMPLES = 20
SHORTEST_SAMPLE_S = 0.5

#: So many short averages make one sample.
FINER = 20

QUANTITIES = {
    "glutamate": ("Glutamate (µM)", style.GLUTAMATE),
    "ampa_throughput": ("AMPA throughput\n(pC per PYR cell per s)", style.COLORS["PYR"]),
}


def sample_length(course: Timeline) -> float:
    """Return the length of one sample, s: a twentieth of the run, in steps of half a second."""
    return max(SHORTEST_SAMPLE_S, round(course.planned / SAMPLES / SHORTEST_SAMPLE_S) * SHORTEST_SAMPLE_S)


def samples(times: np.ndarray, values: np.ndarray, length: float, origin: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Average into consecutive samples, as a microdialysis probe does.

    Parameters
    ----------
    times, values : ndarray, shape (n,)
        The recording; times in s.
    length : float
        Of one sample, s.
    origin : float, optional
        A time (s) at which a sample starts, so that no sample mixes before and after.

    Returns
    -------
    edges : ndarray, shape (m + 1,)
        Borders of the samples, s.
    means : ndarray, shape (m,)
        Mean of each, NaN where nothing was recorded.
    """
    if not times.size:
        return np.zeros(1), np.empty(0)
    first = np.floor((times[0] - origin) / length + 1e-9)
    which = (np.floor((times - origin) / length + 1e-9) - first).astype(int)
    counts = np.bincount(which)
    with np.errstate(invalid="ignore"):
        means = np.bincount(which, values) / np.where(counts, counts, np.nan)
    return origin + (first + np.arange(counts.size + 1)) * length, means


def draw_trace(axes: Axes, results: Any, name: str, course: Timeline) -> Axes:
    """Draw one quantity: short averages light, samples dark, and a second scale in percent of the baseline window."""
    label, color = QUANTITIES[name]
    times, values = timeline.column(results, name)
    axes.set_ylabel(label)
    if not times.size:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=style.BASELINE)
        return axes
    onset = course.epochs[0].start if course.epochs else 0.0
    fine_edges, fine = samples(times, values, sample_length(course) / FINER, onset)
    axes.plot((fine_edges[:-1] + fine_edges[1:]) / 2, fine, color=color, alpha=0.45, linewidth=0.5)
    edges, means = samples(times, values, sample_length(course), onset)
    axes.stairs(means, np.clip(edges, 0, course.stop), baseline=None, color=color, linewidth=1.4)
    low, high = np.nanpercentile(fine, [0.5, 99.5])
    axes.set_ylim(max(0.0, low - 0.25 * (high - low)) if low >= 0 else low, high + 0.12 * (high - low) + 1e-12)
    axes.locator_params(axis="y", nbins=5)
    base = results.mean(name, "baseline") if "baseline" in course.windows else 0.0
    if base > 0:
        axes.axhline(base, color=style.INK, linewidth=0.6, linestyle=(0, (2.5, 1.5)), zorder=0)
        percent = axes.secondary_yaxis("right", functions=(lambda v: 100 * v / base, lambda p: p * base / 100))
        percent.set_ylabel("% of baseline")
        percent.spines["right"].set_visible(True)
        percent.locator_params(axis="y", nbins=5)
    return axes


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A glutamate, B AMPA throughput."""
    course = Timeline.of(results)
    fig = style.new_figure(style.SINGLE_COLUMN_MM, 92)
    upper, lower = fig.subplots(2, 1, sharex=True)
    for axes, name, text in ((upper, "glutamate", "A"), (lower, "ampa_throughput", "B")):
        draw_trace(axes, results, name, course)
        timeline.shade_drug(axes, course, label=axes is upper)
        timeline.time_axis(axes, course, label=axes is lower)
        style.letter(axes, text, dx=-33)
    fig.align_ylabels()
    return fig


def caption(results: Any) -> str:
    """Return the words under the figure."""
    course = Timeline.of(results)
    return (
        "(A) Glutamate outside the synapses and (B) charge through AMPA receptors per pyramidal cell and second: "
        f"averages of {1000 * sample_length(course) / FINER:.3g} ms (light) and of {sample_length(course):.3g} s "
        "(steps), the way a microdialysis "
        "probe reports it, on a much shorter scale. Dashed: mean of the baseline window, 100 % on the right-hand "
        "scale."
    )


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    course = Timeline.of(results)
    parts = []
    for name, words in (
        ("glutamate", "Glutamate {} µM"),
        ("ampa_throughput", "AMPA throughput {} pC per PYR cell per s"),
    ):
        recorded = timeline.column(results, name)[0].size > 0
        means = [f"{results.mean(name, which):.3g} ({which})" for which in course.windows if recorded]
        parts.append(words.format(", ".join(means) or "not available"))
    return f"Traces over {course.stop:.3g} s, {course.treatment}. {'; '.join(parts)}."
