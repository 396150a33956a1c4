"""The tree of click commands -> a manual page in roff (man(7)).

Made from names, arguments, options and help texts alone, not from click's formatting, which changes between releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from harness.errors import ExitCode

_EXIT_TEXTS = {
    ExitCode.PASS: "Everything that was asked for was done, and passed.",
    ExitCode.KERNEL_FAILED: "The kernel failed: it did not build or boot, a case failed, or its console has a report.",
    ExitCode.USER_ERROR: "What was asked for cannot be done: a bad plan, a series that does not apply, no such tree.",
    ExitCode.INFRA_ERROR: "This machine cannot do it: a program is missing, the disk is full, QEMU would not start.",
    ExitCode.NOTHING_RAN: "Nothing was tested.",
    ExitCode.CANCELLED: "Interrupted by Ctrl-C, SIGTERM or SIGHUP; what was found out until then is written.",
}
_ENVIRONMENT = {
    "VMAHARNESS_ACCEL": "As --accel; the flag wins, a plan does not.",
    "VMAHARNESS_JOBS": "As --jobs; the flag wins, a plan does not.",
    "VMAHARNESS_CACHE": "Directory of the cache; default: vmaharness in XDG_CACHE_HOME or ~/.cache.",
    "NO_COLOR": "Set to anything: no colours and no live display.",
}
_FILES = {
    "results.json": "Everything the run found out; its JSON Schema is in docs/.",
    "mutants.json": "What became of each mutant (mutants).",
    "junit.xml": "The cases, for CI servers.",
    "summary.txt": "What the terminal showed at the end.",
    "console-ARCH-PROFILE.log": "The guest's serial console.",
    "build-ARCH-PROFILE.log": "What make and the compilers said.",
    "config-ARCH-PROFILE": "The kernel's configuration.",
}
_EXAMPLES = {
    "vmaharness run": "Test the demo series on both architectures.",
    "vmaharness run --series ./v3.mbox --arch arm64": "Test a series on one architecture.",
    "vmaharness run --tree ~/src/linux --series mm-stable..topic plan.yaml": "A branch of a clone, by a plan.",
    "vmaharness run --suite vma --case 'vma.merge_*'": "Some cases of one suite.",
    "vmaharness mutants 'lookup-*' --arch arm64": "Some of the kernels that are broken on purpose.",
    "vmaharness boot -- cat /proc/version": "One command in a guest.",
}


def man_page(root: click.Group) -> str:
    """The manual page of a command and all of its verbs."""
    return "\n".join(line for line in _page(root) if line) + "\n"


def _page(root: click.Group) -> Iterator[str]:
    summary, *text = _paragraphs(root)
    yield '.TH VMAHARNESS 1 "" vmaharness "User Commands"'
    yield from (".SH NAME", f"vmaharness \\- {_escape(summary.rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B vmaharness", r"\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...")
    yield ".SH DESCRIPTION"
    yield from _text(text[:1])
    yield ".SH COMMANDS"
    for path, command in _walk(root, ()):
        yield from _command(path, command)
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT_TEXTS.items():
        yield from _tagged(str(int(code)), meaning)
    for title, table in (
        ("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES), ("EXAMPLES", _EXAMPLES),
    ):  # fmt: skip
        yield f".SH {title}"
        for term, meaning in table.items():
            yield from _tagged(term, meaning)
    yield from (".SH SEE ALSO", "docs/plan.md for what a plan can say;", r"\fBgit\-am\fR(1), \fBqemu\fR(1)")


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _walk(child, (*path, name))
    else:
        yield path, command


def _command(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    arguments = [_argument(item) for item in command.params if isinstance(item, click.Argument)]
    tail = [piece for piece in command.collect_usage_pieces(click.Context(command)) if piece.startswith("[--")]
    yield f".SS vmaharness {_escape(' '.join((*path, '[OPTION]...', *arguments, *tail)))}"
    yield from _text(_paragraphs(command))
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            yield from _tagged(_spelling(option), _help(option))


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    if isinstance(argument.type, click.Choice):
        name = "|".join(str(choice) for choice in argument.type.choices)
    return name


def _spelling(option: click.Option) -> str:
    names = ", ".join((*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {'|'.join(str(choice) for choice in option.type.choices)}"
    return f"{names} {option.metavar or option.type.name.upper()}"


def _help(option: click.Option) -> str:
    variable = f" Environment: {option.envvar}." if isinstance(option.envvar, str) else ""
    return f"{option.help}{variable}"


def _paragraphs(command: click.Command) -> list[str]:
    text = (command.help or "").strip()
    return [re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", text)]


def _text(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from (".PP", _escape(paragraph))


def _tagged(term: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{_escape(term)}\fR", _escape(text))


def _escape(text: str) -> str:
    """Text that roff takes literally."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return rf"\&{safe}" if safe.startswith((".", "'")) else safe
