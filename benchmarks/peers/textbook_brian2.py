# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit as a Brian2 user would write it from Brian2's documentation, for its C++ standalone device.

One `NeuronGroup` a population, one `Synapses` a pathway, short-term plasticity in each synapse as event-driven
equations, the channel block of each subunit and compartment as an ordinary differential equation of the cell, afferents
as an Ornstein-Uhlenbeck process with `xi`, refractoriness by ``(unless refractory)``, Brian2's preferences as they
come. Cells, edges, weights, parameters and initial state are the arrays of `circuit.draw`.

The NMDA gate comes in two forms with the same solution. ``--gate clock`` integrates it in every synapse and sums it, as
in Brian2's examples "NMDA synapses" (synapses/nonlinear.py) and Brunel and Wang (2001). ``--gate event`` sums before it
integrates, which its linearity between spikes allows: few examples do, and a user who looks for speed will.

Where else textbook style leaves a choice, the cheaper one was taken: each population has only the receptors and
compartments that conduct anything in it, numbers that all of its cells share are constants of the compiled program,
glutamate and read-outs run at 1 ms. The slow biology from BDNF to spines, contacts without a spine, drugs other than
the blocker and knock-downs are not in it.

    textbook_brian2.py build FOLDER --cells 2000 --seconds 1     generate and compile
    textbook_brian2.py run FOLDER                                run it once, with noise of its own
    textbook_brian2.py interpret FOLDER --cells 1000             run it with NumPy, for tests; leaves state.npz
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

import brian2 as b2
import common
import numpy as np
from brian2 import Hz, NeuronGroup, SpikeMonitor, StateMonitor, Synapses, TimedArray, mmolar, ms, second, volt
from brian2.units import amp, farad, siemens

from circuit import draw, schema
from circuit.experiment import Experiment
from circuit.populations import POPULATIONS, ranges, split
from circuit.potency import K_Mg_zero, k_off
from circuit.subunits import CLASSES, TAGS

RESULTS = "build.json"
#: What of the cells is looked at in the end.
STATE = ["v", "v_d", "g_NMDA"]

#: Adaptive exponential integrate-and-fire soma.
SOMA = """
dv/dt = (g_L*(E_L - v) + g_L*Delta_T*exp((v - V_T)/Delta_T) - w + g_c*(v_d - v) - I_syn)/C_m : volt (unless refractory)
dw/dt = (a*(v - E_L) - w)/tau_w : amp
C_m : farad (constant)
g_L : siemens (constant)
V_T : volt (constant)
"""

DENDRITE = """
dv_d/dt = (g_L_d*(E_L - v_d) + g_c*(v - v_d) - I_syn_d)/C_d : volt
C_d : farad (constant)
g_L_d : siemens (constant)
"""

#: Afferents, AMPA and NMDA synapses of a compartment with suffix {c} and voltage {v}.
EXCITATORY = """
dg_AMPA{c}/dt = -g_AMPA{c}/tau_AMPA : siemens
{recurrent}
{noise}
fast{c} = 1 + sd_ext*(own_ext*noise{c} + common_ext*shared_noise) : 1
g_ext{c} = autoreceptor_ext*mean_ext{c}*clip(fast{c} + slow_share_AMPA*slow_ext{c}*slow_noise, 0, inf) : siemens
afferent_NMDA{c} = autoreceptor_ext*mean_ext{c}*clip(fast{c} + slow_ext{c}*slow_noise, 0, inf) : siemens
dg_NMDA_ext{c}/dt = (NMDA_ratio_ext*afferent_NMDA{c} - g_NMDA_ext{c})/tau_NMDA : siemens
I_AMPA{c} = g_AMPA{c}*({v} - E_exc) : amp
I_ext{c} = g_ext{c}*({v} - E_exc) : amp
I_NMDA{c} = ({open})*({v} - E_exc) : amp
mean_ext{c} : siemens (constant)
g_NMDA_max{c} : siemens (constant)
"""
#: Recurrent NMDA conductance: of the cell, or summed over its synapses.
RECURRENT = {"event": "dg_NMDA{c}/dt = -g_NMDA{c}/tau_NMDA : siemens", "clock": "g_NMDA{c} : siemens"}
XI = "dnoise{c}/dt = -noise{c}/tau_ext + sqrt(2/tau_ext)*xi{c} : 1"
#: The cheaper kind of noise: the exact update once a millisecond.
REGULAR = "noise{c} : 1"
REGULAR_STEP = "noise{c} = noise{c}*exp(-1*ms/tau_ext) + sqrt(1 - exp(-2*ms/tau_ext))*randn()"

