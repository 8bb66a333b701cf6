# SPDX-License-Identifier: GPL-3.0-or-later
"""What do we change in the CUDA project that brian2cuda writes, and why?

Each revision below is a function from sources to sources, and its docstring is the reason; docs/known_issues.md tells
them to users. A revision finds exactly the text it expects or stops the build, so that another brian2cuda cannot be
changed by half.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gpu import input_code, progress

Sources = dict[str, str]
"""The text of every file of the project that is compiled or included, by its path in it."""

VECTORS, SUMS, COUNTS = (Path(__file__).with_name(f"cuda_{name}.h") for name in ("vectors", "sums", "counts"))
DURATION = 'std::stod(std::getenv("PFC_DURATION"))'
SEED = 'random_number_buffer.set_seed(std::stoull(std::getenv("PFC_SEED")));'
# brian2cuda sets std::cout to few digits, hence printf.
REPORT = f'std::printf("{progress.PREFIX} %.6g %.6g\\n", completed, elapsed); std::fflush(stdout);'
NEEDS_GPU = """
{
    int num_gpus = 0;
    const cudaError_t status = cudaGetDeviceCount(&num_gpus);
    if (status != cudaSuccess || num_gpus == 0) {
        std::cerr << "No GPU can be used here ("
                  << (status == cudaSuccess ? "none is visible" : cudaGetErrorString(status))
                  << "); pfc doctor --device cuda says what is missing." << std::endl;
        return 1;
    }
}
"""

# A step's spikes are recorded when their memory is about to be needed again, those of the last steps at the end.
LATE = """static void _record_{monitor}(int64_t _lag);

void _run_{monitor}()
{{
    const int64_t lag = {entries} - 1;
    if (brian::{clock}.timestep[0] >= lag)
        _record_{monitor}(lag);
}}

void _finish_{monitor}()
{{
    for (int64_t lag = {entries} - 1; lag > 0; lag--)
        if (brian::{clock}.timestep[0] >= lag)
            _record_{monitor}(lag);
}}

static void _record_{monitor}(int64_t _lag)
"""

# One vector for each variable that is recorded, where there was one for each cell and one of where those are: in the
# objects' declarations, and in their definitions, making, writing and end.
ROWS_DECLARED = (
    r"extern thrust::device_vector<(\w+)\*> addresses_monitor_(\w+);\nextern thrust::device_vector<\1>\* \2;",
    r"extern thrust::device_vector<\1> \2;",
)
ROWS = (
    (
        r"thrust::device_vector<(\w+)\*> brian::addresses_monitor_(\w+);\nthrust::device_vector<\1>\* brian::\2;",
        r"thrust::device_vector<\1> brian::\2;",
    ),
    (r" *\w+ = new thrust::device_vector<\w+>\[_num__array_\w+__indices\];\n", ""),
    (
        r"thrust::host_vector<(\w+)>\* temp_array(\w+) = new [^;]*\[(_num__array_(\w+)__indices)\];"
        r".*?(?=\n *outfile_\2\.close\(\))",
        r"thrust::host_vector<\1> rows;\n            rows = \2;\n            outfile_\2.write("
        r"reinterpret_cast<char*>(rows.data()), sizeof(\1) * size_t(_array_\4_N[0]) * \3);",
    ),
    (
        r"for\(int i = 0; i < _num__array_\w+__indices; i\+\+\)\s*\{\s*(\w+)\[i\]\.clear\(\);\s*"
        r"thrust::device_vector<(\w+)>\(\)\.swap\(\1\[i\]\);\s*\}\s*"
        r"addresses_monitor_\1\.clear\(\);\s*thrust::device_vector<\2\*>\(\)\.swap\(addresses_monitor_\1\);",
        r"thrust::device_vector<\2>().swap(\1);",
    ),
)
# The same in what records them, for each variable; then the loops over cells at the two places where room is made.
RECORDED = (
    (r"\naddresses_monitor_\w+\.clear\(\);", ""),
    (r"(\w+)\*\* monitor_(\w+),", r"\1* monitor_\2,"),
    (
        r"monitor_(\w+)\[_vectorisation_idx\]\[current_iteration\] =",
        r"monitor_\1[size_t(current_iteration) * _N + _vectorisation_idx] =",
    ),
    (r"&addresses_monitor_(\w+)\[0\]", r"&\1[0]"),
    (
        r"(\w+)\[i\]\.resize\((_numt_host \+ [^;]*)\);\s*addresses_monitor_\1\.push_back\([^;]*;",
        r"\1.resize(size_t(_N) * (\2));",
    ),
    (
        r"(\w+)\[i\]\.resize\((_numt_host \+ 1)\);\s*addresses_monitor_\1\[i\] = [^;]*;",
        r"\1.resize(size_t(_N) * (\2));",
    ),
)
ROOM = r"for\(int i = 0; i < _num__array_\w+__indices; i\+\+\)\n", ""

_ADD = re.compile(r"^\s*(\w+)\.add\(&(\w+), (\w+)\);\n", re.MULTILINE)
_IN_VECTORS = {"host_vector", "device_vector", "raw_pointer_cast"}


def revise(folder: Path) -> None:
    """Revise the project in `folder`, before it is compiled.

    Raises
    ------
    RuntimeError
        If a file does not hold what brian2cuda 1.0b1 writes.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".cu", ".h"))
    sources = {str(path.relative_to(folder)): path.read_text() for path in paths}
    for revision in REVISIONS:
        sources = revision(sources)
    for name, text in sources.items():
        (folder / name).write_text(text)


