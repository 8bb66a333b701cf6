# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a run: written once, read without Brian2.

A results folder holds data.nc (netCDF-4, which is HDF5), manifest.json, summary.json, and later the figures and
report.html; docs/results.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from circuit import measures
from circuit.errors import ResultsError
from gpu import folder, layout
from gpu.folder import DATA, MANIFEST, SUMMARY, amend_manifest, check_destination
from gpu.layout import FORMAT, SERIES, RunData
from gpu.summary import Constants, Summary, summarise

if TYPE_CHECKING:
    from circuit.config import Experiment

__all__ = ["NotRecordedError", "Results", "RunData", "amend_manifest", "check_destination", "write"]

Window = str | tuple[float, float]
Series = tuple[NDArray[np.float64], NDArray[np.float64]]


class NotRecordedError(ResultsError, KeyError):
    """A run does not hold what was asked of it: a KeyError for code, a sentence for people."""

    __str__ = Exception.__str__  # KeyError would put the sentence in quotes


def write(
    path: str | Path, exp: Experiment, data: RunData, manifest: Mapping[str, Any], overwrite: bool = False
) -> Results:
    """Write a results folder, all of it or none.

    Parameters
    ----------
    path : str or Path
        The folder; its parents are made.
    exp : Experiment
        What was run.
    data : RunData
        What came out.
    manifest : mapping
        What the runner knows (`gpu.provenance.manifest`); configuration, seed, windows, counts and checksums are added.
    overwrite : bool, optional
        Whether results that are there may be replaced.

    Returns
    -------
    Results
        The folder, open.

    Raises
    ------
    ResultsError
        If the folder cannot or must not be written (`check_destination`), or the disk is full.
    """
    path = Path(path)
    check_destination(path, overwrite)
    with folder.draft(path) as draft:
        _fill(draft, exp, data, manifest)
    return Results.open(path, verify=False)


def _fill(draft: Path, exp: Experiment, data: RunData, manifest: Mapping[str, Any]) -> None:
    """Write the three files into the draft folder."""
    groups = layout.groups(data)
    folder.write_file(draft / DATA, layout.content(exp, data, groups))
    whole = {
        "format": FORMAT,
        "title": exp.title,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **manifest,
        "seed": exp.seed,
        "simulated_s": data.duration,
        "spike_counts": data.spike_counts,
    }
    with Results(draft, whole, {}).held_open(layout.numbers(groups)) as written:
        folder.write_json(draft / SUMMARY, summarise(written, Constants.of(exp)))
    folder.write_json(draft / MANIFEST, whole | folder.checksums(draft), config=exp.resolved_json())


