// SPDX-License-Identifier: GPL-3.0-or-later
// Sums into few places, as of a column's cells. One after the other adds to one place, so threads agree on fewer.
#ifndef PFC_CUDA_SUMS_H
#define PFC_CUDA_SUMS_H

#include <cuda_runtime.h>

namespace pfc {

// Whether this thread is to add `value` to the place numbered `target`. Where all 32 threads of a warp have the same one,
// only their first is, and its value becomes the sum of theirs. `whole`: none of the warp has ended before.
template <class T> __device__ bool adds(int target, T &value, bool whole) {
#ifdef __CUDA_ARCH__
    const unsigned all = 0xffffffffu;
    if (whole && __all_sync(all, target == __shfl_sync(all, target, 0))) {
        for (int distance = 16; distance > 0; distance /= 2)
            value += __shfl_down_sync(all, value, distance);
        return threadIdx.x % 32 == 0;
    }
#endif
    return true;
}

}  // namespace pfc

#endif
