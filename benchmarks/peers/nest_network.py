# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the network as NEST is given it, for an interpreter that has NEST and need not have this project.

    nest_network.py FILE.npz --cells 2000 --seconds 1

NEST's AdEx has one compartment, so soma and dendrite are added up and apical weights lose the factor that makes up for
their distance. It has no magnesium block in an AdEx cell: NMDA conductances are scaled by what magnesium leaves at
-60 mV. It has no block by ketamine, no saturation of the gate, no tonic and no afferent NMDA current and no glutamate;
what these excite is made up for by the background, whose factors are below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import common
import numpy as np
from numpy.typing import NDArray

from circuit import draw, schema
from circuit.experiment import Experiment
from circuit.populations import ranges, split
from circuit.potency import unblocked
from circuit.subunits import CLASSES

#: Volts. Where the magnesium block that NEST does not have is taken.
TYPICAL_V = -0.060
#: Hz. Each cell's own Poisson train of afferent AMPA; as irregular over 20 ms as our afferent conductance.
BACKGROUND_RATE = 100.0
#: By NEST's model, mean conductance of the background over our mean afferent AMPA conductance, so that rates are ours.
#: nest_tune.py found them at 1,000 cells (SST of the first then 5 % less, after runs at 2,000); in-degrees do not
#: change with size, nor do these.
BACKGROUND = {
    "aeif_cond_beta_multisynapse": {"PYR": 1.061, "PV": 1.493, "SST": 2.06, "VIP": 1.169},
    "aeif_cond_exp": {"PYR": 1.074, "PV": 1.682, "SST": 4.795, "VIP": 1.544},
}
#: ms. Brief, as our synapses rise at once; NEST's beta functions need one.
RISE = {"AMPA": 0.3, "NMDA": 2.0, "GABA": 0.3}


def network(exp: Experiment, background: dict[str, dict[str, float]] = BACKGROUND) -> dict[str, NDArray]:
    """Return cells, synapses and background in NEST's units (ms, mV, pF, nS, pA)."""
    values, numbers = draw.arrays(exp), exp.numbers
    found: dict[str, NDArray] = {
        "dt": np.array(exp.numerics.dt.si * 1e3),
        "duration": np.array(exp.duration.si * 1e3),
        "num_traced": np.array(exp.recording.num_traced),
        "trace_step": np.array(exp.recording.lfp_step.si * 1e3),
        "background_rate": np.array(BACKGROUND_RATE),
        "E_rev": np.array([numbers.synapses.E_exc.si, numbers.synapses.E_exc.si, numbers.synapses.E_GABA.si]) * 1e3,
        "tau_rise": np.array(list(RISE.values())),
    }
    for population, where in ranges(common.counts(exp)).items():
        of = {key.removeprefix("cells."): value[where] for key, value in values.items() if _is_per_cell(key, value)}
        cell = getattr(numbers.cells, population)
        tau = np.array([cell.tau_AMPA.si, cell.tau_NMDA.si, cell.tau_GABA.si]) * 1e3
        mean = 1e9 * (of["mean_ext"] + of["mean_ext_d"]) / (BACKGROUND_RATE * 1e-3)
        areas = {"aeif_cond_beta_multisynapse": area(RISE["AMPA"], tau[0]), "aeif_cond_exp": tau[0]}
        own = {
            "C_m": 1e12 * (of["C_m"] + of["C_d"]),
            "g_L": 1e9 * (of["g_L"] + of["g_L_d"]),
            "E_L": 1e3 * of["E_L"],
            "V_th": 1e3 * of["V_T_rest"],
            "V_peak": 1e3 * (of["V_T_rest"] + of["cut_above"]),
            "Delta_T": 1e3 * of["Delta_T"],
            "V_reset": 1e3 * of["V_r"],
            "a": 1e9 * of["a"],
            "b": 1e12 * of["b"],
            "tau_w": 1e3 * of["tau_w"],
            "t_ref": 1e3 * of["t_ref"],
            "V_m": 1e3 * of["v"],
            "tau_decay": tau,
        }
        for model, factors in background.items():
            own[f"background.{model}"] = mean * factors[population] / areas[model]
        found |= {f"{population}.{key}": value for key, value in own.items()}
    for name, edges in common.pathways(exp, values).items():
        found |= {f"{name}.{key}": value for key, value in _pathway(exp, name, edges).items()}
    return found


def area(rise: float, decay: float) -> float:
    """Integral of NEST's beta function of height 1, ms."""
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    return float((decay - rise) / (np.exp(-peak / decay) - np.exp(-peak / rise)))


def _is_per_cell(key: str, value: NDArray) -> bool:
    return key.startswith("cells.") and value.ndim > 0


def _pathway(exp: Experiment, name: str, edges: dict[str, NDArray]) -> dict[str, NDArray]:
    """Edges, weights (nS; of NMDA too, from pyramidal cells) and short-term plasticity of one pathway."""
    numbers = exp.numbers
    pathway = name.removesuffix("_apical")
    source, target = split(pathway)
    path, cell = getattr(numbers.pathways, pathway), getattr(numbers.cells, target)
    scale = numbers.synapses.apical_scale.si if name != pathway else 1.0
    weight = 1e9 * edges["weight"] / scale / path.U.si
    delay = numbers.synapses.delay_excitation if source == "PYR" else numbers.synapses.delay_inhibition
    found = {"i": edges["i"], "j": edges["j"], "weight": weight, "delay": np.array(1e3 * delay.si)}
    found |= {"U": np.array(path.U.si), "tau_rec": np.array(1e3 * path.tau_rec.si)}
    found["tau_fac"] = np.array(1e3 * path.tau_fac.si)
    if source == "PYR":
        mix = schema.subunit_mix(cell)
        open_share = sum(mix[kind] * float(unblocked(numbers.receptors, kind, TYPICAL_V)) for kind in CLASSES)
        found["weight_NMDA"] = weight * cell.NMDA_ratio.si * open_share
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    np.savez(asked.file, **network(common.experiment(asked.cells, asked.seconds, asked.seed)))


if __name__ == "__main__":
    main()