def schedule(main: str) -> dict[str, str]:
    """Return the clock of every function that the network calls, in the order of a time step."""
    return {function: clock for _, clock, function in _ADD.findall(main) if function != "NULL"}


def duration_at_run_time(sources: Sources) -> Sources:
    """The duration comes from the environment: one program serves every length."""
    return _edit(sources, "main.cu", (r"(\w+)\.run\(1\.0, ", rf"\1.run({DURATION}, "))


def scope_of_reset(sources: Sources) -> Sources:
    """The reset of a group that reads a shared variable does not compile.

    brian2cuda writes what is the same for all cells and what differs between them into one scope, and a shared variable
    is declared in both.
    """
    for name in _code_objects(sources, "int neuron_id = _events[_idx];"):
        changes = (r"(    _idx = neuron_id;\n)", r"\1    {\n"), (r"\n}\n(\s*void _run_)", r"\n    }\n}\n\1")
        sources = _edit(sources, name, *changes)
    return sources


def own_vectors(sources: Sources) -> Sources:
    """Vectors without Thrust, whose headers are most of the compile time (gpu/cuda_vectors.h).

    Left alone if the project uses more of Thrust than its vectors: a monitor of a part of a group does.
    """
    used = {word for text in sources.values() for word in re.findall(r"(?<!/)\bthrust::(\w+)", text)}
    if used - _IN_VECTORS:
        return sources
    with_generators = set(_code_objects(sources, r"\bcurand_(?!kernel)\w+\s*\(", regular=True))
    revised = {}
    for name, text in sources.items():
        text = re.sub(r"^#include <thrust/\S+>\n", "", text, flags=re.MULTILINE).replace("thrust::", "pfc::")
        revised[name] = ("#include <curand_kernel.h>\n" if name in with_generators else "") + text
    state = "struct curandStateXORWOW;\ntypedef struct curandStateXORWOW curandState;\n"
    revised = _edit(revised, "objects.h", (r"#include <curand_kernel\.h>\n", f'#include "{VECTORS.name}"\n{state}'))
    revised = _edit(revised, "objects.cu", (r"#include <curand_kernel\.h>\n", ""))
    return revised | {VECTORS.name: VECTORS.read_text()}


def queue_of_its_clock(sources: Sources) -> Sources:
    """The queue of delayed spikes moves on when its cells' clock ticks, not with every clock of the network.

    As written, a clock that is no multiple of the cells' loses spikes and shortens delays (brian2cuda issue 222).
    """
    clocks = schedule(sources["main.cu"])
    changes = []
    for space in _event_spaces(sources):
        clock = clocks.get(f"_run_{_group(space)}_spike_thresholder_codeobject")
        if clock is None:
            raise _unexpected("main.cu", f"a threshold for {space}")
        moment = f"        const bool ticks{space} = curclocks.count(&brian::{clock}) > 0;\n"
        changes += [
            (r"(?=        for\(std::set<BaseClock\*>::iterator i=curclocks\.begin\(\))", moment),
            (rf"(?=brian::current_idx{space} = )", f"if (ticks{space}) "),
        ]
    return _edit(sources, "network.cu", *changes)


