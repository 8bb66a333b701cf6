# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure of one drug by itself shows the study it was given."""

from __future__ import annotations

import numpy as np
import pytest

import pfc
from circuit import occupancy
from circuit.config import load
from circuit.populations import POPULATIONS
from circuit.subunits import CLASSES
from figures import pharmacology


@pytest.fixture(scope="module")
def study():
    numbers = load(pfc.CONFIGS / "baseline.yaml").numbers
    return occupancy.asked(numbers, "ketamine", "10 mg/kg", "i.p.", "rat", hours=2, subjects=5)


def test_every_curve_is_the_one_of_the_study(study):
    levels, subunits, populations = pharmacology.figure(study).axes
    for axes, group, names in (
        (subunits, study.by_subunit, CLASSES),
        (populations, study.by_population, POPULATIONS),
    ):
        assert [line.get_label() for line in axes.lines] == list(names)
        for line, name in zip(axes.lines, names, strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * group[name])
            assert line.get_ydata().max() <= axes.get_ylim()[1]
    drug = levels.lines[0]
    assert drug.get_label() == "ketamine, free in brain"
    shown = np.isfinite(drug.get_ydata())
    np.testing.assert_allclose(drug.get_ydata()[shown], study.course.brain_free_uM[shown, 0])
    assert levels.lines[-1].get_label() == "ketamine, plasma"
    np.testing.assert_allclose(np.nanmax(levels.lines[-1].get_ydata()), study.course.plasma_uM[:, 0].max())
    assert len(levels.collections) == 1  # the spread between subjects
    assert {axes.get_xlim() for axes in (levels, subunits, populations)} == {(0.0, 2.0)}


def test_the_same_data_draw_the_same_figure_without_subjects(study):
    numbers = load(pfc.CONFIGS / "baseline.yaml").numbers
    alone = occupancy.asked(numbers, "ketamine", "10 mg/kg", "i.p.", "rat", hours=2)
    assert not pharmacology.figure(alone).axes[0].collections


def test_no_dose_can_be_drawn():
    numbers = load(pfc.CONFIGS / "baseline.yaml").numbers
    fig = pharmacology.figure(occupancy.asked(numbers, "ketamine", "0 mg/kg", "i.v.", "rat", hours=1))
    fig.canvas.draw()
