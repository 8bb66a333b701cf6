# SPDX-License-Identifier: GPL-3.0-or-later
"""Every figure of a run, in the order in which a reader wants them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from figures import block, chain, diagram, plasticity, raster, rates, spectra, spines, style, traces

#: File name -> module with ``figure``, ``caption`` and ``alt``.
FIGURES: dict[str, ModuleType] = {
    "circuit": diagram,
    "raster": raster,
    "rates": rates,
    "block": block,
    "glutamate": traces,
    "spectrum": spectra,
}

#: Of a course, with the same; seconds of spiking that stand for weeks tell nothing as a raster.
COURSE: dict[str, ModuleType] = {"circuit": diagram, "chain": chain, "spines": spines}
#: Of a course with test pulses.
STIMULI: dict[str, ModuleType] = {"plasticity": plasticity}

#: Heading of each figure in the report.
TITLES = {
    "circuit": "The circuit",
    "raster": "Spikes",
    "rates": "Firing rates",
    "block": "Receptor block",
    "glutamate": "Glutamate and AMPA throughput",
    "spectrum": "Field potential",
    "chain": "From the dose to spines",
    "spines": "Spines",
    "plasticity": "Potentiation and depression",
}


def of(results: Any) -> dict[str, ModuleType]:
    """Figures of a run, by name."""
    if not getattr(results, "has_course", False):
        return FIGURES
    return COURSE | STIMULI if results.has_stimuli else COURSE


def all(results: Any, outdir: str | Path) -> list[Path]:  # noqa: A001 - read as figures.make.all
    """Draw every figure as PNG and PDF.

    Parameters
    ----------
    results : gpu.results.Results
        An open run, or any object with the same methods.
    outdir : str or Path
        Folder for the files; made if it is not there.

    Returns
    -------
    list of Path
        PNG and PDF of each figure, in the order of `of`.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    drawn = ((name, module.figure(results)) for name, module in of(results).items())
    return [path for name, drawing in drawn for path in style.save(drawing, Path(outdir), name)]
