# SPDX-License-Identifier: GPL-3.0-or-later
"""A calibration of free parameters: candidates simulated on one program, searched, profiled, and asked what decides.

Everything evaluated is in a log in the calibration's folder (`gpu.trial_log`); a calibration that was ended goes on
with the same command.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit.calibration import CHANGE, Output, Spec, log_ratio, over_seeds
from circuit.config import Reader
from circuit.errors import ResultsError, UserError
from gpu import folder as results_folder
from gpu import overrides, progress, search, sensitivity, trial_log
from gpu.trials import Trials

Array = NDArray[np.float64]

SEARCH, SOBOL, ELASTICITY = "calibration.jsonl", "sobol.jsonl", "elasticity.jsonl"
FITTED = "fitted.yaml"
#: Of a Sobol study, so many candidates are noted at a time.
SLICE = 8
#: A profile has so many points between the bounds, and so many generations of the other parameters at each.
PROFILE_POINTS, PROFILE_GENERATIONS = 9, 5
FORMAT = "pfc-calibration 1"


@dataclass
class Bench:
    """Evaluates candidates of a calibration.

    Attributes
    ----------
    spec : Spec
    trials : Trials
    show : callable
        Called with the finished fraction of all that is to be done and the seconds it took.
    to_do : int
        Candidates that are to be evaluated, for the time left; what the log knew already does not count.
    """

    spec: Spec
    trials: Trials
    show: progress.OnProgress = progress.ignore
    to_do: int = 1
    done: int = 0
    start: float = field(default_factory=time.monotonic)

    def __call__(self, shares: Sequence[Array]) -> list[dict[str, Any]]:
        """Simulate candidates, each given as shares of the way between bounds; return their records."""
        free = self.spec.free
        return self.at([[f.value(float(part)) for f, part in zip(free, share, strict=True)] for share in shares])

    def at(self, values: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
        """Simulate candidates, each given as values in their units; return their records."""
        exps = [exp for one in values for exp in self.spec.experiments(one, self.spec.seeds)]
        found = self.trials(exps, lambda fraction, elapsed: self._tell(fraction * len(values)))
        self.done += len(values)
        each = len(exps) // len(values)
        return [self._record(one, found[n * each : (n + 1) * each]) for n, one in enumerate(values)]

    def _record(self, values: Sequence[float], found: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
        outputs = self.spec.gathered(found, len(self.spec.seeds))
        cost, terms = self.spec.cost(outputs, values)
        named = {free.key: value for free, value in zip(self.spec.free, values, strict=True)}
        return {"values": named, "cost": cost, "terms": terms, "outputs": outputs}

    def _tell(self, under_way: float) -> None:
        self.show(min((self.done + under_way) / max(self.to_do, 1), 1.0), time.monotonic() - self.start)


def check(folder: Path) -> None:
    """Refuse a folder that holds anything but a calibration. Changes nothing; call it before long work.

    Raises
    ------
    ResultsError
        With the sentence that says what is in the way.
    """
    logs = (SEARCH, SOBOL, ELASTICITY)
    if folder.is_dir() and any(folder.iterdir()) and not any((folder / name).exists() for name in logs):
        raise ResultsError(f"{folder} is not empty and holds no calibration: name a new folder with --out")
    if not folder.is_dir():
        results_folder.check_destination(folder)


@dataclass(frozen=True)
class Calibration:
    """A spec, the program its candidates run on, and the folder its logs are in.

    Attributes
    ----------
    spec : Spec
    trials : Trials
    folder : Path
    meters : callable
        Makes the display of a stage's progress.
    say : callable
        Called with sentences for people.
    """

    spec: Spec
    trials: Trials
    folder: Path
    meters: Callable[[str], Any]
    say: Callable[[str], None]

    def header(self, kind: str) -> dict[str, Any]:
        """First line of a log: what is evaluated, and the rows of findings.yaml that were read for it."""
        return {
            "format": FORMAT,
            "kind": kind,
            "title": self.spec.title,
            "digest": self.spec.digest,
            "findings_read": self.spec.rows,
            "targets": [target.name for target in self.spec.targets],
            "free": [free.key for free in self.spec.free],
            "seeds": self.spec.seeds,
        }

    @contextmanager
    def bench(self, label: str, candidates: int) -> Iterator[Bench]:
        """What evaluates so many candidates, with a display."""
        with self.meters(label) as meter:
            yield Bench(self.spec, self.trials, meter, candidates)

    def perform(self, sobol: int | None, elasticity: float | None, profile: str | None) -> list[str]:
        """Do the search, or the study that is asked for; write its files, and return what it came to as lines."""
        if sobol is not None:
            return self._written("sobol", self.sobol(sobol))
        if elasticity is not None:
            return self._written("elasticity", self.elasticity(elasticity))
        if profile is not None:
            return self._written(f"profile-{profile}", self.profile(profile))
        found, place = self.fit(), self.folder / FITTED
        overrides.write(place, found.config(place))
        return [*found.lines(), f"Config: {place}"]

    def _written(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        place = self.folder / f"{name}.csv"
        overrides.write(place, as_csv(rows))
        return [*table(rows), f"Table: {place}"]

    # --- the search

    def fit(self) -> Fit:
        """Search for the values of the least cost, or go on with it.

        Raises
        ------
        UserError
            If the folder belongs to another calibration, or a simulation fails.
        """
        options = self.spec.optimiser
        size = search.population_size(len(self.spec.free), int(options["population"]))
        with trial_log.opened(self.folder / SEARCH, self.header("search"), size) as log:
            wanted = int(options["generations"]) * size - len(log.records)
            if log.records:
                self.say(f"{len(log.records)} candidates are in {log.path}; {max(wanted, 0)} are left.")
            with self.bench("calibrating", wanted) as bench:
                start = np.array([f.share(v) for f, v in zip(self.spec.free, self.spec.start(), strict=True)])
                found = search.minimise(bench, start, options, log)
        return self._judged(found)

    def _judged(self, found: search.Optimum) -> Fit:
        """Compare the centre of the search with its best candidate, with seeds that the search has not seen."""
        best = np.array(found.best["share"])
        first = max(self.spec.seeds) + 1
        fresh = tuple(range(first, first + max(len(self.spec.seeds), 2)))
        unseen = replace(self.spec, seeds=fresh)
        with self.meters("fresh seeds") as meter:
            judge = Bench(unseen, self.trials, meter, 2)
            records = judge([found.centre, best])
        chosen = min(range(2), key=lambda n: records[n]["cost"])
        return Fit(self.spec, fresh, records[chosen], found.best["cost"], ("centre", "best candidate")[chosen])

    # --- what decides, and what is not pinned down

    def sobol(self, number: int) -> list[dict[str, Any]]:
        """Return Sobol indices of the spec's outputs over its free parameters, as rows of a table.

        Raises
        ------
        UserError
            If the spec names no outputs, or `number` is no power of two.
        """
        self._outputs()
        names, seed = [free.key for free in self.spec.free], int(self.spec.optimiser["seed"])
        points = sensitivity.sample(names, number, seed)
        with trial_log.opened(self.folder / SOBOL, self.header(f"sobol {number}")) as log:
            left = points[len(log.records) :]
            with self.bench("Sobol's candidates", len(left)) as bench:
                for first in range(0, len(left), SLICE):
                    log.add(bench(list(left[first : first + SLICE])))
            records = log.records
        rows: list[dict[str, Any]] = []
        for output in self.spec.outputs:
            values = np.array([_number(output, over_seeds(record["outputs"])) for record in records])
            missing = float(np.mean(np.isnan(values)))
            if missing > 0 or np.ptp(values) == 0:
                self.say(f"{output.name}: no indices; {missing:.0%} of the candidates have none, or all have the same.")
                continue
            found = sensitivity.indices(names, values, seed)
            rows += [
                {
                    "output": output.name,
                    "parameter": name,
                    "first": float(found.first[n]),
                    "first_95": float(found.first_error[n]),
                    "total": float(found.total[n]),
                    "total_95": float(found.total_error[n]),
                }
                for n, name in enumerate(names)
            ]
        return rows

    def elasticity(self, percent: float) -> list[dict[str, Any]]:
        """Return d ln output / d ln parameter around the config's own values, as rows of a table.

        Parameters
        ----------
        percent : float
            Change of each parameter to either side, the others held; bounds do not bind here.
        """
        self._outputs()
        step = math.log1p(percent / 100)
        spec, start = self.spec, self.spec.start()
        with trial_log.opened(self.folder / ELASTICITY, self.header(f"elasticity {percent:g} %")) as log:
            todo = [
                start * np.where(np.arange(len(start)) == n, math.exp(sign * step), 1.0)
                for n in range(len(start))
                for sign in (1, -1)
            ]
            left = todo[len(log.records) :]
            with self.bench("elasticities", len(left)) as bench:
                for values in left:
                    log.add(bench.at([values.tolist()]))
            records = log.records
        by_seed = [
            [[_number(output, run) for output in spec.outputs] for run in _by_seed(record["outputs"], len(spec.seeds))]
            for record in records
        ]
        logs = np.reshape(by_seed, (len(start), 2, len(spec.seeds), len(spec.outputs)))
        rows = []
        for n, free in enumerate(spec.free):
            mean, error = sensitivity.elasticities(logs[n, 0], logs[n, 1], step)
            found = zip(spec.outputs, mean.tolist(), error.tolist(), strict=True)
            rows += [{"output": o.name, "parameter": free.key, "elasticity": m, "error": e} for o, m, e in found]
        return rows

    def profile(self, key: str) -> list[dict[str, Any]]:
        """Return the least cost at each of several values of one parameter, the others fitted anew, as rows.

        A parameter along which the cost hardly rises is not pinned down by the targets.

        Raises
        ------
        UserError
            If no search has been done in this folder, or the parameter is not free.
        """
        if key not in (keys := [free.key for free in self.spec.free]):
            raise UserError(f"{key} is not free in {self.spec.path}; free are {', '.join(keys)}")
        at = keys.index(key)
        start = self._best_share()
        options = dict(self.spec.optimiser) | {"generations": PROFILE_GENERATIONS, "sigma": 0.1}
        size = search.population_size(len(keys) - 1, int(options["population"]))
        rows = []
        with self.bench(f"profile of {key}", PROFILE_POINTS * PROFILE_GENERATIONS * size) as bench:
            for n, share in enumerate(np.linspace(0, 1, PROFILE_POINTS)):
                kind = f"profile of {key} at {share:g}"

                def held(others: Sequence[Array], share: float = share) -> list[dict[str, Any]]:
                    return bench([np.insert(x, at, share) for x in others])

                place = self.folder / f"profile-{key}" / f"{n}.jsonl"
                with trial_log.opened(place, self.header(kind), size) as log:
                    found = search.minimise(held, np.delete(start, at), options, log)
                rows.append({"parameter": key, "value": found.best["values"][key], "cost": found.best["cost"]})
        return rows

    def _best_share(self) -> Array:
        size = search.population_size(len(self.spec.free), int(self.spec.optimiser["population"]))
        with trial_log.opened(self.folder / SEARCH, self.header("search"), size) as log:
            if not log.records:
                raise UserError(f"{self.folder} holds no calibration yet: run it without --profile first")
            return np.array(min(log.records, key=lambda record: record["cost"])["share"])

    def _outputs(self) -> None:
        if not self.spec.outputs:
            raise UserError(f"{self.spec.path}: has no outputs; name them, such as outputs: {{PYR: {{output: ...}}}}")


def _by_seed(outputs: Mapping[str, Mapping[str, list]], seeds: int) -> list[dict[str, dict[str, float | None]]]:
    return [{name: {key: runs[n] for key, runs in row.items()} for name, row in outputs.items()} for n in range(seeds)]


def _number(output: Output, found: Mapping[str, Mapping[str, float | None]]) -> float:
    """Return an output as a natural logarithm: of drug over baseline, of a dose, of a read-out; NaN for none."""
    value = output.of(found)
    if value is None:
        return math.nan
    if output.output.endswith(CHANGE) and not output.turning:
        return log_ratio(value)
    return math.log(value) if value > 0 else math.nan


@dataclass(frozen=True)
class Fit:
    """What a calibration came to.

    Attributes
    ----------
    spec : Spec
    fresh_seeds : tuple of int
        Seeds that the search has not seen, on which this was judged.
    record : dict
        Values, cost, terms and outputs with them.
    search_cost : float
        Least cost of a candidate of the search, with the search's seeds; being a least one, it flatters.
    came_from : str
    """

    spec: Spec
    fresh_seeds: tuple[int, ...]
    record: Mapping[str, Any]
    search_cost: float
    came_from: str

    def lines(self) -> list[str]:
        """Values, then every target with what the circuit does and how far off it is."""
        table = [f"{'free parameter':<44}{'low':>10}{'high':>10}{'fitted':>14}"]
        for free in self.spec.free:
            value = free.text(self.record["values"][free.key])
            table.append(f"{free.key.removeprefix('parameters.'):<44}{free.low:>10g}{free.high:>10g}{value:>14}")
        table.append(f"\n{'target':<84}{'spreads off':>12}")
        table += [f"{name:<84}{distance:>+12.1f}" for name, distance in self.record["terms"].items()]
        seeds = ", ".join(map(str, self.fresh_seeds))
        cost, rows = self.record["cost"], ", ".join(self.spec.rows) or "none"
        table.append(f"Cost {cost:.1f} with fresh seeds {seeds} ({self.came_from} of the search).")
        table.append(f"The least of a candidate in the search was {self.search_cost:.1f}. Findings read: {rows}.")
        return table

    def note(self) -> str:
        """What the values were fitted to."""
        bands = [t.output for t in self.spec.targets if not t.finding]
        rows = f"; findings {', '.join(self.spec.rows)}" if self.spec.rows else ""
        return f"target: resting bands of {', '.join(bands)}{rows} ({self.spec.path.name})"

    def config(self, place: Path) -> str:
        """The text of the config with the fitted values, to be written at `place`."""
        values = self.spec.texts([self.record["values"][free.key] for free in self.spec.free])
        return overrides.text(Reader(self.spec.config), values, dict.fromkeys(values, self.note()), place)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return rows of equal keys as lines, numbers with three digits."""
    if not rows:
        return []
    texts = [[str(key) for key in rows[0]]]
    texts += [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    widths = [max(len(line[n]) for line in texts) for n in range(len(texts[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in texts]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys as CSV with a head."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
