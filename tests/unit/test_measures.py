# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures against signals and spike trains whose answer is known.

Random tests name the standard error of what they compare; their bounds are at least six of it, so each fails by chance
less than once in 10^8 runs, with any seed. They draw a new seed each time.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from circuit import measures


@pytest.fixture
def random():
    return np.random.default_rng()


def trains(intervals):
    """Times and cells of spike trains from intervals, shape (cells, intervals)."""
    times = np.cumsum(np.hstack([np.zeros((len(intervals), 1)), intervals]), axis=1)
    return times.ravel(), np.repeat(np.arange(len(times)), times.shape[1])


def test_rates_are_counts_over_time():
    cell = np.array([0, 2, 2, 2])
    assert measures.mean_rate(len(cell), 4, 2.0) == 0.5
    assert measures.cell_rates(cell, 4, 2.0).tolist() == [0.5, 0, 1.5, 0]


def test_silence_has_a_rate_of_zero_and_nothing_else():
    none, counts = np.empty(0), np.zeros((3, 10), int)
    assert measures.mean_rate(0, 3, 1.0) == 0
    assert measures.cell_rates(none.astype(int), 3, 1.0).tolist() == [0, 0, 0]
    assert measures.cv_isi(none, none.astype(int)).size == 0
    missing = (measures.mean_or_nan(none), measures.rate_skewness(np.zeros(3)), measures.log_rate_sd(np.zeros(3)),
               measures.fano_factor(counts), measures.pairwise_correlation(counts))  # fmt: skip
    assert np.isnan(missing).all()
    assert np.isnan(measures.mean_rate(0, 0, 1.0))


def test_bins_are_half_open_and_whole():
    # 0.3 / 0.1 and 3 * 0.1 both round; the third bin is there, and a spike on an edge falls to its right.
    times = np.array([0.0, 0.1, 3 * 0.1, 0.25, 0.35])
    counts = measures.spike_counts(times, np.zeros(5, int), 1, 0.0, 0.3, 0.1)
    assert counts.tolist() == [[1, 1, 1]]
    centres, rate = measures.binned_rate(times, 2, 0.0, 0.3, 0.1)
    assert centres == pytest.approx([0.05, 0.15, 0.25])
    assert rate == pytest.approx([5, 5, 5])


