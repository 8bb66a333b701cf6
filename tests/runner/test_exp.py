# SPDX-License-Identifier: GPL-3.0-or-later
"""The exponential of the compiled loops (gpu/cpp_exp.h) against that of NumPy, in extended precision."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from gpu import cpp_code, devices

pytestmark = pytest.mark.gcc

COUNT = 1_000_000
PROGRAM = f"""
#include <cstdio>
#include <vector>
#include "cpp_exp.h"
int main() {{
    std::vector<REAL> values({COUNT});
    if (std::fread(values.data(), sizeof(REAL), {COUNT}, stdin) != {COUNT}) return 1;
    REAL* const __restrict value = values.data();
    for (int i = 0; i < {COUNT}; i++) value[i] = pfc::exp(value[i]);
    std::fwrite(values.data(), sizeof(REAL), {COUNT}, stdout);
}}
"""


@pytest.fixture(scope="module", params=["double", "float"])
def kind(request):
    """The type in C++ and in NumPy."""
    return request.param, np.dtype({"double": "f8", "float": "f4"}[request.param])


@pytest.fixture(scope="module")
def exp(kind, cpp: devices.Device, tmp_path_factory: pytest.TempPathFactory):
    """What the compiled loop makes of `COUNT` numbers."""
    folder = tmp_path_factory.mktemp("exp")
    (folder / "main.cpp").write_text(PROGRAM)
    words = [cpp.toolchain.compiler, *cpp.toolchain.flags, f"-DREAL={kind[0]}", f"-I{cpp_code.EXP.parent}", "main.cpp"]
    subprocess.run([*words, "-o", "main", *cpp.toolchain.link_flags], cwd=folder, check=True)

    def exp(x: np.ndarray) -> np.ndarray:
        answer = subprocess.run([folder / "main"], input=x.tobytes(), stdout=subprocess.PIPE, check=True)
        return np.frombuffer(answer.stdout, kind[1])

    return exp


@pytest.mark.parametrize("reach", [1, 10, 85])
def test_it_is_right_to_the_last_digits(exp, kind, reach):
    """Rounding of the sum, and of n ln 2, which is as large as x, where multiplication and addition are not one."""
    x = np.linspace(-reach, reach, COUNT).astype(kind[1])
    wanted = np.exp(x.astype(np.longdouble))
    assert (np.abs(exp(x) / wanted - 1) < (1.5 + np.abs(x) / 2) * np.finfo(kind[1]).eps).all()


def test_it_never_leaves_the_normal_numbers(exp, kind):
    x = np.linspace(-1e5, 1e5, COUNT).astype(kind[1])
    found = exp(x)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert 0 < found[0] < 1e-37 and found[-1] > 1e37


def test_zero_gives_one(exp, kind):
    assert (exp(np.zeros(COUNT, kind[1])) == 1).all()
