// SPDX-License-Identifier: GPL-3.0-or-later
// Delivery of spikes, cell by cell: what is queued are the cells that spiked, not each of their synapses, and the
// synapses of a cell are one stretch of memory if they are given sorted by their source.
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "brianlib/spikequeue.h"

class SynapticPathway {
    int start, stop;               // The cells whose spikes arrive here.
    std::vector<int> order;        // Synapses by source; empty if they are in that order anyway.
    std::vector<int> ends;         // Of cell c, the synapses ends[c - start] to ends[c - start + 1].
    std::vector<std::vector<int>> arrivals;
    std::size_t now = 0, delay = 0;

public:
    std::vector<int>& sources;
    std::vector<CSpikeQueue*> queue;  // Empty; Brian2's program writes it with the results.

    SynapticPathway(std::vector<int>& sources, int start, int stop)
        : start(start), stop(stop), arrivals(1), sources(sources), queue(1, new CSpikeQueue(start, stop)) {}
    SynapticPathway(const SynapticPathway&) = delete;
    ~SynapticPathway() { delete queue[0]; }

    template <typename scalar>
    void prepare(int, int, scalar* delays, int num_delays, int* source, int num_synapses, double dt) {
        if (num_delays > 1) {
            std::cerr << "Error: synapses of one object need one delay" << std::endl;
            std::exit(1);
        }
        delay = num_delays ? static_cast<std::size_t>(delays[0] / dt + 0.5) : 0;
        arrivals.resize(delay + 1);
        ends.assign(stop - start + 1, 0);
        for (int k = 0; k < num_synapses; k++) ends[source[k] - start + 1]++;
        for (int c = 0; c < stop - start; c++) ends[c + 1] += ends[c];
        if (std::is_sorted(source, source + num_synapses)) return;
        order.resize(num_synapses);
        std::vector<int> next(ends.begin(), ends.end() - 1);
        for (int k = 0; k < num_synapses; k++) order[next[source[k] - start]++] = k;
    }

    void push(const int* spikes, int count) {
        const int* const first = std::lower_bound(spikes, spikes + count, start);
        const int* const last = std::lower_bound(first, spikes + count, stop);
        std::vector<int>& later = arrivals[(now + delay) % arrivals.size()];
        later.insert(later.end(), first, last);
    }

    void advance() {
        arrivals[now].clear();
        now = (now + 1) % arrivals.size();
    }

    const std::vector<int>& arriving() const { return arrivals[now]; }
    int begin(int cell) const { return ends[cell - start]; }
    int end(int cell) const { return ends[cell - start + 1]; }
    const int* in_order() const { return order.empty() ? nullptr : order.data(); }

    // Brings near what the synapses hold of which the spikes come in the next step: a short stretch of each array, over
    // before the processor has noticed that it is one.
    template <typename... T>
    void fetch_next(const T* const... values) const {
        if (!order.empty()) return;
        for (const int cell : arrivals[(now + 1) % arrivals.size()])
            (fetch(values + begin(cell), values + end(cell)), ...);
    }

private:
    static void fetch(const void* first, const void* last) {
        for (const char* line = static_cast<const char*>(first); line < last; line += 64) __builtin_prefetch(line, 0, 2);
    }
};

#endif
