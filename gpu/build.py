# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile a network once, and find it again.

A build is a folder in the cache, named by a hash of everything that shapes the program. Numbers, edges, seed and
duration do not: they are handed over at each run. A build is made in a temporary folder under a lock and renamed when
it is whole, so a folder of that name is always usable. This module does not import Brian2: that happens in a process
of its own, ``gpu.compile``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from circuit.errors import BuildError
from gpu import progress, signals, threads, toolchain
from gpu.cache import cache_folder, locked
from gpu.devices import Device

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MODEL = "circuit.network"
DESCRIPTION = "build.json"
# Modules and, with a suffix, other files beside this one whose text shapes the program, besides the model's own.
SOURCES = ("gpu.compile",)
CPP_HEADERS = tuple(f"cpp_{name}.h" for name in ("exp", "helpers", "memory", "noise", "pathway", "results"))
CPP_SOURCES = (*SOURCES, "gpu.input_code", "gpu.cpp_code", *CPP_HEADERS)
CUDA_HEADERS = tuple(f"cuda_{name}.h" for name in ("counts", "sums", "vectors"))
CUDA_SOURCES = (*SOURCES, "gpu.input_code", "gpu.cuda_code", *CUDA_HEADERS)


@dataclass(frozen=True)
class Variable:
    """A variable that a run may set. `file` is where its final value is written; None for a schedule.

    What is `constant` is as it was set when the run ends, and need not be written.
    """

    dtype: str
    size: int
    file: str | None
    constant: bool


@dataclass(frozen=True)
class Index:
    """One side of the edges of a `Synapses`: `size` cell indices from 0 to `below` - 1, read from `file`."""

    dtype: str
    size: int
    below: int
    file: str


@dataclass(frozen=True)
class Output:
    """A recorded array: one row of `width` values (None: a bare value) for each of the events counted in `counter`."""

    dtype: str
    width: int | None
    file: str
    counter: str


@dataclass(frozen=True)
class Build:
    """A network ready to run.

    Attributes
    ----------
    device : Device
    folder : Path
    hash : str
    compiled : bool
        True if this call made the build, False if it was found.
    seconds : float
        What finding or making it took.
    variables : dict of str to Variable
        What a run may set, by "object.variable".
    indices : dict of str to Index
        What a run must set: "object.i" and "object.j" of every `Synapses`.
    outputs : dict of str to Output
        What a run gives back, by "monitor.variable".
    structure : dict
        The fields of the structure that was built, lists for tuples.
    """

    device: Device
    folder: Path
    hash: str
    compiled: bool
    seconds: float
    variables: dict[str, Variable]
    indices: dict[str, Index]
    outputs: dict[str, Output]
    structure: dict[str, Any]

    @property
    def command(self) -> tuple[str, ...]:
        """The program of this build; every device's takes the same arguments."""
        if self.device.toolchain:
            return (str(self.folder / "main"),)
        return sys.executable, "-m", "gpu.interpret", str(self.folder)


def find_or_build(
    structure: DataclassInstance,
    device: Device,
    cache: Path,
    on_line: Callable[[str], None],
    on_progress: progress.OnProgress = progress.ignore,
    model: str = MODEL,
) -> Build:
    """Return the build of a network, compiling it if this cache does not hold it yet.

    Parameters
    ----------
    structure : dataclass instance
        Plain values: everything that shapes the program. Has `num_synapses`, pairs of (name, count), and `precision`,
        "double" or "single".
    device : Device
        As chosen by `gpu.devices.choose`.
    cache : Path
        Made if it is not there.
    on_line : callable
        Called with a sentence when the user has to wait.
    on_progress : callable
        Called with the compiled fraction and the elapsed seconds.
    model : str
        Dotted name of the module with `Structure`, `create(structure, indices)` and, as a literal tuple, `SOURCES`:
        the names of the modules whose text shapes the program.

    Raises
    ------
    BuildError
        If the network does not compile, the disk is full, or the build is interrupted. The text names the log.
    """
    start = time.monotonic()
    key = structure_hash(structure, device, model)
    folder = cache / f"{device.name}-{key}"
    compiled = False
    if not _is_whole(folder):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with locked(
                cache / f"{folder.name}.lock", lambda: on_line("Waiting: another process builds this network.")
            ):
                if not _is_whole(folder):
                    on_line("Building the network; once, later runs of this structure find it.")
                    request = {"device": device.name, "model": model, "structure": asdict(structure)}
                    _build(request, device, folder, on_progress)
                    compiled = True
        except OSError as error:
            raise BuildError(
                f"The build could not be kept in {cache} ({error.strerror or error}). Make room or permit writing "
                "there, or name another folder in the environment variable PFC_CACHE."
            ) from error
        except KeyboardInterrupt:
            raise BuildError("The build was interrupted; nothing of it was kept.") from None
    return load(folder, device, compiled=compiled, seconds=time.monotonic() - start)


