# SPDX-License-Identifier: GPL-3.0-or-later
"""LTP and LTD without a network: the rule's text under calcium of any size, and when an electrode's pulses come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit import course, draw, measures, plasticity
from circuit.config import ConfigError, load

LTP = Path(__file__).resolve().parents[2] / "configs" / "ltp.yaml"


@pytest.fixture(scope="module")
def exp():
    return load(LTP)


def rule(exp, steps=1, **changes):
    """Potentiation and what else a step computes, of a mature spine whose gate is open; GluN2A and GluN2B let in
    `A` and `B` in the soma, nothing in the dendrite."""
    changes = {"A": 0.0, "B": 0.0} | changes
    constants = exp.numbers.plasticity
    values = {name: getattr(constants, name).si for name in plasticity.SPINE_NUMBERS}
    values |= {
        "gate_now_pre": 1.0,
        "TrkB_post": 1.0,
        "scaling_post": 1.0,
        "stage": 2.0,
        "head": 1.0,
        "potentiation": 0.0,
    }
    values |= {"entry_A_post": changes.pop("A"), "entry_B_post": changes.pop("B")}
    values |= {"entry_A_d_post": 0.0, "entry_B_d_post": 0.0, "weight_d": 0.0, "siemens": 1.0}
    values |= {"step_induce": 0.05, "step_fade": 0.0} | changes
    program = compile(plasticity.SPINE_STEP.strip(), "SPINE_STEP", "exec")
    for _ in range(steps):
        exec(program, values)  # our own text, not a config's
    return values


def test_little_calcium_depresses_and_much_potentiates(exp):
    low, high = exp.numbers.plasticity.calcium_LTD.value, exp.numbers.plasticity.calcium_LTP.value
    assert rule(exp)["potentiation"] == 0
    assert abs(rule(exp, A=0.3 * low)["potentiation"]) < 1e-5
    assert rule(exp, B=1.2 * low)["potentiation"] < -1e-4
    assert rule(exp, A=2 * high)["potentiation"] > 1e-2


def test_GluN2A_counts_for_potentiation_and_GluN2B_for_depression(exp):
    """The same calcium through one or the other."""
    much, some = 1.5 * exp.numbers.plasticity.calcium_LTP.value, 1.2 * exp.numbers.plasticity.calcium_LTD.value
    assert rule(exp, A=much)["potentiation"] > 10 * max(0.0, rule(exp, B=much)["potentiation"])
    assert rule(exp, B=some)["potentiation"] < -2 * abs(rule(exp, A=some)["potentiation"])


def test_bounds_hold_however_long(exp):
    numbers = exp.numbers.plasticity
    top = rule(exp, steps=5000, A=10.0)["potentiation"]
    bottom = rule(exp, steps=50_000, B=1.3 * numbers.calcium_LTD.value)["potentiation"]
    assert top == pytest.approx(numbers.LTP_max.value, rel=1e-3)
    assert -numbers.LTD_max.value <= bottom < -0.9 * numbers.LTD_max.value


@pytest.mark.parametrize("TrkB", [0.0, 0.5, 1.5])
def test_TrkB_gates_potentiation_and_not_depression(exp, TrkB):
    """Support is TrkB (1 + K)/(TrkB + K), 1 in health."""
    K = exp.numbers.plasticity.K_support.value
    healthy, found = rule(exp, A=10.0), rule(exp, A=10.0, TrkB_post=TrkB)
    assert found["potentiation"] == pytest.approx(healthy["potentiation"] * TrkB * (1 + K) / (TrkB + K), abs=1e-9)
    some = 1.2 * exp.numbers.plasticity.calcium_LTD.value
    falls = [rule(exp, B=some, TrkB_post=x)["potentiation"] for x in (1.0, TrkB)]
    assert falls[0] == pytest.approx(falls[1], rel=0.2)


def test_only_a_spine_with_an_open_gate_changes_and_each_compartment_by_its_own(exp):
    assert rule(exp, A=10.0, stage=0.0)["potentiation"] == 0
    assert rule(exp, A=10.0, gate_now_pre=0.0)["potentiation"] == 0
    assert rule(exp, A=10.0, weight_d=1.0)["potentiation"] == 0
    assert rule(exp, entry_A_d_post=10.0, weight_d=1.0)["potentiation"] > 0
    potentiated = rule(exp, A=10.0, head=0.5)
    assert potentiated["efficacy"] == pytest.approx(0.5 * (1 + potentiated["potentiation"]))


def test_what_is_gained_fades_and_is_induced_only_at_the_pace_of_life(exp):
    numbers = exp.numbers.plasticity
    for pace, induces in ((1.0, True), (300.0, False)):
        segment = course.Segment("x", 8.0, pace=pace)
        values = course.slow_numbers(exp, exp.numbers, segment)
        assert (values["spines.step_induce"] > 0) == induces
        step = exp.numerics.slow_step.si * pace
        assert values["spines.step_fade"] == pytest.approx(-np.expm1(-step / numbers.tau_fading.si))


def pulses(exp, segment):
    """Times at which the electrode's conductance is on, by the text that the program runs, every millisecond."""
    step = exp.recording.lfp_step.si
    values = {**draw.electrode(exp, segment), "floor": np.floor, "int": lambda truth: np.asarray(truth, dtype=int)}
    values["t"] = np.arange(round(segment.duration / step)) * step
    exec(plasticity.STIMULUS_STEP.strip(), values)
    on = values["stimulus"] > 0
    assert set(np.unique(values["stimulus"])) <= {0.0, exp.numbers.stimulation.size.si}
    return values["t"][on]


