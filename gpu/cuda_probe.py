# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile, link and start a small CUDA program, and say in a sentence what is missing if that fails.

The program uses what a simulation uses: code in two steps (-rdc), cuRAND on both sides, atomic operations on doubles.
Without a GPU it only starts and ends.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from circuit.errors import BuildError

if TYPE_CHECKING:
    from gpu.cuda_toolkit import CudaToolchain

SECONDS = 300
PROGRAM = """
#include <cstdio>
#include <cuda_runtime.h>
#include <curand.h>
#include <curand_kernel.h>
__global__ void add(double *sum, const double *numbers) {
    curandState state;
    curand_init(1, threadIdx.x, 0, &state);
    atomicAdd(sum, numbers[threadIdx.x] * 0 + (curand_uniform(&state) > 0));
}
int main() {
    int version = 0, count = 0;
    curandGetVersion(&version);
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
        return 0;
    curandGenerator_t generator;
    double *numbers, sum = 0;
    cudaMalloc((void **)&numbers, 65 * sizeof(double));
    cudaMemset(numbers, 0, 65 * sizeof(double));
    // cuRAND writes pairs, so numbers come first: where an allocation begins.
    bool made = curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT) == CURAND_STATUS_SUCCESS;
    made = made && curandGenerateNormalDouble(generator, numbers, 64, 0, 1) == CURAND_STATUS_SUCCESS;
    add<<<1, 64>>>(numbers + 64, numbers);
    cudaError_t status = cudaMemcpy(&sum, numbers + 64, sizeof(double), cudaMemcpyDeviceToHost);
    if (!made || status != cudaSuccess || sum != 64) {
        std::printf("cuRAND %s, sum %g of 64, %s\\n", made ? "works" : "fails", sum, cudaGetErrorString(status));
        return 1;
    }
    return 0;
}
"""
# What nvcc and the linker say when a part is missing: pattern, the reason and what to do.
KNOWN = (
    (r"No space left on device", "the disk for temporary files is full: make room, or set TMPDIR to another folder"),
    (
        r"CUDA compiler and CUDA toolkit headers are incompatible",
        "nvcc and its headers are of different CUDA versions: install packages that belong together (make cuda)",
    ),
    (
        r"(cicc|cudafe\+\+|ptxas|nvlink|fatbinary)\S*: (not found|No such file)",
        "the toolkit is not whole, {0} is missing: install all of it (make cuda puts one into this environment)",
    ),
    (
        r"(cuda_runtime\.h|crt/\S+?\.h): No such file|cannot find -l(cudart_static|cudadevrt)",
        "the toolkit is not whole, {0} is missing: install all of it (make cuda puts one into this environment)",
    ),
)


class NoCuda(BuildError):
    """CUDA programs cannot be compiled here; the text is the reason and what to do about it, without a full stop."""


class HostRefused(NoCuda):
    """nvcc does not take this host compiler; the text says which."""


class NoCurand(NoCuda):
    """cuRAND's headers or its library are not found; the text says which, without what to do."""


def run(toolchain: CudaToolchain) -> None:
    """Build and start the program.

    Raises
    ------
    HostRefused, NoCurand
        Where another host compiler or another cuRAND may help.
    NoCuda
        If anything else is wrong.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="pfc-probe-") as folder:
            source = Path(folder, "probe.cu")
            source.write_text(PROGRAM)
            program = source.with_suffix("")
            compiler = (toolchain.nvcc, f"-ccbin={toolchain.host}", "-rdc=true")
            built = _call([*compiler, *toolchain.flags, str(source), "-o", str(program), *toolchain.link_flags])
            if built.returncode:
                _explain(built.stderr + built.stdout, toolchain)
            started = _call([str(program)])
    except OSError as error:
        raise NoCuda(
            f"a small CUDA program could not be tried ({error}): make room, or set TMPDIR to a folder with room"
        ) from None
    if started.returncode:
        said = _first_line(started.stdout + started.stderr)
        raise BuildError(f"a small CUDA program was compiled but does not run ({said}): see to the driver and the GPU")


def _explain(said: str, toolchain: CudaToolchain) -> None:
    """Raise the error that fits what the compiler said."""
    if re.search(r"unsupported (GNU|clang)|host compiler .* is not supported", said, re.IGNORECASE):
        raise HostRefused(toolchain.host_version or toolchain.host)
    if missing := re.search(r"(curand\w*\.h): No such file", said):
        raise NoCurand(f"cuRAND's header {missing[1]} was not found")
    if re.search(r"cannot find -lcurand", said):
        raise NoCurand("cuRAND's library libcurand.so was not found")
    for pattern, sentence in KNOWN:
        if found := re.search(pattern, said):
            raise NoCuda(sentence.format(next((group for group in found.groups() if group), "")))
    errors = [line for line in said.splitlines() if re.search(r"error|fatal|cannot", line)]
    line = (errors or said.splitlines() or ["no message"])[0].strip()
    raise NoCuda(f"{toolchain.nvcc} does not compile a small program ({line}): reinstall the toolkit")


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"error: no answer within {SECONDS} s")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