def delay_by_its_clock(sources: Sources) -> Sources:
    """Whether a spike can have arrived is asked of the pathway's clock, not of Brian2's default clock."""
    clocks = schedule(sources["main.cu"])
    for name in _code_objects(sources, "_pre_codeobject<<<"):
        clock = clocks[f"_run_{Path(name).stem}"]
        changes = (
            (r"\bdefaultclock\.timestep\[0\] >= ", f"{clock}.timestep[0] >= "),
            (r"(bid_offset,\s*)\w+\.timestep\[0\]", rf"\1{clock}.timestep[0]"),
        )
        sources = _edit(sources, name, *changes)
    return sources


def counts_read_once(sources: Sources) -> Sources:
    """How many cells spiked is copied from the GPU once a step, by the spike monitor, and kept for the pathways.

    As written, every pathway copies it again, and each copy waits for the GPU.
    """
    steps = list(schedule(sources["main.cu"]))
    for space in _event_spaces(sources):
        monitors = _code_objects(sources, f"int32_t* _eventspace = dev{space}[")
        pathways = _code_objects(sources, f"&dev{space}[")
        pathways = [name for name in pathways if "cudaMemcpy(&num_spiking_neurons," in sources[name]]
        if not monitors or not pathways or "_num_events_subgroup" not in sources[monitors[0]]:
            continue
        order = [steps.index(f"_run_{Path(name).stem}") for name in (monitors[0], *pathways)]
        if order[0] != min(order):
            continue
        counts = f"spike_counts{space}"
        keep = f"{counts}.resize(dev{space}.size());\n{counts}[current_idx{space}] = _num_events;\n"
        sources = _edit(sources, monitors[0], (r"(?=// Get the number of events\n_N = _num_events;)", keep))
        vector = "std::vector<int32_t>"
        sources = _edit(sources, "objects.h", ("(?=extern int num_parallel_blocks;)", f"extern {vector} {counts};\n"))
        sources = _edit(sources, "objects.cu", ("(?=int brian::num_parallel_blocks;)", f"{vector} brian::{counts};\n"))
        copy = r"cudaMemcpy\(&num_spiking_neurons,\s*&dev\w+\[(\w+)\]\[[^;]*?cudaMemcpyDeviceToHost\);"
        for name in pathways:
            sources = _edit(sources, name, (copy, rf"num_spiking_neurons = {counts}[\1];"))
    return sources


def counts_nobody_waits_for(sources: Sources) -> Sources:
    """The GPU tells how many cells spiked (gpu/cuda_counts.h), and spikes are recorded as late as delays allow.

    Monitor and pathways ask for the count of some steps ago, and the host runs ahead of the GPU. As written, the host
    waits for the GPU in each step, and then the GPU for the host. Without delays it still does.
    """
    clocks = schedule(sources["main.cu"])
    for space in _event_spaces(sources):
        counts = f"spike_counts{space}"
        threshold, reset = (f"{_group(space)}_spike_{what}_codeobject" for what in ("thresholder", "resetter"))
        monitors = [Path(name).stem for name in _code_objects(sources, f"{counts}.resize(")]
        if not monitors or not _in_turn(clocks, threshold, monitors[0], reset):
            continue
        monitor = f"code_objects/{monitors[0]}.cu"
        if set(re.findall(r" _to_record_(\w+) = ", sources[monitor])) != {"i", "t"}:  # What has changed by then.
            continue
        begin = f"{counts}.begin(current_idx{space}, dev{space}.size(), dev{space}[current_idx{space}] + _N);\n    "
        sources = _edit(sources, f"code_objects/{threshold}.cu", (rf"(?=_run_kernel_{threshold}<<<)", begin))
        tell = r"(const int32_t _num_events = [^;]*;)", r"\1\n    if (_idx == 0)\n        *_told = _num_events;"
        telling = *_argument(reset, "volatile int32_t* _told", f"{counts}.told()"), tell
        sources = _edit(sources, f"code_objects/{reset}.cu", *telling)
        late = _recording_late(monitors[0], space, clocks[f"_run_{monitors[0]}"])
        sources = _edit(sources, monitor, *late)
        finish = f"_finish_{monitors[0]}();\n"
        sources = _edit(sources, monitor.replace(".cu", ".h"), (r"(void _run_\w+\(\);\n)", rf"\1void {finish}"))
        sources = _edit(sources, "main.cu", (r"(\w+\.run\([^\n]*\);\n)", rf"\1        {finish}"))
        kind = r"std::vector<int32_t>(?= (?:brian::)?" + counts + ";)", "pfc::SpikeCounts"
        include = r'(?=#include "network\.h"\n)', f'#include "{COUNTS.name}"\n'
        sources = _edit(_edit(sources, "objects.h", kind, include), "objects.cu", kind)
        sources = sources | {COUNTS.name: COUNTS.read_text()}
    return sources


