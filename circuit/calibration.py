# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be calibrated, in which bounds, against what: the spec of a calibration, and the cost of a candidate.

A target is a resting band or a row of findings.yaml that is marked for calibration; a row marked for validation is
refused, so that what a fit predicts was never shown to it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.config import Experiment, Reader
from circuit.units import Quantity, number_text
from circuit.variants import parameter, setting, settings
from circuit.yaml_source import Node

#: What a change in percent is called in summary.json.
CHANGE = "_change_percent"
#: ln ratio: a smaller change counts as none where only the sign of a finding is known, and as its spread.
LEAST_CHANGE = 0.05
#: ln ratio: spread of a finding that comes without one.
PLAIN_SPREAD = 0.1
#: Relative: spread of a resting band, outside it.
BAND_SPREAD = 0.1
#: Distance in spreads of what a run does not support, such as the peak of a spectrum that has none.
MISSING = 10.0
DIGITS = 6


@dataclass(frozen=True)
class Free:
    """A number of the model that is varied.

    Attributes
    ----------
    key : str
        ``parameters.GROUP.KEY``.
    low, high : float
        Bounds, in `unit`.
    unit : str
        Empty for a bare number.
    log : bool
        Whether it is varied on a logarithmic scale.
    prior : tuple of two floats, or None
        Mean, in `unit`, and standard deviation, in `unit` or, on a logarithmic scale, of the natural logarithm.
    companions : tuple of str
        Keys that keep their ratio to it.
    """

    key: str
    low: float
    high: float
    unit: str
    log: bool
    prior: tuple[float, float] | None = None
    companions: tuple[str, ...] = ()

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def value(self, share: float) -> float:
        """The value at a share, 0 to 1, of the way from `low` to `high`."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        found = low + share * (high - low)
        return min(max(math.exp(found) if self.log else found, self.low), self.high)

    def share(self, value: float) -> float:
        """The share of the way from `low` to `high` at which a value lies."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def surprise(self, value: float) -> float:
        """Distance from the prior's mean in its standard deviations; 0 without a prior."""
        return (self._scaled(value) - self._scaled(self.prior[0])) / self.prior[1] if self.prior else 0.0

    def text(self, value: float) -> str:
        """The value as it stands in a config."""
        short = number_text(float(f"{value:.{DIGITS}g}"))
        return f"{short} {self.unit}" if self.unit else short


@dataclass(frozen=True)
class Target:
    """What a read-out should be.

    Attributes
    ----------
    name : str
        Finding or band, in words.
    finding : str
        Id of its row; empty for a resting band.
    condition : str
        Of which experiment.
    output : str
        Key of summary.json.
    low, high : float
        What is inside costs nothing; natural logarithms of ratios for a change, in the read-out's unit for a band.
    spread : float
        One unit of cost is so far outside; 0 for `BAND_SPREAD` of the bound.
    """

    name: str
    finding: str
    condition: str
    output: str
    low: float
    high: float
    spread: float

    def distance(self, value: float | None) -> float:
        """How many spreads a read-out lies outside, signed; `MISSING` for one that is not there."""
        if value is None:
            return MISSING
        if self.output.endswith(CHANGE):
            value = log_ratio(value)
        bound = min(max(value, self.low), self.high)
        return (value - bound) / (self.spread or BAND_SPREAD * abs(bound)) if value != bound else 0.0


def log_ratio(percent: float) -> float:
    """Return the natural logarithm of drug over baseline of a change in percent; of -100 %, that of a thousandth."""
    return math.log(max(1 + percent / 100, 1e-3))


@dataclass(frozen=True)
class Output:
    """A number of interest: a read-out in one condition, or the dose at which a change turns from up to down.

    Attributes
    ----------
    name, output : str
        Key of summary.json.
    doses : dict of str to float
        Condition to dose; a single one, of any dose, for a plain read-out.
    turning : bool
    """

    name: str
    output: str
    doses: Mapping[str, float]
    turning: bool

    def of(self, found: Mapping[str, Mapping[str, float | None]]) -> float | None:
        """The number, from read-outs by condition; None where a run does not support it."""
        values = [found[condition][self.output] for condition in self.doses]
        if any(value is None for value in values):
            return None
        if not self.turning:
            return values[0]
        return turning_dose(list(self.doses.values()), [log_ratio(value) for value in values])[0]


def turning_dose(doses: Sequence[float], effects: Sequence[float]) -> tuple[float, bool]:
    """Return the dose at which an effect last turns from above zero to below it, and whether it is inside the range.

    Effects are joined by straight lines over the logarithm of the dose. One that stays above zero turns at the highest
    dose or beyond, one that never is above zero at the lowest or before; those are returned, as not inside.

    Parameters
    ----------
    doses : sequence of float
        Ascending, > 0.
    effects : sequence of float

    Examples
    --------
    >>> turning_dose([1, 100], [0.5, -0.5])
    (10.0, True)
    """
    if effects[-1] > 0:
        return doses[-1], False
    for n in range(len(doses) - 2, -1, -1):
        if effects[n] > 0:
            share = effects[n] / (effects[n] - effects[n + 1])
            return doses[n] * (doses[n + 1] / doses[n]) ** share, True
    return doses[0], False


