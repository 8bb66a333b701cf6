# SPDX-License-Identifier: GPL-3.0-or-later
"""Which C++ compiler is there, does it work, and with which flags do we call it?"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from circuit.errors import BuildError

# -ffast-math alone (Brian2 adds -fno-finite-math-only) is what lets the compiler vectorise exp(); it also hides NaN,
# so gpu.run looks for it in the results.
FLAGS = ("-O3", "-ffast-math", "-std=c++17", "-w")
# Flags that some compilers refuse; each is dropped by itself. Brian2's generated loops need some 60 alias checks,
# more than GCC's default limit, above which it gives up vectorising. The environment variable PFC_MARCH replaces
# "native", for programs that shall run on other processors than the one they are built on.
NATIVE = "-march=native"
# GCC by itself uses half of the width of AVX-512; on other processors the flag for it changes nothing. Nor does it, on
# x86, order instructions before it gives out registers: the long chains of a cell's exponentials then come one after
# another, and the processor cannot look far enough ahead to work at the next one.
OPTIONAL_FLAGS = (
    NATIVE,
    "-mprefer-vector-width=512",
    "--param=vect-max-version-for-alias-checks=1000",
    "-fschedule-insns",
    "-fsched-pressure",
)
# At link time the same flag sets flush-to-zero, without which decayed gates run into slow denormal numbers.
LINK_FLAGS = ("-ffast-math",)

COMPILERS = ("g++", "clang++", "c++")
PROBE = "#include <cmath>\n#include <vector>\nint main() { return static_cast<int>(std::vector<double>(1, 0.0)[0]); }\n"
INSTALL_HINTS = {
    "linux": "install one (Debian or Ubuntu: apt install g++ make; Fedora: dnf install gcc-c++ make; "
    "conda: conda install -c conda-forge cxx-compiler make)",
    "darwin": "install one (xcode-select --install)",
}


class NoToolchain(BuildError):
    """No C++ compiler that works; the text is the reason, without what to do about it."""


@dataclass(frozen=True)
class Toolchain:
    """A C++ compiler that was seen to work.

    Attributes
    ----------
    compiler : str
        Absolute path.
    version : str
        The compiler's own first line, "g++ (Debian 12.2.0-14) 12.2.0".
    flags, link_flags : tuple of str
        Flags that it accepts.
    fingerprint : str
        Changes with compiler, flags and the processor that ``-march=native`` resolves to.
    """

    compiler: str
    version: str
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    fingerprint: str


def find(cache: Path) -> Toolchain:
    """Return the first C++ compiler that builds a small program: ``$CXX``, then those in `COMPILERS`.

    Parameters
    ----------
    cache : Path
        Folder where a compiler seen to work is remembered, so that later runs only ask it for its identity.

    Raises
    ------
    NoToolchain
        With the reason: nothing on PATH, no make, or what the compiler said.
    """
    if not shutil.which("make"):
        raise NoToolchain("make was not found on PATH")
    names = (os.environ["CXX"],) if os.environ.get("CXX") else COMPILERS
    paths = [path for name in names if (path := shutil.which(name))]
    if not paths:
        raise NoToolchain(f"no C++ compiler was found on PATH (looked for {', '.join(names)})")
    complaints = []
    for path in paths:
        try:
            return _identify(path, cache)
        except NoToolchain as error:
            complaints.append(str(error))
    raise NoToolchain("; ".join(complaints))


def install_hint() -> str:
    """Return what to do on this platform to get a compiler, as the second half of a sentence."""
    return INSTALL_HINTS.get(sys.platform, "install g++ or clang++, and make")


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _identify(compiler: str, cache: Path) -> Toolchain:
    optional = tuple(_for_processor(compiler) if flag == NATIVE else flag for flag in OPTIONAL_FLAGS)
    flags = FLAGS + optional
    macros = _macros(compiler, flags)
    if macros is None:
        flags = FLAGS + tuple(flag for flag in optional if _macros(compiler, (flag,)) is not None)
        macros = _macros(compiler, flags) or ""
    version = _call([compiler, "--version"]).stdout.partition("\n")[0].strip()
    identity = "\n".join((compiler, version, *flags, *LINK_FLAGS, macros))
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:16]
    _probe_once(compiler, flags, cache / f"compiler-{fingerprint}.ok")
    return Toolchain(compiler, version, flags, LINK_FLAGS, fingerprint)


def _for_processor(compiler: str) -> str:
    """Return the flag that names the processor to compile for, the user's if there is one."""
    wanted = os.environ.get("PFC_MARCH")
    if wanted and _macros(compiler, (f"-march={wanted}",)) is None:
        raise BuildError(
            f"PFC_MARCH is {wanted!r}, and {compiler} knows no -march={wanted}: name one that it knows, such as "
            "x86-64-v3, or unset it."
        )
    return f"-march={wanted}" if wanted else NATIVE


def _macros(compiler: str, flags: tuple[str, ...]) -> str | None:
    """Return the compiler's predefined macros, which spell out version and processor; None if it refuses a flag."""
    answer = _call([compiler, *flags, "-Werror", "-dM", "-E", "-x", "c++", os.devnull])
    return answer.stdout if answer.returncode == 0 else None


def _probe_once(compiler: str, flags: tuple[str, ...], seen: Path) -> None:
    """Compile and link a small program unless `seen` says that this was done; headers or linker may be missing."""
    if seen.exists():
        return
    with tempfile.TemporaryDirectory(prefix="pfc-probe-") as folder:
        source = Path(folder, "probe.cpp")
        source.write_text(PROBE)
        answer = _call([compiler, *flags, str(source), "-o", str(source.with_suffix("")), *LINK_FLAGS])
    if answer.returncode:
        said = (answer.stderr.strip() or "no message").splitlines()[0]
        raise NoToolchain(f"{compiler} does not compile a small program ({said})")
    try:
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.touch()
    except OSError:
        pass  # A cache that cannot be written is reported where a build needs it.


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoToolchain(f"{command[0]} could not be started ({error.strerror})") from None
