"""A series of which each patch is judged, on a real kernel: what is built and booted, and who is blamed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import DOCS, PATCHES, Run

pytestmark = pytest.mark.kernel


def taken_back(patch: str) -> str:
    """The same patch the other way round."""
    text = re.sub(r"(?m)^Subject: .*$", "Subject: [PATCH] mm: take it back", patch)
    text = re.sub(r"(?m)^ (\S+ \| .*|\d+ files? changed.*)\n", "", text)
    text = re.sub(r"(?m)^index (\w+)\.\.(\w+)", r"index \2..\1", text)
    text = re.sub(r"(?m)^@@ -(\S+) \+(\S+) @@", r"@@ -\2 +\1 @@", text)
    head, diff = text[: text.index("\n@@ ")], text[text.index("\n@@ ") :]
    return head + re.sub(r"(?m)^[-+]", lambda sign: "+" if sign[0] == "-" else "-", diff)


def test_who_broke_it_and_who_mended_it(run: Run, tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    broken = (PATCHES / "returns-a-dirty-page.patch").read_text()
    for number, patch in enumerate((DOCS, broken, taken_back(broken)), 1):
        (series / f"{number:04}-patch.patch").write_text(patch)
    asked = ("--series", str(series), "--arch", "x86_64", "--suite", "faults", "--case", "faults.anon.1")
    ended = run("--per-patch", *asked, "--retries", "0", "--check", "side-effects")
    results = ended.results
    stages = [{case["name"]: case["outcome"] for case in patch["stages"]["cases"]} for patch in results["per_patch"]]
    test = "x86_64.lockdep.faults"
    assert ended.exit_code == 1, ended.words
    assert [one[test] for one in stages] == ["pass", "fail", "pass"]
    assert [one["x86_64.lockdep.build"] for one in stages] == ["pass"] * 3
    (blame,) = results["blames"]
    assert (blame["number"], blame["where"], blame["fixed_by"]) == (2, f"{test}.anon.1", 3)
    assert "Broken by patch 2/3" in ended.words
