# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit as a drawing: cells, axons and receptors at fixed places, in millimetres.

Only the lines and their widths depend on numbers; the anatomy (PV on the soma, SST on the apical dendrite, VIP on SST)
is the model's structure and the same in every run.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from figures import style

WIDTH, FLOOR, CEILING = 114.0, 7.5, 111.5
RADIUS = 6.0
PLACES = {"PV": (78.0, 33.0), "SST": (78.0, 92.0), "VIP": (103.0, 62.0)}
SOMA = (38.0, 33.0)
APICAL = (38.0, 92.0)
POOL = (51.2, 63.0)

# Way of each axon, from its cell (or the pyramidal trunk) to its target, and where its numbers are written.
ROUTES: dict[str, tuple[list[tuple[float, float]], tuple[float, float]]] = {
    "PYR_to_PYR": ([(20, 12), (17, 12), (17, 31), (32, 31)], (17, 18.5)),
    "PYR_to_PV": ([(75, 12), (78, 12), (78, 26.2)], (78, 18.5)),
    "PYR_to_SST": ([(62, 12), (65, 12), (65, 89.5), (71.4, 89.5)], (65, 77)),
    "PYR_to_VIP": ([(100, 12), (103, 12), (103, 55.2)], (103, 41)),
    "PV_to_PYR": ([(72, 34), (43.4, 34)], (50.0, 31.2)),
    "SST_to_PYR": ([(72, 94.5), (39.9, 94.5)], (56, 94.5)),
    "SST_to_PV": ([(75.5, 86.5), (75.5, 39.3)], (75.5, 71)),
    "SST_to_VIP": ([(83.7, 90), (100, 90), (100, 68.1)], (100, 84)),
    "VIP_to_SST": ([(106, 67.2), (106, 95), (84.1, 95)], (106, 75)),
    "VIP_to_PV": ([(97, 61.5), (81.2, 61.5), (81.2, 39.0)], (83.8, 52)),
}
# What all pyramidal axons share: from the soma down, and along the bottom.
TRUNK = ([(38.0, 27.0), (38.0, 12.0)], [(20.0, 12.0), (100.0, 12.0)])
APICAL_BRANCH = [(17.0, 27.0), (17.0, 76.0), (35.6, 76.0)]
# Afferents: from, to.
AFFERENTS = {
    "PYR": ((4.0, 36.5), (31.6, 36.5)),
    "PYR_d": ((4.0, 84.0), (35.6, 84.0)),
    "PV": ((91.5, 25.0), (83.9, 29.6)),
    "SST": ((78.0, 106.0), (78.0, 98.8)),
    "VIP": ((113.5, 58.0), (109.4, 60.2)),
}
AFFERENT_LABELS = {
    "PYR": (2.5, 38.0),
    "PYR_d": (2.5, 85.5),
    "PV": (90.3, 21.0),
    "SST": (79.4, 104.6),
    "VIP": (107.6, 53.6),
}
TRUNK_WIDTH = 1.4
HALO = [patheffects.withStroke(linewidth=3.2, foreground="white")]


def draw_sketch(
    axes: Axes,
    labels: Mapping[str, str],
    strengths: Mapping[str, float],
    afferents: Mapping[str, str],
    shares: Mapping[str, float | None],
    pool: str,
) -> Axes:
    """Draw the circuit.

    Parameters
    ----------
    axes : Axes
        Becomes a millimetre grid without axes.
    labels : mapping of str to str
        Words on each pathway, such as ``"128 × 0.25 nS"``; pathways without words are not drawn.
    strengths : mapping of str to float
        0 to 1 by pathway; sets the width of its line.
    afferents : mapping of str to str
        Words at each afferent: PYR, PYR_d (apical), PV, SST, VIP.
    shares : mapping of str to float or None
        Share of GluN2C/2D in each population's NMDA conductance.
    pool : str
        Words about the glutamate pool.
    """
    axes.set(xlim=(0, WIDTH), ylim=(FLOOR, CEILING), aspect="equal")
    axes.set_axis_off()
    _pyramidal_cell(axes)
    for name in AFFERENTS:
        _afferent(axes, name, afferents.get(name, ""))
    _pool(axes, pool)
    for stretch in TRUNK:
        axes.plot(
            *np.transpose(stretch), color=style.COLORS["PYR"], linewidth=TRUNK_WIDTH, zorder=2.1, solid_capstyle="butt"
        )
    for path, (route, _) in ROUTES.items():
        if path in labels:
            _axon(axes, path, route, strengths.get(path, 0.0))
    if "PYR_to_PYR" in labels:
        _axon(axes, "PYR_to_PYR", APICAL_BRANCH, strengths.get("PYR_to_PYR", 0.0))
    for name, place in PLACES.items():
        _interneuron(axes, name, place)
    for path, (_, at) in ROUTES.items():
        if path in labels:
            _words(axes, at, labels[path], style.COLORS[path.split("_to_")[0]])
    _receptors(axes, shares)
    return axes


