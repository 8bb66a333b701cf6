# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibrations of a small circuit, whole: afferents that were moved are found again; a killed search goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pfc
from circuit.config import Reader, load
from circuit.variants import AFFERENTS, at_rest, parameter, scaled
from gpu import afferents, response
from gpu.trials import Trials
from tests.statistical.conftest import Silent

pytestmark = [pytest.mark.slow, pytest.mark.gcc]

ROOT = Path(pfc.__file__).parent
BASELINE = ROOT / "configs" / "baseline.yaml"
SMALL = ("network.num_neurons=1000", "numerics.precision=single", "protocol.t_settle=1 s", "protocol.t_baseline=3 s")
SPEC = f"""\
title: small
config: {BASELINE}
settings:
  network: {{num_neurons: 1000}}
  numerics: {{precision: single, block_acceleration: 200}}
  protocol: {{t_settle: 1 s, t_baseline: 2 s, t_transition: 1 s, t_drug: 2 s}}
seeds: [1]
free:
  parameters.cells.PYR.mean_ext: {{low: 0.5 nS, high: 0.9 nS, with: [parameters.cells.PYR.mean_ext_d]}}
  parameters.cells.PV.mean_ext: {{low: 0.2 nS, high: 0.5 nS}}
conditions: {{30 mg/kg: {{drug: {{name: ketamine, dose: 30 mg/kg, route: i.p., species: rat, after: 20 min}}}}}}
rest: {{rate_PYR_baseline_hz: [1, 4], rate_PV_baseline_hz: [6, 14]}}
findings: [{{id: B24, effect: 30 mg/kg, condition: 30 mg/kg, output: glutamate_change_percent}}]
optimiser: {{population: 4, generations: 3, seed: 2}}
"""


def test_afferents_that_were_moved_are_found_again():
    """Targets are the rates of the shipped afferents with the same seeds; the search begins 10 % off, and ends there.

    Tolerance 1 % of the rates is, through the response, about 2 % of the afferents of PV and less of PYR's.
    """
    seeds, moved = (1, 2), {"PYR": 1.1, "PV": 0.9}
    shipped = Reader(BASELINE, SMALL)
    rest = [at_rest(shipped, {}, seed) for seed in seeds]
    trials = Trials.on("cpp", rest[0], lambda text: None, lambda label: Silent())
    rates = np.exp(np.mean([response.log_rates(s, e) for s, e in zip(trials(rest), rest, strict=True)], axis=0))
    off = [scaled(rest[0].numbers, AFFERENTS[pop], factor) for pop, factor in moved.items()]
    reader = Reader(BASELINE, (*SMALL, *(f"{key}={text}" for part in off for key, text in part.items())))
    circuit = afferents.Circuit(trials, reader, ("PYR", "PV"), seeds, lambda label: Silent())
    found = circuit.fit({"PYR": float(rates[0]), "PV": float(rates[1])}, 0.01)
    for key, text in found.values.items():
        own = parameter(rest[0].numbers, key).to("nS")
        assert float(text.split()[0]) == pytest.approx(own, rel=0.04), "\n".join(found.lines())
    assert found.steps <= 6


def test_a_killed_calibration_goes_on_with_the_same_command(tmp_path, builds):
    (tmp_path / "spec.yaml").write_text(SPEC)
    out, log = tmp_path / "out", tmp_path / "out" / "calibration.jsonl"
    program = [sys.executable, ROOT / "pfc.py", "calibrate", tmp_path / "spec.yaml", "--out", out, "--device", "cpp"]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < deadline:
        if log.is_file() and log.read_text().count("\n") > 4:  # the head and a generation
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = log.read_bytes()
    assert not (out / "fitted.yaml").exists()
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "are left" in done.stderr
    after = log.read_bytes()
    assert after.startswith(before[: before.rindex(b"\n") + 1]) and after.count(b"\n") == 1 + 3 * 4
    head, *records = map(json.loads, after.decode().splitlines())
    assert head["findings_read"] == ["B24"] and len({json.dumps(r["values"]) for r in records}) == 12
    fitted = parameter(load(out / "fitted.yaml").numbers, "parameters.cells.PV.mean_ext")
    assert fitted.status == "fitted" and "B24" in fitted.note and 0.2 <= fitted.to("nS") <= 0.5
