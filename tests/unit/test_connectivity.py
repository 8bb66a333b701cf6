# SPDX-License-Identifier: GPL-3.0-or-later
"""Edges from fixed in-degrees: exact counts always, and all choices equally likely.

The two branches of the drawing (redrawing repeats, and shuffling where most are taken) are told apart by the share of
the sources that a target takes, so every law is asked of both. Random tests draw a new seed each time and print it; the
null hypothesis is a uniform draw, and each fails by chance with probability `FALSE_ALARM`.
"""

from __future__ import annotations

import itertools
import secrets

import numpy as np
import pytest
from scipy import stats

from circuit.connectivity import fixed_in_degree

FALSE_ALARM = 1e-9
#: (sources, degree): few, many and all of the sources taken.
SHAPES = [(40, 3), (40, 19), (40, 20), (40, 21), (40, 39)]


@pytest.fixture
def rng():
    seed = secrets.randbits(64)
    print(f"seed: {seed}")
    return np.random.default_rng(seed)


def rows(sources, degree):
    """Sources of each target, one row a target."""
    return sources.reshape(-1, degree)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize(("num_sources", "degree"), [*SHAPES, (40, 0)])
def test_every_target_has_exactly_its_degree_of_distinct_sources(rng, num_sources, degree, recurrent):
    num_targets = num_sources if recurrent else 300
    i, j = fixed_in_degree(num_sources, num_targets, degree, recurrent, rng)
    assert (i.dtype, j.dtype) == (np.int32, np.int32)
    np.testing.assert_array_equal(j, np.repeat(np.arange(num_targets), degree))
    assert all(len(set(row)) == degree for row in i.reshape(num_targets, degree).tolist())
    assert not i.size or 0 <= i.min() <= i.max() < num_sources
    assert not (recurrent and np.any(i == j))


def test_all_sources_can_be_taken(rng):
    i, _ = fixed_in_degree(5, 7, 5, False, rng)
    np.testing.assert_array_equal(np.sort(rows(i, 5)), np.tile(np.arange(5), (7, 1)))
    i, j = fixed_in_degree(5, 5, 4, True, rng)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == {
        (a, b) for a, b in itertools.product(range(5), range(5)) if a != b
    }


@pytest.mark.parametrize(("num_sources", "degree"), [(7, 2), (6, 2), (6, 3), (5, 4), (5, 1)])
def test_all_subsets_of_sources_are_equally_likely(rng, num_sources, degree):
    """Pearson's chi-square over the subsets that 40,000 targets take; at least 1,900 expected in each."""
    i, _ = fixed_in_degree(num_sources, 40_000, degree, False, rng)
    subsets = {subset: n for n, subset in enumerate(itertools.combinations(range(num_sources), degree))}
    found = [subsets[tuple(row)] for row in np.sort(rows(i, degree)).tolist()]
    assert stats.chisquare(np.bincount(found, minlength=len(subsets))).pvalue > FALSE_ALARM


@pytest.mark.parametrize(("num_cells", "degree"), [(5, 2), (6, 2), (6, 4)])
def test_recurrent_sources_are_uniform_over_all_others(rng, num_cells, degree):
    """For the subsets of each target apart, over 4,000 networks; the false alarms of all targets add up to one."""
    subsets = list(itertools.combinations(range(num_cells), degree))
    counts = np.zeros((num_cells, len(subsets)))
    for _ in range(4000):
        i, _ = fixed_in_degree(num_cells, num_cells, degree, True, rng)
        for target, row in enumerate(np.sort(rows(i, degree)).tolist()):
            counts[target, subsets.index(tuple(row))] += 1
    for target in range(num_cells):
        possible = np.array([target not in subset for subset in subsets])
        assert not counts[target, ~possible].any()
        assert stats.chisquare(counts[target, possible]).pvalue > FALSE_ALARM / num_cells


@pytest.mark.parametrize(("num_sources", "degree"), SHAPES[:-1])
def test_out_degrees_are_those_of_independent_targets(rng, num_sources, degree):
    """Targets choose independently: the spread of out-degrees over sources is hypergeometric, scaled to chi-square.

    Counts of n sources over T draws of d without replacement have covariance T d (n-d)/(n (n-1)) (I - 1/n), so their
    squared deviations over that factor are chi-square with n - 1 degrees of freedom as T grows; T is 20,000.
    """
    num_targets = 20_000
    i, _ = fixed_in_degree(num_sources, num_targets, degree, False, rng)
    counts = np.bincount(i, minlength=num_sources)
    scale = num_targets * degree * (num_sources - degree) / (num_sources * (num_sources - 1))
    statistic = np.sum((counts - counts.mean()) ** 2) / scale
    low, high = stats.chi2(num_sources - 1).ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    assert low < statistic < high


def test_the_same_stream_gives_the_same_edges_and_another_others():
    one, same, other = (fixed_in_degree(50, 50, 10, True, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one[0] != other[0])
