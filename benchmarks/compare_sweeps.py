# SPDX-License-Identifier: GPL-3.0-or-later
"""Do two sweeps of the same points agree, say one from a GPU and one from a CPU? Read-out by read-out, as a table.

    python benchmarks/compare_sweeps.py results/on_gpu results/on_cpu

Both have the same networks and differ in their noise, so points are compared in pairs: the mean difference over its
standard error is as large as 3 in one of some 300 read-outs (t distribution, 35 degrees of freedom) if nothing but
noise differs. Status 1 if it is larger than 4 in any, or if a point is missing.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

READ_OUTS = (
    *(f"rate_{name}_{window}_hz" for name in ("PYR", "PV", "SST", "VIP") for window in ("baseline", "drug")),
    *(f"glutamate_{window}_uM" for window in ("baseline", "drug")),
    *(f"ampa_throughput_{window}_pC_per_s" for window in ("baseline", "drug")),
    *(f"block_{name}_mean" for name in ("PYR", "PV", "SST", "VIP")),
    *(f"cv_isi_{name}" for name in ("PYR", "PV", "SST", "VIP")),
)
LARGEST = 4.0


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    asked = parser.parse_args()
    first, second = (rows(folder / "sweep.csv") for folder in (asked.first, asked.second))
    if first.keys() != second.keys() or not first:
        print(f"not the same points are done: {len(first)} and {len(second)}")
        return 1
    print(f"{len(first)} points\n\n| read-out | first | second | difference | standard error | ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    worst = 0.0
    for key in READ_OUTS:
        pairs = np.array([[values(one[point], key) for one in (first, second)] for point in first])
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs) < 2:
            continue
        differences = pairs[:, 0] - pairs[:, 1]
        error = differences.std(ddof=1) / np.sqrt(len(pairs))
        ratio = differences.mean() / error if error else 0.0
        worst = max(worst, abs(ratio))
        means = pairs.mean(axis=0)
        print(f"| {key} | {means[0]:.4g} | {means[1]:.4g} | {differences.mean():.2g} | {error:.2g} | {ratio:.1f} |")
    print(f"\nlargest ratio {worst:.1f}")
    return int(worst > LARGEST)


def rows(file: Path) -> dict[str, dict[str, str]]:
    """Return the points that are done, by name."""
    with file.open(newline="") as text:
        return {row["point"]: row for row in csv.DictReader(text) if row["status"] == "done"}


def values(row: dict[str, str], key: str) -> float:
    """Return a read-out, NaN where there is none."""
    return float(row.get(key) or "nan")


if __name__ == "__main__":
    sys.exit(main())
