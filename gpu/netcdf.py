# SPDX-License-Identifier: GPL-3.0-or-later
"""Write labelled arrays as netCDF-4, the form of HDF5 that xarray, MATLAB, R and netCDF's own tools open.

The rules are those of the NetCDF User's Guide, "File Format Specifications: The netCDF-4 format": a dimension is an
HDF5 dimension scale, its variable's dataset where it has one. Every run ends with such a file; h5netcdf takes twice as
long for it (0.25 and 0.12 s for a run of 20 s), and four times as long for the dataset of a sweep.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: So many values tell whether an array is worth compressing, if it has so many bytes: chunks take 2 kB by themselves.
SAMPLE, LEAST = 1024, 2**14
ROOT = "/"
#: Name of a scale that is only a dimension, as the netCDF library has it.
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable.{:10d}"


@dataclass(frozen=True)
class Variable:
    """A labelled array.

    Attributes
    ----------
    dims : tuple of str
        Its dimensions by name.
    values : ndarray
        Numbers, or texts as objects.
    units, long_name : str
        Its unit and what it is.
    others : mapping of str to str
        Other attributes.
    together : int
        So many of its last dimensions are packed, and read, together.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    units: str
    long_name: str
    others: Mapping[str, str] = field(default_factory=dict)
    together: int = 1

    @property
    def attributes(self) -> dict[str, str]:
        """All attributes of the variable in the file."""
        return {"units": self.units, "long_name": self.long_name, **self.others}


def content(attributes: Mapping[str, Any], groups: Mapping[str, Mapping[str, Variable]]) -> bytes:
    """Return a file with these attributes and groups, each with its own dimensions; `ROOT` is the file itself.

    It is made in memory: on a full disk, HDF5 brings down the process that writes it, at its end.
    """
    import h5py  # not at the top: slow to import, and most commands never write

    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.attrs.update(attributes)
        dimensions = _Dimensions()
        for name, variables in groups.items():
            _write(file if name == ROOT else file.create_group(name), variables, dimensions)
    return made.getvalue()


@dataclass
class _Dimensions:
    """Numbers the dimensions of a file."""

    count: int = 0

    def make(self, dataset: Any, name: str) -> Any:
        """Make a dataset the scale of a new dimension."""
        dataset.make_scale(name)
        dataset.attrs["_Netcdf4Dimid"] = np.int32(self.count)
        self.count += 1
        return dataset


def _write(group: Any, variables: Mapping[str, Variable], dimensions: _Dimensions) -> None:
    import h5py

    datasets = {}
    for name, variable in variables.items():
        is_text = variable.values.dtype == object
        packing = {} if is_text or not _shrinks(variable.values) else _packing(variable)
        kind = h5py.string_dtype() if is_text else variable.values.dtype
        datasets[name] = group.create_dataset(name, data=variable.values, dtype=kind, **packing)
        _label(datasets[name], variable.attributes)
    scales: dict[str, Any] = {}
    for variable in variables.values():
        for dim, size in zip(variable.dims, variable.values.shape, strict=True):
            if dim in scales:
                continue
            if dim in variables and variables[dim].dims == (dim,):
                scales[dim] = dimensions.make(datasets[dim], dim)
            else:
                only = group.create_dataset(dim, (size,), ">f4")
                scales[dim] = dimensions.make(only, NO_VARIABLE.format(size))
    for name, variable in variables.items():
        if variable.dims != (name,):
            for axis, dim in enumerate(variable.dims):
                datasets[name].dims[axis].attach_scale(scales[dim])


def _label(dataset: Any, attributes: Mapping[str, str]) -> None:
    """Give a new dataset texts as attributes; `dataset.attrs`, which may replace some, takes four times as long."""
    from h5py import h5a, h5s, h5t, string_dtype

    kind, alone = string_dtype(), h5s.create(h5s.SCALAR)
    for name, text in attributes.items():
        attribute = h5a.create(dataset.id, name.encode(), h5t.py_create(kind, logical=True), alone)
        attribute.write(np.array(text, kind))


def _shrinks(values: NDArray[Any]) -> bool:
    """Whether light compression halves the first of these values: potentials lose a third and take most of the time."""
    if values.nbytes < LEAST:
        return False
    sample = np.ascontiguousarray(values.ravel()[:SAMPLE])
    shuffled = sample.view(np.uint8).reshape(-1, sample.itemsize).T.tobytes()
    return len(zlib.compress(shuffled, 1)) < 0.5 * len(shuffled)


def _packing(variable: Variable) -> dict[str, Any]:
    """Light compression in chunks of up to 2^18 values along the last, longest dimension."""
    *others, last = variable.values.shape
    apart = len(others) + 1 - variable.together
    chunks = (*(1 for _ in others[:apart]), *others[apart:], min(last, 2**18))
    return {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
