"""Mutants of the fake kernel, with guests that do what its image says: what is caught, what survives, and the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfraError, InputError, UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Fate, MutantsResult, MutantTarget, Outcome
from harness.run import pipeline
from tests.kernel.conftest import git
from tests.run.image_guest import Bench, ImageGuest, fake_surroundings

TRAILERS = "Family: a defect\nExpect: faults.fork words of no weight\n"


class Mutants(Bench):
    """The fake kernel's clone, a directory of mutants of it, and runs of them."""

    def __init__(self, clone: Path, processes: Processes, cache: Cache, directory: Path) -> None:
        super().__init__(clone, processes, cache, directory)
        self.mutants = directory / "patches" / "mutants" / "6.12"
        self.mutants.mkdir(parents=True)

    def base(self, *defects: str) -> None:
        self.defects(*defects)
        git(self.clone, "commit", "-q", "-a", "--allow-empty", "-m", "base")

    def mutant(self, name: str, *defects: str, text: str = "", trailers: str = TRAILERS) -> None:
        """A patch on top of the base."""
        self.defects(*defects, text=text)
        git(self.clone, "commit", "-q", "-a", "--allow-empty", "-m", f"mm: {name}\n\nBroken.\n\n{trailers}")
        (self.mutants / f"{name}.patch").write_text(git(self.clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
        git(self.clone, "reset", "-q", "--hard", "HEAD~1")

    def judge(self, *names: str, everything: bool = False, **plan: Any) -> MutantsResult:
        published: list[MutantsResult] = []
        result = pipeline.run_mutants(
            self.plan(**{"tree": str(self.clone)} | plan), names, everything=everything, directory=self.out(),
            processes=self.processes, cache=self.cache, emit=self.events.append, command=("vmaharness", "mutants"),
            publish=published.append,
        )  # fmt: skip
        assert published == [result]
        return result


def fate(result: MutantsResult, name: str) -> MutantTarget:
    (mutant,) = (mutant for mutant in result.mutants if mutant.name == name)
    (target,) = (target for target in mutant.targets if target.arch != "host")
    return target


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Mutants:
    monkeypatch.setattr("harness.run.mutants.patches_dir", lambda: tmp_path / "patches")
    return Mutants(fake_surroundings(tmp_path, monkeypatch), processes, cache, tmp_path)


def test_what_is_wrong_with_a_mutant_and_right_without_it_catches_it(bench: Mutants) -> None:
    bench.mutant("loud", "cow_warns")
    bench.mutant("wrong", "anon_fails")
    result = bench.judge()
    assert (result.outcome, result.message) == (Outcome.PASS, "2 of 2 caught, the unmutated kernel is clean")
    loud, wrong = fate(result, "loud"), fate(result, "wrong")
    assert (loud.fate, loud.sightings[0].case, loud.sightings[0].type) == (Fate.CAUGHT, "faults.cow", "warning")
    assert (wrong.fate, wrong.sightings[0].case, wrong.sightings[0].type) == (Fate.CAUGHT, "faults.anon", "")
    assert wrong.console is not None
    assert wrong.console.parent.name == "mutant-wrong"


@pytest.mark.slow
def test_expected_cases_run_first_and_the_first_sighting_ends_the_run(bench: Mutants) -> None:
    bench.mutant("both", "anon_fails", "fork_fails")
    target = fate(bench.judge(), "both")
    assert [seen.case for seen in target.sightings] == ["faults.fork"]  # as its trailer says
    assert target.left_out == 2
    target = fate(bench.judge(everything=True), "both")
    assert [seen.case for seen in target.sightings] == ["faults.fork", "faults.anon"]
    assert target.left_out == 0


@pytest.mark.slow
def test_a_guest_is_not_kept_beyond_its_first_complaint(bench: Mutants) -> None:
    bench.mutant("hangs", "anon_hangs")
    (seen,) = fate(bench.judge(), "hangs").sightings
    assert (seen.case, seen.outcome, seen.type) == ("faults.anon", Outcome.FAIL, "warning")
    (seen, *_) = fate(bench.judge(everything=True), "hangs").sightings
    assert (seen.case, seen.outcome, seen.type) == ("faults.anon", Outcome.TIMEOUT, "warning")


@pytest.mark.slow
def test_where_the_base_complains_too_a_guest_is_kept(bench: Mutants) -> None:
    bench.base("cow_warns")
    bench.mutant("hangs", "anon_hangs")
    (seen,) = fate(bench.judge(), "hangs").sightings
    assert seen.outcome is Outcome.TIMEOUT


@pytest.mark.slow
def test_an_expectation_proves_nothing(bench: Mutants) -> None:
    bench.mutant("quiet", text="const int quiet = 1;\n")
    result = bench.judge()
    assert fate(result, "quiet").fate is Fate.SURVIVED
    assert result.outcome is Outcome.FAIL
    assert result.message.startswith("0 of 1 caught; survived: quiet on ")


@pytest.mark.slow
def test_what_the_base_does_too_catches_nothing_and_fails_the_run(bench: Mutants) -> None:
    bench.base("anon_warns")
    bench.mutant("as-bad", "anon_warns", text="const int other = 1;\n")
    bench.mutant("worse", "anon_warns", "cow_fails")
    result = bench.judge()
    assert fate(result, "as-bad").fate is Fate.SURVIVED
    assert fate(result, "worse").sightings[0].case == "faults.cow"
    assert result.outcome is Outcome.FAIL
    assert "the unmutated kernel is not clean" in result.message


@pytest.mark.slow
def test_a_mutant_that_does_not_apply_or_compile_is_its_own_error(bench: Mutants) -> None:
    bench.mutant("no-c", text="this is no C;\n")
    bench.mutant("stale", "anon_fails")
    text = (bench.mutants / "stale.patch").read_text()
    (bench.mutants / "stale.patch").write_text(text.replace("mm/memory.c", "mm/nowhere.c"))
    result = bench.judge()
    assert fate(result, "no-c").fate is Fate.BROKEN
    assert "does not compile" in fate(result, "no-c").message
    assert fate(result, "stale").fate is Fate.BROKEN
    assert "does not apply" in fate(result, "stale").message
    assert result.outcome is Outcome.ERROR


@pytest.mark.slow
def test_what_is_not_compiled_is_no_survivor(bench: Mutants) -> None:
    bench.mutant("absent", text="/* a comment */\n")
    bench.mutant("seen", "anon_fails")
    result = bench.judge()
    target = fate(result, "absent")
    assert target.fate in (Fate.SAME, Fate.SURVIVED)
    assert (target.fate is Fate.SAME) == (result.outcome is Outcome.PASS)


@pytest.mark.slow
def test_a_broken_machine_gives_no_verdict(bench: Mutants, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.mutant("seen", "anon_fails")

    class NoGuest(ImageGuest):
        def __enter__(self) -> ImageGuest:
            if "mutant-seen" in self._console.parts:
                raise InfraError("QEMU does not start")
            return super().__enter__()

    monkeypatch.setattr("harness.run.tester.Guest", NoGuest)
    result = bench.judge()
    assert (fate(result, "seen").fate, result.outcome) == (Fate.UNKNOWN, Outcome.ERROR)
    assert "QEMU does not start" in fate(result, "seen").message


@pytest.mark.slow
def test_without_a_base_there_is_no_verdict(bench: Mutants) -> None:
    bench.defects(text="this is no C;\n")
    git(bench.clone, "commit", "-q", "-a", "-m", "broken")
    bench.mutant("seen", "anon_fails")
    result = bench.judge()
    assert fate(result, "seen").fate is Fate.UNKNOWN
    assert "did not get as far as its tests" in fate(result, "seen").message
    assert result.outcome is Outcome.FAIL


@pytest.mark.slow
def test_what_was_found_is_not_found_again(bench: Mutants) -> None:
    bench.mutant("wrong", "anon_fails")
    first = bench.judge()
    second = bench.judge()
    assert ImageGuest.booted == []
    assert fate(second, "wrong").cached
    assert replace(fate(second, "wrong"), cached=False, console=None) == replace(fate(first, "wrong"), console=None)
    again = fate(second, "wrong").console
    assert again is not None
    assert again.is_file()


@pytest.mark.slow
def test_names_choose(bench: Mutants) -> None:
    bench.mutant("one", "anon_fails")
    bench.mutant("other", "anon_fails")
    assert [mutant.name for mutant in bench.judge("on*").mutants] == ["one"]
    with pytest.raises(UserError, match="no mutant is called 'three'"):
        bench.judge("three")


@pytest.mark.slow
def test_a_mutant_says_of_which_family_it_is(bench: Mutants) -> None:
    bench.mutant("bare", "anon_fails", trailers="Expect: faults.anon\n")
    with pytest.raises(InputError, match="no Family: trailer"):
        bench.judge()


@pytest.mark.slow
def test_a_kernel_version_without_mutants_is_a_users_error(bench: Mutants) -> None:
    with pytest.raises(UserError, match="there are no mutants in"):
        bench.judge()
