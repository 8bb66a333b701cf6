# SPDX-License-Identifier: GPL-3.0-or-later
r"""A ten-state scheme of the NMDA receptor with a trapping blocker: the reference for the circuit's reduced equation.

Five gating states, each with the pore free or occupied by the drug. The drug enters and leaves only the open pore;
gating goes on behind it, so a receptor can close, lose its agonist and keep it. A partial trapper also leaks out of
receptors that have lost agonist. Magnesium, far faster, keeps a share :math:`1 - B` of the free open pores; with
``explicit_Mg`` it has five states of its own, which shows that the share suffices.

.. code-block:: text

    C <--> CA <--> CAA <--> O         free
                    |       | ^
                    D       v | drug
    C <--> CA <--> CAA <--> O         blocked
                    |
                    D

The circuit replaces all this by one equation, :math:`\dot b = p (k_{on} c B (1-b) - k_{off} b) - (1-p) k_{untrap} b`,
with :math:`p` the open probability over its settled value in saturating agonist. For full trapping the settled block
is the same at any agonist level, concentration, voltage and magnesium, because a blocked channel gates as a free one
does. Where the two part (differences as a share of the larger block; `tests/numeric/test_kinetic_scheme.py` holds each
limit, over 0.1 to 100 uM of ketamine, memantine and MK-801, all subunits, -80 to -20 mV, 0 to 2 mM magnesium):

- On the way there the reduced equation is early, because it lets the drug meet all receptors in proportion to how often
  they open, and not the same few that are open now while others are desensitised. Block waits for these to recover,
  whatever the drug: from 1 uM of glutamate on the reduced equation reaches 50 % of the settled block at most 0.45 s too
  early, 75 % 0.9 s and 95 % 2.1 s. Slow block does not notice: within 10 % at all times while k_on c B + k_off, at full
  activation, is below 0.25 /s. Fast block does: up to 24 % at 0.5 to 1 /s, 83 % above 10 /s (100 uM without magnesium,
  in its first moments).
- In 0.1 uM of glutamate, with rare long bursts of openings, the 10 % hold below 0.1 /s only; the difference is up to
  20.5 % at 0.25 /s and 97 % above 10 /s.
- Under pulses of 1 mM glutamate (decay 1.2 ms) at 1 to 20 Hz it is up to 29 % after 1 s, 12 % after 3 s, 4 % after
  10 s, and within 10 % throughout below 0.25 /s. From rest receptors are not yet desensitised and p starts above 3; the
  circuit's p stops at 1, which makes slow block late instead, up to 28, 19 and 15 %.
- A partial trapper in 0.1 uM of glutamate (memantine) settles up to a quarter of its level too high; from 1 uM on
  within 0.3 %.
- A step of block by the scheme has fast components and a slow one, as Gilling 2009 found; the reduced equation has one.

The settled block of ketamine, which most experiments on the circuit analyse, is touched by none of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm, null_space

from circuit.parameter import Model, Parameter
from circuit.units import BindingRate, InverseTime, VoltageRange

Array = NDArray[np.float64]
#: Gating states: agonist sites bound, desensitised, open.
STATES = ("C", "CA", "CAA", "D", "O")
NUM_GATING, OPEN = len(STATES), STATES.index("O")


class Gating(Model):
    """Rates of gating, from configs/kinetic_scheme.yaml; the last two only for magnesium in states of its own."""

    k_bind: Parameter[BindingRate]
    k_unbind: Parameter[InverseTime]
    k_desensitise: Parameter[InverseTime]
    k_resensitise: Parameter[InverseTime]
    k_open: Parameter[InverseTime]
    k_close: Parameter[InverseTime]
    k_Mg_unbind: Parameter[InverseTime]
    V_Mg_unbind: Parameter[VoltageRange]


@dataclass(frozen=True)
class Pore:
    """A blocker at one voltage: rates at a fully activated receptor as the circuit has them, SI.

    Attributes
    ----------
    on, off, untrap : float
        1/s: binding (k_on c) and unbinding at saturating agonist, leak from receptors without it.
    unblocked : float
        Share B of open pores free of magnesium.
    v : float
        V; only for the speed of explicit magnesium.
    """

    on: float
    off: float
    untrap: float = 0.0
    unblocked: float = 1.0
    v: float = 0.0


def gating(rates: Gating, glutamate: float) -> Array:
    """Generator of gating, 1/s, columns to rows, at `glutamate` in mM; shape (5, 5)."""
    C, CA, CAA, D, opened = range(NUM_GATING)
    bind = rates.k_bind.to("/mM/s") * glutamate
    unbind = rates.k_unbind.si
    A = np.zeros((NUM_GATING, NUM_GATING))
    for source, target, rate in (
        (C, CA, bind),
        (CA, C, unbind),
        (CA, CAA, bind),
        (CAA, CA, unbind),
        (CAA, D, rates.k_desensitise.si),
        (D, CAA, rates.k_resensitise.si),
        (CAA, opened, rates.k_open.si),
        (opened, CAA, rates.k_close.si),
    ):
        A[target, source] += rate
        A[source, source] -= rate
    return A


def open_saturated(rates: Gating) -> float:
    """Open probability in saturating agonist."""
    opened = rates.k_open.si / rates.k_close.si
    return opened / (1 + opened + rates.k_desensitise.si / rates.k_resensitise.si)


def scheme(rates: Gating, glutamate: float, pore: Pore, explicit_Mg: bool = False) -> Array:
    """Generator of the whole scheme, 1/s.

    Parameters
    ----------
    rates : Gating
    glutamate : float
        mM.
    pore : Pore
    explicit_Mg : bool
        With magnesium in states of its own, not as a share of the open pores.

    Returns
    -------
    ndarray, shape (10, 10) or (15, 15)
        First the free states, then those with drug, then those with magnesium.
    """
    A = np.kron(np.eye(3 if explicit_Mg else 2), gating(rates, glutamate))
    micro = 1 / open_saturated(rates)

    def flow(source: int, target: int, rate: float) -> None:
        A[target, source] += rate
        A[source, source] -= rate

    drug = NUM_GATING
    flow(OPEN, drug + OPEN, micro * pore.on * (1 if explicit_Mg else pore.unblocked))
    flow(drug + OPEN, OPEN, micro * pore.off)
    for state in (STATES.index("C"), STATES.index("CA")):
        flow(drug + state, state, pore.untrap)
    if explicit_Mg:
        leave = rates.k_Mg_unbind.si * np.exp(pore.v / rates.V_Mg_unbind.si)
        flow(OPEN, 2 * NUM_GATING + OPEN, leave * (1 - pore.unblocked) / pore.unblocked)
        flow(2 * NUM_GATING + OPEN, OPEN, leave)
    return A


def settled(A: Array) -> Array:
    """Steady state of a generator: occupancies that add up to 1."""
    x = null_space(A)[:, 0]
    return x / x.sum()


def blocked(x: Array) -> Array:
    """Fraction of receptors with drug in the pore; the last axis of `x` is the state."""
    return x[..., NUM_GATING : 2 * NUM_GATING].sum(axis=-1)


def opened(x: Array) -> Array:
    """Fraction of receptors in the open state, whatever is in the pore."""
    return x[..., OPEN::NUM_GATING].sum(axis=-1)


def follow(generators: list[Array], durations: list[float], start: Array) -> Array:
    """Occupancies at the end of each of several stretches of constant rates, shape (stretches, states)."""
    known = {id(A): {} for A in generators}
    x, course = start, []
    for A, duration in zip(generators, durations, strict=True):
        steps = known[id(A)]
        if duration not in steps:
            steps[duration] = expm(A * duration)
        x = steps[duration] @ x
        course.append(x)
    return np.array(course)


def mean_open(generators: list[Array], durations: list[float], start: Array) -> Array:
    """Mean share of open receptors over each stretch, shape (stretches,): exact, by a state that sums what is open."""
    summing = {}
    for A in generators:
        if id(A) not in summing:
            summing[id(A)] = np.pad(A, (0, 1))
            summing[id(A)][-1, OPEN:-1:NUM_GATING] = 1
    course = follow([summing[id(A)] for A in generators], durations, np.append(start, 0.0))
    return np.diff(course[:, -1], prepend=0) / np.array(durations)


def reduced(p: Array, durations: list[float], pore: Pore, start: float = 0.0) -> Array:
    """The circuit's equation over stretches of constant activation `p`; blocked fraction at the end of each."""
    b, course = start, []
    for share, duration in zip(p, durations, strict=True):
        on = share * pore.on * pore.unblocked
        rate = on + share * pore.off + max(1 - share, 0.0) * pore.untrap  # p passes 1 before receptors desensitise
        target = on / rate if rate > 0 else b
        b = target + (b - target) * np.exp(-rate * duration)
        course.append(b)
    return np.array(course)
