# SPDX-License-Identifier: GPL-3.0-or-later
"""How every figure looks: widths, one colour per population, panel letters, saving without global state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Chosen by simulating protan, deutan and tritan vision: every pair stays 18 CIELAB units apart (a test checks).
COLORS = {"PYR": "#1D4E89", "PV": "#D1490C", "SST": "#1A9A6C", "VIP": "#B866A6"}
# A mark for each kind of NMDA receptor: those that magnesium blocks well are discs, the others diamonds.
CLASS_MARKERS = {"GluN2A": ("o", True), "GluN2B": ("o", False), "GluN2C": ("D", True), "GluN2D": ("D", False)}
# Where there is no room for four.
PAIR_NAMES = {"GluN2AB": "GluN2A/2B", "GluN2CD": "GluN2C/2D"}

INK = "#1F2328"
BASELINE = "#6E747D"  # everything measured before the drug
FAINT = "#C9CDD3"
GLUTAMATE = "#B07D00"
DRUG = "#7A5C00"  # words about the drug
DRUG_SHADE = "#FBF2D0"  # the time the drug is there

SINGLE_COLUMN_MM = 89.0
DOUBLE_COLUMN_MM = 183.0
PNG_DPI = 200
# Rasterised dots inside the vector file are kept at print resolution.
VECTOR_DPI = 300


def using() -> AbstractContextManager[None]:
    """Return a context in which the style of this project applies, and after which nothing has changed."""
    return matplotlib.style.context(Path(__file__).with_name("pfc.mplstyle"))


def styled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function inside `using`, so that it looks the same when called alone."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with using():
            return function(*args, **kwargs)

    return inside


def new_figure(width_mm: float, height_mm: float, **options: object) -> Figure:
    """Return an empty figure on its own Agg canvas; pyplot never hears of it.

    Parameters
    ----------
    width_mm, height_mm : float
        Size on paper, millimetres.
    **options
        Passed to `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), **options)
    FigureCanvasAgg(figure)
    return figure


def letter(axes: Axes, text: str, dx: float = -30.0, dy: float = 3.0) -> None:
    """Write a bold panel letter at the upper left of the axes, `dx`, `dy` points away from the corner."""
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(dx, dy),
        textcoords="offset points",
        fontsize=9,
        fontweight="bold",
    )


def apart(values: np.ndarray, axes: Axes, least: float = 0.13) -> list[float]:
    """Choose ticks of a horizontal axis from ascending values: those that stand apart by this share of its length."""
    low, high = axes.transScale.transform([(end, 1) for end in axes.get_xlim()])[:, 0]
    at = (axes.transScale.transform([(value, 1) for value in values])[:, 0] - low) / (high - low)
    chosen: list[int] = []
    for n in range(len(values)):
        if not chosen or at[n] - at[chosen[-1]] >= least:
            chosen.append(n)
    return [float(values[n]) for n in chosen]


def paths(folder: Path, name: str) -> list[Path]:
    """Return the files that `save` writes."""
    return [folder / f"{name}.png", folder / f"{name}.pdf"]


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``<name>.png`` for screens and ``<name>.pdf`` for print, and return both paths.

    Dates and program versions are left out of the files, so the same results give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    png, pdf = paths(folder, name)
    with using():
        figure.savefig(png, dpi=PNG_DPI, metadata={"Software": None})
        # The layout is solved by now; solving it again for the second file would cost as much as drawing.
        figure.set_layout_engine("none")
        figure.savefig(pdf, dpi=VECTOR_DPI, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return [png, pdf]