def test_theta_bursts_are_four_pulses_at_100_Hz_five_times_a_second(exp):
    found = pulses(exp, course.Segment("x", 2.0, stimulus="theta bursts"))
    expected = [0.2 * burst + 0.01 * pulse + ms for burst in range(10) for pulse in range(4) for ms in (0.0, 0.001)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_pulses_go_on_where_the_segment_before_stopped(exp):
    whole = pulses(exp, course.Segment("x", 7.0, stimulus="low frequency"))
    pieces = [
        pulses(exp, course.Segment("x", length, stimulus="low frequency", stimulus_from=start)) + start
        for start, length in ((0.0, 2.4), (2.4, 4.6))
    ]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-9)


def test_without_a_stimulus_there_is_none(exp):
    assert pulses(exp, course.Segment("x", 2.0)).size == 0


def test_the_plan_has_the_pulses_where_the_program_has_them(exp):
    """`course.test_pulses`, which the responses are read by, against the segments of the course."""
    found, start = [], 0.0
    for segment in course.segments(exp):
        if segment.stimulus == "test pulses":
            on = pulses(exp, segment)
            found += list(start + on[np.insert(np.diff(on) > 0.0015, 0, True)])
        start += segment.duration
    planned = np.concatenate([times for _, times in course.test_pulses(exp)])
    np.testing.assert_allclose(planned, found, atol=1e-9)
    assert planned.size == 40


def test_an_electrode_reaches_its_share_of_pyramidal_cells(exp):
    counts = {"PYR": 800, "PV": 70, "SST": 60, "VIP": 70}
    reached = draw.stimulated(exp.numbers, counts, exp.seed)
    assert reached[:800].sum() == round(800 * exp.numbers.stimulation.share.value)
    assert not reached[800:].any()


def test_evoked_is_after_less_before():
    times = np.array([0.5, 0.99, 1.0, 1.01, 1.5, 2.0, 2.001])
    assert measures.evoked(times, np.array([1.0, 2.0]), 0.02) == pytest.approx(((2 - 1) + (2 - 0)) / 2)
    weights = np.arange(7.0)
    assert measures.evoked(times, np.array([1.0]), 0.02, weights) == pytest.approx(2 + 3 - 1)
    assert np.isnan(measures.evoked(times, np.array([]), 0.02))


def test_plasticity_needs_a_course():
    with pytest.raises(ConfigError, match="nothing slow moves without a course"):
        load(LTP.with_name("ketamine.yaml"), ["plasticity=true"])
