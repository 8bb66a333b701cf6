# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a course and of an experiment's arms, from a made-up course: they build, and say what they show."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from circuit import findings
from circuit.signalling import CHAIN, SPINE_RATES
from figures import arms, chain, make, style
from tests.figures.standin import StandIn
from tests.figures.test_figures import SMALLEST_POINTS, TOLERANCE_PIXELS, all_axes

PULSES = np.array([-0.01, 1.0])


class CourseStandIn(StandIn):
    """A course of two days before a drug and `hours` after it, with test pulses or without."""

    has_course = True

    def __init__(self, hours=24.0, stimuli=False, drug=True):
        super().__init__(drug=drug)
        self.hours, self.has_stimuli = hours, stimuli
        self.manifest["config"] |= {"course": {"drug_from": "first hours"}}
        self.chain_times = np.linspace(2, self.duration, 400)
        self._when = np.interp(self.chain_times, [2, 8, self.duration], [-48, 0, hours])
        self._seen = np.concatenate([np.linspace(-48, 0, 7), np.geomspace(0.5, hours, 8)])

    def chain(self, name):
        assert name in (*CHAIN, *SPINE_RATES, "throughput", "resting", "evoked"), name
        wave = np.exp(-0.5 * (np.maximum(self._when, 0) - 1) ** 2) * (self._when > 0)
        return self._when, 1 + 0.5 * wave * (-1) ** len(name)

    def spines(self, name):
        grown = np.maximum(self._seen, 0) / self.hours
        return self._seen, 0.5 * (1 + 0.1 * grown)

    def responses(self, name):
        return PULSES, np.array([20.0, 20.0]) if name == "pulses" else np.array([0.2, 0.25])


COURSES = {
    "day": {},
    "two weeks": {"hours": 336.0},
    "saline": {"drug": False},
    "stimuli": {"hours": 1.0, "stimuli": True},
}


@pytest.fixture(scope="module", params=COURSES)
def course(request):
    return CourseStandIn(**COURSES[request.param])


def words_of(figure, monkeypatch):
    """Every text that is drawn, and its place."""
    seen, draw = [], Text.draw

    def watched(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            seen.append((text, text.get_window_extent(renderer)))
        return draw(text, renderer, *args, **kwargs)

    with style.using():
        figure.draw_without_rendering()  # solves the layout
        monkeypatch.setattr(Text, "draw", watched)
        figure.draw_without_rendering()
    return seen


def assert_on_paper(figure, seen):
    low, high = figure.bbox.min - TOLERANCE_PIXELS, figure.bbox.max + TOLERANCE_PIXELS
    for text, box in seen:
        assert text.get_fontsize() >= SMALLEST_POINTS, text
        assert np.all(box.min >= low) and np.all(box.max <= high), text


def test_the_figures_of_a_course_build_and_keep_their_words_on_the_paper(course, monkeypatch):
    modules = {name: module for name, module in make.of(course).items() if name != "circuit"}
    assert set(modules) == ({"chain", "spines", "plasticity"} if course.has_stimuli else {"chain", "spines"})
    for module in modules.values():
        figure = module.figure(course)
        seen = words_of(figure, monkeypatch)
        assert len(seen) > 5
        assert_on_paper(figure, seen)
        for axes in all_axes(figure):
            assert axes.get_ylabel()
        for words in (module.caption(course), module.alt(course)):
            assert words.endswith(".") and "nan" not in words and len(words) > 30


@pytest.mark.parametrize("stimuli", [False, True])
def test_arms_are_rows_and_measures_columns(stimuli, monkeypatch):
    runs = {
        name: [CourseStandIn(stimuli=stimuli, drug=drug)]
        for name, drug in (("saline", False), ("ketamine", True), ("rapamycin + ketamine", True))
    }
    figure = arms.figure(runs)
    seen = words_of(figure, monkeypatch)
    assert_on_paper(figure, seen)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == list(runs)
    assert len(figure.axes) == len(arms.OF_STIMULI if stimuli else arms.MEASURES)
    assert len(arms.lines(runs)) == 1 + len(runs)


@pytest.mark.parametrize("arm", arms.PUBLISHED)
def test_what_is_drawn_of_an_arm_was_published(arm):
    """Every arrow is the sign of an effect of its finding; every word stands beside the source of a finding."""
    known, published = findings.load(), arms.PUBLISHED[arm]
    for measure, (sign, name) in published.signs.items():
        assert measure in arms.MEASURES | arms.OF_STIMULI
        assert sign in {effect.sign for effect in known[name].effects}
    label = published.label(known).replace("\N{NO-BREAK SPACE}", " ")
    assert all(known[name].source in label for name in published.ids)


def test_arrows_show_what_was_published_and_not_the_bars():
    """Memantine leaves p-eEF2 as it is in the paper, whatever its bar."""
    figure = arms.figure({"ketamine": [CourseStandIn()], "memantine": [CourseStandIn()]})
    arrows = [(text.get_text(), text.xy[1]) for text in figure.axes[0].texts]
    assert arrows == [("↓", 0), ("–", 1)]
    assert any("(Gideons\N{NO-BREAK SPACE}2014)" in text.get_text() for text in figure.axes[-1].texts)


def test_time_is_linear_up_to_an_hour_and_logarithmic_after():
    np.testing.assert_allclose(chain.spread(np.array([-0.5, 0.0, 0.5, 1.0])), [-0.5, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(np.diff(chain.spread(np.array([1.0, 2.0, 4.0, 8.0]))), np.log(2))
    assert np.all(np.diff(chain.spread(np.linspace(-1, 400, 999))) > 0)


def test_measures_read_what_they_say():
    run = CourseStandIn()
    hours, values = run.chain("mTOR")
    before, after = (hours > -1) & (hours < 0), (hours >= 0.5) & (hours <= 1.0)
    expected = 100 * values[after].mean() / values[before].mean()
    assert arms.MEASURES["p_mTOR_1h"].read(run) == pytest.approx(expected)
    assert arms.MEASURES["spines_24h"].read(run) == pytest.approx(110)
    assert np.isnan(arms.MEASURES["spines_24h"].read(CourseStandIn(hours=5.0)))
    assert arms.OF_STIMULI["charge"].read(CourseStandIn(stimuli=True)) == pytest.approx(125)
