"""Which cases a plan asks for, and that it does not ask for what there is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.model import Arch
from harness.run.tasks import Task, unknown
from harness.suites.faults import FaultsSuite
from harness.suites.hazards import HazardsSuite
from harness.suites.suite import Suite

SUITES: tuple[Suite, ...] = (FaultsSuite(), HazardsSuite())
TASKS = [Task(suite, command) for suite in SUITES for command in suite.commands(Arch.ARM64, 2)]


@pytest.mark.parametrize(
    ("globs", "seeds", "also", "not_there"),
    [
        ((), (), (), []),
        (("faults.anon.1", "hazards.storm.*", "*", "f*.cow.?"), (), (), []),
        (("hazrads.*", "faults.anon.1"), (), (), ["hazrads.*"]),
        (("faults.anon.1", "faults.anon.3", "faults"), (), (), ["faults.anon.3", "faults"]),
        (("faults.anon.1@7", "faults.anon.1@8", "faults.*"), (7,), (), ["faults.anon.1@8"]),
        (("faults.anon.1@7",), (), (), ["faults.anon.1@7"]),
        (("kernel.boot", "series.apply", "checks.*"), (), (), []),
        (("vma.merge", "kselftest.gone"), (), ("vma",), ["kselftest.gone"]),
    ],
)
def test_a_glob_that_no_case_fits_is_told(
    globs: Sequence[str], seeds: Sequence[int], also: Sequence[str], not_there: list[str]
) -> None:
    assert unknown(globs, TASKS, also, seeds) == not_there
