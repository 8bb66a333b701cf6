# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of interventions: which drug acts on what, by which mechanism, how strongly.

One class a mechanism, one field a drug; the numbers are in configs/drugs.yaml. What a free concentration then does to
the circuit is in `circuit.interventions`, how a dose becomes one in `circuit.pharmacokinetics`. No entry names a cell
type: a drug acts wherever its target is.
"""

from __future__ import annotations

import re
from typing import Literal

from circuit import units
from circuit.parameter import Model, Parameter, Text
from circuit.units import did_you_mean


class Drug(Model):
    """What every entry has: the name people write, what it binds to, and by which mechanism it acts."""

    label: Text
    target: Text


class BlockerAffinity(Model):
    """A channel blocker's affinity for one receptor, magnesium-free."""

    IC50: Parameter[units.Affinity]


class ChannelBlocker(Drug):
    """Enters the open, magnesium-free pore of the NMDA receptor and is trapped there (`circuit.receptors`).

    `k_on` is the rate at a fully activated receptor; it leaves with ``k_on IC50`` at `V_off`, faster by `slope_off`
    when depolarised. `k_untrap` is the rate at which it leaves a receptor that is not activated: zero if fully trapped.
    """

    mechanism: Literal["NMDA channel block"]
    k_on: Parameter[units.BindingRate]
    slope_off: Parameter[units.Slope]
    V_off: Parameter[units.Voltage]
    k_untrap: Parameter[units.RateOrZero]
    GluN2A: BlockerAffinity
    GluN2B: BlockerAffinity
    GluN2C: BlockerAffinity
    GluN2D: BlockerAffinity


class GlycineAffinity(Model):
    """A glycine-site ligand at one receptor: affinity, and activation with the site full relative to glycine's."""

    EC50: Parameter[units.Affinity]
    efficacy: Parameter[units.NonNegative]


class GlycineSiteLigand(Drug):
    """Competes with glycine and D-serine for the co-agonist site; a partial agonist has an efficacy below 1."""

    mechanism: Literal["glycine site"]
    GluN2A: GlycineAffinity
    GluN2B: GlycineAffinity
    GluN2C: GlycineAffinity
    GluN2D: GlycineAffinity


class Modulator(Drug):
    """Changes a conductance or release by a share: 1 - max_effect h(c), or 1 + for a potentiator; h is a Hill curve."""

    mechanism: Literal[
        "GluN2B negative modulation",
        "AMPA antagonism",
        "AMPA potentiation",
        "GABA_A antagonism",
        "alpha5 GABA_A negative modulation",
        "sodium-channel block",
        "N-type calcium-channel block",
        "L-type calcium-channel block",
        "BDNF scavenging",
        "TrkB inhibition",
        "PI3K inhibition",
        "MEK inhibition",
        "mTORC1 inhibition",
        "p70S6K inhibition",
        "eEF2 kinase inhibition",
        "AMPK inhibition",
        "GSK-3 inhibition",
    ]
    EC50: Parameter[units.Affinity]
    hill: Parameter[units.Positive]
    max_effect: Parameter[units.NonNegative]


class Ligand(Drug):
    """Competes at a site that the model has glutamate bind to: receptor mGluR2/3, or the uptake carrier."""

    mechanism: Literal["mGluR2/3 agonism", "mGluR2/3 antagonism", "glutamate uptake block"]
    EC50: Parameter[units.Affinity]


class Agonist(Drug):
    """Opens a conductance of its own in every cell: `max_conductance` relative to the leak, times a Hill curve."""

    mechanism: Literal["GABA_A agonism"]
    EC50: Parameter[units.Affinity]
    hill: Parameter[units.Positive]
    max_conductance: Parameter[units.NonNegative]


class Drugs(Model):
    """All drugs by identifier."""

    ketamine: ChannelBlocker
    S_ketamine: ChannelBlocker
    R_ketamine: ChannelBlocker
    norketamine: ChannelBlocker
    memantine: ChannelBlocker
    MK_801: ChannelBlocker
    PCP: ChannelBlocker
    CP_101606: Modulator
    Ro_25_6981: Modulator
    rapastinel: GlycineSiteLigand
    D_serine: GlycineSiteLigand
    NBQX: Modulator
    CX546: Modulator
    muscimol: Agonist
    bicuculline: Modulator
    L_655708: Modulator
    LY379268: Ligand
    LY341495: Ligand
    TBOA: Ligand
    TTX: Modulator
    omega_conotoxin_GVIA: Modulator
    nimodipine: Modulator
    anti_BDNF: Modulator
    K_252a: Modulator
    LY294002: Modulator
    U0126: Modulator
    rapamycin: Modulator
    PF_4708671: Modulator
    A_484954: Modulator
    compound_C: Modulator
    SB216763: Modulator


NAMES = tuple(Drugs.model_fields)
#: What stands for no drug.
NONE = "none"
#: Where a drug is: everywhere, put into the column alone, or in the bath of a slice.
SITES = ("whole brain", "column", "bath")


def identifier(name: str) -> str:
    """Return the identifier of a drug from a name as people write it, such as ``"S-ketamine"``; or ``"none"``.

    Raises
    ------
    ValueError
        If there is no such drug.
    """
    plain = {_letters(known): known for known in (NONE, *NAMES)}
    found = plain.get(_letters(name))
    if found is None:
        hint = did_you_mean(_letters(name), plain) or f"; known are {', '.join(NAMES)}"
        raise ValueError(f"{name!r} is not a drug of this model{hint}")
    return found


def _letters(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())
