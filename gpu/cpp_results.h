// SPDX-License-Identifier: GPL-3.0-or-later
// All arrays of a run in one file, and their names and sizes in another: to make and remove two hundred files takes as
// long as a tenth of a second of the column. What the disk did not take is seen by whoever reads (gpu/run.py).
#pragma once
#include <cstddef>
#include <fstream>
#include <ios>
#include <string>

namespace pfc {

class Result {  // In place of the ofstream of an array.
    struct Files {
        std::ofstream arrays, sizes;
        explicit Files(const std::string& folder)
            : arrays(folder + "arrays", std::ios::binary), sizes(folder + "sizes.txt") {}
    };

    static Files& files(const std::string& folder) {
        static Files both(folder);
        return both;
    }

    Files& to;
    std::string name;
    std::size_t size = 0;

public:
    Result(const std::string& folder, const char* name) : to(files(folder)), name(name) {}
    Result(const Result&) = delete;
    ~Result() { to.sizes << name << ' ' << size << '\n'; }  // Not at close(), which an empty array does not get.
    bool is_open() const { return to.arrays.is_open() && to.sizes.is_open(); }
    void write(const char* data, std::size_t count) {
        to.arrays.write(data, static_cast<std::streamsize>(count));
        size += count;
    }
    void close() {}
};

}  // namespace pfc
