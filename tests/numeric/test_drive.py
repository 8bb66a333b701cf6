# SPDX-License-Identifier: GPL-3.0-or-later
"""Afferent drive: the Ornstein-Uhlenbeck noise by its moments, its clipping by closed forms, its NMDA part exactly.

The noise is drawn anew each time, with a seed that a failure prints. Every statistical bound is on a statistic of known
law under the null hypothesis (the update is right) and has the false-alarm probability `FALSE_ALARM`.
"""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from scipy import stats

from circuit.populations import POPULATIONS
from tests.numeric import rig

FALSE_ALARM = 1e-9
SIX_SIGMA = stats.norm.isf(FALSE_ALARM / 2)
COUNTS = dict.fromkeys(POPULATIONS, 5000)
#: Steps of the column clock between two looks.
LAG = 5


#: Without what the cells of a column share.
PRIVATE = [f"parameters.cells.{p}.{key}=0" for p in ("PYR", "PV") for key in ("shared_ext", "slow_ext", "slow_ext_d")]


@pytest.fixture(scope="module")
def exp():
    return rig.experiment(*PRIVATE)


@pytest.fixture(scope="module")
def cells(exp):
    """20,000 cells of which the drive alone is on; the noise of all compartments starts from nothing."""
    import brian2

    seed = secrets.randbits(32)
    print(f"seed of the noise: {seed}")
    made = rig.make(exp, COUNTS, watch=["g_ext", "g_NMDA_ext"], watch_step=exp.recording.lfp_step.si)
    made.only("drive").set(noise=0.0, noise_d=0.0)
    brian2.seed(seed)
    return made


@pytest.fixture(scope="module")
def course(exp, cells):
    """Noise of the soma after one step, settled (30 time constants), and `LAG` steps later; and the dendrite's."""
    step, tau = exp.recording.lfp_step.si, exp.numbers.drive.tau.si
    looks = {"first": cells.run(step).get("noise")}
    looks["settled"] = cells.run(round(30 * tau / step) * step).get("noise")
    looks["dendrite"] = cells.get("noise_d")
    return looks | {"later": cells.run(LAG * step).get("noise")}


def decay(exp):
    """Factor of the noise from one step of the column clock to the next, exp(-step/tau)."""
    return np.exp(-exp.recording.lfp_step.si / exp.numbers.drive.tau.si)


@pytest.mark.parametrize(("look", "settled"), [("first", 0), ("settled", 1), ("later", 1), ("dendrite", 1)])
def test_noise_has_mean_zero_and_the_variance_of_its_age(exp, course, look, settled):
    """N independent cells: the mean is N(0, sd^2/N), the sum of squares sd^2 chi-square with N degrees of freedom.

    Settled, the variance is 1; after one step from nothing it is 1 - exp(-2 step/tau).
    """
    noise, sd = course[look], np.sqrt(1 if settled else 1 - decay(exp) ** 2)
    low, high = stats.chi2(noise.size).ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    assert abs(noise.mean()) < SIX_SIGMA * sd / np.sqrt(noise.size)
    assert low < np.sum((noise / sd) ** 2) < high


def test_noise_is_gaussian(course):
    """Kolmogorov-Smirnov against N(0, 1)."""
    assert stats.kstest(course["settled"], "norm").pvalue > FALSE_ALARM


def test_noise_decorrelates_as_exp_minus_lag_over_tau(exp, course):
    """What is left after the decay is independent of where it started: N(0, 1 - decay^2) for each cell.

    The correlation itself by Fisher's z, which is N(atanh(rho), 1/(N - 3)).
    """
    rho = decay(exp) ** LAG
    before, after = course["settled"], course["later"]
    z = np.arctanh(np.corrcoef(before, after)[0, 1]) - np.arctanh(rho)
    assert abs(z) < SIX_SIGMA / np.sqrt(before.size - 3)
    residual = (after - rho * before) / np.sqrt(1 - rho**2)
    assert stats.kstest(residual, "norm").pvalue > FALSE_ALARM


def test_cells_and_compartments_have_noise_of_their_own(course):
    """Correlation of soma and dendrite, and of neighbouring cells: Fisher's z is N(0, 1/(N - 3)) of nothing."""
    soma, dendrite = course["settled"], course["dendrite"]
    for one, other in ((soma, dendrite), (soma[:-1:2], soma[1::2])):
        assert abs(np.arctanh(np.corrcoef(one, other)[0, 1])) < SIX_SIGMA / np.sqrt(one.size - 3)


def test_conductance_is_the_mean_times_the_clipped_noise(exp, cells, course):
    r"""Exactly; and in the mean over cells :math:`\Phi(1/\sigma) + \sigma \varphi(1/\sigma)`, by the central limit.

    With a relative SD of 1.5 this is 1.23: clipping at zero raises the mean conductance above `mean_ext`.
    """
    sd = exp.numbers.drive.sd.value
    for c in ("", "_d"):
        expected = cells.get(f"mean_ext{c}") * np.maximum(1 + sd * cells.get(f"noise{c}"), 0)
        np.testing.assert_allclose(cells.get(f"g_ext{c}"), expected, rtol=1e-12, atol=1e-24)
    relative = cells.get("g_ext") / cells.get("mean_ext")
    mean = stats.norm.cdf(1 / sd) + sd * stats.norm.pdf(1 / sd)
    second = (1 + sd**2) * stats.norm.cdf(1 / sd) + sd * stats.norm.pdf(1 / sd)
    assert abs(relative.mean() - mean) < SIX_SIGMA * np.sqrt((second - mean**2) / relative.size)


