# SPDX-License-Identifier: GPL-3.0-or-later
"""How the resting circuit answers when the afferents of one population grow: is inhibition what keeps it stable?

The response matrix is d ln rate_i / d ln mean_ext_j. A circuit whose PV cells fire less when they are driven more would
be unstable without them: its excitation is strong enough to run away, and inhibition holds it [Tsodyks1997,
Sanzeni2020].
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from circuit.config import Experiment, Reader
from circuit.populations import POPULATIONS, sizes
from circuit.schema import fractions
from circuit.variants import AFFERENTS, at_rest, scaled
from gpu import progress
from gpu.summary import Summary
from gpu.trials import Trials

#: Of a population that is silent, so many spikes are assumed where the logarithm of its rate is taken.
SILENT = 0.5
#: A sign is told from chance where the mean is so many standard errors from zero.
SURE = 2.0


@dataclass(frozen=True)
class Response:
    """A response matrix over seeds.

    Attributes
    ----------
    step : float
        Afferents were scaled by exp(step) and exp(-step).
    seeds : tuple of int
    log_rates : ndarray, shape (num_seeds, 4)
        Natural logarithm of the resting rates in Hz, in the order of `POPULATIONS`.
    elements : ndarray, shape (num_seeds, 4, 4)
        d ln rate_i / d ln mean_ext_j by seed, i, j; NaN where j was not driven.
    """

    step: float
    seeds: tuple[int, ...]
    log_rates: NDArray[np.float64]
    elements: NDArray[np.float64]

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean over seeds, shape (4, 4)."""
        return self.elements.mean(axis=0)

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """Standard error over seeds, shape (4, 4)."""
        return standard_error(self.elements)

    @property
    def own_PV(self) -> tuple[float, float]:
        """What PV's rate does when PV's afferents grow, and its standard error."""
        at = POPULATIONS.index("PV")
        return float(self.mean[at, at]), float(self.error[at, at])

    @property
    def stabilised(self) -> bool | None:
        """Whether PV's own response is negative, so that inhibition stabilises the circuit; None where it is open."""
        value, error = self.own_PV
        return None if abs(value) < SURE * error else value < 0

    def verdict(self) -> str:
        """What PV's own response says of the circuit, as a sentence."""
        value, error = self.own_PV
        said = f"PV's response to its own afferents is {value:+.2f} (SE {error:.2f})"
        if self.stabilised is None:
            return f"{said}: its sign is open; take more seeds or a longer protocol.t_baseline."
        if self.stabilised:
            return f"{said}, negative: the paradoxical response of an inhibition-stabilised circuit."
        return f"{said}, positive: the circuit is not inhibition-stabilised."

    def lines(self) -> list[str]:
        """The matrix as a table, its rates, and the verdict."""
        rates = np.exp(self.log_rates)
        spread = standard_error(rates)
        head = f"{'d ln rate / d ln':<18}" + "".join(f"{pop:>16}" for pop in POPULATIONS) + f"{'rate (Hz)':>18}"
        table = [head]
        for i, pop in enumerate(POPULATIONS):
            cells = "".join(f"{self.mean[i, j]:>+9.2f} ({self.error[i, j]:.2f})" for j in range(len(POPULATIONS)))
            table.append(f"{pop:<18}{cells}{rates[:, i].mean():>11.2f} ({spread[i]:.2f})")
        about = f"Columns: whose afferents grow. In brackets the standard error over {len(self.seeds)} seeds."
        return [*table, about, self.verdict()]

    def as_json(self) -> str:
        """All of it as a JSON object, keys by population."""
        rates = np.exp(self.log_rates)
        grid = {name: _by_population(values) for name, values in (("mean", self.mean), ("error", self.error))}
        return json.dumps(
            {
                "what": "d ln rate_i / d ln mean_ext_j of the resting circuit, by i and then j",
                "step": self.step,
                "seeds": self.seeds,
                "rates_hz": dict(zip(POPULATIONS, rates.mean(axis=0), strict=True)),
                "rates_error_hz": dict(zip(POPULATIONS, standard_error(rates), strict=True)),
                **grid,
                "inhibition_stabilised": self.stabilised,
            },
            indent=2,
        )

    def as_csv(self) -> str:
        """The elements as rows: population, whose afferents, value, standard error."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["population", "afferents_of", "d_ln_rate_d_ln_mean_ext", "standard_error"])
        for i, pop in enumerate(POPULATIONS):
            for j, driven in enumerate(POPULATIONS):
                rows.writerow([pop, driven, f"{self.mean[i, j]:.6g}", f"{self.error[i, j]:.6g}"])
        return text.getvalue()

    def text(self, path: Path) -> str:
        """The content of a file of this name: CSV where it ends so, else JSON."""
        return self.as_csv() if path.suffix == ".csv" else self.as_json() + "\n"


def _by_population(matrix: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    rows = zip(POPULATIONS, matrix.tolist(), strict=True)
    return {pop: dict(zip(POPULATIONS, row, strict=True)) for pop, row in rows}


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of the mean along the first axis."""
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def log_rates(summary: Summary, exp: Experiment) -> NDArray[np.float64]:
    """Natural logarithm of the resting rates in Hz, shape (4,); a silent population counts as `SILENT` spikes."""
    counts = sizes(exp.network.num_neurons, fractions(exp.numbers))
    length = exp.protocol.t_baseline.si
    rates = [summary[f"rate_{pop}_baseline_hz"] or SILENT / (counts[pop] * length) for pop in POPULATIONS]
    return np.log(rates)


def measure(
    trials: Trials,
    reader: Reader,
    seeds: Sequence[int],
    step: float,
    changes: dict[str, str] | None = None,
    on_progress: progress.OnProgress = progress.ignore,
    driven: Sequence[str] = POPULATIONS,
) -> Response:
    """Measure the response matrix by central differences; a seed has the same network and noise in all its runs.

    Parameters
    ----------
    trials : Trials
    reader : Reader
        Of the config.
    seeds : sequence of int
        At least two.
    step : float
        Change of ln mean_ext to either side.
    changes : dict of str to str, optional
        Values of the model in place of the config's.
    on_progress : callable
    driven : sequence of str, optional
        Populations whose afferents are changed.

    Returns
    -------
    Response
    """
    changes = changes or {}
    runs = []
    for seed in seeds:
        rest = at_rest(reader, changes, seed)
        runs.append(rest)
        for pop in driven:
            for sign in (1, -1):
                more = scaled(rest.numbers, AFFERENTS[pop], np.exp(sign * step))
                runs.append(at_rest(reader, changes | more, seed))
    found = [log_rates(summary, exp) for summary, exp in zip(trials(runs, on_progress), runs, strict=True)]
    by_seed = np.reshape(found, (len(seeds), 1 + 2 * len(driven), len(POPULATIONS)))
    up, down = by_seed[:, 1::2], by_seed[:, 2::2]  # by seed, whose afferents, whose rate
    elements = np.full((len(seeds), len(POPULATIONS), len(POPULATIONS)), np.nan)
    elements[:, :, [POPULATIONS.index(pop) for pop in driven]] = np.swapaxes(up - down, 1, 2) / (2 * step)
    return Response(step, tuple(seeds), by_seed[:, 0], elements)
