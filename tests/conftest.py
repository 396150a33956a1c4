"""What all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from harness.host.cache import Cache
from harness.host.process import Processes

Golden = Callable[[Path, str], str]

# How long an example takes depends on the machine, which others may be using: no deadline on any.
hypothesis.settings.register_profile("vmaharness", deadline=None)
hypothesis.settings.load_profile("vmaharness")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what came out as what is expected")


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the garbage collector need not go through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """The text of a golden file; `--update-golden` makes it what came out (read the diff)."""

    def expected(path: Path, actual: str) -> str:
        if request.config.getoption("--update-golden"):
            path.write_text(actual, encoding="utf-8")
        return path.read_text(encoding="utf-8")

    return expected


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """A cache of all tests, in whichever of pytest's processes: for what takes long to make and is only read."""
    place = tmp_path_factory.getbasetemp()
    with Cache((place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "shared-cache") as opened:
        yield opened


@pytest.fixture(scope="session")
def nursery() -> Iterator[Any]:
    """What forks the keepers of programs; to start one takes 25 ms, and most tests start programs."""
    with Processes() as started:
        yield started._nursed()


@pytest.fixture
def processes(nursery: Any) -> Iterator[Processes]:
    """Programs that end with the test."""
    with Processes() as started:
        started._nursery = nursery
        yield started
        if started._nursery is nursery:  # else it was killed, and this is the test's own
            started._nursery = None


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """A cache of its own."""
    with Cache(tmp_path / "cache") as opened:
        yield opened
