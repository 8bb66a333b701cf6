# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a CUDA toolkit, or the cuRAND that one lacks, out of the nvidia packages of this Python environment.

The packages hold everything, but not in the places and under the names where nvcc and the linker look. A folder of
links in the cache puts that right; nothing of the environment is changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from circuit.errors import BuildError


def toolkits() -> list[Path]:
    """Folders of nvidia packages that hold an nvcc."""
    return [folder for folder in _folders() if (folder / "bin" / "nvcc").is_file()]


def curand(major: int) -> Path | None:
    """Folder of the nvidia package with cuRAND for a major CUDA version; None if it is not installed."""
    for folder in _folders():
        # Packages for CUDA 13 share nvidia/cu13; before, each had a folder of its own.
        own = int(folder.name[2:]) if folder.name[:2] == "cu" and folder.name[2:].isdigit() else 12
        if own == major and (folder / "include" / "curand.h").is_file() and any(folder.glob("lib/libcurand.so*")):
            return folder
    return None


def linked(source: Path, cache: Path, only: str = "") -> Path:
    """Return a folder with ``bin``, ``include``, ``lib64`` and ``nvvm`` as a toolkit has them, of links to `source`.

    Parameters
    ----------
    source : Path
        As from `toolkits` or `curand`.
    cache : Path
        Where the folder is kept.
    only : str, optional
        Link headers and libraries whose names begin with this, and nothing else.

    Raises
    ------
    BuildError
        If the cache cannot be written; without a full stop.
    """
    wanted = dict(_links(source, only))
    key = hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()[:16]
    home = cache / f"nvidia-{key}"
    if all((home / name).exists() for name in wanted):
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{home.name}.tmp-", dir=cache))
        try:
            for name, target in wanted.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).symlink_to(target)
            shutil.rmtree(home, ignore_errors=True)
            with suppress(OSError):  # Another process may just have put the same there.
                draft.rename(home)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise BuildError(
            f"links to the nvidia packages could not be kept in {cache} ({error.strerror or error}): permit writing "
            "there, or name another folder in PFC_CACHE"
        ) from error
    return home


def _links(source: Path, only: str) -> Iterator[tuple[str, str]]:
    """Name and target of every link; files one by one, because nvcc looks beside the folder where it finds itself."""
    for part, place in (("bin", "bin"), ("include", "include"), ("lib", "lib64")):
        for file in sorted((source / part).glob("*")):
            bare = file.name.removeprefix("lib") if part == "lib" else file.name
            if not bare.startswith(only) or (only and part == "bin"):
                continue
            yield f"{place}/{file.name}", os.fspath(file)
            if ".so." in file.name:  # What -lcurand looks for.
                yield f"{place}/{file.name.partition('.so.')[0]}.so", os.fspath(file)
    if not only and (source / "nvvm").is_dir():
        yield "nvvm", os.fspath(source / "nvvm")


def _folders() -> list[Path]:
    """Folders of the nvidia packages: each holds some of bin, include, lib and nvvm."""
    spec = importlib.util.find_spec("nvidia")
    roots = map(Path, spec.submodule_search_locations or ()) if spec else ()
    return sorted(folder for root in roots for folder in root.glob("*") if folder.is_dir())
