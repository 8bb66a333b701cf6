# SPDX-License-Identifier: GPL-3.0-or-later
"""Rhythms of the local field potential before and under the drug."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from circuit import rhythms
from circuit.errors import ResultsError
from circuit.measures import spectrum
from figures import style
from figures.timeline import Timeline

# Long enough for delta; what lies above is averaged over a constant ratio of frequencies and loses nothing by it.
SEGMENT_S = 2.0
EXCERPT_S = 0.5
HIGHEST_HZ = 200.0
# A window shorter than this has no spectrum; one shorter than a segment has one with coarser steps.
SHORTEST_S = 0.2
CONFIDENCE = 0.95
TAILS = np.array([[(1 - CONFIDENCE) / 2], [(1 + CONFIDENCE) / 2]])
BANDS_PER_OCTAVE = 6

LETTERS = {"delta": "δ", "theta": "θ", "alpha": "α", "beta": "β", "gamma": "γ", "hfo": "HFO"}

INK = {"baseline": style.BASELINE, "drug": style.DRUG}


def segments(results: Any, course: Timeline) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return times (s) and LFP proxy (pA per PYR cell) in each window long enough and not flat."""
    try:
        times, values = results.lfp()
    except ResultsError:
        return {}
    cut = {name: (times >= start) & (times < stop) for name, (start, stop) in course.windows.items()}
    return {
        name: (times[inside], values[inside])
        for name, inside in cut.items()
        if inside.sum() > 8 and times[inside][-1] - times[inside][0] >= 0.99 * SHORTEST_S and np.ptp(values[inside]) > 0
    }


