# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in data.nc: groups, dimensions, units.

netCDF-4 (so also HDF5; `gpu.netcdf`), gzip level 1 and shuffle. Spike times are integer steps: smaller, exact, and the
same on every machine. Nothing in the file depends on when or where it was written, so the same spikes give the same
checksum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit import measures, signalling
from gpu import netcdf
from gpu.netcdf import Variable

if TYPE_CHECKING:
    from circuit.config import Experiment

FORMAT = "pfc-results 1"
"""Goes up by one when a reader of the old layout would be wrong about the new one."""

OF_COURSE = ("chain", "spines", "responses")
"""Groups that only a course has."""

RATE_BIN = 0.01
"""s. Bins of the population rates."""

# Every series a run may record: group -> name -> (unit, what it is).
SERIES: dict[str, dict[str, tuple[str, str]]] = {
    "column": {
        "glutamate": ("uM", "extracellular glutamate concentration"),
        "vesicular_release": ("uM/s", "glutamate that vesicles of the column and of its afferents spill over"),
        "drug_concentration": ("uM", "free drug concentration"),
        "ampa_throughput": ("pC/s", "AMPA charge per pyramidal cell and second"),
    },
    "lfp": {
        "excitatory": ("pA", "excitatory synaptic current per pyramidal cell, soma and dendrite"),
        "inhibitory": ("pA", "inhibitory synaptic current per pyramidal cell, soma and dendrite"),
        "lfp": ("pA", "proxy of the local field potential"),
    },
    "voltage": {
        "soma": ("mV", "membrane potential of the soma"),
        "dendrite": ("mV", "membrane potential of the dendrite"),
    },
    "chain": {
        "hours": ("h", "biological time since the drug is given"),
        "throughput": ("1", "AMPA charge of a pyramidal cell, in multiples of health"),
        "resting": ("1", "NMDA calcium at rest, in multiples of health"),
        "evoked": ("1", "evoked NMDA calcium, in multiples of health"),
        **{name: ("1", f"{words}, in multiples of health") for name, words in signalling.CHAIN.items()},
        "formation": ("1", "rate of spine formation, in multiples of health"),
        "elimination": ("1", "rate of spine elimination, in multiples of health"),
    },
    "spines": {
        "hours": ("h", "biological time since the drug is given"),
        "density": ("1", "spines per potential contact"),
        "new": ("1", "new spines per potential contact"),
        "mature": ("1", "mature spines per potential contact"),
        "head": ("1", "mean head size of mature spines, 1 in health"),
        "formed": ("1", "spines formed since the session before, per spine then"),
        "eliminated": ("1", "spines eliminated since the session before, per spine then"),
        "formed_since": ("1", "spines that are there and were not when the drug was given, per spine then"),
        "eliminated_since": ("1", "spines that were there when the drug was given and are not, per spine then"),
        "surviving": ("1", "share of the spines of the first session that are there"),
        "EPSC_frequency": ("1", "contacts with a spine times their release probability, per potential contact"),
        "EPSC_amplitude": ("1", "mean strength of all spines: head, LTP and LTD, synaptic scaling"),
        "apical_frequency": ("1", "as EPSC_frequency, of apical contacts alone"),
        "apical_amplitude": ("1", "as EPSC_amplitude, of apical contacts alone"),
        "tested": ("1", "mean strength by LTP and LTD of spines between two stimulated cells"),
        "control": ("1", "the same of spines from a cell that is not stimulated to one that is"),
    },
    "responses": {
        "hours": ("h", "biological time since the drug is given, at the end of a phase of test pulses"),
        "pulses": ("1", "pulses of the phase"),
        "spikes": ("1", "spikes of a pyramidal cell that is not stimulated after a pulse, less those before it"),
        "charge": ("pC", "AMPA charge of a pyramidal cell after a pulse, less that before it"),
    },
}


# Of each synapse: name -> (unit, what it is).
SYNAPSES = {
    "source": ("1", "index of the presynaptic cell"),
    "target": ("1", "index of the postsynaptic cell"),
    "soma": ("nS", "peak conductance of a first spike from rest, on the soma"),
    "dendrite": ("nS", "the same on the dendrite"),
    "efficacy": ("1", "share of the conductance that the spine has at the start, 0 without a spine"),
}


