# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened when: drug periods, analysis windows, interruption, and how they look on a time axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from circuit import units
from circuit.errors import ResultsError
from figures import style

# More steps than this are a pharmacokinetic course, drawn as one period.
MOST_EPOCHS = 6

# Height of window bars and labels, in axes heights.
ABOVE = 1.012
# A window below the first share of the run has no room for two words, below the second not even for one.
NARROW, NARROWEST = 0.15, 0.07
# An interruption later than this share leaves no room for words on its right.
LATE = 0.9

SECONDS = ("s", "us", "ms", "min", "h")


@dataclass(frozen=True)
class Epoch:
    """A stretch of time with drug: `start` to `stop` in s; `low` to `high` its concentration in uM."""

    start: float
    stop: float
    low: float
    high: float


@dataclass(frozen=True)
class Timeline:
    """The course of a run, in seconds from its start.

    Attributes
    ----------
    stop : float
        Last simulated time.
    planned : float
        Time at which the run should have ended; equal to `stop` unless it was interrupted.
    drug : str
        Name of the drug; empty if there was none.
    epochs : tuple of Epoch
        Periods with a concentration above zero.
    windows : dict of str to (float, float)
        Analysis windows that were simulated to their end: "baseline", "drug".
    """

    stop: float
    planned: float
    drug: str = ""
    epochs: tuple[Epoch, ...] = ()
    windows: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Any) -> Timeline:
        """Read the course of a run from `gpu.results.Results` or an object with the same methods."""
        times, concentration = column(results, "drug_concentration")
        stop = float(results.duration)
        planned = max(stop, _planned_duration(results.manifest)) if results.interrupted else stop
        epochs = _epochs(times, concentration, stop)
        drug = str(config(results).get("drug", {}).get("name", "drug")) if epochs else ""
        return cls(stop, planned, drug, epochs, dict(results.windows))

    @property
    def interrupted(self) -> bool:
        """Whether the run ended before its time."""
        return self.planned > self.stop * (1 + 1e-9)

    def dose(self, epoch: Epoch) -> str:
        """Return the label of a drug period: ``ketamine 1 µM``."""
        if np.isclose(epoch.low, epoch.high):
            return f"{self.drug} {epoch.high:.3g} µM"
        return f"{self.drug} up to {epoch.high:.3g} µM"

    @property
    def treatment(self) -> str:
        """The whole treatment in words: ``ketamine 1 µM``, ``ketamine 0.3 to 3 µM`` or ``no drug``."""
        if not self.epochs:
            return "no drug"
        levels = sorted({round(epoch.high, 12) for epoch in self.epochs})
        if len(levels) == 1:
            return self.dose(self.epochs[0])
        return f"{self.drug} {levels[0]:.3g} to {levels[-1]:.3g} µM"


def config(results: Any) -> dict[str, Any]:
    """Return the resolved configuration of a run, empty if its manifest holds none."""
    return results.manifest.get("config") or {}


def column(results: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times (s) and values of one column variable, both empty if it was not recorded."""
    try:
        times, values = results.column(name)
    except ResultsError:
        return np.empty(0), np.empty(0)
    return np.asarray(times, float), np.asarray(values, float)


def time_axis(axes: Axes, timeline: Timeline, label: bool = True) -> None:
    """Span the run on the x axis and name it."""
    axes.set_xlim(0, timeline.planned or 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10]))
    if label:
        axes.set_xlabel("Time (s)")
    else:
        axes.tick_params(labelbottom=False)


def shade_drug(axes: Axes, timeline: Timeline, label: bool = False) -> None:
    """Shade the time with drug and mark an interruption; with `label` doses stand above, the interruption in words."""
    for at, epoch in enumerate(timeline.epochs):
        axes.axvspan(epoch.start, epoch.stop, facecolor=style.DRUG_SHADE, edgecolor="none", zorder=-10)
        if label:
            # The name once; steps of a schedule may be too short to repeat it.
            words = timeline.dose(epoch) if at == 0 else timeline.dose(epoch).removeprefix(timeline.drug)
            _above(axes, epoch.start, words, style.DRUG, "left")
    if timeline.interrupted:
        axes.axvline(timeline.stop, color=style.INK, linewidth=0.7, linestyle=(0, (2, 2)), zorder=5)
        if label:
            words = f"interrupted at {timeline.stop:.3g} of {timeline.planned:.3g} s"
            late = timeline.stop > LATE * timeline.planned
            axes.annotate(
                words,
                (timeline.stop, 0.5),
                xycoords=axes.get_xaxis_transform(),
                rotation=90,
                xytext=(-3 if late else 3, 0),
                textcoords="offset points",
                ha="right" if late else "left",
                va="center",
                color=style.INK,
                path_effects=[patheffects.withStroke(linewidth=2.5, foreground="white")],
            )


def mark_windows(axes: Axes, timeline: Timeline) -> None:
    """Draw a bar over each analysis window just above the axes, with its name."""
    for name, (start, stop) in timeline.windows.items():
        axes.plot(
            [start, stop],
            [ABOVE, ABOVE],
            transform=axes.get_xaxis_transform(),
            color=style.INK,
            linewidth=1.6,
            clip_on=False,
            solid_capstyle="butt",
        )
        share = (stop - start) / timeline.planned
        if share >= NARROWEST:
            words = f"{name} window" if share >= NARROW else name
            _above(axes, (start + stop) / 2, words, style.INK, "center")


def _above(axes: Axes, x: float, words: str, color: str, align: str) -> None:
    axes.annotate(
        words.strip(),
        (x, ABOVE),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha=align,
        va="bottom",
        color=color,
        fontsize=7,
    )


def _epochs(times: np.ndarray, concentration: np.ndarray, stop: float) -> tuple[Epoch, ...]:
    if times.size == 0 or not np.any(concentration > 0):
        return ()
    changes = np.flatnonzero(np.abs(np.diff(concentration)) > 1e-9) + 1
    on = concentration > 0
    if changes.size > MOST_EPOCHS:  # a course: one period for each stretch above zero
        changes = np.flatnonzero(np.diff(on.astype(int))) + 1
    first = np.concatenate([[0], changes])
    last = np.concatenate([changes, [times.size]])
    ends = np.append(times, stop)
    return tuple(
        Epoch(float(times[a]), float(ends[b]), float(concentration[a:b].min()), float(concentration[a:b].max()))
        for a, b in zip(first, last, strict=True)
        if on[a]
    )


def _planned_duration(manifest: dict[str, Any]) -> float:
    """Sum of the protocol's stretches in s; 0 if the manifest does not hold them."""
    protocol = (manifest.get("config") or {}).get("protocol") or {}
    try:
        return sum(units.parse(value, SECONDS).magnitude for value in protocol.values())
    except ValueError:
        return 0.0
