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

// value 2^n; added to a power of two this large, n stands in the last bits.
template <typename Bits, typename T>
inline T scaled(T value, T n, T large, int digits) {
    const T sum = n + large;
    Bits bits, power;
    std::memcpy(&bits, &value, sizeof bits);
    std::memcpy(&power, &sum, sizeof power);
    bits += power << digits;
    std::memcpy(&value, &bits, sizeof bits);
    return value;
}

inline double exp(double x) {
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    const double n = std::rint(x * 1.4426950408889634), r = x - n * 0.6931471805599453;
    double p = 2.5110037605963777712e-8;
    p = p * r + 2.7632639639041029749e-7;
    p = p * r + 2.7557240918578969823e-6;
    p = p * r + 2.4801485482328492419e-5;
    p = p * r + 1.9841269890047113707e-4;
    p = p * r + 1.3888888952314774652e-3;
    p = p * r + 8.3333333333196006109e-3;
    p = p * r + 4.1666666666488095495e-2;
    p = p * r + 1.6666666666666680806e-1;
    p = p * r + 5.0000000000000183855e-1;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return scaled<uint64_t>(p, n, 0x1.8p52, 52);
}

inline float exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float n = std::rint(x * 1.44269504f), r = x - n * 0.693147181f;
    float p = 1.3941108434e-3f;
    p = p * r + 8.37512639815e-3f;
    p = p * r + 4.16663528968e-2f;
    p = p * r + 1.66664155147e-1f;
    p = p * r + 0.500000004712f;
    p = p * r + 1.00000003772f;
    p = p * r + 1.0f;
    return scaled<uint32_t>(p, n, 0x1.8p23f, 23);
}

}  // namespace pfc
