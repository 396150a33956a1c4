"""Runs of the fake kernel that need neither QEMU nor Debian's archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.process import Processes
from tests.run.image_guest import Bench, fake_surroundings


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Bench:
    return Bench(fake_surroundings(tmp_path, monkeypatch), processes, cache, tmp_path)
