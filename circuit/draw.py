# SPDX-License-Identifier: GPL-3.0-or-later
"""All values of one run as arrays, in SI units, from the experiment and its seed.

What `circuit.network` compiles has no numbers; these arrays are what it runs on. They are drawn on the host from named
streams, so every device gets the same network, cell for cell. Keys are ``object.variable``; synapse indices end in
``.i`` and ``.j``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from circuit import plasticity, schema, signalling, spines
from circuit.connectivity import fixed_in_degree
from circuit.course import Segment, segments, slow_numbers
from circuit.equations import SCHEDULED
from circuit.exposure import concentration, exposures
from circuit.interventions import effects
from circuit.populations import PATHWAYS, POPULATIONS, ranges, sizes, split
from circuit.potency import K_Mg_zero
from circuit.receptors import gate_jump, tonic_activation
from circuit.streams import stream
from circuit.subunits import CLASSES, TAGS
from circuit.units import Quantity

if TYPE_CHECKING:
    from circuit.config import Experiment

Arrays = dict[str, NDArray]

#: Samples of what the drugs do over a run, looked up as a step function of time.
SCHEDULE_SAMPLES = 4096
#: S. Stands for "no receptors here" where an activation is a ratio to it; too small to weigh in any mean.
NO_RECEPTORS = 1e-18
#: A cell that has not spiked yet: long enough ago that its terminals are at rest.
NEVER = -1e3
V_CUT_SLOPES = 5


def arrays(exp: Experiment, segment: Segment | None = None) -> Arrays:
    """Everything that the compiled program is given at run time.

    Parameters
    ----------
    exp : Experiment
        A loaded config.
    segment : Segment, optional
        Which part of it; its first by default. State is that of the start all the same.

    Returns
    -------
    dict of str to ndarray
        SI units (1 mM is 1.0), float64, or int32 for indices.
    """
    return Networks().arrays(exp, segment)


class Networks:
    """Draws the arrays of one experiment after the other, and a network once for all in a row that have it.

    Points of a sweep that differ in a drug and not in the seed have the same cells and synapses, and those take most of
    the time. They share the arrays, which are therefore read-only.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._network: Arrays = {}

    def arrays(self, exp: Experiment, segment: Segment | None = None) -> Arrays:
        """As the function `arrays`."""
        segment = segment or segments(exp)[0]
        numbers = exp.numbers if segment.intact else with_knockdowns(exp)
        counts = sizes(exp.network.num_neurons, schema.fractions(numbers))
        values = self._drawn(counts, exp.seed, exp.numerics.dt.si, exp.recording.lfp_step.si, numbers)
        values |= shared(exp, numbers) | slow_numbers(exp, numbers, segment) | slow_state(exp, counts)
        return values | column(exp, counts["PYR"], segment)

    def _drawn(self, counts: dict[str, int], seed: int, dt: float, step: float, numbers: schema.Parameters) -> Arrays:
        key = counts, seed, dt, step, numbers
        if key != self._key:
            self._key, self._network = None, {}  # two at a time would be too many of the largest
            self._network = network(*key)
            self._key = key
            for values in self._network.values():
                values.flags.writeable = False
        return dict(self._network)


def network(counts: dict[str, int], seed: int, dt: float, step: float, numbers: schema.Parameters) -> Arrays:
    """Cells and synapses with their state at the start; `dt` and `step` of the column clock in s."""
    values = cell_parameters(numbers, counts, seed, dt, step)
    values |= excitation(numbers, counts, seed) | inhibition(numbers, counts, seed) | contacts(numbers, counts, seed)
    values |= receptor_pools(values, numbers, counts)
    return values | initial_state(values, numbers, counts, seed)


def moving(exp: Experiment, segment: Segment) -> Arrays:
    """Return what of `arrays` changes from segment to segment of a course."""
    numbers = exp.numbers if segment.intact else with_knockdowns(exp)
    num_PYR = sizes(exp.network.num_neurons, schema.fractions(numbers))["PYR"]
    drugs = column(exp, num_PYR, segment)
    names = ("column.schedule_rate", "drug_schedule.values", *(f"column.{name}" for name in electrode(exp, segment)))
    return slow_numbers(exp, numbers, segment) | {name: drugs[name] for name in names}


