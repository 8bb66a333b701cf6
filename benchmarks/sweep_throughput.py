# SPDX-License-Identifier: GPL-3.0-or-later
"""What does a sweep cost over its bare simulations? 256 points of a 500-cell column on all cores, 20 s simulated each.

    python benchmarks/sweep_throughput.py [--points 256] [--repeats 1] [--slices 10]

Bare: the compiled program alone, back to back, one a core, its values laid out before the clock runs. As a sweep:
`pfc sweep` from start to end, with the plan, workers, checks, labelled results, dataset, figures and report. Prints the
ratio of the throughputs.

Many machines change their speed by a third within minutes. So the two take turns: after every ten seconds all
processes of the sweep are stopped, and bare programs have the cores for as long. Each has its own clock. With
`--slices 0` the sweep runs through, with half of the bare programs before it and half after.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
    parser.add_argument("--slices", type=float, default=10.0, help="seconds of a turn; 0 for one after the other")
    asked = parser.parse_args()
    overrides = [f"{key}={value}" for key, value in SETTINGS.items()]
    vary = ["drug.concentration=0 uM,0.3 uM,1 uM,3 uM", f"seed=1..{asked.points // 4}"]
    exps = [point.exp for point in expand(CONFIG, overrides, vary).points]
    device = devices.choose("cpp")
    program = job.find(network.structure(exps[0]), device, print, lambda label: progress.Silent())
    print(f"{len(exps)} points of {exps[0].network.num_neurons} cells, {exps[0].duration} each, "
          f"{toolchain.cores()} cores")  # fmt: skip
    measure = partial(by_turns, asked.slices) if asked.slices else in_turn
    ratios = [measure(exps, program, overrides, vary) for _ in range(asked.repeats)]
    print(f"median {100 * statistics.median(ratios):.1f} %")


def in_turn(exps, program, overrides, vary) -> float:
    """Throughput of a sweep on all cores over that of bare programs before and after it."""
    bare = bare_seconds(exps[::2], program)
    with sweep(overrides, vary) as process:
        begun = time.monotonic()
        succeeded(process)
        swept = time.monotonic() - begun
    bare += bare_seconds(exps[1::2], program)
    return told(bare, swept, "")


def by_turns(seconds: float, exps, program, overrides, vary) -> float:
    """Throughput of a sweep on all cores over that of bare programs while it is stopped, every few `seconds`."""
    swept, bare = 0.0, []
    points = itertools.cycle(random.Random(1).sample(exps, len(exps)))  # all doses, however few of them are run
    with sweep(overrides, vary) as process:
        while process.poll() is None:
            begun = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            stop(process.pid)
            swept += time.monotonic() - begun
            if process.poll() is None:
                bare += bare_slice(points, program, seconds)
            send(process.pid, signal.SIGCONT)
        succeeded(process)
    each = statistics.mean(bare)
    return told(each * len(exps) / toolchain.cores(), swept, f" ({each:.3f} s each, mean of {len(bare)})")


def told(bare: float, swept: float, how: str) -> float:
    """Print and return the ratio of the throughputs."""
    ratio = bare / swept
    print(f"bare {bare:.1f} s{how}, as a sweep {swept:.1f} s: {100 * ratio:.1f} % of the bare throughput", flush=True)
    return ratio


def bare_slice(points, program, seconds: float) -> list[float]:
    """Seconds that each of the programs takes that are begun within so many seconds, back to back on each core."""
    end = time.monotonic() + seconds

    def one_core(_) -> list[float]:
        done = []
        while time.monotonic() < end:
            done.append(bare_point(program, next(points)))
        return done

    with ThreadPoolExecutor(toolchain.cores()) as pool:
        return [took for each in pool.map(one_core, range(toolchain.cores())) for took in each]


def bare_seconds(exps, program) -> float:
    """Seconds that the programs of all points take, one after the other on each core."""
    with ThreadPoolExecutor(toolchain.cores()) as pool:
        return sum(pool.map(partial(bare_point, program), exps)) / toolchain.cores()


def bare_point(program, exp) -> float:
    """Seconds that the program of one point takes."""
    with run.scratch() as workdir:
        settings = run.lay_out(program, draw.arrays(exp), workdir)
        words = [*program.command, "--results_dir", "results/", *settings]
        variables = environment() | {"PFC_DURATION": repr(exp.duration.si), "PFC_SEED": str(exp.seed)}
        begun = time.monotonic()
        subprocess.run(words, cwd=workdir, env=variables, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - begun


@contextmanager
def sweep(overrides, vary) -> Iterator[subprocess.Popen]:
    """`pfc sweep` in a session of its own, of which nothing is left after the block."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, str(ROOT / "pfc.py"), "sweep", str(CONFIG), "--device", "cpp"]
        words += [word for override in overrides for word in ("--set", override)]
        words += [word for axis in vary for word in ("--vary", axis)] + ["--out", f"{folder}/sweep"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment(), start_new_session=True)
        try:
            yield process
        finally:
            send(process.pid, signal.SIGKILL)
            process.wait()


def succeeded(process: subprocess.Popen) -> None:
    """Wait for the end of a sweep; raise if it was none."""
    if status := process.wait():
        raise SystemExit(f"The sweep ended with status {status}.")


def stop(session: int) -> None:
    """Stop all processes of a session, those too that begin meanwhile."""
    while any(state not in "TZX" for _, state in processes(session)):
        send(session, signal.SIGSTOP)
        time.sleep(0.001)


def send(session: int, number: signal.Signals) -> None:
    """Send a signal to all processes of a session."""
    for pid, _ in processes(session):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def processes(session: int) -> Iterator[tuple[int, str]]:
    """Number and state (T is stopped, Z and X are dead) of each process of a session."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of = file.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session:
                yield int(file.parent.name), state


if __name__ == "__main__":
    main()
