# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and report of a sweep: each kind of axes has its own, and missing points, silence or one seed break none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import spearmanr

from circuit.axes import Axis
from figures import sweep as drawing
from figures import sweep_report
from figures.sweep import Roles, Scale
from tests.figures.sweeps import axis, seeds, sweep, words
from tests.figures.test_course_figures import CourseStandIn
from tests.figures.test_report import Page

DOSES = axis("drug.dose", "1 mg/kg", "10 mg/kg", "30 mg/kg", "200 mg/kg")
LEVELS = axis("drug.concentration", "0 uM", "300 nM", "1 uM", "10 uM")
TONIC = axis("parameters.cells.PV.g_tonic_max", "1 nS", "2 nS", "4 nS")
ARMS = axis("arm", "control", "no GluN2D in PV and SST", "no GluN2A in PYR")
KNOCKED = axis("knockdowns", "[]", '[{"subunit": "GluN2D", "populations": ["PV", "SST"], "remaining": 0}]')
DRAWS = Axis("draw", ("drug.concentration", "network.kappa"), tuple((f"{n / 3} uM", f"{1 + n % 5}") for n in range(16)))
RAT = {"name": "ketamine", "species": "rat", "route": "i.p."}

CASES = {
    "doses": ((DOSES, seeds(3)), ["dose", "read-outs"]),
    "concentrations": ((seeds(2), LEVELS), ["dose", "read-outs"]),
    "two axes": ((LEVELS, TONIC, seeds(2)), ["read-outs"]),
    "words and numbers": ((ARMS, axis("drug.concentration", "0 uM", "1 uM"), seeds(3)), ["read-outs"]),
    "groups": ((KNOCKED, seeds(2)), ["read-outs"]),
    "draws": ((DRAWS, seeds(2)), ["draws"]),
    "three axes": ((LEVELS, TONIC, axis("numerics.precision", "double", "single")), ["read-outs-1", "read-outs-2"]),
    "seeds alone": ((seeds(4),), []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["whole", "missing", "silent", "only a baseline"])
def test_each_kind_of_axes_has_its_figures(case, kind, tmp_path):
    axes, names = CASES[case]
    options = {"whole": {}, "missing": {"missing": [0, 3]}, "silent": {"silent": ["SST"]}}
    made = sweep(*axes, drug=RAT, **options.get(kind, {"with_drug": False}))
    drawn = drawing.draw(made)
    assert [one.name for one in drawn] == names
    for one in drawn:
        said = words(one.figure, with_ticks=kind == "whole")
        assert "nan" not in said.lower() and "None" not in said
        assert one.caption.strip().endswith(".") and one.title in one.alt
    if kind == "missing" and case == "two axes":
        pictures = drawing.save(drawn, tmp_path)
        assert [path.name for path in pictures] == [f"{name}.png" for name in names]


def test_no_point_no_figure():
    assert drawing.draw(sweep(LEVELS, missing=range(4))) == []


def test_a_single_seed_has_no_spread():
    drawn = drawing.draw(sweep(LEVELS, TONIC, seeds(1)))
    assert "one run each" in drawn[0].caption
    assert not [line for axes in drawn[0].figure.axes for line in axes.lines if line.get_alpha()]


def test_means_are_over_the_seeds_that_are_there():
    made = sweep(LEVELS, seeds(3), missing=[4])
    roles = Roles.of(made.axes)
    assert (roles.along, roles.colours, roles.repeats) == (0, None, (1,))
    panel = drawing.read_outs(made, roles).axes[4]
    line = next(line for line in panel.lines if len(line.get_xdata()) == 4)
    np.testing.assert_allclose(line.get_xdata(), [0, 0.3, 1, 10])
    np.testing.assert_allclose(line.get_ydata(), np.nanmean(made.values["glutamate_change_percent"], axis=1))


def test_a_colour_a_place_and_a_row_a_word():
    figure = drawing.draw(sweep(*CASES["words and numbers"][0]))[0].figure
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [place[0] for place in ARMS.labels]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named[:2] == ["0 µM", "1 µM"]
    figure = drawing.draw(sweep(LEVELS, TONIC))[0].figure
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3


def test_more_axes_than_two_make_more_figures_up_to_a_limit():
    many = axis("network.num_neurons", *(str(1000 * n) for n in range(1, 10)))
    drawn = drawing.draw(sweep(LEVELS, TONIC, many))
    assert len(drawn) == drawing.MOST and "first 6 of 9" in drawn[0].caption
    assert drawn[2].title == "Read-outs at Cells 3000"


def test_arms_of_a_course_have_a_row_each_and_seeds_as_dots():
    names = ("saline", "ketamine", "rapamycin + ketamine")
    runs = {n: CourseStandIn(drug=n > 1) for n in range(6)}
    made = sweep(axis("arm", *names), seeds(2), runs=runs)
    drawn = drawing.draw(made)
    assert [one.name for one in drawn] == ["arms"]
    assert [label.get_text() for label in drawn[0].figure.axes[0].get_yticklabels()] == list(names)
    dots = [line for line in drawn[0].figure.axes[0].lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in dots] == [2, 2, 2]


def test_the_rank_correlation_is_spearmans():
    x, y = np.random.default_rng(1).normal(size=(2, 40))
    y[:10] = np.round(y[:10])
    assert drawing.rank_correlation(x, x + y) == pytest.approx(spearmanr(x, x + y)[0])
    assert drawing.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    y[3] = np.nan
    assert drawing.rank_correlation(x, y) == pytest.approx(spearmanr(np.delete(x, 3), np.delete(y, 3))[0])
    assert np.isnan(drawing.rank_correlation(x, np.ones(40)))


def test_of_many_keys_those_that_matter_are_shown():
    keys = tuple(f"a.k{n}" for n in range(9))
    random = np.random.default_rng(2)
    numbers = random.normal(size=(30, 9))
    made = sweep(Axis("draw", keys, tuple(tuple(f"{value:.6f}" for value in row) for row in numbers)))
    made.values["glutamate_change_percent"][:] = numbers[:, 7]
    figure = drawing.draw(made)[0].figure
    columns = [panel.get_xlabel() for panel in figure.axes if panel.get_xlabel()]
    assert len(columns) == drawing.MOST_DRAWN and "a k7" in columns


@pytest.mark.parametrize("values, crowded", [([1, 2, 3], False), ([0, 1, 10, 100], False), (range(1, 60), True)])
def test_ticks_have_room(values, crowded):
    from figures import style

    axes = style.new_figure(60, 40).subplots()
    axes.plot(values, values)
    drawing.number_axis(axes, np.array(values, float))
    assert len(axes.get_xticks()) <= 9 and (crowded or axes.get_xticks()[-1] >= 3)


def test_places_are_told_in_words():
    assert Scale.of(LEVELS).labels == ["0 µM", "0.3 µM", "1 µM", "10 µM"]
    assert Scale.of(KNOCKED).labels == ["none", "GluN2D PV/SST 0"]
    assert Scale.of(TONIC).label == "PV g tonic max (nS)"
    assert Scale.of(axis("routes.direct", "True", "False")).numbers is None


# The report


def report(made, tmp_path):
    drawn = drawing.draw(made)
    return sweep_report.page(made, drawn, drawing.save(drawn, tmp_path))


def test_the_page_has_its_figures_points_and_origin(tmp_path):
    made = sweep(DOSES, seeds(2), drug=RAT, missing=[1], path=tmp_path)
    source = report(made, tmp_path)
    page = Page(source)
    assert len(page.images) == 2 and all(image["alt"] for image in page.images)
    assert "8 points (4 of drug.dose × 2 of seed): 7 done, 1 not there yet" in page.text
    assert "1 point of 8 has no results" in page.text and "g++ 12.2 works" in page.text
    assert sweep_report.ALIKE in page.text and "agrees" in page.text or "differs" in page.text
    for point in made.points:
        assert point.id in page.text
    links = [link for link in page.links if not link.startswith("#")]
    assert links == [f"points/{point.id}/" for n, point in enumerate(made.points) if n != 1]
    assert all(link.removeprefix("#") in page.ids for link in page.links if link.startswith("#"))
    assert not re.search(r'src="(?!data:)', source) and "http:" not in source and "https:" not in source
    assert "nan" not in re.split(r"\W+", page.text) and "None" not in page.text


def test_failures_are_grouped_by_what_they_say(tmp_path):
    failed = {0: "It blew up.\nAt step 7.", 2: "It blew up.\nAt step 9.", 3: "<script>no memory</script>"}
    page = Page(report(sweep(DOSES, seeds(2), failed=failed, damaged=[5, 6], path=tmp_path), tmp_path))
    assert "script" not in page.tags and "<script>no memory</script>" in page.text
    assert "2 It blew up. 000000000000, 000000000002" in page.text
    assert page.text.count("has been altered") == 1
    assert "pfc retry" in page.text


def test_points_that_were_made_differently_are_told(tmp_path):
    made = sweep(DOSES, path=tmp_path)
    (text, names) = next(iter(made.origins.items()))
    made.origins[text] = names[:2]
    made.origins[text.replace("0123abcd", "4567cdef")] = names[2:]
    page = Page(report(made, tmp_path))
    assert "They differ in: commit." in page.text and sweep_report.ALIKE not in page.text


def test_a_long_sweep_has_a_page_of_bounded_length(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_report, "MOST_POINTS", 5)
    page = Page(report(sweep(DOSES, seeds(4), path=tmp_path), tmp_path))
    assert "The first 5 of 16" in page.text and len([link for link in page.links if "points/" in link]) == 5


def test_a_page_without_results_is_a_page(tmp_path):
    page = Page(report(sweep(DOSES, missing=range(4), path=tmp_path), tmp_path))
    assert "4 not there yet" in page.text and not page.images
    path = sweep_report.write(sweep(DOSES, missing=range(4), path=tmp_path), [], [])
    assert path == tmp_path / "report.html" and path.read_text().startswith("<!DOCTYPE html>")
