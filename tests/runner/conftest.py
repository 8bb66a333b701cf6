# SPDX-License-Identifier: GPL-3.0-or-later
"""One cache for the session, so that the toy network is compiled once; every test body runs on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuit.errors import UserError
from gpu import build, devices, run
from tests.cuda import emulation
from tests.runner import toy

MODEL = "tests.runner.toy"


def nothing(line: str) -> None:
    """Take a line and show it to nobody."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def cpp(cache: Path) -> devices.Device:
    try:
        return devices.choose("cpp", cache)
    except UserError as error:
        pytest.skip(str(error))


# Each as Python, so that a test can choose the device again in another process; the last stands in for a GPU.
DEVICES = {
    "cpp": "devices.choose('cpp', cache)",
    "numpy": "devices.choose('numpy', cache)",
    "cuda": "devices.choose('cuda', cache)",
    "cuda-emulated": "emulation.device()",
}
MARKS = {"cpp": [pytest.mark.gcc], "cuda": [pytest.mark.gpu], "cuda-emulated": [pytest.mark.gcc, pytest.mark.slow]}


@pytest.fixture(scope="session", params=[pytest.param(name, marks=MARKS.get(name, ())) for name in DEVICES])
def chosen(request: pytest.FixtureRequest) -> str:
    """Python that makes the device, out of `devices`, `emulation` and `cache`."""
    return DEVICES[request.param]


@pytest.fixture(scope="session")
def built(chosen: str, cache: Path) -> build.Build:
    """The toy network, ready to run, on each device."""
    device = eval(chosen, {"devices": devices, "emulation": emulation, "cache": cache})
    return build.find_or_build(toy.Structure(), device, cache, nothing, model=MODEL)


@pytest.fixture(scope="session")
def compiled(cpp: devices.Device, cache: Path) -> build.Build:
    """The toy network, compiled."""
    return build.find_or_build(toy.Structure(), cpp, cache, nothing, model=MODEL)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Values under which every source fires; edges in no order, so that order has to be respected."""
    rng = np.random.default_rng(7)
    return {
        "contacts.i": rng.integers(0, 20, 40),
        "contacts.j": rng.integers(0, 10, 40),
        "contacts.w": rng.uniform(0.5, 1.5, 40),
        "sources.gain": np.linspace(1.0, 2.0, 20),
        "sources.sigma": np.array(0.2),
        "drive.values": np.array([1.5, 2.0, 1.5, 1.0]),
    }


@pytest.fixture
def execute(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., run.RawRun]:
    """`gpu.run.execute` in a fresh folder, for 0.2 s with seed 1 unless told otherwise."""

    def execute(
        build: build.Build, arrays: dict, duration_s: float = 0.2, seed: int = 1, **options: object
    ) -> run.RawRun:
        return run.execute(build, arrays, duration_s, seed, tmp_path_factory.mktemp("run"), **options)

    return execute
