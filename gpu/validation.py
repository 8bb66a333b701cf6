# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the experiments that findings are held against, read what they say, and score it.

Runs are points of one sweep in the folder RUNS (`gpu.plan`): workers share builds, a run that is there is found again,
and `pfc status` tells how far it is. A run is named by its content, so a changed arm is run and the others stay.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from circuit import measures, rhythms
from circuit.errors import ConfigError, ResultsError, RunError, StorageError
from circuit.findings import NO_CHANGE
from circuit.scores import Checked, Score, Scores
from circuit.scoring import OUT, PASS, Outcome, Prediction, Published, outcome, verdict
from circuit.sweep import Sweep
from circuit.tables import leaves
from circuit.units import did_you_mean
from circuit.validation import Check, Row, Study, computed, converted
from gpu import folder, job, plan, points, pool
from gpu.devices import Device
from gpu.results import Results

if TYPE_CHECKING:
    from circuit.findings import Effect, Finding

RUNAWAY = 20.0
"""Hz. Pyramidal cells that fire faster on average are in no state that an experiment was done in."""

RUNS, SCORES, TABLE, PAGE = "runs", "scores.json", "scores.csv", "validation.md"


def fraction_above(population: str, hz: float, results: Results) -> float:
    """Share of a population's cells that fire faster than `hz` at baseline."""
    return float(np.mean(results.cell_rates(population, "baseline") > hz))


def clamped_change(name: str, unit: str, results: Results) -> float | None:
    """Change in %, baseline to drug, of what a pyramidal cell under voltage clamp shows (`gpu.clamped`)."""
    found = _clamped(results.path)
    before, after = (found.get(f"{name}_PYR_{window}_{unit}") for window in ("baseline", "drug"))
    return None if not before or after is None else 100 * (after / before - 1)


@functools.lru_cache(maxsize=256)
def _clamped(path: Path) -> dict[str, float]:
    """Four numbers of a run are read apart, and to find them takes a second or two."""
    return Results.open(path, verify=False).clamped("PYR")


def departure_from_poisson(population: str, window: str, results: Results) -> float | None:
    """How far the mean CV of a population's intervals in a window is from 1, that of a Poisson process."""
    if window not in results.windows:
        return None
    return abs(measures.mean_or_nan(measures.cv_isi(*results.spikes(population, window))) - 1)


def share_by_cv(low: float, high: float, results: Results) -> float:
    """Share of cells of all populations whose CV of intervals at baseline lies in [low, high)."""
    found = [measures.cv_isi(*results.spikes(population, "baseline")) for population in results.sizes]
    values = np.concatenate(found)
    return measures.mean_or_nan((values >= low) & (values < high))


def likeness(population: str, results: Results) -> float | None:
    """Rank correlation over cells of their rates at baseline and under drug."""
    if "drug" not in results.windows:
        return None
    rates = [results.cell_rates(population, window) for window in ("baseline", "drug")]
    return float(stats.spearmanr(*rates).statistic)


def chain_change(name: str, first: float, last: float, results: Results) -> float | None:
    """Mean of a quantity of the slow biology between two hours, change in % of the hour before the drug."""
    hours, values = results.chain(name)
    before, after = (hours > -1) & (hours < -1e-6), (hours >= first) & (hours <= last)
    if not before.any() or not after.any():
        return None
    return float(100 * (values[after].mean() / values[before].mean() - 1))


def rate_gamma_correlation(window: str, results: Results, step: float = 0.5) -> float | None:
    """Correlation over pieces of `step` s of the rate of pyramidal cells with gamma power."""
    if window not in results.windows:
        return None
    start, stop = results.windows[window]
    times, values = results.lfp()
    spikes = results.spikes("PYR", window)[0]
    rates, powers = [], []
    for first in start + step * np.arange(int((stop - start) / step + 1e-6)):
        inside = (times >= first) & (times < first + step)
        spectrum = measures.spectrum(values[inside], float(times[1] - times[0]), step)
        powers.append(measures.band_power(*spectrum, *rhythms.GAMMA_BAND))
        rates.append(np.count_nonzero((spikes >= first) & (spikes < first + step)))
    return float(np.corrcoef(rates, powers)[0, 1]) if np.ptp(rates) > 0 and np.ptp(powers) > 0 else None


