# SPDX-License-Identifier: GPL-3.0-or-later
"""Spines through a course: by stage, formed and eliminated, surviving, and what a recording of currents would show."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.timeline import config

HOURS_A_DAY = 24.0


def _days(results: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    hours, values = results.spines(name)
    return hours / HOURS_A_DAY, values


def _stages(axes: Axes, results: Any) -> None:
    days, mature = _days(results, "mature")
    new = _days(results, "new")[1]
    per = 100 / (mature + new)[0]
    axes.stackplot(
        days, per * mature, per * new, colors=[style.COLORS["PYR"], style.COLORS["PV"]], labels=["mature", "new"]
    )
    axes.set_ylabel("spines (% of health)")
    axes.set_ylim(0, 1.3 * per * (mature + new).max())


def _turnover(axes: Axes, results: Any) -> None:
    days, formed = _days(results, "formed_since")
    lost = _days(results, "eliminated_since")[1]
    after = days >= -1e-9
    axes.plot(days[after], 100 * formed[after], color=style.COLORS["SST"], marker="o", markersize=2, label="formed")
    axes.plot(days[after], 100 * lost[after], color=style.COLORS["VIP"], linestyle="--", label="eliminated")
    axes.set_ylabel("since the drug (% of spines)")


def _surviving(axes: Axes, results: Any) -> None:
    axes.plot(*_scaled(results, "surviving"), color=style.COLORS["PYR"], label="of the first session's spines")
    axes.plot(*_scaled(results, "head"), color=style.COLORS["PV"], linestyle="--", label="head size, mature")
    axes.set_ylabel("% of the first session")


def _currents(axes: Axes, results: Any) -> None:
    for name, label, color, line in (
        ("EPSC_frequency", "frequency", style.COLORS["PYR"], "-"),
        ("apical_frequency", "frequency, apical", style.COLORS["SST"], ":"),
        ("EPSC_amplitude", "amplitude", style.COLORS["PV"], "--"),
        ("apical_amplitude", "amplitude, apical", style.COLORS["VIP"], "-."),
    ):
        axes.plot(*_scaled(results, name), color=color, linestyle=line, label=label)
    axes.set_ylabel("EPSC (% of health)")


def _scaled(results: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    days, values = _days(results, name)
    return days, 100 * values / values[0]


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A stages, B turnover, C survival and size, D currents, against days since the drug."""
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 110)
    panels = fig.subplots(2, 2).ravel()
    for n, (axes, draw) in enumerate(zip(panels, (_stages, _turnover, _surviving, _currents), strict=True)):
        draw(axes, results)
        axes.axvline(0, color=style.DRUG, linewidth=0.8)
        axes.legend(fontsize=6.5, frameon=False, loc="best")
        style.letter(axes, "ABCD"[n], dx=-32)
        if n > 1:
            axes.set_xlabel("Days since the drug")
    return fig


def caption(results: Any) -> str:
    """Return the words under the figure."""
    return (
        "Every potential contact among pyramidal cells, looked at after each segment of the course. (A) Spines by "
        "stage. (B) Spines that are there and were not when the drug was given, and the other way round. (C) Survivors "
        "of the first session, and the size of mature heads. (D) Frequency and amplitude of excitatory currents that "
        "these spines would give a recorded cell; apical contacts are those at which serotonin and hypocretin evoke "
        "currents. The line at 0 is the drug."
    )


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    hours, density = results.spines("density")
    at = np.abs(hours).argmin()
    drug = config(results).get("drug", {}).get("name", "none")
    return (
        f"Drug: {drug}. Spines are at {100 * density[at] / density[0]:.0f} % of health when it is given and at "
        f"{100 * density[-1] / density[0]:.0f} % after {hours[-1] / HOURS_A_DAY:.3g} days."
    )