@dataclass(frozen=True)
class RunData:
    """What came out of a run, in the units of data.nc.

    Attributes
    ----------
    dt : float
        Time step, s.
    duration : float
        Simulated time, s; less than was planned if the run was interrupted.
    sizes : mapping of str to int
        Cells in each population, in the order of their index ranges.
    spikes_step, spikes_cell : ndarray of int, shape (num_spikes,)
        Step and cell of each spike, in any order; time is step * `dt`, cells count through all populations.
    column : mapping of str to ndarray, shape (num_samples,)
        ``time`` (s) and series named in ``SERIES["column"]``.
    block : mapping of str to ndarray
        ``time`` (s), shape (num_samples,); ``fraction``, the mean blocked fraction (0..1), shape (num_populations,
        num_classes, num_samples); and, if known, ``share`` of each class in the population's NMDA conductance (adding
        up to 1), shape (num_populations, num_classes).
    classes : tuple of str
        Names of the receptor classes, in the order of `block`.
    lfp : mapping of str to ndarray, shape (num_samples,)
        ``time`` (s) and series named in ``SERIES["lfp"]``.
    voltage : mapping of str to ndarray
        ``time`` (s), ``cell`` (int, shape (num_traced,)), and series named in ``SERIES["voltage"]``, shape
        (num_traced, num_samples). May be empty.
    chain, spines, responses : mapping of str to ndarray, shape (num_samples,)
        Of a course: ``time`` (simulated s) and series named in ``SERIES``; empty otherwise. Spines are seen at the end
        of each segment, and responses are means over a phase of test pulses.
    synapses : mapping of str to mapping of str to ndarray, shape (num_synapses,)
        By kind of synapse, series named in `SYNAPSES`; empty unless it was to be recorded.

    Raises
    ------
    ValueError
        If shapes or names do not fit together.
    """

    dt: float
    duration: float
    sizes: Mapping[str, int]
    spikes_step: NDArray[np.integer]
    spikes_cell: NDArray[np.integer]
    column: Mapping[str, NDArray[Any]]
    block: Mapping[str, NDArray[Any]]
    classes: tuple[str, ...]
    lfp: Mapping[str, NDArray[Any]]
    voltage: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    chain: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    spines: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    responses: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    synapses: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cell, num_cells = self.spikes_cell, sum(self.sizes.values())
        if np.shape(self.spikes_step) != np.shape(cell):
            raise ValueError(f"{len(self.spikes_step)} spike times for {len(cell)} cells")
        if len(cell) and not 0 <= np.min(cell) <= np.max(cell) < num_cells:
            raise ValueError(f"spikes of cells {np.min(cell)} to {np.max(cell)} in a network of {num_cells}")
        for group in SERIES:
            if getattr(self, group):
                self._check(group)
        expected = (len(self.sizes), len(self.classes), len(self.block["time"]))
        if np.shape(self.block["fraction"]) != expected:
            raise ValueError(f"block/fraction has the shape {np.shape(self.block['fraction'])}, expected {expected}")

    def _check(self, group: str) -> None:
        values = getattr(self, group)
        for name in values.keys() - {"time", "cell"}:
            if name not in SERIES[group]:
                raise ValueError(f"{group}/{name} has no unit: name it in gpu.layout.SERIES")
            if np.shape(values[name])[-1:] != np.shape(values["time"]):
                shape, num_times = np.shape(values[name]), len(values["time"])
                raise ValueError(f"{group}/{name} has the shape {shape} for {num_times} times")

    @property
    def spike_counts(self) -> dict[str, int]:
        """Spikes of each population."""
        stops = np.cumsum(list(self.sizes.values()))
        totals = np.cumsum(np.bincount(self.spikes_cell, minlength=sum(self.sizes.values())))[stops - 1]
        return dict(zip(self.sizes, np.diff(totals, prepend=0).tolist(), strict=True))


def content(exp: Experiment, data: RunData, parts: Mapping[str, Mapping[str, Variable]]) -> bytes:
    """Return data.nc, of which `groups` has made the parts."""
    return netcdf.content(_attributes(exp, data), parts)


def _attributes(exp: Experiment, data: RunData) -> dict[str, Any]:
    """Attributes of the file; units are in the names."""
    return {
        "format": FORMAT,
        "title": exp.title,
        "seed": exp.seed,
        "dt_s": data.dt,
        "duration_s": data.duration,
        "drug_onset_s": exp.drug_onset.si if exp.course is None else windows(exp, data.duration)["drug"][0],
        **{f"window_{name}_s": np.array(window) for name, window in windows(exp, data.duration).items()},
    }


def windows(exp: Experiment, duration: float) -> dict[str, tuple[float, float]]:
    """Analysis windows in s that lie wholly within the simulated time `duration`, s.

    The settling time is before the baseline, and the transition between drug onset and the drug window is in neither.
    """
    if exp.course is not None:
        from circuit import course  # not at the top: it needs the whole model, and most readers do not

        return {name: window for name, window in course.windows(exp).items() if window[1] <= duration + 1e-9}
    protocol = exp.protocol
    start = protocol.t_settle.si
    onset = start + protocol.t_baseline.si
    drug = onset + protocol.t_transition.si
    planned = {"baseline": (start, onset), "drug": (drug, drug + protocol.t_drug.si)}
    return {name: (t0, t1) for name, (t0, t1) in planned.items() if t0 < t1 <= duration + 1e-9}


