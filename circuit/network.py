# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where Brian2 objects are made.

`structure` says what shapes the compiled program; `create` makes it. No number of the model enters here: the values
come from `circuit.draw` at run time, so that one compiled program serves every dose, schedule, seed and parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit import equations, plasticity, schema, signalling
from circuit.draw import SCHEDULE_SAMPLES
from circuit.populations import PATHWAYS, POPULATIONS, ranges, sizes, split
from circuit.subunits import TAGS

if TYPE_CHECKING:
    from circuit.config import Experiment

#: Modules whose source shapes the compiled program.
SOURCES = (
    "circuit.network",
    "circuit.equations",
    "circuit.signalling",
    "circuit.plasticity",
    "circuit.populations",
    "circuit.subunits",
)
#: At most so many cells of each population carry the record of the channel block.
BLOCK_SAMPLE = 64
#: At most so many pyramidal cells carry the record of the slow biology.
CHAIN_SAMPLE = 128


@dataclass(frozen=True)
class Structure:
    """What shapes the compiled program; two runs with equal structures share one.

    Attributes
    ----------
    num_cells : tuple of (str, int)
        Cells of one column by population, in the order of `POPULATIONS`.
    num_synapses : tuple of (str, int)
        Synapses of all columns by object.
    num_columns : int
        Disconnected copies of the circuit.
    dt, column_step, block_step, slow_step, spine_step, trace_step : float
        Clocks, s.
    delay_excitation, delay_inhibition : float
        s, uniform in each object.
    num_traced : int
        Cells of each population whose voltage is recorded.
    slow : bool
        Whether the slow biology moves; otherwise it stays as it is drawn.
    plastic : bool
        Whether spines undergo LTP and LTD; only where the slow biology moves.
    precision : {"double", "single"}
    """

    num_cells: tuple[tuple[str, int], ...]
    num_synapses: tuple[tuple[str, int], ...]
    num_columns: int
    dt: float
    column_step: float
    block_step: float
    slow_step: float
    spine_step: float
    trace_step: float
    delay_excitation: float
    delay_inhibition: float
    num_traced: int
    slow: bool
    plastic: bool
    precision: str

    @property
    def column_cells(self) -> int:
        """Cells of one column."""
        return sum(size for _, size in self.num_cells)


def structure(exp: Experiment, num_columns: int = 1) -> Structure:
    """Structure of the program that runs `num_columns` columns like `exp`."""
    numbers = exp.numbers
    counts = sizes(exp.network.num_neurons, schema.fractions(numbers))
    degrees = schema.in_degrees(numbers)
    edges = {"excitation": 0, "inhibition": 0, "spines": schema.contacts(numbers) * counts["PYR"]}
    edges["readout"] = counts["PYR"]
    for name in PATHWAYS:
        source, target = split(name)
        if (source, target) != ("PYR", "PYR"):
            edges["excitation" if source == "PYR" else "inhibition"] += degrees[name] * counts[target]
    return Structure(
        num_cells=tuple(counts.items()),
        num_synapses=tuple((name, number * num_columns) for name, number in edges.items()),
        num_columns=num_columns,
        dt=exp.numerics.dt.si,
        column_step=exp.recording.lfp_step.si,
        block_step=exp.numerics.block_step.si,
        slow_step=exp.numerics.slow_step.si,
        spine_step=exp.numerics.spine_step.si,
        trace_step=exp.recording.trace_step.si,
        delay_excitation=numbers.synapses.delay_excitation.si,
        delay_inhibition=numbers.synapses.delay_inhibition.si,
        num_traced=exp.recording.num_traced,
        slow=exp.course is not None,
        plastic=exp.plasticity,
        precision=exp.numerics.precision,
    )


