# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a model into a program. Runs as a process of its own (``python -m gpu.compile``), in the folder of the build.

It reads request.json, and leaves the program and build.json. The one place, with ``gpu.interpret``, that imports
Brian2's devices; their global state ends with the process.
"""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpu import cpp_code, cuda_code, progress
from gpu.build import DESCRIPTION, Index, Output, Variable

REPORT_PERIOD_S = 0.25
# Two clocks that tick at once are apart by rounding, after 64 s by more than Brian2 takes for the same time; then it
# does the two parts of a step one after the other.
CLOCKS = "#define Clock_epsilon 1e-14", "#define Clock_epsilon 1e-9"
REPORT = f'std::cout << "{progress.PREFIX} " << completed << " " << elapsed << std::endl;'
# Once the loop has ended, a second Ctrl-C must not kill the writing of what it computed.
KEEP_RESULTS = "std::signal(SIGINT, SIG_IGN);"


def main() -> None:
    """Build what request.json in the working directory asks for, in the working directory."""
    folder = Path.cwd()
    request = json.loads((folder / "request.json").read_text())
    make = {"cpp": _cpp, "cuda": _cuda, "numpy": _numpy}[request["device"]]
    description = make(request, folder)
    (folder / DESCRIPTION).write_text(json.dumps(description | request, indent=1))


def create(request: Mapping[str, Any], indices: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None) -> dict:
    """Return the model's Brian2 objects by name; without `indices`, with every edge from cell 0 to cell 0.

    Parameters
    ----------
    request : mapping
        With "device", "model" (a module name) and "structure" (the fields of its `Structure`).
    indices : mapping of str to (i, j), optional
        Cell indices of the edges of each `Synapses`.
    """
    from brian2 import defaultclock, prefs, second

    model = importlib.import_module(request["model"])
    structure = model.Structure(**{name: _frozen(value) for name, value in request["structure"].items()})
    prefs.core.default_float_dtype = {"double": np.float64, "single": np.float32}[structure.precision]
    prefs.core.stop_on_keyboard_interrupt = True
    defaultclock.dt = structure.dt * second  # Of objects without a clock of their own; no other belongs here.
    if request["device"] == "numpy":
        prefs.codegen.target = "numpy"
    return model.create(structure, indices or _placeholders(structure))


def describe(objects: Mapping[str, Any], file_of: Callable[[Any], str], index_files: Mapping[str, str]) -> dict:
    """Return what build.json says: variables a run may set, indices it must set, arrays it gives back.

    Parameters
    ----------
    objects : mapping
        As returned by the model's `create`.
    file_of : callable
        The name of the results file of a Brian2 variable.
    index_files : mapping of str to str
        For "synapses.i" and "synapses.j", the file the program reads them from.
    """
    from brian2 import Synapses, TimedArray

    groups = [item for item in objects["network"].sorted_objects if hasattr(item, "variables")]
    variables, indices, outputs = {}, {}, {}
    for group in groups:
        if hasattr(group, "record_variables") or hasattr(group, "rate"):
            outputs |= _recorded(group, file_of)
        else:
            variables |= _settable(group, file_of)
        if isinstance(group, Synapses):
            for side, cells in (("i", group.source), ("j", group.target)):
                name = f"{group.name}.{side}"
                indices[name] = Index("int32", len(group), len(cells), index_files[name])
    for item in objects.values():
        if isinstance(item, TimedArray):
            variables[f"{item.name}.values"] = Variable(str(item.values.dtype), item.values.size, None, True)
    parts = {"variables": variables, "indices": indices, "outputs": outputs}
    return {part: {name: asdict(entry) for name, entry in entries.items()} for part, entries in parts.items()}


def _cpp(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Generate, revise and compile the C++ program."""
    start = time.monotonic()
    description = _generate(request, folder, "cpp_standalone", {"main": cpp_code.SEED}, REPORT)
    cpp_code.revise(folder, request["structure"]["precision"], _files_read(description))
    (folder / "make.deps").touch()  # Brian2's makefile would preprocess every file once more to find dependencies.
    toolchain = request["toolchain"]
    variables = {
        "CXX": toolchain["compiler"],
        "OPTIMISATIONS": " ".join(toolchain["flags"]),
        "LFLAGS": " ".join(toolchain["link_flags"]),
    }
    _make(folder, variables, len(list(folder.rglob("*.cpp"))), request["cores"], start)
    return description


