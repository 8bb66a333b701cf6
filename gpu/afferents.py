# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mean afferents give the resting circuit these rates? Newton's method on logarithms, over several seeds.

A seed has the same network and noise at every step, so that a step is not lost in them; how far the seeds differ says
how well the rates, and with them the afferents, can be known at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.config import Reader
from circuit.errors import RunError
from circuit.populations import POPULATIONS
from circuit.variants import AFFERENTS, at_rest, parameter, scaled
from gpu import response
from gpu.response import standard_error
from gpu.trials import Trials

Array = NDArray[np.float64]
#: ln mean_ext moves at most so far in one step, in its longest component; what is linear near a point is not far away.
LONGEST = 0.3
#: A shorter move says more of noise than of the response, which is then left as it is.
TELLING = 0.02
MOST_STEPS = 15
#: Change of ln mean_ext at which the response is measured.
STEP = 0.1


@dataclass(frozen=True)
class Solution:
    """Where a map has its targets.

    Attributes
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (num_seeds, n)
        What the map gives there.
    response : ndarray, shape (n, n)
        dy_i / dx_j as estimated there.
    steps : int
    """

    x: Array
    y: Array
    response: Array
    steps: int

    @property
    def error(self) -> Array:
        """Standard error of `x` that comes from the spread of `y` over seeds; that of the response is left out."""
        inverse = np.linalg.inv(self.response)
        covariance = np.atleast_2d(np.cov(self.y, rowvar=False)) / len(self.y)
        return np.sqrt(np.diag(inverse @ covariance @ inverse.T))


class NotReachedError(RunError):
    """The targets were not reached; `best` is what came nearest."""

    def __init__(self, best: Solution) -> None:
        super().__init__("the targets were not reached")
        self.best = best


def solve(
    measure: Callable[[Array], Array],
    target: Array,
    slope: Array,
    tolerance: float,
    start: Array | None = None,
    most_steps: int = MOST_STEPS,
) -> Solution:
    """Find x where the mean of `measure` over seeds is the target.

    A step is Newton's with the response as known, shortened as a whole; Broyden's rule corrects the response after it.
    No error is clipped: one far away must not count as one nearby. It ends where every component is within `tolerance`
    or one standard error of its target, whichever is more.

    Parameters
    ----------
    measure : callable
        From x, shape (n,), to values by seed, shape (num_seeds, n).
    target : ndarray, shape (n,)
    slope : ndarray, shape (n, n)
        The response at the start.
    tolerance : float
    start : ndarray, shape (n,), optional
        By default zero.
    most_steps : int

    Raises
    ------
    NotReachedError
        After `most_steps`.
    """
    x = np.zeros(len(target)) if start is None else start
    y, slope = measure(x), np.array(slope, dtype=float)
    best, longest = Solution(x, y, slope, 0), LONGEST
    for steps in range(most_steps + 1):
        error = target - y.mean(axis=0)
        if np.all(np.abs(error) <= np.maximum(tolerance, standard_error(y))):
            return Solution(x, y, slope, steps)
        if np.linalg.norm(error) <= np.linalg.norm(target - best.y.mean(axis=0)):
            best, longest = Solution(x, y, slope, steps), min(2 * longest, LONGEST)
        else:  # worse than before: from there, with what was learnt of the response, and less far
            longest = max(longest / 2, 2 * TELLING)
        error = target - best.y.mean(axis=0)
        move = np.linalg.lstsq(slope, error, rcond=1e-3)[0]
        move *= longest / max(longest, np.abs(move).max())
        new = best.x + move
        seen = measure(new)
        if np.linalg.norm(move) >= TELLING:
            missed = seen.mean(axis=0) - best.y.mean(axis=0) - slope @ move
            slope = slope + np.outer(missed, move) / (move @ move)
        x, y = new, seen
    raise NotReachedError(best)


