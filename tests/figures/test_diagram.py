# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagram's numbers are the configuration's."""

from __future__ import annotations

import pytest
from matplotlib.text import Text

from circuit.populations import POPULATIONS
from circuit.subunits import CLASSES
from figures import diagram, sketch, style
from figures import numbers as model
from tests.figures.standin import CONDUCTANCE, MEAN_EXT, MIX, PROBABILITY, SIZES, TONIC, StandIn, numbers


def texts(figure_or_axes):
    return [t.get_text() for t in figure_or_axes.findobj(Text) if t.get_text()]


def test_matrix_shows_in_degree_and_conductance_of_every_pathway():
    axes = style.new_figure(89, 60).add_subplot()
    shown = texts(diagram.draw_matrix(axes, numbers()))
    for source in POPULATIONS:
        for k, _ in enumerate(POPULATIONS):
            degree = round(PROBABILITY[source][k] * SIZES[source])
            if degree:
                assert str(degree) in shown and f"{CONDUCTANCE[source][k]:.3g}" in shown


def test_drawing_shows_main_pathways_drive_and_pool(complete):
    shown = texts(diagram.figure(complete))
    labels = diagram.pathway_labels(numbers())
    assert labels["PYR_to_PYR"] == "128 × 0.25 nS" and labels["SST_to_PYR"] == "42 × 0.73 nS"
    for path in sketch.ROUTES:
        assert labels[path] in shown
    for name in POPULATIONS:
        assert f"{MEAN_EXT[name]:.3g} nS" in shown and f"{TONIC[name]:.3g}" in shown
        for cls, share in zip(CLASSES, MIX[name], strict=True):
            assert cls[-2:] in shown or share < 0.2
    assert "glutamate pool\n1 µM at start" in shown and "40 %\napical" in shown


def test_a_changed_number_changes_the_drawing():
    changed = StandIn()
    changed.manifest["config"]["model"]["pathways"]["PV_to_PYR"]["g"]["value"] = "0.0024 uS"
    assert "56 × 2.4 nS" in texts(diagram.figure(changed))


def test_missing_numbers_leave_gaps_not_guesses():
    partial = StandIn()
    tree = partial.manifest["config"]["model"]
    del tree["pathways"]["PV_to_PYR"], tree["cells"]["SST"], tree["glutamate"], tree["synapses"]["apical_fraction"]
    shown = texts(diagram.figure(partial))
    assert "56 × 1.2 nS" not in shown and "glutamate pool" in shown
    bare = StandIn(config=False)
    assert diagram.NO_NUMBERS in texts(diagram.figure(bare)) and diagram.NO_NUMBERS in diagram.alt(bare)


def test_pathway_without_synapses_is_not_drawn():
    assert "VIP_to_PYR" not in diagram.pathway_labels(numbers())


def test_numbers_are_read_in_the_unit_asked_for():
    tree = {"a": {"g": {"value": "2500 pS"}, "f": {"value": 0.4}, "v": {"value": "-70 mV"}}}
    assert model.value(tree, "a.g", "nS") == pytest.approx(2.5)
    assert model.value(tree, "a.f") == 0.4
    assert model.value(tree, "a.v", "nS") is None and model.value(tree, "a.x.y", "nS") is None


def test_in_degrees_are_those_of_the_model(root):
    """The model's own rule on the model's own numbers."""
    config, schema = pytest.importorskip("circuit.config"), pytest.importorskip("circuit.schema")
    experiment = config.load(root / "configs" / "ketamine.yaml")
    tree = model.tree({"config": experiment.resolved()})
    assert model.in_degrees(tree) == schema.in_degrees(experiment.numbers)
    g = model.conductances(tree)
    assert g["PYR_to_PYR"] == pytest.approx(experiment.numbers.pathways.PYR_to_PYR.g.to("nS"))
    assert len(g) == 16
