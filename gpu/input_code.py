# SPDX-License-Identifier: GPL-3.0-or-later
"""What do we change in how the programs that Brian2 and brian2cuda write read their values? The same in both."""

from __future__ import annotations

import re

#: Where a run finds the arrays that its build holds: a link in its working directory.
BUILD = "build"

_READ = (
    r"f\.open\(filename, (ios::in \| ios::binary \| ios::ate)\);\s*size = f\.tellg\(\);\s*if \(size != data_size\) \{"
    r"\s*std::cerr[^\n]*\n\s*return;\s*\}\s*f\.seekg\(0, ios::beg\);"
)
_READ_PART = r"""const size_t at = filename.rfind('@');  // FILE@FIRST: what the file holds from its byte FIRST on.
    const std::streamoff first = std::stoll(filename.substr(at + 1));
    f.open(filename.substr(0, at), \1);
    size = f.tellg();
    if (size < first + static_cast<std::streamoff>(data_size)) {
        std::cerr << "Error reading '" << filename << "': the file ends at " << size << std::endl;
        return;
    }
    f.seekg(first, ios::beg);"""
_STATIC = r'\.open\("static_arrays/(\w+)", ios::in \| ios::binary\);'
_STATIC_OF_RUN_OR_BUILD = rf""".open(
        std::ifstream("static_arrays/\1").is_open() ? "static_arrays/\1" : "{BUILD}/static_arrays/\1",
        ios::in | ios::binary);"""


def read_with_few_files(text: str, name: str) -> str:
    """Values share a file, and of the arrays that a build holds a run needs no names of its own.

    As written, a run has a file or a link for each of some 130 arrays; to make and remove them takes as long as to draw
    the network.

    Parameters
    ----------
    text, name : str
        Of the file that holds all arrays.

    Raises
    ------
    RuntimeError
        If the text is not what Brian2 2.10 writes.
    """
    text, parts = re.subn(_READ, _READ_PART, text, flags=re.DOTALL)
    text, arrays = re.subn(_STATIC, _STATIC_OF_RUN_OR_BUILD, text)
    if parts != 1 or not arrays:
        raise RuntimeError(f"{name} does not read its values as it should; is this another Brian2?")
    return text