@dataclass(frozen=True)
class Results:
    """A results folder, open for reading; make it with `Results.open`.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        manifest.json: status, resolved configuration, versions, hardware, times, checksums.
    summary : dict
        summary.json: flat, number or None a key.
    """

    path: Path
    manifest: dict[str, Any]
    summary: Summary
    _held: list[tuple[Any, dict[str, NDArray[Any]]]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def open(cls, path: str | Path, verify: bool = True) -> Results:
        """Open a results folder.

        Parameters
        ----------
        path : str or Path
            The folder.
        verify : bool, optional
            Compare data.nc with its checksum in the manifest first (about a second per GB).

        Raises
        ------
        ResultsError
            If it is no results folder, is of another version, or has been truncated or altered.
        """
        path = Path(path)
        if not path.is_dir():
            raise ResultsError(f"{path} is not a results folder: there is no such folder")
        manifest = folder.read_json(path / MANIFEST)
        if manifest.get("format") != FORMAT:
            raise ResultsError(
                f"{path} has the format {manifest.get('format')!r} and this program reads {FORMAT!r}: "
                "use the version that wrote it (see manifest.json), or run again"
            )
        if verify:
            folder.verify(path, manifest)
        return cls(path, manifest, folder.read_json(path / SUMMARY))

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of data.nc, as plain Python values."""
        values = self._load(lambda file: dict(file.attrs))
        # netCDF-4 keeps a number as an array of one.
        return {key: v.tolist() if np.size(v) > 1 else np.asarray(v).item() for key, v in values.items()}

    @property
    def dt(self) -> float:
        """Time step, s."""
        return self.attributes["dt_s"]

    @property
    def duration(self) -> float:
        """Simulated time, s; less than was planned if the run was interrupted."""
        return self.attributes["duration_s"]

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before its end."""
        return self.manifest["status"] != "complete"

    @property
    def windows(self) -> dict[str, tuple[float, float]]:
        """Analysis windows in s, ``"baseline"`` and ``"drug"``; one that the run did not complete is missing."""
        keys = {"baseline": "window_baseline_s", "drug": "window_drug_s"}
        return {name: tuple(self.attributes[key]) for name, key in keys.items() if key in self.attributes}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Cells in each population, in the order of their index ranges."""
        names, counts = (self._read(f"populations/{key}") for key in ("population", "size"))
        return {name.decode(): int(count) for name, count in zip(names, counts, strict=True)}

    @cached_property
    def ranges(self) -> dict[str, slice]:
        """Index range of each population among all cells."""
        stops = np.cumsum(list(self.sizes.values())).tolist()
        return {name: slice(stop - size, stop) for (name, size), stop in zip(self.sizes.items(), stops, strict=True)}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """NMDA receptor classes."""
        return tuple(name.decode() for name in self._read("block/class"))

    @cached_property
    def _spikes(self) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        return self._read("spikes/step") * self.dt, self._read("spikes/cell")

    def spikes(
        self, population: str | None = None, window: Window | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Spikes, sorted by time and then by cell.

        Parameters
        ----------
        population : str, optional
            Only this one; all cells by default.
        window : str or (float, float), optional
            A name from `windows`, or start and stop in s (half open); the whole run by default.

        Returns
        -------
        times : ndarray, shape (num_spikes,)
            s.
        cell : ndarray of int32, shape (num_spikes,)
            Counted from 0 *within the population*; through all cells if no population is given.

        Raises
        ------
        NotRecordedError
            If there is no such population or window.
        """
        times, cell = self._spikes
        if window is not None:
            start, stop = np.searchsorted(times, np.asarray(self.window(window)) - measures.EARLY)
            times, cell = times[start:stop], cell[start:stop]
        if population is None:
            return times, cell
        cells = self.ranges[self._known("population", population, self.sizes)]
        inside = (cell >= cells.start) & (cell < cells.stop)
        return times[inside], cell[inside] - cells.start

    def window(self, window: Window) -> tuple[float, float]:
        """Start and stop in s of a window given by name or as numbers.

        Raises
        ------
        NotRecordedError
            If the run has no window of that name.
        """
        if not isinstance(window, str):
            return float(window[0]), float(window[1])
        return self.windows[self._known("window", window, self.windows)]

    def rate(self, population: str, window: Window) -> float:
        """Mean rate of a population in a window, Hz."""
        start, stop = self.window(window)
        return measures.mean_rate(len(self.spikes(population, window)[0]), self.sizes[population], stop - start)

    def cell_rates(self, population: str, window: Window) -> NDArray[np.float64]:
        """Rate of each cell of a population in a window, Hz, shape (cells of the population,)."""
        start, stop = self.window(window)
        cell = self.spikes(population, window)[1]
        return measures.cell_rates(cell, self.sizes[population], stop - start)

    def population_rate(self, population: str) -> Series:
        """Middle of each 10 ms bin in s, and the population's rate in it in Hz per cell; both shape (num_bins,)."""
        row = list(self.sizes).index(self._known("population", population, self.sizes))
        return self._read("rates/time"), self._read("rates/rate")[row]

    def column(self, name: str) -> Series:
        """Time in s and a series.

        ``glutamate`` or ``drug_concentration`` (uM), ``vesicular_release`` (uM/s), ``ampa_throughput`` (pC/s).
        """
        return self._series("column", name)

    def lfp(self, name: str = "lfp") -> Series:
        """Time in s and the LFP proxy, or its ``excitatory`` or ``inhibitory`` part, in pA per pyramidal cell."""
        return self._series("lfp", name)

    def lfp_spectrum(self, window: Window, name: str = "lfp") -> Series:
        """Frequency in Hz and power density in pA^2/Hz of the LFP proxy in a window (`circuit.measures.spectrum`)."""
        times, values = self.lfp(name)
        inside = self._inside(times, window)
        step = float(times[1] - times[0]) if len(times) > 1 else 1.0
        return measures.spectrum(values[inside], step)

    def block(self, population: str, name: str) -> Series:
        """Time in s and the mean blocked fraction (0..1) of a population's receptors of class `name`."""
        row = list(self.sizes).index(self._known("population", population, self.sizes))
        column = self.classes.index(self._known("receptor class", name, self.classes))
        return self._read("block/time"), self._read("block/fraction")[row, column]

    def class_shares(self, population: str) -> NDArray[np.float64] | None:
        """Share of each class in a population's NMDA conductance, shape (num_classes,); None if not recorded."""
        row = list(self.sizes).index(self._known("population", population, self.sizes))
        return self._read("block/share")[row] if self._load(lambda file: "block/share" in file) else None

    def voltage(self, population: str, name: str = "soma") -> Series:
        """Time in s, and ``soma`` or ``dendrite`` potential in mV, shape (its traced cells, num_samples)."""
        cells = self.ranges[self._known("population", population, self.sizes)]
        times, values = self._series("voltage", name)
        traced = self._read("voltage/cell")
        return times, values[(traced >= cells.start) & (traced < cells.stop)]

    def chain(self, name: str) -> Series:
        """Biological hours since the drug, and one quantity of the slow biology in multiples of health."""
        return self._series("chain", "hours")[1], self._series("chain", name)[1]

    def spines(self, name: str) -> Series:
        """Biological hours since the drug of each session, and what was seen of the spines then."""
        return self._series("spines", "hours")[1], self._series("spines", name)[1]

    def responses(self, name: str) -> Series:
        """Biological hours since the drug of each phase of test pulses, and what the column answered then."""
        return self._series("responses", "hours")[1], self._series("responses", name)[1]

    @property
    def chain_times(self) -> NDArray[np.float64]:
        """Simulated times of `chain`, s."""
        return self._read("chain/time")

    @cached_property
    def has_course(self) -> bool:
        """Whether this run followed the slow biology through a course."""
        return self._load(lambda file: "chain" in file)

    @cached_property
    def has_stimuli(self) -> bool:
        """Whether test pulses asked this run for a response."""
        return self._load(lambda file: "responses" in file)

    def mean(self, name: str, window: Window) -> float:
        """Mean of a series of the column over a window, in its unit; NaN without a sample."""
        times, values = self.column(name)
        return measures.mean_or_nan(values[self._inside(times, window)])

    def mean_block(self, population: str, name: str, window: Window) -> float:
        """Mean blocked fraction over a window, 0..1; NaN without a sample."""
        times, values = self.block(population, name)
        return measures.mean_or_nan(values[self._inside(times, window)])

    def clamped(self, population: str = "PYR") -> dict[str, float]:
        """Frequency (Hz) and amplitude (pA) of spontaneous EPSCs and IPSCs in each window (`gpu.clamped.clamped`)."""
        from gpu import clamped  # not at the top: it draws the network, which needs the whole model

        return clamped.clamped(self, population)

    def _inside(self, times: NDArray[np.float64], window: Window) -> NDArray[np.bool_]:
        start, stop = self.window(window)
        return (times >= start - measures.EARLY) & (times < stop - measures.EARLY)

    def _series(self, group: str, name: str) -> Series:
        path, named = f"{group}/{name}", SERIES[group]
        if self._held and path in self._held[-1][1]:
            return self._read(f"{group}/time"), self._read(path)
        if name not in named or not self._load(lambda file: path in file):
            recorded = self._load(lambda file: [key for key in named if f"{group}/{key}" in file])
            self._known("series", name, recorded)  # it is not, and says so
        return self._read(f"{group}/time"), self._read(path)

    def _known(self, kind: str, name: str, names: Sequence[str] | Mapping[str, Any]) -> str:
        if name in names:
            return name
        why = " (the run was interrupted)" if kind == "window" and self.interrupted else ""
        raise NotRecordedError(f"{self.path} has no {kind} {name!r}{why}; it has {', '.join(names) or 'none'}")

    def _read(self, name: str) -> NDArray[Any]:
        if not self._held:
            return self._load(lambda file: file[name][()])
        known = self._held[-1][1]
        if name not in known:
            known[name] = self._load(lambda file: file[name][()])
            known[name].flags.writeable = False  # it will be given again
        return known[name]

    def _load(self, read: Callable[[Any], Any]) -> Any:
        import h5py  # not at the top: reading a summary needs no HDF5

        try:
            if self._held:
                return read(self._held[-1][0])
            with h5py.File(self.path / DATA, "r") as file:
                return read(file)
        except (OSError, KeyError) as error:
            raise ResultsError(f"{self.path / DATA} cannot be read ({error}): run again") from error

    @contextmanager
    def held_open(self, known: Mapping[str, NDArray[Any]] | None = None) -> Iterator[Self]:
        """Keep data.nc open in the block, and each array once it was read: for much reading in a row.

        Parameters
        ----------
        known : mapping of str to ndarray, optional
            Arrays in it that are at hand, by "group/name".

        Raises
        ------
        ResultsError
            If it cannot be read.
        """
        import h5py

        try:
            file = h5py.File(self.path / DATA, "r")
        except OSError as error:
            raise ResultsError(f"{self.path / DATA} cannot be read ({error}): run again") from error
        with file:
            self._held.append((file, dict(known or {})))
            try:
                yield self
            finally:
                self._held.pop()
