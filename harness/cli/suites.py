"""`vmaharness suites list`: what can be run against a kernel."""

from __future__ import annotations

import click

from harness.cli import say


@click.group()
def suites() -> None:
    """Look at test suites."""


@suites.command("list")
def list_suites() -> None:
    """Name the suites and say what each does."""
    from harness.run.suites import DESCRIPTIONS  # noqa: PLC0415 - start-up time

    for name, text in DESCRIPTIONS.items():
        say.out(f"{name:10} {text}")
