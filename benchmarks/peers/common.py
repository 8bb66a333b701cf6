# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs that are compared share: the experiment, its network by pathway, and how a result is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit import draw, schema
from circuit.config import load
from circuit.experiment import Experiment
from circuit.populations import PATHWAYS, POPULATIONS, ranges, sizes, split

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"
#: What of a run's standard output is its result, as one line of JSON.
MARK = "RESULT "


def experiment(
    cells: int, seconds: float, seed: int = 1, precision: str = "double", overrides: Sequence[str] = ()
) -> Experiment:
    """Return the shipped experiment at this size, as ``pfc benchmark`` has it: half of the time with ketamine."""
    half = f"{seconds / 2:g} s"
    own = {"network.num_neurons": cells, "numerics.precision": precision, "seed": seed, "protocol.t_settle": "0 s"}
    own |= {"protocol.t_baseline": half, "protocol.t_transition": "0 s", "protocol.t_drug": half}
    return load(CONFIG, [*overrides, *(f"{key}={value}" for key, value in own.items())])


def counts(exp: Experiment) -> dict[str, int]:
    """Cells of each population."""
    return sizes(exp.network.num_neurons, schema.fractions(exp.numbers))


def pathways(exp: Experiment, values: draw.Arrays) -> dict[str, dict[str, NDArray]]:
    """Return the synapses of `draw.arrays` by pathway, as a program with one object a pathway wants them.

    Contacts without a spine conduct nothing in a run of seconds and are left out.

    Returns
    -------
    dict of str to dict
        Of "i" and "j", indices within the populations, and "weight", S. Pathways of which a share is apical are two,
        "PYR_to_PYR" and "PYR_to_PYR_apical".
    """
    where, found = ranges(counts(exp)), {}
    for owner in ("excitation", "spines", "inhibition"):
        i, j = values[f"{owner}.i"], values[f"{owner}.j"]
        efficacy = values.get(f"{owner}.efficacy", np.ones(i.size))
        soma = values[f"{owner}.weight"] * efficacy
        dendrite = values.get(f"{owner}.weight_d", np.zeros(i.size)) * efficacy
        for name in PATHWAYS:
            source, target = (where[population] for population in split(name))
            inside = (i >= source.start) & (i < source.stop) & (j >= target.start) & (j < target.stop)
            for suffix, weight in (("", soma), ("_apical", dendrite)):
                here = inside & (weight > 0)
                if here.any():
                    edges = {"i": i[here] - source.start, "j": j[here] - target.start, "weight": weight[here]}
                    found[name + (suffix if name == "PYR_to_PYR" else "")] = edges
    return found


def rates(spikes: dict[str, int], exp: Experiment) -> dict[str, float]:
    """Mean rate of each population over the whole run, Hz, from its number of spikes."""
    size, seconds = counts(exp), exp.duration.si
    return {name: round(spikes[name] / (size[name] * seconds), 4) for name in POPULATIONS}


def tell(result: dict[str, Any]) -> None:
    """Print a result for the driver."""
    print(MARK + json.dumps(result), flush=True)
