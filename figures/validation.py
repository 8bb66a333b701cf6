# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicted against published: every effect with a sign, every quantity with a size, and the score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from circuit.scores import CALIBRATION, VALIDATION, Checked, Score, Scores
from circuit.scoring import ERRORS, FACTOR, FAIL, OUT, PASS, SIGN_ONLY, UNCHANGED
from figures import style

RIGHT, PART, WRONG = style.COLORS["SST"], style.GLUTAMATE, style.COLORS["PV"]
VERDICT_COLORS = {PASS: RIGHT, SIGN_ONLY: PART, FAIL: WRONG, OUT: style.FAINT}
ARROWS = {"up": "↑", "down": "↓", "none": "–"}
LINE_MM, MOST_WORDS = 2.5, 56
#: Of a column of changes: where its axes begin, and how wide they are, mm; what stands above and below, and of B and C.
LEFT_MM, WIDTH_MM, COLUMN_MM, ABOVE_MM, BELOW_MM, FOOT_MM = 55.0, 33.0, 92.0, 8.0, 11.0, 66.0
#: Percent; beyond it a change is drawn at the edge, as an arrow.
LIMIT = 400.0
TICKS = (-80, -50, 0, 100, 400)

Line = tuple[Score, Checked]


@style.styled
def figure(scores: Scores) -> Figure:
    """Return the figure: A changes, published and predicted; B sizes against each other; C the score."""
    lines = changes(scores)
    half = (len(lines) + 1) // 2
    span = LINE_MM * max(half, 4)
    height = ABOVE_MM + span + BELOW_MM + FOOT_MM
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, height, layout="none")

    def axes(left: float, bottom: float, width: float, tall: float) -> Axes:
        wide = style.DOUBLE_COLUMN_MM
        return fig.add_axes((left / wide, bottom / height, width / wide, tall / height))

    for n, part in enumerate((lines[:half], lines[half:])):
        forest = draw_changes(axes(LEFT_MM + n * COLUMN_MM, BELOW_MM + FOOT_MM, WIDTH_MM, span), part, half)
        if n == 0:
            style.letter(forest, "A", dx=-150, dy=6)
            forest.set_title("Arrows and grey: published", loc="right")
    scatter = draw_sizes(axes(18, 11, 44, 44), sizes(scores))
    score = draw_score(axes(110, 36, 66, 19), scores)
    style.letter(scatter, "B", dx=-34, dy=8)
    style.letter(score, "C", dx=-34, dy=8)
    return fig


def changes(scores: Scores) -> list[Line]:
    """Effects that are changes and have a prediction, in the order of the findings."""
    return [
        (row, check)
        for row in scores.rows
        for check in row.checks
        if check.neutral is not None and check.mean is not None
    ]


def sizes(scores: Scores) -> list[Checked]:
    """Effects of which a positive size is known, and a prediction that is positive too."""
    found = [check for row in scores.rows for check in row.checks if check.mean is not None]
    return [check for check in found if span(check) is not None and ratio(check.mean, check) > 0]


def percent(value: float, check: Checked) -> float:
    """A value of an effect as a change in percent."""
    return 100 * (value - 1) if check.neutral == 1 else value


def ratio(value: float, check: Checked) -> float:
    """A value of an effect as what can stand on a logarithmic axis: a change in percent becomes a ratio."""
    return 1 + value / 100 if check.neutral == 0 else value


def span(check: Checked) -> tuple[float, float, float] | None:
    """Return what was published, its lowest, middle and highest, as `ratio`; None if no positive size is known."""
    if check.low is not None and check.high is not None:
        ends = ratio(check.low, check), ratio(check.high, check)
        return (ends[0], float(np.sqrt(ends[0] * ends[1])), ends[1]) if ends[0] > 0 else None
    if check.value is None or ratio(check.value, check) <= 0:
        return None
    spread = ERRORS * (check.spread or 0.0)
    low, middle, high = (ratio(check.value + shift, check) for shift in (-spread, 0.0, spread))
    return max(low, middle / 10), middle, high


def color(check: Checked) -> str:
    """Colour of an effect: right, the sign only, or wrong."""
    return RIGHT if check.passes else PART if check.sign_right else WRONG


def words(row: Score, check: Checked) -> str:
    """What stands before a line: whose finding, of what, and under which condition; cut to fit."""
    quantity, _, condition = check.at.rpartition(": ")
    who = row.source.split(";")[0].split(",")[0].split(" (")[0]
    text, end = f"{who}, {quantity or check.quantity}", f": {condition}"
    room = MOST_WORDS - len(end)
    return (text if len(text) <= room else text[: max(room - 1, len(who))].rstrip() + "…") + end


