# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit's own program with a handful of cells, on Brian2's NumPy target, under the test's hand.

`circuit.network.create` makes it, so what is tested is what runs; the values come from the functions of `circuit.draw`,
without heterogeneity, and a test replaces what it holds fixed. Spikes are forced, and any part of the step can be
switched off.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuit import draw, network
from circuit.config import Experiment, load
from circuit.course import segments, slow_numbers
from circuit.interventions import effects
from circuit.populations import POPULATIONS, ranges
from circuit.spines import MATURE

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"
#: Every cell of a population alike.
ALIKE = tuple(f"parameters.heterogeneity.log_sd_{key}=0" for key in ("C", "g_L", "ext", "weight", "NMDA", "inhibition"))
#: An initial voltage or threshold spread cannot be 0 in a config; this one is far below any tolerance here.
SHARP = tuple(f"parameters.cells.{population}.V_T_sd=1e-12 mV" for population in POPULATIONS)
ONE_EACH = dict.fromkeys(POPULATIONS, 1)
#: What a step consists of; `Rig.only` switches all but some of it off.
PARTS = ("cells", "drive", "block", "column_step")


class Contact(NamedTuple):
    """One synapse between cells of the flat set, its weight in S."""

    source: int
    target: int
    weight: float
    on_dendrite: bool = False


@cache
def experiment(*overrides: str) -> Experiment:
    """The shipped ketamine experiment with all cells of a population alike."""
    return load(CONFIG, [*ALIKE, *SHARP, *overrides])


def first(population: str, counts: Mapping[str, int] = ONE_EACH) -> int:
    """Index of a population's first cell."""
    return ranges(counts)[population].start


def arrays(
    exp: Experiment,
    counts: Mapping[str, int] = ONE_EACH,
    excitation: Sequence[Contact] = (),
    inhibition: Sequence[Contact] = (),
) -> draw.Arrays:
    """What `circuit.draw.arrays` makes, for these cells and synapses."""
    numbers = exp.numbers
    values = draw.cell_parameters(numbers, counts, exp.seed, exp.numerics.dt.si, exp.recording.lfp_step.si)
    on_spines = [one for one in excitation if one.target < counts["PYR"]]
    others = [one for one in excitation if one.target >= counts["PYR"]]
    for name, contacts in (("excitation", others), ("inhibition", inhibition), ("spines", on_spines)):
        values |= _synapses(name, contacts)
    assert not values.pop("excitation.weight_d").any()  # Interneurons have these on their somata alone.
    full = np.ones(values["spines.i"].size)
    values |= {"spines.stage": MATURE * full, "spines.head": full, "spines.efficacy": full}
    values |= {"spines.potentiation": 0 * full}
    values |= draw.receptor_pools(values, numbers, counts)
    segment = segments(exp)[0]
    values |= draw.shared(exp, numbers) | slow_numbers(exp, numbers, segment)
    values |= draw.initial_state(values, numbers, counts, exp.seed) | draw.slow_state(exp, counts)
    return values | draw.column(exp, counts["PYR"], segment)


def _synapses(name: str, contacts: Sequence[Contact]) -> draw.Arrays:
    # Brian2 makes no synapses object without a synapse: one of no weight stands for none.
    i, j, weight, on_dendrite = zip(*(contacts or [Contact(0, 0, 0.0)]), strict=True)
    ends = [np.array(end, dtype=np.int32) for end in (i, j)]
    return draw.synapses(name, *ends, np.array(weight), np.array(on_dendrite), 1.0)


