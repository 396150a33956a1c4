"""The driver of patches/provoke and what ci/provoke does with it name the same forms; its plan builds what it boots."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

from harness.data import patches_dir
from harness.plan.load import load_plan

PROJECT = Path(__file__).parents[1]
TAKES: dict[str, Any] = runpy.run_path(str(PROJECT / "ci" / "takes.py"))
DRIVER = next((patches_dir() / "provoke").glob("*.patch")).read_text(encoding="utf-8")


def test_every_form_of_the_driver_is_taken_and_no_other() -> None:
    scripts = " ".join(form.script for take in TAKES["TAKES"] for form in take.forms)
    taken = set(re.findall(r"echo (\S+) >/sys/kernel/debug/provoke", scripts))

    assert taken == set(re.findall(r'^\+\t\{ "([\w-]+)", provoke_\w+ \},$', DRIVER, re.MULTILINE))


def test_a_log_has_one_form_of_one_kernel() -> None:
    names = [
        (TAKES["PREFIXES"][take.profile] + form.name, arch)
        for take in TAKES["TAKES"]
        for form in take.forms
        for arch in take.arches
    ]

    assert len(names) == len(set(names))


def test_the_plan_builds_what_is_booted() -> None:
    plan = load_plan(PROJECT / "configs" / "provoke.yaml", cwd=PROJECT)

    assert {profile.name for profile in plan.profiles} == {take.profile for take in TAKES["TAKES"]}
