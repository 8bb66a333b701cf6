# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cell offers to its spines, in the circuit's own program, against closed forms; and a pairing of two cells."""

from __future__ import annotations

import numpy as np
import pytest

from circuit import plasticity
from circuit.potency import K_Mg_zero
from circuit.subunits import CLASSES, TAGS
from tests.numeric import rig

V, V_D = -40e-3, -55e-3


@pytest.fixture(scope="module")
def exp():
    return rig.experiment()


def passes(exp, tag, v):
    """Calcium through an open gate without any drug, in multiples of what passes at 0 mV without magnesium."""
    receptors, name = exp.numbers.receptors, CLASSES[TAGS.index(tag)]
    unblocked = 1 / (1 + receptors.Mg.si / K_Mg_zero(receptors, name) * np.exp(-receptors.slope_Mg.si * v))
    share = getattr(exp.numbers.cells.PYR, f"fraction_{name}").value
    return share * unblocked * (1 - v / exp.numbers.plasticity.E_Ca.si)


def test_entry_follows_magnesium_and_driving_force_in_each_compartment(exp):
    cells = rig.make(exp, plastic=True).only().set(v=V, v_d=V_D).run(1.0)
    for k in plasticity.SUBUNITS:
        assert cells.get(f"entry_{k}")[0] == pytest.approx(passes(exp, k, V), rel=1e-9)
        assert cells.get(f"entry_{k}_d")[0] == pytest.approx(passes(exp, k, V_D), rel=1e-9)


def test_a_spike_opens_the_gate_and_lifts_the_cells_own_spines(exp):
    """Both fall from the spike on with their time constants; at the last tick of the block's clock."""
    after = 0.08
    cells = rig.make(exp, plastic=True).only().set(v=V, t_last=0.0, s_PYR=0.5).run(after + exp.numerics.dt.si)
    constants, tau = exp.numbers.plasticity, exp.numbers.cells.PYR.tau_NMDA.si
    assert cells.get("gate_now")[0] == pytest.approx(0.5 * np.exp(-after / tau), rel=1e-9)
    lift = constants.backprop.si * np.exp(-after / constants.tau_backprop.si)
    assert cells.get("V_own")[0] == pytest.approx(lift, rel=1e-9)
    assert cells.get("entry_A")[0] > 1.05 * passes(exp, "A", V)


def test_a_blocker_in_the_pore_keeps_calcium_out(exp):
    free = {f"free_{k}{c}": 0.0 for k in TAGS for c in ("", "_d")}
    cells = rig.make(exp, plastic=True).only().set(v=V, **free).run(1.0)
    assert max(cells.get(f"entry_{k}")[0] for k in plasticity.SUBUNITS) < 1e-12


def test_a_contact_changes_by_its_own_two_cells(exp):
    """Bursts of both cells potentiate; of the source alone, or of the target alone, do not."""
    bursts = [0.1 + 0.2 * n + 0.01 * k for n in range(3) for k in range(4)]
    late = [time + 4e-3 for time in bursts]
    counts = {"PYR": 6, "PV": 1, "SST": 1, "VIP": 1}
    pairs = [rig.Contact(0, 1, 0.0), rig.Contact(2, 3, 0.0), rig.Contact(4, 5, 0.0)]
    cells = rig.make(exp, counts, excitation=pairs, plastic=True).only("cells", "block")
    step = -np.expm1(-exp.numerics.slow_step.si / exp.numbers.plasticity.tau_induction.si)
    cells.set_spines(step_induce=step).fire({0: bursts, 1: late, 2: bursts, 5: late}).run(0.8)
    both, source, target = cells.spines("potentiation")
    assert both > 0.02
    assert abs(source) < 0.1 * both and abs(target) < 0.1 * both
    np.testing.assert_allclose(cells.spines("efficacy"), 1 + cells.spines("potentiation"), rtol=1e-12)
