// SPDX-License-Identifier: GPL-3.0-or-later
// The exponential, in line: a call of the compiler's vector library has every register saved around it, and costs half as
// much again with its special cases and last digits.
//
// exp(x) = 2^n exp(r), n the integer nearest to x/ln 2. The polynomial for exp(r), |r| <= ln 2 / 2, meets exp at the Chebyshev
// nodes (relative error below 1e-17 in double and 3e-9 in single precision); what is left is rounding, of ln 2 too, so that
// it grows with |x|. Arguments are held to where the result is a normal number. tests/runner/test_exp.py has the errors.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace pfc {

// Added to a number, 1.5 times a power of two so large that nothing is left behind the point. The compiler, told that sums
// may be reordered, would see that adding and taking away the same changes nothing; so what is taken away is one that
// somebody might have changed, and kept as an integer, which no store of a number can change within a loop.
inline uint64_t large_double = 0x4338000000000000u;
inline uint32_t large_float = 0x4b400000u;

template <typename T, typename Bits>
inline T read_as(Bits bits) {
    T value;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// value 2^n, n as in the last bits of the sum.
template <typename Bits, typename T>
inline T scaled(T value, T sum, int digits) {
    return read_as<T>(read_as<Bits>(value) + (read_as<Bits>(sum) << digits));
}

// Two sums side by side, of the odd and of the even powers, are ready in half of the time of one.
inline double exp(double x) {
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    const double sum = x * 1.4426950408889634 + 0x1.8p52, n = sum - read_as<double>(large_double);
    const double r = x - n * 0.6931471805599453, r2 = r * r;
    double odd = 2.5110037605963777712e-8, even = 2.7632639639041029749e-7;
    odd = odd * r2 + 2.7557240918578969823e-6;
    even = even * r2 + 2.4801485482328492419e-5;
    odd = odd * r2 + 1.9841269890047113707e-4;
    even = even * r2 + 1.3888888952314774652e-3;
    odd = odd * r2 + 8.3333333333196006109e-3;
    even = even * r2 + 4.1666666666488095495e-2;
    odd = odd * r2 + 1.6666666666666680806e-1;
    even = even * r2 + 5.0000000000000183855e-1;
    odd = odd * r2 + 1.0;
    even = even * r2 + 1.0;
    return scaled<uint64_t>(odd * r + even, sum, 52);
}

inline float exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float sum = x * 1.44269504f + 0x1.8p23f, n = sum - read_as<float>(large_float);
    const float r = x - n * 0.693147181f;
    float p = 1.3941108434e-3f;
    p = p * r + 8.37512639815e-3f;
    p = p * r + 4.16663528968e-2f;
    p = p * r + 1.66664155147e-1f;
    p = p * r + 0.500000004712f;
    p = p * r + 1.00000003772f;
    p = p * r + 1.0f;
    return scaled<uint32_t>(p, sum, 23);
}

}  // namespace pfc
