// SPDX-License-Identifier: GPL-3.0-or-later
// What the revised step of the cells calls (gpu/cpp_code.py).
#pragma once
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <vector>

// Before a loop: no turn of it reads what another writes.
#ifdef __clang__
#define PFC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define PFC_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace pfc {

template <typename T>
std::vector<T> reciprocals(const T* values, std::size_t count) {
    std::vector<T> found(count);
    for (std::size_t i = 0; i < count; i++) found[i] = 1 / values[i];
    return found;
}

// Where to cut a range of cells so that each of these arrays is constant in every piece; from 0 to count.
template <typename T>
std::vector<int> stretches(std::initializer_list<const T*> arrays, int count) {
    std::vector<int> cuts(1, 0);
    for (int i = 1; i < count; i++)
        for (const T* array : arrays)
            if (array[i] != array[i - 1]) {
                cuts.push_back(i);
                break;
            }
    if (count) cuts.push_back(count);
    return cuts;
}

// Whether the sources from first to last follow each other and the targets are all the same.
inline bool neighbours(const int* sources, const int* targets, int first, int last) {
    int wrong = 0;
    for (int i = first; i < last; i++) wrong |= (sources[i] - i) ^ (sources[first] - first) | targets[i] ^ targets[first];
    return !wrong;
}

// The largest single-precision number that is not above a time.
inline float below(double time) {
    const float nearest = static_cast<float>(time);
    return nearest > time ? std::nextafter(nearest, -1.0f) : nearest;
}

}  // namespace pfc