def evenly(where: slice, number: int) -> NDArray[np.int32]:
    """At most `number` indices, evenly spread over a range."""
    size = where.stop - where.start
    return (where.start + np.arange(min(number, size)) * size // max(1, min(number, size))).astype(np.int32)


def recorded(num_cells: tuple[tuple[str, int], ...], number: int) -> NDArray[np.int32]:
    """Indices of a column's recorded cells, at most `number` of each population, ascending."""
    where = ranges(dict(num_cells))
    return np.concatenate([evenly(where[pop], number) for pop in POPULATIONS])


def followed(num_cells: tuple[tuple[str, int], ...]) -> NDArray[np.int32]:
    """Indices of the column's pyramidal cells whose slow biology is recorded."""
    return evenly(ranges(dict(num_cells))["PYR"], CHAIN_SAMPLE)


def create(shape: Structure, indices: dict[str, tuple[NDArray, NDArray]]) -> dict[str, Any]:
    """Make the Brian2 objects.

    Parameters
    ----------
    shape : Structure
    indices : dict
        For each synapses object the indices of source and target cells.

    Returns
    -------
    dict
        Every object by its name, and the `Network` as ``"network"``.
    """
    import brian2 as b2

    second = b2.second
    column = _column(b2, shape)
    cells = _cells(b2, shape, column["column"])
    synapses = {
        "excitation": _synapses(
            b2, "excitation", cells, equations.EXCITATION, shape.delay_excitation, indices, equations.WEIGHT
        ),
        "inhibition": _synapses(b2, "inhibition", cells, equations.INHIBITION, shape.delay_inhibition, indices),
        "spines": _spines(b2, shape, cells, indices),
        "readout": _readout(b2, cells, column["column"], indices),
    }
    traced = _in_all_columns(shape, recorded(shape.num_cells, shape.num_traced))
    sampled = _in_all_columns(shape, recorded(shape.num_cells, BLOCK_SAMPLE))
    blocked = [f"block_{k}{c}" for k in TAGS for c in equations.COMPARTMENTS]
    column_variables = ["glutamate", "vesicular", "conc_drug", "I_AMPA_sum", "I_exc_sum", "I_inh_sum"]
    monitors = {
        "spikes": b2.SpikeMonitor(cells, name="spikes"),
        "column_trace": b2.StateMonitor(
            column["column"], column_variables, record=True, dt=shape.column_step * second, name="column_trace"
        ),
        "block_trace": b2.StateMonitor(
            cells, blocked, record=sampled, dt=shape.trace_step * second, name="block_trace"
        ),
    }
    if shape.slow:
        monitors["chain_trace"] = b2.StateMonitor(
            cells,
            [*signalling.SENSORS, *signalling.CHAIN, *signalling.SPINE_RATES],
            record=_in_all_columns(shape, followed(shape.num_cells)),
            dt=shape.spine_step * second,
            name="chain_trace",
        )
    if traced.size:
        monitors["voltage_trace"] = b2.StateMonitor(
            cells, ["v", "v_d"], record=traced, dt=shape.column_step * second, name="voltage_trace"
        )
    objects = {"cells": cells, **column, **synapses, **monitors}
    members = [member for name, member in objects.items() if name != "drug_schedule"]
    return objects | {"network": b2.Network(*members, name="network")}


def _in_all_columns(shape: Structure, cells: NDArray[np.int32]) -> NDArray[np.int32]:
    return (np.arange(shape.num_columns)[:, None] * shape.column_cells + cells).ravel()


def _column(b2: Any, shape: Structure) -> dict[str, Any]:
    width = shape.num_columns * len(equations.SCHEDULED)
    schedule = b2.TimedArray(np.zeros((SCHEDULE_SAMPLES, width)), dt=1 * b2.second, name="drug_schedule")
    group = b2.NeuronGroup(
        shape.num_columns,
        equations.column(),
        method="euler",
        dt=shape.column_step * b2.second,
        name="column",
        namespace={"drug_schedule": schedule},
    )
    group.run_regularly(equations.column_step(), when="start", name="column_step")
    return {"column": group, "drug_schedule": schedule}


def _cells(b2: Any, shape: Structure, column: Any) -> Any:
    group = b2.NeuronGroup(
        shape.num_columns * shape.column_cells,
        equations.cells(),
        method="euler",
        threshold=equations.THRESHOLD,
        reset=equations.reset(),
        dt=shape.dt * b2.second,
        name="cells",
        namespace={},
    )
    column_of_cell = np.repeat(np.arange(shape.num_columns), shape.column_cells)
    for name in equations.LINKED:
        setattr(group, name, b2.linked_var(column, name, index=column_of_cell))
    # After the read-out has summed what was released since the last step: `drive` sets the count back.
    group.run_regularly(equations.drive(), dt=shape.column_step * b2.second, when="after_groups", name="drive")
    group.run_regularly(equations.block(), dt=shape.block_step * b2.second, when="after_groups", name="block")
    if shape.slow:
        group.run_regularly(signalling.STEP, dt=shape.slow_step * b2.second, when="after_groups", name="signalling")
    if shape.plastic:
        group.run_regularly(equations.plastic(), dt=shape.block_step * b2.second, when="after_groups", name="offered")
    return group


def _synapses(
    b2: Any,
    name: str,
    cells: Any,
    on_pre: str,
    delay: float,
    indices: dict[str, tuple[NDArray, NDArray]],
    model: str = equations.WEIGHTS,
) -> Any:
    group = b2.Synapses(
        cells,
        cells,
        model,
        on_pre=on_pre,
        delay=delay * b2.second,
        clock=cells.clock,
        name=name,
        namespace={},
    )
    i, j = indices[name]
    group.connect(i=i, j=j)
    return group


def _spines(b2: Any, shape: Structure, cells: Any, indices: dict[str, tuple[NDArray, NDArray]]) -> Any:
    text = equations.contacts()
    group = _synapses(b2, "spines", cells, equations.SPINES, shape.delay_excitation, indices, text)
    if shape.slow:
        # After the step of the cells, whose name comes before in the alphabet: so Brian2 orders what is simultaneous.
        step = shape.spine_step * b2.second
        group.run_regularly(signalling.SPINE_STEP, dt=step, when="after_groups", name="spine_step")
    if shape.plastic:
        step = shape.slow_step * b2.second
        group.run_regularly(plasticity.SPINE_STEP, dt=step, when="after_groups", name="spine_plasticity")
    return group


def _readout(b2: Any, cells: Any, column: Any, indices: dict[str, tuple[NDArray, NDArray]]) -> Any:
    group = b2.Synapses(cells, column, equations.READOUT, name="readout", namespace={})
    i, j = indices["readout"]
    group.connect(i=i, j=j)
    return group
