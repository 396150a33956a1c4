"""survey: what is in a document, and which of it would be applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.model import BaseHints
from harness.series.read import choose, read_series, read_survey
from harness.series.survey.survey import Survey, SurveyedSeries, reason

MakeMail = Callable[..., bytes]


@pytest.fixture
def look(tmp_path: Path, processes: Processes) -> Callable[..., Survey]:
    """Survey mailboxes of these mails, one a document."""

    def survey_of(*documents: list[bytes]) -> Survey:
        paths = []
        for index, mails in enumerate(documents):
            paths.append(tmp_path / f"{index}.mbox")
            paths[-1].write_bytes(b"".join(mails))
        return read_survey([str(path) for path in paths], processes=processes, repo=None)

    return survey_of


Look = Callable[..., Survey]


def ids(own: str, answers: str = "") -> str:
    """Header lines of a mail in a thread."""
    references = " ".join(f"<{name}>" for name in answers.split())
    return f"Message-ID: <{own}>\n" + (f"References: {references}\n" if references else "")


def other(diff: str, name: str) -> str:
    return diff.replace("mm/a.c", f"mm/{name}.c")


def one(found: Survey) -> SurveyedSeries:
    (series,) = found.series
    return series


def numbers(series: SurveyedSeries) -> list[int]:
    return [patch.number for patch in series.patches]


# --- complete or not ------------------------------------------------------------------------------------------


def test_a_gap_is_shown_and_refused(look: Look, make_mail: MakeMail) -> None:
    found = look([make_mail("[PATCH v6 10/16] mm: count")])
    series = one(found)
    assert (series.version, series.expected, numbers(series)) == (6, 16, [10])
    assert series.missing == (*range(1, 10), *range(11, 17))
    assert not series.applicable
    assert reason(found.source, series) == "series incomplete: 10 of 16 only; 1–9, 11–16 missing"
    with pytest.raises(UserError, match="10 of 16 only; 1–9, 11–16 missing"):
        choose(found)


def test_resend_is_no_version_and_one_without_it_belongs(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("[PATCH RESEND v3 0/3] the whole", "", extra=ids("0@x")),
            make_mail("[PATCH RESEND v3 1/3] one", extra=ids("1@x", "0@x")),
            make_mail("[PATCH v3 2/3] two", other(diff, "b"), extra=ids("2@x", "0@x")),
            make_mail("[PATCH RESEND v3 3/3] three", other(diff, "c"), extra=ids("3@x", "0@x")),
        ]
    )
    assert (one(found).title, one(found).version, numbers(one(found))) == ("the whole", 3, [1, 2, 3])
    assert [patch.number for patch in choose(found).patches] == [1, 2, 3]


def test_a_series_and_its_resend_are_one(look: Look, make_mail: MakeMail, diff: str) -> None:
    sent = [
        make_mail(f"[PATCH {word}v2 {n}/2] {n}", other(diff, str(n)), extra=ids(f"{n}{word}@x", f"0{word}@x"))
        for word in ("", "RESEND ")
        for n in (1, 2)
    ]
    series = one(look([mail.replace(b"RESEND @x", b"r@x") for mail in sent]))
    assert (series.applicable, numbers(series)) == (True, [1, 2])
    assert [(each.number, each.same) for each in series.duplicates] == [(1, True), (2, True)]


def test_the_newest_complete_version_is_chosen(look: Look, make_mail: MakeMail, diff: str) -> None:
    def version(number: int, parts: range) -> list[bytes]:
        return [
            make_mail(
                f"[PATCH v{number} {n}/2] part {n}", other(diff, f"v{number}{n}"), extra=ids(f"{number}-{n}@x", "0@x")
            )
            for n in parts
        ]

    both = look(version(4, range(1, 3)) + version(3, range(1, 3)))
    assert [series.version for series in both.series] == [4, 3]
    assert choose(both).version == 4
    assert not choose(both).warnings

    partly = look(version(3, range(1, 3)) + version(4, range(2, 3)))
    chosen = choose(partly)
    assert chosen.version == 3
    assert chosen.warnings == ("v4 is incomplete (1/2): v3 is taken",)

    with pytest.raises(UserError, match=r"v3, v4; none is complete: v4 has 1 of 2"):
        choose(look(version(3, range(1, 2)) + version(4, range(2, 3))))


def test_one_patch_sent_anew_is_not_the_series(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("[PATCH 1/2] a", extra=ids("1@x", "0@x")),
            make_mail("[PATCH 2/2] b", other(diff, "b"), extra=ids("2@x", "0@x")),
            make_mail("[PATCH v2] a", extra=ids("3@x", "0@x 1@x")),
        ]
    )
    with pytest.raises(UserError, match="one without in the same series"):
        choose(found)


def test_a_series_may_grow_out_of_one_patch(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("[PATCH] a", extra=ids("1@x")),
            make_mail("[PATCH v2 1/2] a", extra=ids("3@x", "2@x")),
            make_mail("[PATCH v2 2/2] b", other(diff, "b"), extra=ids("4@x", "2@x")),
        ]
    )
    assert [patch.subject for patch in choose(found).patches] == ["a", "b"]


def test_a_newer_version_with_a_conflict_is_no_reason_to_take_the_older(
    look: Look, make_mail: MakeMail, diff: str
) -> None:
    found = look(
        [
            make_mail("[PATCH v1 1/1] a"),
            make_mail("[PATCH v2 1/1] a", other(diff, "b")),
            make_mail("[PATCH v2 1/1] a", other(diff, "c")),
        ]
    )
    with pytest.raises(UserError, match="two different patches are 1/1"):
        choose(found)


# --- copies ---------------------------------------------------------------------------------------------------


def test_a_masked_copy_is_a_copy_and_the_open_one_is_kept(look: Look, make_mail: MakeMail, diff: str) -> None:
    with_address = diff.replace("+more", "+ada@example.org")
    mail = make_mail("[PATCH 1/1] a", with_address, extra=ids("1@example.org"))
    masked = mail.replace(b"@example.org", b"@xxxxxxxxxxx")
    series = one(look([masked], [mail]))
    assert [each.same for each in series.duplicates] == [True]
    assert series.patches[0].piece.author == "Ada Example <ada@example.org>"
    alone = one(look([masked]))
    assert alone.patches[0].piece.author == "Ada Example <ada@xxxxxxxxxxx>"
    assert alone.applicable
    assert "hidden the author's address" in alone.warnings[0]


def test_two_open_addresses_are_two_patches(look: Look, make_mail: MakeMail, diff: str) -> None:
    mails = [
        make_mail("[PATCH 1/1] a", diff.replace("+more", f"+ada@{name}.org"), extra=ids(f"{name}@x"))
        for name in ("one", "two")
    ]
    assert "two different patches" in reason("", one(look(mails)))


def test_an_archives_blanks_make_no_conflict(look: Look, make_mail: MakeMail, diff: str) -> None:
    spaced = diff.replace("@@ -1,3 +1,4 @@ int f(void)\n one\n", "@@ -1,3 +1,4 @@ int f(void)\n \n")
    stripped = spaced.replace("int f(void)", "").replace("@@\n \n", "@@\n\n").replace("@@ \n \n", "@@ \n\n")
    series = one(look([make_mail("[PATCH 1/1] a", spaced), make_mail("[PATCH 1/1] a", stripped)]))
    assert (series.applicable, len(series.duplicates)) == (True, 1)


def test_no_message_id_is_invented(look: Look, make_mail: MakeMail) -> None:
    patch = one(look([make_mail()])).patches[0]
    assert patch.piece.message_id == ""
    assert b"Message-ID" not in patch.piece.mail


# --- two series in one document -------------------------------------------------------------------------------


def test_two_series_are_both_shown_and_neither_is_taken(look: Look, make_mail: MakeMail, diff: str) -> None:
    mails = [
        make_mail(f"[PATCH {n}/2] {name} {n}", other(diff, f"{name}{n}"), extra=ids(f"{name}{n}@x", f"{name}0@x"))
        for n in (1, 2)
        for name in ("trees", "locks")
    ]
    found = look(mails)
    assert [(series.title, series.applicable) for series in found.series] == [("trees 1", True), ("locks 1", True)]
    with pytest.raises(UserError, match="more than one series: 2/2 of “trees 1” v1 and 2/2 of “locks 1” v1"):
        choose(found)


def test_halves_of_two_threads_make_no_whole(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("[PATCH 1/2] one", extra=ids("a1@x", "a0@x")),
            make_mail("[PATCH 2/2] other", other(diff, "b"), extra=ids("b2@x", "b0@x")),
        ]
    )
    assert [numbers(series) for series in found.series] == [[1], [2]]
    assert not any(series.applicable for series in found.series)


def test_what_the_cover_letter_does_not_list_is_not_taken_in(look: Look, make_mail: MakeMail, diff: str) -> None:
    cover = "Why.\n\nAda Example (2):\n  one\n  two\n\n 2 files changed, 4 insertions(+), 2 deletions(-)"
    thread = [
        make_mail("[PATCH 0/2] the whole", "", extra=ids("0@x"), body=cover),
        make_mail("[PATCH 1/2] one", extra=ids("1@x", "0@x")),
    ]
    found = look([*thread, make_mail("[PATCH 2/2] stray", other(diff, "b"), extra=ids("9@x"))])
    assert [numbers(series) for series in found.series] == [[1], [2]]
    found = look([*thread, make_mail("[PATCH 2/2] two", other(diff, "b"), extra=ids("9@x"))])
    assert one(found).applicable
    assert "no thread holds it together" in one(found).warnings[0]


def test_patches_without_numbers(look: Look, make_mail: MakeMail, diff: str) -> None:
    local = look([make_mail("[PATCH] a"), make_mail("[PATCH] b", other(diff, "b")), make_mail("[PATCH] a")])
    assert (one(local).expected, numbers(one(local)), len(one(local).duplicates)) == (None, [1, 2], 1)
    listed = look([make_mail("[PATCH] a", extra=ids("a@x")), make_mail("[PATCH] b", extra=ids("b@x"))])
    assert len(listed.series) == 2


# --- one bad mail among others --------------------------------------------------------------------------------


def test_a_cut_patch_is_shown_with_its_reason(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [make_mail("[PATCH 1/2] a"), make_mail("[PATCH 2/2] b", diff[: diff.index("+more")], extra=ids("2@x"))]
    )
    series = one(found)
    assert numbers(series) == [1, 2]
    assert not series.applicable
    assert "cut short" in reason(found.source, series)
    assert [patch.piece.error is None for patch in series.patches] == [True, False]
    with pytest.raises(InputError, match="cut short"):
        choose(found)


def test_a_dangerous_patch_is_shown_and_refused(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look([make_mail("[PATCH] a", diff.replace("mm/a.c", "../../etc/passwd"))])
    assert "writes outside the tree" in reason(found.source, one(found))
    with pytest.raises(InputError, match="writes outside the tree"):
        choose(found)


def test_a_document_of_nothing_is_unreadable(look: Look) -> None:
    for text in (b"just words\n", b"<!DOCTYPE html>\n<html>\n"):
        with pytest.raises(InputError):
            look([text])


def test_a_reply_that_cannot_be_read_is_a_reply_all_the_same(look: Look, make_mail: MakeMail) -> None:
    broken = make_mail("Re: [PATCH] a", extra="Content-Type: multipart/mixed\n")
    found = look([make_mail("[PATCH] a"), broken])
    assert (found.replies, one(found).applicable) == (1, True)


# --- diffstat -------------------------------------------------------------------------------------------------


def stat(files: int, plus: int, minus: int) -> str:
    return f"Why.\n---\n {files} files changed, {plus} insertions(+), {minus} deletions(-)"


def test_stated_files_that_differ_are_a_warning(look: Look, make_mail: MakeMail) -> None:
    series = one(look([make_mail(body=stat(5, 2, 1)).replace(b"\n---\n mm/a.c | 3 ++-\n", b"\n")]))
    assert series.applicable
    assert series.warnings == ("patch 1: the diffstat says 5 files, the diff changes 1",)


def test_stated_lines_that_differ_are_an_error(look: Look, make_mail: MakeMail) -> None:
    found = look([make_mail(body=stat(1, 3, 1)).replace(b"\n---\n mm/a.c | 3 ++-\n", b"\n")])
    assert reason(found.source, one(found)) == "the diffstat says +3 -1, the diff has +2 -1"
    with pytest.raises(InputError, match=r"says \+3 -1"):
        choose(found)


# --- replies --------------------------------------------------------------------------------------------------


def answer(to: str, body: str, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"From x Thu Jan  1 10:00:00 2026\nFrom: Bo <bo@example.org>\nSubject: {to}\n{lines}\n{body}\n\n".encode()


def test_tags_come_from_unquoted_lines_of_replies_alone(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("[PATCH 1/2] a", body="Why.\n\nReviewed-by: Eve <eve@example.org>"),
            make_mail("[PATCH 2/2] b", other(diff, "b")),
            answer("Re: [PATCH 1/2] a", "Reviewed-by: Bo <bo@example.org>\n> Acked-by: Cy <cy@example.org>"),
            answer("Re: [PATCH 1/2] a", "Thanks.\n\n> Reviewed-by: Bo <bo@example.org>"),
            answer("Re: [PATCH 1/2] a", "Still:\n\nReviewed-by: Bo <bo@xxxxxxxxxxx>"),
        ]
    )
    assert [patch.trailers for patch in one(found).patches] == [("Reviewed-by: Bo <bo@example.org>",), ()]
    assert found.replies == 3


def test_the_thread_says_which_patch_is_answered_and_not_the_subject(
    look: Look, make_mail: MakeMail, diff: str
) -> None:
    tag = "Acked-by: Bo <bo@example.org>"
    found = look(
        [
            answer("Re: [PATCH 1/2] a", tag, Message_ID="<r2@x>", In_Reply_To="<r1@x>"),
            answer("Re: [PATCH 2/2] b", "Hm.", Message_ID="<r1@x>", In_Reply_To="<2@x>"),
            answer("Re: [PATCH 1/2] a", tag, Message_ID="<r3@x>", References="<old0@x> <old1@x>"),
            make_mail("[PATCH 0/2] c", "", extra=ids("0@x")),
            make_mail("[PATCH 1/2] a", extra=ids("1@x", "0@x")),
            make_mail("[PATCH 2/2] b", other(diff, "b"), extra=ids("2@x", "0@x")),
            answer("Re: [PATCH 0/2] c", "Tested-by: Bo <bo@example.org>", In_Reply_To="<0@x>"),
        ]
    )
    assert [patch.trailers for patch in one(found).patches] == [(), (tag,)]
    assert one(found).cover_trailers == ("Tested-by: Bo <bo@example.org>",)


def test_a_diff_in_a_reply_is_named_and_never_taken(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look([make_mail("[PATCH 1/2] a"), make_mail("Re: [PATCH 2/2] b", other(diff, "b"))])
    assert numbers(one(found)) == [1]
    assert [(each.subject, each.files) for each in found.candidates] == [("b", ("mm/b.c",))]


def test_a_reply_counts_once_however_it_came(look: Look, make_mail: MakeMail) -> None:
    patch = make_mail("[PATCH] a", extra=ids("a@x"))
    words = "On Monday Ada <ada@example.org> wrote:\n> Why.\n\nBecause."
    masked = words.replace("@example.org", "@xxxxxxxxxxx").replace("\n\n", "\n")
    found = look(
        [patch, answer("Re: [PATCH] a", words, Message_ID="<r@example.org>")],
        [answer("Re: [PATCH] a", masked).replace(b"From: Bo <bo@example.org>\n", b"From:\n")],
        [answer("Re: [PATCH] a", "other words", Message_ID="<r@xxxxxxxxxxx>")],
    )
    assert found.replies == 1
    assert look([answer("Re: a", "Thanks!", Message_ID=f"<{n}@x>") for n in range(3)]).replies == 3


# --- -mm fixes ------------------------------------------------------------------------------------------------


def test_fixes_go_into_their_patch(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look(
        [
            make_mail("mm-vma-count-it-fix-2", other(diff, "d")),
            make_mail("[PATCH v4 1/2] mm/vma: count it", extra=ids("1@x", "0@x")),
            make_mail("[PATCH v3 1/2] mm/vma: count it", extra=ids("31@x", "30@x")),
            make_mail("mm-vma-count-it-fix", other(diff, "c")),
            make_mail("[PATCH v4 2/2] mm: use it", other(diff, "b"), extra=ids("2@x", "0@x")),
            make_mail("mm-vma-count-it-fix", other(diff, "c")),
        ]
    )
    chosen = choose(found)
    assert (chosen.version, len(chosen.patches)) == (4, 2)
    assert [fix.subject for fix in chosen.patches[0].fixups] == ["mm-vma-count-it-fix", "mm-vma-count-it-fix-2"]
    assert chosen.patches[0].author == "Ada Example <ada@example.org>"
    assert not chosen.patches[1].fixups


def test_a_fix_without_its_patch_is_an_error(look: Look, make_mail: MakeMail, diff: str) -> None:
    found = look([make_mail("[PATCH 1/1] mm: a"), make_mail("mm-b-fix", other(diff, "b"))])
    assert [series.applicable for series in found.series] == [True, False]
    with pytest.raises(UserError, match=r"a fix whose patch is not here.*: mm-b-fix"):
        choose(found)


def test_two_fixes_of_one_name_are_an_error(look: Look, make_mail: MakeMail, diff: str) -> None:
    fixes = [make_mail("mm-a-fix", other(diff, name)) for name in ("b", "c")]
    with pytest.raises(UserError, match="another fix of this name: mm-a-fix"):
        choose(look([make_mail("[PATCH 1/1] mm: a"), *fixes]))


def test_a_stack_keeps_its_order_and_its_fixes(
    tmp_path: Path, processes: Processes, make_mail: MakeMail, diff: str
) -> None:
    for name, title in (("a", "mm: a"), ("b", "mm: b"), ("a-fix", "mm-a-fix"), ("b-fix", "mm-b-fix")):
        (tmp_path / f"{name}.patch").write_bytes(make_mail(title, other(diff, name)))
    (tmp_path / "series").write_text("a.patch\na-fix.patch\nb.patch\nb-fix.patch\n")
    series = choose(read_survey([str(tmp_path)], processes=processes, repo=None))
    assert [(each.subject, [fix.subject for fix in each.fixups]) for each in series.patches] == [
        ("mm: a", ["mm-a-fix"]), ("mm: b", ["mm-b-fix"]),
    ]  # fmt: skip


NOTICE = """\
From mm-commits Thu Jan  1 10:00:00 2026
From: Keeper <keeper@example.org>
Subject: + {name}.patch added to mm-new branch
Date: Thu, 1 Jan 2026 12:00:00 +0000

