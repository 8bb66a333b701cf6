# SPDX-License-Identifier: GPL-3.0-or-later
"""The host waits for a count of spikes only where the GPU has yet to tell it, and not for ever.

The stand-in of the GPU does everything at once; here a thread plays one that is late, has failed or is silent.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.gcc

RUNTIME = """
#pragma once
#include <atomic>
#include <cstdlib>
#include <cstring>
enum cudaError_t { cudaSuccess, cudaErrorNotReady, cudaErrorLaunchFailure };
enum { cudaHostAllocMapped, cudaMemcpyDeviceToHost };
inline std::atomic<cudaError_t> state{cudaErrorNotReady};
inline cudaError_t cudaHostAlloc(void **where, std::size_t size, unsigned) {
    *where = std::malloc(size);
    return cudaSuccess;
}
inline cudaError_t cudaHostGetDevicePointer(void **there, void *here, unsigned) { *there = here; return cudaSuccess; }
inline cudaError_t cudaMemcpy(void *to, const void *from, std::size_t size, int) {
    std::memcpy(to, from, size);
    return cudaSuccess;
}
inline cudaError_t cudaStreamQuery(int) { return state; }
inline const char *cudaGetErrorString(cudaError_t) { return "a failure of a test"; }
"""

PROGRAM = """
#include <chrono>
#include <string>
#include <thread>
#include "cuda_counts.h"
int main(int, char **arguments) {
    const std::string how = arguments[1];
    const int32_t counted[3] = {7, 8, 9};
    pfc::SpikeCounts counts;
    counts.begin(0, 3, &counted[0]);
    volatile int32_t *told = counts.told();
    counts.begin(1, 3, &counted[1]);
    std::thread gpu([=] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        if (how == "late")
            *told = 7;
        else
            state = how == "failed" ? cudaErrorLaunchFailure : cudaSuccess;
    });
    gpu.detach();
    std::printf("%d %d %d\\n", counts[1], counts[0], counts[0]);
}
"""


@pytest.fixture(scope="module")
def program(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counts")
    (folder / "cuda_runtime.h").write_text(RUNTIME)
    (folder / "counts.cpp").write_text(PROGRAM)
    compiler = shutil.which("g++") or "c++"
    command = [compiler, "-std=c++17", "-O2", "-pthread", f"-I{folder}", f"-I{root / 'gpu'}"]
    subprocess.run([*command, str(folder / "counts.cpp"), "-o", str(folder / "counts")], check=True)
    return folder / "counts"


@pytest.mark.parametrize(
    ("how", "status", "printed", "said"),
    [
        ("late", 0, "8 7 7\n", ""),
        ("failed", 1, "", "ERROR: counting spikes on the GPU failed: a failure of a test\n"),
        ("silent", 1, "", "ERROR: the GPU did not tell how many cells spiked\n"),
    ],
)
def test_a_gpu_that_is(how: str, status: int, printed: str, said: str, program: Path):
    """The count of the step itself is read where it is counted; for an earlier one the host waits until it is told."""
    done = subprocess.run([str(program), how], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (status, printed, said)
