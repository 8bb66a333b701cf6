# SPDX-License-Identifier: GPL-3.0-or-later
"""Which numbers the model has: the tree of configs/parameters.yaml, kind by kind.

One class a topic, one field a number. A number missing from the file, a number too many, or one of the wrong kind does
not load. Overrides in an experiment follow the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator

from circuit import units
from circuit.dispositions import Pharmacokinetics
from circuit.drugs import Drugs
from circuit.parameter import Model, Parameter
from circuit.populations import POPULATIONS, sizes, split
from circuit.subunits import CLASSES
from circuit.units import Quantity


class Population(Model):
    """Share of one population."""

    fraction: Parameter[units.Fraction]


class Populations(Model):
    """Shares of all cells; they add up to 1."""

    PYR: Population
    PV: Population
    SST: Population
    VIP: Population


class Cell(Model):
    """One population's cells: soma (AdEx), dendrite, synaptic time constants, NMDA receptors, afferent drive."""

    C_m: Parameter[units.Capacitance]
    C_d: Parameter[units.Capacitance]
    g_L: Parameter[units.Conductance]
    g_L_d: Parameter[units.Conductance]
    g_c: Parameter[units.Conductance]
    E_L: Parameter[units.Voltage]
    V_T: Parameter[units.Voltage]
    V_T_sd: Parameter[units.VoltageRange]
    Delta_T: Parameter[units.VoltageRange]
    V_r: Parameter[units.Voltage]
    a: Parameter[units.Conductance]
    b: Parameter[units.Current]
    tau_w: Parameter[units.TimeConstant]
    t_ref: Parameter[units.Time]
    tau_AMPA: Parameter[units.TimeConstant]
    tau_NMDA: Parameter[units.TimeConstant]
    tau_GABA: Parameter[units.TimeConstant]
    tau_GABA_d: Parameter[units.TimeConstant]
    NMDA_ratio: Parameter[units.NonNegative]
    NMDA_ratio_ext: Parameter[units.NonNegative]
    fraction_GluN2A: Parameter[units.Fraction]
    fraction_GluN2B: Parameter[units.Fraction]
    fraction_GluN2C: Parameter[units.Fraction]
    fraction_GluN2D: Parameter[units.Fraction]
    g_tonic_max: Parameter[units.Conductance]
    g_tonic_max_d: Parameter[units.Conductance]
    mean_ext: Parameter[units.Conductance]
    mean_ext_d: Parameter[units.Conductance]
    shared_ext: Parameter[units.Fraction]
    slow_ext: Parameter[units.NonNegative]
    slow_ext_d: Parameter[units.NonNegative]


class Cells(Model):
    """Cell parameters by population."""

    PYR: Cell
    PV: Cell
    SST: Cell
    VIP: Cell


class Pathway(Model):
    """One ordered pair of populations; STP after Tsodyks and Markram."""

    p: Parameter[units.Fraction]
    g: Parameter[units.Conductance]
    U: Parameter[units.PositiveFraction]
    tau_rec: Parameter[units.TimeConstant]
    tau_fac: Parameter[units.TimeConstant]


class Pathways(Model):
    """All ordered pairs, source first; a pair that is absent has p = 0."""

    PYR_to_PYR: Pathway
    PYR_to_PV: Pathway
    PYR_to_SST: Pathway
    PYR_to_VIP: Pathway
    PV_to_PYR: Pathway
    PV_to_PV: Pathway
    PV_to_SST: Pathway
    PV_to_VIP: Pathway
    SST_to_PYR: Pathway
    SST_to_PV: Pathway
    SST_to_SST: Pathway
    SST_to_VIP: Pathway
    VIP_to_PYR: Pathway
    VIP_to_PV: Pathway
    VIP_to_SST: Pathway
    VIP_to_VIP: Pathway


class Heterogeneity(Model):
    """Cell-to-cell spread; standard deviations of the logarithm, means kept."""

    log_sd_C: Parameter[units.NonNegative]
    log_sd_g_L: Parameter[units.NonNegative]
    log_sd_ext: Parameter[units.NonNegative]
    log_sd_weight: Parameter[units.NonNegative]
    log_sd_NMDA: Parameter[units.NonNegative]
    log_sd_inhibition: Parameter[units.NonNegative]