@dataclass(frozen=True)
class Spec:
    """A calibration; `circuit.calibration_spec.read` reads it.

    Attributes
    ----------
    path : Path
    title : str
    config : Path
    layer : tuple of Node
        Settings over the config's.
    seeds : tuple of int
    free : tuple of Free
    conditions : dict of str to Node
    targets : tuple of Target
    outputs : tuple of Output
    optimiser : dict
        sigma (of the way between bounds), population, generations, seed.
    content : dict
        All of it as it stands in the file.
    """

    path: Path
    title: str
    config: Path
    layer: tuple[Node, ...]
    seeds: tuple[int, ...]
    free: tuple[Free, ...]
    conditions: Mapping[str, Node]
    targets: tuple[Target, ...]
    outputs: tuple[Output, ...]
    optimiser: Mapping[str, float]
    content: Mapping[str, Any]

    @property
    def rows(self) -> tuple[str, ...]:
        """Ids of the findings that it is calibrated on."""
        return tuple(dict.fromkeys(target.finding for target in self.targets if target.finding))

    @cached_property
    def base(self) -> Experiment:
        """The experiment of the config as it is, in the first condition."""
        return self.experiments(None, self.seeds[:1])[0]

    @cached_property
    def digest(self) -> str:
        """What tells this calibration from another: its content, its targets and the numbers of its config.

        More generations of the same search are no other calibration.
        """
        optimiser = {key: value for key, value in self.optimiser.items() if key != "generations"}
        targets = [repr(target) for target in self.targets]
        told = [self.content | {"optimiser": optimiser}, targets, self.base.resolved()]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def start(self) -> NDArray[np.float64]:
        """Values of the config as they are, moved into the bounds; shape (num_free,), each in its unit."""
        return np.array([min(max(_number_at(self.base, free), free.low), free.high) for free in self.free])

    def texts(self, values: Sequence[float]) -> dict[str, str]:
        """What the config says with these values, by key; companions keep their ratios."""
        found = {}
        for free, value in zip(self.free, values, strict=True):
            found[free.key] = free.text(value)
            own = _number_at(self.base, free)
            for key in free.companions:
                other = parameter(self.base.numbers, key).value
                size = other.magnitude if isinstance(other, Quantity) else other
                text = number_text(float(f"{size * value / own:.{DIGITS}g}"))
                found[key] = f"{text} {other.unit}" if isinstance(other, Quantity) else text
        return found

    def experiments(self, values: Sequence[float] | None, seeds: Sequence[int]) -> list[Experiment]:
        """Every condition with every seed, seeds fastest; with the config's own values if `values` is None."""
        changes = [*self.layer, *(settings(self.texts(values)) if values is not None else ())]
        reader = Reader(self.config)  # of its own: one that has read many candidates keeps the numbers of all
        return [
            reader.read(changes=[*changes, layer, setting("seed", str(seed))]).experiment
            for layer in self.conditions.values()
            for seed in seeds
        ]

    def gathered(self, found: Sequence[Mapping[str, float | None]], seeds: int) -> dict[str, dict[str, list]]:
        """Read-outs that are asked for, by condition and key, a list over seeds, of runs as `experiments` has them."""
        wanted = {(t.condition, t.output) for t in self.targets}
        wanted |= {(condition, output.output) for output in self.outputs for condition in output.doses}
        rows = {name: found[n * seeds : (n + 1) * seeds] for n, name in enumerate(self.conditions)}
        return {
            name: {key: [run[key] for run in runs] for condition, key in sorted(wanted) if condition == name}
            for name, runs in rows.items()
        }

    def cost(self, found: Mapping[str, Mapping[str, list]], values: Sequence[float]) -> tuple[float, dict[str, float]]:
        """Return the sum of squared distances of means over seeds from all targets and priors, and the distances."""
        means = over_seeds(found)
        terms = {target.name: target.distance(means[target.condition][target.output]) for target in self.targets}
        for free, value in zip(self.free, values, strict=True):
            if free.prior:
                terms[f"prior of {free.key}"] = free.surprise(value)
        return sum(distance**2 for distance in terms.values()), terms


def over_seeds(found: Mapping[str, Mapping[str, list]]) -> dict[str, dict[str, float | None]]:
    """Means over seeds of read-outs by condition and key; None where any seed has none."""
    return {
        name: {key: None if None in runs else float(np.mean(runs)) for key, runs in row.items()}
        for name, row in found.items()
    }


def _number_at(exp: Experiment, free: Free) -> float:
    value = parameter(exp.numbers, free.key).value
    return value.to(free.unit) if isinstance(value, Quantity) else float(value)


def bounds_of(effect: Any) -> tuple[float, float, float]:
    """Return where a published effect puts the natural logarithm of drug over baseline: low, high, spread.

    Raises
    ------
    ValueError
        If its size is in a unit that is no ratio.
    """
    low, high, value, spread = (getattr(effect, name, None) for name in ("low", "high", "value", "spread"))
    if value is None and low is None and high is None:
        least = math.log1p(LEAST_CHANGE)
        by_sign = {"up": (least, math.inf), "down": (-math.inf, -least), "none": (-least, least)}
        return *by_sign[effect.sign], LEAST_CHANGE
    ratio = _ratio(effect.unit)
    if value is not None:
        centre = math.log(ratio(value))
        width = math.log(ratio(value + spread)) - centre if spread else PLAIN_SPREAD
        return centre, centre, max(width, LEAST_CHANGE)
    bounds = (math.log(ratio(end)) if end is not None else other for end, other in ((low, -math.inf), (high, math.inf)))
    return *bounds, PLAIN_SPREAD


def _ratio(unit: str | None) -> Callable[[float], float]:
    words = (unit or "").strip()
    if words.startswith("ratio"):
        return lambda value: value
    if words.startswith("% of"):
        return lambda value: value / 100
    if words.startswith("% change"):
        return lambda value: 1 + value / 100
    raise ValueError(f"its size is in {words or 'no unit'}, and a calibration needs a ratio or a % change")
