# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain as ordinary differential equations, written by hand and integrated by SciPy with the inputs of a run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from circuit import course, draw, network, signalling
from gpu import build, devices, run
from gpu.cache import cache_folder
from tests.slow_biology.conftest import experiment

pytestmark = [pytest.mark.slow, pytest.mark.gcc]
NAMES = tuple(signalling.CHAIN)


def derivative(y, charge, resting, evoked, p, tau, stress):
    """Rates of change of every variable of the chain, 1/s, shape (num_variables, num_cells)."""
    s = dict(zip(NAMES, y, strict=True))
    strain = p["stress_hormone"] * s["hormone"] + p["stress_IL"] * (s["IL_beta"] + s["IL_six"] - 2)
    tone = 1 / (1 + strain)
    through = charge / np.maximum(s["set_point"], 0.05)
    elongation = (1 + p["eEF_on_translation"]) / (1 + p["eEF_on_translation"] * s["p_eEF"])
    vesicles = np.maximum(through, 0) ** p["n_release"]
    made = elongation * (1 + p["AMPK_on_BDNF"] * (s["AMPK"] - 1)) * tone
    degraded = s["BDNF"] * (1 + p["release_share"] * (vesicles - 1))
    occupied = s["BDNF_free"] ** p["n_TrkB"]

    def braked(weight, by):
        return (1 + weight) / (1 + weight * by)

    supply = s["eIF_B"] * s["eIF_F"] * elongation
    target = {
        "set_point": charge,
        "p_eEF": resting ** p["n_eEF"] * braked(p["SK_on_eEF"], s["p_SK"]),
        "BDNF": s["BDNF"] + made - degraded,
        "BDNF_free": vesicles * s["BDNF"],
        "TrkB": s["TrkB_surface"] * occupied * (1 + p["K_TrkB"]) / (occupied + p["K_TrkB"]),
        "TrkB_surface": braked(p["internalised"], s["TrkB"]),
        "Akt": (1 + p["TrkB_on_Akt"] * (s["TrkB"] - 1)) * braked(p["SK_on_PI"], s["p_SK"]),
        "ERK": 1 + p["TrkB_on_ERK"] * (s["TrkB"] - 1) + p["Ca_on_ERK"] * (evoked - 1),
        "AMPK": tone * (1 + p["Ca_on_AMPK"] * (through - 1)),
        "GSK": braked(p["Akt_on_GSK"], s["Akt"]),
        "mTOR": tone * (s["Akt"] + p["ERK_on_mTOR"] * (s["ERK"] - s["Akt"])),
        "p_SK": s["mTOR"],
        "p_BP": s["mTOR"],
        "eIF_B": s["p_SK"],
        "eIF_F": s["p_BP"],
        "supply": supply,
        "synapsin": s["supply"],
        "PSD": s["supply"],
        "GluA": s["supply"] * braked(p["GSK_on_GluA"], s["GSK"]),
        "assembly": s["supply"] * s["BDNF"] * braked(p["GSK_on_growth"], s["GSK"]),
        "growth": s["assembly"],
        "retrograde": 1 + p["BDNF_on_release"] * (np.clip(s["BDNF_free"], 0, p["retrograde_max"]) - 1),
        "scaling": braked(p["scaling_max"] - 1, np.maximum(charge, 0) ** p["n_scaling"]),
        "IL_beta": 1 + stress * p["IL_beta_max"] * s["GSK"],
        "IL_six": 1 + stress * p["IL_six_max"] * s["GSK"],
        "hormone": np.full_like(charge, stress),
    }
    return np.array([(target[name] - s[name]) / tau[name] for name in NAMES])


@pytest.fixture(scope="module")
def followed():
    """An hour and a half of ketamine in the compiled program, on the shipped slow step, every one recorded."""
    drug = "drug.schedule=[{time: 529 h, concentration: 2 uM}]"
    exp = experiment("antidepressant.yaml", drug, "numerics.spine_step=20 ms")
    chosen = devices.choose("cpp")
    program = build.find_or_build(network.structure(exp), chosen, cache_folder(), lambda line: None)
    given = draw.arrays(exp)
    segment = course.Segment("first hours", 18.0, 529 * 3600.0, 300.0, stress=1.0, inflammation=1.0)
    given |= draw.moving(exp, segment) | reference(exp, program)
    with run.scratch() as workdir:
        outputs = run.execute(program, given, segment.duration, 1, workdir).outputs
    return exp, outputs, given, segment


def reference(exp, program):
    """What the sensors of healthy cells read, and the state of the chain in health."""
    measured = course.Segment("reference", 10.0, slow="measured", pace=0.0)
    with run.scratch() as workdir:
        given = draw.arrays(exp, measured)
        final = run.execute(program, given, measured.duration, 1, workdir, final=[
            f"cells.{name}" for name in signalling.SENSORS
        ]).final
    return course.references(final)


def test_an_independent_integration_agrees_within_1_percent(followed):
    exp, outputs, given, segment = followed
    constants = exp.numbers.signalling
    p = {name: getattr(constants, name).si for name in signalling.PARAMETERS}
    tau = {name: getattr(constants.tau, name).si for name in NAMES}
    slowest = exp.numerics.slowest_network.si
    assert all(value / slowest > segment.pace for value in tau.values()), "no process is at its cap here"
    cells = network.followed(network.structure(exp).num_cells)
    inputs = [
        outputs[f"chain_trace.{sensor}"] / given[f"cells.{name}"][cells][:, None]
        for sensor, name in signalling.REFERENCES.items()
    ]
    times = outputs["chain_trace.t"] * segment.pace
    first = np.array([outputs[f"chain_trace.{name}"][:, 0] for name in NAMES])

    def rates(t, y):
        n = min(np.searchsorted(times, t, side="right") - 1, times.size - 2)
        part = (t - times[n]) / (times[n + 1] - times[n])
        charge, resting, evoked = (x[:, n] + part * (x[:, n + 1] - x[:, n]) for x in inputs)
        return derivative(y.reshape(len(NAMES), -1), charge, resting, evoked, p, tau, 1.0).ravel()

    solved = solve_ivp(rates, times[[0, -1]], first.ravel(), "LSODA", times, rtol=1e-6, atol=1e-8, max_step=60.0)
    expected = solved.y.reshape(len(NAMES), cells.size, -1).mean(axis=1)
    for n, name in enumerate(NAMES):
        found = outputs[f"chain_trace.{name}"].mean(axis=0)
        scale = np.maximum(np.abs(expected[n]), 0.05)
        worst = np.max(np.abs(found - expected[n]) / scale)
        print(f"{name}: {100 * worst:.3f} %")
        assert worst < 0.01, name
