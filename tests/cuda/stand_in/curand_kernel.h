// SPDX-License-Identifier: GPL-3.0-or-later
// The type that a program of brian2cuda names of cuRAND's device side.
#pragma once

struct curandStateXORWOW { unsigned long long seed; };
typedef struct curandStateXORWOW curandState;
inline void curand_init(unsigned long long seed, unsigned long long, unsigned long long, curandState *state) { state->seed = seed; }
