# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors whose text is the sentence a user reads.

Whoever raises one of these says what was asked, what was found and what to do. The command line prints the text as it
stands and ends with status 2; any other exception is a bug of ours and keeps its traceback.
"""


class UserError(Exception):
    """Something the user can put right; ``str(error)`` is all that is shown."""


class ConfigError(UserError):
    """A config file or an override cannot be used; the text lists every problem with its place."""


class BuildError(UserError):
    """A network cannot be compiled here: no compiler, no room, or a compiler that refuses."""


class RunError(UserError):
    """A simulation did not end with usable numbers."""


class ResultsError(UserError):
    """A results folder cannot be written or read."""


class StorageError(RunError, ResultsError):
    """A disk is full or refuses; what was asked may be quite right."""


class KilledError(RunError):
    """A simulation was ended by a signal from outside: for want of memory, or by somebody."""
