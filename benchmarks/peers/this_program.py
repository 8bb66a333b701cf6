# SPDX-License-Identifier: GPL-3.0-or-later
"""This program, by its own interface; the drivers' other programs answer in the same words.

    this_program.py build --cells 2000 --seconds 1 --precision double
    this_program.py run   --cells 2000 --seconds 1 --precision double --noise-seed 1
"""

from __future__ import annotations

import argparse
import time

import common
import numpy as np

from circuit import draw, network
from circuit.experiment import Experiment
from circuit.populations import ranges
from gpu import build, devices, run
from gpu.cache import cache_folder


def find(exp: Experiment) -> build.Build:
    """Find or make the C++ program."""
    return build.find_or_build(network.structure(exp), devices.choose("cpp"), cache_folder(), lambda sentence: None)


def simulate(exp: Experiment, noise_seed: int) -> dict[str, object]:
    """Run once; `gpu.run.execute` refuses a state that is not finite."""
    program, start = find(exp), time.monotonic()
    values = draw.arrays(exp)
    drawn = time.monotonic()
    with run.scratch() as workdir:
        done = run.execute(program, values, exp.duration.si, noise_seed, workdir)
    cell = done.outputs["spikes.i"]
    where = ranges(common.counts(exp))
    spikes = {name: int(np.count_nonzero((cell >= at.start) & (cell < at.stop))) for name, at in where.items()}
    return {
        "simulate_s": done.timings["loop_s"],
        "initialise_s": round(done.timings["prepare_s"] + done.timings["simulate_s"] - done.timings["loop_s"], 4),
        "construct_s": round(drawn - start, 4),
        "rates_hz": common.rates(spikes, exp),
        "is_finite": True,
        "num_synapses": sum(values[f"{name}.i"].size for name in ("excitation", "spines", "inhibition")),
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["build", "run"])
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time")
    parser.add_argument("--seed", type=int, default=1, help="of the network")
    parser.add_argument("--noise-seed", type=int, default=1)
    parser.add_argument("--precision", choices=["double", "single"], default="double")
    asked = parser.parse_args()
    exp = common.experiment(asked.cells, asked.seconds, asked.seed, asked.precision)
    if asked.do == "build":
        program = find(exp)
        common.tell({"build_s": round(program.seconds, 4), "compiled": program.compiled})
    else:
        common.tell(simulate(exp, asked.noise_seed))


if __name__ == "__main__":
    main()
