"""Assertions that do something: which names do, and which lines of a diff are looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.series.effects import effects_in, has_effect
from harness.series.lint import OPTION, side_effects


@pytest.mark.parametrize(
    "name",
    [
        "refcount_dec_and_test", "__refcount_dec_and_test", "atomic_inc_return", "test_and_set_bit", "xchg", "cmpxchg",
        "atomic_long_sub_and_test", "put_page_testzero", "vma_refcount_put", "down_read_trylock", "up_read",
        "mutex_trylock", "mmap_read_lock_killable", "lock_vma_under_rcu", "vma_start_read", "vma_start_write_killable",
        "mas_store_gfp", "mas_preallocate", "vma_iter_clear_gfp", "vma_iter_prealloc", "mas_find", "vma_next",
        "refcount_inc_not_zero", "folio_try_get", "mmget_not_zero", "rcuwait_wake_up", "page_ref_freeze", "split_vma",
        "vma_merge_new_range", "vma_mark_detached", "list_del_init", "WRITE_ONCE", "copy_from_user", "get_user",
        "spin_lock", "exclude_and_clear", "vma_end_read", "set_bit", "schedule_work", "check_add_overflow",
    ],
)  # fmt: skip
def test_functions_that_change_something(name: str) -> None:
    assert has_effect(name)


@pytest.mark.parametrize(
    "name",
    [
        "list_empty", "rwsem_is_locked", "lockdep_is_held", "atomic_read", "refcount_read", "vma_is_attached",
        "test_bit", "READ_ONCE", "IS_ERR", "PageLocked", "folio_test_locked", "page_count", "folio_mapcount",
        "round_up", "ptep_get", "pte_none", "vma_pages", "can_vma_merge_before", "is_vma_writer_only", "mas_is_err",
        "in_atomic", "current",
        "sizeof", "vma_start", "vma_end", "mm_get_unmapped_area_flags", "rcu_read_lock_held", "lock_is_held",
        "vma_lookup", "find_vma", "list_next_entry", "IS_ENABLED", "is_free_buddy_page", "vma_address", "nr_free_pages",
        "percpu_rwsem_is_held", "spin_is_locked", "__is_vma_write_locked", "PageAnon", "vma_iter_addr", "vma_iter_end",
        "should_wait", "has_isolate_pageblock", "offset_in_page", "pmd_trans_huge", "radix_tree_exceptional",
    ],
)  # fmt: skip
def test_functions_that_only_look(name: str) -> None:
    assert not has_effect(name)


@pytest.mark.parametrize(
    ("expression", "effects"),
    [
        ("a == b && c != d || e <= f || g >= h", []),
        ("count--", ["`--`"]),
        ("++vma->users > 1", ["`++`"]),
        ("(ret = vma_flags(vma))", ["`=`"]),
        ("flags |= VM_LOCKED", ["`|=`"]),
        ("x <<= 1", ["`<<=`"]),
        ("!refcount_dec_and_test(&vma->vm_refcnt)", ["refcount_dec_and_test()"]),
        ("down_read_trylock(&mm->mmap_lock) && n++", ["down_read_trylock()", "`++`"]),
        ("a->b - -c", []),
        ("p->unlock == q->put", []),
    ],
)
def test_what_an_expression_does(expression: str, effects: list[str]) -> None:
    assert [what for what, _ in effects_in(expression)] == effects


def diff(*lines: str, path: str = "mm/vma.c", first: int = 10) -> str:
    old, new = (sum(line[0] != sign for line in lines) for sign in "+-")
    head = (f"--- a/{path}", f"+++ b/{path}", f"@@ -{first},{old} +{first},{new} @@ static void f(void)")
    return "\n".join((*head, *lines, ""))


def found(text: str) -> list[tuple[str, int, str]]:
    messages = side_effects(text)
    assert all(message.option == OPTION for message in messages)
    return [(message.severity, message.line, message.text.partition(";")[0]) for message in messages]


def test_an_assertion_that_may_be_gone_is_worse_than_one_that_is_always_evaluated() -> None:
    assert found(
        diff(
            " int x;",
            "+\tVM_WARN_ON_ONCE(!refcount_dec_and_test(&vma->vm_refcnt));",
            "+\tif (WARN_ON_ONCE(exclude_and_put(vma)))",
            "+\t\treturn;",
            "+\tWARN_ON(!list_empty(&vma->anon_vma_chain));",
        )
    ) == [
        ("error", 11, "VM_WARN_ON_ONCE() does something: refcount_dec_and_test()"),
        ("warning", 12, "WARN_ON_ONCE() does something: exclude_and_put()"),
    ]


@pytest.mark.parametrize("name", ["MAS_WARN_ON", "MT_BUG_ON", "DEBUG_NET_WARN_ON_ONCE", "RCU_LOCKDEP_WARN"])
def test_assertions_of_other_parts_of_the_kernel_are_known(name: str) -> None:
    assert found(diff(f"+\t{name}(mas, users-- == 0);")) == [("error", 10, f"{name}() does something: `--`")]


def test_only_assertions_with_an_added_line_are_looked_at() -> None:
    old = " \tVM_BUG_ON(users-- == 0);"
    assert found(diff(old, "+\tint y;")) == []
    assert found(diff("-\tVM_BUG_ON(users-- == 0);", " \tint y;")) == []
    assert found(diff("+\tint y;", " \tVM_WARN(vma &&", "+\t\tvma_start_read(vma),", ' \t\t"no");')) == [
        ("error", 12, "VM_WARN() does something: vma_start_read()")
    ]


def test_comments_texts_definitions_and_other_files_are_not_code() -> None:
    assert found(diff("+/* VM_WARN_ON(x++) */", "+// WARN_ON(x++)", '+\tpr_info("VM_WARN_ON(x++)");')) == []
    assert found(diff("+ * VM_WARN_ON(x++)", "+ */", "+\tint y;")) == []
    assert found(diff('+\tWARN_ONCE(bad, "a=%d; put_page() x++");')) == []
    assert found(diff("+#define VM_WARN_ON(x) WARN_ON(x = 1)")) == []
    assert found(diff("+VM_WARN_ON(x++)", path="Documentation/mm/locks.rst")) == []


def test_more_files_and_hunks_are_counted_from_their_own_lines() -> None:
    one = diff("+\tVM_BUG_ON(x++);", first=5)
    two = diff(" ", "+\tVM_WARN_ON_ONCE_VMA(!put(vma), vma);", path="include/linux/mm.h", first=100)
    assert [(message.path, message.line) for message in side_effects(one + two)] == [
        ("mm/vma.c", 5),
        ("include/linux/mm.h", 101),
    ]


def test_an_assertion_that_is_cut_off_by_the_hunk_is_read_as_far_as_it_goes() -> None:
    assert found(diff("+\tVM_WARN_ON(a &&", "+\t\tb++ &&")) == [("error", 11, "VM_WARN_ON() does something: `++`")]


@given(st.text(alphabet="+- @(),=!&|WARN_ONVMBUG/*\"'\n\\x", max_size=200))
def test_any_text_is_read(text: str) -> None:
    side_effects(text)
    side_effects(f"+++ b/mm/a.c\n@@ -1 +1 @@\n{text}")