def count_cleared_by_the_cells(sources: Sources) -> Sources:
    """The count of spikes is cleared by the kernel of the cells' equations, which comes before.

    As written, a kernel of its own clears it, and with it the list of who spiked, of which nobody reads more than that.
    """
    clocks = schedule(sources["main.cu"])
    if _code_objects(sources, r"if\s*\(spiking_neuron [!=]= -1\)", regular=True):
        return sources  # Somebody does.
    for space in _event_spaces(sources):
        cells, threshold = (f"{_group(space)}_{what}_codeobject" for what in ("stateupdater", "spike_thresholder"))
        if not _in_turn(clocks, cells, threshold):
            continue
        kernel = rf"\n *_reset_{threshold}<<<[^;]*;\s*CUDA_CHECK_ERROR\(\"_reset_{threshold}\"\);\n"
        sources = _edit(sources, f"code_objects/{threshold}.cu", (kernel, ""))
        count = f"dev{space}[current_idx{space}] + _num_{space} - 1"
        clear = r"(///// kernel_lines /////\n)", r"\1    if (_idx == 0)\n        *_spike_count = 0;\n"
        sources = _edit(sources, f"code_objects/{cells}.cu", *_argument(cells, "int32_t* _spike_count", count), clear)
    return sources


def random_numbers_when_drawn(sources: Sources) -> Sources:
    """The numbers that an object draws move on with its own clock; as written, those of all with every clock.

    With one for each synapse on a clock of 200 ms, those were made anew every millisecond. A seed stands for other
    numbers than without this.
    """
    clocks = schedule(sources["main.cu"])
    drawing = {function.removeprefix("_run_"): clock for function, clock in clocks.items() if _draws(sources, function)}
    calls = [(f"_run_random_numbers_of_{name}", clock) for name, clock in drawing.items()]
    lines = r"(?: *(\w+)\.add\(&\w+, _run_random_number_buffer\);\n)+"
    adds = "".join(rf"        \1.add(&{clock}, {call});\n" for call, clock in calls)
    declared = "".join(f"void {call}();\n" for call, _ in calls)
    defined = "".join(
        f"void {call}()\n{{\n    random_number_buffer.next_time_step({n});\n}}\n" for n, (call, _) in enumerate(calls)
    )
    one = r"void _run_random_number_buffer\(\)"
    step = r"(void (?:RandomNumberBuffer::)?next_time_step\()\)", r"\1int object)"
    changes = [(rf"{one}\s*\{{[^}}]*\}}\n", defined), step]
    for n, (name, clock) in enumerate(drawing.items()):
        changes += [
            (rf"(num_steps_this_run_{name} = )[^;]*;", rf"\1{clock}.i_end - *{clock}.timestep;"),
            (rf"(?<=\) for {name}\n)( *)(?=if \()", rf"\1if (object != {n}) {{}} else "),
        ]
    sources = _edit(sources, "main.cu", (lines, adds))
    sources = _edit(sources, "rand.h", (rf"{one};\n", declared), step)
    return _edit(sources, "rand.cu", *changes)


