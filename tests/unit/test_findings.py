# SPDX-License-Identifier: GPL-3.0-or-later
"""Published observations: the file loads, says what is wrong with it, and every code anywhere leads to it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import pfc
from benchmarks import fit_pharmacokinetics, fit_receptors
from circuit import findings
from circuit.errors import ConfigError, UserError

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"(?<![\w./#%&+-])[PABCD][1-9]\d?(?![\w%])")
"""A finding's id as it stands in a sentence; not in GluA1, H100, p-mTOR or a path, and no percentage."""
PLACES = ("configs", "docs", "tests", "figures", "circuit", "gpu", "benchmarks")
TEXTS = {".py", ".md", ".yaml", ".bib", ".sh", ".h"}
GOOD = {
    "claim": "Ketamine raises glutamate", "class": "B", "preparation": "rats", "species": "rat",
    "quantity": "glutamate", "effects": "[{at: 30 mg/kg, sign: up}]", "source": "Moghaddam 1997",
    "known": "memory", "use": "validation",
}  # fmt: skip


@pytest.fixture(scope="module")
def known():
    return findings.load()


def read(name: str = "B24", **changes: str | None) -> findings.Findings:
    """Read a file with one finding, some of its keys changed or, with None, left out."""
    keys = {key: value for key, value in (GOOD | changes).items() if value is not None}
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return findings.load("some.yaml", lambda path: f"findings:\n  {name}:\n{lines}")


def mentioned(text: str, known: findings.Findings) -> set[str]:
    """Ids in a text; ``A2 to A7`` has all of those between."""
    found = set(CODE.findall(text))
    for letter, first, last in re.findall(r"\b([PABCD])(\d+)\s+to\s+\1(\d+)", text):
        found |= {name for name in known if name[0] == letter and int(first) <= int(name[1:]) <= int(last)}
    return found


# -- the file of the model


def test_every_class_has_findings_and_both_uses(known):
    assert {finding.class_ for finding in known.values()} == set(findings.CLASSES)
    assert {finding.use for finding in known.values()} == {"calibration", "validation"}


def test_keys_are_those_of_the_references(known):
    library = (ROOT / "configs" / "references.bib").read_text()
    entries = set(re.findall(r"^@\w+\{(\w+),", library, re.MULTILINE))
    assert {finding.key for finding in known.values()} - {""} <= entries


@pytest.mark.parametrize("name", ["B24", "A4", "A7", "B16", "B22", "P1", "P11", "C2", "D6"])
def test_what_was_fitted_to_is_no_validation(known, name):
    """Fitted according to benchmarks/fit_*.py and the notes of the configs."""
    assert known[name].use == "calibration"


def test_targets_of_the_receptor_fit_are_the_findings(known):
    """Every IC50 of benchmarks/fit_receptors.py is one of the finding it names, and none of A2 to A7 is left out."""
    fitted = {name: [] for name in ("A2", "A3", "A4", "A5", "A6", "A7")}
    for *_, published, name in fit_receptors.TARGETS:
        fitted[name] += [number for number in published if number == number]  # not NaN
    for name, numbers in fitted.items():
        values = [effect.value for effect in known[name].effects if effect.unit == "uM"]
        assert sorted(numbers) == sorted(values), name


def test_targets_of_the_kinetic_fit_are_the_findings(known):
    """Every peak of benchmarks/fit_pharmacokinetics.py is that of P1, P9 or P11."""
    peaks = [effect.value for name in ("P1", "P9", "P11") for effect in known[name].effects if effect.unit == "ng/ml"]
    assert sorted(target[3] for target in fit_pharmacokinetics.TARGETS) == sorted(peaks)


def test_targets_named_by_notes_are_marked_calibration(known):
    """A note of configs/ that names the targets of a fitted number names findings only of that use."""
    named = set()
    for path in (ROOT / "configs").glob("*.yaml"):
        for note in re.findall(r'"targets?: ([^"]*)"', path.read_text()):
            named |= mentioned(note, known)
    assert {"A5", "B24", "C9", "D8"} <= named
    assert {name for name in named if known[name].use != "calibration"} == set()


def test_codes_lead_to_the_file(known):
    found = {}
    for path in [*ROOT.glob("*.md"), *(path for place in PLACES for path in (ROOT / place).rglob("*"))]:
        if path.suffix in TEXTS and path != Path(__file__):
            found |= dict.fromkeys(CODE.findall(path.read_text()), path.relative_to(ROOT))
    assert len(found) > 60
    assert {name: path for name, path in found.items() if name not in known} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "figures").glob("*.py")), ids=lambda path: path.name)
def test_figures_show_words_and_no_codes(path):
    """In a text of a figure a code may stand by itself, to look something up, but not among words."""
    texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    told = [text for text in texts if isinstance(text, str) and CODE.search(text) and not CODE.fullmatch(text)]
    assert told == []


def test_codes_are_told_from_look_alikes():
    assert CODE.findall("A12, B24 (findings B55, B56); 'C9, C10' and A4 to A7: D29.") == (
        ["A12", "B24", "B55", "B56", "C9", "C10", "A4", "A7", "D29"]
    )
    look_alikes = "GluA1 H100 A100 #B24 docs/C9 PMC23 B2B A1% CA1 P450 D1_receptor 0.B5 GluN2B-D2"
    assert CODE.findall(look_alikes) == []


