# SPDX-License-Identifier: GPL-3.0-or-later
"""What `circuit.clamp` replays is what the simulated synapse opens."""

from __future__ import annotations

import numpy as np
import pytest

from circuit import clamp
from circuit.populations import split
from tests.numeric import rig
from tests.numeric.rig import Contact

#: s. Bursts, pauses, and what lies between.
TRAIN = 0.01 + np.cumsum([0, 10, 10, 15, 40, 120, 350, 20, 20]) * 1e-3
AUTORECEPTOR = 0.7


COUNTS = dict(rig.ONE_EACH, PV=2)
STEP, WEIGHT = 0.5e-3, 2e-9
#: Of each synapse, the cells and the conductance that it opens.
SENDERS = {"PYR": rig.first("PYR", COUNTS), "PV": rig.first("PV", COUNTS), "SST": rig.first("SST", COUNTS)}
SYNAPSES = {
    "PYR_to_PV": (SENDERS["PYR"], SENDERS["PV"] + 1, "g_AMPA"),
    "PV_to_PV": (SENDERS["PV"], SENDERS["PV"] + 1, "g_GABA"),
    "SST_to_PYR": (SENDERS["SST"], SENDERS["PYR"], "g_GABA_d"),
}


@pytest.fixture(scope="module")
def exp():
    return rig.experiment(f"numerics.dt={1e3 * STEP} ms")


@pytest.fixture(scope="module")
def cells(exp):
    """Three synapses whose senders have fired the same train."""
    made = {name: Contact(i, j, WEIGHT, opened.endswith("_d")) for name, (i, j, opened) in SYNAPSES.items()}
    excitation = [made.pop("PYR_to_PV")]
    watch = [opened for _, _, opened in SYNAPSES.values()]
    rigged = rig.make(exp, COUNTS, excitation, list(made.values()), watch).only("cells")
    rigged.set_column(autoreceptor=AUTORECEPTOR)
    return rigged.fire(dict.fromkeys(SENDERS.values(), TRAIN)).run(TRAIN[-1] + 0.01)


@pytest.mark.parametrize("pathway", SYNAPSES)
def test_replayed_events_are_the_jumps_of_the_simulated_conductance(exp, cells, pathway):
    (source, target), (_, receiver, opened) = split(pathway), SYNAPSES[pathway]
    trace = cells.trace(opened)[receiver]
    decay = np.exp(-STEP / getattr(getattr(exp.numbers.cells, target), f"tau_{opened[2:]}").si)
    jumps = trace[1:] - trace[:-1] * decay
    path = getattr(exp.numbers.pathways, pathway)
    one = np.zeros(TRAIN.size, int)
    share = np.full(TRAIN.size, AUTORECEPTOR if source == "PYR" else 1.0)
    constants = (np.array([value]) for value in (path.U.value, path.tau_rec.si, path.tau_fac.si))
    size = clamp.released(TRAIN, one, *constants, share) / path.U.value
    expected = clamp.events(np.zeros(1, int), np.array([WEIGHT]), one, size)
    found = jumps[jumps > 1e-3 * jumps.max()]
    assert found == pytest.approx(expected, rel=1e-6)
    assert np.ptp(expected) > 0.05 * WEIGHT  # plasticity was there to be seen
