# SPDX-License-Identifier: GPL-3.0-or-later
"""What do we change in the C++ project that Brian2 writes, and why?

Each revision is a function from sources to sources, and its docstring is the reason; docs/performance.md has what each
gains. None changes what is computed but for rounding, and `noise_by_the_array` for which random numbers a seed gives. A
revision finds exactly the text it expects or stops the build, so that another Brian2 cannot be changed by half.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from circuit import equations
from gpu import input_code

Sources = dict[str, str]
"""The text of every file of the project that is compiled or included, by its path in it."""

EXP = Path(__file__).with_name("cpp_exp.h")
HELPERS = Path(__file__).with_name("cpp_helpers.h")
MEMORY = Path(__file__).with_name("cpp_memory.h")
NOISE = Path(__file__).with_name("cpp_noise.h")
PATHWAY = Path(__file__).with_name("cpp_pathway.h")
RESULTS = Path(__file__).with_name("cpp_results.h")
DURATION = 'std::stod(std::getenv("PFC_DURATION"))'
SEED = (
    'brian::_random_generators[0].seed(std::stoul(std::getenv("PFC_SEED")));\n'
    'pfc::noise.seed(std::stoul(std::getenv("PFC_SEED")));'
)
MAIN, MAKEFILE = "main.cpp", "makefile"
#: What is done once, before and after the loop: most of the text, and nothing of the time.
SETUP = ("objects", "main", "run")

_CODE = "//// MAIN CODE ////////////"
_HELPERS = f'#include "{HELPERS.name}"\n'
_LOOP = "for(int _idx=0; _idx<_N; _idx++)\n"


def revise(folder: Path, precision: str, files: Collection[str]) -> None:
    """Revise the project in `folder`, before it is compiled.

    Parameters
    ----------
    folder : Path
    precision : {"double", "single"}
    files : collection of str
        The result files that are read.

    Raises
    ------
    RuntimeError
        If a file does not hold what Brian2 2.10 writes.
    """
    paths = [path for path in folder.rglob("*") if path.suffix in (".cpp", ".h") or path.name == MAKEFILE]
    sources = {str(path.relative_to(folder)): path.read_text() for path in sorted(paths)}
    written = dict(sources)
    for revision in (*REVISIONS, *(IN_SINGLE if precision == "single" else ())):
        sources = revision(sources)
    sources = results_that_are_read(sources, files)
    for name, text in sources.items():
        if text != written.get(name):
            (folder / name).write_text(text)


def duration_at_run_time(sources: Sources) -> Sources:
    """The duration comes from the environment: one program serves every length."""
    return _edit(sources, MAIN, (r"(\w+)\.run\(1\.0, ", rf"\1.run({DURATION}, "))


def clocks_that_meet(sources: Sources) -> Sources:
    """Clocks that tick at once do so after any time.

    They are apart by rounding, after 64 s by more than Brian2 takes for the same time; then it does the two parts of a
    step one after the other.
    """
    return _edit(sources, "network.cpp", (r"#define Clock_epsilon 1e-14", "#define Clock_epsilon 1e-9"))


def time_asked_once_a_step(sources: Sources) -> Sources:
    """The time of day, for reports of progress, is asked once a step and not before each of some twenty functions."""
    asking = r"(            if \(report_func\)\n            \{.*?\n            \}\n)"
    loop = r"(        for\(size_t i=0; i<objects\.size\(\); i\+\+\)\n        \{\n)"
    return _edit(sources, "network.cpp", (loop + asking, r"\2\1"))


def setup_without_optimisation(sources: Sources) -> Sources:
    """Half of the compile time is one file that reads and writes arrays by name, once a run."""
    rule = " ".join(f"{name}.o" for name in SETUP) + ": override OPTIMISATIONS += -O0\n\n%.o : %.cpp"
    return _edit(sources, MAKEFILE, (r"%\.o : %\.cpp", rule))


def headers_compiled_once(sources: Sources) -> Sources:
    """What every code object includes is most of its compile time, and is compiled once for all of them."""
    rules = (
        "code_objects/%.o : code_objects/%.cpp objects.h.gch\n\t$(CXX) $(CXXFLAGS) -include objects.h $< -o $@\n\n"
        "objects.h.gch : objects.h\n\t$(CXX) $(CXXFLAGS) -x c++-header $< -o $@\n\n"
    )
    return _edit(sources, MAKEFILE, (r"(?=%\.o : %\.cpp)", rules))


def noise_by_the_array(sources: Sources) -> Sources:
    """Random numbers of a loop are drawn before it (gpu/cpp_noise.h), each call in the loop with its own part of them.

    As written, every call moves one Mersenne twister on, and no loop that draws is vectorised.
    """
    for name in _code_objects(sources, _LOOP):
        for call, kind in (("_randn(_vectorisation_idx)", "normal"), ("_rand(_vectorisation_idx)", "uniform")):
            head, loop, body = sources[name].partition(_LOOP)
            pieces = body.split(call)
            if len(pieces) == 1:
                continue
            drawn = [f"_{kind}[{n}*static_cast<size_t>(_N) + _idx]" for n in range(len(pieces) - 1)]
            body = "".join(part + value for part, value in zip(pieces, [*drawn, ""], strict=True))
            number = f"const float* const _{kind} = pfc::noise.{kind}({len(drawn)}*static_cast<size_t>(_N));\n    "
            sources = sources | {name: f'#include "{NOISE.name}"\n{head}{number}{loop}{body}'}
    return _edit(sources, MAIN, (r'(?=#include "objects\.h")', f'#include "{NOISE.name}"\n')) | {
        NOISE.name: NOISE.read_text()
    }


def clip_without_branch(sources: Sources) -> Sources:
    """`clip` in the type of its value and without a return in the middle, so that loops with it are vectorised."""
    old = r"    if \(value < a_min\)\s+return a_min;\s+if \(value > a_max\)\s+return a_max;\s+return value;"
    new = (
        "    const T low = static_cast<T>(a_min), high = static_cast<T>(a_max);\n"
        "        const T above = value < low ? low : value;\n        return above > high ? high : above;"
    )
    for name in _code_objects(sources, "static inline T _clip("):
        sources = _edit(sources, name, (old, new))
    return sources


def reciprocals_kept(sources: Sources) -> Sources:
    """The step of the cells divides by their time constants and capacitances; reciprocals are computed once.

    A division costs as much as ten multiplications. Arrays that nothing writes to in the loop are such constants.
    """
    everything = "\n".join(text for name, text in sources.items() if name.startswith("code_objects/"))
    written = set(re.findall(r"_ptr_(\w+)\[\w+\] [-+*/]?= ", everything))
    for name in _code_objects(sources, "_stateupdater_codeobject()\n"):
        head, loop, body = sources[name].partition(_LOOP)
        for kind, variable, array in re.findall(r"const (double|float) (\w+) = _ptr_(\w+)\[_idx\];", body):
            if f")/{variable})" not in body or array in written:
                continue
            head += (
                f"static const std::vector<{kind}> _kept_{variable} = pfc::reciprocals(_ptr_{array}, _N);\n"
                f"    const {kind}* const __restrict _ptr_per_{variable} = _kept_{variable}.data();\n    "
            )
            load = f"const {kind} _per_{variable} = _ptr_per_{variable}[_idx];"
            body = body.replace(f")/{variable})", f")*_per_{variable})")
            old = f"const {kind} {variable} = _ptr_{array}[_idx];"
            body = body.replace(old, f"{old}\n        {load}")  # The compiler drops what is not used.
        sources = sources | {name: f"{_HELPERS}{head}{loop}{body}"}
    return sources


def one_column_at_a_time(sources: Sources) -> Sources:
    """What cells read of their column is read once for all that follow each other in it, and not looked up for each."""
    index = r"        const int\d+_t (\w+_indices) = _ptr_(\w+)\[_idx\];\n"
    linked = r"        const (?:double|float) \w+ = _ptr_\w+\[\w+_indices\];\n"
    for name in _code_objects(sources, "_indices = _ptr_"):
        head, loop, body = sources[name].partition(_LOOP)
        arrays = [array for _, array in re.findall(index, body)]
        if not loop or not arrays:
            continue
        lookups = re.findall(f"(?:{index}|{linked})".replace("(\\w+", "(?:\\w+"), body)
        lookups = "".join(lookups).replace("[_idx]", "[_begin]")
        body = re.sub(linked, "", re.sub(index, "", body))
        pointers = ", ".join(f"_ptr_{array}" for array in arrays)
        head += (
            f"static const std::vector<int> _stretches = pfc::stretches({{{pointers}}}, _N);\n"
            "    for(size_t _stretch=1; _stretch<_stretches.size(); _stretch++)\n    {\n"
            "        const int _begin = _stretches[_stretch-1], _end = _stretches[_stretch];\n"
        )
        loop = "        for(int _idx=_begin; _idx<_end; _idx++)\n"
        sources = sources | {name: f"{_HELPERS}{head}{lookups}{loop}{_close(body)}"}
    return sources


def exp_in_line(sources: Sources) -> Sources:
    """Loops over cells compute exp where they need it (gpu/cpp_exp.h); each call for one has all registers saved."""
    for name in _code_objects(sources, "// vector code\n"):
        head, start, body = sources[name].partition(_CODE)
        body, count = re.subn(r"(?<![\w:])exp\(", "pfc::exp(", body)
        if count:
            sources = sources | {name: f'#include "{EXP.name}"\n{head}{start}{body}'}
    return sources | {EXP.name: EXP.read_text()}


def conditions_as_wide_as_numbers(sources: Sources) -> Sources:
    """In the step of the cells a condition is a number of the type of the others.

    As an integer of half the width it makes the compiler take two vectors of cells at once, for which there are too few
    registers.
    """
    for name in _code_objects(sources, "_stateupdater_codeobject()\n"):
        changed = re.sub(r"\bint_\(([^()]*)\)", r"((\1) ? 1.0 : 0.0)", sources[name])
        sources = sources | {name: changed}
    return sources


def one_population_at_a_time(sources: Sources) -> Sources:
    """In the step of the cells, what those of a population share is read once for all that follow each other in it.

    A subunit that such cells lack is left out, in a second text of the loop: all that it multiplies with is zero.
    """
    common = re.compile(r"        const (?:double|float) (?:_per_)?(\w+) = (_ptr_\w+)\[_idx\];\n")
    for name in _code_objects(sources, "_stateupdater_codeobject()\n"):
        head, loop, body = sources[name].partition(_LOOP)
        lookups = [found for found in common.finditer(body) if found[1] in equations.OF_A_POPULATION]
        if not lookups:
            continue
        shares, terms = zip(*equations.LACKED.items(), strict=True)
        arrays = [found[2] for found in lookups] + [f"brian::_array_cells_{share}" for share in shares]
        for found in lookups:
            body = body.replace(found[0], "")
        common_values = "".join(found[0].replace("[_idx]", "[_begin]") for found in lookups)
        kind = lookups[0][0].split()[1]
        zeros = ", ".join(f"{term} = 0" for group in terms for term in group)
        lacking = re.sub(rf"        const {kind} ({'|'.join(sum(terms, ()))}) = [^\n]*\n", "", body)
        head += (
            f"static const std::vector<int> _stretches = pfc::stretches({{{', '.join(arrays)}}}, _N);\n"
            "    for(size_t _stretch=1; _stretch<_stretches.size(); _stretch++)\n    {\n"
            "        const int _begin = _stretches[_stretch-1], _end = _stretches[_stretch];\n"
            f"{common_values}"
            f"        if ({' && '.join(f'brian::_array_cells_{share}[_begin] == 0' for share in shares)})\n"
            f"        {{\n        const {kind} {zeros};\n"
        )
        loop = "    for(int _idx=_begin; _idx<_end; _idx++)\n"
        inner, end, _ = lacking.partition("\n    }\n")
        first = f"{loop}{inner}{end}        continue;\n        }}\n"
        sources = sources | {name: f"{_HELPERS}{head}{first}{loop}{_close(body)}"}
    return sources


def cells_are_independent(sources: Sources) -> Sources:
    """The compiler is told that no cell of a loop reads what another has written, and need not find out."""
    for name in _code_objects(sources, "// vector code\n"):
        text = sources[name]
        stores = set(re.findall(r"^\s*_ptr_\w+(\[[^;=]*\]) [-+*/]?= ", text, re.MULTILINE))
        loop = re.search(r"    for\(int _idx=(0; _idx<_N|_begin; _idx<_end); _idx\+\+\)\n", text)
        if loop and stores == {"[_idx]"}:
            sources = sources | {name: _HELPERS + text.replace(loop[0], f"    PFC_INDEPENDENT\n{loop[0]}")}
    return sources | {HELPERS.name: HELPERS.read_text()}


def sums_of_neighbours(sources: Sources) -> Sources:
    """Sums over cells that follow each other, into one column, are added up in a vectorised loop, 64 cells at a time.

    As written, one after the other waits for the sum in memory.
    """
    old = (
        r"    for\(int _idx=0; _idx<(_ptr_\w+_N\[0\]); _idx\+\+\)\n    \{\n(.*?)"
        r"        const int32_t _presynaptic_idx = (_ptr_\w+)\[_idx\];\n(.*?)"
        r"        (_ptr_\w+)\[(_ptr_\w+)\[_idx\]\] \+= _synaptic_var;\n    \}\n"
    )
    new = (
        r"    const int _all = \1;\n    for(int _first=0; _first<_all; _first+=64)\n    {\n"
        r"        const int _last = _first + 64 < _all ? _first + 64 : _all;\n"
        r"        const int _shift = \3[_first] - _first, _target = \6[_first];\n"
        r"        if (pfc::neighbours(\3, \6, _first, _last))\n        {\n"
        r"            {T} _sum = 0;\n            for(int _idx=_first; _idx<_last; _idx++)\n            {\n\2"
        r"        const int32_t _presynaptic_idx = _idx + _shift;\n\4        _sum += _synaptic_var;\n            }\n"
        r"            \5[_target] += _sum;\n            continue;\n        }\n"
        r"        for(int _idx=_first; _idx<_last; _idx++)\n        {\n\2"
        r"        const int32_t _presynaptic_idx = \3[_idx];\n\4        \5[\6[_idx]] += _synaptic_var;\n"
        r"        }\n    }\n"
    )
    for name in _code_objects(sources, "] += _synaptic_var;"):
        kind = re.search(r"const (\w+) _synaptic_var = ", sources[name])[1]
        changed = _edit(sources, name, (old, new.replace("{T}", kind)))
        sources = changed | {name: _HELPERS + changed[name]}
    return sources


def threshold_by_blocks(sources: Sources) -> Sources:
    """Cells are asked in blocks whether any of them spikes, which is vectorised; hardly a block has one that does."""
    old = (
        r"    for\(size_t _idx=0; _idx<N; _idx\+\+\)\n    \{(.*?const char _cond = [^;]*;)\s*"
        r"(if\(_cond\) \{.*?\n        \}\n    \})"
    )
    new = (
        "    for(size_t _first=0; _first<N; _first+=64)\n    {\n"
        "        const size_t _last = _first + 64 < N ? _first + 64 : N;\n"
        "        int _any = 0;\n"
        r"        for(size_t _idx=_first; _idx<_last; _idx++)\n        {\1 _any |= _cond; }\n"
        "        if(!_any) continue;\n"
        r"        for(size_t _idx=_first; _idx<_last; _idx++)\n        {\1 \2\n    }"
    )
    for name in _code_objects(sources, "_spike_thresholder_codeobject()\n"):
        if "const char _cond" in sources[name]:
            sources = _edit(sources, name, (old, new))
    return sources


def spikes_by_cell(sources: Sources) -> Sources:
    """The queue of a pathway holds cells and not synapses, and each cell's synapses are walked through in their order.

    As written, the number of every synapse is copied twice and leads to weights all over the memory; what belongs to
    the presynaptic cell is read anew for each. The processor is told a step ahead which synapses it will need.
    """
    walk = (
        r"    std::vector<int> \*_spiking_synapses = (\w+)\.peek\(\);.*?"
        r"const size_t _idx = \(\*_spiking_synapses\)\[_spiking_synapse_idx\];",
        r"    const int* const _order = \1.in_order();\n"
        r"    for(const int _source : \1.arriving())\n    {\n"
        r"        const int _end = \1.end(_source);\n"
        r"        for(int _place = \1.begin(_source); _place < _end; _place++)\n        {\n"
        r"            const size_t _idx = _order ? _order[_place] : _place;",
    )
    source = (r"const int32_t _presynaptic_idx = [^;]*;", "const int32_t _presynaptic_idx = _source;")
    for name in _code_objects(sources, ".peek()"):
        held = ", ".join(sorted(set(re.findall(r"= (_ptr_array_(?!\w+__synaptic_pre\b)\w+)\[_idx\];", sources[name]))))
        fetch = (r"(?=    for\(const int _source : (\w+)\.arriving)", rf"    \1.fetch_next({held});\n")
        sources = _edit(sources, name, walk, fetch, *([source] if "_presynaptic_idx = " in sources[name] else []))
    if "synapses_classes.h" in sources:
        sources = sources | {"synapses_classes.h": PATHWAY.read_text()}
    return sources


def arrays_in_place(sources: Sources) -> Sources:
    """Every array starts with a cache line, and they do not all start with a page (gpu/cpp_memory.h)."""
    include = (r'(?=#include "objects\.h")', f'#include "{MEMORY.name}"\n')
    return _edit(sources, "objects.cpp", include) | {MEMORY.name: MEMORY.read_text()}


def values_in_few_files(sources: Sources) -> Sources:
    """The values of a run share a file (gpu/input_code.py)."""
    return sources | {"objects.cpp": input_code.read_with_few_files(sources["objects.cpp"], "objects.cpp")}


def results_that_are_read(sources: Sources, files: Collection[str]) -> Sources:
    """Half of five hundred arrays are parameters and edges, which come out as they went in; the others share a file.

    As written, each is a file (gpu/cpp_results.h).
    """
    block = re.compile(
        r'    ofstream (outfile_\w+);\n    \1\.open\(results_dir \+ "(\w+)", [^\n]*\n(    if\(\1\.is_open\(\)\)\n'
        r"    \{\n.*?\n    \} else\n    \{\n[^\n]*\n    \}\n)",
        re.DOTALL,
    )

    def shared(found: re.Match[str]) -> str:
        if found[2] not in files:
            return ""
        # In a block of its own, so that each ends before the next begins: they follow one another in the file.
        return f'    {{\n    pfc::Result {found[1]}(results_dir, "{found[2]}");\n{found[3]}    }}\n'

    written = {found[2] for found in block.finditer(sources["objects.cpp"])}
    if missing := set(files) - written:
        raise RuntimeError(f"objects.cpp does not write {', '.join(sorted(missing))}; is this another Brian2?")
    text = f'#include "{RESULTS.name}"\n{block.sub(shared, sources["objects.cpp"])}'
    return sources | {"objects.cpp": text, RESULTS.name: RESULTS.read_text()}


def all_of_it_single(sources: Sources) -> Sources:
    """Numbers in the text, and the step, are of single precision too.

    As written, each of them turns its expression into one of double precision. The time stays double where it is
    computed with; where it is compared with, the largest number of single precision below it gives the same answer.
    """
    number = r"(?<![\w.])(\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)(?![\w.])"
    for name in _code_objects(sources, _CODE):
        head, start, body = sources[name].partition(_CODE)
        body = re.sub(number, r"\1f", body)
        if "_stateupdater_codeobject()\n" in head:
            body = body.replace("const double dt = ", "const float dt = ")
            if set(re.findall(r"\bt\b(?! =)(.{4})", body)) == {" >= "}:
                body = re.sub(r"const double t = ([^;]*);", r"const float t = pfc::below(\1);", body)
        sources = sources | {name: head + start + body}
    return sources


REVISIONS: tuple[Callable[[Sources], Sources], ...] = (
    duration_at_run_time,
    clocks_that_meet,
    time_asked_once_a_step,
    setup_without_optimisation,
    headers_compiled_once,
    noise_by_the_array,
    clip_without_branch,
    reciprocals_kept,
    exp_in_line,
    conditions_as_wide_as_numbers,
    one_population_at_a_time,
    one_column_at_a_time,
    cells_are_independent,
    sums_of_neighbours,
    threshold_by_blocks,
    spikes_by_cell,
    arrays_in_place,
    values_in_few_files,
)
IN_SINGLE: tuple[Callable[[Sources], Sources], ...] = (all_of_it_single,)


def _edit(sources: Sources, name: str, *changes: tuple[str, str]) -> Sources:
    """Make each change, (pattern, replacement), at the one place of the file where it belongs."""
    text = sources[name]
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.DOTALL)
        if count != 1:
            raise RuntimeError(f"{name} holds {pattern!r} {count} times, not once; is this another Brian2?")
    return sources | {name: text}


def _close(body: str) -> str:
    """Add a bracket after the one that ends the loop."""
    start, end, rest = body.partition("\n    }\n")
    if not end:
        raise RuntimeError("a loop does not end where it should; is this another Brian2?")
    return f"{start}{end}    }}\n{rest}"


def _code_objects(sources: Sources, content: str) -> list[str]:
    """Return the code objects that hold a text."""
    return [name for name, text in sources.items() if name.startswith("code_objects/") and content in text]