def _pyramidal_cell(axes: Axes) -> None:
    color = style.COLORS["PYR"]
    x, y = SOMA
    trunk = [(x - 1.5, y + 4), (x - 0.7, 98), (x + 0.7, 98), (x + 1.5, y + 4)]
    axes.add_patch(Polygon(trunk, facecolor=color, edgecolor="none", zorder=3))
    for ends in (
        [(x, 96), (31, 104), (28, 109)],
        [(x, 97), (36, 105), (35, 110)],
        [(x, 97), (41, 105), (43, 110)],
        [(x, 95), (45, 103), (49, 108)],
        [(x - 4, y - 5), (30, 23.5), (25, 21)],
        [(x + 4, y - 5), (46, 23.5), (51, 21)],
    ):
        axes.plot(*np.transpose(ends), color=color, linewidth=1.5, solid_joinstyle="round", zorder=3)
    soma = [(x - 7, y - 6), (x + 7, y - 6), (x + 1.2, y + 8), (x - 1.2, y + 8)]
    axes.add_patch(Polygon(soma, facecolor=color, edgecolor=color, linewidth=2, joinstyle="round", zorder=4))
    axes.text(x, y - 2.6, "PYR", color="white", ha="center", va="center", fontweight="bold", fontsize=8, zorder=6)
    axes.text(x - 3.2, 64, "apical dendrite", color=color, fontsize=7, rotation=90, ha="center", va="top")


def _interneuron(axes: Axes, name: str, place: tuple[float, float]) -> None:
    axes.add_patch(Circle(place, RADIUS, facecolor=style.COLORS[name], edgecolor="white", linewidth=0.8, zorder=4))
    axes.text(*place, name, color="white", ha="center", va="center", fontweight="bold", fontsize=8, zorder=6)


def _axon(axes: Axes, path: str, route: list[tuple[float, float]], strength: float) -> None:
    """Draw one axon; it ends in an arrow if it excites, in a bar if it inhibits."""
    source = path.split("_to_")[0]
    color, width = style.COLORS[source], 0.8 + 1.8 * np.sqrt(strength)
    points = _rounded(route, 2.5)
    # Inhibitory axons pass over pyramidal ones, with a white edge; branches of one axon join without it.
    level = 2.0 if source == "PYR" else 2.2
    axes.plot(*points.T, color="white", linewidth=width + 2.4, solid_capstyle="butt", zorder=level)
    axes.plot(*points.T, color=color, linewidth=width, solid_capstyle="butt", zorder=level + 0.1)
    ending(axes, points[-2], points[-1], color, excites=source == "PYR", size=1.4 + 0.5 * np.sqrt(strength))


def ending(axes: Axes, before: np.ndarray, tip: np.ndarray, color: str, excites: bool, size: float = 1.6) -> None:
    """Draw the end of an axon at `tip`, coming from `before` (both mm): an arrow head, or a bar across."""
    along = (np.asarray(tip) - before) / np.hypot(*(np.asarray(tip) - before))
    across = np.array([-along[1], along[0]])
    if excites:
        corners = [tip + along * 0.6 * size, tip - along * size + across * size, tip - along * size - across * size]
        axes.add_patch(Polygon(corners, facecolor=color, edgecolor="none", zorder=5))
    else:
        axes.plot(
            *np.transpose([tip + 1.35 * size * across, tip - 1.35 * size * across]),
            color=color,
            linewidth=2.0,
            solid_capstyle="butt",
            zorder=5,
        )


