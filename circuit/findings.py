# SPDX-License-Identifier: GPL-3.0-or-later
"""Published observations: what was seen, in what, how far it was read, and whether the model was fitted to it.

They stand in configs/findings.yaml, under keys such as ``B24`` that notes, docs and tests refer to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from circuit.config import read_text
from circuit.errors import UserError
from circuit.layers import ReadText, read_file
from circuit.parameter import Model, Text
from circuit.sentences import tell
from circuit.tables import markdown_table
from circuit.units import did_you_mean, number_text, shown
from circuit.yaml_source import Node, Problems

#: Beside the packages in a wheel as in the repository.
FILE = Path(__file__).resolve().parents[1] / "configs" / "findings.yaml"
CLASSES = {
    "P": "Pharmacokinetics",
    "A": "Receptor and synapse",
    "B": "Circuit, milliseconds to minutes",
    "C": "Molecules, minutes to hours",
    "D": "Structure, behaviour and clinic, hours to days",
}
KNOWN = {
    "read": "read",
    "direction": "read, direction only",
    "secondary": "read only in another work",
    "memory": "from memory",
}
ID = re.compile(r"[PABCD][1-9]\d?")
HEADER = ("id", "claim", "preparation and dose", "effect", "time", "source", "how known", "use")
#: Units in which "no change" is a number, so that a sign and a size can contradict each other.
NO_CHANGE = {"ratio to": 1.0, "% change": 0.0}
PAGE = """# Published observations

What the model was fitted to and what it is compared with, in our own words. The codes of other pages, of notes in
`configs/` and of tests are the ids here. This page is made by `pfc findings --format markdown` from
`configs/findings.yaml`; `pfc findings B24` prints one.

**How known** says how far a source was read. *Read, direction only* means that what was read, mostly an abstract, has
the sign and not the size; *read only in another work* and *from memory* are weaker still.

