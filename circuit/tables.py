# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of the model as a table after Nordlie, Gewaltig and Plesser (2009), and the papers they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from circuit.errors import UserError
from circuit.parameter import Model, Parameter
from circuit.schema import Parameters
from circuit.units import Quantity, number_text

HEADER = ("parameter", "value", "unit", "status", "source", "meaning")
ORDER = ("assumed", "fitted", "derived", "published")  # the least certain first: those are what a reader must judge
HEADINGS = {"cells": 2, "pathways": 2, "drugs": 2, "pharmacokinetics": 3}  # names in the headings of `assumed`
OWN = "this model"  # the source of a number that no paper gives


def leaves(numbers: Model, before: str = "") -> Iterator[tuple[str, Parameter]]:
    """Yield the dotted path and the parameter of every number, in the order of the tree."""
    for name, value in numbers:
        if isinstance(value, Parameter):
            yield before + name, value
        elif isinstance(value, Model):  # not the names of a drug, and not what has no data
            yield from leaves(value, f"{before}{name}.")


def rows(numbers: Parameters, with_notes: bool = True, under: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Return a row of `HEADER` for every number, assumed ones first; a note follows the meaning in brackets.

    Where patterns stand in `under`, such as ``drugs.*``, a number's path must match one of them.
    """
    chosen = (leaf for leaf in leaves(numbers) if not under or any(fnmatchcase(leaf[0], pattern) for pattern in under))
    ordered = sorted(chosen, key=lambda leaf: ORDER.index(leaf[1].status))
    return [(path, *_value_and_unit(p), p.status, _source(p), _meaning(p, with_notes)) for path, p in ordered]


def _value_and_unit(parameter: Parameter) -> tuple[str, str]:
    value = parameter.value
    return (number_text(value.magnitude), value.unit) if isinstance(value, Quantity) else (number_text(value), "1")


def _source(parameter: Parameter) -> str:
    return f"{parameter.source}, {parameter.where}" if parameter.where else parameter.source


def _meaning(parameter: Parameter, with_note: bool) -> str:
    text = f"{parameter.meaning} ({parameter.note})" if parameter.note and with_note else parameter.meaning
    return " ".join(text.split())


def parameter_table(numbers: Parameters, form: str = "table", under: Sequence[str] = ()) -> str:
    """Return the table.

    Parameters
    ----------
    numbers : Parameters
    form : str
        ``table`` (aligned text, without notes), ``markdown``, ``latex`` (a longtable), or ``assumed``: the assumed
        numbers alone, one Markdown item for each part of the model.
    under : sequence of str
        Patterns of the paths to show; all if empty.
    """
    makers = {"table": _plain, "markdown": _markdown, "latex": _latex, "assumed": _assumed}
    return makers[form](rows(numbers, form != "table", under))


def _assumed(body: list[tuple[str, ...]]) -> str:
    found: dict[str, list[str]] = {}
    for path, value, unit, status, *_ in body:
        if status == "assumed":
            keys = path.split(".")
            depth = min(HEADINGS.get(keys[0], 1), len(keys) - 1)
            amount = value if unit == "1" else f"{value} {unit}"
            found.setdefault(".".join(keys[:depth]), []).append(f"{'.'.join(keys[depth:])} {amount}")
    return "\n".join(f"- `{place}`: {', '.join(values)}" for place, values in found.items())


def _plain(body: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(HEADER, *body, strict=True)]
    lines = (HEADER, tuple("-" * width for width in widths), *body)
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _markdown(body: list[tuple[str, ...]]) -> str:
    return markdown_table(HEADER, body)


def markdown_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; every row has as many cells as the header."""
    lines = (header, ["---"] * len(header), *body)
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _latex(body: list[tuple[str, ...]]) -> str:
    lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (HEADER, *body)]
    begin = r"\begin{longtable}{lrlllp{0.4\linewidth}}"
    return "\n".join(
        [begin, r"\toprule", lines[0], r"\midrule", r"\endhead", *lines[1:], r"\bottomrule", r"\end{longtable}"]
    )


def _escaped(cell: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
    }
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in cell)


def sources(numbers: Parameters) -> list[str]:
    """Return the keys of the papers used, sorted; a number that is the model's own has none."""
    keys = {key.strip() for _, parameter in leaves(numbers) for key in parameter.source.split(";")}
    return sorted(keys - {OWN, ""})


def references(numbers: Parameters, library: str, name: str = "references.bib") -> str:
    """Return the BibTeX entries of the papers used, out of the text of a `library`.

    Raises
    ------
    UserError
        If the library lacks some of them.
    """
    entries = {
        entry[1]: entry[0].strip() for entry in re.finditer(r"^@\w+\{\s*([^,\s]+),.*?(?=^@|\Z)", library, re.M | re.S)
    }
    used = sources(numbers)
    if missing := [key for key in used if key not in entries]:
        raise UserError(f"{name} has no entry for {', '.join(missing)}; add what the numbers of the model cite")
    return "\n\n".join(entries[key] for key in used)
