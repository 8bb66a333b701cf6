# SPDX-License-Identifier: GPL-3.0-or-later
"""This program beside what a user would take instead: stock Brian2 in textbook style, and NEST.

    python benchmarks/peers.py --sizes 1000 4000 16000 64000 --out results/peers

Every program runs the same network, or as near as it has it, each as a process of its own held to its cores, in turn
A B C A B C, so that a busy moment of the machine meets all of them. What counts is the time of the time loop alone;
construction and compilation are told beside it. Written to --out: a table (peers.md), every run (runs.csv), both with
hardware and versions (peers.json), and a figure of how cost grows with size (peers.png, peers.pdf). docs/performance.md
says what is the same in the programs and what is not. Status 1 if a program failed or rates differ by more than
--tolerance.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from figures import style  # noqa: E402
from gpu import provenance  # noqa: E402

PROGRAMS = Path(__file__).resolve().parent / "peers"
MARK = "RESULT "
POPULATIONS = ("PYR", "PV", "SST", "VIP")
#: Hz. Rates closer than this are taken for equal whatever they are: the smallest population has 60 cells.
LEAST_DIFFERENCE = 0.5
NO_NEST = (
    "NEST is left out, because {python} cannot import it: pip install nest-simulator (the extra `peers` of this "
    "package), or name an interpreter that has it with --nest-python."
)


@dataclass(frozen=True)
class Program:
    """One line of the table.

    Attributes
    ----------
    name, label : str
        On the command line; in table and figure.
    kind : {"ours", "textbook", "nest"}
    options : tuple of str
        Of its script: of the build too, but for NEST.
    cores : int
    at_once : int
        Runs side by side, each on a core of its own; their cost is the mean time of their loops over this number.
    reference : str
        What it is compared with.
    """

    name: str
    label: str
    kind: str
    options: tuple[str, ...] = ()
    cores: int = 1
    at_once: int = 1
    reference: str = "ours"


ALL = (
    Program("ours", "this program, double", "ours", ("--precision", "double")),
    Program("ours-single", "this program, single", "ours", ("--precision", "single")),
    Program("events-ms", "Brian2, event-driven, noise by ms", "textbook", ("--gate", "event", "--noise", "regular")),
    Program("events", "Brian2, gate event-driven", "textbook", ("--gate", "event")),
    Program("textbook", "Brian2, textbook", "textbook", ("--gate", "clock")),
    Program("nest-exp", "NEST aeif_cond_exp", "nest", ("--model", "aeif_cond_exp")),
    Program("nest", "NEST AdEx with NMDA", "nest", ("--model", "aeif_cond_beta_multisynapse")),
    Program("ours-2", "this program, double, 2 runs", "ours", ("--precision", "double"), 2, 2, "ours-2"),
    Program("ours-single-2", "this program, single, 2 runs", "ours", ("--precision", "single"), 2, 2, "ours-2"),
    Program("events-2", "Brian2, event-driven, 2 threads", "textbook", ("--gate", "event"), 2, 1, "ours-2"),
    Program("textbook-2", "Brian2, textbook, 2 threads", "textbook", ("--gate", "clock"), 2, 1, "ours-2"),
    Program("nest-exp-2", "NEST aeif_cond_exp, 2 threads", "nest", ("--model", "aeif_cond_exp"), 2, 1, "ours-2"),
    Program("nest-2", "NEST with NMDA, 2 threads", "nest", ("--model", "aeif_cond_beta_multisynapse"), 2, 1, "ours-2"),
)
NAMES = {program.name: program for program in ALL}
#: Of the figure, by what is before "-2": colour, marker, words.
LOOKS = {
    "ours": (style.COLORS["PYR"], "o", "this program,\ndouble precision"),
    "ours-single": (style.COLORS["SST"], "D", "this program,\nsingle precision"),
    "events-ms": (style.GLUTAMATE, "X", "Brian2, NMDA gate event-\ndriven, noise each ms"),
    "events": (style.COLORS["VIP"], "s", "Brian2, NMDA gate\nevent-driven"),
    "textbook": (style.COLORS["PV"], "^", "Brian2, textbook"),
    "nest-exp": (style.BASELINE, "v", "NEST, AdEx with\nAMPA and GABA"),
    "nest": (style.INK, "P", "NEST, AdEx with\nAMPA, NMDA and GABA"),
}


class Failed(Exception):
    """A program ended with an error; the text is the end of what it said."""


def start(command: Sequence[str], cores: Sequence[int] | None, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process, held to `cores` from its first instruction on."""
    hold = None
    if cores and hasattr(os, "sched_setaffinity"):
        hold = lambda: os.sched_setaffinity(0, cores)  # noqa: E731
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        preexec_fn=hold,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a process; return what it told."""
    said, complaint = process.communicate()
    lines = [line for line in said.splitlines() if line.startswith(MARK)]
    if process.returncode or not lines:
        raise Failed((complaint or said).strip()[-2000:] or f"status {process.returncode}")
    return json.loads(lines[-1].removeprefix(MARK))


class Bench:
    """Builds and runs programs at one size, in a temporary folder."""

    def __init__(self, folder: Path, cells: int, seconds: float, asked: argparse.Namespace) -> None:
        self.folder, self.cells, self.seconds, self.nest_python = folder, cells, seconds, asked.nest_python
        self.network = ["--cells", str(cells), "--seconds", f"{seconds:g}", "--seed", str(asked.seed)]

    def build(self, program: Program) -> float:
        """Make what a program needs before it can run, on all cores; return the seconds it took."""
        before = time.monotonic()
        if program.kind == "nest":
            if not (file := self.folder / "network.npz").exists():
                self._python(["nest_network.py", str(file), *self.network], silent=True)
        elif program.kind == "ours":
            self._python(["this_program.py", "build", *self.network, *program.options])
        else:
            options = [*program.options, "--threads", str(program.cores)]
            self._python(["textbook_brian2.py", "build", str(self.folder / program.name), *self.network, *options])
        return time.monotonic() - before

    def run(self, program: Program, repeat: int, cores: Sequence[int]) -> dict[str, Any]:
        """Run a program once, all its `at_once` side by side; return the mean of what they told."""
        held = [[core] for core in cores[: program.at_once]] if program.at_once > 1 else [cores[: program.cores]]
        processes = []
        for number, own in enumerate(held):
            command = self._command(program, 1 + repeat * program.at_once + number)
            processes.append(start(command, own, {"OMP_NUM_THREADS": str(program.cores // program.at_once)}))
        found = [answer(process) for process in processes]
        told = found[0] | {"simulate_s": mean(one["simulate_s"] for one in found)}
        told["rates_hz"] = {name: mean(one["rates_hz"][name] for one in found) for name in POPULATIONS}
        told["is_finite"] = all(one["is_finite"] for one in found)
        return told | {"per_biological_second_s": told["simulate_s"] / program.at_once / self.seconds}

    def _command(self, program: Program, noise_seed: int) -> list[str]:
        if program.kind == "nest":
            options = ["--threads", str(program.cores), "--seed", str(noise_seed), *program.options]
            return [self.nest_python, str(PROGRAMS / "nest_aeif.py"), str(self.folder / "network.npz"), *options]
        if program.kind == "ours":
            options = ["--noise-seed", str(noise_seed), *program.options]
            return [sys.executable, str(PROGRAMS / "this_program.py"), "run", *self.network, *options]
        return [sys.executable, str(PROGRAMS / "textbook_brian2.py"), "run", str(self.folder / program.name)]

    def _python(self, arguments: list[str], silent: bool = False) -> None:
        process = start([sys.executable, str(PROGRAMS / arguments[0]), *arguments[1:]], None, {})
        if not silent:
            answer(process)
        elif process.communicate() and process.returncode:
            raise Failed(f"{arguments[0]} ended with status {process.returncode}")


def measure(
    programs: Sequence[Program], asked: argparse.Namespace, cores: Sequence[int]
) -> tuple[list[dict], list[str]]:
    """Run everything; return one row a run, and a sentence for each program that failed."""
    rows, failures = [], []
    for place, cells in enumerate(asked.sizes):
        seconds, repeats = per_size(asked.seconds, place), per_size(asked.repeats, place)
        with tempfile.TemporaryDirectory(prefix="pfc-peers-") as folder:
            bench, builds, ready = Bench(Path(folder), cells, seconds, asked), {}, []
            for program in programs:
                try:
                    builds[program.name] = bench.build(program)
                    ready.append(program)
                    say(f"{cells} cells: {program.name} is ready after {builds[program.name]:.1f} s")
                except Failed as error:
                    failures.append(f"{program.name} could not be built at {cells} cells: {error}")
            for repeat in range(repeats):
                for program in [one for one in programs if one in ready]:
                    try:
                        told = bench.run(program, repeat, cores)
                    except Failed as error:
                        failures.append(f"{program.name} failed at {cells} cells: {error}")
                        ready.remove(program)
                        continue
                    own = {"program": program.name, "cells": cells, "cores": program.cores, "repeat": repeat}
                    own |= {"seconds": seconds, "prepare_s": round(builds[program.name], 4)}
                    rows.append(own | told)
                    say(f"{cells} cells, run {repeat + 1}: {program.name} {told['per_biological_second_s']:.3f} s")
    return rows, failures


def per_size(values: Sequence[Any], place: int) -> Any:
    """Return the value for the size at `place`; the last one stands for all that follow."""
    return values[min(place, len(values) - 1)]


def say(sentence: str) -> None:
    """Tell how far it is."""
    print(sentence, file=sys.stderr, flush=True)


def table(rows: Sequence[dict], tolerance: float) -> tuple[list[dict], list[str]]:
    """Return one line a size and program, and a sentence for each whose rates are not ours within `tolerance`."""
    lines, unequal = [], []
    for cells in sorted({row["cells"] for row in rows}):
        for program in ALL:
            own = [row for row in rows if row["cells"] == cells and row["program"] == program.name]
            if not own:
                continue
            lines.append(_line(program, own, [row for row in rows if row["cells"] == cells]))
            if not all(row["is_finite"] for row in own):
                unequal.append(f"{program.name} at {cells} cells went wrong: its state is not finite")
            for name, (rate, ours) in lines[-1]["rates_beside_ours"].items():
                if abs(rate - ours) > max(tolerance * ours, LEAST_DIFFERENCE):
                    what = f"{name} of {program.name} at {cells} cells fires at {rate:.2f} Hz, ours at {ours:.2f}"
                    unequal.append(what)
    return lines, unequal


def _line(program: Program, own: Sequence[dict], others: Sequence[dict]) -> dict[str, Any]:
    costs = [row["per_biological_second_s"] for row in own]
    paired = {row["repeat"]: row["per_biological_second_s"] for row in others if row["program"] == program.reference}
    ratios = [row["per_biological_second_s"] / paired[row["repeat"]] for row in own if row["repeat"] in paired]
    rates = {name: mean(row["rates_hz"][name] for row in own) for name in POPULATIONS}
    ours = [row["rates_hz"] for row in others if row["program"] in ("ours", program.reference)]
    beside = {name: (rates[name], mean(row[name] for row in ours)) for name in POPULATIONS} if ours else {}
    return {
        "cells": own[0]["cells"],
        "program": program.name,
        "cores": program.cores,
        "runs": len(own),
        "cost": (median(costs), min(costs), max(costs)),
        "ratio": (median(ratios), min(ratios), max(ratios)) if ratios else None,
        "rates": rates,
        "rates_beside_ours": beside,
        "prepare_s": own[0]["prepare_s"],
        "construct_s": median(row.get("construct_s", 0.0) for row in own),
        "num_synapses": own[0]["num_synapses"],
    }


def markdown(lines: Sequence[dict]) -> str:
    """Return the table as text."""
    head = ["cells", "program", "cores", "s per biological s: median (min-max)", "times ours: median (min-max)"]
    head += ["PYR, PV, SST, VIP (Hz)", "build (s)", "construct (s)", "synapses"]
    out = ["| " + " | ".join(head) + " |", "|---:|---|---:|---:|---:|---|---:|---:|---:|"]
    for line in lines:
        ratio = line["ratio"]
        fields = [f"{line['cells']}", NAMES[line["program"]].label, f"{line['cores']}"]
        fields += ["{:.3g} ({:.3g}-{:.3g})".format(*line["cost"])]
        fields += ["-" if ratio is None else "{:.2f} ({:.2f}-{:.2f})".format(*ratio)]
        fields += [", ".join(f"{line['rates'][name]:.2f}" for name in POPULATIONS)]
        fields += [f"{line['prepare_s']:.1f}", f"{line['construct_s']:.1f}", f"{line['num_synapses']}"]
        out.append("| " + " | ".join(fields) + " |")
    return "\n".join(out)


@style.styled
def figure(lines: Sequence[dict]) -> Figure:
    """Draw seconds per biological second against cells, one panel for each number of cores."""
    cores = sorted({line["cores"] for line in lines})
    picture = style.new_figure(120 if len(cores) == 1 else style.DOUBLE_COLUMN_MM, 80)
    panels = picture.subplots(1, len(cores), sharey=True, squeeze=False)[0]
    for panel, number in zip(panels, cores, strict=True):
        _axes(panel, number, sorted({line["cells"] for line in lines}))
        for program in ALL:
            own = [line for line in lines if line["program"] == program.name and line["cores"] == number]
            if own:
                _curve(panel, program, own)
    panels[0].set_ylabel("computing time per biological second (s)")
    shown = {label: curve for panel in panels for curve, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    words = [words for _, _, words in reversed(LOOKS.values()) if words in shown]
    picture.legend([shown[one] for one in words], words, loc="outside right upper", labelspacing=0.9)
    for panel, name in zip(panels, "ab", strict=False):
        if len(cores) > 1:
            style.letter(panel, name)
    return picture


def _curve(panel: Any, program: Program, lines: Sequence[dict]) -> None:
    color, marker, words = LOOKS[program.name.removesuffix("-2")]
    cells = [line["cells"] for line in lines]
    middle, low, high = zip(*(line["cost"] for line in lines), strict=True)
    spread = np.abs(np.array([low, high]) - middle)
    is_ours = program.kind == "ours"
    panel.errorbar(
        cells,
        middle,
        yerr=spread,
        color=color,
        marker=marker,
        markersize=4 if is_ours else 3.5,
        markerfacecolor=color if is_ours else "white",
        linewidth=1.4 if is_ours else 1.0,
        elinewidth=0.6,
        label=words,
    )


def _axes(panel: Any, number: int, sizes: Sequence[int]) -> None:
    panel.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(sizes, [f"{size / 1000:g}k" for size in sizes])
    panel.minorticks_off()
    panel.axhline(1, color=style.FAINT, linewidth=0.6, zorder=0)
    panel.annotate("real time", (0, 1), xycoords=("axes fraction", "data"), xytext=(4, 2), ha="left",
                   textcoords="offset points", color=style.BASELINE, fontsize=6.5)  # fmt: skip
    panel.set_xlabel("cells")
    panel.set_title("one core" if number == 1 else "two cores (ours as two runs)")


def nest_version(python: str) -> str | None:
    """Version of the NEST that an interpreter has, or None."""
    asked = [python, "-c", "import nest; print('VERSION', nest.__version__)"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True)
    except OSError:
        return None
    found = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("VERSION ")]
    return found[-1] if found else None


def write(folder: Path, rows: Sequence[dict], lines: Sequence[dict], words: str, about: dict[str, Any]) -> None:
    """Write table, runs and figure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text(words + "\n")
    (folder / "peers.json").write_text(json.dumps(about | {"table": list(lines), "runs": list(rows)}, indent=1) + "\n")
    flat = [row | {f"{name}_hz": rate for name, rate in row["rates_hz"].items()} for row in rows]
    for row in flat:
        del row["rates_hz"]
    keys = list(dict.fromkeys(key for row in flat for key in row))
    with (folder / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(flat)
    style.save(figure(lines), folder, "peers")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 4000, 16000, 64000], help="cells")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2.0, 2.0, 1.0],
                        help="biological time, for each size or the last one for the rest")  # fmt: skip
    parser.add_argument("--repeats", type=int, nargs="+", default=[5, 5, 5, 5, 2], help="paired runs, likewise")
    parser.add_argument("--only", nargs="+", choices=list(NAMES), help="programs; all of them by default")
    parser.add_argument("--cores", type=int, nargs="+", choices=[1, 2], default=[1, 2], help="one core, two, or both")
    parser.add_argument("--seed", type=int, default=1, help="of the network")
    parser.add_argument("--tolerance", type=float, default=0.2, help="by how much rates may differ, relative to ours")
    parser.add_argument("--nest-python", default=sys.executable, help="interpreter with NEST; by default this one")
    parser.add_argument("--out", type=Path, default=Path("results", "peers"), help="folder of the results")
    return parser.parse_args()