class Synapses(Model):
    """What all synapses share."""

    num_neurons_ref: Parameter[units.Count]
    E_exc: Parameter[units.Voltage]
    E_GABA: Parameter[units.Voltage]
    delay_excitation: Parameter[units.Time]
    delay_inhibition: Parameter[units.Time]
    apical_fraction: Parameter[units.Fraction]
    apical_scale: Parameter[units.Positive]
    gate_alpha: Parameter[units.InverseTime]
    gate_tau_rise: Parameter[units.TimeConstant]


class Drive(Model):
    """Afferents from outside the column, as an Ornstein-Uhlenbeck AMPA conductance and its NMDA part.

    Of their noise the cells of a column have a share in common (`Cell.shared_ext`), and all of a slow input
    (`Cell.slow_ext`).
    """

    tau: Parameter[units.TimeConstant]
    sd: Parameter[units.NonNegative]
    tau_shared: Parameter[units.TimeConstant]
    tau_slow: Parameter[units.TimeConstant]
    slow_share_AMPA: Parameter[units.Fraction]
    activation: Parameter[units.PositiveFraction]


class Subunit(Model):
    """NMDA receptors with one kind of GluN2 subunit."""

    K_Mg: Parameter[units.Affinity]
    EC50_glutamate: Parameter[units.Affinity]
    EC50_glycine: Parameter[units.Affinity]
    tau_deactivation: Parameter[units.TimeConstant]


class Receptors(Model):
    """NMDA receptors by their GluN2 subunit."""

    Mg: Parameter[units.Concentration]
    V_Mg: Parameter[units.Voltage]
    slope_Mg: Parameter[units.Slope]
    hill_glutamate: Parameter[units.Positive]
    glycine: Parameter[units.Affinity]
    GluN2A: Subunit
    GluN2B: Subunit
    GluN2C: Subunit
    GluN2D: Subunit


class Channels(Model):
    """Channels other than NMDA receptors, as far as drugs act on a part of them."""

    alpha5_fraction: Parameter[units.Fraction]
    sodium_min: Parameter[units.Fraction]


class Glutamate(Model):
    """Extracellular glutamate of the column and its presynaptic autoreceptors."""

    initial: Parameter[units.Concentration]
    release_size: Parameter[units.Concentration]
    release_ext: Parameter[units.ConcentrationRate]
    leak: Parameter[units.ConcentrationRate]
    uptake_max: Parameter[units.ConcentrationRate]
    uptake_K: Parameter[units.Affinity]
    mGluR_max: Parameter[units.Fraction]
    mGluR_max_ext: Parameter[units.Fraction]
    mGluR_EC50: Parameter[units.Affinity]
    mGluR_hill: Parameter[units.Positive]


class TimeConstants(Model):
    """Time constant of each variable of `circuit.signalling.CHAIN`, and of the sensors before them."""

    sensor: Parameter[units.Minutes]
    set_point: Parameter[units.Minutes]
    p_eEF: Parameter[units.Minutes]
    BDNF: Parameter[units.Minutes]
    BDNF_free: Parameter[units.Minutes]
    TrkB: Parameter[units.Minutes]
    TrkB_surface: Parameter[units.Minutes]
    Akt: Parameter[units.Minutes]
    ERK: Parameter[units.Minutes]
    AMPK: Parameter[units.Minutes]
    GSK: Parameter[units.Minutes]
    mTOR: Parameter[units.Minutes]
    p_SK: Parameter[units.Minutes]
    p_BP: Parameter[units.Minutes]
    eIF_B: Parameter[units.Minutes]
    eIF_F: Parameter[units.Minutes]
    supply: Parameter[units.Minutes]
    synapsin: Parameter[units.Minutes]
    PSD: Parameter[units.Minutes]
    GluA: Parameter[units.Minutes]
    assembly: Parameter[units.Minutes]
    growth: Parameter[units.Minutes]
    retrograde: Parameter[units.Minutes]
    scaling: Parameter[units.Minutes]
    IL_beta: Parameter[units.Minutes]
    IL_six: Parameter[units.Minutes]
    hormone: Parameter[units.Minutes]


