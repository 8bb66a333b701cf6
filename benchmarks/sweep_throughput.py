# SPDX-License-Identifier: GPL-3.0-or-later
"""What does a sweep cost over its bare simulations? 256 points of a 500-cell column on all cores, 20 s simulated each.

    python benchmarks/sweep_throughput.py [--points 256] [--repeats 1] [--side-by-side]

Bare: the compiled program alone, back to back, one a core, its values laid out before the clock runs. As a sweep:
`pfc sweep` from start to end, with the plan, workers, checks, labelled results, dataset, figures and report. Half of
the bare ones run before it and half after, so that a machine that gets faster or slower meets both; prints the ratio
of the throughputs.

Side by side: where the machine changes its speed within minutes, the sweep has one of two cores and the bare programs
the other at the same time, and then the other way round. It then has one worker and no second process for figures, so
what it does once weighs more, and what two workers do to each other is not in it: no substitute for the other measure.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from circuit import draw, network  # noqa: E402
from circuit.sweep import expand  # noqa: E402
from gpu import devices, job, progress, run, toolchain  # noqa: E402
from gpu.build import environment  # noqa: E402

CONFIG = ROOT / "configs" / "ketamine.yaml"
SETTINGS = {
    "network.num_neurons": "500",
    "parameters.synapses.num_neurons_ref": "500",  # in-degrees of a column this small
    "recording.num_traced": "2",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=1, help="pairs of measurements")
    parser.add_argument("--side-by-side", action="store_true", help="at the same time, each on one core")
    asked = parser.parse_args()
    overrides = [f"{key}={value}" for key, value in SETTINGS.items()]
    vary = ["drug.concentration=0 uM,0.3 uM,1 uM,3 uM", f"seed=1..{asked.points // 4}"]
    exps = [point.exp for point in expand(CONFIG, overrides, vary).points]
    device = devices.choose("cpp")
    program = job.find(network.structure(exps[0]), device, print, lambda label: progress.Silent())
    print(f"{len(exps)} points of {exps[0].network.num_neurons} cells, {exps[0].duration} each, "
          f"{toolchain.cores()} cores")  # fmt: skip
    ratios = []
    for _ in range(asked.repeats):
        if asked.side_by_side:
            ratios += [beside(exps, program, overrides, vary, *cores) for cores in ((0, 1), (1, 0))]
        else:
            ratios.append(in_turn(exps, program, overrides, vary))
    print(f"median {100 * statistics.median(ratios):.1f} %")


def in_turn(exps, program, overrides, vary) -> float:
    """Throughput of a sweep on all cores over that of bare programs before and after it."""
    bare = bare_seconds(exps[::2], program)
    swept = swept_seconds(overrides, vary)
    bare += bare_seconds(exps[1::2], program)
    print(f"bare {bare:.1f} s, as a sweep {swept:.1f} s: {100 * bare / swept:.1f} % of the bare throughput", flush=True)
    return bare / swept


def bare_seconds(exps, program) -> float:
    """Seconds that the programs of all points take, one after the other on each core."""

    with ThreadPoolExecutor(toolchain.cores()) as pool:
        return sum(pool.map(partial(bare_point, program), exps)) / toolchain.cores()


def bare_point(program, exp, prefix=()) -> float:
    """Seconds that the program of one point takes."""
    with run.scratch() as workdir:
        settings = run.lay_out(program, draw.arrays(exp), workdir)
        words = [*prefix, *program.command, "--results_dir", "results/", *settings]
        variables = environment() | {"PFC_DURATION": repr(exp.duration.si), "PFC_SEED": str(exp.seed)}
        begun = time.monotonic()
        subprocess.run(words, cwd=workdir, env=variables, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - begun


def beside(exps, program, overrides, vary, core: int, other: int) -> float:
    """Throughput of a sweep on one core over that of bare programs on the other at the same time."""
    bare = []
    with ThreadPoolExecutor(1) as pool:
        sweep = pool.submit(swept_seconds, overrides, vary, ("taskset", "-c", str(core)))
        while not sweep.done():
            bare.append(bare_point(program, exps[len(bare) % len(exps)], ("taskset", "-c", str(other))))
    ratio = statistics.mean(bare) * len(exps) / sweep.result()
    print(f"core {core}: {sweep.result():.1f} s as a sweep; core {other}: {statistics.mean(bare):.3f} s for each of "
          f"{len(bare)} bare points; {100 * ratio:.1f} %", flush=True)  # fmt: skip
    return ratio


def swept_seconds(overrides, vary, prefix=()) -> float:
    """Seconds from the command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*prefix, sys.executable, str(ROOT / "pfc.py"), "sweep", str(CONFIG), "--device", "cpp"]
        words += [word for override in overrides for word in ("--set", override)]
        words += [word for axis in vary for word in ("--vary", axis)] + ["--out", f"{folder}/sweep"]
        begun = time.monotonic()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment())
        return time.monotonic() - begun


if __name__ == "__main__":
    main()