@dataclass(frozen=True)
class Rig:
    """A small network that is ready to run."""

    objects: Mapping[str, Any]
    given: draw.Arrays

    def set(self, **values: object) -> Rig:
        """Set variables of the cells, SI units."""
        for name, value in values.items():
            _set(self.objects, f"cells.{name}", value)
        return self

    def set_column(self, **values: object) -> Rig:
        """Set variables of the column, SI units."""
        for name, value in values.items():
            _set(self.objects, f"column.{name}", value)
        return self

    def give(self, exp: Experiment, concentration: float, drug: str = "ketamine") -> Rig:
        """Give a drug at a concentration in mM, for as long as the column's own step is off."""
        numbers = exp.numbers
        level = np.array([concentration])
        found = effects(numbers.drugs, numbers.receptors, [(drug, "bath", level)], 1)
        now = {name: values[0] for name, values in found.items()}
        return self.set_column(conc_drug=concentration, log_sodium=np.log(now["sodium_factor"]), **now)

    def only(self, *parts: str) -> Rig:
        """Switch off every part of the step but these (see `PARTS`)."""
        cells, column = self.objects["cells"], self.objects["column"]
        members = {item.name: item for group in (cells, column) for item in group.contained_objects}
        for name in ("drive", "block", "column_step"):
            members[name].active = name in parts
        spiking = [item for name, item in members.items() if name.startswith("cells_")]
        spiking += [self.objects[name] for name in ("spikes", "excitation", "inhibition", "spines", "push", "hand")]
        for item in spiking:
            item.active = "cells" in parts
        return self

    def fire(self, trains: Mapping[int, Sequence[float]]) -> Rig:
        """Make cells spike at these times, s; each at least one time step after 0 and after the one before."""
        dt = float(self.objects["cells"].clock.dt_)
        pairs = sorted((time, cell) for cell, times in trains.items() for time in times)
        # A pushed cell crosses the threshold in the step after the push.
        times = np.array([time for time, _ in pairs]) - dt
        self.objects["push"].set_spikes([cell for _, cell in pairs], times * _second(), sorted=True)
        return self

    def run(self, duration: float) -> Rig:
        """Advance by `duration` s."""
        self.objects["network"].run(duration * _second(), namespace={})
        return self

    def get(self, name: str) -> NDArray[np.float64]:
        """A variable of the cells now, SI units, shape (num_cells,)."""
        return np.array(getattr(self.objects["cells"], f"{name}_")[:])

    def column(self, name: str) -> float:
        """A variable of the column now, SI units."""
        return float(getattr(self.objects["column"], f"{name}_")[0])

    def trace(self, name: str) -> NDArray[np.float64]:
        """A watched variable, SI units, shape (num_cells, num_samples)."""
        return np.array(getattr(self.objects["watch"], f"{name}_"))

    def column_trace(self, name: str) -> NDArray[np.float64]:
        """A watched variable of the column, SI units, shape (num_samples,)."""
        return np.array(getattr(self.objects["watch_column"], f"{name}_"))[0]

    def spines(self, name: str) -> NDArray[np.float64]:
        """A variable of the spines now, shape (num_contacts,)."""
        return np.array(getattr(self.objects["spines"], f"{name}_")[:])

    def set_spines(self, **values: object) -> Rig:
        """Set variables of the spines."""
        for name, value in values.items():
            _set(self.objects, f"spines.{name}", value)
        return self

    @property
    def times(self) -> NDArray[np.float64]:
        """Times of the watched samples, s."""
        return np.array(self.objects["watch"].t_)

    def spikes(self, cell: int) -> NDArray[np.float64]:
        """Times at which a cell spiked, s."""
        monitor = self.objects["spikes"]
        return np.array(monitor.t_)[np.array(monitor.i) == cell]


def make(
    exp: Experiment,
    counts: Mapping[str, int] = ONE_EACH,
    excitation: Sequence[Contact] = (),
    inhibition: Sequence[Contact] = (),
    watch: Collection[str] = (),
    watch_step: float | None = None,
    plastic: bool = False,
    watch_column: Collection[str] = (),
) -> Rig:
    """Make a network of `counts` cells with these synapses, watching variables of all cells every `watch_step` s.

    Variables of the column are watched at each step of its own. Spines that are `plastic` are so at the pace of life
    from the start.
    """
    import brian2 as b2

    b2.prefs.codegen.target = "numpy"
    logging.getLogger("brian2").setLevel(logging.ERROR)  # a failure's report would show all of Brian2's diary
    given = arrays(exp, counts, excitation, inhibition)
    names = ("excitation", "inhibition", "spines", "readout")
    edges = {name: (given[f"{name}.i"], given[f"{name}.j"]) for name in names}
    shape = replace(
        network.structure(exp),
        num_cells=tuple(counts.items()),
        num_synapses=tuple((name, i.size) for name, (i, _) in edges.items()),
        num_traced=0,
        slow=True,
        plastic=plastic,
    )
    objects = network.create(shape, edges)
    hands = _hands(b2, objects["cells"], watch, watch_step or shape.dt)
    if watch_column:
        step = shape.column_step * b2.second
        hands["watch_column"] = b2.StateMonitor(
            objects["column"], list(watch_column), record=True, when="end", dt=step, name="watch_column"
        )
    objects["network"].add(*hands.values())
    objects |= hands
    for name, values in given.items():
        if not name.endswith((".i", ".j")):
            _set(objects, name, values)
    return Rig(objects, given)


def _hands(b2: Any, cells: Any, watch: Collection[str], step: float) -> dict[str, Any]:
    """What the test acts and looks with, added to the network of `create`."""
    push = b2.SpikeGeneratorGroup(len(cells), [], [] * b2.second, clock=cells.clock, name="push")
    hand = b2.Synapses(
        push, cells, on_pre="v_post = V_cut_post + 2*Delta_T_post", clock=cells.clock, namespace={}, name="hand"
    )
    hand.connect(j="i")
    hands = {"push": push, "hand": hand}
    if watch:
        hands["watch"] = b2.StateMonitor(cells, list(watch), record=True, dt=step * b2.second, name="watch")
    return hands


def _set(objects: Mapping[str, Any], name: str, values: object) -> None:
    owner, _, variable = name.partition(".")
    if owner == "drug_schedule":
        objects[owner].values[...] = np.reshape(values, objects[owner].values.shape)
        return
    target = objects[owner].variables[variable]
    target.set_value(np.broadcast_to(np.asarray(values, dtype=float), np.shape(target.get_value())))


def _second() -> Any:
    from brian2 import second

    return second
