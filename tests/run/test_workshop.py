"""What making the suites' programs says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.model import Arch
from harness.run.suites import Workshop


@pytest.mark.parametrize("name", ["faults", "hazards", "bench", "sizes"])
def test_a_program_that_is_there_is_not_said_to_be_compiled(
    name: str, processes: Processes, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setattr("harness.run.suites.build_program", lambda *_, **__: tmp_path / name)
    said: list[str] = []
    shop = Workshop(processes, cache, Sandbox("off"), DebianArchive(processes, cache, said.append), 1)
    prepared = getattr(shop, name)(Arch.X86_64, said.append)
    assert (prepared.name, said) == (name, [])