def load(folder: Path, device: Device, *, compiled: bool = False, seconds: float = 0.0) -> Build:
    """Return the build in `folder`."""
    text = json.loads((folder / DESCRIPTION).read_text())
    return Build(
        device=device,
        folder=folder,
        hash=folder.name.rpartition("-")[2],
        compiled=compiled,
        seconds=seconds,
        variables={name: Variable(**fields) for name, fields in text["variables"].items()},
        indices={name: Index(**fields) for name, fields in text["indices"].items()},
        outputs={name: Output(**fields) for name, fields in text["outputs"].items()},
        structure=text["structure"],
    )


def structure_hash(structure: DataclassInstance, device: Device, model: str = MODEL) -> str:
    """Return 16 hexadecimal digits that change with whatever changes the program.

    These are the structure, the text of the model's `SOURCES` and of ours, Brian2's version, and for a compiled device
    the compiler, its flags and the processor.
    """
    ours = {"cpp": CPP_SOURCES, "cuda": CUDA_SOURCES}.get(device.name, SOURCES)
    identity = {
        "structure": asdict(structure),
        "sources": {name: _source(name) for name in (*_model_sources(model), *ours)},
        "brian2": importlib.metadata.version("brian2"),
        "device": device.identity,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def environment() -> dict[str, str]:
    """Return the environment for our own subprocesses: in it, they find our packages from any folder.

    Brian2 imports Matplotlib, which would write to the home folder; on the nodes of a cluster there may be none.
    """
    path = (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH"))
    own = {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONUNBUFFERED": "1"}
    return threads.ONE | {"MPLCONFIGDIR": str(cache_folder() / "matplotlib")} | os.environ | own


def _is_whole(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file()


def _source(module: str) -> str:
    """Return the text of a file beside this one, or of a module without importing it."""
    if module.endswith(".h"):
        return Path(__file__).with_name(module).read_text()
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {module!r}, which shapes the compiled network", name=module)
    return Path(spec.origin).read_text()


def _model_sources(model: str) -> tuple[str, ...]:
    """Return `model` and its `SOURCES`, read from the text: importing the model would import Brian2."""
    for node in ast.parse(_source(model)).body:
        names = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(name, ast.Name) and name.id == "SOURCES" for name in names):
            return tuple(dict.fromkeys((model, *ast.literal_eval(node.value))))
    return (model,)


def _build(request: dict[str, Any], device: Device, folder: Path, on_progress: progress.OnProgress) -> None:
    """Make `folder` whole or leave nothing; the caller holds the lock, so what is left of earlier tries is dead."""
    for remains in (folder, *folder.parent.glob(f"{folder.name}.tmp-*")):
        shutil.rmtree(remains, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.tmp-", dir=folder.parent))
    log = folder.with_suffix(".log")
    try:
        if device.toolchain:
            request = request | {"toolchain": asdict(device.toolchain), "cores": toolchain.cores()}
        (temporary / "request.json").write_text(json.dumps(request))
        with log.open("w") as file:
            status = _compile(temporary, file, on_progress)
        if status:
            raise _failure(status, log)
        log.replace(temporary / "compile.log")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _compile(folder: Path, log: TextIO, on_progress: progress.OnProgress) -> int:
    """Run ``gpu.compile`` in `folder`, in a process group of its own so that it ends as a whole; return its status."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gpu.compile"],
        cwd=folder,
        env=environment(),
        process_group=0,
        preexec_fn=signals.for_children(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    status = None
    try:
        log.writelines(progress.follow(process.stdout, on_progress))
        status = process.wait()
        return status
    finally:
        if status != 0:  # Interrupted, failed or killed: its make and compilers may still be there.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def _failure(status: int, log: Path) -> BuildError:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    text = "\n".join(lines)
    if "No space left on device" in text:
        return BuildError(f"The build stopped: the disk of {log.parent} is full. Make room there, or set PFC_CACHE.")
    if status < 0 or "Killed" in text:
        return BuildError(
            f"The build was killed, perhaps for want of memory; nothing of it was kept. Its log is {log}."
        )
    said = next((line for line in lines if "error:" in line), lines[-1] if lines else "no message")
    return BuildError(f"The network could not be built: {said}\nThe whole output is in {log}.")
