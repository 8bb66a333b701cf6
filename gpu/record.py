# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the program recorded to what a reader wants: populations, classes, units.

The program records arrays by object and variable, in SI units and over all cells. This module sums them up by
population and names them; `gpu.layout.RunData` says what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from circuit import measures, signalling, spines
from circuit.course import segments, test_pulses
from circuit.network import BLOCK_SAMPLE, Structure, followed, recorded
from circuit.populations import POPULATIONS, ranges
from circuit.subunits import CLASSES, TAGS
from gpu.layout import RunData

if TYPE_CHECKING:
    from circuit.config import Experiment

Arrays = Mapping[str, NDArray]

PER_UM, PER_PA, PER_MV, PER_NS = 1e3, 1e12, 1e3, 1e9  # from mM, A, V and S


def run_data(exp: Experiment, shape: Structure, given: Arrays, outputs: Arrays, completed: float) -> RunData:
    """Label the outputs of one run.

    Parameters
    ----------
    exp : Experiment
    shape : Structure
        Of the program that ran.
    given : mapping
        `circuit.draw.arrays` of the run.
    outputs : mapping
        `gpu.run.RawRun.outputs`.
    completed : float
        Simulated fraction of the planned duration.
    """
    sizes = dict(shape.num_cells)
    return RunData(
        dt=shape.dt,
        duration=completed * exp.duration.si,
        sizes=sizes,
        spikes_step=np.rint(outputs["spikes.t"] / shape.dt).astype(np.int64),
        spikes_cell=outputs["spikes.i"],
        column=_column(outputs, sizes["PYR"]),
        block=_block(exp, shape, given, outputs),
        classes=CLASSES,
        lfp=_lfp(exp, shape, outputs, sizes["PYR"]),
        voltage=_voltage(shape, outputs),
        synapses=_synapses(given) if exp.recording.synapses else {},
    )


def _synapses(given: Arrays) -> dict[str, dict[str, NDArray]]:
    """Synapses as they were drawn, nS; those on spines with the share of their conductance at the start."""
    found = {}
    for name in ("excitation", "inhibition", "spines"):
        group = {"source": given[f"{name}.i"], "target": given[f"{name}.j"]}
        soma = given[f"{name}.weight"]
        group |= {"soma": PER_NS * soma, "dendrite": PER_NS * given.get(f"{name}.weight_d", np.zeros_like(soma))}
        if name == "spines":
            group["efficacy"] = given["spines.efficacy"]
        found[name] = group
    return found


def course_data(
    exp: Experiment, shape: Structure, given: Arrays, outputs: Arrays, seen: Sequence[Arrays], refs: Arrays
) -> RunData:
    """Label the outputs of a course; see `run_data`.

    Parameters
    ----------
    exp, shape, given, outputs
        As there, over the whole course.
    seen : sequence of mapping
        From `gpu.segments.Done`, for one column.
    refs : mapping
        The references of all cells of the column, by name.
    """
    data = run_data(exp, shape, given, outputs, 1.0)
    return replace(
        data,
        chain=_chain(exp, shape, outputs, refs),
        spines=_spines(exp, given, seen),
        responses=_responses(exp, given, data),
    )


def _chain(exp: Experiment, shape: Structure, outputs: Arrays, refs: Arrays) -> dict[str, NDArray]:
    """Means over the pyramidal cells that were followed; before the course begins, nothing is known."""
    plan = segments(exp)
    first = sum(segment.duration for segment in plan if segment.intact)
    kept = outputs["chain_trace.t"] >= first - 1e-9
    times = outputs["chain_trace.t"][kept]
    cells = followed(shape.num_cells)
    found = {"time": times, "hours": _hours(exp, times)}
    names = {"throughput": "AMPA_mean", "resting": "rest_mean", "evoked": "evoked_mean"}
    for name, sensor in names.items():
        reference = refs[signalling.REFERENCES[sensor]][cells]
        found[name] = (outputs[f"chain_trace.{sensor}"][:, kept] / reference[:, None]).mean(axis=0)
    for name in (*signalling.CHAIN, *signalling.SPINE_RATES):
        found[name] = outputs[f"chain_trace.{name}"][:, kept].mean(axis=0)
    return found


def _hours(exp: Experiment, times: NDArray) -> NDArray:
    """Biological hours since the drug is given, at simulated times in s."""
    plan = segments(exp)
    ends = np.cumsum([segment.duration for segment in plan])
    which = np.minimum(np.searchsorted(ends, times + 1e-9, side="right"), len(plan) - 1)
    start, pace, since = (
        np.array([getattr(segment, name) for segment in plan])[which] for name in ("start", "pace", "duration")
    )
    return (start + pace * (times - ends[which] + since) - exp.drug_onset.si) / 3600