def pathway_change(results: Results) -> float | None:
    """Strength of the tested spines, change in % from the first test pulses to the last."""
    at = results.responses("pulses")[0]
    hours, values = results.spines("tested")
    before, after = (values[np.abs(hours - hour).argmin()] for hour in (at[0], at[-1]))
    return float(100 * (after / before - 1)) if before > 0 else None


def uncoupling(results: Results) -> float | None:
    """Change of that correlation, baseline to drug, in hundredths: near 0 it has no percent of itself."""
    before, after = (rate_gamma_correlation(window, results) for window in ("baseline", "drug"))
    return None if before is None or after is None else 100 * (after - before)


#: What is read of a run besides the keys of its summary.json.
READ_OUTS: dict[str, Callable[[Results], float | None]] = {
    "fraction_above_1_hz_PV": partial(fraction_above, "PV", 1.0),
    "rate_gamma_correlation_change_percent": uncoupling,
    "departure_from_poisson_PYR_baseline": partial(departure_from_poisson, "PYR", "baseline"),
    "departure_from_poisson_PYR_drug": partial(departure_from_poisson, "PYR", "drug"),
    "sEPSC_frequency_change_percent": partial(clamped_change, "sEPSC_frequency", "hz"),
    "sEPSC_amplitude_change_percent": partial(clamped_change, "sEPSC_amplitude", "pA"),
    "sIPSC_frequency_change_percent": partial(clamped_change, "sIPSC_frequency", "hz"),
    "sIPSC_amplitude_change_percent": partial(clamped_change, "sIPSC_amplitude", "pA"),
    "share_poisson_like": partial(share_by_cv, 0.75, 1.25),
    "share_regular": partial(share_by_cv, 0.0, 0.75),
    "share_bursty": partial(share_by_cv, 1.25, math.inf),
    "likeness_PYR": partial(likeness, "PYR"),
    "GluA_1h_change_percent": partial(chain_change, "GluA", 0.5, 1.5),
    "GluA_1_to_3h_change_percent": partial(chain_change, "GluA", 1.0, 3.0),
    "p_eEF_1h_change_percent": partial(chain_change, "p_eEF", 0.5, 1.5),
    "BDNF_1h_change_percent": partial(chain_change, "BDNF", 0.5, 1.5),
    "tested_pathway_change_percent": pathway_change,
    "retrograde_1_to_3h_change_percent": partial(chain_change, "retrograde", 1.0, 3.0),
}


def perform(
    study: Study, path: Path, device: Device, workers: int | None, say: job.Say, meters: job.Meters
) -> Reading:
    """Do what is missing of the runs of a study, in the folder of all of it.

    Raises
    ------
    UserError
        If the folder cannot be used, or a run failed; what is done is kept.
    """
    runs = path / RUNS
    _make_way(study.sweep, runs)
    planned = plan.write(study.sweep, runs, device.columns)
    points.forget(planned, [failure.point for failure in points.failures(planned)])
    pool.perform(planned, device, workers, say, meters)
    if failed := points.failures(planned):
        raise RunError(
            f"{len(failed)} of {len(planned.points)} runs failed, the first with: {failed[0].sentence}\n"
            "The others are kept; the same command with the same --out goes on."
        )
    return Reading(study, planned.results)


def _make_way(sweep: Sweep, runs: Path) -> None:
    """Put aside a plan of other points than these; results of points that are in both stay where they are."""
    try:
        old = {point.id for point in plan.Plan.read(runs).points}
    except ResultsError:
        return  # none, or a damaged one, which `plan.write` sees to
    if old - {point.id for point in sweep.points}:
        try:
            for name in (pool.LOGS, points.FAILED):  # which are of that plan; the plan goes last, in case of a kill
                shutil.rmtree(runs / name, ignore_errors=True)
            (runs / plan.PLAN).unlink()
        except OSError as error:
            told = f"{runs / plan.PLAN} cannot be removed ({error.strerror}): permit writing there"
            raise StorageError(told) from error


