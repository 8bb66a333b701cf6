# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit's reduced block against the ten-state scheme of the receptor: where they agree, and where not.

Differences are shares of the larger of the two blocked fractions, positive where the reduced equation blocks more.
The bounds are those that the docstring of `circuit.kinetic_scheme` states; each is asserted from both sides.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import yaml

from circuit import kinetic_scheme as scheme
from circuit import potency, receptors
from circuit.subunits import CLASSES
from tests.numeric import rig

DRUGS = ("ketamine", "memantine", "MK_801")
#: mM, V, mM.
CONCENTRATIONS = (1e-4, 1e-3, 1e-2, 1e-1)
VOLTAGES = (-0.08, -0.066, -0.04, -0.02)
MAGNESIUM = (0.0, 0.3, 1.0, 2.0)
#: mM: ambient glutamate to saturation.
GLUTAMATE = (1e-4, 1e-3, 1e-2, 1.0)
#: mM. Below, receptors open in rare, long bursts.
AGONIST = 1e-3
#: 1/s. Block slower than this at a fully activated receptor is followed within 10 %; the second in weak agonist.
SLOW, SLOW_WEAK = 0.25, 0.1
#: s and mM: decay and peak of a synaptic pulse of glutamate, and where its staircase steps, to a twentieth of 1 uM.
DECAY, PEAK = 1.2e-3, 1.0
EDGES = DECAY * np.array([0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10])
GRID = [
    (drug, name, c, v, Mg, glutamate)
    for drug, name in itertools.product(DRUGS, CLASSES)
    for c, v, Mg, glutamate in itertools.product(CONCENTRATIONS, VOLTAGES, MAGNESIUM, GLUTAMATE)
]


@pytest.fixture(scope="module")
def gating():
    return scheme.Gating.model_validate(yaml.safe_load((rig.CONFIG.parent / "kinetic_scheme.yaml").read_text()))


@pytest.fixture(scope="module")
def numbers():
    return rig.experiment().numbers


def pore(numbers, drug, name, concentration, v, Mg):
    """The pore as the circuit's numbers have it; concentrations in mM, voltage in V."""
    entry = getattr(numbers.drugs, drug)
    free, off = float(potency.unblocked(numbers.receptors, name, v, Mg)), float(potency.k_off(entry, name, v))
    return scheme.Pore(entry.k_on.si * concentration, off, entry.k_untrap.si, free, v)


def free_state(A):
    return np.concatenate([scheme.settled(A), np.zeros(scheme.NUM_GATING)])


def at_rest(states=2 * scheme.NUM_GATING):
    """All receptors without agonist and drug."""
    return np.eye(states)[0]


def activation(gating, glutamate):
    return scheme.opened(scheme.settled(scheme.gating(gating, glutamate))) / scheme.open_saturated(gating)


def difference(full, reduced):
    return (reduced - full) / np.maximum(reduced, full)


def speed(site):
    """Rate of block of a fully activated receptor, 1/s."""
    return site.on * site.unblocked + site.off


def test_settled_block_agrees_over_the_whole_grid(numbers, gating):
    """3,072 points. With full trapping it is c/(c + IC50/B) at any agonist level: a blocked channel gates as a free.

    MK-801 is let off 1e-4 for the null space of rates nine orders apart. A leak out of receptors without agonist
    (memantine) is followed within 0.3 % from 1 uM of glutamate on; below, where rare long openings alternate with the
    leak, the reduced equation settles up to a quarter of its level too high.
    """
    worst = {}
    for drug, name, c, v, Mg, glutamate in GRID:
        site = pore(numbers, drug, name, c, v, Mg)
        full = scheme.blocked(scheme.settled(scheme.scheme(gating, glutamate, site)))
        reduced = scheme.reduced(np.array([activation(gating, glutamate)]), [1e9], site)[0]
        key = (drug, glutamate >= AGONIST)
        worst[key] = max(worst.get(key, 0), abs(difference(full, reduced)))
        if drug != "memantine":
            k_on = getattr(numbers.drugs, drug).k_on.si
            closed = receptors.block_steady_state(c, site.unblocked, k_on, site.off)
            assert full == pytest.approx(closed, rel=1e-6 if drug == "ketamine" else 1e-4)
    assert max(worst["ketamine", True], worst["ketamine", False]) < 1e-6
    assert max(worst["MK_801", True], worst["MK_801", False]) < 1e-4
    assert 0.001 < worst["memantine", True] < 0.003
    assert 0.2 < worst["memantine", False] < 0.25


def test_magnesium_may_be_taken_as_a_share(numbers, gating):
    """Fifteen states with magnesium's own binding give the same course, within 1 %."""
    for c, v in itertools.product((1e-3, 1e-2), (-0.08, -0.05)):
        site = pore(numbers, "ketamine", "GluN2A", c, v, 1.0)
        fast, explicit = (scheme.scheme(gating, 1e-2, site, explicit_Mg=e) for e in (False, True))
        start = scheme.settled(scheme.scheme(gating, 1e-2, scheme.Pore(0.0, 1.0, 0.0, site.unblocked, v), True))
        small = np.zeros(10)
        small[:5] = start[:5] + start[10:]
        times = [0.3, 1.0, 3.0, 30.0]
        a = scheme.blocked(scheme.follow([fast] * 4, times, small))
        b = scheme.blocked(scheme.follow([explicit] * 4, times, start))
        np.testing.assert_allclose(a, b, rtol=0.01)


