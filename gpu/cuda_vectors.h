// SPDX-License-Identifier: GPL-3.0-or-later
// Vectors in host and device memory for the programs that brian2cuda writes, in place of Thrust's: those headers take
// seconds in each of some thirty files, and their resize() runs a kernel and waits for it. Only what such a program
// uses, with Thrust's names and meaning: new elements are zero, growing keeps the old ones.
#ifndef PFC_CUDA_VECTORS_H
#define PFC_CUDA_VECTORS_H

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include <cuda_runtime.h>

namespace pfc {

inline void require(cudaError_t status, const char *what, std::size_t bytes) {
    if (status == cudaSuccess)
        return;
    std::fprintf(stderr, "ERROR: %s %zu bytes on the GPU failed: %s\n", what, bytes, cudaGetErrorString(status));
    std::exit(1);
}

template <class T> T *raw_pointer_cast(T *pointer) { return pointer; }

template <class T> class device_vector;

template <class T> class host_vector : public std::vector<T> {
  public:
    using std::vector<T>::vector;

    host_vector &operator=(const device_vector<T> &other) {
        this->resize(other.size());
        const std::size_t bytes = other.size() * sizeof(T);
        require(cudaMemcpy(this->data(), other.data(), bytes, cudaMemcpyDeviceToHost), "reading", bytes);
        return *this;
    }
};

template <class T> class device_vector {
  public:
    // What v[i] is: it lies on the device, so it can be assigned to and its address taken, but not be referred to.
    class Element {
      public:
        explicit Element(T *where) : where(where) {}
        T *operator&() const { return where; }
        Element &operator=(const T &value) {
            require(cudaMemcpy(where, &value, sizeof(T), cudaMemcpyHostToDevice), "writing", sizeof(T));
            return *this;
        }

      private:
        T *where;
    };

    device_vector() = default;
    device_vector(const device_vector &) = delete;
    device_vector &operator=(const device_vector &) = delete;
    ~device_vector() {
        if (elements)
            cudaFree(elements);
    }

    device_vector &operator=(const host_vector<T> &other) {
        resize(other.size());
        const std::size_t bytes = count * sizeof(T);
        require(cudaMemcpy(elements, other.data(), bytes, cudaMemcpyHostToDevice), "writing", bytes);
        return *this;
    }

    std::size_t size() const { return count; }
    const T *data() const { return elements; }
    Element operator[](std::size_t i) { return Element(elements + i); }

    void resize(std::size_t size) {
        if (size > room)
            grow(size);
        else if (size < count)  // What lies beyond the end is always zero.
            require(cudaMemset(elements + size, 0, (count - size) * sizeof(T)), "clearing", (count - size) * sizeof(T));
        count = size;
    }

    void push_back(const T &value) {
        resize(count + 1);
        (*this)[count - 1] = value;
    }

    void clear() { device_vector().swap(*this); }
    void shrink_to_fit() {}

    void swap(device_vector &other) {
        std::swap(elements, other.elements);
        std::swap(count, other.count);
        std::swap(room, other.room);
    }

  private:
    T *elements = nullptr;
    std::size_t count = 0, room = 0;

    // Twice the old room where that is to be had, so that appending a little many times does not copy as many times.
    void grow(std::size_t size) {
        std::size_t wanted = std::max(size, 2 * room);
        T *grown = nullptr;
        if (wanted > size && cudaMalloc((void **)&grown, wanted * sizeof(T)) != cudaSuccess) {
            cudaGetLastError();  // Forget the failure.
            grown = nullptr;
            wanted = size;
        }
        if (!grown)
            require(cudaMalloc((void **)&grown, wanted * sizeof(T)), "allocating", wanted * sizeof(T));
        const std::size_t kept = count * sizeof(T);
        require(cudaMemset(grown, 0, wanted * sizeof(T)), "clearing", wanted * sizeof(T));
        if (kept)
            require(cudaMemcpy(grown, elements, kept, cudaMemcpyDeviceToDevice), "copying", kept);
        cudaFree(elements);
        elements = grown;
        room = wanted;
    }
};

}  // namespace pfc

#endif
