# SPDX-License-Identifier: GPL-3.0-or-later
"""One drug by itself: concentration in plasma and brain, and blocked NMDA receptors, against time after the dose."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuit.occupancy import Study
from figures import style

#: Below this share of the highest level a curve is not worth the room on a logarithmic axis.
SHOWN = 1e-3
COMPOUND_DASHES = ("solid", (0, (3.2, 1.4)))
SUBUNIT_DASHES = {"GluN2A": "solid", "GluN2B": (0, (4, 1.2)), "GluN2C": (0, (1.2, 1)), "GluN2D": (0, (5, 1, 1, 1))}


@style.styled
def figure(study: Study) -> Figure:
    """Return the figure: A concentrations, B block by subunit, C block by cell type."""
    blocks = bool(study.by_subunit)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM if blocks else style.SINGLE_COLUMN_MM, 68)
    panels = fig.subplots(1, 3 if blocks else 1, squeeze=False)[0]
    draw_levels(panels[0], study)
    if blocks:
        draw_subunits(panels[1], study)
        draw_populations(panels[2], study)
        top = max(5.0, 140 * max(v.max() for v in study.by_subunit.values()))
        for axes in panels[1:]:
            axes.set_ylim(0, min(100.0, top))
    for axes, letter in zip(panels, "ABC", strict=False):
        axes.set_xlabel("Time after the first dose (h)")
        axes.set_xlim(study.times_h[0], study.times_h[-1])
        style.letter(axes, letter, dx=-24, dy=4)
    fig.suptitle(study.words, fontsize=8)
    return fig


def draw_levels(axes: Axes, study: Study) -> Axes:
    """Draw the free level in the brain of every compound and the drug's whole level in plasma, uM, logarithmic."""
    times, found = study.times_h, study.course
    top = 0.0
    for n, name in enumerate(found.compounds):
        free = found.brain_free_uM[:, n]
        top = max(top, free.max())
        axes.plot(times, _shown(free), color=style.DRUG, linestyle=COMPOUND_DASHES[n], label=f"{name}, free in brain")
    plasma = found.plasma_uM[:, 0]
    axes.plot(times, _shown(plasma), color=style.BASELINE, linewidth=0.8, label=f"{found.compounds[0]}, plasma")
    top = max(top, plasma.max())
    if study.spread_uM is not None:
        low, high = (_shown(part) for part in study.spread_uM)
        axes.fill_between(times, low, high, color=style.DRUG_SHADE, linewidth=0, label="5 to 95 % of subjects")
    axes.set_yscale("log")
    axes.set_ylim(max(top, 1e-9) * SHOWN, max(top, 1e-9) * 60)
    axes.set_ylabel("Concentration (µM)")
    axes.legend(loc="upper right")
    return axes


def _shown(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def draw_subunits(axes: Axes, study: Study) -> Axes:
    """Draw the blocked share of receptors with each subunit, percent."""
    for name, values in study.by_subunit.items():
        axes.plot(study.times_h, 100 * values, color=style.INK, linestyle=SUBUNIT_DASHES[name], label=name)
    axes.set_ylabel("Blocked receptors (%)")
    axes.legend(loc="upper right", ncols=2, handlelength=2.4)
    return axes


def draw_populations(axes: Axes, study: Study) -> Axes:
    """Draw the blocked share of the NMDA conductance of each population, percent."""
    for name, values in study.by_population.items():
        axes.plot(study.times_h, 100 * values, color=style.COLORS[name], label=name)
    axes.set_ylabel("Blocked NMDA conductance (%)")
    axes.legend(loc="upper right", ncols=2, handlelength=1.2, labelcolor="linecolor")
    return axes
