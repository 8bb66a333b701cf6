# SPDX-License-Identifier: GPL-3.0-or-later
"""When does the model do what was found? The one rule by which every finding is scored.

**Sign.** A change counts if it is more than two standard errors over seeds from no change, and more than 5 %: a rise
must go up by that much, a fall down. Where no change was found, the predicted one must lie within twice the published
spread, or within 15 % if none is known, and two standard errors of it too.

**Size**, where one was published. The predicted mean lies in the published range; or within twice the spread (standard
deviation or error) of the published value; or, of a value without a spread, its change is right within a factor of two.

**A finding** passes if each of its effects has both right. It has the *sign only* if at least half of its effects have
the right sign or pass. Else it fails. What the model has no quantity for is out of scope, and says why. A run in which
pyramidal cells fire above 20 Hz has run away and says nothing of anything: it counts as one without a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Sign = Literal["up", "down", "none"]
Verdict = Literal["pass", "sign only", "fail", "out of scope"]
PASS, SIGN_ONLY, FAIL, OUT = VERDICTS = ("pass", "sign only", "fail", "out of scope")

RULE = __doc__.partition("\n\n")[2].strip()
"""How a finding is scored, as Markdown, for the page of the scores."""

ERRORS = 2.0
"""Standard errors, or published spreads, within which numbers are the same. The words above say these numbers too."""
NEGLIGIBLE = 5.0
"""%. A smaller change is none, however many seeds show it: no experiment here would have seen it."""
UNCHANGED = 15.0
"""%. What an experiment that found no change, and gives no spread, leaves open."""
FACTOR = 2.0


@dataclass(frozen=True)
class Published:
    """What one comparison found.

    Attributes
    ----------
    sign : {"up", "down", "none"} or None
        None for a quantity that is no change, such as an IC50.
    value, spread : float or None
        And its standard deviation or error, in the unit of the prediction.
    low, high : float or None
        A range, or one end of it.
    """

    sign: Sign | None = None
    value: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def has_size(self) -> bool:
        """Whether more than a sign is known."""
        return any(number is not None for number in (self.value, self.low, self.high))


@dataclass(frozen=True)
class Prediction:
    """What the model says, one value a seed, or a single one of a computation without chance.

    Attributes
    ----------
    values : tuple of float
        Finite.
    neutral : float or None
        What no change would be: 0 for changes in percent, 1 for ratios; None for a quantity that is no change.
    by_chance : bool
        Whether the values are of seeds, so that one alone has no error that is known.
    """

    values: tuple[float, ...]
    neutral: float | None = 0.0
    by_chance: bool = True

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN without a value."""
        return float(np.mean(self.values)) if self.values else np.nan

    @property
    def sd(self) -> float:
        """Standard deviation over seeds, the yardstick of chance; NaN of fewer than two, 0 without chance."""
        if not self.by_chance:
            return 0.0
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else np.nan

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.sd / np.sqrt(max(len(self.values), 1))

    @property
    def percent(self) -> float:
        """One percent of change in the unit of the values."""
        return 0.01 if self.neutral == 1 else 1.0


@dataclass(frozen=True)
class Outcome:
    """Whether sign and size are right; None for what was not published, or is no change."""

    sign: bool | None
    size: bool | None

    @property
    def passes(self) -> bool:
        """Whether everything that was published is right."""
        known = [right for right in (self.sign, self.size) if right is not None]
        return bool(known) and all(known)


def outcome(published: Published, predicted: Prediction) -> Outcome:
    """Hold a prediction against what one comparison found.

    A prediction without a value, of a population that is silent for instance, has nothing right.
    """
    sign, size = published.sign, published.has_size
    return Outcome(
        sign=None if sign is None or predicted.neutral is None else _has_sign(published, predicted),
        size=_has_size(published, predicted) if size else None,
    )


def _has_sign(published: Published, predicted: Prediction) -> bool:
    change, error = predicted.mean - predicted.neutral, predicted.error
    if not np.isfinite(change) or not np.isfinite(error):
        return False
    if published.sign == "none":
        within = UNCHANGED * predicted.percent if published.spread is None else ERRORS * published.spread
        return bool(abs(change) <= within and ERRORS * error <= within)
    least = max(ERRORS * error, NEGLIGIBLE * predicted.percent)
    return bool(change > least if published.sign == "up" else change < -least)


def _has_size(published: Published, predicted: Prediction) -> bool:
    mean = predicted.mean
    if published.low is not None or published.high is not None:
        low = -np.inf if published.low is None else published.low
        return bool(low <= mean <= (np.inf if published.high is None else published.high))
    if published.spread is not None:
        return bool(abs(mean - published.value) <= ERRORS * published.spread)
    neutral = predicted.neutral or 0.0
    if published.value == neutral:
        return bool(abs(mean - neutral) <= UNCHANGED * predicted.percent)
    share = (mean - neutral) / (published.value - neutral)
    return bool(1 / FACTOR <= share <= FACTOR)


def verdict(outcomes: Sequence[Outcome]) -> Verdict:
    """What a finding comes to, from the outcomes of its effects.

    Raises
    ------
    ValueError
        Without any.
    """
    if not outcomes:
        raise ValueError("a finding without an effect that is looked at has no verdict")
    if all(one.passes for one in outcomes):
        return PASS
    right = sum(one.passes or bool(one.sign) for one in outcomes)
    return SIGN_ONLY if 2 * right >= len(outcomes) else FAIL
