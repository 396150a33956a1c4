"""`vmaharness doctor`: what a run needs, what is there, and how to get the rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import say
from harness.cli.options import json_option
from harness.errors import ExitCode, UserError
from harness.host.cache import default_root
from harness.host.process import Processes
from harness.model import Accel, Arch

if TYPE_CHECKING:
    from harness.host.checks import Check


@click.command()
@click.option(
    "--arch", multiple=True, type=click.Choice([arch.value for arch in Arch]), help="Only for this architecture."
)
@click.option(
    "--accel", type=click.Choice(["auto", "tcg", "kvm"]), default="auto", envvar="VMAHARNESS_ACCEL",
    help="What guests shall be run by; with tcg KVM is not looked at in any way.",
)  # fmt: skip
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), default=Path(), help="Where results would go.")
@json_option
@click.pass_context
def doctor(context: click.Context, /, arch: tuple[str, ...], accel: str, out: Path, as_json: bool) -> None:
    """Say what a run needs and what is missing.

    Lists every program, library, right and resource with what was found, and how to get what is missing. Exit code 3 if
    a run could not work.
    """
    from harness.host.checks import check_host  # noqa: PLC0415 - start-up time

    arches = tuple(Arch(name) for name in arch) or tuple(Arch)
    with Processes() as processes:
        checks = (
            *check_host(processes, default_root(), arches, out.absolute()),
            check_sandbox(processes),
            *(check_accel(accel, item) for item in arches),
        )
    say.out(_as_json(checks) if as_json else _as_table(checks), newline=as_json)
    context.exit(ExitCode.INFRA_ERROR if any(check.stops_run for check in checks) else ExitCode.PASS)


def check_sandbox(processes: Processes) -> Check:
    """Whether bubblewrap confines programs here."""
    from harness.host.checks import Check  # noqa: PLC0415 - start-up time
    from harness.host.needs import is_debian, needs  # noqa: PLC0415
    from harness.host.sandbox import probe  # noqa: PLC0415

    (bubblewrap,) = (need for need in needs() if need.package == "bubblewrap")
    found = probe(processes, wanted=True)
    works = found.mode == "bubblewrap"
    return Check(
        name="sandbox", group="right", ok=works, required=False,
        found="bubblewrap works" if works else found.note or found.mode,
        why="make and compilers run what a patch says",
        fix=f"{bubblewrap.fix(debian=is_debian())}, and allow user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, "
        "kernel.apparmor_restrict_unprivileged_userns=0)",
    )  # fmt: skip


def check_accel(wanted: str, arch: Arch) -> Check:
    """What guests of an architecture would be run by.  Never opens /dev/kvm."""
    from harness.guest.accel import choose_accel  # noqa: PLC0415 - start-up time
    from harness.host.checks import Check  # noqa: PLC0415

    why = "KVM is several times faster than TCG"
    try:
        accel, reason = choose_accel(wanted, arch)
    except UserError as error:
        return Check(f"KVM for {arch}", "right", False, True, error.what, why, error.fix)
    used = "will be used" if accel is Accel.KVM else "will not be used, TCG will"
    return Check(f"KVM for {arch}", "right", True, False, f"{used}: {reason}", why)


def _as_json(checks: Sequence[Check]) -> str:
    able = not any(check.stops_run for check in checks)
    found = [{**asdict(check), "state": check.state} for check in checks]
    return json.dumps({"able": able, "checks": found}, indent=1)


def _as_table(checks: Sequence[Check]) -> str:
    """One line a check; what to do about those that are not ok stands below."""
    from harness.host.needs import APT  # noqa: PLC0415 - start-up time

    colour = say.wants_colour(sys.stdout)
    names = max(len(check.name) for check in checks)
    lines = [f"{_state(check, colour)}  {check.name:<{names}}  {check.found}" for check in checks]
    for title, state in (
        ("A run cannot work without:", "missing"),
        ("A run works, but not as well, without:", "lacking"),
        ("Only what a plan asks for needs:", "optional"),
    ):
        if wrong := [check for check in checks if check.state == state]:
            lines += ["", title]
        for check in wrong:
            lines += [f"  {check.name}: {check.why}", f"      fix: {check.fix}"]
    if missing := _packages(checks):
        lines += ["", f"All packages at once: {APT}{' '.join(missing)}"]
    if all(check.state in ("ok", "optional") for check in checks):
        lines += ["", "All is there."]
    return "\n".join(lines) + "\n"


def _state(check: Check, colour: bool) -> str:
    words = {"ok": ("ok      ", "32"), "missing": ("MISSING ", "1;31"), "lacking": ("lacking ", "33")}
    word, code = words.get(check.state, ("optional", "2"))
    return f"\x1b[{code}m{word}\x1b[0m" if colour else word


def _packages(checks: Sequence[Check]) -> list[str]:
    """Debian's packages of what a run needs; none elsewhere."""
    from harness.host.needs import APT  # noqa: PLC0415 - start-up time

    wrong = [
        check for check in checks if check.state in ("missing", "lacking") and check.group in ("program", "library")
    ]
    return list(dict.fromkeys(check.fix.removeprefix(APT) for check in wrong if check.fix.startswith(APT)))
