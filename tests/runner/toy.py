# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of seconds with everything the runner has to carry: arrays, edges, a schedule, noise, recordings.

Sources are noisy leaky integrators driven by a schedule; each spike raises `g` of its targets by the weight of the
contact, after a delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SOURCES = ("tests.runner.toy",)


@dataclass(frozen=True)
class Structure:
    """Everything that shapes the compiled code; times in seconds."""

    num_sources: int = 20
    num_targets: int = 10
    num_synapses: tuple[tuple[str, int], ...] = (("contacts", 40),)
    num_drive_values: int = 4
    drive_step: float = 0.05
    trace_step: float = 0.001
    dt: float = 1e-4
    precision: str = "double"


def create(structure: Structure, indices: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, object]:
    """Return the network and its objects by name; `indices["contacts"]` is (source, target), one entry a contact."""
    from brian2 import Network, NeuronGroup, SpikeMonitor, StateMonitor, Synapses, TimedArray, defaultclock, ms, second

    defaultclock.dt = structure.dt * second
    drive = TimedArray(np.zeros(structure.num_drive_values), dt=structure.drive_step * second, name="drive")
    sources = NeuronGroup(
        structure.num_sources,
        "dv/dt = (gain*drive(t) - v)/tau : 1\ngain : 1 (constant)\nsigma : 1 (shared, constant)",
        threshold="v > 1",
        reset="v = 0",
        method="euler",
        namespace={"drive": drive, "tau": 10 * ms},
        name="sources",
    )
    sources.run_regularly("v += sigma*randn()", dt=1 * ms, name="noise")
    targets = NeuronGroup(
        structure.num_targets, "dg/dt = -g/tau : 1", method="euler", namespace={"tau": 50 * ms}, name="targets"
    )
    contacts = Synapses(
        sources, targets, "w : 1 (constant)", on_pre="g_post += w", delay=2 * ms, namespace={}, name="contacts"
    )
    i, j = indices["contacts"]
    contacts.connect(i=i, j=j)
    spikes = SpikeMonitor(sources, name="spikes")
    traces = StateMonitor(targets, "g", record=True, dt=structure.trace_step * second, name="traces")
    network = Network(sources, targets, contacts, spikes, traces)
    return {
        "network": network,
        "drive": drive,
        "sources": sources,
        "targets": targets,
        "contacts": contacts,
        "spikes": spikes,
        "traces": traces,
    }
