# SPDX-License-Identifier: GPL-3.0-or-later
"""The slow biology without a network: health is a fixed point, spines are stationary, a course is as its file says."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import numpy as np
import pytest

from circuit import course, equations, schema, signalling, spines
from circuit.config import ConfigError, arms, load
from circuit.streams import stream

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
COURSE = CONFIGS / "antidepressant.yaml"


@pytest.fixture(scope="module")
def exp():
    return load(COURSE)


def health(exp, **changes):
    """Every name that a step of the chain reads, in a healthy cell at rest, with a step of a tenth of the way."""
    constants = exp.numbers.signalling
    values = {name: getattr(constants, name).si for name in signalling.PARAMETERS}
    values |= dict.fromkeys((*signalling.FACTORS, "secretion", "GSK_serine"), 1.0)
    values |= dict.fromkeys((*signalling.SENSORS, *signalling.REFERENCES.values()), 2e-11)
    values |= {name: float(name not in signalling.FROM_ZERO) for name in signalling.CHAIN}
    values |= {f"step_{name}": 0.1 for name in signalling.CHAIN}
    return values | {"stress": 0.0, "inflammation": 0.0, "clip": np.clip, "inf": np.inf, "exp": np.exp} | changes


def step(values, times=1):
    program = compile(signalling.STEP.strip(), "STEP", "exec")
    for _ in range(times):
        exec(program, values)  # our own text, not a config's
    return values


def test_health_is_a_fixed_point(exp):
    after = step(health(exp), times=100)
    for name in signalling.CHAIN:
        assert after[name] == pytest.approx(float(name not in signalling.FROM_ZERO), abs=1e-12), name
    assert after["formation"] == after["elimination"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "name", "sign"),
    [
        ({"rest_mean": 1e-11}, "p_eEF", -1),
        ({"rest_mean": 1e-11}, "BDNF", 1),
        ({"AMPA_mean": 2.2e-11}, "BDNF_free", 1),
        ({"AMPA_mean": 2.2e-11, "L_type_factor": 0.0}, "BDNF_free", -1),
        ({"AMPA_mean": 2.2e-11}, "mTOR", 1),
        ({"AMPA_mean": 2.2e-11}, "scaling", -1),
        ({"TrkB_factor": 0.0}, "Akt", -1),
        ({"mTOR_factor": 0.0}, "PSD", -1),
        ({"GSK_serine": 0.0, "TrkB_factor": 0.0}, "GSK", 0),
        ({"stress": 1.0, "inflammation": 1.0}, "mTOR", -1),
        ({"stress": 1.0, "inflammation": 1.0}, "IL_six", 1),
        ({"stress": 1.0}, "IL_six", 0),
        ({"stress": 1.0}, "elimination", 1),
        ({"secretion": 0.5}, "growth", -1),
    ],
)
def test_each_arrow_points_as_published(exp, change, name, sign):
    """One input changed, everything else as in health: the sign of what comes of it. Corticosterone alone (stress
    without inflammation) leaves cytokines where GSK-3beta has them."""
    after = step(health(exp, **change), times=60)[name]
    assert np.sign(round(after - 1, 9)) == sign


def test_scaling_and_formation_have_a_largest_value(exp):
    silent, grown = step(health(exp, AMPA_mean=0.0), times=200), step(health(exp, growth=1e3, step_growth=0.0))
    assert silent["scaling"] == pytest.approx(exp.numbers.signalling.scaling_max.si)
    assert grown["formation"] == pytest.approx(exp.numbers.signalling.formation_max.si)


def test_no_name_of_a_step_is_taken_by_something_else_of_the_cell():
    """A name that the chain computes for itself must not be a variable of the circuit: it would overwrite it."""
    meant = {*signalling.CHAIN, *signalling.SPINE_RATES}
    declared = set(re.findall(r"^(?:d(\w+)/dt|(\w+)) [:=]", equations.cells(), re.MULTILINE))
    declared = {one or other for one, other in declared}
    assigned = set(re.findall(r"^(\w+) \+?= ", signalling.STEP, re.MULTILINE))
    assert meant <= declared
    assert not (assigned - meant) & declared


def test_every_variable_has_its_time_constant_and_every_parameter_is_used(exp):
    assert set(type(exp.numbers.signalling.tau).model_fields) == {*signalling.CHAIN, "sensor"}
    for name in (*signalling.PARAMETERS, *signalling.CONDITIONS, *signalling.FACTORS):
        assert re.search(rf"\b{name}\b", signalling.STEP), name


def test_spines_are_stationary_in_health(exp):
    """Two hundred thousand contacts over two months: stages stay within five standard errors, heads within 1 %."""
    seed = secrets.randbits(31)
    print(f"seed: {seed}")
    rng, size = stream(seed, "spines"), 200_000
    stage, head = spines.initial(exp.numbers, size, rng)
    segment = course.Segment("healthy", 1.0, pace=30000.0)
    numbers = {
        name.partition(".")[2]: float(value)
        for name, value in course.slow_numbers(exp, exp.numbers, segment).items()
        if name.startswith("spines.")
    }
    ones = dict.fromkeys(("formation_post", "elimination_post", "PSD_post", "GluA_post", "scaling_post"), 1.0)
    values = {**numbers, **ones, "stage": stage, "head": head, "exp": np.exp, "rand": lambda: rng.random(size)}
    values["int"] = lambda truth: truth.astype(float)
    first = [np.mean(stage == k) for k in range(3)], head[stage == 2].mean()
    program = compile(signalling.SPINE_STEP.strip(), "SPINE_STEP", "exec")
    values["potentiation"] = np.zeros(size)
    for _ in range(864):  # of 6,000 s
        exec(program, values)
    last = [np.mean(values["stage"] == k) for k in range(3)], values["head"][values["stage"] == 2].mean()
    for one, other in zip(first[0], last[0], strict=True):
        assert other == pytest.approx(one, abs=5 * np.sqrt(2 * one * (1 - one) / size))
    assert last[1] == pytest.approx(first[1], rel=0.01)
    present = values["stage"] > 0
    assert values["efficacy"][present].mean() == pytest.approx(spines.mean_efficacy(exp.numbers), rel=0.01)


def stressed(exp, **changes):
    """Densities of a cell in three weeks of stress, its contacts by expectation.

    AMPA charge goes with the square of the weight of spines, and NMDA calcium at rest with charge to the power 0.6, as
    measured in the column.
    """
    numbers, segment = exp.numbers, course.Segment("stress", 1.0, pace=36000.0, stress=1.0, inflammation=1.0)
    given = {name.partition(".")[2]: x for name, x in course.slow_numbers(exp, numbers, segment).items()}
    values = health(exp) | {name: float(x) for name, x in given.items()} | changes
    values |= dict.fromkeys((*signalling.SENSORS, *signalling.REFERENCES.values()), 1.0)
    sensor = course.advance(numbers.signalling.tau.sensor.si, 0.02, segment.pace, exp.numerics.averaging.si)
    program = compile(signalling.STEP.strip(), "STEP", "exec")
    filling, share, new_head = numbers.spines.filling.si, spines.share_new(numbers), numbers.spines.head_new.si
    new, mature, head, found = filling * share, filling * (1 - share), 1.0, []
    healthy = new * new_head + mature * head
    for n in range(round(21 * 86400 / segment.pace / 0.02)):
        weight = (new * new_head + mature * head) * values["retrograde"] * values["scaling"]
        values["AMPA_mean"] += sensor * ((weight / healthy) ** 2 - values["AMPA_mean"])
        values["rest_mean"] = values["AMPA_mean"] ** 0.6
        exec(program, values)  # our own text, not a config's
        if n % 10 == 9:
            born = (1 - new - mature) * -np.expm1(-values["hazard_form"] * values["formation"])
            lost = new * -np.expm1(-values["hazard_lose_new"] * values["elimination"])
            matured = new * -np.expm1(-values["hazard_mature"] * values["PSD"])
            died = mature * -np.expm1(-values["hazard_lose_mature"] * values["elimination"])
            new, mature = new + born - lost - matured, mature + matured - died
            head += values["step_head"] * (values["GluA"] - head)
            found.append(new + mature)
    return np.array(found)


def test_scaling_keeps_spines_that_excite_each_other_from_swinging(exp):
    """With a recurrent gain of 2, as in the column. Without scaling they swing past health, and wider each time."""
    density, without = stressed(exp), stressed(exp, step_scaling=0.0)
    assert density.min() > 0.35 and density.max() < 0.51
    assert np.ptp(density[density.size // 2 :]) < 0.05
    assert without.max() > 0.6


def test_the_mean_recurrent_weight_is_that_of_the_pathway(exp):
    numbers = exp.numbers
    assert schema.contacts(numbers) * numbers.spines.filling.si == pytest.approx(
        schema.in_degrees(numbers)["PYR_to_PYR"], abs=0.5
    )


def test_no_process_is_accelerated_beyond_its_cap():
    slow, fast = course.advance(3600.0, 0.02, 300.0, 0.3), course.advance(60.0, 0.02, 300.0, 0.3)
    assert slow == pytest.approx(1 - np.exp(-0.02 * 300 / 3600))
    assert fast == pytest.approx(1 - np.exp(-0.02 / 0.3))


def test_sessions_count_what_came_and_went():
    gained = np.array([0.5, 0.5, 0.0, -0.1])
    views = [
        spines.View(hours, np.array(stage), np.ones(4), np.ones(4), gained * (hours > 0), np.ones(4))
        for hours, stage in ((-1.0, [2, 2, 1, 0]), (0.0, [2, 2, 0, 0]), (24.0, [2, 0, 1, 1]))
    ]
    reached = np.array([True, True, False])
    kinds = spines.groups(np.array([0, 2, 0, 2]), np.array([1, 2, 2, 0]), np.array([True, True, False, False]), reached)
    before, onset, day = spines.sessions(views, kinds)
    assert (before.density, onset.density, day.density) == (0.75, 0.5, 0.75)
    assert (day.formed_since, day.eliminated_since) == (1.0, 0.5)
    assert (onset.formed_since, onset.eliminated_since) == (0.0, 0.0)
    assert day.surviving == pytest.approx(2 / 3)
    assert day.apical_frequency == 0.5
    assert (day.apical_amplitude, day.tested, day.control) == (1.5, 1.5, pytest.approx(0.9))
    assert day.EPSC_amplitude == pytest.approx((1.5 + 1 + 0.9) / 3)
    assert (onset.tested, before.tested) == (1, 1) and np.isnan(onset.control)


@pytest.mark.parametrize("config", ["antagonists", "mechanisms", "compounds", "ltp"])
def test_arms_load_and_differ(config):
    path = CONFIGS / f"{config}.yaml"
    loaded = {name: load(path, arm=name).resolved() for name in arms(path)}
    assert len({str(one) for one in loaded.values()}) == len(loaded) > 5


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("course.drug_from=tomorrow", "names no phase; there are healthy, stress"),
        ("course.phases=[{name: a, lasts: 1 d, acceleration: 90000}]", "makes a step of the spines 5 h long"),
        ("course.phases=[{name: settle, lasts: 1 d, acceleration: 90}]", "is what comes before a course"),
        ("protocol.t_drug=1 s", "must be 0 s: the course has phases of its own"),
        ("drug.lead=1 h", "is for an intervention that is given as a concentration"),
        ("genotype.BDNF=Val/Leu", "Val/Val"),
        ("routes.direct=maybe", "found 'maybe'"),
        ("numerics.spine_step=0.25 ms", "must be a whole number of time steps"),
        ("course.phases=[{name: a, lasts: 1 h, acceleration: 2, stimulus: test pulses}]", "must be 1 under test"),
        ("course.phases=[{name: a, lasts: 1 h, acceleration: 1, stimulus: tetanus}]", "theta bursts"),
        ("plasticity=perhaps", "found 'perhaps'"),
    ],
)
def test_a_wrong_course_is_told(override, sentence):
    with pytest.raises(ConfigError) as error:
        load(COURSE, [override])
    assert sentence in str(error.value)


def test_wrong_arms_are_told(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(f"extends: {CONFIGS / 'baseline.yaml'}\narms:\n  a/b: {{seed: 2}}\n  c: 3\n")
    with pytest.raises(ConfigError) as error:
        arms(path)
    assert "is the name of a folder too" in str(error.value) and "needs settings" in str(error.value)