INHIBITORY = """
dg_GABA{c}/dt = -g_GABA{c}/tau_GABA{c} : siemens
I_GABA{c} = g_GABA{c}*({v} - E_GABA) : amp
"""

#: Magnesium (Jahr and Stevens 1990) and the trapping block by ketamine of receptors with subunit {k}.
SUBUNIT = """
B_{k}{c} = 1/(1 + Mg_ratio_{k}*exp(-slope_Mg*{v})) : 1
p_{k}{c} = clip((g_NMDA{c} + g_NMDA_ext{c})/g_NMDA_max{c} + p_tonic_{k}, 0, 1) : 1
off_{k}{c} = p_{k}{c}*k_off_{k}*exp(slope_off*{v}) + (1 - p_{k}{c})*k_untrap : Hz
dblock_{k}{c}/dt = acceleration*(p_{k}{c}*k_on*ketamine(t)*B_{k}{c}*(1 - block_{k}{c}) - off_{k}{c}*block_{k}{c}) : 1
"""
OPEN = "f_{k}*(1 - block_{k}{c})*B_{k}{c}*(g_NMDA{c} + g_NMDA_ext{c} + g_tonic_max{c}*p_tonic_{k})"

#: Input common to the cells; extracellular glutamate and what it opens and inhibits; sums over pyramidal cells for the
#: field potential.
COLUMN = """
dshared_noise/dt = -shared_noise/tau_shared + sqrt(2/tau_shared)*xi_shared : 1
dslow_noise/dt = -slow_noise/tau_slow + sqrt(2/tau_slow)*xi_slow : 1
dglutamate/dt = leak + release_ext*autoreceptor_ext - uptake_max*glutamate/(uptake_K + glutamate) : mmolar
autoreceptor = 1 - mGluR_max/(1 + (mGluR_EC50/glutamate)**mGluR_hill) : 1 (constant over dt)
autoreceptor_ext = 1 - mGluR_max_ext/(1 + (mGluR_EC50/glutamate)**mGluR_hill) : 1 (constant over dt)
I_AMPA_sum : amp
I_exc_sum : amp
I_inh_sum : amp
"""
TONIC = "p_tonic_{k} = 1/(1 + (EC50_{k}/glutamate)**hill_glutamate) : 1 (constant over dt)"
READOUT = """
I_AMPA_sum_post = I_AMPA_pre + I_AMPA_d_pre : amp (summed)
I_exc_sum_post = I_AMPA_pre + I_AMPA_d_pre + I_ext_pre + I_ext_d_pre + I_NMDA_pre + I_NMDA_d_pre : amp (summed)
I_inh_sum_post = I_GABA_pre + I_GABA_d_pre : amp (summed)
"""

#: Short-term plasticity after Tsodyks and Markram, as in Brian2's examples.
STP = """
dx/dt = (1 - x)/tau_rec : 1 (event-driven)
du/dt = -u/tau_fac : 1 (event-driven)
"""
WEIGHT = "weight : siemens (constant)"
GATE = {
    "event": "ds/dt = -s/tau_gate : 1 (event-driven)",
    "clock": """
ds/dt = -s/tau_gate : 1 (clock-driven)
g_NMDA{c}_post = weight*NMDA_ratio_post*s/(U*k_zero) : siemens (summed)
""",
}
RELEASE = """
u += U*(1 - u)
released = u*x*{autoreceptor}
x -= released
"""
OPENS_EXCITATORY = """
opened = released*(k_zero + k_one*s)
s += opened
g_AMPA{c}_post += weight*released/U
"""
OPENS_NMDA = {"event": "g_NMDA{c}_post += weight*NMDA_ratio_post*opened/(U*k_zero)", "clock": ""}
OPENS_INHIBITORY = "g_GABA{c}_post += weight*released/U"
OPENS_GLUTAMATE = "glutamate_post += release_size*released/num_PYR"

