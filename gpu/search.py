# SPDX-License-Identifier: GPL-3.0-or-later
"""Search for the minimum of a noisy cost by CMA-ES [Hansen2016], a generation at a time, from wherever a log left off.

The optimiser is asked and told; what it was told stands in the log, so that it is brought to where it was by telling it
the same again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.errors import ResultsError, UserError
from gpu.trial_log import TrialLog

Array = NDArray[np.float64]
#: Cost of what has none, such as a circuit without a number that is asked for; CMA-ES takes ranks alone.
WORST = 1e12

Evaluate = Callable[[Sequence[Array]], list[dict[str, Any]]]
"""From candidates, shares of the way between bounds, to records, each with its "cost"."""


@dataclass(frozen=True)
class Optimum:
    """Where a search ended.

    Attributes
    ----------
    centre : ndarray, shape (n,)
        Mean of the final distribution, the better estimate where the cost is noisy; shares of the way between bounds.
    best : dict
        Record of the candidate that cost least.
    generations : int
    """

    centre: Array
    best: dict[str, Any]
    generations: int


def population_size(dimensions: int, asked: int = 0) -> int:
    """Return the candidates of a generation: as asked, or by the rule of CMA-ES."""
    return asked or 4 + int(3 * math.log(max(1, dimensions)))


def minimise(
    evaluate: Evaluate,
    start: Array,
    options: Mapping[str, float],
    log: TrialLog,
    after: Callable[[int, float], None] = lambda generations, best: None,
) -> Optimum:
    """Search the unit cube for the least cost, adding each generation to the log.

    Parameters
    ----------
    evaluate : callable
    start : ndarray, shape (n,)
        In [0, 1].
    options : mapping
        sigma, population, generations, seed, as in a spec.
    log : TrialLog
        Of groups of `population_size`; what is in it is not evaluated again.
    after : callable
        Called with the generations that are done and the least cost after each.

    Raises
    ------
    UserError
        If the optimiser is not installed.
    ResultsError
        If the log's candidates are not those of this search.
    """
    size = population_size(len(start), int(options["population"]))
    optimiser = _optimiser(start, options, size)
    for generation in range(int(options["generations"])):
        asked = [np.asarray(x, dtype=float) for x in optimiser.ask()]
        known = log.records[generation * size : (generation + 1) * size]
        if not known:
            pairs = zip(asked, evaluate(asked), strict=True)
            log.add([{"generation": generation, "share": x.tolist(), **record} for x, record in pairs])
            known = log.records[-size:]
        elif any(not np.array_equal(x, record["share"]) for x, record in zip(asked, known, strict=True)):
            raise ResultsError(
                f"{log.path}: generation {generation} is not the one that this version of the optimiser asks for: go "
                "on with the version of cma that began it, or name another folder with --out"
            )
        optimiser.tell(asked, [_finite(record["cost"]) for record in known])
        after(generation + 1, min(_finite(record["cost"]) for record in log.records))
    best = min(log.records, key=lambda record: _finite(record["cost"]))
    return Optimum(np.clip(optimiser.result.xfavorite, 0, 1), best, int(options["generations"]))


def _finite(cost: float | None) -> float:
    return cost if cost is not None and math.isfinite(cost) else WORST


def _optimiser(start: Array, options: Mapping[str, float], size: int) -> Any:
    try:
        import cma
    except ImportError:
        raise UserError(
            "A calibration needs the packages cma and SALib: pip install 'pfc-ketamine[calibrate]'"
        ) from None
    if len(start) < 2:
        raise UserError(f"CMA-ES needs two parameters to fit at least, and there is {'one' if len(start) else 'none'}")
    own = np.random.RandomState(int(options["seed"]))  # cma would seed NumPy's global one
    wanted = {"bounds": [0, 1], "popsize": size, "seed": math.nan, "randn": own.randn}
    quiet = {"verbose": -9, "verb_log": 0, "verb_disp": 0}
    return cma.CMAEvolutionStrategy(np.clip(start, 0.02, 0.98), options["sigma"], wanted | quiet)