# -- what is wrong with a file


def test_a_finding_is_read():
    (finding,) = read().values()
    assert finding.effects[0].sign == "up"
    assert finding.class_ == "B"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"claim": None}, "some.yaml:2:3: findings.B24.claim: is missing"),
        ({"clam": "x"}, "findings.B24.clam: unknown key; did you mean 'claim'?"),
        ({"class": "A"}, "findings.B24.class: must be B, the letter of B24; found 'A'"),
        ({"known": "reed"}, "findings.B24.known: must be one of read, direction, secondary, memory; found 'reed'"),
        ({"known": "read"}, "findings.B24: is known as 'read', so 'where' must say what was read"),
        ({"use": "calibration"}, "findings.B24: is used for calibration, so its note must say"),
        ({"effects": "[]"}, "findings.B24.effects: needs at least one entry, such as [{at: 30 mg/kg, sign: up}]"),
        ({"effects": "[{at: 1 uM}]"}, "findings.B24.effects.0: needs a sign (up, down or none), or a size"),
        ({"effects": "[{at: 1 uM, value: 2}]"}, "findings.B24.effects.0: has a size, so it needs a unit"),
        ({"effects": "[{at: 1 uM, sign: up, unit: Hz}]"}, "findings.B24.effects.0: has a unit but no size"),
        ({"effects": "[{at: 1 uM, low: 1, spread: 1, unit: Hz}]"}, "findings.B24.effects.0: has a spread but no value"),
        ({"effects": "[{at: 1 uM, low: 2, high: 1, unit: Hz}]"}, "findings.B24.effects.0: low, value and high must"),
        (
            {"effects": "[{at: 1 uM, sign: up, value: 0.5, unit: ratio to control}]"},
            "findings.B24.effects.0: its sign is up, but its size, 0.5 ratio to control, is not",
        ),
        (
            {"effects": "[{at: 1 uM, sign: down, low: 5, high: 9, unit: '% change'}]"},
            "findings.B24.effects.0: its sign is down, but its size, 7 % change, is not",
        ),
        (
            {"effects": "[{at: 1 uM, sign: up}, {at: 1 uM, of: glutamate, sign: down}]"},
            "findings.B24: has two effects on glutamate at 1 uM",
        ),
        (
            {"known": "direction", "where": "abstract", "effects": "[{at: 1 uM, sign: up, value: 2, unit: Hz}]"},
            "findings.B24: only its direction was read, so no effect may have a size",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(changes, sentence):
    with pytest.raises(ConfigError) as error:
        read(**changes)
    assert sentence in str(error.value)
    assert str(error.value).count("some.yaml:") == 1


@pytest.mark.parametrize("name", ["E1", "B0", "B100", "b24", "24"])
def test_an_id_is_a_letter_and_a_number(name):
    with pytest.raises(ConfigError, match=f"findings.{name}: must be a letter of P, A, B, C, D and a number"):
        read(name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("findings: 3", "findings: must hold the findings, each under its id"),
        ("finding: {}", "unknown key; did you mean 'findings'?"),
        ("", "some.yaml: is empty"),
    ],
)
def test_a_file_without_findings_says_so(text, sentence):
    with pytest.raises(ConfigError) as error:
        findings.load("some.yaml", lambda path: text)
    assert sentence in str(error.value)


# -- in words


def test_effects_are_told_in_words():
    at = {"at": "10 uM", "unit": "ratio to control"}
    assert findings.Effect(**at, sign="down", value=0.24, spread=0.03).words("rate") == (
        "rate (10 uM): falls, 0.24 ± 0.03 times control"
    )
    assert findings.Effect(at="rest", low=1.5, high=4, unit="Hz").words("rate") == "rate (rest): 1.5 to 4 Hz"
    assert findings.Effect(at="rest", low=70, unit="ng/ml").words("level") == "level (rest): above 70 ng/ml"
    assert findings.Effect(at="rest", of="CV", value=1, unit="1").words("rate") == "CV (rest): 1"
    assert findings.Effect(at="50 mg/kg", sign="none").words("rate") == "rate (50 mg/kg): no change"


def test_some_are_chosen_in_the_order_asked_for(known):
    assert list(findings.choose(known, ("B24", "A2"))) == ["B24", "A2"]
    assert findings.choose(known, ()) == known
    with pytest.raises(UserError, match="there is no finding 'B99'"):
        findings.choose(known, ("B99",))


def test_command_prints_one_and_all(known):
    one = CliRunner().invoke(pfc.cli, ["findings", "B24"])
    assert one.exit_code == 0
    assert one.output.startswith(f"B24  {known['B24'].claim}\n")
    assert "- extracellular glutamate (50 mg/kg): no change\n" in one.output
    assert "read, direction only: abstract; calibration\n" in one.output
    page = CliRunner().invoke(pfc.cli, ["findings", "--format", "markdown"]).output
    assert re.findall(r"^\| ([PABCD]\d+) \|", page, re.MULTILINE) == list(known)
    assert re.findall(r"^## (.):", page, re.MULTILINE) == list(findings.CLASSES)
