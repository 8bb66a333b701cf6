# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit that was simulated: a drawing and two tables with the numbers read from the run's own manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from circuit.populations import PATHWAYS, POPULATIONS
from circuit.subunits import CLASSES
from figures import numbers as model
from figures import sketch, style

HEIGHT_MM = 110.0
NO_NUMBERS = "numbers not recorded"


def pathway_labels(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Return the words on each pathway, in-degree times conductance of the first spike: ``128 × 0.25 nS``.

    Pathways without synapses have no words; all have empty ones if the manifest holds no numbers.
    """
    degrees, conductances = model.in_degrees(numbers), model.conductances(numbers)
    if not degrees:
        return dict.fromkeys(PATHWAYS, "")
    return {
        path: f"{degree} × {model.text(conductances.get(path))} nS" for path, degree in degrees.items() if degree > 0
    }


def strengths(numbers: Mapping[str, Any]) -> dict[str, float]:
    """Return in-degree times conductance of each pathway relative to the largest, 0 to 1."""
    degrees, conductances = model.in_degrees(numbers), model.conductances(numbers)
    total = {path: degrees[path] * conductances.get(path, 0.0) for path in degrees}
    largest = max(total.values(), default=0.0) or 1.0
    return {path: amount / largest for path, amount in total.items()}


def draw_circuit(axes: Axes, numbers: Mapping[str, Any]) -> Axes:
    """Draw cells and main pathways with their numbers; `numbers` is from `figures.numbers.tree`."""
    drive = {name: model.value(numbers, f"cells.{name}.mean_ext", "nS") for name in POPULATIONS}
    drive["PYR_d"] = model.value(numbers, "cells.PYR.mean_ext_d", "nS")
    words = {name: f"{model.text(g)} nS" for name, g in drive.items() if g is not None}
    shares = {name: magnesium_insensitive(numbers, name) for name in POPULATIONS}
    start = model.value(numbers, "glutamate.initial", "uM")
    pool = "glutamate pool" + (f"\n{model.text(start)} µM at start" if start is not None else "")
    sketch.draw_sketch(axes, pathway_labels(numbers), strengths(numbers), words, shares, pool)
    apical = model.value(numbers, "synapses.apical_fraction")
    if apical is not None:
        axes.text(
            18.2,
            74.6,
            f"{100 * apical:.0f} %\napical",
            color=style.COLORS["PYR"],
            fontsize=6.5,
            va="top",
            linespacing=1.1,
        )
        axes.text(18.2, 29.8, f"{100 * (1 - apical):.0f} %", color=style.COLORS["PYR"], fontsize=6.5, va="top")
    return axes


def mix(numbers: Mapping[str, Any], name: str) -> list[float | None]:
    """Return the share of each subunit in a population's NMDA conductance, in the order of `CLASSES`."""
    return [model.value(numbers, f"cells.{name}.fraction_{cls}") for cls in CLASSES]


def magnesium_insensitive(numbers: Mapping[str, Any], name: str) -> float | None:
    """Return the share of GluN2C and GluN2D together."""
    parts = mix(numbers, name)[2:]
    return None if None in parts else sum(parts)


def draw_matrix(axes: Axes, numbers: Mapping[str, Any]) -> Axes:
    """Draw all pathways as a table: rows are sources, columns targets; in-degree above, conductance (nS) below."""
    degrees, conductances, weight = model.in_degrees(numbers), model.conductances(numbers), strengths(numbers)
    for row, source in enumerate(POPULATIONS):
        for at, target in enumerate(POPULATIONS):
            path = f"{source}_to_{target}"
            face = _tint(style.COLORS[source], 0.55 * weight.get(path, 0.0) ** 0.5)
            axes.add_patch(Rectangle((at, row), 1, 1, facecolor=face, edgecolor="white", linewidth=1.2))
            degree, g = degrees.get(path), conductances.get(path)
            if degree:
                axes.text(at + 0.5, row + 0.36, str(degree), ha="center", va="center", fontsize=8, fontweight="bold")
                axes.text(at + 0.5, row + 0.71, model.text(g), ha="center", va="center", fontsize=7)
            else:
                axes.text(at + 0.5, row + 0.5, "–", ha="center", va="center", color=style.BASELINE)
    axes.set(xlim=(0, 4), ylim=(4, 0))
    axes.set_xticks([k + 0.5 for k in range(4)], POPULATIONS)
    axes.set_yticks([k + 0.5 for k in range(4)], POPULATIONS)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=1.5)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for text, name in zip(labels, POPULATIONS, strict=True):
            text.set(color=style.COLORS[name], fontweight="bold")
    axes.set_ylabel("from")
    axes.set_xlabel("to")
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)
    return axes


