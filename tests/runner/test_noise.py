# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled program's noise (gpu/cpp_noise.h) against the laws it has to follow.

Each comparison fails by chance once in a million seeds or less often; the seeds are fixed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gpu import cpp_code, devices

pytestmark = pytest.mark.gcc

STEPS, CELLS = 1000, 2000
FALSE_ALARM = 1e-6
#: Of a sum of independent terms in standard errors.
BOUND = stats.norm.isf(FALSE_ALARM / 2)
PROGRAM = f"""
#include <cstdio>
#include <cstdlib>
#include "cpp_noise.h"
int main(int, char** arguments) {{
    pfc::noise.seed(std::strtoul(arguments[2], nullptr, 10));
    for (int step = 0; step < {STEPS}; step++) {{
        const float* values = arguments[1][0] == 'n' ? pfc::noise.normal({CELLS}) : pfc::noise.uniform({CELLS});
        std::fwrite(values, sizeof(float), {CELLS}, stdout);
    }}
}}
"""


@pytest.fixture(scope="module")
def draw(cpp: devices.Device, tmp_path_factory: pytest.TempPathFactory):
    """Draw `kind` with a seed, as many times as there are steps; shape (STEPS, CELLS)."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "main.cpp").write_text(PROGRAM)
    command = [cpp.toolchain.compiler, *cpp.toolchain.flags, f"-I{cpp_code.NOISE.parent}", "main.cpp", "-o", "main"]
    subprocess.run([*command, *cpp.toolchain.link_flags], cwd=folder, check=True)

    def draw(kind: str, seed: int) -> np.ndarray:
        answer = subprocess.run([Path(folder, "main"), kind, str(seed)], check=True, capture_output=True)
        return np.frombuffer(answer.stdout, np.float32).reshape(STEPS, CELLS).astype(float)

    return draw


@pytest.fixture(scope="module")
def normal(draw):
    return draw("normal", 1)


def test_moments_are_those_of_the_normal_law(normal):
    """Standard errors of the first four moments of n normal numbers: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n."""
    n = normal.size
    for power, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((normal**power).mean() - expected) < BOUND * np.sqrt(spread / n), power


def test_every_part_of_the_law_is_met(normal):
    """Counts in a thousand bins of equal probability, and the tails beyond 4, which a short generator lacks."""
    counts = np.histogram(stats.norm.cdf(normal), 1000, (0, 1))[0]
    assert stats.chisquare(counts).pvalue > FALSE_ALARM
    low, high = stats.binom(normal.size, 2 * stats.norm.sf(4)).ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    assert low <= np.count_nonzero(np.abs(normal) > 4) <= high


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 16, 100])
def test_a_cell_forgets(normal, lag):
    """Autocorrelation of each cell's noise, and its mean over the cells."""
    found = (normal[lag:] * normal[:-lag]).mean(axis=0)
    error = 1 / np.sqrt(STEPS - lag)
    assert abs(found.mean()) < BOUND * error / np.sqrt(CELLS)
    assert (
        np.abs(found).max() < stats.norm.isf(FALSE_ALARM / 2 / CELLS) * error * 1.1
    )  # 1.1: tails of a mean of products


def test_cells_are_independent(normal):
    """Correlation of all pairs, of squares too, and by distance: cells 16 and 32 apart share a generator."""
    for values in (normal, (normal**2 - 1) / np.sqrt(2)):
        pairs = values.T @ values / STEPS
        above = pairs[np.triu_indices(CELLS, 1)]
        assert abs(above.mean()) < BOUND / np.sqrt(STEPS * above.size)
        assert abs(above.var() * STEPS - 1) < 0.02
        for distance in (1, 2, 15, 16, 17, 32, 64):
            together = np.diagonal(pairs, distance)
            assert abs(together.mean()) < BOUND / np.sqrt(STEPS * together.size), distance


def test_seeds_give_their_own_noise(draw, normal):
    np.testing.assert_array_equal(draw("normal", 1), normal)
    for seed in (0, 2, 2**32 - 1):
        other = draw("normal", seed)
        assert abs((other * normal).mean()) < BOUND / np.sqrt(normal.size), seed


def test_uniform_numbers_fill_the_interval(draw):
    """Small ones too, as probabilities of rare events need: below 1e-5 as many as there should be."""
    values = draw("uniform", 1)
    assert 0 < values.min() < values.max() < 1
    assert stats.chisquare(np.histogram(values, 1000, (0, 1))[0]).pvalue > FALSE_ALARM
    low, high = stats.binom(values.size, 1e-5).ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    assert low <= np.count_nonzero(values < 1e-5) <= high
