# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers of the model say of one pore at one voltage: magnesium, unbinding, and the IC50 that follows.

The formulas are those of `circuit.receptors`; here they meet the configuration's numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from circuit.drugs import ChannelBlocker
from circuit.receptors import blocker_k_off, magnesium_unblocked
from circuit.schema import Receptors


def K_Mg_zero(receptors: Receptors, name: str) -> float:
    """Return the dissociation constant of magnesium at 0 mV, mM, of receptors with the subunit `name`."""
    return getattr(receptors, name).K_Mg.si * np.exp(-receptors.slope_Mg.si * receptors.V_Mg.si)


def unblocked(receptors: Receptors, name: str, v: ArrayLike, Mg: float | None = None) -> NDArray[np.float64]:
    """Return the share of open pores free of magnesium.

    Parameters
    ----------
    receptors : Receptors
    name : str
        Subunit, one of `circuit.subunits.CLASSES`.
    v : array_like
        Membrane potential, V.
    Mg : float or None
        Extracellular magnesium, mM; the configuration's if None.
    """
    Mg = receptors.Mg.si if Mg is None else Mg
    return magnesium_unblocked(v, Mg, K_Mg_zero(receptors, name), receptors.slope_Mg.si)


def k_off(drug: ChannelBlocker, name: str, v: ArrayLike) -> NDArray[np.float64]:
    """Return the rate, 1/s, at which a drug leaves an open pore with the subunit `name` at `v` volts."""
    at_V_off = drug.k_on.si * getattr(drug, name).IC50.si
    return blocker_k_off(v, at_V_off, drug.V_off.si, drug.slope_off.si)


def IC50(
    drug: ChannelBlocker, receptors: Receptors, name: str, v: ArrayLike, Mg: float | None = None
) -> NDArray[np.float64]:
    """Return the half-blocking concentration, mM: k_off/(k_on B); arguments as of `unblocked`."""
    return k_off(drug, name, v) / (drug.k_on.si * unblocked(receptors, name, v, Mg))
