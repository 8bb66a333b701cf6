# SPDX-License-Identifier: GPL-3.0-or-later
"""How many threads linear algebra takes in each of our processes: one, unless the user says otherwise.

We multiply small matrices, in as many processes as there are cores; libraries that by themselves take a thread for
every core then wait for each other most of the time. On 16 cores a sweep that followed a dose did not get to its first
point in three minutes.
"""

from __future__ import annotations

import os

#: Variables of the environment that OpenBLAS, OpenMP and MKL read once, when NumPy is imported.
ONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def take_one() -> None:
    """Have this process and those it starts take one; to be called before NumPy is imported."""
    for name, number in ONE.items():
        os.environ.setdefault(name, number)
