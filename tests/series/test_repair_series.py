"""Repair in a series: patches on top of each other, and the way from a document to what is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.process import Processes
from harness.series.mail import Text
from harness.series.mend.mended import mended
from harness.series.mend.overlay import Overlay, apply_exactly
from harness.series.read import choose, read_series, read_survey
from tests.series import damage

BEFORE = "int f(void)\n{\n\tint a;\n\n\ta = 1;\n\treturn a;\n}\n"
MIDDLE = BEFORE.replace("\ta = 1;\n", "\ta = 1;\n\ta++;\n")
AFTER = MIDDLE.replace("\ta++;\n", "\tif (a)\n\t\ta--;\n")


def notice(number: str, before: str, after: str) -> str:
    diff = damage.diff_of({"mm/example.c": (before, after)})
    return damage.notice(number, [*damage.stat_of(diff), *diff[1:]])


def test_each_patch_is_repaired_on_top_of_those_before_it(tmp_path: Path, processes: Processes) -> None:
    """The second one's lines are not in the tree: the first one adds them."""
    sources = []
    for number, before, after in (("two", MIDDLE, AFTER), ("one", BEFORE, MIDDLE)):
        sources.append(tmp_path / f"{number}.txt")
        sources[-1].write_text(notice(number, before, after))
    survey = read_survey([str(path) for path in sources], processes=processes, repo=None)
    with pytest.raises(UserError, match="whitespace lost"):
        choose(survey)
    series = choose(mended(survey, lambda path, _: BEFORE.encode() if path == "mm/example.c" else None))
    assert [patch.subject for patch in series.patches] == ["mm: example one", "mm: example two"]
    assert b"\n-\ta++;\n+\tif (a)\n+\t\ta--;\n" in series.patches[1].mail
    assert "patch 2: mm/example.c: whitespace inferred in lines 6-7" in series.warnings


def test_what_cannot_be_repaired_stays_refused(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    path.write_text(notice("one", BEFORE, MIDDLE))
    with pytest.raises(UserError, match="not in the file"):
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: b"int g;\n")
    with pytest.raises(UserError, match=r"mm/example\.c is not there"):
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: None)


@pytest.mark.parametrize(
    ("before", "after"),
    [(BEFORE, AFTER), (BEFORE, BEFORE[:-1]), (BEFORE[:-1], BEFORE), (BEFORE[:-1], AFTER[:-1]), ("a\n", "a\nb\n")],
)
def test_whole_patches_are_applied_exactly(before: str, after: str) -> None:
    lines = [line.encode() for line in damage.diff_of({"mm/example.c": (before, after)})]
    text = Text([b"Why.", b"---", b"", *lines], list(range(len(lines) + 3)))
    assert apply_exactly(text, lambda _path, _blob: before.encode()) == {"mm/example.c": after.encode()}
    assert apply_exactly(text, lambda _path, _blob: b"other\n") is None


def test_an_overlay_shows_files_as_patches_leave_them() -> None:
    overlay = Overlay(lambda path, _: {"a": b"1\n", "b": b"2\n"}.get(path))
    overlay.put({"a": None, "c": b"3\n"})
    assert [overlay(path, "") for path in "abcd"] == [None, b"2\n", b"3\n", None]
    assert not overlay.advance(b"From: a\n\nno diff\n")


PROVEN = "patch 1: {}: all lines proven by the blob {}"


MOVED = "static int g(int  a,\n\tint b)\n{\n\tif (a)\n\t\treturn a + b;\n\n\treturn   b;\n}\n\n"
QUOTED = {
    "include/linux/example.h": (f"#ifndef A\n#define A\n\n{MOVED}#endif\n", "#ifndef A\n#define A\n\n#endif\n"),
    "mm/example.c": (BEFORE, f"{MOVED}{BEFORE}"),
}


def test_a_patch_that_a_reply_quotes_is_rebuilt_where_its_base_is_given(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    path.write_text(damage.reply(QUOTED))
    with pytest.raises(UserError, match="whitespace lost"):
        read_series(str(path), processes=processes, repo=None)
    tree = {name: before.encode() for name, (before, _) in QUOTED.items()}
    series = read_series(str(path), processes=processes, repo=None, repair=lambda name, _: tree.get(name))
    (patch,) = series.patches
    assert patch.author == "Ada Example <ada@xxxxxxxxxxx>"
    assert "\n".join(damage.diff_of(QUOTED, blobs=True)) in patch.mail.decode()
    assert b"Why here?" not in patch.mail
    for name, (_, after) in QUOTED.items():
        assert PROVEN.format(name, damage.blob(after)[:12]) in series.warnings


def test_later_patches_may_be_missing_where_the_tree_proves_the_first(tmp_path: Path, processes: Processes) -> None:
    for number, total in ((1, 2), (2, 2)):
        path = tmp_path / f"{number}.txt"
        path.write_text(damage.reply(QUOTED).replace("[PATCH]", f"[PATCH {number}/{total}]"))
        survey = read_survey([str(path)], processes=processes, repo=None)
        tree = {name: before.encode() for name, (before, _) in QUOTED.items()}
        repaired = mended(survey, lambda name, _, tree=tree: tree.get(name))  # type: ignore[misc]
        if number == 1:
            assert any("1 of 2 only; 2 missing" in words for words in choose(repaired).warnings)
        else:
            with pytest.raises(UserError, match="2 of 2 only; 1 missing"):
                choose(repaired)


def test_a_patch_that_a_reply_quotes_is_refused_on_another_base(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    path.write_text(damage.reply(QUOTED))
    with pytest.raises(UserError) as caught:
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: BEFORE.encode() + b"\n")
    assert all(damage.blob(before)[:12] in caught.value.what for before, _ in QUOTED.values())


def test_a_patch_that_is_only_quoted_is_taken_as_it_stands(tmp_path: Path, processes: Processes) -> None:
    path = tmp_path / "page.txt"
    after = QUOTED["mm/example.c"][1].replace("return a;", "return  a;\t/* odd */")
    files = {"mm/example.c": (BEFORE, after)}
    path.write_text(damage.reply(files, collapse=False))
    with pytest.raises(UserError, match="quoted in a reply"):
        read_series(str(path), processes=processes, repo=None)
    series = read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: BEFORE.encode())
    assert "\n".join(damage.diff_of(files, blobs=True)).replace("\n \n", "\n\n") in series.patches[0].mail.decode()
    assert any("as it stands" in words for words in series.warnings)