def traces_in_one_piece(sources: Sources) -> Sources:
    """All that is recorded of a variable lies in one piece of memory, step by step; as written, in one for each cell.

    Each of those takes an allocation and a copy that waits when recording begins, and a copy when it ends; 64 columns
    have 380,000. Also, a recording cut short by Ctrl-C is written up to there; as written, with room for the whole run.
    """
    number = 0
    for name in _code_objects(sources, "addresses_monitor_"):
        variables = len(re.findall(r"\*\* monitor_", sources[name]))
        sources = _edit(sources, name, *RECORDED, times=variables)
        sources = _edit(sources, name, ROOM, times=2)
        number += variables
    if not number:
        return sources
    sources = _edit(sources, "objects.h", ROWS_DECLARED, times=number)
    return _edit(sources, "objects.cu", *ROWS, times=number)


def sums_by_warp(sources: Sources) -> Sources:
    """Cells that stand side by side and add to one sum do so together (gpu/cuda_sums.h), 32 of them with one addition.

    As written, each adds for itself, and additions to one place are done one after the other; in a column of 100,000
    cells they are 80,000, four times a millisecond.
    """
    names = _code_objects(sources, "const int _target_size = ")
    include = r'(?=#include "objects\.h"\n)', f'#include "{SUMS.name}"\n'
    add = (
        r"_brian_atomicAdd\((&\w+\[_target_id\]), _synaptic_var\);",
        r"auto _sum = _synaptic_var;\nconst bool _whole = blockDim.x % 32 == 0 && _idx / 32 * 32 + 31 < _N;\n"
        r"if (pfc::adds(_target_id, _sum, _whole))\n    _brian_atomicAdd(\1, _sum);",
    )
    for name in names:
        sources = _edit(sources, name, include, add)
    return sources | ({SUMS.name: SUMS.read_text()} if names else {})


def failures_that_end(sources: Sources) -> Sources:
    """A file of values that cannot be read ends the program; as written, it goes on with zeros."""
    failure = r'(std::cerr << "(?:Error reading|Could not read) \'"[^;]*;)(\s*return;)?'
    text, count = re.subn(failure, r"{ \1 std::exit(1); }", sources["objects.cu"])
    if count != 3:
        raise _unexpected("objects.cu", failure, count)
    text = re.sub(r'(std::cout << "Error opening static array [^;]*;)', r"\1 std::exit(1);", text)
    return sources | {"objects.cu": text}


def no_search_for_repeats(sources: Sources) -> Sources:
    """Whether two cells are connected twice matters only without atomic operations, and finding out takes long."""
    if any("_multiple_pre_post" in sources[name] for name in _code_objects(sources, "_pre_codeobject<<<")):
        return sources
    search = (r"std::map<std::pair<int32_t, int32_t>, int32_t> source_target_count;\n.*?(?=// Check\n)", "")
    for name in _code_objects(sources, "source_target_count"):
        if "dynamic_array" not in re.search(r"source_target_count\[source_target\]\+\+", sources[name])[0]:
            sources = _edit(sources, name, search)
    return sources


def one_copy_of_lists(sources: Sources) -> Sources:
    """The lists of every cell's synapses go to the GPU in one copy; as written, in one for each cell."""
    lists = "h_vec_synapse_ids_by_pre[i]"
    copy = r"CUDA_SAFE_CALL\(\s*cudaMemcpy\(h_ptr_d_ptr_synapse_ids_by_pre\[i\],[^;]*\);"
    append = f"all_synapse_ids.insert(all_synapse_ids.end(), {lists}.begin(), {lists}.end());"
    whole = (
        "    CUDA_SAFE_CALL(cudaMemcpy(d_ptr_synapse_ids, all_synapse_ids.data(), "
        "sizeof(int32_t) * all_synapse_ids.size(), cudaMemcpyHostToDevice));\n"
    )
    end = r"(    \}  // end for loop through connectivity matrix\n)"
    for name in _code_objects(sources, "h_vec_synapse_ids_by_pre"):
        if "h_vec_delays_by_pre[i]" not in sources[name]:  # Of one delay; others need more than this.
            start = (r"(?=    // loop through connectivity matrix \[)", "    std::vector<int32_t> all_synapse_ids;\n")
            sources = _edit(sources, name, start, (copy, append), (end, rf"\1{whole}"))
    return sources


