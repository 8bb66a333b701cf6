# SPDX-License-Identifier: GPL-3.0-or-later
"""Every figure builds from every kind of run, says what its axes are, and keeps its words on the paper."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from scipy import stats

from circuit.populations import POPULATIONS
from figures import block, make, raster, rates, spectra, style, traces
from figures.timeline import Timeline
from tests.figures.standin import ONSET, SETTLED, StandIn

SMALLEST_POINTS = 6.5
# Text extents are rounded up to whole pixels.
TOLERANCE_PIXELS = 1.5


@pytest.fixture(params=make.FIGURES)
def name(request):
    return request.param


@functools.cache
def drawn(name, results):
    """The figure with its layout solved; several tests look at it."""
    figure = make.FIGURES[name].figure(results)
    with style.using():
        figure.draw_without_rendering()
    return figure


def words_on(axis):
    return [label.get_text() for label in axis.get_ticklabels() if label.get_visible() and label.get_text()]


def all_axes(figure):
    for axes in figure.axes:
        yield axes
        yield from axes.child_axes


def test_every_figure_builds_and_keeps_its_words_on_the_paper(name, results, monkeypatch):
    seen = []
    draw = Text.draw

    def watched(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            seen.append((text, text.get_window_extent(renderer)))
        return draw(text, renderer, *args, **kwargs)

    figure = drawn(name, results)  # solves the layout
    monkeypatch.setattr(Text, "draw", watched)
    with style.using():
        figure.draw_without_rendering()
    low, high = figure.bbox.min - TOLERANCE_PIXELS, figure.bbox.max + TOLERANCE_PIXELS
    assert len(seen) > 5
    for text, box in seen:
        assert text.get_fontsize() >= SMALLEST_POINTS, text
        assert np.all(box.min >= low) and np.all(box.max <= high), text


def test_axes_with_ticks_say_what_they_show(name, results):
    for axes in all_axes(drawn(name, results)):
        if not axes.axison:
            continue
        for axis in (axes.xaxis, axes.yaxis):
            shown = words_on(axis)
            if shown and not any(population in shown[0] for population in POPULATIONS):
                if (
                    axes.get_yscale() == "log"
                    and axis is axes.yaxis
                    and not axis.get_tick_params().get("labelleft", True)
                ):
                    continue
                assert axis.get_label_text() or _labelled_beside(axes, axis), (name, axes, shown)


def _labelled_beside(axes, axis):
    """Whether the same scale is named on a panel in the same row or column."""
    same = [other for other in axes.figure.axes if other is not axes and other.axison]
    if axis is axes.yaxis:
        row = [other for other in same if abs(other.get_position().y0 - axes.get_position().y0) < 1e-3]
        return any(other.get_ylabel() and np.allclose(other.get_ylim(), axes.get_ylim()) for other in row)
    return False


def test_captions_and_alternatives_are_sentences(name, results):
    module = make.FIGURES[name]
    for words in (module.caption(results), module.alt(results)):
        assert words.endswith(".") and "nan" not in words and len(words) > 30
        assert "{" not in words and "None" not in words


def test_make_all_writes_png_and_pdf_of_every_figure(complete, tmp_path):
    paths = make.all(complete, tmp_path / "figures")
    assert [path.name for path in paths] == [f"{name}.{kind}" for name in make.FIGURES for kind in ("png", "pdf")]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"%PDF")


def test_the_same_run_gives_the_same_bytes(tmp_path):
    twice = [style.save(traces.figure(StandIn()), tmp_path / str(k), "glutamate") for k in range(2)]
    for first, second in zip(*twice, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_widths_are_those_of_a_journal(name, complete):
    width, height = make.FIGURES[name].figure(complete).get_size_inches() * 25.4
    assert min(abs(width - column) for column in (style.SINGLE_COLUMN_MM, style.DOUBLE_COLUMN_MM)) < 1e-6
    assert height <= 247  # of a printed page


def test_drawing_changes_nothing_outside(complete):
    before = dict(matplotlib.rcParams)
    drawn("raster", complete)
    assert dict(matplotlib.rcParams) == before


def test_pyplot_stays_out():
    code = (
        "import sys, figures.make, figures.report; print('matplotlib.pyplot' in sys.modules, 'brian2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# Colours

# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as seen without one kind of cone.
SIGHT = {
    "trichromat": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(color, sight):
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ np.clip(np.array(sight) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_populations_differ_in_colour_for_every_eye(sight):
    for one, other in itertools.combinations(style.COLORS.values(), 2):
        assert np.linalg.norm(lab(one, SIGHT[sight]) - lab(other, SIGHT[sight])) >= 18


# What the panels show


def test_raster_is_thinned_in_proportion_and_says_so():
    large = StandIn(scale=1)
    every = raster.thinning(large.sizes)
    assert sum(size // every for size in large.sizes.values()) <= raster.MOST_ROWS
    assert f"Every {every}th cell" in raster.caption(large)
    assert "Every cell is shown" in raster.caption(StandIn())


def test_smoothing_keeps_a_constant_to_both_ends():
    assert np.allclose(raster.smooth(np.full(50, 3.0), 5.0), 3.0)


def test_histogram_edges_lie_between_counts_and_never_repeat():
    edges = rates.count_edges(5.0, 40.0)
    assert np.allclose(edges * 5.0 % 1, 0.5) and np.all(np.diff(edges) > 0)
    assert edges[0] < 1 / 5.0 and edges[-1] > 40.0


def test_distribution_counts_every_active_cell_once(complete):
    values = complete.cell_rates("PYR", "baseline")
    axes = style.new_figure(89, 60).add_subplot()
    rates.draw_distribution(axes, values, 5.0, "black", filled=False)
    (stairs,) = axes.patches
    density, edges, _ = stairs.get_data()
    assert np.sum(density * np.diff(np.log10(edges))) == pytest.approx(np.mean(values > 0))


def test_a_class_that_a_population_lacks_is_left_out(complete):
    axes = style.new_figure(89, 60).add_subplot()
    block.draw_block(axes, complete, "GluN2C")
    assert [line.get_label() for line in axes.lines] == ["PV", "SST"]


def test_settled_block_is_the_mean_of_the_drug_window(complete):
    mean = block.window_mean(*block.block_of(complete, "PV", "GluN2C"), complete.windows["drug"])
    # tau = 2 s, 8 s after the onset: within 2 % of settled.
    assert mean == pytest.approx(SETTLED["PV", "GluN2C"], rel=0.02)


def test_samples_never_mix_before_and_after_the_drug():
    times = np.arange(0, 20, 0.01)
    edges, means = traces.samples(times, (times >= ONSET).astype(float), 2.0, ONSET)
    assert ONSET in edges and set(means) == {0.0, 1.0}


def test_samples_mark_a_gap_as_missing():
    edges, means = traces.samples(np.array([0.1, 0.2, 3.1]), np.array([1.0, 3.0, 5.0]), 1.0)
    assert np.allclose(edges, [0, 1, 2, 3, 4])
    assert np.allclose(means, [2.0, np.nan, np.nan, 5.0], equal_nan=True)


def test_spectrum_finds_the_bump(complete):
    cut = spectra.segments(complete, Timeline.of(complete))
    frequency, before, _ = spectra.density(*cut["baseline"])
    _, after, _ = spectra.density(*cut["drug"])
    assert frequency[np.argmax(after / before)] == pytest.approx(45, abs=8)


def test_interval_of_a_spectrum_holds_the_truth_as_often_as_it_says():
    """White noise of known density: of 20 runs of 29 bands about 95 % hold it.

    Over 150 repeats the share had mean 0.95 and SD 0.01; the bounds are 4 and 4 SD away, a false alarm in 10,000.
    """
    random = np.random.default_rng()
    held, truth = [], 2e-3  # variance 1 spread over 500 Hz
    times = np.arange(5000) * 1e-3
    for _ in range(20):
        _, power, freedom = spectra.density(times, random.normal(size=times.size))
        high, low = freedom / stats.chi2.ppf(spectra.TAILS, freedom)
        held.append((low * power <= truth) & (high * power >= truth))
    assert 0.91 <= np.mean(held) <= 0.99


# The course of a run


def test_timeline_names_dose_and_onset(complete):
    course = Timeline.of(complete)
    assert course.treatment == "ketamine 1 µM" and not course.interrupted
    assert course.epochs[0].start == pytest.approx(ONSET) and course.epochs[0].stop == 20.0


def test_timeline_of_an_interrupted_run_knows_where_it_should_have_ended():
    course = Timeline.of(StandIn(stop=9.3))
    assert course.interrupted and (course.stop, course.planned) == (9.3, 20.0)
    assert set(course.windows) == {"baseline"}


def test_timeline_without_drug_has_no_epochs():
    course = Timeline.of(StandIn(drug=False))
    assert course.epochs == () and course.treatment == "no drug"


def test_steps_of_a_schedule_are_separate_and_a_course_is_one():
    steps, course = StandIn(), StandIn()
    times = np.arange(0, 20, 0.01)
    steps.column = lambda name: (times, np.select([times < 7, times < 12, times < 15], [0.0, 0.3, 1.0], 0.0))
    course.column = lambda name: (times, np.where(times < 7, 0.0, 2 * np.exp(-np.maximum(times - 7, 0) / 4)))
    stepped, smooth = Timeline.of(steps), Timeline.of(course)
    assert [(round(e.start, 2), round(e.stop, 2), e.high) for e in stepped.epochs] == [(7, 12, 0.3), (12, 15, 1.0)]
    assert stepped.treatment == "ketamine 0.3 to 1 µM"
    assert len(smooth.epochs) == 1 and smooth.treatment == "ketamine up to 2 µM"
