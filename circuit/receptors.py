# SPDX-License-Identifier: GPL-3.0-or-later
r"""NMDA receptors: magnesium block by subunit class, trapping channel block, saturating gate.

One pore, two blockers. Magnesium blocks it within microseconds, so its block follows the voltage; ketamine can only
enter a pore that is open (activated by glutamate) and free of magnesium, and is trapped when the channel closes:

.. math::

    B_k(V) &= \frac{1}{1 + [\mathrm{Mg}]/K_k(V)}, \qquad K_k(V) = K_k(0)\, e^{s V} \\
    \dot b_k &= p_k \left( k_{on}\, c\, B_k(V)\, (1 - b_k) - k_{off,k}(V)\, b_k \right)

with :math:`p_k` the activated fraction and :math:`c` the free concentration. The steady state does not depend on
:math:`p_k` and is :math:`c/(c + \mathrm{IC}_{50})` with :math:`\mathrm{IC}_{50} = k_{off}/(k_{on} B)`: competition
with magnesium. Nothing here knows a cell type. Functions take and return arrays and are the oracles of the tests; the
same formulas as text for the compiled program are in `circuit.equations`.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import ArrayLike, NDArray


def magnesium_unblocked(v: ArrayLike, Mg: float, K_Mg_zero: float, slope: float) -> NDArray[np.float64]:
    r"""Fraction of open channels free of magnesium.

    Parameters
    ----------
    v : array_like
        Membrane potential, V.
    Mg, K_Mg_zero : float
        Extracellular magnesium and its dissociation constant at 0 mV, mM.
    slope : float
        Voltage dependence :math:`s`, 1/V (Jahr and Stevens 1990: 0.062 /mV).

    Returns
    -------
    ndarray, shape of `v`
        Between 0 and 1.
    """
    return 1 / (1 + Mg / K_Mg_zero * np.exp(-slope * np.asarray(v, dtype=float)))


def blocker_k_off(v: ArrayLike, k_off_ref: float, V_ref: float, slope: float) -> NDArray[np.float64]:
    r"""Rate at which a blocker leaves an open pore, faster when depolarised.

    Parameters
    ----------
    v : array_like
        Membrane potential, V.
    k_off_ref : float
        Rate at `V_ref`, 1/s.
    V_ref : float
        V.
    slope : float
        Voltage dependence, 1/V.

    Returns
    -------
    ndarray, shape of `v`
        1/s.
    """
    return k_off_ref * np.exp(slope * (np.asarray(v, dtype=float) - V_ref))


def block_steady_state(
    concentration: ArrayLike, unblocked: ArrayLike, k_on: float, k_off: ArrayLike
) -> NDArray[np.float64]:
    r"""Settled blocked fraction :math:`c/(c + k_{off}/(k_{on} B))`.

    Parameters
    ----------
    concentration : array_like
        Free blocker, mM (= mol/m^3).
    unblocked : array_like
        `magnesium_unblocked`, broadcast against `concentration`.
    k_on : float
        1/(mM s).
    k_off : array_like
        1/s.
    """
    on = k_on * np.asarray(concentration, dtype=float) * unblocked
    return on / (on + k_off)


def tonic_activation(glutamate: ArrayLike, EC50: float, hill: float) -> NDArray[np.float64]:
    """Fraction of receptors activated by ambient glutamate, 0..1; `glutamate` and `EC50` in the same unit."""
    ratio = (np.asarray(glutamate, dtype=float) / EC50) ** hill
    return ratio / (1 + ratio)


def gate_jump(alpha: float, tau_rise: float, tau_decay: float) -> tuple[float, float]:
    r"""Constants of the saturating gate's jump at a spike, :math:`s \to s + k_0 + k_1 s`.

    Replaces the two-stage kinetics :math:`\dot s = -s/\tau_d + \alpha x (1-s)`, :math:`\dot x = -x/\tau_r` by its
    effect at times long against the rise, as in NEST's `iaf_bw_2001`.

    Parameters
    ----------
    alpha : float
        Opening rate, 1/s.
    tau_rise, tau_decay : float
        s.

    Returns
    -------
    k0, k1 : float
        Dimensionless; :math:`k_0 = (\alpha\tau_r)^{\tau_r/\tau_d}\,\gamma(1-\tau_r/\tau_d, \alpha\tau_r)` and
        :math:`k_1 = e^{-\alpha\tau_r} - 1`.
    """
    x, order = alpha * tau_rise, 1 - tau_rise / tau_decay
    return x ** (1 - order) * _lower_gamma(order, x), math.expm1(-x)


def _lower_gamma(order: float, x: float) -> float:
    """Lower incomplete gamma function, `order` in (0, 1), `x` >= 0.

    `scipy.special` has it too, and takes 0.3 s to import in every process that draws a network.
    """
    if x > 40:  # what is above is less than rounding
        return math.gamma(order)
    term = total = x**order * math.exp(-x) / order  # DLMF 8.7.1, a series of positive terms
    while term > sys.float_info.epsilon * total / 2:
        order += 1
        term *= x / order
        total += term
    return total
