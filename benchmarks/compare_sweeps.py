# SPDX-License-Identifier: GPL-3.0-or-later
"""Do two sweeps of the same points agree, say one from a GPU and one from a CPU? Read-out by read-out, as a table.

    python benchmarks/compare_sweeps.py results/on_gpu results/on_cpu

Both have the same networks and differ in their noise, so points are compared in pairs. Where a program has one column,
points of the same seed have the same noise too: what is independent are the seeds, so the differences are averaged over
the points of each seed first, and the ratio of their mean and its standard error has as many degrees of freedom as
there are seeds, less one. Status 1 if a probability is below 0.001 (one of twenty read-outs is in 2 % of all
comparisons), if points are missing, or if there are fewer than two seeds.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from scipy import stats

Rows = dict[str, dict[str, str]]

READ_OUTS = (
    *(f"rate_{name}_{window}_hz" for name in ("PYR", "PV", "SST", "VIP") for window in ("baseline", "drug")),
    *(f"glutamate_{window}_uM" for window in ("baseline", "drug")),
    *(f"ampa_throughput_{window}_pC_per_s" for window in ("baseline", "drug")),
    *(f"block_{name}_mean" for name in ("PYR", "PV", "SST", "VIP")),
    *(f"cv_isi_{name}" for name in ("PYR", "PV", "SST", "VIP")),
)
LEAST = 1e-3


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
    seeds = [row.get("seed", "") for row in first.values()]
    if len(set(seeds)) < 2:
        print("one seed says nothing of the spread: give both sweeps more, such as --vary seed=1..8")
        return 1
    print(f"{len(first)} points, {len(set(seeds))} seeds\n")
    print("| read-out | first | second | difference | standard error | ratio | p |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    found = [compared(key, first, second, seeds) for key in READ_OUTS]
    return int(min(found) < LEAST)


def compared(key: str, first: Rows, second: Rows, seeds: list[str]) -> float:
    """Print the line of a read-out; return its probability, 1 if it is missing in a seed or the same in all."""
    pairs = np.array([[value(one[point], key) for one in (first, second)] for point in first])
    by_seed = [pairs[[other == seed for other in seeds]].mean(axis=0) for seed in sorted(set(seeds))]
    differences = -np.diff(by_seed)[:, 0]
    if not np.isfinite(differences).all() or not differences.any():
        print(f"| {key} | {'the same' if np.isfinite(differences).all() else 'missing in a seed'} | | | | | |")
        return 1.0
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    ratio = differences.mean() / error if error else np.inf  # all seeds differ by the same
    probability = float(2 * stats.t.sf(abs(ratio), len(differences) - 1))
    means = pairs.mean(axis=0)
    print(f"| {key} | {means[0]:.4g} | {means[1]:.4g} | {differences.mean():.2g} | {error:.2g} | {ratio:.1f} "
          f"| {probability:.2g} |")  # fmt: skip
    return probability


def rows(file: Path) -> Rows:
    """Return the points that are done, by name."""
    with file.open(newline="") as text:
        return {row["point"]: row for row in csv.DictReader(text) if row["status"] == "done"}


def value(row: dict[str, str], key: str) -> float:
    """Return a read-out, NaN where there is none."""
    return float(row.get(key) or "nan")


if __name__ == "__main__":
    sys.exit(main())