#: What the cells of a column have in common of their afferents.
COMMON = ("shared_noise", "slow_noise", "autoreceptor_ext")
#: Parameters that differ from cell to cell; the others of a population are constants of its namespace.
PER_CELL = {"C_m": farad, "C_d": farad, "g_L": siemens, "g_L_d": siemens, "mean_ext": siemens, "g_NMDA_max": siemens}
PER_CELL |= {"mean_ext_d": siemens, "g_NMDA_max_d": siemens, "NMDA_ratio": 1, "NMDA_ratio_ext": 1}
CONSTANT = {"g_c": siemens, "E_L": volt, "Delta_T": volt, "V_r": volt, "a": siemens, "b": amp, "tau_w": second}
CONSTANT |= {"t_ref": second, "tau_AMPA": second, "tau_NMDA": second, "tau_GABA": second}
CONSTANT |= dict.fromkeys(("own_ext", "common_ext", "slow_ext", "slow_ext_d"), 1)
CONSTANT |= {"tau_GABA_d": second, "g_tonic_max": siemens, "g_tonic_max_d": siemens, "V_cut_above": volt}


def compartments(population: str) -> tuple[str, ...]:
    """Suffixes of the compartments with excitatory synapses: the dendrites of interneurons have none."""
    return ("", "_d") if population == "PYR" else ("",)


def subunits(exp: Experiment, population: str) -> list[str]:
    """Tags of the subunits that a population has."""
    mix = schema.subunit_mix(getattr(exp.numbers.cells, population))
    return [tag for tag, name in zip(TAGS, CLASSES, strict=True) if mix[name] > 0]


def cell_equations(exp: Experiment, population: str, gate: str, noise: str) -> str:
    """Model text of a population."""
    tags = subunits(exp, population)
    parts = [SOMA, DENDRITE, *(INHIBITORY.format(c=c, v=v) for c, v in (("", "v"), ("_d", "v_d")))]
    parts += [f"{name} : 1 (linked)" for name in (*COMMON, *(f"p_tonic_{k}" for k in tags))]
    parts += [f"{key} : 1 (constant)" for key in ("NMDA_ratio", "NMDA_ratio_ext")]
    for c in compartments(population):
        v = "v" + c
        opened = " + ".join(OPEN.format(k=k, c=c) for k in tags)
        kind = (XI if noise == "xi" else REGULAR).format(c=c)
        recurrent = RECURRENT[gate].format(c=c)
        parts.append(EXCITATORY.format(c=c, v=v, open=opened, recurrent=recurrent, noise=kind))
        parts += [SUBUNIT.format(k=k, c=c, v=v) for k in tags]
    parts.append("I_syn = I_AMPA + I_ext + I_NMDA + I_GABA : amp")
    if population == "PYR":
        parts += ["I_syn_d = I_AMPA_d + I_ext_d + I_NMDA_d + I_GABA_d : amp", "autoreceptor : 1 (linked)"]
        return "\n".join([*parts, "inhibited : 1"])
    return "\n".join([*parts, "I_syn_d = I_GABA_d : amp"])


