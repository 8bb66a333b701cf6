// SPDX-License-Identifier: GPL-3.0-or-later
// What a program of brian2cuda uses of cuRAND's host side, from the C++ library: other numbers of the same distribution.
#ifndef CURAND_H_
#define CURAND_H_

#include <cstddef>
#include <cstdint>
#include <random>

#include "cuda_runtime.h"

enum curandStatus_t {
    CURAND_STATUS_SUCCESS, CURAND_STATUS_VERSION_MISMATCH, CURAND_STATUS_NOT_INITIALIZED,
    CURAND_STATUS_ALLOCATION_FAILED, CURAND_STATUS_TYPE_ERROR, CURAND_STATUS_OUT_OF_RANGE,
    CURAND_STATUS_LENGTH_NOT_MULTIPLE, CURAND_STATUS_DOUBLE_PRECISION_REQUIRED, CURAND_STATUS_LAUNCH_FAILURE,
    CURAND_STATUS_PREEXISTING_FAILURE, CURAND_STATUS_INITIALIZATION_FAILED, CURAND_STATUS_ARCH_MISMATCH,
    CURAND_STATUS_INTERNAL_ERROR
};
enum curandRngType { CURAND_RNG_PSEUDO_DEFAULT };
typedef std::mt19937_64 *curandGenerator_t;

namespace emulation {
template <class Distribution, class T> curandStatus_t fill(std::mt19937_64 &generator, T *to, std::size_t count, Distribution draw) {
    Open open;
    for (std::size_t i = 0; i < count; i++)
        to[i] = draw(generator);
    return CURAND_STATUS_SUCCESS;
}

// On a GPU, normal numbers are made and written in pairs.
template <class T> curandStatus_t fill_in_pairs(std::mt19937_64 &generator, T *to, std::size_t count, T mean, T sd) {
    if (count % 2)
        return CURAND_STATUS_LENGTH_NOT_MULTIPLE;
    if (reinterpret_cast<std::uintptr_t>(to) % (2 * sizeof(T)))
        return CURAND_STATUS_LAUNCH_FAILURE;
    return fill(generator, to, count, std::normal_distribution<T>(mean, sd));
}
}  // namespace emulation

inline curandStatus_t curandCreateGenerator(curandGenerator_t *generator, curandRngType) {
    *generator = new std::mt19937_64;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandDestroyGenerator(curandGenerator_t generator) {
    delete generator;
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long seed) {
    generator->seed(seed);
    return CURAND_STATUS_SUCCESS;
}
inline curandStatus_t curandSetGeneratorOffset(curandGenerator_t, unsigned long long) { return CURAND_STATUS_SUCCESS; }
inline curandStatus_t curandGenerateUniform(curandGenerator_t generator, float *to, std::size_t count) {
    return emulation::fill(*generator, to, count, std::uniform_real_distribution<float>());
}
inline curandStatus_t curandGenerateUniformDouble(curandGenerator_t generator, double *to, std::size_t count) {
    return emulation::fill(*generator, to, count, std::uniform_real_distribution<double>());
}
inline curandStatus_t curandGenerateNormal(curandGenerator_t generator, float *to, std::size_t count, float mean, float sd) {
    return emulation::fill_in_pairs(*generator, to, count, mean, sd);
}
inline curandStatus_t curandGenerateNormalDouble(curandGenerator_t generator, double *to, std::size_t count, double mean, double sd) {
    return emulation::fill_in_pairs(*generator, to, count, mean, sd);
}
inline curandStatus_t curandGeneratePoisson(curandGenerator_t generator, unsigned *to, std::size_t count, double mean) {
    return emulation::fill(*generator, to, count, std::poisson_distribution<unsigned>(mean));
}

#endif
