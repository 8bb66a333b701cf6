# SPDX-License-Identifier: GPL-3.0-or-later
"""What free concentrations of drugs do to a column, as the few numbers that the compiled program reads.

Every drug of the table (`circuit.drugs`) acts through its own mechanism and wherever its target is. Its concentration
against time becomes a course of *effects*, one for each entry of `circuit.equations.SCHEDULED`:

==========================  ==========================================================================================
``on_k``, ``off_k``         binding and, at 0 mV, unbinding of channel blockers in the open pore of receptors with
                            subunit k (1/s); ``slope_off`` its voltage dependence, ``untrap`` the leak from closed pores
``activity_k``              NMDA conductance and activation of subunit k, relative to no drug: allosteric modulators,
                            and ligands that compete with glycine for the co-agonist site
``AMPA_factor``             AMPA conductances, of the column's synapses and of afferents
``GABA_factor``             GABA_A conductances; ``alpha_five_factor`` their alpha5 share
``GABA_agonist``            tonic GABA_A conductance relative to the leak
``mGluR_agonist``           added to glutamate over its EC50 at mGluR2/3; ``mGluR_shift`` multiplies the EC50 of both
``uptake_shift``            multiplies the Michaelis constant of uptake (competitive block)
``sodium_factor``           sodium channels left
``release_factor``          vesicular release left, of all cells of the column
``afferent_factor``         afferent drive left: what blocks sodium or calcium channels stops the afferents too, unless
                            it was put into the column alone
==========================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuit.drugs import SITES, Agonist, ChannelBlocker, Drugs, GlycineSiteLigand, Ligand, Modulator
from circuit.potency import k_off
from circuit.schema import Receptors
from circuit.signalling import FACTORS
from circuit.subunits import CLASSES, TAGS

Array = NDArray[np.float64]
#: Sodium channels left at the least, so that the logarithm in the threshold's shift stays finite.
SODIUM_FLOOR = 1e-6


class Given(NamedTuple):
    """Identifier of a drug, where it is, and its free concentration, mM, shape (num_samples,)."""

    drug: str
    site: str
    concentration: Array


def hill(concentration: Array, EC50: float, n: float) -> Array:
    """Return the Hill curve, 0 to 1; both arguments in the same unit."""
    power = (concentration / EC50) ** n
    return power / (1 + power)


def effects(drugs: Drugs, receptors: Receptors, given: Sequence[tuple[str, str, Array]], num_samples: int) -> dict:
    """Return the course of every effect.

    Parameters
    ----------
    drugs : Drugs
    receptors : Receptors
        For the glycine site.
    given : sequence of (str, str, ndarray)
        What `Given` holds. Concentrations of one drug at one site add up.
    num_samples : int

    Returns
    -------
    dict of str to ndarray, shape (num_samples,)
        SI units.

    Raises
    ------
    ValueError
        If a site is unknown, or a concentration negative, not finite, or of another shape.
    """
    checked = [_checked(Given(*one), num_samples) for one in given]
    zero = np.zeros(num_samples)
    found = dict.fromkeys(("AMPA_factor", "GABA_factor", "alpha_five_factor", "sodium_factor"), zero + 1)
    found |= dict.fromkeys(("release_factor", "afferent_factor", "mGluR_shift", "uptake_shift"), zero + 1)
    found |= dict.fromkeys(FACTORS, zero + 1)
    found |= {"GABA_agonist": zero.copy(), "mGluR_agonist": zero.copy()}
    found |= {f"activity_{tag}": zero + 1 for tag in TAGS}
    for one in checked:
        entry = getattr(drugs, one.drug)
        if isinstance(entry, Modulator):
            _modulate(found, entry, one)
        elif isinstance(entry, Ligand):
            _compete(found, entry, one.concentration)
        elif isinstance(entry, Agonist):
            share = hill(one.concentration, entry.EC50.si, entry.hill.si)
            found["GABA_agonist"] = found["GABA_agonist"] + entry.max_conductance.si * share
    found["sodium_factor"] = np.maximum(found["sodium_factor"], SODIUM_FLOOR)
    for tag, factor in glycine_site(drugs, receptors, checked, num_samples).items():
        found[f"activity_{tag}"] = found[f"activity_{tag}"] * factor
    return found | pore(drugs, checked, num_samples)


def _checked(one: Given, num_samples: int) -> Given:
    level = np.asarray(one.concentration, dtype=float)
    if one.site not in SITES:
        raise ValueError(f"{one.site!r} is not a site; take one of {', '.join(SITES)}")
    if level.shape != (num_samples,):
        raise ValueError(f"the concentration of {one.drug} has shape {level.shape}, not ({num_samples},)")
    if not np.isfinite(level).all() or (level < 0).any():
        raise ValueError(f"the concentration of {one.drug} is negative or not finite")
    return Given(one.drug, one.site, level)


#: What a modulator of each mechanism multiplies, and whether it adds to it or takes from it.
MODULATED: dict[str, tuple[str, int]] = {
    "GluN2B negative modulation": ("activity_B", -1),
    "AMPA antagonism": ("AMPA_factor", -1),
    "AMPA potentiation": ("AMPA_factor", 1),
    "GABA_A antagonism": ("GABA_factor", -1),
    "alpha5 GABA_A negative modulation": ("alpha_five_factor", -1),
    "sodium-channel block": ("sodium_factor", -1),
    "N-type calcium-channel block": ("release_factor", -1),
    "L-type calcium-channel block": ("L_type_factor", -1),
    "BDNF scavenging": ("BDNF_factor", -1),
    "TrkB inhibition": ("TrkB_factor", -1),
    "PI3K inhibition": ("PI_factor", -1),
    "MEK inhibition": ("MEK_factor", -1),
    "mTORC1 inhibition": ("mTOR_factor", -1),
    "p70S6K inhibition": ("SK_factor", -1),
    "eEF2 kinase inhibition": ("eEF_factor", -1),
    "AMPK inhibition": ("AMPK_factor", -1),
    "GSK-3 inhibition": ("GSK_factor", -1),
}


def _modulate(found: dict[str, Array], entry: Modulator, one: Given) -> None:
    name, sign = MODULATED[entry.mechanism]
    factor = 1 + sign * entry.max_effect.si * hill(one.concentration, entry.EC50.si, entry.hill.si)
    found[name] = found[name] * factor
    if name in ("sodium_factor", "release_factor") and one.site != "column":
        found["afferent_factor"] = found["afferent_factor"] * factor


def _compete(found: dict[str, Array], entry: Ligand, concentration: Array) -> None:
    name = {
        "mGluR2/3 agonism": "mGluR_agonist",
        "mGluR2/3 antagonism": "mGluR_shift",
        "glutamate uptake block": "uptake_shift",
    }[entry.mechanism]
    found[name] = found[name] + concentration / entry.EC50.si


def glycine_site(drugs: Drugs, receptors: Receptors, given: Iterable[Given], num_samples: int) -> dict[str, Array]:
    r"""Activation of each subunit relative to no ligand but glycine itself.

    Ligands compete; each activates by its efficacy:
    :math:`(g/K + \sum e_j c_j/K_j) / (1 + g/K + \sum c_j/K_j)` over the same without ligands.
    """
    ligands = [
        (entry, one.concentration) for one in given if isinstance(entry := getattr(drugs, one.drug), GlycineSiteLigand)
    ]
    found = {}
    for tag, name in zip(TAGS, CLASSES, strict=True):
        glycine = receptors.glycine.si / getattr(receptors, name).EC50_glycine.si
        active, bound = np.full(num_samples, glycine), np.full(num_samples, 1 + glycine)
        for entry, concentration in ligands:
            site = getattr(entry, name)
            active += site.efficacy.si * concentration / site.EC50.si
            bound += concentration / site.EC50.si
        found[tag] = active / bound * (1 + glycine) / glycine
    return found


def pore(drugs: Drugs, given: Iterable[Given], num_samples: int) -> dict[str, Array]:
    """Rates of the blockers in the pore, as if they were one.

    Only one fits in. The blocked fraction settles exactly where the blockers' competition has it if their unbinding
    depends on voltage alike, as it does for ketamine, its enantiomers and norketamine; otherwise the slopes are
    averaged over what occupies the pore at 0 mV. The rate of settling is exact for one blocker. While none is
    there, what was last there leaves.
    """
    blockers = [
        (entry, one.concentration) for one in given if isinstance(entry := getattr(drugs, one.drug), ChannelBlocker)
    ]
    blockers = blockers or [(drugs.ketamine, np.zeros(num_samples))]
    on = np.stack([entry.k_on.si * level for entry, level in blockers])
    binding = _last_known(on)
    found: dict[str, Array] = {}
    weights = np.zeros_like(on)
    for tag, name in zip(TAGS, CLASSES, strict=True):
        off = np.array([k_off(entry, name, 0.0) for entry, _ in blockers])[:, None]
        bound = binding / off
        weights += bound / bound.sum(axis=0) / len(TAGS)
        found |= {f"on_{tag}": on.sum(axis=0), f"off_{tag}": binding.sum(axis=0) / bound.sum(axis=0)}
    for key, name in (("slope_off", "slope_off"), ("untrap", "k_untrap")):
        found[key] = (weights * np.array([getattr(entry, name).si for entry, _ in blockers])[:, None]).sum(axis=0)
    return found


def _last_known(on: Array) -> Array:
    """Return the binding rates, and where all are zero the last that were not; equal ones before any."""
    present = on.sum(axis=0) > 0
    last = np.maximum.accumulate(np.where(present, np.arange(on.shape[1]), -1))
    return np.where(last < 0, 1.0, on[:, np.maximum(last, 0)])