def shared(exp: Experiment, values: draw.Arrays) -> dict[str, object]:
    """Constants of every namespace."""
    numbers, drug = exp.numbers, exp.numbers.drugs.ketamine
    level = values["drug_schedule.values"][:, 0]
    found = {
        "E_exc": numbers.synapses.E_exc.si * volt,
        "E_GABA": numbers.synapses.E_GABA.si * volt,
        "sd_ext": numbers.drive.sd.si,
        "tau_ext": numbers.drive.tau.si * second,
        "slow_share_AMPA": numbers.drive.slow_share_AMPA.si,
        "slope_Mg": numbers.receptors.slope_Mg.si / volt,
        "slope_off": drug.slope_off.si / volt,
        "k_on": drug.k_on.si * Hz / mmolar,
        "k_untrap": drug.k_untrap.si * Hz,
        "acceleration": exp.numerics.block_acceleration,
        "ketamine": TimedArray(level * mmolar, dt=exp.duration.si / level.size * second),
    }
    for tag, name in zip(TAGS, CLASSES, strict=True):
        found[f"Mg_ratio_{tag}"] = numbers.receptors.Mg.si / K_Mg_zero(numbers.receptors, name)
        found[f"k_off_{tag}"] = float(k_off(drug, name, 0.0)) * Hz
    return found


def make_cells(
    exp: Experiment, values: draw.Arrays, column: NeuronGroup, gate: str, noise: str
) -> dict[str, NeuronGroup]:
    """One group a population, with its parameters and initial state."""
    groups, everywhere = {}, shared(exp, values)
    for population, where in ranges(common.counts(exp)).items():
        of = {key.removeprefix("cells."): value for key, value in values.items() if key.startswith("cells.")}
        of = {key: value[where] for key, value in of.items() if value.ndim}
        of["V_cut_above"] = of["cut_above"]
        names = everywhere | {key: float(of[key][0]) * unit for key, unit in CONSTANT.items()}
        tags, suffixes = subunits(exp, population), compartments(population)
        names |= {f"f_{k}": float(of[f"f_{k}"][0]) for k in tags}
        group = NeuronGroup(
            where.stop - where.start,
            cell_equations(exp, population, gate, noise),
            threshold="v > V_T + V_cut_above",
            reset="v = V_r; w += b",
            refractory="t_ref",
            method="euler",
            namespace=names,
            name=population,
        )
        for name in (*COMMON, *(f"p_tonic_{k}" for k in tags)):
            setattr(group, name, b2.linked_var(column, name))
        if population == "PYR":
            group.autoreceptor = b2.linked_var(column, "autoreceptor")
            # Brian2's synapses cannot read what is linked; the column's clock is soon enough.
            group.run_regularly("inhibited = autoreceptor", dt=1 * ms)
        for key, unit in PER_CELL.items():
            if key in group.variables:
                setattr(group, key, of[key] * unit)
        group.V_T = of["V_T_rest"] * volt
        group.v, group.v_d = of["v"] * volt, of["v_d"] * volt
        for c in suffixes:
            setattr(group, f"noise{c}", of[f"noise{c}"])
            setattr(group, f"g_NMDA_ext{c}", of[f"g_NMDA_ext{c}"] * siemens)
        if noise == "regular":
            group.run_regularly("\n".join(REGULAR_STEP.format(c=c) for c in suffixes), dt=1 * ms)
        groups[population] = group
    return groups


def make_column(exp: Experiment) -> NeuronGroup:
    """Glutamate of the column."""
    numbers = exp.numbers
    pool = numbers.glutamate
    names = {key: getattr(pool, key).si * mmolar / second for key in ("leak", "release_ext", "uptake_max")}
    names |= {key: getattr(pool, key).si * mmolar for key in ("uptake_K", "mGluR_EC50")}
    names |= {key: getattr(pool, key).si for key in ("mGluR_max", "mGluR_max_ext", "mGluR_hill")}
    names |= {key: getattr(numbers.drive, key).si * second for key in ("tau_shared", "tau_slow")}
    names["hill_glutamate"] = numbers.receptors.hill_glutamate.si
    for tag, name in zip(TAGS, CLASSES, strict=True):
        names[f"EC50_{tag}"] = getattr(numbers.receptors, name).EC50_glutamate.si * mmolar
    text = "\n".join([COLUMN, *(TONIC.format(k=k) for k in TAGS)])
    column = NeuronGroup(1, text, method="euler", dt=1 * ms, namespace=names, name="column")
    column.glutamate = pool.initial.si * mmolar
    return column


