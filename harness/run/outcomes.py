"""What the steps gave, as values: nodes become cases and results.  Also for steps that failed, or never came to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from harness.errors import Cancelled, HarnessError, LeftOut
from harness.model import AppliedTree, Build, Case, Checker, Metric, Outcome, StepTime, SuiteResult, TargetResult
from harness.run.account import TargetAccount
from harness.run.exact import AllSeeds
from harness.run.graph import Node, State
from harness.run.history import BOOT, name_of_command
from harness.run.targets import Target, first_error
from harness.run.tasks import by_suite
from harness.verdict.judge import LEFT_OUT

T = TypeVar("T")


def done(node: Node[T] | None) -> T | None:
    """What a step gave; None if there is no such step, or it is not done."""
    return node.value if node is not None and node.state is State.DONE else None


def stage_case(suite: str, node: Node[Any]) -> Case | None:
    """A step as a case: passed, or broken with the error's own words; None if it was never reached."""
    if node.state is State.DONE:
        return Case(suite, node.name.replace(" ", "-"), Outcome.PASS, node.seconds)
    if node.error is None:
        return None
    outcome = Outcome.NOT_RUN if isinstance(node.error, LeftOut) else Outcome.ERROR
    return Case(suite, node.name.replace(" ", "-"), outcome, node.seconds, node.error.what, _detail(node.error))


def checker_cases(node: Node[AppliedTree]) -> tuple[Case, ...]:
    """The checkers that a profile wants: passed where all apply; each that does not is skipped, with its place."""
    tree, case = done(node), stage_case("series", node)
    if tree is None or case is None:
        return (case,) if case is not None else ()
    if not tree.checkers:
        message = f"there are no checkers for Linux {tree.base.kernel_version}"
        return (replace(case, outcome=Outcome.SKIP, message=message),)
    left_out = (
        Case("series", f"{node.name.replace('checkers', 'checker', 1)}-{checker.name}".replace(" ", "-"), Outcome.SKIP,
             message=f"no longer applies: {checker.why}")
        for checker in tree.checkers
        if not checker.commit
    )  # fmt: skip
    return (case, *left_out)


def no_result(suite: str, name: str, error: HarnessError | None) -> Case:
    outcome = Outcome.NOT_RUN if error is None or isinstance(error, Cancelled | LeftOut) else Outcome.ERROR
    what, detail = ("the run ended before", "") if error is None else (error.what, _detail(error))
    return Case(suite, name, outcome, message=what, detail=detail)


def _detail(error: HarnessError) -> str:
    """The other program's words, and what to do."""
    return "\n".join(part for part in (error.detail, error.fix and f"fix: {error.fix}") if part)


def left_out(nodes: Sequence[Node[Any]], targets: Sequence[Target]) -> tuple[str, ...]:
    """What there was no time for: steps by name, and how many commands of each target."""
    found = [node.name for node in nodes if isinstance(node.error, LeftOut) and not node.always]
    for target in targets:
        account = account_of(target)
        cases = account.cases if account is not None else []
        number = sum(case.outcome is Outcome.NOT_RUN and case.message.startswith(LEFT_OUT) for case in cases)
        found += [f"{number} of {len(cases)} cases of {target.name}"] if number else []
    return tuple(found)


def command_times(targets: Sequence[Target]) -> Iterator[StepTime]:
    """How long guests took to boot, and commands in them."""
    for target in targets:
        account = account_of(target)
        by_ssh = account.boots if account is not None and account.exact is None else []
        for boot in [boot for boot in by_ssh if boot.outcome is Outcome.PASS][:1]:
            yield StepTime(name_of_command(target.name, BOOT), boot.total_s, cached=False)
        for title, seconds in account.seconds.items() if account is not None else ():
            yield StepTime(name_of_command(target.name, title), seconds, cached=False)


def account_of(target: Target) -> TargetAccount | None:
    """What became of a target's commands; of exact guests also where not all seeds came to their end."""
    whole = done(target.test)
    runners = [found for found in map(done, target.seeds) if found is not None and (found.tasks or found.boots)]
    return AllSeeds(runners) if whole is None and runners else whole


def target_result(target: Target, runner: TargetAccount | None = None) -> TargetResult:
    """All that is known of a target; `runner` where the step that tested it is not one of the target's own."""
    build, runner = done(target.build), runner or account_of(target)
    kernel: list[Case] = []
    if target.config is not None:
        kernel.append(_config_case(target.config))
    if target.build is not None:
        tree = done(target.tree)
        kernel.append(
            _build_case(build, tree.checkers if tree else (), broken_by_checkers=target.broken_by_checkers)
            if build
            else no_result("kernel", "build", target.build.error)
        )
    suites: tuple[SuiteResult, ...] = ()
    if runner is not None:
        kernel.extend(runner.kernel_cases)
        suites = by_suite(target.arch, target.profile.name, runner.cases)
    elif target.test is not None:
        kernel.append(no_result("kernel", "boot", target.test.error))
    own = SuiteResult("kernel", target.arch, target.profile.name, tuple(kernel))
    return TargetResult(
        arch=target.arch, profile=target.profile.name, build=build, rootfs=done(target.rootfs),
        boots=tuple(runner.boots) if runner else (), suites=((own, *suites) if own.cases else suites),
        infra=runner.infra if runner else (), exact=runner.exact if runner else None,
    )  # fmt: skip


def _config_case(node: Node[Outcome]) -> Case:
    case = replace(stage_case("kernel", node) or no_result("kernel", "", None), name="config")
    if case.outcome is Outcome.PASS and node.value is Outcome.FAIL:
        return replace(case, outcome=Outcome.FAIL, message="the tree's own kconfig failed; see the build's log")
    return case


def _build_case(build: Build, checkers: Sequence[Checker], *, broken_by_checkers: bool) -> Case:
    warnings = [message for message in build.messages if message.severity == "warning"]
    if build.outcome is Outcome.PASS:
        metrics = (
            Metric("compile-cpu", round(build.cpu_seconds, 1), "s", 1),
            Metric("warnings", len(warnings), "messages", 1),
        )
        return Case("kernel", "build", Outcome.PASS, build.seconds, metrics=metrics)
    errors = "\n".join(f"{m.path}:{m.line}: {m.severity}: {m.text}" for m in build.messages)
    if broken_by_checkers:
        what = f"a checker does not compile on this series: {first_error(build)}"
        fix = "fix: leave it out, --profile checked=checkers=DIRECTORY (docs/checkers.md)"
        return Case("kernel", "build", Outcome.ERROR, build.seconds, what, f"{errors}\n{fix}")
    beside = " (with checkers on top: it may be one of them that no longer compiles)" if checkers else ""
    return Case("kernel", "build", Outcome.FAIL, build.seconds, first_error(build) + beside, errors)
