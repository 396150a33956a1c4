"""`report --mail`: what a cover letter can take."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.costs import Judgement, Mode
from harness.report.mail import WIDTH, text
from tests.report.costs import cost_report, priced, with_patches
from tests.report.samples import passed


def test_it_fits_a_mail() -> None:
    report = cost_report()
    long = replace(report.prices[0], metric="bench.page_fault1.processes.256.noise.and.more")
    found = text(priced(replace(report, prices=(*report.prices, long), void="")))
    assert found.isascii() and found.endswith("\n")
    assert max(map(len, found.splitlines())) <= WIDTH
    assert not any(line != line.rstrip() for line in found.splitlines())
    assert re.search(r"\n  256\.noise\.and\.more +5,971", found)


def test_a_case_has_one_row_but_for_what_is_beyond_a_limit() -> None:
    report = cost_report()
    parts = tuple(replace(report.prices[0], metric=f"faults.anon.1.{name}") for name in ("page_time", "noise"))
    found = text(priced(replace(report, prices=(*report.prices, *parts))))
    assert "anon.1.noise" in found and "page_time" not in found
    beyond = replace(parts[0], exceeded=True)
    assert "page_time" in text(priced(replace(report, prices=(*report.prices, beyond))))


def test_a_row_says_what_an_operation_costs_and_what_has_changed() -> None:
    lines = text(priced()).splitlines()
    assert "x86_64 release:" in lines and "arm64 release:" in lines
    assert ["faults.anon.1", "5,971.1", "6,019.3", "+48.2", "+0.81", "slower"] in [line.split() for line in lines]
    assert ["bench.malloc.threads.2", "81,204.0", "81,237.0", "+33.0", "+0.04", "?"] in [line.split() for line in lines]
    assert ["faults.anon.1", "3,215.0", "3,216.1", "+1.1", "+0.03", "slower", "(!)"] in [line.split() for line in lines]


def test_it_says_how_and_what_the_words_mean() -> None:
    found = " ".join(text(priced()).split())
    assert "counted in QEMU guests (TCG, -icount) at 4 seeds" in found
    assert '"same" is proven to be within 0.01 %' in found
    assert "the same kernel booted again (x86_64 release): 20 of 20 metrics" in found
    assert "Tested with vmaharness 0.1.0 on 6.12.117: x86_64 lockdep (TCG): kernel 3/3" in found


def test_it_says_where_the_change_is_and_what_has_grown() -> None:
    found = " ".join(text(priced()).split())
    assert (
        "Where, faults.anon.1 and 1 more metric (x86_64 release), +48.2 instructions a fault: "
        "lock_vma_under_rcu +30.0, vma_stats_add +22.0, handle_mm_fault -3.8." in found
    )
    assert "Where, bench.mmap1.processes.1 (x86_64 release), -212.5 instructions an op: mas_store_gfp -212.5." in found
    assert "code: 4,000,000 -> 4,000,512 (+512) bytes" in found
    assert "vm_area_struct.object: 176 -> 192 (+16) bytes" in found
    assert "vma_memory: 412.5 -> 428.5 (+16) bytes/VMA" in found
    assert "struct vm_area_struct: 176 -> 192 (+16) bytes" in found


def test_sizes_that_are_the_same_are_not_there() -> None:
    report = cost_report()
    same = tuple(
        replace(one, text=None, after=one.before, measures=tuple(replace(two, series=two.base) for two in one.measures))
        for one in report.sizes
    )
    assert "Sizes" not in text(priced(replace(report, sizes=same)))


def test_words_that_are_not_in_the_table_are_not_explained() -> None:
    report = cost_report()
    same = tuple(one for one in report.prices if one.judgement is Judgement.SAME)
    found = text(priced(replace(report, prices=same)))
    assert '"same" is' in found and '"slower"' not in found and '"?"' not in found


def test_no_mode_pretends_to_be_another() -> None:
    report = cost_report()
    prices = tuple(replace(one, mode=Mode.RELATIVE, judgement=Judgement.NONE) for one in report.prices)
    found = text(priced(replace(report, mode=Mode.RELATIVE, prices=prices, where=())))
    assert "say nothing about hardware" in " ".join(found.split()) and "nstructions" not in found


def test_a_base_without_a_series_has_costs_alone() -> None:
    report = cost_report()
    bare = tuple(replace(one, series=None, judgement=Judgement.NONE) for one in report.prices)
    found = text(priced(replace(report, prices=bare)))
    assert ["faults.anon.1", "5,971.1"] in [line.split() for line in found.splitlines()]
    assert "change" not in found


def test_a_void_run_has_no_table() -> None:
    found = text(priced(replace(cost_report(), void="two boots of the base differ")))
    assert "in vain: two boots of the base differ" in found and "5,971" not in found


def test_patches_that_changed_something_are_columns() -> None:
    lines = text(priced(with_patches())).splitlines()
    words = " ".join(" ".join(lines).split())
    assert (
        "Patch by patch, each against the one before it (patch 2: no prices: it does not build: mm/vma.c:1: no; patch "
        "4: same kernel): patch 1 3 series faults.anon.1 +48.2 same +48.2" in words
    )
    assert "(patch 1: 1 same; patch 3: 1 same; patch 4: same kernel): patch 2 series faults.anon.1 +1.1 +1.1" in words
    assert max(map(len, lines)) <= 72


def test_a_run_without_prices_says_what_was_tested() -> None:
    assert text(passed()).startswith("Tested with vmaharness 0.1.0 on 6.12.117:")
