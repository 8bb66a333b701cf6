# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: skips with their reason where a tool or a device is missing, and the project's folder."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from circuit.errors import UserError
from gpu import devices

# The first example may have to import half of SciPy, and a shared machine may stall: time is no property of the code.
# An example that fails is shown as it was found: to shrink a network takes minutes and tells no more.
settings.register_profile("pfc", deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
settings.load_profile("pfc")


#: What tests/cluster/slurmbox.sh starts and what its users call.
SLURM = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch", "srun", "sacct", "squeue", "scontrol")


@cache
def _missing(marker: str) -> str | None:
    """Why tests with this marker cannot run here; None if they can."""
    if marker == "gcc" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        return "no C++ compiler on PATH"
    if marker == "slurm":
        return _without_slurm()
    if marker not in ("nvcc", "gpu"):
        return None
    with tempfile.TemporaryDirectory(prefix="pfc-test-") as folder:
        try:
            devices.choose("cuda", Path(folder), to_run=marker == "gpu")
        except UserError as error:
            return str(error)
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a test of random kills be repeated as it was."""
    parser.addoption("--kill-seed", type=int, help="seed of the moments and victims in tests/cluster; drawn by default")


def _without_slurm() -> str | None:
    """Why no cluster of this one machine can be started; None if one can."""
    where = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])  # the daemons' folders
    absent = [name for name in SLURM if shutil.which(name, path=where) is None]
    packages = "Debian's slurm-wlm, munge, slurmdbd and mariadb-server have them"
    return f"without {', '.join(absent)} there is no cluster to test on; {packages}" if absent else None


def pytest_configure() -> None:
    """Hear Ctrl-C, which tests send: a shell that starts us in the background has had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, never fail, where a machine lacks what a test needs."""
    for marker in item.iter_markers():
        if reason := _missing(marker.name):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of this session: no test reads or fills the user's own, and each network is compiled once.

    Workers of pytest-xdist are one session and share it. Set PFC_CACHE to keep the builds for the next session.
    """
    with pytest.MonkeyPatch.context() as environment:
        if not os.environ.get("PFC_CACHE"):
            cache = _shared(tmp_path_factory) / "builds"
            cache.mkdir(exist_ok=True)
            environment.setenv("PFC_CACHE", str(cache))
        yield Path(os.environ["PFC_CACHE"])


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that is the same for all workers of this session; each worker's own is inside."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