# Title of each column, key of the number, its unit.
COLUMNS = (
    ("NMDA :\nAMPA", "NMDA_ratio", ""),
    ("tonic\n(nS)", "g_tonic_max", "nS"),
    ("afferent\n(nS)", "mean_ext", "nS"),
)


def draw_receptor_table(axes: Axes, numbers: Mapping[str, Any]) -> Axes:
    """Draw the NMDA receptors of each population: subunits as a bar, then conductances."""
    axes.set(xlim=(0, 6.4), ylim=(4, -1.35))
    axes.set_axis_off()
    axes.text(0.95, -0.2, "GluN2 subunits", ha="left", va="bottom", fontsize=7)
    for at, (title, _, _) in enumerate(COLUMNS):
        axes.text(3.6 + 1.12 * at, -0.2, title, ha="center", va="bottom", fontsize=7, linespacing=1.1)
    axes.plot([0, 6.4], [0, 0], color=style.INK, linewidth=0.6)
    for row, name in enumerate(POPULATIONS):
        axes.text(0, row + 0.5, name, color=style.COLORS[name], fontweight="bold", va="center", fontsize=7)
        _class_bar(axes, row, style.COLORS[name], mix(numbers, name))
        for at, (_, key, unit) in enumerate(COLUMNS):
            number = model.value(numbers, f"cells.{name}.{key}", unit)
            axes.text(3.6 + 1.12 * at, row + 0.5, model.text(number), ha="center", va="center", fontsize=7)
    return axes


def _class_bar(axes: Axes, row: int, color: str, shares: list[float | None]) -> None:
    if None in shares:
        axes.text(1.95, row + 0.5, "–", ha="center", va="center", color=style.BASELINE)
        return
    left, width = 0.95, 2.0
    for cls, share, tint in zip(CLASSES, shares, (1.0, 0.72, 0.3, 0.12), strict=True):
        if share == 0:
            continue
        part, face = width * share, _tint(color, tint)
        axes.add_patch(Rectangle((left, row + 0.2), part, 0.6, facecolor=face, edgecolor=color, linewidth=0.8))
        if share >= 0.2:
            ink = "white" if tint > 0.5 else style.INK
            axes.text(left + part / 2, row + 0.52, cls[-2:], ha="center", va="center", fontsize=6.5, color=ink)
        left += part


