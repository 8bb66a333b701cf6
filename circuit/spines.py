# SPDX-License-Identifier: GPL-3.0-or-later
"""Spines on the host: their rates in health, their first state, and what an imaging session or a recording sees.

Each pyramidal cell has a fixed pool of potential contacts, of which a share has a spine, new or mature:

.. code-block:: text

    absent --form--> new --mature--> mature
       ^--lose_new----'                 |
       ^---------lose_mature------------'

The rate of formation follows from the others and the share of contacts with a spine, so that health is stationary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuit.schema import Parameters

ABSENT, NEW, MATURE = 0, 1, 2


class Rates(NamedTuple):
    """Rates in health, 1/s: formation of each absent contact, maturation and loss of each spine."""

    form: float
    mature: float
    lose_new: float
    lose_mature: float


def rates(numbers: Parameters) -> Rates:
    """Return the rates in health."""
    spines = numbers.spines
    lose_new, mature, lose_mature = (
        1 / getattr(spines, name).si for name in ("lifetime_new", "time_to_mature", "lifetime_mature")
    )
    new = share_new(numbers)
    form = spines.filling.si * new * (lose_new + mature) / (1 - spines.filling.si)
    return Rates(form, mature, lose_new, lose_mature)


def share_new(numbers: Parameters) -> float:
    """Share of spines that are new in health."""
    spines = numbers.spines
    return spines.time_to_mature.si / (spines.time_to_mature.si + spines.lifetime_mature.si)


def mean_efficacy(numbers: Parameters) -> float:
    """Mean size of the heads of all spines in health; a mature spine of any age has grown for so long."""
    spines = numbers.spines
    grown = spines.lifetime_mature.si / (spines.lifetime_mature.si + spines.tau_head.si)
    mature = 1 - (1 - spines.head_new.si) * (1 - grown)
    new = share_new(numbers)
    return new * spines.head_new.si + (1 - new) * mature


def initial(
    numbers: Parameters, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw stage and head size of `size` contacts from their stationary distribution in health."""
    spines = numbers.spines
    chance = rng.random(size)
    present = chance < spines.filling.si
    new = chance < spines.filling.si * share_new(numbers)
    age = rng.exponential(spines.lifetime_mature.si, size)
    head_new = spines.head_new.si
    head = np.where(new, head_new, 1 - (1 - head_new) * np.exp(-age / spines.tau_head.si))
    return np.where(present, np.where(new, NEW, MATURE), ABSENT).astype(float), np.where(present, head, head_new)


class Session(NamedTuple):
    """What is seen of the spines at one time.

    Attributes
    ----------
    hours : float
        Time, h.
    density, new, mature : float
        Spines, new and mature ones per potential contact.
    head : float
        Mean head size of the mature ones, 1 in health.
    formed, eliminated : float
        Spines that are there and were not at the session before, and the other way round, per spine of that session.
    formed_since, eliminated_since : float
        The same since the session at time 0, or if this one is earlier, since the first.
    surviving : float
        Share of the spines of the first session that are still there.
    EPSC_frequency, EPSC_amplitude : float
        Of spontaneous excitatory currents of a pyramidal cell: contacts with a spine times their release probability,
        and their mean strength, synaptic scaling included. `apical_frequency`, `apical_amplitude`: apical contacts
        alone, the ones that serotonin and hypocretin evoke currents at (Liu and Aghajanian 2008).
    tested, control : float
        Mean strength of spines between two cells that an electrode reaches, and of those of such cells whose source it
        does not reach, as LTP and LTD have it: 1 without any.
    """

    hours: float
    density: float
    new: float
    mature: float
    head: float
    formed: float
    eliminated: float
    formed_since: float
    eliminated_since: float
    surviving: float
    EPSC_frequency: float
    EPSC_amplitude: float
    apical_frequency: float
    apical_amplitude: float
    tested: float
    control: float


class View(NamedTuple):
    """State of all contacts at a time (h): stage, head size, release and scaling of each one's target, potentiation."""

    hours: float
    stage: NDArray
    head: NDArray
    release: NDArray
    potentiation: NDArray
    scaling: NDArray


class Groups(NamedTuple):
    """Which contacts are apical, tested and control (`Session`), each of shape (num_contacts,)."""

    apical: NDArray[np.bool_]
    tested: NDArray[np.bool_]
    control: NDArray[np.bool_]


def groups(i: NDArray, j: NDArray, apical: NDArray[np.bool_], stimulated: NDArray[np.bool_]) -> Groups:
    """Sort the contacts from cells `i` to `j`, of which some are `stimulated`."""
    return Groups(apical, stimulated[i] & stimulated[j], ~stimulated[i] & stimulated[j])


def sessions(views: Sequence[View], kinds: Groups) -> list[Session]:
    """Return what is seen at each of several times, in their order."""
    found, before = [], views[0]
    onset = max((view for view in views if view.hours <= 1e-6), key=lambda view: view.hours, default=views[0])
    for view in views:
        now, then, first = view.stage > 0, before.stage > 0, views[0].stage > 0
        base = (onset if view.hours >= onset.hours else views[0]).stage > 0
        mature = view.stage == MATURE
        strength = view.head.astype(float) * (1 + view.potentiation) * view.scaling
        found.append(
            Session(
                view.hours,
                now.mean(),
                (view.stage == NEW).mean(),
                mature.mean(),
                _mean(view.head, mature),
                (now & ~then).sum() / max(then.sum(), 1),
                (then & ~now).sum() / max(then.sum(), 1),
                (now & ~base).sum() / max(base.sum(), 1),
                (base & ~now).sum() / max(base.sum(), 1),
                (now & first).sum() / max(first.sum(), 1),
                (view.release * now).mean(),
                _mean(strength, now),
                _mean(view.release * now, kinds.apical),
                _mean(strength, now & kinds.apical),
                _mean(1.0 + view.potentiation, now & kinds.tested),
                _mean(1.0 + view.potentiation, now & kinds.control),
            )
        )
        before = view
    return found


def _mean(values: NDArray, of: NDArray[np.bool_]) -> float:
    return float(values[of].mean(dtype=float)) if of.any() else np.nan