def no_profiler(sources: Sources) -> Sources:
    """No header and call for a profiler, which not every toolkit has and none needs."""
    changes = (r'#include "cuda_profiler_api\.h"\n', ""), (r"\s*CUDA_SAFE_CALL\(cudaProfilerStop\(\)\);", "")
    return _edit(sources, "main.cu", *changes)


def values_in_few_files(sources: Sources) -> Sources:
    """The values of a run share a file (gpu/input_code.py)."""
    return sources | {"objects.cu": input_code.read_with_few_files(sources["objects.cu"], "objects.cu")}


REVISIONS: tuple[Callable[[Sources], Sources], ...] = (
    duration_at_run_time,
    scope_of_reset,
    queue_of_its_clock,
    delay_by_its_clock,
    counts_read_once,
    counts_nobody_waits_for,
    count_cleared_by_the_cells,
    random_numbers_when_drawn,
    traces_in_one_piece,
    sums_by_warp,
    values_in_few_files,
    failures_that_end,
    no_search_for_repeats,
    one_copy_of_lists,
    no_profiler,
    own_vectors,
)


def _edit(sources: Sources, name: str, *changes: tuple[str, str], times: int = 1) -> Sources:
    """Make each change, (pattern, replacement), at the one place of the file where it belongs, or at so many."""
    text = sources[name]
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.DOTALL)
        if count != times:
            raise _unexpected(name, pattern, count)
    return sources | {name: text}


def _unexpected(name: str, what: str, count: int = 0) -> RuntimeError:
    return RuntimeError(f"{name} holds {what!r} {count} times, not as often as it should; is this another brian2cuda?")


def _code_objects(sources: Sources, content: str, regular: bool = False) -> list[str]:
    """Return the code objects that hold a text or match a pattern."""
    pattern = re.compile(content if regular else re.escape(content))
    return [name for name, text in sources.items() if name.startswith("code_objects/") and pattern.search(text)]


def _event_spaces(sources: Sources) -> list[str]:
    """Return the arrays that hold which cells spiked, "_array_cells__spikespace"."""
    return re.findall(r"brian::current_idx(\w+) = ", sources["network.cu"])


def _group(space: str) -> str:
    return space.removeprefix("_array_").removesuffix("__spikespace")


def _in_turn(clocks: dict[str, str], *names: str) -> bool:
    """Whether one clock calls these code objects, in this order."""
    order = list(clocks)
    turns = [order.index(f"_run_{name}") for name in names if f"_run_{name}" in clocks]
    return len(turns) == len(names) and turns == sorted(turns) and len({clocks[order[turn]] for turn in turns}) == 1


def _argument(name: str, declared: str, given: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the changes that hand one more argument to the kernel of a code object."""
    return (
        (rf"(_run_kernel_{name}\(\s*int _N,\s*int THREADS_PER_BLOCK,)", rf"\1\n    {declared},"),
        (rf"(_run_kernel_{name}<<<[^>]*>>>\(\s*_N,\s*num_threads,)", rf"\1\n            {given},"),
    )


def _recording_late(monitor: str, space: str, clock: str) -> tuple[tuple[str, str], ...]:
    """Return the changes with which a spike monitor records the oldest step that is kept, and at the end the rest."""
    entries = f"dev{space}.size()"
    functions = LATE.format(monitor=monitor, clock=clock, entries=f"brian::{entries}")
    oldest = (
        f"const int _entry = (current_idx{space} + {entries} - _lag) % {entries};\n"
        f"int32_t* _eventspace = dev{space}[_entry];\nconst int _num_events = spike_counts{space}[_entry];\n"
    )
    return (
        (rf"void _run_{monitor}\(\)\n", functions),
        (r"int _num_events, _num_events_subgroup;.*?(?=// Get the number of events\n)", oldest),
        (rf"(?<!\w)_array_{clock}_t\[0\]", f"({clock}.timestep[0] - _lag) * {clock}.dt[0]"),
    )


def _draws(sources: Sources, function: str) -> bool:
    name = function.removeprefix("_run_")
    text = sources.get(f"code_objects/{name}.cu", "")
    return re.search(rf"_ptr_array_{name}_(randn?|poisson_\d+)\b", text) is not None