@pytest.fixture(scope="module")
def steps(numbers, gating):
    """Steps of the drug over the grid: glutamate (mM), speed (1/s), worst difference at 0.3, 1 and 3 time constants."""
    rows = []
    for drug, name, c, v, Mg, glutamate in GRID:
        site = pore(numbers, drug, name, c, v, Mg)
        p, A = activation(gating, glutamate), scheme.gating(gating, glutamate)
        durations = list(np.diff([0, 0.3, 1, 3]) / (p * speed(site) + (1 - p) * site.untrap))
        full = scheme.blocked(scheme.follow([scheme.scheme(gating, glutamate, site)] * 3, durations, free_state(A)))
        reduced = scheme.reduced(np.full(3, p), durations, site)
        found = difference(full, reduced)
        assert found.min() > 0, "the reduced equation is never late"
        rows.append((glutamate, speed(site), found.max()))
    return np.array(rows).T


@pytest.mark.parametrize(
    ("weak", "slowest", "fastest", "least", "most"),
    [
        (False, 0, SLOW, 0.08, 0.10),
        (False, 0.5, 1, 0.20, 0.24),
        (False, 10, np.inf, 0.80, 0.83),
        (True, 0, SLOW_WEAK, 0.08, 0.10),
        (True, SLOW_WEAK, SLOW, 0.17, 0.205),
        (True, 10, np.inf, 0.93, 0.97),
    ],
)
def test_a_step_is_followed_the_better_the_slower_the_block(steps, weak, slowest, fastest, least, most):
    """The worst of all drugs, subunits, concentrations, voltages and magnesium at one speed of block."""
    glutamate, rate, found = steps
    chosen = found[((glutamate < AGONIST) == weak) & (rate >= slowest) & (rate < fastest)]
    assert chosen.size > 50
    assert least < chosen.max() < most


@pytest.mark.parametrize("drug", DRUGS)
@pytest.mark.parametrize("c", [1e-3, 1e-2, 1e-1])
def test_the_lead_in_time_is_bounded_whatever_the_speed(numbers, gating, drug, c):
    """Seconds by which the reduced equation reaches a share of the settled block too early, magnesium-free."""
    limits, time = {0.5: 0.45, 0.75: 0.9, 0.95: 2.1}, 0.005 * np.arange(1, 4001)
    for glutamate in (1e-3, 1e-2, 1.0):
        site = pore(numbers, drug, "GluN2A", c, -0.066, 0.0)
        A, p = scheme.scheme(gating, glutamate, site), activation(gating, glutamate)
        durations = [0.005] * time.size
        full = scheme.blocked(scheme.follow([A] * time.size, durations, free_state(scheme.gating(gating, glutamate))))
        reduced = scheme.reduced(np.full(time.size, p), durations, site)
        for share, limit in limits.items():
            level = share * scheme.blocked(scheme.settled(A))
            lead = np.interp(level, full, time) - np.interp(level, reduced, time)
            assert limit / 2 < lead < limit


def train(rate):
    """One period of pulses at `rate` (1/s): glutamate (mM) as a staircase, its means; how long each lasts (s)."""
    pulse = PEAK * DECAY * -np.diff(np.exp(-EDGES / DECAY)) / np.diff(EDGES)
    gap = np.geomspace(EDGES[-1], 1 / rate, 13)
    return np.concatenate([pulse, np.zeros(gap.size - 1)]), np.concatenate([np.diff(EDGES), np.diff(gap)])


def periods(rate, make, seconds=10):
    """The generators `make(glutamate)` and durations of `seconds` of pulses."""
    levels, durations = train(rate)
    made, count = {level: make(level) for level in levels}, round(rate * seconds)
    return [made[level] for level in levels] * count, list(durations) * count


def drug_free(gating, rate):
    """Open probability over its settled value in saturating agonist, mean of each stretch; above 1 at first."""
    generators, durations = periods(rate, lambda level: scheme.gating(gating, level))
    start = at_rest(scheme.NUM_GATING)
    return scheme.mean_open(generators, durations, start) / scheme.open_saturated(gating)


