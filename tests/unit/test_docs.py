# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents say what the program does: the parameter table is its own, and the commands they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pfc
from circuit import findings
from circuit.config import load
from circuit.tables import parameter_table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def test_parameter_table_is_the_one_of_the_config() -> None:
    """To renew it: pfc parameters --format markdown > docs/parameters.md."""
    table = parameter_table(load(ROOT / "configs" / "baseline.yaml").numbers, "markdown")
    assert (ROOT / "docs" / "parameters.md").read_text().strip() == table.strip()


def test_page_of_findings_is_the_one_of_the_config() -> None:
    """To renew it: pfc findings --format markdown > docs/findings.md."""
    page = findings.markdown(findings.load())
    assert (ROOT / "docs" / "findings.md").read_text().strip() == page.strip()


def test_assumed_numbers_of_drugs_come_first_on_their_page() -> None:
    """To renew them: pfc parameters --format assumed, with --under 'PATTERN' for each of these patterns."""
    patterns = ("receptors.*", "channels.*", "cells.*.fraction_*", "cells.*.tau_NMDA", "drugs.*", "pharmacokinetics.*")
    page = (ROOT / "docs" / "pharmacology.md").read_text()
    expected = parameter_table(load(ROOT / "configs" / "baseline.yaml").numbers, "assumed", patterns)
    assert len(expected.splitlines()) > 20
    assert expected in page.split("\n## ")[1]


def test_assumed_numbers_of_the_slow_biology_come_first_on_their_page() -> None:
    page = (ROOT / "docs" / "slow_biology.md").read_text()
    patterns = ("signalling.*", "spines.*", "plasticity.*", "stimulation.*")
    expected = parameter_table(load(ROOT / "configs" / "baseline.yaml").numbers, "assumed", patterns)
    assert expected.strip() in page.split("\n## ")[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    named = set(re.findall(r"`pfc ([a-z]+)|^ +pfc ([a-z]+)", document.read_text(), flags=re.MULTILINE))
    assert {a or b for a, b in named} <= pfc.cli.commands.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", document.read_text()) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