@given(st.lists(st.integers(0, 999), max_size=60), st.sampled_from([1, 2, 5, 10]), st.integers(0, 500))
def test_every_spike_inside_falls_into_its_bin(steps, bin_steps, first):
    dt, num_bins = 1e-4, 20
    start, stop = first * dt, (first + num_bins * bin_steps) * dt
    counts = measures.spike_counts(np.array(steps) * dt, np.zeros(len(steps), int), 1, start, stop, bin_steps * dt)
    expected = np.zeros(num_bins, int)
    for step in steps:
        if first <= step < first + num_bins * bin_steps:
            expected[(step - first) // bin_steps] += 1
    assert counts[0].tolist() == expected.tolist()


def test_a_clock_has_no_variability():
    times, cell = trains(np.full((3, 50), 0.02))
    assert measures.cv_isi(times, cell) == pytest.approx([0, 0, 0], abs=1e-9)
    counts = measures.spike_counts(times + 0.001, cell, 3, 0.0, 1.0, 0.1)
    assert measures.fano_factor(counts) == 0


def test_cv_of_known_intervals():
    # Intervals 1, 3: mean 2, sample SD sqrt(2). Order of the spikes and of the cells does not matter.
    times, cell = np.array([4.0, 0.0, 1.0, 7.0]), np.array([5, 5, 5, 2])
    assert measures.cv_isi(times, cell, min_spikes=3) == pytest.approx([np.sqrt(2) / 2])
    with pytest.raises(ValueError, match="at least 3"):
        measures.cv_isi(times, cell, min_spikes=2)


@pytest.mark.parametrize("shape", [1, 4], ids=["Poisson", "gamma"])
def test_cv_of_renewal_processes(random, shape):
    # Gamma intervals of shape k have CV 1/sqrt(k), Poisson is k = 1. The sample CV of n = 400 Poisson intervals has an
    # SD of 1/sqrt(n) = 0.05, smaller for k = 4; the mean of 50 cells 0.0071, with a bias of -1/n. Bound: 0.05, 6.7 SE.
    times, cell = trains(random.gamma(shape, size=(50, 400)))
    assert np.mean(measures.cv_isi(times, cell)) == pytest.approx(1 / np.sqrt(shape), abs=0.05)


def test_cv_of_few_intervals_is_biased_as_documented(random):
    # Standard error 0.002 with 40,000 cells; the formula itself is 0.007 off at n = 4. Bound: 6 SE beyond that.
    times, cell = trains(random.exponential(size=(40_000, 4)))
    assert np.mean(measures.cv_isi(times, cell)) == pytest.approx(1 - 1 / (4 + 2), abs=0.02)


def test_fano_factor_of_poisson_counts(random):
    # The Fano factor of n = 1000 Poisson counts has an SD of sqrt(2 / n) = 0.045, the mean of 100 cells 0.0045.
    counts = random.poisson(5.0, size=(100, 1000))
    assert measures.fano_factor(counts) == pytest.approx(1, abs=0.03)


def test_correlation_is_the_mean_over_all_pairs(random):
    counts = random.poisson(3.0, size=(12, 40)) + random.poisson(2.0, size=40)
    counts[4] = 7  # never changes: no correlation with anybody
    pairs = np.corrcoef(np.delete(counts, 4, axis=0))[np.triu_indices(11, 1)]
    assert measures.pairwise_correlation(counts) == pytest.approx(np.mean(pairs))


def test_correlation_of_a_shared_input(random):
    # Private variance 3, shared 1: correlation 1/4. One pair of n = 20,000 has SE (1 - r^2)/sqrt(n) = 0.0066, and the
    # mean over pairs no more. Bound: 6 SE.
    counts = random.poisson(3.0, size=(20, 20_000)) + random.poisson(1.0, size=20_000)
    assert measures.pairwise_correlation(counts) == pytest.approx(0.25, abs=0.04)


def test_log_normal_rates_have_their_sigma_and_lean_right():
    sigma, quantiles = 0.9, (np.arange(20_000) + 0.5) / 20_000
    rates = np.exp(sigma * stats.norm.ppf(quantiles))
    assert measures.log_rate_sd(np.append(rates, 0)) == pytest.approx(sigma, rel=1e-3)
    assert measures.rate_skewness(rates) > 2
    assert measures.rate_skewness(-rates) < -2
    assert measures.rate_skewness(np.arange(101.0)) == pytest.approx(0, abs=1e-12)


def test_a_sine_holds_its_power():
    step, amplitude = 1e-3, 3.0
    t = np.arange(5000) * step
    frequency, power = measures.spectrum(100 + amplitude * np.sin(2 * np.pi * 40 * t), step)
    # A sine of amplitude A has the power A^2/2, all of it in the band; the constant is taken off.
    assert measures.band_power(frequency, power, 30, 80) == pytest.approx(amplitude**2 / 2, rel=1e-3)
    assert measures.band_power(frequency, power, 100, 170) == pytest.approx(0, abs=1e-3)


def test_bands_that_share_an_end_share_no_power(random):
    frequency, power = measures.spectrum(random.normal(size=5000), 1e-3)
    both = measures.band_power(frequency, power, 4, 8) + measures.band_power(frequency, power, 8, 30)
    assert both == pytest.approx(measures.band_power(frequency, power, 4, 30), rel=1e-12)
    # An even spectrum has in a band its width's share of the whole, whatever the resolution.
    assert measures.band_power(frequency, np.ones_like(power), 30, 80) == pytest.approx(50, rel=1e-12)


def test_white_noise_spreads_its_variance_evenly(random):
    # 399 half-overlapping windows give each frequency a relative SD of about sqrt(1.06 / 200) = 0.073; neighbours are
    # correlated through the Hann window, so the mean over 26 has at most 0.073 * sqrt(2 / 26) = 0.02. Bound: 6 SE.
    frequency, power = measures.spectrum(random.normal(size=100_000), 1e-3)
    assert measures.band_power(frequency, power, 30, 80) == pytest.approx(50 / 500, rel=0.12)
    assert measures.band_power(frequency, power, 0, 500) == pytest.approx(1, abs=0.05)


def test_a_signal_without_samples_has_no_spectrum():
    frequency, power = measures.spectrum(np.empty(0), 1e-3)
    assert np.isnan(measures.band_power(frequency, power, 30, 80))


def test_spikes_close_to_another_of_their_cell_are_in_a_burst():
    # Cell 0: a triplet, one alone; cell 1: one alone, 1 ms after a spike of cell 0.
    times, cell = np.array([0.105, 0.100, 0.112, 0.5, 0.101]), np.array([0, 0, 0, 0, 1])
    assert measures.burst_fraction(times, cell) == pytest.approx(3 / 5)
    assert measures.burst_fraction(times, cell, 0.006) == pytest.approx(2 / 5)
    assert np.isnan(measures.burst_fraction(np.empty(0), np.empty(0, int)))


def test_bursts_of_a_poisson_process_are_as_documented(random):
    # 1 - exp(-2 r interval). 40,000 spikes; the indicator of neighbours is correlated, so its SE is at most
    # sqrt(3 * 0.25 / 40,000) = 0.0043. Bound: 6 SE.
    times, cell = trains(random.exponential(1 / 10, size=(40, 1000)))
    assert measures.burst_fraction(times, cell) == pytest.approx(1 - np.exp(-2 * 10 * 0.01), abs=0.026)


def test_changed_cells_are_those_of_the_exact_binomial_test(random):
    before, after = random.poisson(6, size=(2, 400))
    after[:50] += 12
    before[50:80] += 30
    before[80:90] = after[80:90] = 0
    chance = 3.0 / (5.0 + 3.0)
    total = before + after
    expected = [np.mean(stats.binom.sf(after - 1, total, chance) <= 0.025),
                np.mean(stats.binom.cdf(after, total, chance) <= 0.025)]  # fmt: skip
    assert measures.changed_cells(before, after, 5.0, 3.0) == pytest.approx(expected, abs=1e-12)
    assert min(expected) > 0.04


def test_cells_that_do_not_change_seldom_seem_to(random):
    # Each share is at most 2.5 %; 20,000 cells have an SE of 0.0011. Bound: 6 SE.
    shares = measures.changed_cells(*random.poisson(20, size=(2, 20_000)), 5.0, 5.0)
    assert 0.005 < min(shares) <= max(shares) < 0.025 + 0.0066
    assert measures.changed_cells(np.zeros(9, int), np.full(9, 5), 1.0, 1.0) == (0, 0)  # 2^-5 is more than 2.5 %
    assert measures.changed_cells(np.zeros(9, int), np.full(9, 6), 1.0, 1.0) == (1, 0)
    assert np.isnan(measures.changed_cells(np.empty(0, int), np.empty(0, int), 1.0, 1.0)).all()


def test_release_is_what_the_balance_of_glutamate_lacks(random):
    # The steps of the program, with a known release in each.
    step, leak, uptake_max, uptake_K = 1e-3, 10.0, 800.0, 20.0
    released, course = random.gamma(2.0, 0.02, size=3000), [1.0]
    for amount in released:
        course.append(course[-1] + amount + step * (leak - uptake_max * course[-1] / (uptake_K + course[-1])))
    found = measures.vesicular_release(np.array(course), step, leak, uptake_max, uptake_K)
    assert found == pytest.approx(released.sum() / (3000 * step), rel=1e-9)
    assert np.isnan(measures.vesicular_release(np.ones(1), step, leak, uptake_max, uptake_K))


@pytest.mark.parametrize("size", [2, 5, 300, 777, 20_000])
def test_spectrum_and_skewness_are_those_of_scipy(size):
    values = np.random.default_rng(size).lognormal(size=size)
    frequency, power = signal.welch(values, fs=1000, nperseg=min(size, 500))
    found = measures.spectrum(values, 1e-3)
    np.testing.assert_allclose(found[0], frequency, rtol=1e-12)
    np.testing.assert_allclose(found[1], power, rtol=1e-9, atol=1e-12 * power.max())
    if size > 2:
        assert measures.rate_skewness(values) == pytest.approx(stats.skew(values, bias=False), rel=1e-10)