def _spines(exp: Experiment, given: Arrays, seen: Sequence[Arrays]) -> dict[str, NDArray]:
    plan = segments(exp)
    ends = np.cumsum([segment.duration for segment in plan])
    shown = [n for n, segment in enumerate(plan) if segment.name != "settle"]
    hours = [((0.0 if plan[n].intact else plan[n].end) - exp.drug_onset.si) / 3600 for n in shown]
    views = [spines.View(h, **one) for h, one in zip(hours, seen, strict=True)]
    stimulated = given["cells.stimulated"] > 0
    kinds = spines.groups(given["spines.i"], given["spines.j"], given["spines.weight_d"] > 0, stimulated)
    sessions = spines.sessions(views, kinds)
    found = {name: np.array([getattr(session, name) for session in sessions]) for name in sessions[0]._fields}
    return {"time": ends[shown], **found}


def _responses(exp: Experiment, given: Arrays, data: RunData) -> dict[str, NDArray]:
    """What the column answers to test pulses, phase by phase; nothing without any."""
    phases = test_pulses(exp)
    if not phases:
        return {}
    spared = given["cells.stimulated"] == 0
    spared[data.sizes["PYR"] :] = False
    spikes = np.sort(data.spikes_step[spared[data.spikes_cell]]) * data.dt
    window = exp.numbers.readout.response_window.si
    times, throughput = data.column["time"], data.column["ampa_throughput"]
    charge = throughput * np.median(np.diff(times))
    found = {"time": np.array([end for end, _ in phases]), "pulses": np.array([len(pulses) for _, pulses in phases])}
    found["hours"] = _hours(exp, found["time"] - 1e-6)
    found["spikes"] = np.array([measures.evoked(spikes, pulses, window) for _, pulses in phases]) / spared.sum()
    found["charge"] = np.array([measures.evoked(times, pulses, window, charge) for _, pulses in phases])
    return found


def _column(outputs: Arrays, num_PYR: int) -> dict[str, NDArray]:
    """Concentrations, release in uM/s, and the AMPA current per pyramidal cell: pA, which is pC/s."""
    return {
        "time": outputs["column_trace.t"],
        "glutamate": outputs["column_trace.glutamate"][0] * PER_UM,
        "vesicular_release": outputs["column_trace.vesicular"][0] * PER_UM,
        "drug_concentration": outputs["column_trace.conc_drug"][0] * PER_UM,
        "ampa_throughput": -outputs["column_trace.I_AMPA_sum"][0] * PER_PA / num_PYR,
    }


def _lfp(exp: Experiment, shape: Structure, outputs: Arrays, num_PYR: int) -> dict[str, NDArray]:
    excitatory = outputs["column_trace.I_exc_sum"][0] * PER_PA / num_PYR
    inhibitory = outputs["column_trace.I_inh_sum"][0] * PER_PA / num_PYR
    readout = exp.numbers.readout
    lag = round(readout.lfp_delay.si / shape.column_step)
    proxy = measures.lfp_proxy(excitatory, inhibitory, lag, readout.lfp_GABA_weight.si)
    return {"time": outputs["column_trace.t"], "excitatory": excitatory, "inhibitory": inhibitory, "lfp": proxy}


def _block(exp: Experiment, shape: Structure, given: Arrays, outputs: Arrays) -> dict[str, NDArray]:
    """Mean blocked fraction by population and class; NaN for a class that a population does not have.

    The two compartments of a cell count by their NMDA conductance with every receptor activated, so that a population
    without dendritic receptors is represented by its somata alone.
    """
    cells = recorded(shape.num_cells, BLOCK_SAMPLE)
    where = ranges(dict(shape.num_cells))
    pools = {c: (given[f"cells.g_NMDA_max{c}"] + given[f"cells.g_tonic_max{c}"])[cells] for c in ("", "_d")}
    times = outputs["block_trace.t"]
    fraction = np.full((len(POPULATIONS), len(CLASSES), times.size), np.nan)
    share = np.zeros((len(POPULATIONS), len(CLASSES)))
    for p, population in enumerate(POPULATIONS):
        rows = (cells >= where[population].start) & (cells < where[population].stop)
        weights = {c: pool[rows] for c, pool in pools.items()}
        total = sum(weight.sum() for weight in weights.values())
        for k, tag in enumerate(TAGS):
            share[p, k] = given[f"cells.f_{tag}"][where[population]].mean()
            blocked = {c: outputs[f"block_trace.block_{tag}{c}"][rows] for c in weights}
            if share[p, k] > 0:
                fraction[p, k] = sum(weights[c] @ blocked[c] for c in weights) / total
    return {"time": times, "fraction": fraction, "share": share}


def _voltage(shape: Structure, outputs: Arrays) -> dict[str, NDArray]:
    if "voltage_trace.t" not in outputs:
        return {}
    return {
        "time": outputs["voltage_trace.t"],
        "cell": recorded(shape.num_cells, shape.num_traced),
        "soma": outputs["voltage_trace.v"] * PER_MV,
        "dendrite": outputs["voltage_trace.v_d"] * PER_MV,
    }
