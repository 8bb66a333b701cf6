# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cells there are, and where they stand in the arrays.

All cells form one flat set; each population is a contiguous index range, in the order of `POPULATIONS`. Every array
over cells in the program follows this order, so a population is a slice and never a search.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Pyramidal cells, then parvalbumin, somatostatin and vasoactive-intestinal-peptide interneurons.
POPULATIONS = ("PYR", "PV", "SST", "VIP")
INTERNEURONS = POPULATIONS[1:]
#: Every ordered pair, source first.
PATHWAYS = tuple(f"{source}_to_{target}" for source in POPULATIONS for target in POPULATIONS)


def split(pathway: str) -> tuple[str, str]:
    """Source and target of a pathway name such as ``PYR_to_PV``."""
    source, _, target = pathway.partition("_to_")
    return source, target


def sizes(num_neurons: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Cells in each population, adding up to `num_neurons`.

    Interneurons are rounded to the nearest whole cell (at least one) and the pyramidal population takes the rest, so
    that the total is exact.
    """
    counts = {name: max(1, round(num_neurons * fractions[name])) for name in INTERNEURONS}
    return {"PYR": num_neurons - sum(counts.values()), **counts}


def ranges(counts: Mapping[str, int]) -> dict[str, slice]:
    """Index range of each population in the flat set of cells."""
    slices, start = {}, 0
    for name in POPULATIONS:
        slices[name] = slice(start, start + counts[name])
        start += counts[name]
    return slices
