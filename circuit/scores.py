# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of holding the model against findings: one score a finding, as a file, a table and a page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from circuit.errors import ResultsError
from circuit.scoring import FAIL, OUT, PASS, SIGN_ONLY, VERDICTS

FORMAT = "pfc-scores 1"
CALIBRATION, VALIDATION = "calibration", "validation"
SIGNS = {"up": "up", "down": "down", "none": "no change", None: ""}


@dataclass(frozen=True)
class Checked:
    """One effect of a finding and what the model says of it; numbers in `unit`.

    Attributes
    ----------
    at, quantity, unit : str
        Of the effect.
    read : str
        What of the model it was held against.
    sign, value, spread, low, high
        As published (`circuit.scoring.Published`).
    neutral : float or None
        What no change is.
    mean, sd, error : float or None
        Of the prediction over seeds; None where there is none.
    num : int
        Seeds that gave a value; 0 for a formula.
    sign_right, size_right : bool or None
        `circuit.scoring.Outcome`.
    passes : bool
    """

    at: str
    quantity: str
    unit: str
    read: str
    sign: str | None
    value: float | None
    spread: float | None
    low: float | None
    high: float | None
    neutral: float | None
    mean: float | None
    sd: float | None
    error: float | None
    num: int
    sign_right: bool | None
    size_right: bool | None
    passes: bool