def with_knockdowns(exp: Experiment) -> schema.Parameters:
    """Return the numbers of the model with the experiment's knock-downs in them.

    The receptors that are left keep their conductance: nothing compensates. Synaptic currents decay as the rest does,
    with the mean of the subunits' rates of deactivation, which triheteromeric receptors follow too (Yi2019).
    """
    numbers, cells = exp.numbers, {}
    for pop, cell in numbers.cells:
        left = dict.fromkeys(CLASSES, 1.0)
        left |= {one.subunit: one.remaining for one in exp.knockdowns if pop in one.populations}
        cells[pop] = _knocked_down(cell, left, numbers.receptors)
    return numbers.model_copy(update={"cells": numbers.cells.model_copy(update=cells)})


def _knocked_down(cell: schema.Cell, left: dict[str, float], receptors: schema.Receptors) -> schema.Cell:
    mix = schema.subunit_mix(cell)
    rest = {name: share * left[name] for name, share in mix.items()}
    changed = {f"fraction_{name}": share for name, share in rest.items()}
    update = {key: getattr(cell, key).model_copy(update={"value": value}) for key, value in changed.items()}
    if rest != mix and sum(rest.values()) > 0:
        tau = cell.tau_NMDA.to("ms") * mean_deactivation(rest, receptors) / mean_deactivation(mix, receptors)
        update["tau_NMDA"] = cell.tau_NMDA.model_copy(update={"value": Quantity(tau, "ms")})
    return cell.model_copy(update=update)


def mean_deactivation(mix: dict[str, float], receptors: schema.Receptors) -> float:
    """Time constant of the mean rate of deactivation of a mix of subunits, s."""
    rate = sum(share / getattr(receptors, name).tau_deactivation.si for name, share in mix.items())
    return sum(mix.values()) / rate


