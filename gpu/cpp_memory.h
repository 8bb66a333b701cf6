// SPDX-License-Identifier: GPL-3.0-or-later
// Where arrays lie. They start with a cache line, as vector loads like it, and each at another distance from a page:
// a loop over fifty arrays that all start with a page would find them in one set of the cache.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

void* operator new(std::size_t size) {
    constexpr std::size_t line = 64, page = 4096;
    static std::size_t number = 0;
    const std::size_t shift = size < page ? 0 : (number += 5 * line) % page;
    void* const base = std::malloc(size + shift + 2 * line);
    if (!base) throw std::bad_alloc();
    const std::uintptr_t start = (reinterpret_cast<std::uintptr_t>(base) + 2 * line - 1) / line * line + shift;
    reinterpret_cast<void**>(start)[-1] = base;
    return reinterpret_cast<void*>(start);
}

void operator delete(void* start) noexcept {
    if (start) std::free(static_cast<void**>(start)[-1]);
}

void* operator new[](std::size_t size) { return operator new(size); }
void operator delete[](void* start) noexcept { operator delete(start); }
void operator delete(void* start, std::size_t) noexcept { operator delete(start); }
void operator delete[](void* start, std::size_t) noexcept { operator delete(start); }