@pytest.mark.parametrize("rate", [1, 5, 20])
def test_pulses_of_glutamate_are_followed(numbers, gating, rate):
    """Drugs and subunits at 0.1 to 100 uM: within 10 % if slow; else up to 29 % after 1 s, 12 after 3, 4 after 10.

    From rest the activation starts above 3, for receptors are not yet desensitised. Where it is stopped at 1, as in the
    circuit, slow block is late instead, up to 28 % after 1 s, 19 after 3 and 15 after 10; fast block is not.
    """
    p, period = drug_free(gating, rate), len(train(rate)[0])
    ends = np.array([1, 3, 10]) * rate * period - 1
    slow, fast, stopped = [], [], []
    for drug, name, c, v, Mg in itertools.product(DRUGS, CLASSES, CONCENTRATIONS, (-0.08, -0.04), (0.0, 1.0)):
        site = pore(numbers, drug, name, c, v, Mg)
        generators, durations = periods(rate, lambda level, site=site: scheme.scheme(gating, level, site))
        full = scheme.blocked(scheme.follow(generators, durations, at_rest()))[ends]
        found = difference(full, scheme.reduced(p, durations, site)[ends])
        (slow if speed(site) < SLOW else fast).append(found)
        stopped.append(difference(full, scheme.reduced(np.minimum(p, 1), durations, site)[ends]))
    assert np.min([*slow, *fast]) > 0 and np.max(slow) < 0.1
    assert np.all(np.max(fast, axis=0) < [0.29, 0.12, 0.04])
    assert np.all(np.min(stopped, axis=0) > [-0.28, -0.19, -0.15])
    assert 3.2 < p.max() < 3.3
    if rate == 1:
        assert np.all(np.max(fast, axis=0) > [0.27, 0.11, 0.03])
        assert np.all(np.min(stopped, axis=0) < [-0.25, -0.17, -0.14])


def components(A, start):
    """Shares and time constants (s) of the exponentials by which the share of conducting channels settles; exact.

    Returns
    -------
    shares, times : ndarray
        Those of at least 1 % of the change.
    """
    rates, vectors = np.linalg.eig(A)
    sizes = (np.linalg.solve(vectors, start.astype(complex)) * vectors[scheme.OPEN]).real
    moving = np.abs(rates) > 1e-6
    shares, times = sizes[moving] / sizes[moving].sum(), -1 / rates[moving].real
    return shares[shares > 0.01], times[shares > 0.01]


def jump(numbers, gating, drug, what):
    """`components` of a jump in saturating glutamate: 10 uM of `drug` on, off (from settled), or the voltage up."""
    site, up = (pore(numbers, drug, "GluN2A", 1e-2, v, 0.0) for v in (-0.07, 0.05))
    after = {"on": site, "off": scheme.Pore(0.0, site.off, site.untrap, site.unblocked, site.v), "up": up}[what]
    free = free_state(scheme.gating(gating, 1.0))
    start = free if what == "on" else scheme.settled(scheme.scheme(gating, 1.0, site))
    return components(scheme.scheme(gating, 1.0, after), start)


def test_memantine_comes_and_goes_in_several_components(numbers, gating):
    """A3 (Gilling 2009, 10 uM, -70 mV): onset 69 % in 273 ms, the rest in 2756; offset 38 % in 415, the rest in 5107.

    The circuit's one exponential cannot. The scheme has fast components, through receptors that are not desensitised,
    and a slow one: 78 % of the onset within 50 ms and the rest in 0.83 s, 18 % of the offset within 120 ms and the rest
    in 3.2 s. So the kind of course is there, the numbers are not: faster than measured by three times and more at
    onset, and with less than half of the fast offset.
    """
    shares, times = jump(numbers, gating, "memantine", "on")
    assert shares[times < 0.05].sum() == pytest.approx(0.78, abs=0.01)
    assert times.max() == pytest.approx(0.83, abs=0.01)
    shares, times = jump(numbers, gating, "memantine", "off")
    assert shares[times < 0.12].sum() == pytest.approx(0.18, abs=0.01)
    assert times.max() == pytest.approx(3.2, abs=0.1)


def test_depolarisation_frees_memantine_faster_than_ketamine(numbers, gating):
    """A11 (Emnett 2013): on depolarisation 62 % of memantine, 48 % of ketamine re-equilibrate fast.

    The scheme (10 uM, -70 to +50 mV, agonist there) has the order, by 12 points for 14; its shares within 50 ms are
    higher, 97 and 85 %.
    """
    fast = {}
    for drug in ("memantine", "ketamine"):
        shares, times = jump(numbers, gating, drug, "up")
        fast[drug] = shares[times < 0.05].sum()
    assert fast["memantine"] == pytest.approx(0.97, abs=0.01)
    assert fast["ketamine"] == pytest.approx(0.85, abs=0.01)


def test_without_agonist_nothing_enters_and_a_trapped_drug_stays(numbers, gating):
    """Use dependence (A14: MacDonald 1987); ketamine is fully trapped, memantine is not (A2, A3: Gilling 2009)."""
    for drug, kept in (("ketamine", 1.0), ("memantine", 0.8)):
        site = pore(numbers, drug, "GluN2A", 1e-2, -0.07, 0.0)
        washed = scheme.Pore(0.0, site.off, site.untrap, site.unblocked, site.v)
        entered = scheme.follow([scheme.scheme(gating, 0.0, site)], [20.0], at_rest())
        assert scheme.blocked(entered[-1]) == 0
        full = np.roll(at_rest(), scheme.NUM_GATING)
        left = scheme.follow([scheme.scheme(gating, 0.0, washed)], [20.0], full)
        assert scheme.blocked(left[-1]) == pytest.approx(kept, rel=0.01)
