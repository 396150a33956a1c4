"""The flags that say what to look for, and how sure to be; shared by `bisect` and `git-bisect-run`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from harness.errors import UserError
from harness.model import Tries

Command = TypeVar("Command", bound=Callable[..., Any])

_RATE = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")
_MOST_RUNS = 10_000


def sought_options(command: Command) -> Command:
    """What to look for beside the plan's --case, and how often."""
    options = (
        click.option(
            "--finding", default="", metavar="FINGERPRINT|GLOB",
            help="What the kernel says: a fingerprint of the results or its first 8 digits, or a glob on TYPE: TITLE.",
        ),
        click.option("--build", is_flag=True, help="That the kernel does not compile. No guest is booted."),
        click.option(
            "--exec", "command", default="", metavar="CMD",
            help="That a command of a shell fails in a checkout of the commit, in the sandbox: 0 is good, 125 cannot "
            "tell, anything else up to 125 is bad.",
        ),
        click.option(
            "--rate", default="", metavar="K/N",
            help="How often it fails, such as 1/3, where that is known; else it is measured first.",
        ),
        click.option(
            "--runs", type=click.IntRange(1, _MOST_RUNS), default=None, metavar="N",
            help="Runs without the failure after which a commit is good, instead of as many as the rate needs.",
        ),
        click.option(
            "--confidence", type=click.FloatRange(50, 99.999), default=95.0, show_default=True, metavar="PERCENT",
            help="How sure it must be that a commit that is called good has not got a flaky failure.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def parse_rate(text: str) -> Tries | None:
    """K/N as failures of runs; None for nothing.  Raises UserError."""
    if not text:
        return None
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise UserError(f"--rate {text}: not a rate", fix="give failures and runs, such as 1/3")
    return Tries(int(found[1]), int(found[2]))