@dataclass(frozen=True)
class Score:
    """What one finding came to.

    Attributes
    ----------
    id, claim, source : str
        Of the finding.
    kind : str
        Its class, a letter.
    use : str
        ``calibration`` or ``validation``.
    verdict : str
        One of `circuit.scoring.VERDICTS`.
    reason : str
        Why it is out of scope, or what the model lacks to pass; may be empty.
    checks : tuple of Checked
    left_out : dict of str to str
        Effects that nothing was held against, and why.
    """

    id: str
    claim: str
    source: str
    kind: str
    use: str
    verdict: str
    reason: str
    checks: tuple[Checked, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Scores:
    """All scores of one model.

    Attributes
    ----------
    title : str
    seeds : tuple of int
    is_part : bool
        Whether findings were left out.
    model : str
        Fingerprint of the model's numbers (`fingerprint`).
    rows : tuple of Score
    """

    title: str
    seeds: tuple[int, ...]
    is_part: bool
    model: str
    rows: tuple[Score, ...]

    @property
    def by_id(self) -> dict[str, Score]:
        """Rows by the id of their finding."""
        return {row.id: row for row in self.rows}

    def counts(self, *uses: str) -> dict[str, int]:
        """How many rows of these uses came to each of `circuit.scoring.VERDICTS`."""
        found = [row.verdict for row in self.rows if row.use in uses]
        return {verdict: found.count(verdict) for verdict in VERDICTS}

    def share(self, *uses: str) -> tuple[int, int]:
        """Return how many rows of these uses pass, and of how many in scope."""
        counts = self.counts(*uses)
        return counts[PASS], sum(counts[verdict] for verdict in (PASS, SIGN_ONLY, FAIL))

    def as_json(self) -> str:
        """Return the scores as the content of scores.json: one row a line."""
        head = {"format": FORMAT, "title": self.title, "seeds": self.seeds, "part": self.is_part, "model": self.model}
        lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
        rows = ",\n".join("  " + json.dumps(asdict(row), ensure_ascii=False) for row in self.rows)
        return "{\n" + ",\n".join([*lines, f' "rows": [\n{rows}\n ]']) + "\n}\n"

    @classmethod
    def of(cls, text: str, name: str) -> Scores:
        """Return the scores in the content of a file called `name`.

        Raises
        ------
        ResultsError
            If it is no such file, damaged, or of another version.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ResultsError(
                    f"{name} has the format {content['format']!r} and this program reads {FORMAT!r}: write it anew "
                    "with pfc validate"
                )
            rows = tuple(_row(row) for row in content["rows"])
            return cls(content["title"], tuple(content["seeds"]), content["part"], content["model"], rows)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            told = f"{name} is no file of scores, or is damaged: write it anew with pfc validate"
            raise ResultsError(told) from error

    def as_csv(self) -> str:
        """Return one line for each effect, with its row's verdict; of rows out of scope, one line."""
        text = io.StringIO()
        own = [key for key in Score.__dataclass_fields__ if key not in ("checks", "left_out")]
        names = [*own, *Checked.__dataclass_fields__]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            head = {key: getattr(row, key) for key in own}
            writer.writerows([head | asdict(check) for check in row.checks] or [head])
        return text.getvalue()


def _row(row: Mapping[str, Any]) -> Score:
    if row["verdict"] not in VERDICTS:
        raise ValueError(row["verdict"])
    return Score(**{**row, "checks": tuple(Checked(**check) for check in row["checks"])})


def lost(now: Scores, before: Scores) -> list[str]:
    """Return in sentences which findings passed before and do not now.

    A part is held against the rows that it has. Of a whole, a row that is gone counts as lost.

    Raises
    ------
    ResultsError
        If the two have no finding in common, so that nothing was compared.
    """
    if not now.by_id.keys() & before.by_id.keys():
        raise ResultsError("The two files of scores have no finding in common, so nothing can be compared")
    found = []
    for row in before.rows:
        if row.verdict != PASS or (row.id not in now.by_id and now.is_part):
            continue
        verdict = now.by_id[row.id].verdict if row.id in now.by_id else "not scored any more"
        if verdict != PASS:
            found.append(f"{row.id} ({row.source}) passed and is now: {verdict}. {row.claim}")
    return found


# --- in words


def number(value: float | None) -> str:
    """Return a number with three digits; "-" for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def published(check: Checked) -> str:
    """Return what was found, such as "up, 2 to 4"."""
    parts = [SIGNS[check.sign]] if check.sign else []
    if check.low is not None or check.high is not None:
        ends = (check.low, check.high)
        if None in ends:
            parts.append(f"at least {number(ends[0])}" if ends[1] is None else f"at most {number(ends[1])}")
        else:
            parts.append(f"{number(ends[0])} to {number(ends[1])}")
    elif check.value is not None:
        parts.append(number(check.value) + (f" ± {number(check.spread)}" if check.spread is not None else ""))
    return ", ".join(parts)


def predicted(check: Checked) -> str:
    """Return what the model says, mean and standard error over seeds."""
    if check.mean is None:
        return "no value"
    error = f" ± {number(check.error)}" if check.num and check.error is not None else ""
    return f"{number(check.mean)}{error}{'' if check.unit == '1' else ' ' + check.unit}"


def held(check: Checked) -> str:
    """Return in a word how an effect did."""
    if check.passes:
        return "right"
    return "sign only" if check.sign_right else "wrong"


def headline(scores: Scores) -> str:
    """Return the score in one sentence."""
    passed, total = scores.share(VALIDATION)
    fitted, of = scores.share(CALIBRATION)
    share = f" ({100 * passed / total:.0f} %)" if total else ""
    return (
        f"{passed} of {total} findings that nothing was fitted to pass{share}; with those used for calibration "
        f"{passed + fitted} of {total + of}."
    )


def table(scores: Scores) -> str:
    """Return the scores as aligned text: a line a finding, and one for each effect of those that do not pass."""
    lines = []
    for use in (VALIDATION, CALIBRATION):
        rows = [row for row in scores.rows if row.use == use]
        if not rows:
            continue
        counts = ", ".join(f"{n} {verdict}" for verdict, n in scores.counts(use).items())
        lines += [f"{use.capitalize()}: {counts}", ""]
        for row in rows:
            lines.append(f"{row.id:<5}{row.verdict:<14}{_short(row.claim, 90)} ({row.source})")
            if row.verdict == OUT:
                lines.append(f"{'':<19}{row.reason}")
            elif row.verdict != PASS:
                lines += [
                    f"{'':<19}{check.at}: {published(check)}; here {predicted(check)} ({held(check)})"
                    for check in row.checks
                ]
        lines.append("")
    return "\n".join([*lines, headline(scores)])


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rsplit(" ", 1)[0] + " ..."


PAGE = """# What the model gets right, and what it does not

{headline} Written by `pfc validate` from {seeds}; do not edit it by hand.

{figure}

## How a finding is scored

{rule}

Findings that numbers of the model were fitted to are listed apart and do not count in the first number. Every number
here is from runs with one set of numbers and no factor on any population. {counts}
"""


def page(scores: Scores, rule: str, figure: str = "validation.png") -> str:
    """Return the page docs/validation.md.

    Parameters
    ----------
    scores : Scores
    rule : str
        How findings are scored, as Markdown.
    figure : str
        File name of the figure beside the page.
    """
    counts = ", ".join(f"{n} {verdict}" for verdict, n in scores.counts(VALIDATION).items())
    seeds = f"{len(scores.seeds)} seeds"
    image = f"![Predicted against published effects]({figure})"
    text = [PAGE.format(headline=headline(scores), seeds=seeds, figure=image, rule=rule, counts=f"In all: {counts}.")]
    for use, title in ((VALIDATION, "Findings that nothing was fitted to"), (CALIBRATION, "Findings used to fit")):
        rows = [row for row in scores.rows if row.use == use and row.verdict != OUT]
        text += _section(title, rows)
    text += ["## Out of scope", ""]
    text += [f"- **{row.id}** {row.claim} ({row.source}): {row.reason}" for row in scores.rows if row.verdict == OUT]
    return "\n".join([*text, ""])


def _section(title: str, rows: Iterable[Score]) -> list[str]:
    rows = list(rows)
    if not rows:
        return []
    text = [f"## {title}", ""]
    lines = [("finding", "effect", "published", "here", "read", "sign and size")]
    for row in rows:
        for n, check in enumerate(row.checks):
            name = f"**{row.id}: {row.verdict}.** {row.claim} ({row.source})" if n == 0 else ""
            lines.append((name, check.at, published(check), predicted(check), check.read, held(check)))
    lines.insert(1, ("---",) * len(lines[0]))
    text += ["| " + " | ".join(cell.replace("|", r"\|").strip() for cell in line) + " |" for line in lines]
    reasons = [f"- **{row.id}** ({row.verdict}): {row.reason}" for row in rows if row.reason]
    if reasons:
        text += ["", "What stands in the way:", "", *reasons]
    left = [f"- **{row.id}** {at}: {why}" for row in rows for at, why in row.left_out.items()]
    if left:
        text += ["", "Effects of these findings that nothing is held against:", "", *left]
    return [*text, ""]
