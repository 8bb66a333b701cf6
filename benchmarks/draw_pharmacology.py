# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw docs/pharmacology.png: how magnesium and a blocker share the pore, and how near that comes to what was measured.

python -m benchmarks.draw_pharmacology docs
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import fit_receptors
from circuit import kinetic_scheme as scheme
from circuit.config import load
from circuit.potency import IC50, k_off, unblocked
from circuit.schema import Parameters
from circuit.subunits import CLASSES
from figures import style
from figures.pharmacology import SUBUNIT_DASHES

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
#: No subunit is a population: shades of ink, and the dashes they have elsewhere.
SHADES = dict(zip(CLASSES, ("#1F2328", "#6E747D", "#7A5C00", "#C79A1B"), strict=True))
VOLTAGES = np.linspace(-90, 20, 111)


def draw_magnesium(axes: Axes, numbers: Parameters) -> None:
    """Share of pores without magnesium against voltage."""
    for name in CLASSES:
        share = 100 * unblocked(numbers.receptors, name, 1e-3 * VOLTAGES)
        axes.plot(VOLTAGES, share, color=SHADES[name], linestyle=SUBUNIT_DASHES[name], label=name)
    axes.set_xlabel("Membrane potential (mV)")
    axes.set_ylabel("Open pores without Mg (%)")
    axes.legend(loc="upper left", handlelength=2.6)


def draw_potency(axes: Axes, numbers: Parameters) -> None:
    """IC50 of ketamine against voltage in 1 mM magnesium and without, with what was measured at -66 mV."""
    for name in CLASSES:
        for Mg, alpha in ((1.0, 1.0), (0.0, 0.45)):
            level = 1e3 * IC50(numbers.drugs.ketamine, numbers.receptors, name, 1e-3 * VOLTAGES, Mg)
            axes.plot(VOLTAGES, level, color=SHADES[name], linestyle=SUBUNIT_DASHES[name], alpha=alpha)
    for drug, Mg, v, published, source in fit_receptors.TARGETS:
        if drug == "ketamine" and source in ("A4", "A5"):
            for name, value in zip(CLASSES, published, strict=True):
                face = SHADES[name] if Mg else "white"
                axes.plot(v, value, "o", markersize=4, color=SHADES[name], markerfacecolor=face, zorder=3)
    axes.set_yscale("log")
    axes.set_xlabel("Membrane potential (mV)")
    axes.set_ylabel("IC50 of ketamine (µM)")
    axes.set_ylim(0.1, 40)
    axes.text(0.03, 0.96, "strong and filled: 1 mM Mg\nfaint and open: none", va="top", transform=axes.transAxes)


def draw_agreement(axes: Axes, numbers: Parameters) -> None:
    """Model against measurement for two drugs, four subunits, with and without magnesium."""
    ends = np.array([0.15, 30])
    axes.fill_between(ends, ends * 0.65, ends * 1.35, color="#EEF0F2", linewidth=0, label="within 35 %")
    axes.plot(ends, ends, color=style.FAINT, linewidth=0.8)
    seen = set()
    for drug, Mg, v, published, source in fit_receptors.TARGETS:
        if source in ("A2", "A3"):  # one subunit, another laboratory
            continue
        for name, value in zip(CLASSES, published, strict=True):
            color = style.INK if drug == "ketamine" else style.DRUG
            marks = {"marker": "o" if Mg else "s", "markersize": 3.5, "linestyle": "none"}
            label = f"{drug}, {f'{Mg:g} mM Mg' if Mg else 'no Mg'}"
            shown = {} if label in seen else {"label": label}
            seen.add(label)
            found = 1e3 * IC50(getattr(numbers.drugs, drug), numbers.receptors, name, 1e-3 * v, Mg)
            axes.plot(value, found, color=color, **marks, **shown)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel("IC50 measured (µM)")
    axes.set_ylabel("IC50 of the model (µM)")
    axes.legend(loc="upper left")


def draw_course(axes: Axes, numbers: Parameters) -> None:
    """Onset, washout with agonist, and washout without: reduced equation and ten-state scheme."""
    gating = scheme.Gating.model_validate(yaml.safe_load((CONFIGS / "kinetic_scheme.yaml").read_text()))
    step = 0.05
    for name in ("GluN2C", "GluN2A"):
        full, reduced = course(numbers, gating, name, step)
        times = step * np.arange(1, full.size + 1)
        axes.plot(times, 100 * full, color=SHADES[name], linewidth=2.6, alpha=0.35)
        axes.plot(times, 100 * reduced, color=SHADES[name], linestyle=SUBUNIT_DASHES[name], label=name)
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("Blocked receptors (%)")
    axes.set_ylim(0, 90)
    axes.set_xlim(0, 45)
    for start, length, words in (
        (0, 10, "ketamine\n3 µM"),
        (10, 10, "washed,\nno agonist"),
        (20, 25, "washed, agonist\n(wide, pale: ten-state scheme)"),
    ):
        axes.axvspan(start, start + length, color=style.DRUG_SHADE if start == 0 else "white", linewidth=0, zorder=0)
        axes.text(start + length / 2, 88, words, ha="center", va="top")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.82), handlelength=2.6)


def course(numbers: Parameters, gating: scheme.Gating, name: str, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Blocked fraction every `step` s: 10 s of 3 uM with agonist, 10 s washed without, 25 s washed with it."""
    v, agonist = -0.066, 0.1
    ketamine = numbers.drugs.ketamine
    off, free = float(k_off(ketamine, name, v)), float(unblocked(numbers.receptors, name, v))
    with_drug = scheme.Pore(ketamine.k_on.si * 3e-3, off, 0.0, free, v)
    washed = scheme.Pore(0.0, off, 0.0, free, v)
    plan = [(with_drug, agonist, 10.0), (washed, 0.0, 10.0), (washed, agonist, 25.0)]
    gates = {glutamate: scheme.gating(gating, glutamate) for glutamate in (0.0, agonist)}
    start = scheme.settled(gates[agonist])
    steps = [step] * round(sum(length for *_, length in plan) / step)
    parts = [(pore, glutamate) for pore, glutamate, length in plan for _ in range(round(length / step))]
    p = scheme.mean_open([gates[glutamate] for _, glutamate in parts], steps, start) / scheme.open_saturated(gating)
    whole = {pair: scheme.scheme(gating, pair[1], pair[0]) for pair in set(parts)}
    states = scheme.follow([whole[pair] for pair in parts], steps, np.append(start, np.zeros(scheme.NUM_GATING)))
    reduced, b = [], 0.0
    for share, (pore, _) in zip(p, parts, strict=True):
        b = scheme.reduced(np.array([share]), [step], pore, b)[0]
        reduced.append(b)
    return scheme.blocked(states), np.array(reduced)


@style.styled
def figure(numbers: Parameters) -> Figure:
    """Return the figure: A magnesium, B potency against voltage, C model against measurement, D block in time."""
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 118)
    panels = fig.subplots(2, 2).ravel()
    for axes, draw, mark in zip(
        panels, (draw_magnesium, draw_potency, draw_agreement, draw_course), "ABCD", strict=True
    ):
        draw(axes, numbers)
        style.letter(axes, mark)
    return fig


def main() -> None:
    """Draw into the folder named on the command line."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    numbers = load(CONFIGS / "baseline.yaml").numbers
    png, pdf = style.save(figure(numbers), folder, "pharmacology")
    pdf.unlink()
    print(png)


if __name__ == "__main__":
    main()
