# SPDX-License-Identifier: GPL-3.0-or-later
"""What brian2cuda writes is changed where it must be, or the build stops; and it asks little of the GPU."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from circuit import equations, network
from circuit.config import load
from circuit.populations import POPULATIONS
from gpu import build, cuda_code, cuda_count
from gpu.devices import Device

GENERATE = "from gpu import compile, cuda_code; cuda_code.REVISIONS = (); compile.main()"
Generate = Callable[..., Path]
READOUT = "readout_summed_variable_released_post_codeobject"
STEP = ("stateupdater", "spike_thresholder", "spike_resetter")


@pytest.fixture(scope="session")
def shape(root: Path) -> network.Structure:
    return replace(network.structure(load(str(root / "configs" / "smoke.yaml"))), slow=True)


@pytest.fixture(scope="session")
def revised(shape: network.Structure, instant: Device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the smoke config, as it is compiled."""
    return build.find_or_build(shape, instant, tmp_path_factory.mktemp("revised"), lambda line: None).folder


@pytest.fixture(scope="session")
def written(shape: network.Structure, instant: Device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as brian2cuda writes it."""
    folder = tmp_path_factory.mktemp("written")
    request = {"device": "cuda", "model": build.MODEL, "structure": asdict(shape), "cores": 1}
    (folder / "request.json").write_text(json.dumps(request | {"toolchain": asdict(instant.toolchain)}))
    subprocess.run(
        [sys.executable, "-c", GENERATE], cwd=folder, env=build.environment(), check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="session")
def sources(written: Path) -> cuda_code.Sources:
    files = [file for file in written.rglob("*") if file.suffix in (".cu", ".h")]
    return {str(file.relative_to(written)): file.read_text() for file in files}


def text_of(folder: Path, pattern: str = "*.cu") -> str:
    return "\n".join(file.read_text() for file in sorted(folder.rglob(pattern)))


def test_a_step_asks_little_of_the_gpu(revised: Path, written: Path):
    """Launches of every step, of steps with spikes, and copies that wait; a change that adds one shows here."""
    before, after = cuda_count.count(written), cuda_count.count(revised)
    assert (before.waits, after.waits) == (4, 0)
    # Block; block trace and signalling; chain trace and spines.
    slow = 0.1 / 5 + 2 * 0.1 / 20 + 2 * 0.1 / 200
    assert after.launches == pytest.approx(3 + 8 * 0.1 + slow)
    assert (after.launches_on_spikes, after.clears) == (4, pytest.approx(0.4))
    assert after.num_files <= 36


def test_calls_are_counted_by_clock(revised: Path):
    calls = {call.function: call for call in cuda_count.calls(revised)}
    assert calls["cells_spike_thresholder_codeobject"].launches == 1
    assert calls["cells_spike_thresholder_codeobject"].period == 1e-4
    assert calls["readout_summed_variable_released_post_codeobject"].period == 1e-3
    assert calls["spikes_codeobject"].launches_on_spikes == 1
    assert calls["excitation_pre_push_spikes"].launches == 0


def test_what_the_program_is_told_at_run_time(revised: Path):
    main = (revised / "main.cu").read_text()
    assert f"network.run({cuda_code.DURATION}, report_progress, " in main
    assert cuda_code.SEED in main
    assert main.index(cuda_code.SEED) < main.index("set_from_command_line(args);\n") < main.index("_before_run_")
    assert main.index("num_gpus == 0") < main.index("cudaSetDevice")
    assert main.index("std::signal(SIGINT, _int_handler)") < main.index("std::signal(SIGINT, SIG_IGN)")


def test_random_numbers_move_on_with_the_clock_that_draws(revised: Path, sources: cuda_code.Sources):
    """As written, each clock's tick moves on the numbers of all objects."""
    assert len(re.findall(r"network\.add\(&\w+, _run_random_number_buffer\)", sources["main.cu"])) == 11
    clocks = re.findall(r"network\.add\(&(\w+), _run_random_numbers_of_(\w+)\)", (revised / "main.cu").read_text())
    assert dict(clocks) == {
        f"{name}_clock": f"{code}_codeobject"
        for name, code in (("column", "column_step"), ("drive", "drive"), ("spine_step", "spine_step"))
    }
    code = (revised / "rand.cu").read_text()
    assert "_run_random_number_buffer" not in text_of(revised) + text_of(revised, "*.h")
    for number, (clock, name) in enumerate(clocks):
        call = rf"void _run_random_numbers_of_{name}\(\)\s*\{{\s*random_number_buffer\.next_time_step\({number}\);"
        assert re.search(call, code)
        assert re.search(rf"if \(object != {number}\) \{{\}} else if \(idx_randn?_{name} == ", code)
        assert f"num_steps_this_run_{name} = {clock}.i_end - *{clock}.timestep;" in code


def test_pathways_ask_their_own_clock(revised: Path):
    for file in revised.glob("code_objects/*_pre_codeobject.cu"):
        assert "defaultclock" not in file.read_text()
        assert "cells_clock.timestep[0] >= " in file.read_text()


def test_the_default_clock_is_the_cells(shape: network.Structure, instant: Device, tmp_path: Path):
    """Brian2 gives it to objects without a clock; another step than the cells' would lose spikes."""
    made = build.find_or_build(replace(shape, dt=5e-5), instant, tmp_path, lambda line: None)
    steps = dict(re.findall(r"_array_(\w+)_dt\[0\] = ([\d.e-]+);", (made.folder / "main.cu").read_text()))
    assert float(steps["defaultclock"]) == float(steps["cells_clock"]) == 5e-5


def test_no_thrust_no_profiler_no_search(revised: Path):
    code = text_of(revised) + text_of(revised, "*.h")
    assert not re.search(r"#include <thrust|[^/]thrust::|cudaProfiler|source_target_count|\[0\]\.size\(\); j", code)
    assert "curand_kernel" not in (revised / "objects.h").read_text()


def test_nobody_waits_for_the_count_of_spikes(revised: Path, sources: cuda_code.Sources):
    """The step begins before cells are counted, and the resetter, its last kernel, tells; then who asks may look."""
    parts = {part: (revised / f"code_objects/cells_{part}_codeobject.cu").read_text() for part in STEP}
    counts = "spike_counts_array_cells__spikespace"
    assert parts["spike_thresholder"].index(f"{counts}.begin(") < parts["spike_thresholder"].index("<<<")
    assert f"{counts}.told()," in parts["spike_resetter"]
    assert "*_told = _num_events;" in parts["spike_resetter"].partition("if (_idx >= _num_events)")[0]
    assert "_num__array_cells__spikespace - 1," in parts["stateupdater"]
    assert "*_spike_count = 0;" in parts["stateupdater"].partition("if(_vectorisation_idx >= _N)")[0]
    main = (revised / "main.cu").read_text()
    assert main.index(".run(std::stod") < main.index("_finish_spikes_codeobject();") < main.index("_after_run_cells")
    once = cuda_code.counts_read_once(sources)
    with pytest.raises(RuntimeError, match="is this another brian2cuda"):
        cuda_code.counts_nobody_waits_for(once | {"objects.h": once["objects.h"].replace('"network.h"', '"net.h"')})


def test_what_changes_is_recorded_at_once(sources: cuda_code.Sources):
    """A monitor of more than who spiked and when reads values that are others some steps later."""
    once = cuda_code.counts_read_once(sources)
    monitor = "code_objects/spikes_codeobject.cu"
    more = once | {monitor: once[monitor].replace("// fill the monitors", "const double _to_record_v = _source_v;")}
    assert cuda_code.counts_nobody_waits_for(more) is more


def test_lists_of_spikes_are_cleared_where_they_are_read_to_their_end(sources: cuda_code.Sources):
    more = sources | {"code_objects/rates.cu": "if (spiking_neuron != -1)"}
    assert cuda_code.count_cleared_by_the_cells(more) is more


def test_a_recorded_variable_lies_in_one_piece(revised: Path, written: Path):
    """Whatever the number of cells: as written, memory is made, found and read for each of them."""
    for_each_cell = r"\* +\w+ = new thrust::device_vector|addresses_monitor_|temp_array|\[i\]\.resize"
    assert re.search(for_each_cell, text_of(written))
    code = text_of(revised) + text_of(revised, "*.h")
    assert not re.search(for_each_cell, code)
    names = set(re.findall(r"extern pfc::device_vector<double> (_dynamic_array_\w+_trace_\w+);", code))
    assert len(names) > 40
    for name in names:
        assert f"rows = {name};" in code and f" {name}.resize(size_t(_N) * (" in code


def test_thrust_stays_where_more_of_it_is_used(sources: cuda_code.Sources):
    more = sources | {"code_objects/x.cu": "thrust::copy_if(a, b);"}
    assert cuda_code.own_vectors(more) is more


@pytest.mark.parametrize(
    ("revision", "file", "gone"),
    [
        (cuda_code.duration_at_run_time, "main.cu", ".run(1.0, "),
        (cuda_code.no_profiler, "main.cu", "cuda_profiler_api"),
        (cuda_code.queue_of_its_clock, "main.cu", "_spike_thresholder_codeobject"),
        (cuda_code.counts_read_once, "objects.cu", "int brian::num_parallel_blocks;"),
        (cuda_code.count_cleared_by_the_cells, "code_objects/cells_stateupdater_codeobject.cu", "kernel_lines"),
        (cuda_code.random_numbers_when_drawn, "rand.cu", ") for spine_step_codeobject"),
        (cuda_code.traces_in_one_piece, "objects.cu", "addresses_monitor_"),
        (cuda_code.sums_by_warp, f"code_objects/{READOUT}.cu", "_brian_atomicAdd(&"),
        (cuda_code.failures_that_end, "objects.cu", "std::cerr"),
        (cuda_code.own_vectors, "objects.h", "#include <curand_kernel.h>"),
    ],
)
def test_another_brian2cuda_stops_the_build(revision: Callable, file: str, gone: str, sources: cuda_code.Sources):
    assert gone in sources[file]
    revision(sources)
    with pytest.raises(RuntimeError, match="is this another brian2cuda"):
        revision(sources | {file: sources[file].replace(gone, "")})


def test_the_names_of_the_equations_survive_single_precision(revised: Path):
    """brian2cuda writes 1.0f for 1.0 by text, and takes the "28e2" of a name like x28e2 for a number."""
    from brian2cuda.utils.stringtools import replace_floating_point_literals

    parts = (equations.cells(), equations.reset(), equations.drive(), equations.block(), equations.COLUMN)
    parts += (equations.COLUMN_STEP, equations.READOUT, equations.EXCITATION, equations.INHIBITION, *POPULATIONS)
    names = set(re.findall(r"[A-Za-z_]\w*", "\n".join(parts)))
    names |= set(re.findall(r"\b_ptr_array_\w+", text_of(revised)))
    assert len(names) > 200
    code = "".join(f"x = {name}.y * {name}; z = {name}[0];\n" for name in sorted(names))
    invariants = set(re.findall(r"\b_lio_\w+\.?", text_of(revised)))  # numbered beyond 9, and never written _lio_10.
    assert invariants and not any(name.endswith(".") for name in invariants)
    code += "".join(f"x = -{name}*{name}/({name} + 1);\n" for name in sorted(invariants))
    assert replace_floating_point_literals(code) == code
    assert replace_floating_point_literals("x28e2;\n") != "x28e2;\n"
