"""The page as a whole: the verdict first, then costs, then tests, then what was run."""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.model import Outcome, PatchRole, RunResult
from harness.report.html import cases, prices
from harness.report.html.markup import Markup, element, join
from harness.report.patch_costs import tally
from harness.report.text import count, one_line, seconds

_STYLE = "report.css"
_FILES = ("results.json", "junit.xml", "summary.txt", "metrics.txt", "metrics.csv")


def page(result: RunResult, directory: Path) -> str:
    """report.html of a run whose results lie in `directory`; it wants `style_sheet` beside it."""
    word, kind = _verdict(result)
    heading = element("h1", element("span", word, class_=f"badge {kind}"), f" {_subject(result)}")
    costs = prices.section(result.cost) if result.cost is not None else None
    title = f"{word}: {one_line(result.series) or 'no series'}"
    return "<!doctype html>\n" + element(
        "html",
        element(
            "head", element("meta", charset="utf-8"),
            element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            element("title", f"{title} · vmaharness"), element("link", rel="stylesheet", href=_STYLE),
        ),
        element(
            "body",
            element("header", heading, _lead(result)),
            element("main", costs, cases.section(result, directory), _run(result)),
            element("footer", f"vmaharness {result.version}, {result.started}"),
        ),
        lang="en",
    ) + "\n"  # fmt: skip


def style_sheet() -> bytes:
    """report.css."""
    return Path(__file__).with_name(_STYLE).read_bytes()


def _verdict(result: RunResult) -> tuple[str, str]:
    if result.outcome is Outcome.PASS:
        return "PASS", "pass"
    if result.outcome in (Outcome.NOT_RUN, Outcome.SKIP):
        return "NOTHING RAN", "fail"
    return ("FAIL" if result.outcome.blames_kernel else "ERROR"), "fail"


def _subject(result: RunResult) -> str:
    tree = f" on {one_line(result.tree.kernel_version)}" if result.tree else ""
    return f"{one_line(result.series) or 'no series'}{tree}"


def _lead(result: RunResult) -> Markup:
    fixes = sum(patch.role is PatchRole.BASE_FIX for patch in result.patches)
    failed = len(cases.bad(result))
    words = [one_line(result.message) or (f"{count(failed, 'case')} failed" if failed else "")]
    words += [tally(result.cost.prices)] if result.cost is not None and not result.cost.void else []
    words += [count(len(result.patches) - fixes, "patch", "patches")]
    words += [count(fixes, "base fix", "base fixes")] if fixes else []
    return element("p", " · ".join(word for word in (*words, seconds(result.seconds)) if word), class_="lead")


def _run(result: RunResult) -> Markup:
    """What it takes to do it again, and the other files."""
    facts: list[tuple[str, Markup | str]] = [("Command", element("code", shlex.join(result.command)))]
    if result.tree is not None:
        facts.append(("Tree", f"{one_line(result.tree.spec)}, {one_line(result.tree.kernel_version)}"))
    facts += [("Patch", f"{one_line(patch.subject)}") for patch in result.patches]
    guests = dict.fromkeys(
        f"{boot.arch} {boot.profile}: {boot.machine}, {count(boot.smp, 'CPU')}, {boot.memory_mib} MiB, {boot.accel}"
        for target in result.targets
        for boot in target.boots
    )
    facts += [("Guest", words) for words in guests]
    facts += [("Note", one_line(note)) for note in result.notes]
    files = [join(element("a", name, href=name), " ") for name in _FILES]
    return element(
        "section", element("h2", "Run"),
        element("dl", [join(element("dt", name), element("dd", words)) for name, words in facts]),
        element("p", "Files: ", files, class_="files"), id="run",
    )  # fmt: skip
