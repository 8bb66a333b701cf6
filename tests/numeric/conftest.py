# SPDX-License-Identifier: GPL-3.0-or-later
"""Brian2 calls pyparsing by names that pyparsing has since deprecated; that is no news in a test's report."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Leave the one warning out, which comes by the hundred."""
    config.addinivalue_line("filterwarnings", "ignore:'parseAll' argument is deprecated:DeprecationWarning")