def test_the_nmda_part_of_the_drive_is_its_low_pass(exp, cells, course):
    """Step by step from the recorded AMPA part, with the decay of each population's NMDA conductance."""
    step = exp.recording.lfp_step.si
    g, filtered = cells.trace("g_ext"), cells.trace("g_NMDA_ext")
    for k, population in enumerate(POPULATIONS):
        cell = getattr(exp.numbers.cells, population)
        rows = slice(k * COUNTS[population], (k + 1) * COUNTS[population])
        kept = np.exp(-step / cell.tau_NMDA.si)
        expected = kept * filtered[rows, :-1] + (1 - kept) * cell.NMDA_ratio_ext.value * g[rows, 1:]
        np.testing.assert_allclose(filtered[rows, 1:], expected, rtol=1e-10)


@pytest.fixture(scope="module")
def common():
    """2,500 cells of each population with shared and slow input, after 3,000 steps of the column clock."""
    import brian2

    keys = {"cells.PYR.shared_ext": 0.2, "cells.PYR.slow_ext": 0.7, "cells.PYR.slow_ext_d": 0.4}
    keys |= {"cells.PV.shared_ext": 1, "cells.PV.slow_ext": 0, "cells.SST.shared_ext": 0, "cells.SST.slow_ext": 0}
    keys |= {"drive.tau_shared": "3 ms", "drive.tau_slow": "20 ms", "drive.slow_share_AMPA": 0.3}
    keys |= {"glutamate.mGluR_max_ext": 0}
    exp = rig.experiment(*(f"parameters.{key}={value}" for key, value in keys.items()))
    seed = secrets.randbits(32)
    print(f"seed of the noise: {seed}")
    names = ("shared_noise", "slow_noise")
    made = rig.make(exp, dict.fromkeys(POPULATIONS, 2500), watch_column=names).only("drive", "column_step")
    brian2.seed(seed)
    made.run(3000 * exp.recording.lfp_step.si)
    return exp, made, {name: made.column_trace(name) for name in names}


@pytest.mark.parametrize("name", ["shared", "slow"])
def test_common_noise_is_a_process_of_unit_variance_and_its_time_constant(common, name):
    """What is left of each step after the decay is white: N(0, 1 - decay^2), which is all there is to the process."""
    exp, _, series = common
    kept = np.exp(-exp.recording.lfp_step.si / getattr(exp.numbers.drive, f"tau_{name}").si)
    left = (series[f"{name}_noise"][1:] - kept * series[f"{name}_noise"][:-1]) / np.sqrt(1 - kept**2)
    assert stats.kstest(left, "norm").pvalue > FALSE_ALARM
    assert abs(np.arctanh(np.corrcoef(left[1:], left[:-1])[0, 1])) < SIX_SIGMA / np.sqrt(left.size - 4)


def test_common_input_reaches_each_cell_by_its_share(common):
    """Exactly, from the cell's own noise and the column's: AMPA sees a part of the slow input, and PV cells none."""
    exp, made, series = common
    sd, shared, slow = exp.numbers.drive.sd.value, series["shared_noise"][-1], series["slow_noise"][-1]
    sizes = {"PYR": (0.2, {"": 0.7, "_d": 0.4}), "PV": (1.0, {"": 0.0}), "SST": (0.0, {"": 0.0})}
    for population, (share, slow_ext) in sizes.items():
        first = rig.first(population, dict.fromkeys(POPULATIONS, 2500))
        rows = slice(first, first + 2500)
        for c, size in slow_ext.items():
            noise = np.sqrt(1 - share) * made.get(f"noise{c}")[rows] + np.sqrt(share) * shared
            expected = made.get(f"mean_ext{c}")[rows] * np.maximum(1 + sd * noise + 0.3 * size * slow, 0)
            np.testing.assert_allclose(made.get(f"g_ext{c}")[rows], expected, rtol=1e-9, atol=1e-24)


def test_receptors_for_nmda_see_all_of_the_slow_input(common):
    """One step on: the low-pass filter moves towards the afferents with the slow input at its full size."""
    exp, made, _ = common
    rows, cell = slice(0, 2500), exp.numbers.cells.PYR
    before = made.get("g_NMDA_ext")[rows]
    made.run(exp.recording.lfp_step.si)
    shared, slow = made.column("shared_noise"), made.column("slow_noise")
    noise = np.sqrt(0.8) * made.get("noise")[rows] + np.sqrt(0.2) * shared
    afferent = made.get("mean_ext")[rows] * np.maximum(1 + exp.numbers.drive.sd.value * noise + 0.7 * slow, 0)
    kept = np.exp(-exp.recording.lfp_step.si / cell.tau_NMDA.si)
    expected = kept * before + (1 - kept) * cell.NMDA_ratio_ext.value * afferent
    np.testing.assert_allclose(made.get("g_NMDA_ext")[rows], expected, rtol=1e-9)