def _tint(color: str, amount: float) -> tuple[float, ...]:
    """Return `color` mixed into white."""
    return tuple(1 - amount * (1 - part) for part in to_rgb(color))


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A drawing, B all pathways, C NMDA receptors and drive."""
    numbers = model.tree(results.manifest)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, HEIGHT_MM, layout="none")
    left = _axes(fig, 1.0, 2.0, sketch.WIDTH, sketch.CEILING - sketch.FLOOR)
    draw_circuit(left, numbers)
    matrix = _axes(fig, 126.5, 53.0, 55.5, 42.5)
    draw_matrix(matrix, numbers)
    table = _axes(fig, 119.0, 15.0, 63.0, 29.5)
    draw_receptor_table(table, numbers)
    _key(_axes(fig, 119.0, 0.0, 63.0, 14.0))
    for text, x, y in (("A", 2.0, 106.5), ("B", 119.0, 106.5), ("C", 119.0, 46.5)):
        fig.text(x / style.DOUBLE_COLUMN_MM, y / HEIGHT_MM, text, fontsize=9, fontweight="bold", va="center")
    fig.text(125.0 / style.DOUBLE_COLUMN_MM, 106.5 / HEIGHT_MM, "In-degree (bold) and conductance (nS)", va="center")
    fig.text(125.0 / style.DOUBLE_COLUMN_MM, 46.5 / HEIGHT_MM, "NMDA receptors and drive", va="center")
    if not numbers:
        left.text(sketch.WIDTH / 2, 9.5, NO_NUMBERS, ha="center", color=style.BASELINE)
    return fig


def _axes(fig: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes placed in millimetres from the lower left corner."""
    w, h = style.DOUBLE_COLUMN_MM, HEIGHT_MM
    return fig.add_axes((left / w, bottom / h, width / w, height / h))


def _key(axes: Axes) -> None:
    axes.set(xlim=(0, 63), ylim=(0, 14))
    axes.set_axis_off()
    for x, y, cls in ((1.5, 11.0, "GluN2AB"), (1.5, 6.8, "GluN2CD")):
        sketch.receptor(axes, x, y, cls, 4.6)
        axes.text(x + 2.8, y, f"{style.PAIR_NAMES[cls]}", va="center", fontsize=7)
    for x, y, excites, words in ((22.5, 11.0, True, "excites"), (22.5, 6.8, False, "inhibits")):
        axes.plot([x, x + 5], [y, y], color=style.INK, linewidth=1.2, solid_capstyle="butt")
        sketch.ending(axes, (x, y), (x + 5, y), style.INK, excites, 1.2)
        axes.text(x + 7.5, y, words, va="center", fontsize=7)
    axes.plot([42.5, 47.5], [11, 11], color=style.BASELINE, linewidth=1.3)
    sketch.ending(axes, (42.5, 11), (47.5, 11), style.BASELINE, True, 1.2)
    axes.text(49.7, 11, "afferents", va="center", fontsize=7)
    axes.plot([42.5, 47.5], [6.8, 6.8], color=style.GLUTAMATE, linewidth=1.0, linestyle=(0, (2.2, 1.4)))
    axes.text(49.7, 6.8, "slow", va="center", fontsize=7)
    axes.text(0, 2.4, "Drug: enters open, Mg-free pores of any subunit", va="center", fontsize=6.5, color=style.DRUG)


def caption(results: Any) -> str:
    """Return the words under the figure."""
    total = sum(results.sizes.values())
    return (
        f"The circuit, with the numbers of this run ({total:,} cells). (A) Main pathways: synapses per target "
        "cell × mean conductance at the first spike; line widths follow their product. Inhibition reaches the "
        "pyramidal soma from PV and its apical dendrite from SST; VIP inhibits SST. Grey: mean AMPA conductance "
        "of the afferents. Dashed: release from pyramidal cells fills a pool of extracellular glutamate, which "
        "activates NMDA receptors of all cells and, through mGluR2/3, lowers release. Marks: NMDA "
        "receptors, area by share. (B) All pathways; shading follows the product of the two numbers. (C) Subunits "
        "of each population's NMDA conductance (the paler, the weaker magnesium's hold), its size relative to AMPA at "
        "recurrent synapses, the largest extrasynaptic (tonic) conductance and the mean afferent one, at the "
        "soma."
    )


def alt(results: Any) -> str:
    """Return the pathways in words for a reader who cannot see the figure."""
    labels = {path: words for path, words in pathway_labels(model.tree(results.manifest)).items() if words}
    listed = "; ".join(f"{path.replace('_to_', ' to ')} {words}" for path, words in labels.items())
    return f"Circuit diagram. Synapses per target cell times conductance: {listed or NO_NUMBERS}."