@dataclass
class Reading:
    """Numbers of the runs of a study, each folder opened once.

    Attributes
    ----------
    study : Study
    where : callable
        Folder of the results of a run, by its name.
    """

    study: Study
    where: Callable[[str], Path]
    _open: dict[str, Results] = field(default_factory=dict)
    _known: dict[tuple[str, str], float | None] = field(default_factory=dict)

    def values(self, arm: str, key: str) -> list[float | None]:
        """A number of every seed of an arm; None where a run has no such number.

        Raises
        ------
        ConfigError
            If no run could have it.
        """
        return [self._value(name, key) for name in self.study.runs[arm]]

    def _value(self, name: str, key: str) -> float | None:
        if (name, key) not in self._known:
            if name not in self._open:
                self._open[name] = Results.open(self.where(name))
            found = _number(self._open[name], key)
            self._known[name, key] = None if runs_away(self._open[name]) else found
        return self._known[name, key]


def runs_away(results: Results) -> bool:
    """Whether pyramidal cells fire faster than `RUNAWAY` in a window."""
    rates = [results.summary.get(f"rate_PYR_{window}_hz") for window in ("baseline", "drug")]
    return any(rate is not None and rate > RUNAWAY for rate in rates)


def _number(results: Results, key: str) -> float | None:
    if key in READ_OUTS:
        value = READ_OUTS[key](results)
    elif key in results.summary:
        value = results.summary[key]
    else:
        hint = did_you_mean(key, [*results.summary, *READ_OUTS])
        raise ConfigError(f"A run has no number {key!r}{hint}; docs/results.md lists the keys of summary.json.")
    return value if value is not None and math.isfinite(value) else None


def predict(study: Study, reading: Reading, check: Check) -> Prediction:
    """What the model says where a check looks."""
    if check.assay:
        return computed(study.numbers, check)
    own = reading.values(check.arm, check.read)
    if check.start:
        return converted(check, _paired(_percent, own, reading.values(check.arm, check.start)))
    if check.against:
        return converted(check, _paired(_percent, own, reading.values(check.against, check.read)))
    if check.minus:
        return converted(check, _paired(lambda a, b: a - b, own, reading.values(check.minus, check.read)))
    if check.share_of:
        return converted(check, shares(own, reading.values(check.share_of, check.read)))
    return converted(check, [value for value in own if value is not None])


def _percent(value: float, of: float) -> float | None:
    return 100 * (value / of - 1) if of else None


def _paired(
    compare: Callable[[float, float], float | None], own: list[float | None], other: list[float | None]
) -> list[float]:
    """Compare seed by seed, where both have a number."""
    both = [compare(a, b) for a, b in zip(own, other, strict=True) if a is not None and b is not None]
    return [value for value in both if value is not None]


def shares(own: list[float | None], whole: list[float | None]) -> list[float]:
    """Return one number a seed whose mean is the ratio of the two means, and whose spread gives its standard error.

    Ratios seed by seed would have no mean where the whole comes near 0. Linearised: r + (a - r b) / mean(b).
    """
    pairs = np.array([(a, b) for a, b in zip(own, whole, strict=True) if a is not None and b is not None])
    if not len(pairs) or not pairs[:, 1].mean():
        return []
    ratio = pairs[:, 0].mean() / pairs[:, 1].mean()
    return list(ratio + (pairs[:, 0] - ratio * pairs[:, 1]) / pairs[:, 1].mean())


def score(study: Study, findings: Mapping[str, Finding], reading: Reading) -> Scores:
    """Hold what the runs say against the findings.

    Raises
    ------
    ConfigError
        If the study and the findings do not fit together (`fit`).
    """
    fit(study, findings)
    rows = tuple(_row(study, reading, name, findings[name], row) for name, row in study.rows.items())
    return Scores(study.title, study.seeds, study.is_part, fingerprint(study), rows)


def fit(study: Study, findings: Mapping[str, Finding]) -> None:
    """Check that every row is of a finding, and every effect of a finding is looked at or left out with a reason.

    Raises
    ------
    ConfigError
        With all that does not fit.
    """
    wrong = []
    for name, row in study.rows.items():
        if name not in findings:
            wrong.append(f"{name}: there is no such finding{did_you_mean(name, findings)}")
            continue
        effects = [label(effect) for effect in findings[name].effects]
        looked_at = [check.effect for check in row.checks]
        wrong += [
            f"{name}: the finding has no effect at {at!r}; it has {'; '.join(effects)}"
            for at in [*looked_at, *row.left_out]
            if at not in effects
        ]
        if not row.out_of_scope:
            wrong += _unlike(name, row, findings[name])
            missing = [at for at in effects if at not in looked_at and at not in row.left_out]
            wrong += [f"{name}: the effect at {at!r} needs a check, or a reason under left_out" for at in missing]
    if wrong:
        raise ConfigError("\n".join(f"{line}." for line in wrong))