def main() -> int:
    """Run the comparison; return the exit status."""
    asked = arguments()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    programs = [one for one in ALL if one.cores in asked.cores and (not asked.only or one.name in asked.only)]
    if len(cores) < max((one.cores for one in programs), default=1):
        say("This process may use one core: what needs two is left out.")
        programs = [one for one in programs if one.cores == 1]
    nest = nest_version(asked.nest_python) if any(one.kind == "nest" for one in programs) else None
    if nest is None and any(one.kind == "nest" for one in programs):
        say(NO_NEST.format(python=Path(asked.nest_python).name))
        programs = [one for one in programs if one.kind != "nest"]
    if not programs:
        return 1
    rows, failures = measure(programs, asked, cores)
    lines, unequal = table(rows, asked.tolerance)
    about = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "benchmarks/peers.py", *_portable(sys.argv[1:])]),
        "hardware": provenance.hardware(),
        "versions": provenance.versions() | {"nest-simulator": nest},
        "commit": provenance.commit(),
        "tolerance": asked.tolerance,
        "unequal": unequal,
        "failures": failures,
    }
    words = markdown(lines)
    if lines:
        write(asked.out, rows, lines, words, about)
    print("\n".join([words, "", *unequal, *failures]))
    return 1 if unequal or failures else 0


def _portable(words: Sequence[str]) -> list[str]:
    """Return the command line without paths of this machine."""
    return [Path(word).name if os.path.isabs(word) else word for word in words]


if __name__ == "__main__":
    sys.exit(main())