def draw_changes(axes: Axes, lines: Sequence[Line], room: int) -> Axes:
    """Draw a line for each change: published sign and size in grey, prediction with two standard errors and SD.

    There is `room` for so many lines.
    """
    axes.axvspan(_at(-UNCHANGED), _at(UNCHANGED), color=style.FAINT, alpha=0.25, linewidth=0)
    axes.axvline(0, color=style.BASELINE, linewidth=0.6)
    for n, (_, check) in enumerate(lines):
        if (published := published_change(check)) is not None:
            axes.plot([_at(end) for end in published], [n, n], color=style.FAINT, linewidth=4, solid_capstyle="butt")
        mean, tint = percent(check.mean, check), color(check)
        scale = 100.0 if check.neutral == 1 else 1.0
        for half, width in ((check.sd, 0.5), (ERRORS * (check.error or 0.0), 1.6)):
            if half:
                ends = [_at(mean - scale * half), _at(mean + scale * half)]
                axes.plot(ends, [n, n], color=tint, linewidth=width, solid_capstyle="butt")
        marker = "o" if abs(mean) <= LIMIT else ">" if mean > 0 else "<"
        axes.plot(_at(mean), n, marker, color=tint, markersize=2.6)
        if check.sign:
            axes.annotate(ARROWS[check.sign], (0, n), xycoords=("axes fraction", "data"), xytext=(-5, 0),
                          textcoords="offset points", ha="center", va="center", fontsize=6)  # fmt: skip
    axes.set_yticks(range(len(lines)), [words(*line) for line in lines], fontsize=4.8)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.set_ylim(max(room, 1) - 0.5, -0.5)
    axes.set_xlim(_at(-100), _at(LIMIT) * 1.04)
    axes.xaxis.set_major_locator(FixedLocator([_at(tick) for tick in TICKS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:+d}" if tick else "0" for tick in TICKS])
    axes.set_xlabel("Change (%)")
    return axes


def published_change(check: Checked) -> tuple[float, float] | None:
    """Ends of a published change, %; None if only its sign is known."""
    if check.low is not None or check.high is not None:
        low = -100.0 if check.low is None else percent(check.low, check)
        return low, LIMIT if check.high is None else percent(check.high, check)
    if check.value is None:
        return None
    middle = percent(check.value, check)
    half = ERRORS * check.spread * (100 if check.neutral == 1 else 1) if check.spread is not None else 0.0
    return (middle - half, middle + half) if half else (middle - 1, middle + 1)


def _at(change: float) -> float:
    """Place of a change on an axis on which a doubling and a halving are as long."""
    return float(np.log2(np.clip(1 + change / 100, 0.09, 1 + LIMIT / 100)))


def draw_sizes(axes: Axes, found: Sequence[Checked]) -> Axes:
    """Draw predicted against published sizes, with the spread of both; the band is a factor of two."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = np.array([0.01, 150.0])
    axes.fill_between(ends, ends / FACTOR, ends * FACTOR, color=style.FAINT, alpha=0.3, linewidth=0)
    axes.plot(ends, ends, color=style.BASELINE, linewidth=0.6)
    for check in found:
        low, middle, high = span(check)
        mean = ratio(check.mean, check)
        half = (check.sd or 0.0) / (100 if check.neutral == 0 else 1)
        tint = color(check)
        axes.errorbar(middle, mean, [[min(half, 0.9 * mean)], [half]], [[middle - low], [high - middle]], color=tint,
                      fmt="o" if check.num else "D", markersize=3 if check.num else 2.4, elinewidth=0.7,
                      markerfacecolor=tint if check.num else "none", markeredgewidth=0.7)  # fmt: skip
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("Published")
    axes.set_ylabel("Here")
    axes.set_title("Discs: circuit. Diamonds: receptors", loc="right")
    return axes


def draw_score(axes: Axes, scores: Scores) -> Axes:
    """Draw how many findings came to what, of those that nothing was fitted to and of the others."""
    for n, use in enumerate((VALIDATION, CALIBRATION)):
        left = 0
        for name, count in scores.counts(use).items():
            if count:
                axes.barh(n, count, left=left, color=VERDICT_COLORS[name], height=0.7)
                axes.text(left + count / 2, n, str(count), ha="center", va="center", fontsize=6,
                          color=style.INK if name == OUT else "white")  # fmt: skip
            left += count
    axes.set_yticks([0, 1], ["tests", "fitted"])
    axes.set_ylim(1.6, -0.6)
    axes.set_xlabel("Findings")
    handles = [axes.barh(0, 0, color=tint, label=name) for name, tint in VERDICT_COLORS.items()]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.45, -0.5), ncols=4)
    return axes
