# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of one finished run: reads results folders, never simulates.

`figures.make.all` draws every figure, `figures.report.write` sets them on one page. Each figure has its own module with
three functions of the same names: ``figure(results)`` builds the whole figure, ``caption(results)`` says in words what
was drawn and how, and ``alt(results)`` says the finding to a reader who cannot see it. The ``draw_*`` functions beside
them put one panel on given axes, for people who compose their own figures.
"""