def plasticity(exp: Experiment, pathway: str) -> dict[str, object]:
    """Namespace of a pathway's synapses."""
    path, target = getattr(exp.numbers.pathways, pathway), split(pathway)[1]
    k_zero, k_one = draw.gate_constants(exp.numbers, target)
    cell = getattr(exp.numbers.cells, target)
    return {
        "U": path.U.si,
        "tau_rec": path.tau_rec.si * second,
        "tau_fac": path.tau_fac.si * second,
        "tau_gate": cell.tau_NMDA.si * second,
        "k_zero": k_zero,
        "k_one": k_one,
    }


def make_synapses(
    exp: Experiment, values: draw.Arrays, groups: dict[str, NeuronGroup], gate: str
) -> dict[str, Synapses]:
    """One object a pathway; the two kinds of synapses among pyramidal cells are two."""
    found, numbers = {}, exp.numbers.synapses
    for name, edges in common.pathways(exp, values).items():
        pathway = name.removesuffix("_apical")
        source, target = split(pathway)
        excites = source == "PYR"
        c = "_d" if name.endswith("_apical") or source == "SST" else ""
        opens = OPENS_EXCITATORY + OPENS_NMDA[gate] if excites else OPENS_INHIBITORY
        release = RELEASE.format(autoreceptor="inhibited_pre" if excites else "1")
        delay = numbers.delay_excitation if excites else numbers.delay_inhibition
        synapses = Synapses(
            groups[source],
            groups[target],
            "\n".join([WEIGHT, STP, GATE[gate].format(c=c)] if excites else [WEIGHT, STP]),
            on_pre=release + opens.format(c=c),
            delay=delay.si * second,
            method="euler",
            namespace=plasticity(exp, pathway),
            name=name,
        )
        synapses.connect(i=edges["i"], j=edges["j"])
        synapses.weight = edges["weight"] * siemens
        synapses.x = 1
        found[name] = synapses
    return found


def make_release(exp: Experiment, PYR: NeuronGroup, column: NeuronGroup) -> Synapses:
    """What pyramidal cells spill over into the column, and the sums of their currents."""
    names = dict(PYR.namespace) | plasticity(exp, "PYR_to_PYR")
    names |= {"release_size": exp.numbers.glutamate.release_size.si * mmolar, "num_PYR": len(PYR)}
    release = RELEASE.format(autoreceptor="inhibited_pre") + OPENS_GLUTAMATE
    synapses = Synapses(PYR, column, STP + READOUT, on_pre=release, namespace=names, name="release")
    synapses.connect()
    synapses.x = 1
    return synapses


def record(exp: Experiment, groups: dict[str, NeuronGroup], column: NeuronGroup) -> list[object]:
    """What our program records too: spikes, the column, some cells' block and voltage."""
    from circuit.network import BLOCK_SAMPLE, evenly

    step = exp.recording.lfp_step.si * second
    sums = ["glutamate", "I_AMPA_sum", "I_exc_sum", "I_inh_sum"]
    monitors = [StateMonitor(column, sums, record=True, dt=step)]
    for population, group in groups.items():
        whole, suffixes = slice(0, len(group)), compartments(population)
        blocked = [f"block_{k}{c}" for k in subunits(exp, population) for c in suffixes]
        sample, traced = evenly(whole, BLOCK_SAMPLE), evenly(whole, exp.recording.num_traced)
        monitors += [SpikeMonitor(group, name=f"spikes_{population}")]
        monitors += [StateMonitor(group, blocked, record=sample, dt=exp.recording.trace_step.si * second)]
        monitors += [StateMonitor(group, ["v", "v_d"], record=traced, dt=step)]
    return monitors


def make(exp: Experiment, gate: str, noise: str) -> tuple[b2.Network, dict[str, NeuronGroup], dict[str, SpikeMonitor]]:
    """Return the network, and by population its cells and its spikes."""
    values = draw.arrays(exp)
    b2.defaultclock.dt = exp.numerics.dt.si * second
    column = make_column(exp)
    groups = make_cells(exp, values, column, gate, noise)
    synapses = make_synapses(exp, values, groups, gate)
    release, monitors = make_release(exp, groups["PYR"], column), record(exp, groups, column)
    network = b2.Network(column, *groups.values(), *synapses.values(), release, *monitors)
    return network, groups, {name: network[f"spikes_{name}"] for name in POPULATIONS}


