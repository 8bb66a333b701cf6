# SPDX-License-Identifier: GPL-3.0-or-later
"""A spiking prefrontal microcircuit under ketamine: biology and maths, with no device, no folder and no plot in it."""
