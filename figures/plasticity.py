# SPDX-License-Identifier: GPL-3.0-or-later
"""LTP and LTD: strength of the tested and the control pathway through a course, and what test pulses evoke."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.timeline import config

MINUTES = 60.0


def stretch(results: Any) -> float:
    """Minutes before time 0 at which the figure starts."""
    return 5 + max(0.0, -MINUTES * float(results.responses("pulses")[0][0]))


def _pathways(axes: Axes, results: Any) -> None:
    for name, label, color, line in (
        ("tested", "tested", style.COLORS["PYR"], "-"),
        ("control", "control", style.COLORS["PV"], "--"),
    ):
        hours, strength = results.spines(name)
        shown = MINUTES * hours >= -stretch(results)
        x, y = MINUTES * hours[shown], 100 * strength[shown]
        axes.plot(x, y, color=color, linestyle=line, marker="o", markersize=3, label=label)
    axes.axhline(100, color=style.FAINT, linewidth=0.7, zorder=0)
    axes.axvline(0, color=style.DRUG, linewidth=0.8)
    axes.set_ylabel("strength of spines (%)")
    axes.set_xlabel(f"Time since the start of {config(results)['course']['drug_from']} (min)")
    axes.legend(fontsize=6.5, frameon=False, loc="best")


def _answers(axes: Axes, results: Any) -> None:
    hours, charge = results.responses("charge")
    places = np.arange(hours.size)
    axes.bar(places, 1e3 * charge, width=0.5, color=style.COLORS["PYR"])
    axes.set_xticks(places, [f"{round(MINUTES * at)} min" for at in hours])
    axes.set_ylabel("AMPA charge (fC per pulse)")
    axes.set_xlabel("Test pulses until")


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A strength of the two pathways against time, B what a test pulse evokes."""
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 62)
    left, right = fig.subplots(1, 2, width_ratios=(2, 1))
    _pathways(left, results)
    _answers(right, results)
    style.letter(left, "A", dx=-32)
    style.letter(right, "B", dx=-32)
    return fig


def caption(results: Any) -> str:
    """Return the words under the figure."""
    return (
        "(A) Mean strength, by LTP and LTD alone, of spines between two cells that the electrode reaches (tested) and "
        "of spines on such cells whose source it does not reach (control). (B) AMPA charge that a pyramidal cell "
        "receives in the time after a test pulse, less that before it; mean over the pulses of a phase."
    )


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    hours = results.responses("pulses")[0]
    at, strength = results.spines("tested")
    first, last = (strength[np.abs(at - when).argmin()] for when in (hours[0], hours[-1]))
    return f"Tested spines are at {100 * last / first:.0f} % of what they were before the induction."