def segment_length(cut: dict[str, tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the length (s) of the segments of both spectra, so that they share their frequencies."""
    spans = [times.size * step_of(times) for times, _ in cut.values()]
    return round(min([SEGMENT_S, *spans]), 9)


def step_of(times: np.ndarray) -> float:
    """Return the time between samples, s, free of rounding."""
    return round(float(np.median(np.diff(times))), 9)


def lowest(segment: float) -> float:
    """Return the lowest frequency to trust, Hz: taking off each segment's mean pulls its first one down too."""
    return 2 / segment


def density(
    times: np.ndarray, values: np.ndarray, segment: float = SEGMENT_S
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return power density averaged over bands of a constant ratio, one sixth of an octave.

    Parameters
    ----------
    times, values : ndarray, shape (n,)
        LFP proxy in pA per PYR cell at times in s, evenly spaced.
    segment : float, optional
        Length of a Welch segment, s.

    Returns
    -------
    frequency : ndarray, shape (m,)
        Hz, geometric mean of each band, from `lowest` to 200 Hz.
    power : ndarray, shape (m,)
        pA^2/Hz.
    freedom : ndarray, shape (m,)
        Degrees of freedom of each value.

    Notes
    -----
    Half-overlapping Hann windows are correlated; `k` of them are worth ``36 k^2 / (19 k - 1)`` degrees of freedom
    (Percival and Walden 1993, section 6.17), not ``2 k``. Neighbouring frequencies share power through the Hann
    window, see `_independent`.
    """
    step = step_of(times)
    frequency, power = spectrum(values, step, segment)
    shown = (frequency >= lowest(segment) - 1e-6) & (frequency <= HIGHEST_HZ + 1e-6)
    frequency, power = frequency[shown], power[shown]
    bands = np.unique(np.round(BANDS_PER_OCTAVE * np.log2(frequency)).astype(int), return_inverse=True)[1]
    counts = np.bincount(bands)
    k = max(1, int(2 * values.size * step / segment + 1e-6) - 1)
    freedom = 36 * k**2 / (19 * k - 1) * _independent(counts)
    return 2 ** (np.bincount(bands, np.log2(frequency)) / counts), np.bincount(bands, power) / counts, freedom


def _independent(counts: np.ndarray) -> np.ndarray:
    """Return how many independent values the mean of `counts` neighbouring frequencies is worth.

    The Hann window correlates power one frequency apart by (2/3)^2 and two apart by (1/6)^2.
    """
    return counts**2 / (counts + 2 * (counts - 1) * 4 / 9 + 2 * np.maximum(counts - 2, 0) / 36)


def draw_spectrum(
    axes: Axes, times: np.ndarray, values: np.ndarray, color: str, label: str, segment: float = SEGMENT_S
) -> Axes:
    """Draw the power density of one stretch of LFP with its 95 % interval, log-log; arguments as for `density`."""
    from scipy import stats  # not at the top: slow to import, and a sweep's figures have no intervals

    frequency, power, freedom = density(times, values, segment)
    high, low = freedom / stats.chi2.ppf(TAILS, freedom)
    axes.fill_between(frequency, low * power, high * power, facecolor=color, alpha=0.22, edgecolor="none")
    axes.loglog(frequency, power, color=color, label=label)
    return axes


def draw_change(
    axes: Axes,
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    segment: float = SEGMENT_S,
) -> Axes:
    """Draw the change of power in dB; the band holds 95 % of changes if nothing changed."""
    from scipy import stats  # as above

    frequency, power, freedom = density(*before, segment)
    _, under, freedom_under = density(*after, segment)
    low, high = 10 * np.log10(stats.f.ppf(TAILS, freedom_under, freedom))
    axes.fill_between(frequency, low, high, facecolor=style.FAINT, alpha=0.45, edgecolor="none")
    axes.axhline(0, color=style.INK, linewidth=0.6)
    with np.errstate(divide="ignore", invalid="ignore"):
        axes.semilogx(frequency, 10 * np.log10(under / power), color=style.DRUG)
    return axes


def draw_excerpt(axes: Axes, times: np.ndarray, values: np.ndarray, color: str, offset: float) -> Axes:
    """Draw a stretch of LFP (pA) against time from its start in ms, shifted up by `offset` pA."""
    axes.plot(1e3 * (times - times[0]), values + offset, color=color, linewidth=0.8)
    return axes


@style.styled
def figure(results: Any) -> Figure:
    """Return the figure: A excerpts of the LFP proxy, B spectra, C change of power."""
    course = Timeline.of(results)
    cut = segments(results, course)
    segment = segment_length(cut)
    fig = style.new_figure(style.DOUBLE_COLUMN_MM, 66)
    excerpt, spectra, change = fig.subplots(1, 3, width_ratios=[1, 1.05, 1])
    _excerpt_panel(excerpt, cut, min(EXCERPT_S, segment))
    for name, (times, values) in cut.items():
        peak = results.summary.get(f"gamma_peak_{name}_hz")
        label = ", ".join(filter(None, [_label(name, course), _peak_words(results, name)]))
        draw_spectrum(spectra, times, values, INK[name], label, segment)
        if peak:
            _peak_mark(spectra, peak, *density(times, values, segment)[:2], INK[name])
    spectra.set_ylabel("Power density (pA$^2$/Hz)")
    spectra.set_title("Spectrum")
    if cut:
        spectra.legend(loc="lower left")
    else:
        spectra.set(xscale="log", yscale="log", yticks=[])
    if len(cut) == 2:
        draw_change(change, cut["baseline"], cut["drug"], segment)
    else:
        change.set(xscale="log", yticks=[])
        change.text(
            0.5,
            0.5,
            "one window only" if cut else "nothing to analyse",
            transform=change.transAxes,
            ha="center",
            color=style.BASELINE,
        )
    change.set_ylabel("Change of power (dB)")
    change.set_title("Under drug against baseline")
    low, high = change.get_ylim()
    change.set_ylim(low, high + 0.15 * (high - low))
    for axes, text, dx in ((excerpt, "A", -11), (spectra, "B", -28), (change, "C", -24)):
        style.letter(axes, text, dx=dx, dy=4)
    for axes in (spectra, change):
        _frequency_axis(axes, lowest(segment))
    return fig


def _peak_words(results: Any, window: str) -> str:
    """Say where the gamma peak is, or that there is none; nothing of a window too short to tell."""
    peak, power = (results.summary.get(f"gamma_{key}") for key in (f"peak_{window}_hz", f"power_{window}_pA2"))
    if peak is None:
        return "" if power is None else "no γ peak"
    return f"peak {peak:.0f} Hz"


def _peak_mark(axes: Axes, peak: float, frequency: np.ndarray, power: np.ndarray, color: str) -> None:
    """Mark a peak (Hz) just above the curve."""
    height = np.exp(np.interp(np.log(peak), np.log(frequency), np.log(power)))
    axes.annotate(
        "",
        (peak, height),
        xytext=(0, 12),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 0.8, "mutation_scale": 6, "shrinkB": 2},
    )


def _label(name: str, course: Timeline) -> str:
    return course.treatment if name == "drug" and course.epochs else name


def _excerpt_panel(axes: Axes, cut: dict[str, tuple[np.ndarray, np.ndarray]], length: float) -> None:
    """Draw the end of each window under the other, with room for its name above and one scale bar at the bottom."""
    ends = {name: _last(times, values, length) for name, (times, values) in cut.items()}
    span = max((float(np.ptp(values)) for _, values in ends.values()), default=1.0) or 1.0
    top = 0.0
    for name, (times, values) in ends.items():
        draw_excerpt(axes, times, values, INK[name], top - 0.22 * span - float(values.max()))
        axes.text(0, top - 0.17 * span, name, color=INK[name], va="bottom")
        top -= 1.3 * span
    bar = _round_down(0.5 * span)
    axes.set(xlim=(0, 1e3 * length), ylim=(top - 1.1 * bar, 0.0), yticks=[])
    axes.set_xlabel("Time (ms)")
    axes.set_ylabel("LFP proxy (pA per PYR cell)")
    axes.set_title(f"Last {length:.1g} s of each window")
    axes.spines["left"].set_visible(False)
    if ends:
        x = 1e3 * length * 0.985
        axes.plot([x, x], [top - bar, top], color=style.INK, linewidth=1.4, solid_capstyle="butt")
        axes.text(x * 0.98, top - bar / 2, f"{bar:g} pA", ha="right", va="center")


def _last(times: np.ndarray, values: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    late = times >= times[-1] - length
    return times[late], values[late] - values[late].mean()


def _round_down(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `value`."""
    power = 10 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))


def _frequency_axis(axes: Axes, low: float) -> None:
    axes.set_xlim(low, HIGHEST_HZ)
    axes.set_xticks([f for f in (1, 2, 5, 10, 20, 50, 100, 200) if f >= low])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_xlabel("Frequency (Hz)")
    for name, (start, stop) in rhythms.BANDS.items():
        if start >= low * (1 - 1e-6):
            _band_mark(axes, LETTERS[name], start, stop)


def _band_mark(axes: Axes, letter: str, start: float, stop: float) -> None:
    """Name a band at the top, with a bar from `start` to `stop` Hz and faint lines at its ends."""
    for edge in (start, stop):
        axes.axvline(edge, color=style.FAINT, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=-5)
    place = axes.get_xaxis_transform()
    axes.plot([1.04 * start, stop / 1.04], [0.99, 0.99], transform=place, color=style.INK, linewidth=1.4,
              solid_capstyle="butt")  # fmt: skip
    axes.annotate(
        letter,
        (np.sqrt(start * stop), 0.99),
        xycoords=place,
        xytext=(0, -2.5),
        textcoords="offset points",
        ha="center",
        va="top",
    )


def caption(results: Any) -> str:
    """Return the words under the figure."""
    cut = segments(results, Timeline.of(results))
    bands = ", ".join(
        f"{'high-frequency oscillations' if name == 'hfo' else name} {low:.0f} to {high:.0f}"
        for name, (low, high) in rhythms.BANDS.items()
    )
    words = (
        "Local field potential, estimated from the synaptic currents of the pyramidal cells. (A) Excerpts, means "
        f"removed. (B) Power density by Welch's method (Hann windows of {segment_length(cut):.3g} s, half overlapping, "
        f"averaged over sixths of an octave) with 95 % intervals; bars mark the bands ({bands} Hz). An arrow marks a "
        "gamma peak that is more prominent than chance makes it in a window of this length."
    )
    if len(cut) == 2:
        words += (
            " (C) Change of power; if nothing changed, 95 % of the values at any one frequency lie in the grey band."
        )
    return words


def alt(results: Any) -> str:
    """Return the finding for a reader who cannot see the figure."""
    cut = segments(results, Timeline.of(results))
    parts = [f"{_peak_words(results, name) or 'too short to tell a peak'} ({name})" for name in cut]
    change = results.summary.get("gamma_power_change_percent")
    parts += [f"gamma power changes by {change:+.0f} %"] if len(cut) == 2 and change is not None else []
    return f"Spectrum of the LFP proxy up to {HIGHEST_HZ:.0f} Hz: {'; '.join(parts) or 'nothing to analyse'}."