class Signalling(Model):
    """From glutamate to synaptic proteins, in multiples of health; the equations are in `circuit.signalling`."""

    n_eEF: Parameter[units.Positive]
    SK_on_eEF: Parameter[units.NonNegative]
    eEF_on_translation: Parameter[units.NonNegative]
    AMPK_on_BDNF: Parameter[units.Fraction]
    n_release: Parameter[units.Positive]
    release_share: Parameter[units.Fraction]
    n_TrkB: Parameter[units.Positive]
    K_TrkB: Parameter[units.Positive]
    internalised: Parameter[units.NonNegative]
    TrkB_on_Akt: Parameter[units.Fraction]
    SK_on_PI: Parameter[units.NonNegative]
    TrkB_on_ERK: Parameter[units.Fraction]
    Ca_on_ERK: Parameter[units.Fraction]
    Ca_on_AMPK: Parameter[units.Fraction]
    Akt_on_GSK: Parameter[units.NonNegative]
    ERK_on_mTOR: Parameter[units.Fraction]
    GSK_on_GluA: Parameter[units.NonNegative]
    GSK_on_growth: Parameter[units.NonNegative]
    BDNF_on_release: Parameter[units.Fraction]
    retrograde_max: Parameter[units.Positive]
    n_scaling: Parameter[units.Positive]
    scaling_max: Parameter[units.Positive]
    stress_hormone: Parameter[units.NonNegative]
    stress_IL: Parameter[units.NonNegative]
    stress_elimination: Parameter[units.NonNegative]
    stress_SST: Parameter[units.Fraction]
    IL_beta_max: Parameter[units.NonNegative]
    IL_six_max: Parameter[units.NonNegative]
    n_growth: Parameter[units.Positive]
    formation_max: Parameter[units.Positive]
    secretion_Val_Met: Parameter[units.Fraction]
    secretion_Met_Met: Parameter[units.Fraction]
    tau: TimeConstants


class Spines(Model):
    """Potential contacts among pyramidal cells: absent, new or mature spines."""

    filling: Parameter[units.PositiveFraction]
    lifetime_new: Parameter[units.Hours]
    time_to_mature: Parameter[units.Hours]
    lifetime_mature: Parameter[units.Hours]
    head_new: Parameter[units.Fraction]
    tau_head: Parameter[units.Hours]


class Plasticity(Model):
    """LTP and LTD at spines; the equations are in `circuit.plasticity`."""

    backprop: Parameter[units.VoltageRange]
    tau_backprop: Parameter[units.TimeConstant]
    E_Ca: Parameter[units.VoltageRange]
    B_for_LTP: Parameter[units.Fraction]
    A_for_LTD: Parameter[units.Fraction]
    calcium_LTP: Parameter[units.Positive]
    calcium_LTD: Parameter[units.Positive]
    LTP_max: Parameter[units.NonNegative]
    LTD_max: Parameter[units.Fraction]
    LTD_speed: Parameter[units.PositiveFraction]
    K_support: Parameter[units.Positive]
    tau_induction: Parameter[units.Duration]
    tau_fading: Parameter[units.Hours]


class Stimulation(Model):
    """An electrode at the afferents of some pyramidal cells, and what it can be told to do."""

    share: Parameter[units.Fraction]
    size: Parameter[units.Conductance]
    pulse_width: Parameter[units.TimeConstant]
    pulse_interval: Parameter[units.TimeConstant]
    theta_pulses: Parameter[units.Count]
    theta_interval: Parameter[units.TimeConstant]
    slow_interval: Parameter[units.TimeConstant]
    test_interval: Parameter[units.TimeConstant]


class Readout(Model):
    """Proxy of the local field potential; how long a pulse is answered."""

    response_window: Parameter[units.TimeConstant]
    lfp_delay: Parameter[units.Time]
    lfp_GABA_weight: Parameter[units.Positive]


