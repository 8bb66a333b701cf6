# SPDX-License-Identifier: GPL-3.0-or-later
"""Slow biology of a pyramidal cell, as text: from glutamate to BDNF, mTOR, synaptic proteins and spines.

Every quantity is a multiple of its healthy resting value, so that health is the fixed point 1 by construction; only
stress hormone starts from 0. Each obeys ``tau dX/dt = target - X``. The compiled program advances it by its exact step
for a constant target, ``X += step_X (target - X)``, on a slow clock. `circuit.course` computes ``step_X`` from ``tau``,
the length of the clock's step and the acceleration of the moment; nothing here knows of acceleration.

The two routes from a blocked receptor to BDNF (Autry 2011; Li 2010) meet here and nowhere before: less calcium through
resting receptors lets eEF2 elongate (`translated`), more AMPA throughput releases through L-type calcium channels
(`secreted`).
"""

from __future__ import annotations

#: Sensors of a cell: AMPA charge (the column's clock); NMDA current, which carries calcium, through receptors that
#: ambient glutamate opens without a spike, and through the others (the block clock).
SENSOR_AMPA = "AMPA_mean += sensor_step_fast*(-I_AMPA - I_AMPA_d - AMPA_mean)"
SENSOR_NMDA = """
at_rest = {at_rest}
rest_mean += sensor_step_slow*(at_rest - rest_mean)
evoked_mean += sensor_step_slow*(-I_NMDA - I_NMDA_d - at_rest - evoked_mean)
"""
SENSORS = ("AMPA_mean", "rest_mean", "evoked_mean")
#: What a healthy cell's sensors read, by sensor.
REFERENCES = {"AMPA_mean": "AMPA_ref", "rest_mean": "rest_ref", "evoked_mean": "evoked_ref"}

#: Variables of the chain, in the order in which a step computes them, and what each is.
CHAIN = {
    "set_point": "AMPA charge that the cell is used to",
    "p_eEF": "phosphorylated eEF2",
    "BDNF": "BDNF in the cell",
    "BDNF_free": "BDNF released",
    "TrkB": "active TrkB",
    "TrkB_surface": "TrkB on the surface",
    "Akt": "phosphorylated Akt",
    "ERK": "phosphorylated ERK",
    "AMPK": "phosphorylated AMPK",
    "GSK": "active GSK-3beta",
    "mTOR": "phosphorylated mTORC1",
    "p_SK": "phosphorylated p70S6K",
    "p_BP": "phosphorylated 4E-BP1",
    "eIF_B": "active eIF4B",
    "eIF_F": "assembled eIF4F",
    "supply": "new synaptic protein on its way",
    "synapsin": "synapsin I",
    "PSD": "PSD-95",
    "GluA": "GluA1 in synapses",
    "assembly": "what new spines are made of",
    "growth": "drive to form spines",
    "retrograde": "release probability of the cell's inputs",
    "scaling": "synaptic scaling of the cell's spines",
    "IL_beta": "interleukin-1beta",
    "IL_six": "interleukin-6",
    "hormone": "stress hormone above rest",
}
#: Those that are 0 in health.
FROM_ZERO = ("hormone",)

#: One step. `throughput` is what AMPA charge lets in through L-type channels, against what the cell is used to: without
#: such a sliding set point, a cell that loses spines would lose BDNF, and so more spines, to the last. `resting` and
#: `evoked` are NMDA calcium. Spines raise the charge that makes spines, by more than their own share, since the cells
#: excite each other; `scaling` brings charge back. Without it spines swing over days, wider each time.
STEP = """
charge = AMPA_mean/AMPA_ref
throughput = L_type_factor*charge/clip(set_point, 0.05, inf)
set_point += step_set_point*(charge - set_point)
resting = rest_mean/rest_ref
evoked = evoked_mean/evoked_ref
strain = stress_hormone*hormone + stress_IL*(IL_beta + IL_six - 2)
tone = 1/(1 + strain)

kinase = eEF_factor*clip(resting, 0, inf)**n_eEF*(1 + SK_on_eEF)/(1 + SK_on_eEF*p_SK)
p_eEF += step_p_eEF*(kinase - p_eEF)

elongation = (1 + eEF_on_translation)/(1 + eEF_on_translation*p_eEF)
translated = elongation*(1 - AMPK_on_BDNF + AMPK_on_BDNF*AMPK)*tone
secreted = secretion*clip(throughput, 0, inf)**n_release
BDNF += step_BDNF*(translated - BDNF*(1 - release_share + release_share*secreted))
BDNF_free += step_BDNF_free*(secreted*BDNF - BDNF_free)

ligand = (BDNF_factor*clip(BDNF_free, 0, inf))**n_TrkB
bound = TrkB_factor*TrkB_surface*ligand*(1 + K_TrkB)/(ligand + K_TrkB)
TrkB += step_TrkB*(bound - TrkB)
TrkB_surface += step_TrkB_surface*((1 + internalised)/(1 + internalised*TrkB) - TrkB_surface)

Akt += step_Akt*(PI_factor*(1 - TrkB_on_Akt + TrkB_on_Akt*TrkB)*(1 + SK_on_PI)/(1 + SK_on_PI*p_SK) - Akt)
ERK += step_ERK*(MEK_factor*(1 - TrkB_on_ERK - Ca_on_ERK + TrkB_on_ERK*TrkB + Ca_on_ERK*evoked) - ERK)
AMPK += step_AMPK*(AMPK_factor*tone*(1 - Ca_on_AMPK + Ca_on_AMPK*throughput) - AMPK)
GSK += step_GSK*(GSK_factor*(1 - GSK_serine + GSK_serine*(1 + Akt_on_GSK)/(1 + Akt_on_GSK*Akt)) - GSK)
mTOR += step_mTOR*(mTOR_factor*tone*((1 - ERK_on_mTOR)*Akt + ERK_on_mTOR*ERK) - mTOR)
p_SK += step_p_SK*(SK_factor*mTOR - p_SK)
p_BP += step_p_BP*(mTOR - p_BP)
eIF_B += step_eIF_B*(p_SK - eIF_B)
eIF_F += step_eIF_F*(p_BP - eIF_F)

supply += step_supply*(eIF_B*eIF_F*elongation - supply)
synapsin += step_synapsin*(supply - synapsin)
PSD += step_PSD*(supply - PSD)
GluA += step_GluA*(supply*(1 + GSK_on_GluA)/(1 + GSK_on_GluA*GSK) - GluA)
assembly += step_assembly*(supply*BDNF*(1 + GSK_on_growth)/(1 + GSK_on_growth*GSK) - assembly)
growth += step_growth*(assembly - growth)
signal = clip(BDNF_factor*BDNF_free, 0, retrograde_max)
retrograde += step_retrograde*(1 - BDNF_on_release + BDNF_on_release*signal - retrograde)
scaling += step_scaling*(scaling_max/(1 + (scaling_max - 1)*clip(charge, 0, inf)**n_scaling) - scaling)

IL_beta += step_IL_beta*(1 + inflammation*IL_beta_max*GSK - IL_beta)
IL_six += step_IL_six*(1 + inflammation*IL_six_max*GSK - IL_six)
hormone += step_hormone*(stress - hormone)
drive = growth**n_growth
formation = drive*formation_max/(drive + formation_max - 1)
elimination = 1 + strain*stress_elimination
"""

