// SPDX-License-Identifier: GPL-3.0-or-later
// How many cells spiked in the last steps, told by the GPU itself: it writes into memory of the host, which does not wait
// for a step that is some steps back.
#ifndef PFC_CUDA_COUNTS_H
#define PFC_CUDA_COUNTS_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

namespace pfc {

class SpikeCounts {
  public:
    // A step begins: its spikes are those of `entry` of so many entries, and the GPU counts them in `counted`.
    void begin(std::size_t entry, std::size_t entries, const int32_t *counted) {
        if (!on_host) {
            require(cudaHostAlloc((void **)&on_host, entries * sizeof(int32_t), cudaHostAllocMapped));
            require(cudaHostGetDevicePointer((void **)&on_gpu, (void *)on_host, 0));
        }
        on_host[entry] = UNKNOWN;
        now = entry;
        count_now = counted;
    }

    // Where the GPU shall write the count of this step.
    int32_t *told() const { return on_gpu + now; }

    int32_t operator[](std::size_t entry) const {
        if (entry == now) {  // It may not have been told to write yet.
            int32_t count;
            require(cudaMemcpy(&count, count_now, sizeof(count), cudaMemcpyDeviceToHost));
            return count;
        }
        for (unsigned looks = 1; on_host[entry] == UNKNOWN; looks++)
            if (looks % 4096 == 0)  // A GPU that has failed, or has nothing left to do, will not write any more.
                require_running(entry);
        return on_host[entry];
    }

  private:
    static constexpr int32_t UNKNOWN = -1;
    volatile int32_t *on_host = nullptr;
    int32_t *on_gpu = nullptr;
    const int32_t *count_now = nullptr;
    std::size_t now = 0;

    static void require(cudaError_t status) {
        if (status == cudaSuccess)
            return;
        std::fprintf(stderr, "ERROR: counting spikes on the GPU failed: %s\n", cudaGetErrorString(status));
        std::exit(1);
    }

    void require_running(std::size_t entry) const {
        const cudaError_t status = cudaStreamQuery(0);
        if (status == cudaErrorNotReady)
            return;
        require(status);
        if (on_host[entry] == UNKNOWN) {
            std::fprintf(stderr, "ERROR: the GPU did not tell how many cells spiked\n");
            std::exit(1);
        }
    }
};

}  // namespace pfc

#endif