class Parameters(Model):
    """Every number of the model."""

    populations: Populations
    cells: Cells
    pathways: Pathways
    heterogeneity: Heterogeneity
    synapses: Synapses
    drive: Drive
    receptors: Receptors
    channels: Channels
    drugs: Drugs
    pharmacokinetics: Pharmacokinetics
    glutamate: Glutamate
    signalling: Signalling
    spines: Spines
    plasticity: Plasticity
    stimulation: Stimulation
    readout: Readout


def subunit_mix(cell: Cell) -> dict[str, float]:
    """Share of each GluN2 subunit in the NMDA conductance of a population, by the names in `circuit.subunits`."""
    return {name: getattr(cell, f"fraction_{name}").value for name in CLASSES}


def fractions(numbers: Parameters) -> dict[str, float]:
    """Share of each population."""
    return {name: getattr(numbers.populations, name).fraction.value for name in POPULATIONS}


def in_degrees(numbers: Parameters) -> dict[str, int]:
    """Synapses that one target cell receives over each pathway.

    The connection probability holds at the reference size; the in-degree stays when the network grows, so that
    activity does not drift with its size.
    """
    reference = sizes(numbers.synapses.num_neurons_ref.value, fractions(numbers))
    return {name: round(path.p.value * reference[split(name)[0]]) for name, path in numbers.pathways}


def contacts(numbers: Parameters) -> int:
    """Potential contacts of one pyramidal cell; the in-degree is how many of them have a spine in health."""
    return round(in_degrees(numbers)["PYR_to_PYR"] / numbers.spines.filling.value)


def check_mixes(numbers: Parameters) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys and a sentence for each population whose shares of GluN2 subunits do not add up to 1."""
    for pop, cell in numbers.cells:
        total = sum(subunit_mix(cell).values())
        if abs(total - 1) > 1e-6:
            keys = [f"fraction_{name}" for name in CLASSES]
            yield ("cells", pop, keys[0]), f"{', '.join(keys)} of {pop} add up to {total:g}, not 1; give all four"


def check_sizes(numbers: Parameters, num_neurons: int) -> None:
    """Check that the parameters make a network of `num_neurons` cells.

    Raises
    ------
    ValueError
        If the shares do not add up to 1, a pathway needs more presynaptic cells than there are, a delay exceeds a
        presynaptic refractory period (the finished increment would be overwritten before it is delivered), or an NMDA
        gate rises more slowly than it decays (`circuit.receptors.gate_jump` has no value there).
    """
    shares = fractions(numbers)
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"the populations' fractions add up to {sum(shares.values()):g}, not 1")
    counts = sizes(num_neurons, shares)
    for name, degree in (in_degrees(numbers) | {"PYR_to_PYR": contacts(numbers)}).items():
        source, target = split(name)
        available = counts[source] - (source == target)
        if degree > available:
            reference = numbers.synapses.num_neurons_ref.value
            raise ValueError(
                f"{num_neurons} cells are too few: {name} needs {degree} presynaptic cells and there are {available}; "
                f"take a larger num_neurons (the in-degrees belong to {reference} cells) or a smaller pathways.{name}.p"
            )
    for source in POPULATIONS:
        delay = numbers.synapses.delay_excitation if source == "PYR" else numbers.synapses.delay_inhibition
        t_ref = getattr(numbers.cells, source).t_ref
        if delay.si > t_ref.si:
            raise ValueError(
                f"the delay of {delay.value} is longer than the refractory period of {source}, {t_ref.value}; "
                "a second spike would overwrite the first one's release before it arrives"
            )
        rise, decay = numbers.synapses.gate_tau_rise, getattr(numbers.cells, source).tau_NMDA
        if rise.si >= decay.si:
            raise ValueError(
                f"synapses.gate_tau_rise, {rise.value}, must be below cells.{source}.tau_NMDA, {decay.value}"
            )


def short_delays(numbers: Parameters, dt: Quantity) -> Iterator[tuple[str, str]]:
    """Name and sentence of each delay below a time step: its spikes would arrive before their release is computed."""
    for name in ("delay_excitation", "delay_inhibition"):
        delay = getattr(numbers.synapses, name).value
        if delay.exact < dt.exact:
            yield name, f"must be at least one time step (numerics.dt is {dt}); found {delay}"