#: Rates of a cell's spines relative to health, for `SPINE_STEP`.
SPINE_RATES = ("formation", "elimination")

# -- spines ------------------------------------------------------------------------------------------------------------

#: A potential contact of two pyramidal cells. `stage` is 0 absent, 1 new, 2 mature; `head` the size of its spine,
#: with which its AMPA and NMDA weights scale, 1 for a mature one in health; so do `potentiation`
#: (`circuit.plasticity`) and the target cell's `scaling`.
CONTACT = """
stage : 1
head : 1
efficacy : 1
hazard_form : 1 (shared, constant)
hazard_mature : 1 (shared, constant)
hazard_lose_new : 1 (shared, constant)
hazard_lose_mature : 1 (shared, constant)
head_new : 1 (shared, constant)
step_head : 1 (shared, constant)
"""

#: One step of every contact. Hazards are expected events in one step in health; at most one event a step.
SPINE_STEP = """
chance = rand()
absent = int(stage < 0.5)
mature = int(stage > 1.5)
young = 1 - absent - mature
loses = hazard_lose_new*elimination_post
leaves = loses + hazard_mature*PSD_post
left = 1 - exp(-leaves)
left_by_loss = left*loses/(leaves + 1e-12)
born = absent*int(chance < 1 - exp(-hazard_form*formation_post))
lost = young*int(chance < left_by_loss) + mature*int(chance < 1 - exp(-hazard_lose_mature*elimination_post))
matured = young*int(chance >= left_by_loss)*int(chance < left)
stage = stage + born + matured - lost*stage
head = head + step_head*(mature*(GluA_post - head) + young*(head_new - head)) + born*(head_new - head)
potentiation = potentiation*(1 - lost)
efficacy = head*(1 + potentiation)*scaling_post*int(stage > 0.5)
"""
STAGES = ("absent", "new", "mature")


def declarations(parameters: tuple[str, ...]) -> str:
    """Model text of the chain's variables; `parameters` are its numbers, shared by all cells."""
    lines = [f"{name} : amp" for name in SENSORS]
    lines += [f"{name} : amp (constant)" for name in REFERENCES.values()]
    lines += [f"{name} : 1" for name in (*CHAIN, *SPINE_RATES)]
    shared = [*parameters, *(f"step_{name}" for name in CHAIN), "sensor_step_fast", "sensor_step_slow"]
    return "\n".join([*lines, *(f"{name} : 1 (shared, constant)" for name in shared)])


#: Numbers of the chain (`circuit.schema.Signalling` holds them by these names), and what a course sets.
PARAMETERS = (
    "n_eEF",
    "SK_on_eEF",
    "eEF_on_translation",
    "AMPK_on_BDNF",
    "n_release",
    "release_share",
    "n_TrkB",
    "K_TrkB",
    "internalised",
    "TrkB_on_Akt",
    "SK_on_PI",
    "TrkB_on_ERK",
    "Ca_on_ERK",
    "Ca_on_AMPK",
    "Akt_on_GSK",
    "ERK_on_mTOR",
    "GSK_on_GluA",
    "GSK_on_growth",
    "BDNF_on_release",
    "retrograde_max",
    "n_scaling",
    "scaling_max",
    "stress_hormone",
    "stress_IL",
    "stress_elimination",
    "IL_beta_max",
    "IL_six_max",
    "n_growth",
    "formation_max",
)
#: What an experiment sets: the genotype, and the stress of the moment.
CONDITIONS = ("secretion", "GSK_serine", "stress", "inflammation")
#: What drugs scale, besides what they do to the circuit.
FACTORS = (
    "L_type_factor",
    "BDNF_factor",
    "TrkB_factor",
    "PI_factor",
    "MEK_factor",
    "mTOR_factor",
    "SK_factor",
    "eEF_factor",
    "AMPK_factor",
    "GSK_factor",
)
