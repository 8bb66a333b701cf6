// SPDX-License-Identifier: GPL-3.0-or-later
// Random numbers by the array: what a loop over cells draws is ready before it starts, so that it can be vectorised.
//
// xoshiro128++ (Blackman and Vigna 2021), 16 generators side by side, seeded through splitmix64; normal numbers by Box and
// Muller, of single precision whatever that of the cells, which so get the same noise in both. The 16 are part of the
// sequence and not of the processor: the same seed gives the same numbers everywhere, but for the last digit of log, sin
// and cos.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pfc {

class Noise {
    static constexpr int lanes = 16;
    uint32_t state[4][lanes];
    std::vector<float> uniforms, normals;

    static uint32_t rotated(uint32_t x, int k) { return (x << k) | (x >> (32 - k)); }

    void draw(int32_t* out) {
        for (int i = 0; i < lanes; i++) {
            out[i] = static_cast<int32_t>(rotated(state[0][i] + state[3][i], 7) + state[0][i]);
            const uint32_t shifted = state[1][i] << 9;
            state[2][i] ^= state[0][i];
            state[3][i] ^= state[1][i];
            state[1][i] ^= state[2][i];
            state[0][i] ^= state[3][i];
            state[2][i] ^= shifted;
            state[3][i] = rotated(state[3][i], 11);
        }
    }

    // From 2^-32 to 1, with all the digits that a small one can have.
    static float fraction(int32_t bits) {
        return static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(bits) >> 1)) * 0x1p-31f + 0x1p-32f;
    }

    static float* room(std::vector<float>& buffer, std::size_t count) {
        if (buffer.size() < count + 2 * lanes) buffer.resize(count + 2 * lanes);
        return buffer.data();
    }

public:
    void seed(uint64_t value) {
        for (int i = 0; i < lanes; i++)
            for (int word = 0; word < 4; word += 2) {
                value += 0x9e3779b97f4a7c15u;
                uint64_t mixed = value;
                mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
                mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
                mixed ^= mixed >> 31;
                state[word][i] = static_cast<uint32_t>(mixed);
                state[word + 1][i] = static_cast<uint32_t>(mixed >> 32);
            }
    }

    // Uniform from above 0 to below 1; valid until the next call of this.
    const float* uniform(std::size_t count) {
        float* const values = room(uniforms, count);
        for (std::size_t start = 0; start < count; start += lanes) {
            int32_t bits[lanes];
            draw(bits);
            for (int i = 0; i < lanes; i++) {
                const float u = fraction(bits[i]);
                values[start + i] = u < 1.0f - 0x1p-24f ? u : 1.0f - 0x1p-24f;
            }
        }
        return values;
    }

    // Mean 0, variance 1; valid until the next call of this. The largest possible is 6.7, which 1e11 draws reach once or twice.
    const float* normal(std::size_t count) {
        float* const values = room(normals, count);
        for (std::size_t start = 0; start < count; start += 2 * lanes) {
            int32_t first[lanes], second[lanes];
            draw(first);
            draw(second);
            for (int i = 0; i < lanes; i++) {
                const float radius = std::sqrt(-2.0f * std::log(fraction(first[i])));
                const float angle = 3.14159265f * 0x1p-31f * static_cast<float>(second[i]);
                values[start + i] = radius * std::cos(angle);
                values[start + lanes + i] = radius * std::cos(angle - 1.57079633f);
            }
        }
        return values;
    }
};

inline Noise noise;

}  // namespace pfc