def _files_read(description: Mapping[str, Any]) -> set[str]:
    """Return the result files that `gpu.run` reads."""
    outputs = description["outputs"].values()
    states = {entry["file"] for entry in description["variables"].values() if not entry["constant"]}
    return {entry[part] for entry in outputs for part in ("file", "counter")} | states


def _cuda(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Generate, revise and compile the CUDA program; needs no GPU."""
    import brian2cuda  # noqa: F401  # Makes its device known.
    from brian2 import prefs

    start = time.monotonic()
    toolchain = request["toolchain"]
    backend = prefs.devices.cuda_standalone.cuda_backend
    backend.detect_gpus = backend.detect_cuda = False
    backend.gpu_id = 0  # The first that CUDA_VISIBLE_DEVICES shows.
    backend.compute_capability = int(toolchain["architectures"][0]) / 10
    backend.cuda_runtime_version = float(toolchain["release"])
    backend.cuda_path = str(Path(toolchain["nvcc"]).parents[1])
    code = {"before_start": cuda_code.NEEDS_GPU, "main": cuda_code.SEED}
    description = _generate(request, folder, "cuda_standalone", code, cuda_code.REPORT)
    _replace_once(folder / "network.cu", *CLOCKS)
    cuda_code.revise(folder)
    # The largest first, so that the last core is not left alone with it; brian2cuda also writes an empty one.
    sources = sorted(folder.rglob("*.cu"), key=lambda file: -file.stat().st_size)
    compiler = (toolchain["nvcc"], f"-ccbin={toolchain['host']}")
    variables = {
        "SRCS": " ".join(str(file.relative_to(folder)) for file in sources if file.stat().st_size),
        "NVCC": shlex.join((toolchain["launcher"], *compiler) if toolchain["launcher"] else compiler),
        "NVCCFLAGS": shlex.join(("-I.", *toolchain["flags"])),
        "LFLAGS": shlex.join(toolchain["link_flags"]),
    }
    _make(folder, variables, len(sources), request["cores"], start)
    return description


def _generate(
    request: dict[str, Any], folder: Path, standalone: str, code: Mapping[str, str], report: str
) -> dict[str, Any]:
    """Write the sources of a program; return what build.json says.

    Parameters
    ----------
    request : dict
        As for `create`.
    folder : Path
    standalone : str
        Brian2's name of the device.
    code : mapping of str to str
        Statements to insert, by Brian2's name of the place.
    report : str
        Statement that reports progress.
    """
    from brian2 import device, prefs, second, set_device

    prefs.codegen.cpp.extra_compile_args = []  # The flags go to make, all in one place.
    # Brian2 adds the Python environment's folders, which the program does not need and would be bound to.
    prefs.codegen.cpp.include_dirs = prefs.codegen.cpp.library_dirs = prefs.codegen.cpp.runtime_library_dirs = []
    set_device(standalone, directory=str(folder), build_on_run=False)
    for place, statements in code.items():
        device.insert_code(place, statements)
    objects = create(request)
    device.apply_run_args()  # Here and not just before the loop, so that a run can set delays too.
    device.insert_code("after_network_run", KEEP_RESULTS)
    network = objects["network"]
    network.run(1 * second, report=report, report_period=REPORT_PERIOD_S * second, namespace={})
    device.build(directory=str(folder), compile=False, run=False)
    description = describe(objects, device.get_array_filename, _index_files(device, objects))
    for entry in description["indices"].values():
        (folder / entry["file"]).unlink()  # Placeholders, as large as the edges; each run brings its own.
    return description


def _numpy(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Only describe the network; ``gpu.interpret`` makes it anew in each run."""
    from brian2 import Synapses

    objects = create(request)
    names = [item.name for item in objects["network"].sorted_objects if isinstance(item, Synapses)]
    files = {f"{name}.{side}": f"static_arrays/{name}.{side}" for name in names for side in "ij"}
    return describe(objects, lambda variable: f"{variable.owner.name}.{variable.name}", files)


def _placeholders(structure: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return edges of the right number between cells 0; the program reads the real ones at run time."""
    edges = {name: np.zeros(count, dtype=np.int32) for name, count in dict(structure.num_synapses).items()}
    for name, edge in edges.items():
        if edge.size < 2:  # Brian2 writes a single index into the program as a constant.
            raise ValueError(f"{name} has {edge.size} synapses; a compiled network needs at least two")
    return {name: (edge, edge) for name, edge in edges.items()}


def _frozen(value: Any) -> Any:
    """Return `value` from JSON with tuples for lists, as a frozen dataclass had them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _settable(group: Any, file_of: Callable[[Any], str]) -> dict[str, Variable]:
    from brian2.core.variables import ArrayVariable

    owner = getattr(group, "synapses", group)  # The delay of a synaptic pathway belongs to its synapses.
    entries = {}
    for variable in group.variables.values():
        if not isinstance(variable, ArrayVariable) or variable.read_only or variable.name.startswith("_"):
            continue
        if variable.owner.name == owner.name:
            size = len(owner) if variable.dynamic and not variable.scalar else variable.size
            entry = Variable(np.dtype(variable.dtype).name, int(size), file_of(variable), variable.constant)
            entries[f"{owner.name}.{variable.name}"] = entry
    return entries


def _recorded(monitor: Any, file_of: Callable[[Any], str]) -> dict[str, Output]:
    from brian2.core.variables import DynamicArrayVariable

    counter = file_of(monitor.variables["N"])
    return {
        f"{monitor.name}.{name}": Output(
            np.dtype(variable.dtype).name, variable.size[1] if variable.ndim == 2 else None, file_of(variable), counter
        )
        for name, variable in monitor.variables.items()
        if isinstance(variable, DynamicArrayVariable) and variable.owner.name == monitor.name
    }


def _index_files(device: Any, objects: Mapping[str, Any]) -> dict[str, str]:
    """Return where the program reads the edges from: the static arrays that fill each `Synapses`' sources, targets."""
    from brian2 import Synapses

    static = {arguments[0]: arguments[1] for step, arguments in device.main_queue if step == "set_by_array"}
    return {
        f"{item.name}.{side}": f"static_arrays/{static[f'_array_{item.name}_{array}']}"
        for item in objects["network"].sorted_objects
        if isinstance(item, Synapses)
        for side, array in (("i", "sources"), ("j", "targets"))
    }


def _replace_once(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if text.count(old) != 1:
        raise RuntimeError(f"{file.name} holds {old!r} {text.count(old)} times, not once; is this another Brian2?")
    file.write_text(text.replace(old, new))


def _make(folder: Path, variables: Mapping[str, str], num_files: int, cores: int, start: float) -> None:
    """Compile and link, saying after each file how far it is."""
    command = ["make", f"-j{cores}", *(f"{name}={value}" for name, value in variables.items())]
    total = num_files + 1
    # A pipe of its own, so that this process alone holds the one to the parent, who sees at once when it dies.
    make = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for done, text in enumerate(make.stdout):
        sys.stdout.write(text)
        print(progress.line(min(done / total, 1.0), time.monotonic() - start), flush=True)
    if make.wait():
        sys.exit(1)
    print(progress.line(1.0, time.monotonic() - start), flush=True)
    for compiled in (*folder.rglob("*.o"), *folder.rglob("*.gch")):
        compiled.unlink()


if __name__ == "__main__":
    main()
