# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the background with which NEST's populations fire at our rates; print what belongs into nest_network.py.

    nest_tune.py --target 2.4 9.6 5.0 6.5 --nest-python python3

The background of each population is raised while its rate is below the target and lowered above it, all of them at
once, in ever smaller steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import common
import numpy as np
from nest_network import BACKGROUND, network

from circuit.populations import POPULATIONS

HERE = Path(__file__).resolve().parent


def rates(python: str, model: str, cells: int, seconds: float, seed: int, factors: dict[str, float]) -> dict:
    """Run NEST once; return its rates."""
    with tempfile.TemporaryDirectory(prefix="pfc-nest-") as folder:
        file = Path(folder, "network.npz")
        np.savez(file, **network(common.experiment(cells, seconds, seed), {model: factors}))
        command = [python, str(HERE / "nest_aeif.py"), str(file), "--model", model, "--seed", str(seed)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in said.splitlines() if line.startswith(common.MARK))
    return json.loads(line.removeprefix(common.MARK))["rates_hz"]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=float, nargs=4, required=True, help="rates of PYR, PV, SST and VIP, Hz")
    parser.add_argument("--nest-python", default="python3", help="an interpreter that has NEST")
    parser.add_argument("--models", nargs="+", default=list(BACKGROUND))
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    target = dict(zip(POPULATIONS, asked.target, strict=True))
    for model in asked.models:
        factors = dict(BACKGROUND[model])
        for step in range(asked.steps):
            found = rates(asked.nest_python, model, asked.cells, asked.seconds, step + 1, factors)
            print(model, {k: round(v, 4) for k, v in factors.items()}, found, flush=True)
            for name in POPULATIONS:
                off = np.clip(np.log(target[name] / max(found[name], 1e-9)), -1.5, 1.5)
                factors[name] = float(factors[name] * np.exp(0.25 * off / (1 + step / 8)))
        print(f'"{model}": {json.dumps({k: round(v, 3) for k, v in factors.items()})},', flush=True)


if __name__ == "__main__":
    main()
