# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimate of memory counts what the equations declare, and refuses what cannot fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuit import equations, network
from circuit.config import load
from circuit.errors import RunError
from gpu import memory

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "ketamine.yaml"


def parts(*overrides: str, columns: int = 1) -> dict[str, memory.Part]:
    exp = load(CONFIG, overrides)
    return {part.name: part for part in memory.estimate(network.structure(exp, columns), exp.duration.si)}


def test_declarations_are_counted_by_hand() -> None:
    text = """
    dv/dt = -v/tau : volt
    x : 1
    tau : second (constant)
    E : volt (shared, constant)
    G : mmolar (linked)
    y = x + 1 : 1
    """
    assert memory.arrays_declared("\n".join(line.strip() for line in text.splitlines())) == 3


def test_declarations_agree_with_brian() -> None:
    """Brian2's own reading of the text is the oracle."""
    from brian2 import Equations

    parsed = Equations(equations.cells())
    single = [eq for eq in parsed.values() if eq.type != "subexpression" and not {"shared", "linked"} & set(eq.flags)]
    assert memory.arrays_declared(equations.cells()) == len(single)


def test_memory_is_proportional_to_cells_and_columns() -> None:
    one, larger = parts(), parts("network.num_neurons=4000")
    several = parts(columns=3)
    for name in ("cells", "excitation", "inhibition", "as drawn"):
        assert larger[name].num_bytes == pytest.approx(2 * one[name].num_bytes, rel=0.01)
        assert several[name].num_bytes == 3 * one[name].num_bytes


def test_single_precision_halves_the_cells() -> None:
    assert 2 * parts("numerics.precision=single")["cells"].num_bytes == parts()["cells"].num_bytes


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("network.num_neurons=1000000",), "lower network.num_neurons"),
        (("recording.num_traced=100", "protocol.t_drug=1 h"), "lower recording.num_traced"),
        (("recording.trace_step=1 ms", "protocol.t_drug=1 h"), "raise recording.trace_step"),
    ],
)
def test_what_cannot_fit_is_refused_and_the_cure_named(overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(RunError, match=says):
        memory.check(list(parts(*overrides).values()), 10**8, "this machine")


def test_what_fits_or_cannot_be_known_passes() -> None:
    memory.check(list(parts().values()), 10**9, "this machine")
    memory.check(list(parts().values()), None, "this machine")


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (35.1e6, "35.1 MB")])
def test_bytes_are_readable(number: float, text: str) -> None:
    assert memory.readable(number) == text
