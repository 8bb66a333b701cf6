# SPDX-License-Identifier: GPL-3.0-or-later
"""Several columns in one network: disconnected copies of the circuit, side by side in the same arrays.

Small networks leave a GPU idle; many of them in one program fill it. Columns differ in whatever is a value (dose,
schedule, subunit mix, weights, seed) and share what shapes the program. Each column's cells, synapses and records are
contiguous, so putting together and taking apart are concatenation and slicing; a single run is the case of one column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuit.draw import Arrays

#: Object whose arrays have one row for each column.
COLUMN = "column"
SCHEDULE = "drug_schedule.values"


def stack(parts: Sequence[Arrays], num_cells: int) -> Arrays:
    """Put the arrays of single columns together into those of one network.

    Parameters
    ----------
    parts : sequence of dict
        `circuit.draw.arrays` of each column.
    num_cells : int
        Cells of one column.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If columns differ in a number that all cells of a network share; the sentence names it.
    """
    if len(parts) == 1:
        return dict(parts[0])
    return {name: _stacked(name, [part[name] for part in parts], num_cells) for name in parts[0]}


def _stacked(name: str, values: list[np.ndarray], num_cells: int) -> np.ndarray:
    owner, _, variable = name.rpartition(".")
    if name == SCHEDULE:
        return np.concatenate(values, axis=1)
    if variable in ("i", "j"):
        shift = 1 if (owner, variable) == ("readout", "j") else num_cells
        return np.concatenate([value + np.int32(c * shift) for c, value in enumerate(values)])
    if values[0].ndim:
        return np.concatenate(values)
    if len({value.item() for value in values}) > 1:
        found = ", ".join(f"{value:g}" for value in sorted({value.item() for value in values}))
        raise ValueError(
            f"the columns of one network share {variable}, and these differ in it ({found} in SI units); run them apart"
        )
    return values[0]


def take(outputs: Arrays, column: int, num_columns: int, num_cells: int) -> Arrays:
    """Take one column's records out of those of a network.

    Parameters
    ----------
    outputs : dict
        By "monitor.variable": "spikes.i" and "spikes.t" of shape (num_spikes,), times of shape (num_samples,), all else
        of shape (num_columns * num_recorded, num_samples).
    column, num_columns : int
        Which one, of how many.
    num_cells : int
        Cells of one column.

    Returns
    -------
    dict
        As if the column had been run alone.
    """
    cell = outputs["spikes.i"] - np.int32(column * num_cells)
    mine = (cell >= 0) & (cell < num_cells)
    taken = {"spikes.i": cell[mine], "spikes.t": outputs["spikes.t"][mine]}
    for name, values in outputs.items():
        if name not in taken:
            rows = values.shape[0] // num_columns
            taken[name] = values if values.ndim == 1 else values[column * rows : (column + 1) * rows]
    return taken
