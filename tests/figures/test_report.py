# SPDX-License-Identifier: GPL-3.0-or-later
"""The report is one safe, self-contained page with every figure and every key number."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from figures import make, report
from figures import numbers as model
from figures.html import Html, join, tag
from tests.figures.conftest import VARIANTS
from tests.figures.standin import StandIn

VOID = {"img", "meta"}


class Page(HTMLParser):
    """Reads a page: text, tags, attributes; fails on tags that do not nest."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.images, self.links, self.ids, self.words, self._open = [], [], [], [], [], []
        self.feed(source)
        assert self._open == []

    def handle_starttag(self, name, attributes):
        values = dict(attributes)
        self.tags.append(name)
        self.ids += [values["id"]] if "id" in values else []
        if name == "img":
            self.images.append(values)
        if name == "a":
            self.links.append(values["href"])
        if name not in VOID:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def figures(tmp_path_factory, complete):
    return make.all(complete, tmp_path_factory.mktemp("run") / "figures")


@pytest.fixture(scope="module")
def page(complete, figures):
    return Page(report.page(complete, figures))


def test_page_has_every_figure_with_its_words(page, complete):
    assert len(page.images) == len(make.FIGURES)
    for image, (name, module) in zip(page.images, make.FIGURES.items(), strict=True):
        assert image["src"].startswith("data:image/png;base64,")
        assert image["alt"] == module.alt(complete)
        assert f"figure-{name}" in page.ids
        assert " ".join(module.caption(complete).split()) in page.text


def test_page_has_every_key_of_the_summary(page, complete):
    for key, value in complete.summary.items():
        assert f"{key} {report.number(value)}" in page.text


def test_page_has_every_parameter_with_its_source_and_status(page, complete):
    for leaf in model.leaves(model.tree(complete.manifest)):
        assert f"{leaf.value} {leaf.meaning}" in page.text and leaf.source in page.text and leaf.status in page.text


def test_text_from_the_run_is_escaped(complete, figures):
    hostile = StandIn()
    evil = "<script>alert(1)</script>&\"'"
    hostile.manifest["title"] = evil
    hostile.manifest["commit"] = evil
    hostile.manifest["config"]["title"] = evil
    hostile.manifest["config"]["model"]["cells"]["PYR"]["C_m"] |= dict.fromkeys(
        ("meaning", "source", "note", "status"), evil
    )
    hostile.manifest["hardware"]["cpu"] = evil
    hostile.manifest["timings"] = {evil: 1.0}
    source = report.page(hostile, figures)
    parsed = Page(source)
    assert "script" not in parsed.tags and "<script" not in source
    assert evil in parsed.text


def test_nothing_is_fetched(complete, figures):
    source = report.page(complete, figures)
    assert not re.search(r'(?:src|href)="(?!data:|#)', source)
    assert "url(" not in source and "@import" not in source and "http:" not in source and "https:" not in source


def test_links_lead_somewhere_and_ids_are_unique(page):
    assert page.links and all(link.removeprefix("#") in page.ids for link in page.links)
    assert len(set(page.ids)) == len(page.ids)


@pytest.mark.parametrize("variant", VARIANTS)
def test_page_of_every_kind_of_run(variant, figures):
    parsed = Page(report.page(StandIn(**VARIANTS[variant]), figures))
    assert "None" not in parsed.text and "nan" not in re.split(r"\W+", parsed.text)
    assert ("Interrupted." in parsed.text) == ("stop" in VARIANTS[variant])


def test_change_has_its_sign_and_missing_numbers_a_dash():
    assert report.signed(36.2) == "+36\u00a0%" and report.signed(-4.25) == "−4.2\u00a0%" and report.signed(None) == "–"
    assert report.number(2.7) == "2.70" and report.number(0.0) == "0" and report.number(1234.5) == "1,234"
    assert report.number(float("nan")) == "–" and report.percent(0.417) == "41.7"


def test_page_is_written_whole_or_not_at_all(complete, tmp_path):
    path = report.write(complete, [], tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_markup_is_only_what_tag_made():
    assert tag("p", "a < b", Html("<b>x</b>"), title='"') == '<p title="&quot;">a &lt; b<b>x</b></p>'
    assert join("&", ["<"], None) == "&amp;&lt;"


def test_the_way_to_run_it_again_works(root, tmp_path):
    """The report tells the reader to write the manifest's configuration to a file and run that."""
    config = pytest.importorskip("circuit.config")
    experiment = config.load(root / "configs" / "ketamine.yaml")
    again = tmp_path / "again.yaml"
    again.write_text(json.dumps(experiment.resolved()))
    assert config.load(again).resolved() == experiment.resolved()
