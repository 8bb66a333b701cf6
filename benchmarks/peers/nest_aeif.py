# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit in NEST as near as its AdEx cells have it; needs NEST and NumPy alone.

    nest_aeif.py FILE.npz --threads 1 --model aeif_cond_beta_multisynapse

FILE comes from nest_network.py, which says what is left out. With the multisynapse model there are ports for AMPA, NMDA
and GABA; with ``aeif_cond_exp``, the least that NEST has, for AMPA and GABA. Short-term plasticity is NEST's
``tsodyks2_synapse``, the background a Poisson train to each cell, the solver NEST's own with its default tolerance.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import nest
import numpy as np

POPULATIONS = ("PYR", "PV", "SST", "VIP")
MULTI = "aeif_cond_beta_multisynapse"
AMPA, NMDA, GABA = 1, 2, 3
CELL = ("C_m", "g_L", "E_L", "V_th", "V_peak", "Delta_T", "V_reset", "a", "b", "tau_w", "t_ref", "V_m")
MARK = "RESULT "


def make_cells(given: dict[str, np.ndarray], model: str) -> dict[str, nest.NodeCollection]:
    """One population after the other."""
    cells = {}
    for name in POPULATIONS:
        tau = given[f"{name}.tau_decay"]
        if model == MULTI:
            ports = {"E_rev": given["E_rev"], "tau_rise": given["tau_rise"], "tau_decay": tau}
        else:
            ports = {"E_ex": given["E_rev"][0], "E_in": given["E_rev"][2], "tau_syn_ex": tau[0], "tau_syn_in": tau[2]}
        cells[name] = nest.Create(model, given[f"{name}.C_m"].size, params=ports)
        cells[name].set({key: given[f"{name}.{key}"] for key in CELL})
    return cells


def connect(given: dict[str, np.ndarray], cells: dict[str, nest.NodeCollection], model: str) -> int:
    """Make every synapse; return their number."""
    first = {name: group[0].global_id for name, group in cells.items()}
    for name in [key.removesuffix(".i") for key in given if key.endswith(".i")]:
        source, target = name.removesuffix("_apical").split("_to_")
        own = {key: float(given[f"{name}.{key}"]) for key in ("U", "tau_rec", "tau_fac")}
        nest.CopyModel("tsodyks2_synapse", name, own | {"u": own["U"]})
        ports = [(AMPA, "weight"), (NMDA, "weight_NMDA")] if source == "PYR" else [(GABA, "weight")]
        for port, key in ports:
            weight = given[f"{name}.{key}"]
            if model == MULTI:
                to = {"receptor_type": np.full(weight.size, port)}
            elif port == NMDA:
                continue
            else:
                weight, to = (-weight if port == GABA else weight), {}
            i, j = given[f"{name}.i"] + first[source], given[f"{name}.j"] + first[target]
            delay = np.full(weight.size, float(given[f"{name}.delay"]))
            nest.Connect(i, j, "one_to_one", {"synapse_model": name, "weight": weight, "delay": delay, **to})
    return nest.num_connections


def drive_and_record(given: dict[str, np.ndarray], cells: dict[str, nest.NodeCollection], model: str) -> dict:
    """Background and recorders; return the recorders of spikes."""
    spikes = {}
    for name, group in cells.items():
        noise = nest.Create("poisson_generator", params={"rate": float(given["background_rate"])})
        synapse = {"weight": given[f"{name}.background.{model}"][:, None], "delay": float(given["dt"])}
        nest.Connect(noise, group, "all_to_all", synapse | ({"receptor_type": AMPA} if model == MULTI else {}))
        spikes[name] = nest.Create("spike_recorder")
        nest.Connect(group, spikes[name])
        meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": float(given["trace_step"])})
        nest.Connect(meter, group[: int(given["num_traced"])])
    return spikes


def main() -> None:
    """Read the command line, run once, print the result as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", choices=[MULTI, "aeif_cond_exp"], default=MULTI)
    parser.add_argument("--seed", type=int, default=1, help="of the noise")
    asked = parser.parse_args()
    start = time.monotonic()
    with np.load(asked.file) as file:
        given = dict(file)
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=float(given["dt"]), local_num_threads=asked.threads, rng_seed=asked.seed, print_time=False)
    cells = make_cells(given, asked.model)
    spikes = drive_and_record(given, cells, asked.model)
    num_synapses = connect(given, cells, asked.model)
    nest.Prepare()
    ready = time.monotonic()
    nest.Run(float(given["duration"]))
    done = time.monotonic()
    nest.Cleanup()
    seconds = float(given["duration"]) * 1e-3
    result = {
        "simulate_s": round(done - ready, 4),
        "construct_s": round(ready - start, 4),
        "rates_hz": {name: round(spikes[name].n_events / (len(cells[name]) * seconds), 4) for name in POPULATIONS},
        "is_finite": all(np.isfinite(cells[name].V_m).all() for name in POPULATIONS),
        "num_synapses": num_synapses,
        "version": nest.__version__,
    }
    print(MARK + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
