# SPDX-License-Identifier: GPL-3.0-or-later
"""What would an electrode see that holds a cell at a voltage? Spontaneous synaptic currents, told from spikes.

A run keeps no current of single synapses, and need not: given the spikes and the network, short-term plasticity can be
replayed (`circuit.equations.RESET_TERMINAL`), and each presynaptic spike is one event at each contact of its cell. The
clamp is ideal: it holds soma and dendrite alike, and events that coincide are told apart.

Afferents are a fluctuating conductance in this model and have no events. What is counted is what cells of the column
send, and the events of a slice, where most of them come from boutons cut from their cells, are something else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.integer]

HELD_FOR_EXCITATION, HELD_FOR_INHIBITION = -0.070, 0.0
"""V. Near the reversal of inhibition, and at that of excitation, so that each is seen alone."""

SMALLEST = 5e-12
"""A. Smaller events are lost in the noise of a recording; a choice."""


class Events(NamedTuple):
    """Spontaneous postsynaptic currents: events of one cell, Hz, and their mean amplitude, A (NaN without an event)."""

    frequency: float
    amplitude: float


def released(times: Array, cell: Indices, U: Array, tau_rec: Array, tau_fac: Array, share: Array) -> Array:
    """Fraction of its resources that a terminal releases at each spike (Tsodyks and Markram 1997), from rest on.

    Parameters
    ----------
    times, cell : ndarray, shape (num_spikes,)
        All spikes since the terminals were at rest, s, and cells 0 to `num_cells` - 1; in any order.
    U, tau_rec, tau_fac : ndarray, shape (num_cells,)
        Utilisation of a first spike, and time constants of recovery and facilitation, s.
    share : ndarray, shape (num_spikes,)
        What drugs and autoreceptors leave of each release.

    Returns
    -------
    ndarray, shape (num_spikes,)
        0 to 1, in the order of the spikes; ``U share`` for a first one.
    """
    order = np.lexsort((times, cell))
    counts = np.bincount(cell, minlength=len(U))
    first = np.cumsum(counts) - counts
    busy = np.argsort(-counts, kind="stable")  # cells with most spikes first: those with an nth one are in front
    u, x, last = np.zeros(len(U)), np.ones(len(U)), np.full(len(U), -np.inf)
    found = np.empty(len(times))
    for n in range(counts.max(initial=0)):
        now = busy[: np.searchsorted(-counts[busy], -n)]
        spike = order[first[now] + n]
        elapsed = times[spike] - last[now]
        u[now] = U[now] + u[now] * (1 - U[now]) * np.exp(-elapsed / tau_fac[now])
        x[now] = 1 - (1 - x[now]) * np.exp(-elapsed / tau_rec[now])
        found[spike] = u[now] * x[now] * share[spike]
        x[now] -= found[spike]
        last[now] = times[spike]
    return found


def events(source: Indices, conductance: Array, cell: Indices, size: Array) -> Array:
    """Peak conductance of every event: one for each spike at each contact of its cell.

    Parameters
    ----------
    source, conductance : ndarray, shape (num_contacts,)
        Presynaptic cell of each contact, and what a first spike from rest opens there, S.
    cell, size : ndarray, shape (num_spikes,)
        Which cell fired, and how much it released, 1 for a first spike from rest.

    Returns
    -------
    ndarray, shape (num_events,)
        S, contact by contact.
    """
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=int(source.max(initial=-1)) + 1)
    first = np.cumsum(counts) - counts
    number = counts[source]
    place = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.repeat(conductance, number) * size[order[np.repeat(first[source], number) + place]]


def seen(conductances: Array, driving: float, num_cells: int, duration: float, smallest: float = SMALLEST) -> Events:
    """Frequency and amplitude of the events that are large enough to be seen.

    Parameters
    ----------
    conductances : ndarray, shape (num_events,)
        From `events`, of all clamped cells together, S.
    driving : float
        Distance of the holding voltage from the reversal potential, V, of either sign.
    num_cells : int
        Clamped cells.
    duration : float
        Seconds in which the events fell.
    smallest : float, optional
        A.
    """
    currents = abs(driving) * conductances
    large = currents[currents >= smallest]
    frequency = large.size / (num_cells * duration) if num_cells and duration > 0 else np.nan
    return Events(frequency, float(large.mean()) if large.size else np.nan)
