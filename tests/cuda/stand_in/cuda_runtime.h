// SPDX-License-Identifier: GPL-3.0-or-later
// What a program of brian2cuda uses of CUDA, done by one thread on the processor: kernels run block by block, thread by
// thread. It shows whether the program computes what it should; it cannot show races, and says nothing about speed.
//
// New memory is full of NaN, as a GPU's may be. In the environment:
//   EMULATION_STRICT   memory of the "GPU" can only be touched by kernels and copies; other access is a fault
//   EMULATION_REVERSE  blocks and threads run in the opposite order, which must not matter
#ifndef EMULATION_CUDA_RUNTIME_H
#define EMULATION_CUDA_RUNTIME_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#define __global__
#define __device__
#define __host__
#define EMULATE(kernel, ...) emulation::Launch(__VA_ARGS__).of([](auto... arguments) { kernel(arguments...); })

enum cudaError { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorNotReady = 600 };
typedef enum cudaError cudaError_t;
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaLimit { cudaLimitMallocHeapSize };
struct Dimension { unsigned x; };
struct cudaDeviceProp { int multiProcessorCount, maxThreadsPerBlock, maxThreadsPerMultiProcessor, warpSize; std::size_t sharedMemPerBlock; };
struct cudaFuncAttributes { int numRegs, maxThreadsPerBlock; std::size_t sharedSizeBytes, localSizeBytes, constSizeBytes; };
inline Dimension threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

constexpr std::size_t ROOM = std::size_t(4) << 30, PAGE = 4096;
inline const bool strict = std::getenv("EMULATION_STRICT"), reverse = std::getenv("EMULATION_REVERSE");
inline char *memory = nullptr;
inline std::size_t used = 0;

class Open {  // While one exists, the memory of the GPU can be touched.
  public:
    Open() { allow(PROT_READ | PROT_WRITE); }
    ~Open() { allow(PROT_NONE); }

  private:
    static void allow(int what) {
        if (strict && used)
            mprotect(memory, (used + PAGE - 1) / PAGE * PAGE, what);
    }
};

inline bool on_gpu(const void *where) { return memory && where >= memory && where < memory + ROOM; }

class Launch {
  public:
    Launch(unsigned blocks, unsigned threads, std::size_t = 0) : blocks(blocks), threads(threads) {
        if (!blocks || !threads || threads > 1024) {
            std::fprintf(stderr, "ERROR: a launch of %u blocks of %u threads\n", blocks, threads);
            std::exit(1);
        }
    }

    template <class Kernel> auto of(Kernel kernel) const {
        return [kernel, blocks = blocks, threads = threads](auto... arguments) {
            Open open;
            gridDim.x = blocks;
            blockDim.x = threads;
            for (unsigned block = 0; block < blocks; block++)
                for (unsigned thread = 0; thread < threads; thread++) {
                    blockIdx.x = reverse ? blocks - 1 - block : block;
                    threadIdx.x = reverse ? threads - 1 - thread : thread;
                    kernel(arguments...);
                }
        };
    }

  private:
    unsigned blocks, threads;
};

template <class To, class From> To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(To));
    return to;
}

}  // namespace emulation

inline cudaError_t cudaMalloc(void **where, std::size_t size) {
    using namespace emulation;
    if (!memory) {
        memory = static_cast<char *>(
            mmap(nullptr, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (memory == MAP_FAILED)
            return cudaErrorMemoryAllocation;
    }
    if (used + size > ROOM)
        return cudaErrorMemoryAllocation;
    *where = memory + used;
    used += (size + 255) / 256 * 256 + 256;
    Open open;
    std::memset(*where, 0xff, size);
    return cudaSuccess;
}

// Memory of the host that the GPU can touch is the same place for both.
constexpr unsigned cudaHostAllocMapped = 2;
inline cudaError_t cudaHostAlloc(void **where, std::size_t size, unsigned) {
    *where = std::malloc(size);
    return *where ? cudaSuccess : cudaErrorMemoryAllocation;
}

inline cudaError_t cudaHostGetDevicePointer(void **there, void *here, unsigned) {
    *there = here;
    return cudaSuccess;
}

// Freed memory is not given out again, so that its use is seen.
inline cudaError_t cudaFree(void *) { return cudaSuccess; }

inline cudaError_t cudaMemcpy(void *to, const void *from, std::size_t size, cudaMemcpyKind kind) {
    using emulation::on_gpu;
    if (size && (on_gpu(to) != (kind != cudaMemcpyDeviceToHost) || on_gpu(from) != (kind != cudaMemcpyHostToDevice))) {
        std::fprintf(stderr, "ERROR: a copy of kind %d has its ends elsewhere\n", kind);
        std::exit(1);
    }
    emulation::Open open;
    std::memmove(to, from, size);
    return cudaSuccess;
}

inline cudaError_t cudaMemset(void *where, int value, std::size_t size) {
    emulation::Open open;
    std::memset(where, value, size);
    return cudaSuccess;
}

template <class T> cudaError_t cudaMemcpyToSymbol(T &symbol, const void *from, std::size_t size) {
    std::memcpy(&symbol, from, size);
    return cudaSuccess;
}

template <class Kernel>
cudaError_t cudaOccupancyMaxPotentialBlockSize(int *blocks, int *threads, Kernel, std::size_t, int) {
    *blocks = 1;
    *threads = 128;
    return cudaSuccess;
}

template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Kernel, int, std::size_t) {
    *blocks = 1;
    return cudaSuccess;
}

template <class Kernel> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, Kernel) {
    *attributes = {32, 1024, 0, 0, 0};
    return cudaSuccess;
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    *properties = {2, 1024, 2048, 32, 49152};
    return cudaSuccess;
}

inline cudaError_t cudaMemGetInfo(std::size_t *left, std::size_t *total) {
    *total = emulation::ROOM;
    *left = emulation::ROOM - emulation::used;
    return cudaSuccess;
}

inline cudaError_t cudaGetDeviceCount(int *count) {
    *count = 1;
    return cudaSuccess;
}

inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaDeviceSetLimit(cudaLimit, std::size_t) { return cudaSuccess; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError_t cudaStreamQuery(int) { return cudaSuccess; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char *cudaGetErrorString(cudaError_t) { return "an emulated error"; }

inline void __syncthreads() {}  // Its only use here separates what no two threads share.
inline void __threadfence() {}

template <class T> T atomicAdd(T *where, T value) {
    const T old = *where;
    *where += value;
    return old;
}

template <class T> T atomicCAS(T *where, T expected, T value) {
    const T old = *where;
    if (old == expected)
        *where = value;
    return old;
}

inline int __float_as_int(float value) { return emulation::same_bits<int>(value); }
inline float __int_as_float(int value) { return emulation::same_bits<float>(value); }
inline unsigned long long __double_as_longlong(double value) {
    return emulation::same_bits<unsigned long long>(value);
}
inline double __longlong_as_double(unsigned long long value) { return emulation::same_bits<double>(value); }

#endif
