"""Runs of the fake kernel with guests that do what its image says: when the base is tested, and what it changes."""

from __future__ import annotations

import pytest

from harness.errors import InfraError
from harness.events import EventKind
from harness.model import Against, Case, Outcome, Relation, RunResult, Tries
from harness.report import results
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest, booted, cases


def test_a_good_series_costs_no_second_kernel(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="/* better */\n")
    result = bench.run()
    assert (result.outcome, result.baseline) == (Outcome.PASS, None)
    assert booted("baseline") == 0


def test_what_the_series_broke_is_new_and_what_was_broken_is_the_same(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    result = bench.run()
    assert result.outcome is Outcome.FAIL
    assert result.message.startswith("1 new, 1 same as the base; 1 of ")
    found = cases(result)
    assert (found["cow"].relation, found["cow"].fails) == (Relation.NEW, True)
    assert (found["anon"].relation, found["anon"].fails) == (Relation.SAME, False)
    assert result.baseline is not None
    assert {one.case: one.relation for one in result.baseline.differences} == {
        "cow": Relation.NEW, "anon": Relation.SAME,
    }  # fmt: skip


def test_a_base_as_broken_as_the_series_passes_unless_it_is_strict(bench: Bench) -> None:
    bench.commit("anon_warns")
    bench.commit("anon_warns", text="/* better */\n")
    result = bench.run()
    assert (result.outcome, cases(result)["anon"].outcome) == (Outcome.PASS, Outcome.FAIL)
    assert "1 same as the base" in result.message
    strict = bench.run(strict=True)
    assert strict.outcome is Outcome.FAIL
    assert booted("baseline") == 0, "the base's result is kept"
    assert strict.baseline is not None
    assert strict.baseline.targets[0].boots[0].console == bench.directory / "out2" / "baseline" / (
        f"console-{ARCH}-plain.log"
    )
    assert "WARNING" in strict.baseline.targets[0].boots[0].console.read_text()


def test_what_the_series_fixed_is_seen_where_the_base_is_always_tested(bench: Bench) -> None:
    bench.commit("anon_warns")
    bench.commit()
    result = bench.run(baseline="always")
    assert result.outcome is Outcome.PASS
    assert cases(result)["anon"].relation is Relation.FIXED
    assert cases(result)["cow"].relation is Relation.SAME
    assert result.baseline is not None
    assert [one.relation for one in result.baseline.differences] == [Relation.FIXED, Relation.FIXED]
    assert booted("baseline") == 1


def test_without_a_baseline_every_failure_counts(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", text="/* better */\n")
    result = bench.run(baseline="never")
    assert (result.outcome, result.baseline) == (Outcome.FAIL, None)
    assert cases(result)["anon"].relation is None


def test_a_bare_base_has_no_baseline(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails")
    result = bench.run(series=None, tree=str(bench.clone), baseline="always")
    assert (result.outcome, result.baseline) == (Outcome.FAIL, None)


def test_a_series_that_does_not_compile_has_broken_what_ran(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="this is no C;\n")
    result = bench.run()
    kernel = {case.name: case for suite in result.suites for case in suite.cases if suite.suite == "kernel"}
    assert (kernel["build"].outcome, kernel["build"].relation) == (Outcome.FAIL, Relation.NEW)
    assert cases(result)["anon"].relation is Relation.GONE
    assert result.outcome is Outcome.FAIL


def test_a_base_that_does_not_compile_is_nobody_s_excuse(bench: Bench) -> None:
    bench.commit(text="this is no C;\n")
    bench.commit("anon_fails")
    result = bench.run()
    assert result.outcome is Outcome.FAIL
    assert cases(result)["anon"].relation is Relation.NEW


def test_a_base_that_cannot_be_tested_leaves_the_failure_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InfraError("no room for another tree")

    bench.commit()
    bench.commit("anon_fails")
    monkeypatch.setattr("harness.run.trees.apply_series", refuse)
    result = bench.run()
    assert (result.outcome, cases(result)["anon"].relation) == (Outcome.FAIL, None)
    assert "nothing to compare with: no room for another tree" in result.notes


def test_a_known_finding_passes_until_its_day_and_then_fails_the_run(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_warns")
    known = bench.directory / "known.yaml"
    text = "known:\n  - finding: 'warning: WARNING in do_fault*'\n    reason: in review\n    expires: {}\n"
    known.write_text(text.format("2999-01-01"))
    result = bench.run(known=str(known))
    assert result.outcome is Outcome.PASS
    assert cases(result)["anon"].known == f"in review (until 2999-01-01, {known}:2)"
    known.write_text(text.format("2020-01-01"))
    expired = bench.run(known=str(known))
    assert expired.outcome is Outcome.FAIL
    told = [event.text for event in bench.events if event.kind is EventKind.NOTE]
    assert told
    assert told[0].startswith(f"{known}:2: ")
    assert f"{known}:2" in next(
        case.message for suite in expired.host_suites for case in suite.cases if suite.suite == "known"
    )


def test_an_entry_that_matched_nothing_is_noted(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="/* better */\n")
    known = bench.directory / "known.yaml"
    known.write_text("known:\n  - {case: faults.gone, reason: r, expires: 2999-01-01}\n")
    assert f"{known}:2: matched nothing: faults.gone (r)" in bench.run(known=str(known)).notes


def test_a_merged_series_is_held_against_the_tree_without_it(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    result = bench.run(tree=str(bench.clone), merged=True)
    assert result.message.startswith("1 new, 1 same as the base; 1 of ")
    assert result.baseline is not None
    assert result.base is not None
    assert result.baseline.commit == result.base.reverted


def test_a_merged_series_that_cannot_be_taken_out_leaves_nothing_to_compare_with(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    series = bench.posted()
    bench.commit("anon_fails", "cow_fails", text="/* on top of it */\n")
    bench.commit("cow_fails")
    result = bench.run(tree=str(bench.clone), series=str(series), merged=True)
    assert result.outcome is Outcome.FAIL
    assert cases(result)["cow"].relation is None
    assert [note for note in result.notes if "there is no base to compare with" in note]


def test_a_flaky_failure_is_new_and_counts_unless_it_is_allowed(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_flakes")
    result = bench.run(retries=2)
    assert result.message.startswith("1 new, 1 flaky; 1 of ")
    assert (cases(result)["anon"].tries, cases(result)["anon"].relation) == (Tries(1, 3), Relation.NEW)
    allowed = bench.run(retries=2, flaky="allow")
    assert allowed.outcome is Outcome.PASS
    assert "1 flaky" in allowed.message


# --- as often as the series -------------------------------------------------------------------------------------


def base_case(result: RunResult, name: str) -> Case:
    assert result.baseline is not None
    return next(case for suite in result.baseline.suites for case in suite.cases if case.name == name)


def test_a_flaky_failure_is_held_against_as_many_tries_as_show_a_rare_one(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_flakes")
    result = bench.run(retries=2)
    found = cases(result)["anon"]
    assert (found.relation, found.fails, found.tries) == (Relation.NEW, True, Tries(1, 3))
    assert found.against == Against(Tries(0, 12), 0.2)
    assert booted("baseline") == 12, "once with all that was asked for, and each time in a fresh guest"
    assert base_case(result, "anon").tries == Tries(0, 12)
    assert base_case(result, "cow").tries is None, "the others are not tried again"
    assert result.message.startswith("1 new, 1 flaky; 1 of ")


def test_a_failure_that_the_base_has_now_and_then_too_is_the_same(bench: Bench) -> None:
    bench.commit("anon_seldom")
    bench.commit("anon_seldom", text="/* better */\n")
    result = bench.run(retries=2)
    found = cases(result)["anon"]
    assert (found.outcome, found.relation, found.fails) == (Outcome.FAIL, Relation.SAME, False)
    assert found.against == Against(Tries(1, 12), 0.371)
    assert result.outcome is Outcome.PASS
    assert "1 same as the base, 1 flaky" in result.message
    failed = base_case(result, "anon")
    assert (failed.outcome, failed.flaky) == (Outcome.FAIL, True)
    place = bench.directory / "out1" / "baseline" / "tries"
    assert failed.log == place / f"console-{ARCH}-plain.3.log"
    results.write(result, bench.directory / "out1" / "results.json")
    assert results.load(bench.directory / "out1" / "results.json") == result


def test_what_fails_always_is_tried_as_often_without_the_series(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails", "cow_fails")
    result = bench.run(retries=2)
    for name in ("anon", "cow"):
        found = cases(result)[name]
        assert (found.relation, found.tries, found.against) == (Relation.NEW, Tries(3, 3), Against(Tries(0, 3), 0.05))
    assert booted("baseline") == 3, "both in one guest"


def test_tries_of_the_base_are_kept(bench: Bench) -> None:
    bench.commit("fork_seldom")
    bench.commit("fork_seldom", "anon_fails")
    first = bench.run(retries=2)
    again = bench.run(retries=2)
    assert (booted("series"), booted("baseline")) == (3, 0)
    for name in ("anon", "fork"):
        one, two = cases(first)[name], cases(again)[name]
        assert (one.relation, one.against) == (two.relation, two.against)
    log = base_case(again, "fork").log
    assert log == bench.directory / "out2" / "baseline" / "tries" / f"console-{ARCH}-plain.3.log"
    assert log.is_file()


def test_what_is_kept_of_the_base_alone_is_enough_to_try_it_again(bench: Bench) -> None:
    bench.commit()
    git(bench.clone, "tag", "first")
    bench.commit(text="/* better */\n")
    bench.run(retries=2, baseline="always")
    bench.commit("anon_fails", "cow_flakes")
    result = bench.run(retries=2, series=str(bench.posted(2)), tree=f"{bench.clone}@first")
    assert cases(result)["cow"].against == Against(Tries(0, 12), 0.2)
    assert cases(result)["anon"].against == Against(Tries(0, 3), 0.05)
    assert booted("baseline") == 11, "its first result is kept"


def test_nothing_is_tried_again_where_nobody_wants_it(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails")
    assert cases(bench.run(retries=0))["anon"].against is None
    assert booted("baseline") == 1
    assert cases(bench.run(retries=2, baseline="never"))["anon"].against is None
    assert booted("baseline") == 0


def test_where_the_base_is_always_tested_it_is_tried_as_often(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails")
    assert cases(bench.run(retries=1, baseline="always"))["anon"].against == Against(Tries(0, 2), 0.167)
    assert booted("baseline") == 2


def test_tries_that_the_machine_got_in_the_way_of_are_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def enter(guest: ImageGuest) -> ImageGuest:
        if guest._console.parent.name == "tries":
            raise InfraError("no memory")
        return whole(guest)

    bench.commit()
    bench.commit("anon_flakes")
    whole = ImageGuest.__enter__
    monkeypatch.setattr(ImageGuest, "__enter__", enter)
    result = bench.run(retries=2)
    found = cases(result)["anon"]
    assert (found.relation, found.against) == (Relation.NEW, Against(Tries(0, 1), 0.75))
    assert f"{ARCH} plain: what failed with the series was not tried as often without it: no memory" in result.notes