def build(folder: Path, cells: int, seconds: float, seed: int, threads: int, gate: str, noise: str) -> None:
    """Generate and compile the program; note what its results files are called."""
    start = time.monotonic()
    exp = common.experiment(cells, seconds, seed)
    b2.set_device("cpp_standalone", build_on_run=False)
    if threads > 1:
        b2.prefs.devices.cpp_standalone.openmp_threads = threads
    network, groups, spikes = make(exp, gate, noise)
    network.run(exp.duration.si * second)
    constructed = time.monotonic()
    b2.device.build(directory=str(folder), run=False)
    file_of = b2.device.get_array_filename
    described = {
        "cells": cells,
        "seconds": seconds,
        "seed": seed,
        "spikes": {name: file_of(monitor.variables["N"]) for name, monitor in spikes.items()},
        "state": [file_of(groups[name].variables[v]) for name in POPULATIONS for v in STATE],
        "num_synapses": sum(edges["i"].size for edges in common.pathways(exp, draw.arrays(exp)).values()),
        "construct_s": round(constructed - start, 4),
        "build_s": round(time.monotonic() - constructed, 4),
    }
    (folder / RESULTS).write_text(json.dumps(described))
    common.tell(described)


def run(folder: Path) -> None:
    """Run the program once; tell its time loop's time, its rates, and whether its state is finite."""
    told = json.loads((folder / RESULTS).read_text())
    results = folder / "results"
    start = time.monotonic()
    subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - start
    loop = float((results / "last_run_info.txt").read_text().split()[0])
    exp = common.experiment(told["cells"], told["seconds"], told["seed"])
    spikes = {name: int(np.fromfile(results / file, np.int32)[0]) for name, file in told["spikes"].items()}
    is_finite = all(np.isfinite(np.fromfile(results / file)).all() for file in told["state"])
    common.tell(
        {
            "simulate_s": loop,
            "initialise_s": round(whole - loop, 4),
            "rates_hz": common.rates(spikes, exp),
            "is_finite": is_finite,
            **{key: told[key] for key in ("construct_s", "build_s", "num_synapses")},
        }
    )


def interpret(folder: Path, exp: Experiment, gate: str, noise: str) -> None:
    """Run with NumPy, without compiling; write spikes and final state by "population.variable", SI units."""
    b2.prefs.codegen.target = "numpy"
    network, groups, spikes = make(exp, gate, noise)
    network.run(exp.duration.si * second)
    state = {name: group.get_states(STATE) for name, group in groups.items()}
    found = {f"{name}.{key}": np.asarray(state[name][key]) for name in POPULATIONS for key in STATE}
    found |= {f"{name}.num_spikes": np.asarray(monitor.num_spikes) for name, monitor in spikes.items()}
    np.savez(folder / "state.npz", **found)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["build", "run", "interpret"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time")
    parser.add_argument("--seed", type=int, default=1, help="of the network")
    parser.add_argument("--threads", type=int, default=1, help="of OpenMP")
    parser.add_argument("--gate", choices=["clock", "event"], default="clock", help="how the NMDA gate is integrated")
    parser.add_argument("--noise", choices=["xi", "regular"], default="xi", help="xi each step, or once a millisecond")
    parser.add_argument("--set", action="append", default=[], help="a setting, for interpret alone")
    asked = parser.parse_args()
    if asked.do == "build":
        build(asked.folder, asked.cells, asked.seconds, asked.seed, asked.threads, asked.gate, asked.noise)
    elif asked.do == "run":
        run(asked.folder)
    else:
        exp = common.experiment(asked.cells, asked.seconds, asked.seed, overrides=asked.set)
        interpret(asked.folder, exp, asked.gate, asked.noise)


if __name__ == "__main__":
    main()
