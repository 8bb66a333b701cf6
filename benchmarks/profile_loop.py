# SPDX-License-Identifier: GPL-3.0-or-later
"""Where does a biological second go? Processor time of the compiled program by part, as a table.

    python benchmarks/profile_loop.py configs/ketamine.yaml --seconds 10 --columns 1 --set numerics.precision=single

Needs Linux's perf, which samples the program on one core; nothing is added to it. Shares of the samples are multiplied
by the processor time of the whole program, so that others on the machine disturb little.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import resource
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from circuit import columns, draw, network
from circuit.config import load
from gpu import job, progress, run

#: Parts and the functions of the program that belong to them; the first that matches counts.
PARTS = {
    "membrane: state update and its exp": r"cells_stateupdater|_exp",
    "membrane: threshold": r"thresholder",
    "reset and terminals": r"resetter",
    "drive and its noise (1 ms)": r"_drive_|Noise|_log|_cos|_sin|mersenne|randn",
    "column and its sums (1 ms)": r"column_step|readout",
    "block (5 ms)": r"_block_codeobject",
    "signalling and spines (20, 200 ms)": r"signalling|spine_step|spine_plasticity|offered|_pow",
    "spikes: excitation": r"excitation_pre",
    "spikes: inhibition": r"inhibition_pre",
    "spikes: spines": r"spines_pre",
    "monitors": r"_trace_codeobject|_spikes_codeobject",
    "clocks and calls": r"Network::|clock_gettime|BaseClock",
    "start, reading, writing": r".",
}


@contextlib.contextmanager
def silent(what: str) -> Iterator[progress.OnProgress]:
    """A meter that shows nothing."""
    yield progress.ignore


def prepared(args: argparse.Namespace, workdir: Path) -> list[str]:
    """Build the program and lay out its values in `workdir`; return the command."""
    exp = load(args.config, args.set)
    shape = network.structure(exp, args.columns)
    program = job.find(shape, job.choose("cpp", print), print, silent)
    seeds = [exp.model_copy(update={"seed": exp.seed + n}) for n in range(args.columns)]
    given = columns.stack([draw.arrays(one) for one in seeds], shape.column_cells)
    return [*program.command, "--results_dir", "results/", *run.lay_out(program, given, workdir)]


def sampled(command: list[str], workdir: Path, seconds: float) -> tuple[Counter[str], float]:
    """Run under perf; return samples by function and the processor time, s."""
    variables = run.environment() | {"PFC_DURATION": str(seconds), "PFC_SEED": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    record = ["taskset", "-c", "0", "perf", "record", "-q", "-o", "perf.data", *command]
    subprocess.run(record, cwd=workdir, env=variables, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = ["perf", "report", "-i", "perf.data", "--stdio", "--no-children", "-F", "sample,symbol"]
    text = subprocess.run(report, cwd=workdir, check=True, capture_output=True, text=True).stdout
    found: Counter[str] = Counter()
    for number, kind, name in re.findall(r"^\s*(\d+)\s+\[(.)\]\s+(.+?)\s*$", text, re.MULTILINE):
        found["kernel" if kind == "k" else name] += int(number)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--columns", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pfc-profile-") as folder:
        command = prepared(args, Path(folder))
        samples, processor_s = sampled(command, Path(folder), args.seconds)
    parts: Counter[str] = Counter()
    for name, number in samples.items():
        parts[next(part for part, pattern in PARTS.items() if re.search(pattern, name))] += number
    scale = 1e3 * processor_s / sum(parts.values()) / args.seconds / args.columns
    print("| part | ms per biological second and column | share |\n|---|---:|---:|")
    for part in PARTS:
        print(f"| {part} | {scale * parts[part]:.1f} | {parts[part] / sum(parts.values()):.0%} |")
    print(f"| all | {scale * sum(parts.values()):.1f} | |")


if __name__ == "__main__":
    main()
