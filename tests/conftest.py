"""What all tests share."""

from __future__ import annotations

import hypothesis
import pytest

# How long an example takes depends on the machine, which others may be using: no deadline on any.
hypothesis.settings.register_profile("vmaharness", deadline=None)
hypothesis.settings.load_profile("vmaharness")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what came out as what is expected")