def euler_tau(tau: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    """Time constants with which one Euler step of `dt` decays by exactly exp(-dt/tau); all in s."""
    return -dt / np.expm1(-dt / tau)


def per_cell(numbers: schema.Parameters, counts: dict[str, int], key: str) -> NDArray[np.float64]:
    """One parameter of `schema.Cell` for each cell, shape (num_neurons,), SI."""
    return np.concatenate([np.full(counts[pop], getattr(getattr(numbers.cells, pop), key).si) for pop in POPULATIONS])


def log_normal(rng: np.random.Generator, log_sd: float, size: int) -> NDArray[np.float64]:
    """Factors with mean 1 whose logarithm has standard deviation `log_sd`, shape (size,)."""
    return rng.lognormal(-(log_sd**2) / 2, log_sd, size)


def cell_parameters(numbers: schema.Parameters, counts: dict[str, int], seed: int, dt: float, step: float) -> Arrays:
    """Parameters of the cells, heterogeneous where the model says so; `dt` and `step` of the column clock in s."""
    total, spread = sum(counts.values()), numbers.heterogeneity
    plain = ("g_c", "E_L", "Delta_T", "V_r", "a", "b", "tau_w", "t_ref", "slow_ext", "slow_ext_d")
    values = {key: per_cell(numbers, counts, key) for key in plain}
    rng = stream(seed, "cell_parameters")
    C, g = log_normal(rng, spread.log_sd_C.si, total), log_normal(rng, spread.log_sd_g_L.si, total)
    for key, factor in (("C_m", C), ("C_d", C), ("g_L", g), ("g_L_d", g)):
        values[key] = per_cell(numbers, counts, key) * factor
    V_T = per_cell(numbers, counts, "V_T") + per_cell(numbers, counts, "V_T_sd") * rng.standard_normal(total)
    values |= {"V_T_rest": V_T, "cut_above": V_CUT_SLOPES * values["Delta_T"]}
    for key in ("tau_AMPA", "tau_NMDA", "tau_GABA", "tau_GABA_d"):
        values[key] = euler_tau(per_cell(numbers, counts, key), dt)
    values["gate_decay_ext"] = np.exp(-step / per_cell(numbers, counts, "tau_NMDA"))
    share = log_normal(stream(seed, "NMDA_share"), spread.log_sd_NMDA.si, total)
    for key in ("NMDA_ratio", "NMDA_ratio_ext"):
        values[key] = per_cell(numbers, counts, key) * share
    common = per_cell(numbers, counts, "shared_ext")  # a share of the variance
    values |= {"common_ext": np.sqrt(common), "own_ext": np.sqrt(1 - common)}
    drive = log_normal(stream(seed, "background_means"), spread.log_sd_ext.si, total)
    drive *= inhibition_received(numbers, counts, seed)
    for key in ("mean_ext", "mean_ext_d"):
        values[key] = per_cell(numbers, counts, key) * drive
    for key in ("g_tonic_max", "g_tonic_max_d"):
        values[key] = per_cell(numbers, counts, key)
    for tag, name in zip(TAGS, CLASSES, strict=True):
        values[f"f_{tag}"] = per_cell(numbers, counts, f"fraction_{name}")
    values |= terminals(numbers, counts)
    values["stimulated"] = stimulated(numbers, counts, seed).astype(float)
    return {f"cells.{key}": value for key, value in values.items()}


def inhibition_received(numbers: schema.Parameters, counts: dict[str, int], seed: int) -> NDArray[np.float64]:
    """Factor of each cell's inhibitory weights and of its afferents, which balance them; 1 but in pyramidal cells."""
    factor = np.ones(sum(counts.values()))
    factor[ranges(counts)["PYR"]] = log_normal(
        stream(seed, "inhibition"), numbers.heterogeneity.log_sd_inhibition.si, counts["PYR"]
    )
    return factor


def stimulated(numbers: schema.Parameters, counts: dict[str, int], seed: int) -> NDArray[np.bool_]:
    """Which cells' afferents an electrode reaches: a share of the pyramidal ones, shape (num_neurons,)."""
    found, cells = np.zeros(sum(counts.values()), dtype=bool), ranges(counts)["PYR"]
    number = round(numbers.stimulation.share.value * counts["PYR"])
    found[cells.start + stream(seed, "stimulated").permutation(counts["PYR"])[:number]] = True
    return found


def electrode(exp: Experiment, segment: Segment) -> dict[str, float]:
    """What the electrode of a column does in a segment, by the names in `circuit.plasticity.STIMULUS`; SI units."""
    numbers = exp.numbers.stimulation
    interval, pulses = plasticity.PATTERNS.get(segment.stimulus, ("test_interval", plasticity.SINGLE))
    return {
        "stimulus_size": numbers.size.si if segment.stimulus else 0.0,
        "stimulus_from": segment.stimulus_from,
        "burst_interval": getattr(numbers, interval).si,
        "pulse_interval": numbers.pulse_interval.si,
        "pulse_width": numbers.pulse_width.si,
        "num_pulses": 1.0 if pulses == plasticity.SINGLE else float(getattr(numbers, pulses).value),
    }


def terminals(numbers: schema.Parameters, counts: dict[str, int]) -> Arrays:
    """Short-term plasticity and alpha5 share by source cell and target population; which population a cell is."""
    values: Arrays = {}
    where = ranges(counts)
    for target in POPULATIONS:
        for key in ("U", "tau_rec", "tau_fac"):
            paths = [getattr(getattr(numbers.pathways, f"{pop}_to_{target}"), key).si for pop in POPULATIONS]
            values[f"{key}_{target}"] = np.repeat(paths, [counts[pop] for pop in POPULATIONS])
        values[f"to_{target}"] = np.zeros(sum(counts.values()))
        values[f"to_{target}"][where[target]] = 1
        values[f"alpha_five_{target}"] = np.zeros(sum(counts.values()))
    values["alpha_five_PYR"][where["SST"]] = numbers.channels.alpha5_fraction.si
    return values | {"is_PYR": values["to_PYR"].copy()}


def edges(
    numbers: schema.Parameters,
    counts: dict[str, int],
    seed: int,
    pathways: list[str],
    degrees: dict[str, int] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Sources, targets (indices over all cells) and weights (S) of some pathways, by source.

    Weights are log-normal with the pathway's mean; `degrees` are the in-degrees if not those of the numbers.
    """
    degrees, where = degrees or schema.in_degrees(numbers), ranges(counts)
    sources, targets, weights = [], [], []
    for name in pathways:
        source, target = split(name)
        key = PATHWAYS.index(name)
        i, j = fixed_in_degree(
            counts[source], counts[target], degrees[name], source == target, stream(seed, "connectivity", key)
        )
        by_source = _order(i)  # The order in which weights are dealt.
        i, j = i[by_source], j[by_source]
        factor = log_normal(stream(seed, "weights", key), numbers.heterogeneity.log_sd_weight.si, i.size)
        sources.append(i + where[source].start)
        targets.append(j + where[target].start)
        weights.append(getattr(numbers.pathways, name).g.si * factor)
    i, j = np.concatenate(sources).astype(np.int32), np.concatenate(targets).astype(np.int32)
    by_source = _order(i)  # A spike then finds its synapses side by side in memory.
    return i[by_source], j[by_source], np.concatenate(weights)[by_source]


def _order(i: NDArray[np.int32]) -> NDArray[np.intp]:
    """Places in the order of the cells there, equal ones as they stand; NumPy sorts by digits what fits 16 bits."""
    return np.argsort(i.astype(np.uint16) if i.size and i.max() < 2**16 else i, kind="stable")


def synapses(name: str, i: NDArray, j: NDArray, weight: NDArray, on_dendrite: NDArray, scale: float) -> Arrays:
    """Arrays of one synapses object; those `on_dendrite` have their weight, times `scale`, there and none elsewhere."""
    return {
        f"{name}.i": i,
        f"{name}.j": j,
        f"{name}.weight": np.where(on_dendrite, 0.0, weight),
        f"{name}.weight_d": np.where(on_dendrite, scale * weight, 0.0),
    }


def excitation(numbers: schema.Parameters, counts: dict[str, int], seed: int) -> Arrays:
    """Synapses of pyramidal cells onto the somata of interneurons."""
    names = [name for name in PATHWAYS if split(name)[0] == "PYR" and split(name)[1] != "PYR"]
    i, j, weight = edges(numbers, counts, seed, names)
    return {"excitation.i": i, "excitation.j": j, "excitation.weight": weight}


def contacts(numbers: schema.Parameters, counts: dict[str, int], seed: int) -> Arrays:
    """Potential contacts of pyramidal cells among themselves, some of them with a spine; a share is apical.

    Weights are those of a mature spine, such that all spines of a cell in health have the pathway's mean.
    """
    name = "PYR_to_PYR"
    i, j, weight = edges(numbers, counts, seed, [name], {name: schema.contacts(numbers)})
    apical = stream(seed, "apical_targets").random(i.size) < numbers.synapses.apical_fraction.si
    weight = weight / spines.mean_efficacy(numbers)
    values = synapses("spines", i, j, weight, apical, numbers.synapses.apical_scale.si)
    stage, head = spines.initial(numbers, i.size, stream(seed, "spines"))
    values |= {"spines.stage": stage, "spines.head": head, "spines.efficacy": np.where(stage > 0, head, 0.0)}
    return values | {"spines.potentiation": np.zeros(stage.size)}


def slow_state(exp: Experiment, counts: dict[str, int]) -> Arrays:
    """Slow biology in health, whatever the sensors may read; which cells' receptors drugs reach."""
    total = sum(counts.values())
    values = {name: np.ones(total) for name in (*signalling.CHAIN, *signalling.SPINE_RATES)}
    values |= {name: np.zeros(total) for name in (*signalling.FROM_ZERO, *signalling.SENSORS)}
    values |= {name: np.ones(total) for name in signalling.REFERENCES.values()}
    reached = np.full(total, float(exp.routes.disinhibition))
    reached[ranges(counts)["PYR"]] = float(exp.routes.direct)
    return {f"cells.{name}": value for name, value in (values | {"reached": reached}).items()}


def inhibition(numbers: schema.Parameters, counts: dict[str, int], seed: int) -> Arrays:
    """Synapses of interneurons: SST cells reach dendrites, PV and VIP cells somata."""
    names = [name for name in PATHWAYS if split(name)[0] != "PYR"]
    i, j, weight = edges(numbers, counts, seed, names)
    weight = weight * inhibition_received(numbers, counts, seed)[j]
    sst = ranges(counts)["SST"]
    return synapses("inhibition", i, j, weight, (i >= sst.start) & (i < sst.stop), 1.0)


def receptor_pools(values: Arrays, numbers: schema.Parameters, counts: dict[str, int]) -> Arrays:
    """NMDA conductance of each cell and compartment with every synaptic receptor activated, S.

    The recurrent part is the sum over the synapses of a cell (a first spike opens the share U k0 of them), the
    afferent part the mean conductance over the mean activation.
    """
    total = sum(counts.values())
    opened = [getattr(numbers.pathways, f"PYR_to_{pop}").U.si * gate_constants(numbers, pop)[0] for pop in POPULATIONS]
    per_spike = np.repeat(opened, [counts[pop] for pop in POPULATIONS])
    pools = {}
    for c in ("", "_d"):
        summed = np.bincount(values["spines.j"], values[f"spines.weight{c}"] * values["spines.efficacy"], total)
        if not c:
            summed += np.bincount(values["excitation.j"], values["excitation.weight"], total)
        recurrent = summed * values["cells.NMDA_ratio"] / per_spike
        mean_NMDA = values["cells.NMDA_ratio_ext"] * values[f"cells.mean_ext{c}"]
        pool = recurrent + mean_NMDA / numbers.drive.activation.si
        pools[f"cells.g_NMDA_max{c}"] = np.where(pool > 0, pool, NO_RECEPTORS)
    return pools


def gate_constants(numbers: schema.Parameters, target: str) -> tuple[float, float]:
    """Jump constants of the NMDA gate at synapses onto `target` (see `circuit.receptors.gate_jump`)."""
    tau_decay = getattr(numbers.cells, target).tau_NMDA.si
    return gate_jump(numbers.synapses.gate_alpha.si, numbers.synapses.gate_tau_rise.si, tau_decay)


def shared(exp: Experiment, numbers: schema.Parameters) -> Arrays:
    """Numbers that all cells share."""
    step = exp.recording.lfp_step.si
    receptors, drive = numbers.receptors, numbers.drive
    decay = np.exp(-step / drive.tau.si)
    values = {
        "E_exc": numbers.synapses.E_exc.si,
        "E_GABA": numbers.synapses.E_GABA.si,
        "sd_ext": drive.sd.si,
        "noise_decay": decay,
        "noise_step": np.sqrt(1 - decay**2),
        "slow_share_AMPA": drive.slow_share_AMPA.si,
        "slope_Mg": receptors.slope_Mg.si,
        "sodium_min": numbers.channels.sodium_min.si,
        "block_step": exp.numerics.block_step.si,
        "step_entry": -np.expm1(-exp.numerics.block_step.si / exp.numerics.slow_step.si),
    }
    values |= {name: getattr(numbers.plasticity, name).si for name in plasticity.CELL_NUMBERS}
    for tag, name in zip(TAGS, CLASSES, strict=True):
        values[f"Mg_ratio_{tag}"] = receptors.Mg.si / K_Mg_zero(receptors, name)
    for target in POPULATIONS:
        values[f"tau_gate_{target}"] = getattr(numbers.cells, target).tau_NMDA.si
        values[f"k_zero_{target}"], values[f"k_one_{target}"] = gate_constants(numbers, target)
    return {f"cells.{key}": np.array(value, dtype=float) for key, value in values.items()}


def initial_state(values: Arrays, numbers: schema.Parameters, counts: dict[str, int], seed: int) -> Arrays:
    """State at time zero: voltages between rest and threshold, drive at its mean, terminals rested, nothing blocked."""
    total, rng = sum(counts.values()), stream(seed, "initial_state")
    E_L, V_T = values["cells.E_L"], values["cells.V_T_rest"]
    v = E_L + (V_T - E_L) * rng.random(total)
    state = {"v": v, "v_d": v.copy(), "t_last": np.full(total, NEVER)}
    state |= {"V_T": V_T, "V_cut": V_T + values["cells.cut_above"]}
    for c in ("", "_d"):
        state[f"noise{c}"] = rng.standard_normal(total)
        state[f"g_ext{c}"] = values[f"cells.mean_ext{c}"]
        state[f"g_NMDA_ext{c}"] = values["cells.NMDA_ratio_ext"] * values[f"cells.mean_ext{c}"]
    for target in POPULATIONS:
        state[f"x_{target}"] = np.ones(total)
    glutamate = numbers.glutamate.initial.si
    for tag, name in zip(TAGS, CLASSES, strict=True):
        receptor = getattr(numbers.receptors, name)
        p = tonic_activation(glutamate, receptor.EC50_glutamate.si, numbers.receptors.hill_glutamate.si)
        for c in ("", "_d"):
            state[f"free_{tag}{c}"] = values[f"cells.f_{tag}"]
            state[f"tonic_{tag}{c}"] = values[f"cells.g_tonic_max{c}"] * values[f"cells.f_{tag}"] * p
    return {f"cells.{key}": value for key, value in state.items()}


def column(exp: Experiment, num_PYR: int, segment: Segment) -> Arrays:
    """Input common to the cells, glutamate, autoreceptors and the drugs' schedule."""
    constants = exp.numbers.glutamate
    values = {key: getattr(constants, key).si for key in type(constants).model_fields if key != "initial"}
    glutamate = constants.initial.si
    inhibition = tonic_activation(glutamate, values["mGluR_EC50"], values["mGluR_hill"])
    values |= {"glutamate": glutamate, "vesicular": 0.0, "num_PYR": num_PYR} | common_input(exp)
    values |= {f"autoreceptor{of}": 1 - values[f"mGluR_max{of}"] * inhibition for of in ("", "_ext")}
    values["hill_glutamate"] = exp.numbers.receptors.hill_glutamate.si
    for tag, name in zip(TAGS, CLASSES, strict=True):
        values[f"EC50_{tag}"] = EC50 = getattr(exp.numbers.receptors, name).EC50_glutamate.si
        values[f"p_tonic_{tag}"] = tonic_activation(glutamate, EC50, values["hill_glutamate"])
    # The schedule's samples are one second apart in its own time, whatever the run's length.
    values["schedule_rate"] = SCHEDULE_SAMPLES / segment.duration
    drugs = schedule(exp, segment)
    values |= dict(zip(SCHEDULED, drugs[0], strict=True))
    values |= electrode(exp, segment)
    values["log_sodium"] = np.log(values["sodium_factor"])
    return {f"column.{key}": np.array([value], dtype=float) for key, value in values.items()} | {
        "drug_schedule.values": drugs,
        "readout.i": np.arange(num_PYR, dtype=np.int32),
        "readout.j": np.zeros(num_PYR, dtype=np.int32),
    }


def common_input(exp: Experiment) -> dict[str, float]:
    """Noise that the cells of a column share, at its start and from step to step."""
    step, drive = exp.recording.lfp_step.si, exp.numbers.drive
    start = stream(exp.seed, "common_input").standard_normal(2)
    values = {}
    for name, tau, first in (("shared", drive.tau_shared, start[0]), ("slow", drive.tau_slow, start[1])):
        decay = np.exp(-step / tau.si)
        values |= {f"{name}_noise": first, f"{name}_decay": decay, f"{name}_step": np.sqrt(1 - decay**2)}
    return values


def schedule(exp: Experiment, segment: Segment) -> NDArray[np.float64]:
    """What the drugs do, in SI units, shape (SCHEDULE_SAMPLES, len(SCHEDULED)); each sample holds its middle."""
    times = segment.start + (np.arange(SCHEDULE_SAMPLES) + 0.5) * segment.pace * segment.duration / SCHEDULE_SAMPLES
    drug, given = np.zeros_like(times), []
    if not segment.intact:
        drug, given = concentration(exp, times), exposures(exp, times)
    found = {"conc_drug": drug} | effects(exp.numbers.drugs, exp.numbers.receptors, given, times.size)
    return np.stack([np.broadcast_to(found[name], times.shape) for name in SCHEDULED], axis=1)