def groups(data: RunData) -> dict[str, dict[str, Variable]]:
    """All groups of the file; one without samples is there all the same, but for those that only a course has."""
    return {
        "populations": _populations(data),
        "cells": _cells(data),
        "spikes": _spikes(data),
        "rates": _rates(data),
        "column": _series("column", _single(data.column), ("time",)),
        "block": _block(data),
        "lfp": _series("lfp", _single(data.lfp), ("time",)),
        "voltage": _voltage(data),
        **{name: _series(name, getattr(data, name), ("time",)) for name in OF_COURSE if getattr(data, name)},
        **{f"synapses_{name}": _synapses(values) for name, values in data.synapses.items()},
    }


def numbers(parts: Mapping[str, Mapping[str, Variable]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of data.nc by "group/name", but for texts, which HDF5 gives back in another form."""
    arrays = {f"{group}/{name}": entry.values for group, entries in parts.items() for name, entry in entries.items()}
    return {name: values for name, values in arrays.items() if values.dtype != object}


def _names(data: RunData) -> Variable:
    return Variable(("population",), _text(data.sizes), "1", "population")


def _time(values: NDArray[Any], long_name: str = "time since the start of the simulation") -> Variable:
    return Variable(("time",), np.asarray(values, dtype=np.float64), "s", long_name)


def _text(names: Any) -> NDArray[np.object_]:
    return np.array(list(names), dtype=object)


def _populations(data: RunData) -> dict[str, Variable]:
    size = np.array(list(data.sizes.values()), dtype=np.int32)
    first = np.cumsum(size, dtype=np.int32) - size
    return {
        "population": _names(data),
        "size": Variable(("population",), size, "1", "number of cells"),
        "first": Variable(("population",), first, "1", "index of the first cell"),
    }


def _cells(data: RunData) -> dict[str, Variable]:
    owner = np.repeat(_text(data.sizes), list(data.sizes.values()))
    return {
        "cell": Variable(("cell",), np.arange(len(owner), dtype=np.int32), "1", "index of the cell"),
        "population": Variable(("cell",), owner, "1", "population of the cell"),
    }


def _spikes(data: RunData) -> dict[str, Variable]:
    step, cell = np.asarray(data.spikes_step), np.asarray(data.spikes_cell)
    later, same = step[1:] > step[:-1], step[1:] == step[:-1]
    if not (later | (same & (cell[1:] >= cell[:-1]))).all():  # mostly they come in order
        order = np.lexsort((cell, step))
        step, cell = step[order], cell[order]
    return {
        "step": Variable(("spike",), step.astype(np.int64), "1", "time step of the spike; time is step * dt_s"),
        "cell": Variable(("spike",), cell.astype(np.int32), "1", "index of the cell that fired"),
    }


def _rates(data: RunData) -> dict[str, Variable]:
    times = np.asarray(data.spikes_step) * data.dt
    stops = np.cumsum(list(data.sizes.values()))
    owner = np.searchsorted(stops, data.spikes_cell, side="right")
    counts = measures.spike_counts(times, owner, len(stops), 0.0, data.duration, RATE_BIN)
    edges = measures.bin_edges(0.0, data.duration, RATE_BIN)
    rate = counts / (np.maximum(list(data.sizes.values()), 1)[:, None] * RATE_BIN)
    return {
        "population": _names(data),
        "time": _time((edges[:-1] + edges[1:]) / 2, "middle of the bin"),
        "rate": Variable(("population", "time"), rate.astype(np.float32), "Hz", "firing rate per cell"),
    }


def _series(group: str, values: Mapping[str, NDArray[Any]], dims: tuple[str, ...]) -> dict[str, Variable]:
    recorded = {name: label for name, label in SERIES[group].items() if name in values}
    series = {name: Variable(dims, np.asarray(values[name]), *label) for name, label in recorded.items()}
    return {"time": _time(values["time"]), **series} if values else {}


def _block(data: RunData) -> dict[str, Variable]:
    fraction = np.asarray(data.block["fraction"])
    group = {
        "population": _names(data),
        "class": Variable(("class",), _text(data.classes), "1", "NMDA receptor class"),
        "time": _time(data.block["time"]),
        "fraction": Variable(("population", "class", "time"), fraction, "1", "mean blocked fraction of channels"),
    }
    if "share" in data.block:
        share = np.asarray(data.block["share"], dtype=np.float64)
        group["share"] = Variable(("population", "class"), share, "1", "share of the class in the NMDA conductance")
    return group


def _synapses(values: Mapping[str, NDArray[Any]]) -> dict[str, Variable]:
    kinds = {name: np.int32 if name in ("source", "target") else np.float32 for name in values}
    return {name: Variable(("synapse",), np.asarray(v, kinds[name]), *SYNAPSES[name]) for name, v in values.items()}


def _voltage(data: RunData) -> dict[str, Variable]:
    if not data.voltage:
        return {}
    cell = np.asarray(data.voltage["cell"], dtype=np.int32)
    return {
        "cell": Variable(("trace",), cell, "1", "index of the traced cell"),
        **_series("voltage", _single(data.voltage), ("trace", "time")),
    }


def _single(values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Series in single precision: of a voltage a fraction of a microvolt is lost, and half of a file saved."""
    return {name: v if name in ("time", "cell") else np.asarray(v, np.float32) for name, v in values.items()}