def _rounded(route: list[tuple[float, float]], radius: float) -> np.ndarray:
    """Return the way (shape (n, 2), mm) with its corners rounded."""
    points = [np.asarray(p, float) for p in route]
    way = [points[0]]
    for before, corner, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        start = corner + radius * (before - corner) / np.hypot(*(before - corner))
        stop = corner + radius * (after - corner) / np.hypot(*(after - corner))
        t = np.linspace(0, 1, 9)[:, None]
        way.extend((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * stop)
    return np.array([*way, points[-1]])


def _afferent(axes: Axes, name: str, words: str) -> None:
    start, stop = (np.asarray(p) for p in AFFERENTS[name])
    axes.plot(*np.transpose([start, stop]), color=style.BASELINE, linewidth=1.3, solid_capstyle="butt", zorder=1.5)
    ending(axes, start, stop, style.BASELINE, excites=True, size=1.5)
    if words:
        axes.text(
            *AFFERENT_LABELS[name], words, color=style.BASELINE, fontsize=6.5, va="bottom", zorder=7, path_effects=HALO
        )


def _words(axes: Axes, at: tuple[float, float], words: str, color: str) -> None:
    axes.text(
        *at,
        words,
        color=color,
        fontsize=6.5,
        ha="center",
        va="center",
        zorder=7,
        linespacing=1.1,
        bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"},
    )


def _pool(axes: Axes, words: str) -> None:
    """Draw the glutamate pool: release by PYR in, tonic NMDA activation out, mGluR2/3 back on release."""
    x, y = POOL
    gold = style.GLUTAMATE
    axes.add_patch(
        FancyBboxPatch(
            (x - 10.6, y - 6),
            21.2,
            12,
            boxstyle="round,pad=0,rounding_size=5",
            facecolor="#FFF6DC",
            edgecolor=gold,
            linewidth=0.9,
            zorder=1.8,
        )
    )
    axes.text(x, y, words, color=gold, fontsize=6.5, ha="center", va="center", zorder=7, linespacing=1.2)
    dashes = {"color": gold, "linewidth": 1.0, "linestyle": (0, (2.2, 1.4)), "zorder": 1.6}
    release = np.array([(42.6, 40.5), (46.5, 55.4)])
    axes.plot(*release.T, **dashes)
    ending(axes, release[0], release[1], gold, excites=True, size=1.3)
    axes.text(46.6, 48.5, "release", color=gold, fontsize=6.5, ha="left", va="center", path_effects=HALO, zorder=7)
    feedback = np.array([(58.0, 57.0), (58.0, 14.2)])
    axes.plot(*feedback.T, **dashes)
    ending(axes, feedback[0], feedback[1], gold, excites=False, size=1.2)
    axes.text(
        57.4,
        24.5,
        "mGluR\n2/3",
        color=gold,
        fontsize=6.5,
        ha="right",
        va="center",
        path_effects=HALO,
        zorder=7,
        linespacing=1.1,
    )
    tonic = np.array([(51.2, 69.0), (51.2, 76.0)])
    axes.plot(*tonic.T, **dashes)
    ending(axes, tonic[0], tonic[1], gold, excites=True, size=1.3)
    axes.text(
        51.2,
        78.0,
        "tonic NMDA\nin all cells",
        color=gold,
        fontsize=6.5,
        ha="center",
        va="bottom",
        linespacing=1.1,
        path_effects=HALO,
        zorder=7,
    )


def _receptors(axes: Axes, shares: Mapping[str, float | None]) -> None:
    """Put the marks of the NMDA receptor classes on the membranes, their area by share."""
    for name in style.COLORS:
        share = shares.get(name)
        if share is None:
            continue
        for x, y, cls in _receptor_places(name):
            part = share if cls == "GluN2CD" else 1 - share
            if part > 0:
                receptor(axes, x, y, cls, 5.2 * np.sqrt(part))


def _receptor_places(name: str) -> list[tuple[float, float, str]]:
    if name == "PYR":
        return [(x, y, cls) for x, y in ((41.0, 37.6), (38.9, 88.0)) for cls in ("GluN2AB",)] + [
            (43.4, 31.0, "GluN2CD"),
            (38.9, 83.0, "GluN2CD"),
        ]
    x, y = PLACES[name]
    near = {"PV": (34, 0), "SST": (-62, -28), "VIP": (150, 205)}[name]
    turns = np.radians(near)
    return [
        (x + RADIUS * np.cos(turns[k]), y + RADIUS * np.sin(turns[k]), cls) for k, cls in enumerate(style.PAIR_NAMES)
    ]


def receptor(axes: Axes, x: float, y: float, cls: str, size: float) -> None:
    """Draw one receptor mark: a gold disc for GluN2A/2B, a white diamond for GluN2C/2D."""
    open_diamond = cls == "GluN2CD"
    axes.plot(
        [x],
        [y],
        marker="D" if open_diamond else "o",
        markersize=size,
        markeredgecolor=style.INK,
        markeredgewidth=0.8,
        markerfacecolor="white" if open_diamond else "#F2C14E",
        linestyle="none",
        zorder=8,
    )