The patch titled
     Subject: {title}
has been added to the -mm mm-new branch.  Its filename is
     {name}.patch

------------------------------------------------------
From: Ada Example <ada@example.org>
Subject: {title}
Date: Thu, 1 Jan 2026 10:00:00 +0000

{words}

Signed-off-by: Ada Example <ada@example.org>
---

--- a/mm/{file}.c~{name}
+++ a/mm/{file}.c
@@ -1,3 +1,4 @@ int f(void)
 one
-two
+TWO
+more
 three
_

Patches currently in -mm which might be from ada@example.org are

{stack}

"""


def notice(title: str, file: str, stack: str, words: str = "Why.") -> bytes:
    name = title.replace(": ", "-").replace(" ", "-")
    listed = "\n".join(f"{each}.patch" for each in stack.split())
    return NOTICE.format(title=title, name=name, file=file, stack=listed, words=words).encode()


def test_a_notice_is_its_authors_patch(look: Look) -> None:
    words = 'Patch series "count it", v5.\n\nAll of it.\n\nThis patch (of 6):\n\nWhy.'
    series = one(look([notice("mm: a", "a", "mm-zero mm-a mm-b", words)]))
    piece = series.patches[0].piece
    assert (series.title, series.version, series.expected, numbers(series)) == ("count it", 5, 6, [1])
    assert (piece.subject.title, piece.author) == ("mm: a", "Ada Example <ada@example.org>")
    assert series.applicable, "what it builds on is in the stack; what comes after it is no part of it"
    assert series.warnings == ("1 of 6 only; 2–6 missing",)
    assert series.base.said == ("in -mm after mm-zero.patch",)


def test_notices_stand_in_the_stacks_order(look: Look) -> None:
    a, fix = notice("mm: a", "a", "mm-a"), notice("mm-a-fix", "c", "mm-a mm-a-fix")
    b, c = notice("mm: b", "b", "mm-a mm-a-fix mm-b"), notice("mm: c", "d", "mm-a mm-a-fix mm-b mm-c mm-later")
    chosen = choose(look([c, b, fix, a]))
    assert [(patch.subject, len(patch.fixups)) for patch in chosen.patches] == [
        ("mm: a", 1),
        ("mm: b", 0),
        ("mm: c", 0),
    ]
    with pytest.raises(UserError, match="incomplete: mm-b of the -mm stack missing between its patches"):
        choose(look([c, fix, a]))


# --- what an archive has damaged ------------------------------------------------------------------------------


def test_a_damaged_patch_is_told_of_and_refused(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(b" ".join(notice("mm: a", "a", "mm-a").partition(b"\n\n")[2].split()) + b"\n")
    found = read_survey([str(path)], processes=processes, repo=None)
    series = one(found)
    assert reason(found.source, series) == "whitespace lost"
    assert "--repair" in series.objections[0].fix
    assert [(file.path, file.additions, file.deletions) for file in series.patches[0].piece.files] == [("mm/a.c", 2, 1)]
    with pytest.raises(InputError, match="whitespace lost"):
        choose(found)


def test_a_whole_copy_beside_a_damaged_one_is_taken(tmp_path: Path, processes: Processes) -> None:
    whole = notice("mm: a", "a", "mm-a")
    (tmp_path / "page.txt").write_bytes(b" ".join(whole.partition(b"\n\n")[2].split()) + b"\n")
    (tmp_path / "m.mbox").write_bytes(whole)
    sources = [str(tmp_path / "page.txt"), str(tmp_path / "m.mbox")]
    assert len(choose(read_survey(sources, processes=processes, repo=None)).patches) == 1


def test_what_is_repaired_is_taken(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(b" ".join(notice("mm: a", "a", "mm-a").partition(b"\n\n")[2].split()) + b"\n")
    tree = b"int f(void)\n" + b"\n" * 20 + b"one\ntwo\nthree\n"
    with pytest.raises(InputError, match="whitespace lost"):
        read_series(str(path), processes=processes, repo=None)
    with pytest.raises(UserError, match="not in the file"):
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: tree)
    found = read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: tree[-14:])
    assert b"\n one\n-two\n+TWO\n+more\n three\n" in found.patches[0].mail
    assert "patch 1: mm/a.c: whitespace inferred in lines 2-3" in found.warnings


# --- base -----------------------------------------------------------------------------------------------------


def test_base_hints_of_cover_and_patches(look: Look, make_mail: MakeMail, diff: str) -> None:
    commit, patch_id = "1" * 40, "2" * 40
    trailer = f"\nbase-commit: {commit}\nprerequisite-patch-id: {patch_id}\n"
    found = look(
        [
            make_mail("[PATCH 0/1] c", "", body="This applies over mm-unstable.\n> based on v6.1"),
            make_mail("[PATCH 1/1] a", diff + trailer),
        ]
    )
    assert one(found).base == BaseHints(commit, (patch_id,), ("This applies over mm-unstable.",))
    assert choose(found).base == one(found).base