def _unlike(name: str, row: Row, finding: Finding) -> list[str]:
    """Say where a check gives something that the effect it is held to is not: no change, or one in another unit."""
    effects, found = {label(effect): effect for effect in finding.effects}, []
    for check in row.checks:
        effect = effects.get(check.effect)
        if effect is None:
            continue
        if effect.sign and check.neutral is None and not effect.numbers:
            found.append(f"{name}: {check.effect!r} is a change, and {check.described} is none")
        wanted = next((zero for start, zero in NO_CHANGE.items() if effect.unit.startswith(start)), None)
        if wanted is not None and check.neutral != wanted:
            found.append(f"{name}: {check.effect!r} is in {effect.unit}, and {check.described} is not")
    return found


def fingerprint(study: Study) -> str:
    """Return what changes when a number of the model does: a hash of names and values, not of sources and notes."""
    text = json.dumps([(path, str(parameter.value)) for path, parameter in leaves(study.numbers)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _row(study: Study, reading: Reading, name: str, finding: Finding, row: Row) -> Score:
    effects = {label(effect): effect for effect in finding.effects}
    checks, outcomes = [], []
    for check in row.checks:
        effect, predicted = effects[check.effect], predict(study, reading, check)
        published = Published(effect.sign, effect.value, effect.spread, *_range(check, effect))
        outcomes.append(outcome(published, predicted))
        checks.append(_checked(check, finding, effect, predicted, outcomes[-1]))
    result = OUT if row.out_of_scope else verdict(outcomes)
    reason = row.out_of_scope or (row.misses if result != PASS else None) or ""
    return Score(
        id=name,
        claim=finding.claim,
        source=finding.source,
        kind=finding.class_,
        use=finding.use,
        verdict=result,
        reason=reason,
        checks=tuple(checks),
        left_out=dict(row.left_out),
    )


def _checked(check: Check, finding: Finding, effect: Effect, predicted: Prediction, found: Outcome) -> Checked:
    known = bool(predicted.values)
    return Checked(
        at=label(effect),
        quantity=finding.quantity,
        unit=effect.unit or {0.0: "%", 1.0: "ratio"}.get(predicted.neutral, "1"),
        read=reads(check),
        sign=effect.sign,
        value=effect.value,
        spread=effect.spread,
        low=_range(check, effect)[0],
        high=_range(check, effect)[1],
        neutral=predicted.neutral,
        mean=_rounded(predicted.mean) if known else None,
        sd=_rounded(predicted.sd) if known else None,
        error=_rounded(predicted.error) if known else None,
        num=len(predicted.values) if predicted.by_chance else 0,
        sign_right=found.sign,
        size_right=found.size,
        passes=found.passes,
    )


def reads(check: Check) -> str:
    """What a check reads, and what words ask of it."""
    return f"{check.described} ({check.words})" if check.words else check.described


def _range(check: Check, effect: Effect) -> tuple[float | None, float | None]:
    """Ends of what was published, or of what its words ask for."""
    return (effect.low, effect.high) if check.words is None else (check.low, check.high)


def label(effect: Effect) -> str:
    """What an effect is called: its condition, after its quantity if that is not the finding's own."""
    return f"{effect.of}: {effect.at}" if effect.of else effect.at


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def write(scores: Scores, path: Path, page: str) -> None:
    """Write scores.json, scores.csv and the page into a folder.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, text in ((SCORES, scores.as_json()), (TABLE, scores.as_csv()), (PAGE, page)):
            folder.write_file(path / name, text.encode())
    except OSError as error:
        raise StorageError(f"{path} cannot be written to ({error.strerror or error}): name another --out") from error


def read(path: Path) -> Scores:
    """Return the scores in a file, such as scores.json or docs/validation.json.

    Raises
    ------
    ResultsError
        If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return Scores.of(text, str(path))
