"""The programs of ours that run in guests, compiled for this host to be run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.arch import host_arch
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Arch
from harness.suites.programs import build_program


def native() -> Arch:
    """The architecture of this host."""
    arch = host_arch()
    assert arch is not None
    return arch


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest, shared_cache: Cache) -> Path:
    """The program that a test module names as its PROGRAM."""
    with Processes() as processes:
        return build_program(request.module.PROGRAM, native(), processes=processes, cache=shared_cache)
