# SPDX-License-Identifier: GPL-3.0-or-later
"""From a dose to spines on one page: drug, glutamate, the chain from BDNF to proteins, spines, against hours."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.timeline import config

#: Panels in the order of the chain: title, then series of `gpu.results.Results.chain` and their labels.
PANELS = (
    ("Calcium", (("throughput", "AMPA charge"), ("resting", "NMDA at rest"), ("evoked", "NMDA evoked"))),
    ("BDNF", (("p_eEF", "p-eEF2"), ("BDNF", "BDNF in the cell"), ("BDNF_free", "BDNF released"), ("TrkB", "TrkB"))),
    ("Kinases", (("Akt", "p-Akt"), ("ERK", "p-ERK"), ("AMPK", "p-AMPK"), ("GSK", "GSK-3β"))),
    ("mTORC1", (("mTOR", "p-mTOR"), ("p_SK", "p-p70S6K"), ("p_BP", "p-4E-BP1"))),
    ("Synaptic proteins", (("synapsin", "synapsin I"), ("PSD", "PSD-95"), ("GluA", "GluA1"))),
    ("Cytokines", (("IL_beta", "IL-1β"), ("IL_six", "IL-6"))),
)
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
INKS = (style.COLORS["PYR"], style.COLORS["PV"], style.COLORS["SST"], style.COLORS["VIP"])
#: Hours that the axis spreads evenly below, and by their logarithm above.
LINEAR_H = 1.0
TICKS_H = (0.0, 0.5, 1, 2, 4, 8, 24, 72, 168, 336, 672)


def spread(hours: np.ndarray) -> np.ndarray:
    """Position of biological hours on the axis: linear up to an hour, then by the logarithm."""
    hours = np.asarray(hours, dtype=float)
    later = 1 + np.log(np.maximum(hours, LINEAR_H) / LINEAR_H)
    return np.where(hours < LINEAR_H, hours / LINEAR_H, later)


def hour_axis(axes: Axes, first: float, last: float, label: bool) -> None:
    """Mark hours since the drug on an axis in units of `spread`."""
    ticks = [tick for tick in TICKS_H if tick <= last + 0.5]
    axes.set_xticks(spread(np.array(ticks)), [f"{t:g} h" if t < 24 else f"{t / 24:g} d" for t in ticks])
    axes.set_xlim(spread(np.array(first)), spread(np.array(max(last, ticks[-1]))))
    axes.axvline(0, color=style.DRUG, linewidth=0.8)
    axes.tick_params(labelbottom=label)
    if label:
        axes.set_xlabel("Time since the drug")


def shown(results: Any) -> tuple[float, float]:
    """First and last hour of the page: from half an hour before the drug."""
    hours = results.chain("mTOR")[0]
    return max(-0.5, float(hours[0])), float(hours[-1])


def averaged(hours: np.ndarray, values: np.ndarray, first: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean over equal stretches of the page, so that no line hides another with its noise."""
    kept = hours >= first
    x = spread(hours[kept])
    edges = np.linspace(x[0], x[-1] + 1e-9, 121)
    which = np.digitize(x, edges) - 1
    counts = np.bincount(which, minlength=120)
    full = counts > 0
    means = [np.bincount(which, v, minlength=120)[full] / counts[full] for v in (x, values[kept])]
    return means[0], means[1]


def _drug(axes: Axes, results: Any, first: float) -> None:
    hours, _ = results.chain("mTOR")
    times = results.chain_times
    at, level = results.column("drug_concentration")
    x, y = averaged(hours, np.interp(times, at, level), first)
    axes.fill_between(x, y, color=style.DRUG_SHADE, edgecolor=style.DRUG, linewidth=0.8)
    axes.set_ylabel("free drug (µM)")
    axes.set_ylim(0)
    at, glutamate = results.column("glutamate")
    step = np.median(np.diff(times))
    mean = np.array([glutamate[a:b].mean() for a, b in _bounds(at, times, step)])
    twin = axes.twinx()
    twin.plot(*averaged(hours, mean, first), color=style.GLUTAMATE, linewidth=1)
    twin.set_ylabel("glutamate (µM)", color=style.GLUTAMATE)
    twin.spines["right"].set_visible(True)


def _bounds(at: np.ndarray, times: np.ndarray, step: float) -> list[tuple[int, int]]:
    starts = np.searchsorted(at, times - 1e-9)
    stops = np.maximum(np.searchsorted(at, times + step - 1e-9), starts + 1)
    starts = np.minimum(starts, at.size - 1)
    return list(zip(starts, np.minimum(stops, at.size), strict=True))


def _lines(axes: Axes, results: Any, series: tuple[tuple[str, str], ...], first: float) -> None:
    for (name, label), line, ink in zip(series, LINES, INKS, strict=False):
        hours, values = results.chain(name)
        axes.plot(*averaged(hours, 100 * values, first), linestyle=line, color=ink, linewidth=1.1, label=label)
    axes.axhline(100, color=style.FAINT, linewidth=0.7, zorder=0)
    axes.margins(y=0.25)
    axes.legend(fontsize=6.5, frameon=False, loc="best", handlelength=2.2)
    axes.set_ylabel("% of health")


def _spines(axes: Axes, results: Any, first: float) -> None:
    hours, density = results.spines("density")
    new = results.spines("new")[1]
    base = density[0]
    kept = hours >= first
    x = spread(hours[kept])
    axes.plot(x, 100 * density[kept] / base, color=style.COLORS["PYR"], marker="o", markersize=2.5, label="all spines")
    mature = 100 * (density - new)[kept] / base
    axes.plot(x, mature, color=style.COLORS["SST"], linestyle=LINES[1], label="mature, of all in health")
    axes.axhline(100, color=style.FAINT, linewidth=0.7, zorder=0)
    axes.set_ylabel("% of health")
    axes.legend(fontsize=6.5, frameon=False, loc="best")


@style.styled
def figure(results: Any) -> Figure:
    """Return the page: drug and glutamate, the chain's panels, spines."""
    first, last = shown(results)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 190)
    panels = fig.subplots(4, 2, sharex=False).ravel()
    titles = ["Drug and glutamate", *(title for title, _ in PANELS), "Spines"]
    _drug(panels[0], results, first)
    for axes, (_, series) in zip(panels[1:], PANELS, strict=False):
        _lines(axes, results, series, first)
    _spines(panels[-1], results, first)
    for n, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        hour_axis(axes, first, last, label=n >= len(panels) - 2)
        axes.set_title(title, fontsize=8, loc="left")
        style.letter(axes, "ABCDEFGH"[n], dx=-28)
    return fig


def caption(results: Any) -> str:
    """Return the words under the figure."""
    return (
        "One dose from the brain to spines. (A) Free drug (shaded) and extracellular glutamate. (B to G) Means over "
        "pyramidal cells, in percent of the same cells in health, before any stress. (H) Spines seen at the end of "
        "each segment. Time is biological: linear up to 1 h, logarithmic after."
    )


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    hours, values = results.chain("mTOR")
    after = hours > 0
    spine_hours, density = results.spines("density")
    onset = density[spine_hours <= 1e-6][-1] if (spine_hours <= 1e-6).any() else density[0]
    drug = config(results).get("drug", {}).get("name", "none")
    peak = f"p-mTOR is highest at {hours[after][values[after].argmax()]:.2g} h" if after.any() else ""
    return f"Drug: {drug}. {peak}; spines change by {100 * (density[-1] / onset - 1):+.1f} % from the drug to the end."