@dataclass(frozen=True)
class Fitted:
    """Afferents that give the resting circuit its target rates.

    Attributes
    ----------
    targets : dict of str to float
        Hz by population.
    values : dict of str to str
        By key, as they stand in a config.
    before : dict of str to str
        The same of the config.
    relative_error : dict of str to float
        Relative standard error by key.
    rates : ndarray, shape (num_seeds, 4)
        Hz, with the seeds of the fit.
    fresh : ndarray, shape (num_seeds, 4)
        Hz, with as many seeds that the fit has not seen.
    seeds, fresh_seeds : tuple of int
    steps : int
    """

    targets: Mapping[str, float]
    values: dict[str, str]
    before: dict[str, str]
    relative_error: dict[str, float]
    rates: Array
    fresh: Array
    seeds: tuple[int, ...]
    fresh_seeds: tuple[int, ...]
    steps: int

    def lines(self) -> list[str]:
        """Values with their uncertainty, and the rates they give."""
        table = [f"{'':<36}{'before':>14}{'fitted':>14}{'SE (%)':>9}"]
        for key, value in self.values.items():
            error = 100 * self.relative_error[key]
            table.append(f"{key.removeprefix('parameters.'):<36}{self.before[key]:>14}{value:>14}{error:>9.2f}")
        table.append(f"\n{'rate (Hz), mean (SE)':<24}{'target':>10}{'seeds of the fit':>20}{'fresh seeds':>20}")
        for i, pop in enumerate(POPULATIONS):
            wanted = f"{self.targets[pop]:g}" if pop in self.targets else "-"
            cells = "".join(f"{_mean_error(rates[:, i]):>20}" for rates in (self.rates, self.fresh))
            table.append(f"{pop:<24}{wanted:>10}{cells}")
        return [*table, f"Seeds {_list(self.seeds)} in {self.steps} steps; fresh seeds {_list(self.fresh_seeds)}."]

    def note(self, key: str) -> str:
        """What a value was fitted to, for its note."""
        rates = ", ".join(f"{pop} {rate:g} Hz" for pop, rate in self.targets.items())
        return f"target: resting rates {rates}; {len(self.seeds)} seeds, SE {100 * self.relative_error[key]:.1f} %"


def _mean_error(values: Array) -> str:
    return f"{values.mean():.2f} ({standard_error(values):.2f})"


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


@dataclass
class Circuit:
    """The resting circuit of a config as a map from logarithms of factors on afferents to logarithms of rates.

    Attributes
    ----------
    trials : Trials
    reader : Reader
    populations : tuple of str
        Whose afferents are varied and whose rates are seen.
    seeds : tuple of int
    show : callable
        Makes the display of a stage's progress.
    """

    trials: Trials
    reader: Reader
    populations: tuple[str, ...]
    seeds: tuple[int, ...]
    show: Callable[[str], Any]

    def changes(self, x: Array) -> dict[str, str]:
        """Values of the afferents at `x`, by key."""
        numbers = at_rest(self.reader, {}, self.seeds[0]).numbers
        values: dict[str, str] = {}
        for pop, log_factor in zip(self.populations, x, strict=True):
            values |= scaled(numbers, AFFERENTS[pop], float(np.exp(log_factor)))
        return values

    def log_rates(self, x: Array, seeds: Sequence[int], label: str) -> Array:
        """Logarithms of all rates in Hz, shape (num_seeds, 4)."""
        exps = [at_rest(self.reader, self.changes(x), seed) for seed in seeds]
        with self.show(label) as meter:
            found = self.trials(exps, meter)
        return np.array([response.log_rates(summary, exp) for summary, exp in zip(found, exps, strict=True)])

    def fit(self, targets: Mapping[str, float], tolerance: float) -> Fitted:
        """Adjust the afferents to target rates in Hz.

        Raises
        ------
        RunError
            If they are not reached.
        """
        at = [POPULATIONS.index(pop) for pop in self.populations]
        with self.show("response matrix") as meter:
            start = response.measure(self.trials, self.reader, self.seeds, STEP, None, meter)
        wanted = np.log([targets[pop] for pop in self.populations])
        seen: list[Array] = []

        def see(x: Array) -> Array:
            seen.append(self.log_rates(x, self.seeds, f"step {len(seen)}"))
            return seen[-1][:, at]

        try:
            found = solve(see, wanted, start.mean[np.ix_(at, at)], tolerance)
        except NotReachedError as error:
            raise RunError(self._missed(error.best, targets)) from None
        return self._fitted(found, targets, np.exp(seen[-1]))

    def _missed(self, best: Solution, targets: Mapping[str, float]) -> str:
        rates = np.exp(best.y.mean(axis=0))
        pairs = zip(self.populations, rates, strict=True)
        nearest = ", ".join(f"{pop} {rate:.2f} Hz of {targets[pop]:g}" for pop, rate in pairs)
        return (
            f"The afferents were not found in {MOST_STEPS} steps; nearest came {nearest}. The circuit may have no such "
            "state: ask for fewer populations, or for rates nearer to its own."
        )

    def _fitted(self, found: Solution, targets: Mapping[str, float], rates: Array) -> Fitted:
        fresh_seeds = tuple(max(self.seeds) + 1 + n for n in range(len(self.seeds)))
        values, numbers = self.changes(found.x), at_rest(self.reader, {}, self.seeds[0]).numbers
        errors = dict(zip(self.populations, found.error, strict=True))
        return Fitted(
            targets=targets,
            values=values,
            before={key: str(parameter(numbers, key).value) for key in values},
            relative_error={key: float(errors[key.split(".")[2]]) for key in values},
            rates=rates,
            fresh=np.exp(self.log_rates(found.x, fresh_seeds, "fresh seeds")),
            seeds=self.seeds,
            fresh_seeds=fresh_seeds,
            steps=found.steps,
        )
