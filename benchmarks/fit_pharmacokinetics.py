# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit what no source gives of racemic ketamine in people: the shares of its volume, and how fast it is absorbed.

    python benchmarks/fit_pharmacokinetics.py

Clearance and volume at steady state are those of Kamp 2020 (finding P4), bioavailabilities those of each route's
source. The rest is fitted to published peaks and their times (P1, P9 to P11). The numbers, rounded, stand in
configs/pharmacokinetics.yaml; tests/numeric/test_pharmacokinetics.py holds them to the same data.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm
from scipy.optimize import least_squares

MASS, CL, VSS = 70.0, 79 / 70, 252 / 70
#: Route, dose (mg), F, Cmax (ng/ml), tmax (h). The infusion's peak is at its end, of 40 min.
TARGETS = (
    ("infusion", 35.0, 1.0, 185.0, None),
    ("intranasal", 10.0, 0.17, 22.9, 23 / 60),
    ("intranasal", 30.0, 0.13, 60.8, 14 / 60),
    ("intranasal", 50.0, 0.11, 77.6, 16 / 60),
    ("oral", 25.0, 0.23, 22.8, None),
    ("sublingual", 25.0, 0.30, 28.6, 0.75),
)
#: The infusion is what most trials give; nasal peaks have a geometric standard deviation of 2, their times none.
WEIGHTS = {"infusion": 3.0}
TIME_WEIGHT = 0.5
#: 1/h. First-order absorption from a small plasma volume peaks too early; this bound keeps nasal peaks near 10 min.
FASTEST = 8.0
ROUTES = ("intranasal", "oral", "sublingual")
TIMES = np.linspace(0.0, 3.0, 361)


def plasma(x: np.ndarray, route: str, dose: float, F: float) -> np.ndarray:
    """Plasma level, ng/ml, at `TIMES`; `x` holds logarithms of V, Q1 and the absorption rates of `ROUTES`."""
    V, Q1 = np.exp(x[:2])
    V1 = VSS - V
    A = np.zeros((4, 4))  # depot, plasma, peripheral compartment, source
    A[1, 1], A[2, 1] = -(CL + Q1) / V, Q1 / V
    A[1, 2], A[2, 2] = Q1 / V1, -Q1 / V1
    if route == "infusion":
        A[1, 3] = dose / MASS / (40 / 60)
        start = np.array([0, 0, 0, 1.0])
        end = expm(A * 40 / 60) @ start
        return np.array([end[1] / V * 1e3])
    ka = np.exp(x[2 + ROUTES.index(route)])
    A[0, 0], A[1, 0] = -ka, ka * F
    return expm(A * TIMES[:, None, None])[:, 1, 0] * dose / MASS / V * 1e3


def residuals(x: np.ndarray) -> np.ndarray:
    """Weighted logarithms of fitted over published peaks and of their times."""
    found = []
    for route, dose, F, Cmax, tmax in TARGETS:
        level = plasma(x, route, dose, F)
        found.append(WEIGHTS.get(route, 1.0) * np.log(level.max() / Cmax))
        if tmax is not None:
            found.append(TIME_WEIGHT * np.log(max(TIMES[level.argmax()], 0.01) / tmax))
    return np.array(found)


def main() -> None:
    """Print the fit."""
    start = np.log([0.6, 3.0, 3.0, 2.0, 2.0])
    highest = np.array([np.log(VSS / 2), *np.full(start.size - 1, np.inf)])
    highest[2:] = np.log(FASTEST)
    x = least_squares(residuals, start, bounds=(-np.inf, highest), diff_step=0.02).x
    V, Q1 = np.exp(x[:2])
    print(f"V {V:.3g}, V1 {VSS - V:.3g} L/kg; Q1 {Q1:.3g} L/h/kg")
    print("ka (/h):", ", ".join(f"{route} {k:.3g}" for route, k in zip(ROUTES, np.exp(x[2:]), strict=True)))
    for route, dose, F, Cmax, tmax in TARGETS:
        level = plasma(x, route, dose, F)
        at = "" if tmax is None else f", at {60 * TIMES[level.argmax()]:.0f} min against {60 * tmax:.0f}"
        print(f"{route} {dose:g} mg: peak {level.max():.1f} ng/ml against {Cmax:g}{at}")


if __name__ == "__main__":
    main()