**Use** is *calibration* where a number of the model was fitted to the finding, is taken from it, or was chosen with its
result in view; agreement with it is then no evidence. All others are *validation*. A validation row that repeats a
fitted sign in another species is a weaker test than one of something new."""
SIGNS = {"up": "rises", "down": "falls", "none": "no change"}


class Effect(Model):
    """One comparison of a finding, or one level.

    Attributes
    ----------
    at : str
        The condition, such as a dose or a time.
    of : str
        The quantity, where it is not the one that the finding names.
    sign : {"up", "down", "none"}, optional
        Which way it went from the control of the experiment; a level has none.
    value, spread : float, optional
        The size, and the error as it was printed.
    low, high : float, optional
        A range or an interval; one of the two for a bound.
    unit : str
        Of the numbers. ``ratio to ...`` is 1 and ``% change`` is 0 where nothing changed.
    """

    at: Text
    of: str = ""
    sign: Literal["up", "down", "none"] | None = None
    value: float | None = None
    spread: float | None = Field(default=None, ge=0)
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Effect:
        if self.sign is None and not self.numbers:
            raise ValueError("needs a sign (up, down or none), or a size: value, or low and high")
        if bool(self.numbers) != bool(self.unit):
            raise ValueError("has a unit but no size" if self.unit else "has a size, so it needs a unit")
        if self.spread is not None and self.value is None:
            raise ValueError("has a spread but no value")
        if list(self.numbers) != sorted(self.numbers):
            raise ValueError("low, value and high must ascend")
        self._check_sign()
        return self

    def _check_sign(self) -> None:
        zero = next((zero for start, zero in NO_CHANGE.items() if self.unit.startswith(start)), None)
        best = self.value if self.value is not None else sum(self.numbers) / max(len(self.numbers), 1)
        if zero is not None and self.sign in ("up", "down") and (best > zero) != (self.sign == "up"):
            raise ValueError(f"its sign is {self.sign}, but its size, {number_text(best)} {self.unit}, is not")

    @property
    def numbers(self) -> tuple[float, ...]:
        """Low, value and high, as far as they are given."""
        return tuple(number for number in (self.low, self.value, self.high) if number is not None)

    def words(self, quantity: str) -> str:
        """Return the effect in words; `quantity` is what the finding measured."""
        sign = f" {SIGNS[self.sign]}" if self.sign else ""
        size = self._size()
        told = sign + (f"{',' if sign else ''} {size}" if size else "")
        return f"{self.of or quantity} ({self.at}):{told}"

    def _size(self) -> str:
        low, value, high = (None if n is None else number_text(n) for n in (self.low, self.value, self.high))
        span = f"{low} to {high}" if low and high else f"above {low}" if low else f"below {high}" if high else ""
        main = f"{value} ± {number_text(self.spread)}" if self.spread is not None else value
        amount = f"{main} ({span})" if main and span else main or span
        unit = re.sub("^ratio to", "times", self.unit)
        return f"{amount} {unit}" if amount and unit != "1" else amount or ""


class Finding(Model):
    """A published observation.

    Attributes
    ----------
    claim : str
        What was found, in one sentence of ours.
    class_ : {"P", "A", "B", "C", "D"}
        See `CLASSES`; ``class`` in the file.
    preparation, species, dose : str
        In what, in whom, and what was given.
    quantity : str
        What was measured.
    effects : tuple of Effect
    time : str
        When, after the drug or the manipulation.
    source : str
        Authors and year, or another label.
    key : str
        Of configs/references.bib, where it has the source.
    doi, pmid, pmc : str
        Identifiers, as far as known.
    known : {"read", "direction", "secondary", "memory"}
        How far the source was read; see `KNOWN`.
    where : str
        Which part of it, or of which other work.
    use : {"calibration", "validation"}
        ``calibration`` if a number of the model was fitted to it, taken from it, or chosen with it in view.
    note : str
        For ``calibration``, which number; free otherwise.
    """

    claim: Text
    class_: Literal["P", "A", "B", "C", "D"] = Field(alias="class")
    preparation: Text
    species: Text
    dose: str = ""
    quantity: Text
    effects: Annotated[tuple[Effect, ...], Field(min_length=1)]
    time: str = ""
    source: Text
    key: str = ""
    doi: str = ""
    pmid: str = ""
    pmc: str = ""
    known: Literal["read", "direction", "secondary", "memory"]
    where: str = ""
    use: Literal["calibration", "validation"]
    note: str = ""

    @model_validator(mode="after")
    def _honest(self) -> Finding:
        if self.use == "calibration" and not self.note:
            raise ValueError("is used for calibration, so its note must say which numbers of the model it went into")
        if self.known != "memory" and not self.where:
            raise ValueError(f"is known as '{self.known}', so 'where' must say what was read")
        if self.known == "direction" and any(effect.numbers for effect in self.effects):
            raise ValueError("only its direction was read, so no effect may have a size")
        names = [f"{effect.of or self.quantity} at {effect.at}" for effect in self.effects]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"has two effects on {twice[0]}")
        return self


Findings = Mapping[str, Finding]


def load(path: str | os.PathLike = FILE, read_text: ReadText = read_text) -> Findings:
    """Return the findings by id, in the order of the file.

    Parameters
    ----------
    path : path
        A YAML file of findings; by default that of the model.
    read_text : callable
        Path to text; what opens the file.

    Raises
    ------
    ConfigError
        With every problem found, each with file, line, column, key, and what is needed.
    """
    problems = Problems()
    tree = read_file(os.fspath(path), 0, None, read_text, problems)
    problems.raise_if_any()
    for name, node in tree.value.items():
        if name != "findings":
            problems.add(node.key_at, node.path, f"unknown key{did_you_mean(name, ['findings'])}")
    table = tree.value.get("findings")
    if table is None or not table.is_group:
        at = tree if table is None else table
        problems.add(at.at, ("findings",), "must hold the findings, each under its id, such as 'B24: {claim: ...}'")
    problems.raise_if_any()
    found = {name: _finding(name, node, problems) for name, node in table.value.items()}
    problems.raise_if_any()
    return MappingProxyType(found)


def _finding(name: str, node: Node, problems: Problems) -> Finding | None:
    if not ID.fullmatch(name):
        problems.add(node.key_at, node.path, "must be a letter of P, A, B, C, D and a number from 1 to 99, such as B24")
        return None
    try:
        finding = Finding.model_validate(node.plain())
    except ValidationError as error:
        tell(error, node, Finding, problems, incomplete=False)
        return None
    if finding.class_ != name[0]:
        at = node.value["class"]
        problems.add(at.at, at.path, f"must be {name[0]}, the letter of {name}; found {shown(finding.class_)}")
    return finding


def choose(findings: Findings, ids: Iterable[str]) -> Findings:
    """Return the findings of these ids, in this order; all of them if there are none.

    Raises
    ------
    UserError
        If there is no such finding.
    """
    ids = tuple(ids)
    if unknown := [name for name in ids if name not in findings]:
        raise UserError(f"there is no finding {shown(unknown[0])}{did_you_mean(unknown[0], findings)}")
    return {name: findings[name] for name in ids} if ids else findings


def text(findings: Findings) -> str:
    """Return the findings as paragraphs, for a terminal."""
    return "\n\n".join("\n".join(_paragraph(name, finding)) for name, finding in findings.items())


def _paragraph(name: str, finding: Finding) -> Iterable[str]:
    yield f"{name}  {finding.claim}"
    yield f"    {_preparation(finding)}"
    for effect in finding.effects:
        yield f"    - {effect.words(finding.quantity)}"
    if finding.time:
        yield f"    time: {finding.time}"
    yield f"    source: {_source(finding)}"
    yield f"    {_known(finding)}; {finding.use}"
    if finding.note:
        yield f"    note: {' '.join(finding.note.split())}"


def markdown(findings: Findings) -> str:
    """Return the findings as a page: what its columns mean, and a table for each class that has some."""
    parts = [PAGE]
    for letter, heading in CLASSES.items():
        rows = [_row(name, finding) for name, finding in findings.items() if finding.class_ == letter]
        if rows:
            parts += [f"## {letter}: {heading}", markdown_table(HEADER, rows)]
    return "\n\n".join(parts)


def _row(name: str, finding: Finding) -> tuple[str, ...]:
    effects = "; ".join(effect.words(finding.quantity) for effect in finding.effects)
    use = f"{finding.use}: {' '.join(finding.note.split())}" if finding.note else finding.use
    return (name, finding.claim, _preparation(finding), effects, finding.time, _source(finding), _known(finding), use)


def _preparation(finding: Finding) -> str:
    return "; ".join(filter(None, (finding.preparation, finding.dose)))


def _source(finding: Finding) -> str:
    doi = f"doi {finding.doi}" if finding.doi else ""
    pmid = f"PMID {finding.pmid}" if finding.pmid else ""
    return ", ".join(filter(None, (finding.source, doi, pmid, finding.pmc)))


def _known(finding: Finding) -> str:
    return f"{KNOWN[finding.known]}: {finding.where}" if finding.where else KNOWN[finding.known]
