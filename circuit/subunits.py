# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of NMDA receptor, by the GluN2 subunit that makes the difference; GluN1 is in all."""

CLASSES = ("GluN2A", "GluN2B", "GluN2C", "GluN2D")
#: Short tags used in variable names (digits in names upset code generators).
TAGS = tuple(name.removeprefix("GluN2") for name in CLASSES)
