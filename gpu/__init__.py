# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner, for every device: toolchains, builds, runs, results. The only place that knows a device by name.

Read in this order: ``devices`` (what can run here), ``build`` (compile once, find again), ``run`` (arrays in, arrays
out), ``results`` (the folder a run leaves). What only CUDA needs is in ``cuda_*``: ``cuda_toolkit`` first, then
``cuda_code``. What is changed in the programs that Brian2 writes is in ``cpp_code``, in ``cuda_code``, and in
``input_code`` for both.
"""
