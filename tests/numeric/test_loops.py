# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes the time is vectorised, by the compiler's own report; what Brian2 writes is what is revised."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from circuit import network
from circuit.config import load
from gpu import build, cpp_code, devices

pytestmark = pytest.mark.gcc

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smoke.yaml"
#: Everything that is done for each cell, and for each spine, on any clock.
VECTORISED = (
    "cells_stateupdater",
    "cells_spike_thresholder",
    "drive",
    "block",
    "signalling",
    "spine_step",
    "readout_summed_variable_I_AMPA_sum_post",
    "readout_summed_variable_I_exc_sum_post",
    "readout_summed_variable_I_inh_sum_post",
    "readout_summed_variable_released_post",
)


@pytest.fixture(scope="module", params=["double", "single"])
def program(request, builds):
    """The compiled network in one precision; its folder keeps the sources."""
    shape = replace(network.structure(load(CONFIG, [f"numerics.precision={request.param}"])), slow=True)
    return build.find_or_build(shape, devices.choose("cpp"), builds, lambda line: None)


@pytest.mark.parametrize("name", VECTORISED)
def test_the_loop_is_vectorised(program, name):
    """GCC says so of the line of the loop in the generated file, and no `exp` in it is a call."""
    chain = program.device.toolchain
    if "clang" in chain.version:
        pytest.skip("the report is GCC's")
    file = program.folder / "code_objects" / f"{name}_codeobject.cpp"
    command = [chain.compiler, *chain.flags, "-I.", "-fopt-info-vec-optimized", "-S", str(file), "-o", "-"]
    answer = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=True)
    reported = {int(line) for line in re.findall(rf"{file.name}:(\d+):\d+: optimized: loop vectorized", answer.stderr)}
    lines = file.read_text().splitlines()
    loops = [n for n, line in enumerate(lines, 1) if re.match(r"\s*for\((int|size_t) _idx=", line)]
    assert any(n in reported or n - 1 in reported for n in loops), answer.stderr
    if name == "cells_stateupdater":  # with all subunits, and without those that most cells lack
        assert len([n for n in loops if n in reported or n - 1 in reported]) == len(loops) == 2
    assert not re.search(r"\bcall\s+\S*exp", answer.stdout)


def test_no_condition_is_of_another_width(program):
    text = (program.folder / "code_objects" / "cells_stateupdater_codeobject.cpp").read_text()
    loop = text.partition("MAIN CODE")[2]
    assert "t >= t_ready" in loop and "int_(" not in loop


def test_nothing_of_single_precision_is_computed_in_double(program):
    if program.structure["precision"] == "double":
        pytest.skip("of single precision")
    text = (program.folder / "code_objects" / "cells_stateupdater_codeobject.cpp").read_text()
    loop = text.partition("MAIN CODE")[2]
    assert "double" not in loop
    assert not re.search(r"(?<![\w.])\d+\.\d*(?![\w.])", loop)


#: They change what they find, wherever that is; that they found it is what the tests above see.
WHEREVER = (
    cpp_code.reciprocals_kept,
    cpp_code.exp_in_line,
    cpp_code.conditions_as_wide_as_numbers,
    cpp_code.one_population_at_a_time,
    cpp_code.one_column_at_a_time,
    cpp_code.cells_are_independent,
)


@pytest.mark.parametrize(
    "revision", [one for one in cpp_code.REVISIONS if one not in WHEREVER], ids=lambda one: one.__name__
)
def test_another_brian_stops_the_build(revision):
    sources = dict.fromkeys(("main.cpp", "network.cpp", "objects.cpp", "makefile"), "other text")
    sources["code_objects/a_codeobject.cpp"] = (
        "static inline T _clip( .peek() ] += _synaptic_var; const float _synaptic_var = \n"
        "void _run_a_spike_thresholder_codeobject()\nconst char _cond"
    )
    with pytest.raises(RuntimeError, match="is this another Brian2"):
        revision(sources)
