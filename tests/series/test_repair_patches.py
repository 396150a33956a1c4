"""Repair: what comes out is the patch that was damaged, or a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import UserError
from harness.series.mail import Mail
from harness.series.mend.damaged import read_damaged
from harness.series.mend.repair import repair
from tests.series import damage
from tests.series.damage import collapsed, diff_of, flattened, repaired

EXAMPLE = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/example.h>

#define EXAMPLE_ONE\t\t1
#define EXAMPLE_MANY\t\t16

struct example {
\tint count;\t/* of users */
\tstruct list_head list;
};

static int example_take(struct example *example, unsigned long flags,
\t\t\tbool wait)
{
\tint ret = 0;

\tif (!example)
\t\treturn -EINVAL;

\t/* Nobody else may be here. */
\tspin_lock(&example->lock);
\twhile (example->count > EXAMPLE_MANY) {
\t\tret = example_wait(example, flags,
\t\t\t\t   wait);
\t\tif (ret)
\t\t\tgoto out;
\t}
\texample->count++;
out:
\tspin_unlock(&example->lock);
\treturn ret;
}

static void example_put(struct example *example)
{
\texample->count--;
}
"""

NEW_FUNCTION = """\
/*
 * Give it back, and say whether it was the last:
 * one + one is two.
 */
static bool example_put_last(struct example *example, int how,
\t\t\t     bool wake)
{
\tswitch (how) {
\tcase EXAMPLE_ONE:
\t\texample->count--;
\t\tbreak;
\tdefault:
\t\tif (wake)
\t\t\texample->count -= how + 1;
\t\telse
\t\t\treturn false;
\t}

\tfor_each_example(example) {
\t\tif (!example->count)
\t\t\tcontinue;
\t\tlist_del(&example->list);
\t}
#ifdef CONFIG_EXAMPLE
\texample_note(example->count == 0 ?
\t\t     "last" : "more");
#endif

\treturn !example->count;
}

"""

Damage = Callable[..., Mail]
BOTH = pytest.mark.parametrize("damaged", [flattened, collapsed], ids=["one line", "lines"])


def change(*pairs: tuple[str, str]) -> dict[str, tuple[str, str]]:
    after = EXAMPLE
    for old, new in pairs:
        assert after.count(old) == 1
        after = after.replace(old, new)
    return {"mm/example.c": (EXAMPLE, after)}


CHANGES = {
    "replaced comment and block": change(
        ("\t/* Nobody else may be here. */\n", ""),
        ("\t\tif (ret)\n\t\t\tgoto out;\n", "\t\tif (ret) {\n\t\t\texample_fail(ret);\n\t\t\tgoto out;\n\t\t}\n"),
    ),
    "new function": change(("static void example_put", NEW_FUNCTION + "static void example_put")),
    "body without braces": change(
        (
            "\tif (!example)\n\t\treturn -EINVAL;\n",
            "\tif (!example ||\n\t    !example->count)\n\t\treturn -EINVAL;\n\n"
            "\tif (flags)\n\t\texample_flag(flags);\n",
        )
    ),
    "defines in columns": change(
        ("#define EXAMPLE_MANY\t\t16\n", "#define EXAMPLE_MANY\t\t32\n#define EXAMPLE_ALL\t\t64\n")
    ),
    "a label": change(
        ("\texample->count++;\nout:\n", "\texample->count++;\n\tgoto done;\nfail:\n\tret = -EIO;\ndone:\n")
    ),
    "an operator at the end of a line": change(
        ("\texample->count++;\n", "\texample->count = example->count +\n\t\t\t EXAMPLE_ONE;\n")
    ),
    "removed": change(("\tint ret = 0;\n\n", "\tint ret = 0;\n"), ("\texample->count++;\n", "")),
}


@BOTH
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_the_kernels_style_comes_back_exactly(name: str, damaged: Damage) -> None:
    files = CHANGES[name]
    result = repaired(damaged(diff_of(files)), files)
    assert result.images == {"mm/example.c": files["mm/example.c"][1].encode()}
    assert "\n".join(diff_of(files)) in result.mail.decode()


@BOTH
def test_all_lines_whose_whitespace_was_inferred_are_named(damaged: Damage) -> None:
    files = CHANGES["defines in columns"]
    result = repaired(damaged(diff_of(files)), files)
    assert result.guessed == ("mm/example.c:5: #define EXAMPLE_MANY\t\t32", "mm/example.c:6: #define EXAMPLE_ALL\t\t64")
    assert result.notes == ("mm/example.c: whitespace inferred in lines 5-6",)


@BOTH
def test_moved_code_keeps_its_whitespace(damaged: Damage) -> None:
    """However odd it is: here blanks after a type, and arguments that nobody would align so."""
    odd = "static long  example_sum(struct example *example,\n\tint   more)\n\t{ return example->count + more; }\n\n"
    files = {
        "include/linux/example.h": ("#ifndef A\n#define A\n\n" + odd + "#endif\n", "#ifndef A\n#define A\n\n#endif\n"),
        "mm/example.c": (EXAMPLE, EXAMPLE.replace("static void", odd + "static void")),
    }
    result = repaired(damaged(diff_of(files)), files)
    assert result.images == {path: after.encode() for path, (_, after) in files.items()}


@BOTH
def test_the_blob_finds_the_style_and_proves_it(damaged: Damage) -> None:
    """Arguments by tabs, one line further in than anybody could know."""
    new = NEW_FUNCTION.replace("\t\t\t     bool wake)", "\t\tbool wake)")
    files = change(("static void example_put", new + "static void example_put"))
    result = repaired(damaged(diff_of(files, blobs=True)), files)
    assert result.images == {"mm/example.c": files["mm/example.c"][1].encode()}
    assert result.guessed == ()
    assert result.notes == (f"mm/example.c: all lines proven by the blob {damage.blob(files['mm/example.c'][1])[:12]}",)


@BOTH
def test_whitespace_that_nothing_shows_is_refused_where_the_blob_is_known(damaged: Damage) -> None:
    files = change(("\texample->count++;\n", "\texample->count   ++   ; \n\n  \n"))
    with pytest.raises(UserError, match=r"no whitespace .* gives the blob [0-9a-f]{12}"):
        repaired(damaged(diff_of(files, blobs=True)), files)


@BOTH
def test_another_base_is_refused_with_the_blobs(damaged: Damage) -> None:
    files = CHANGES["a label"]
    other = {"mm/example.c": (EXAMPLE + "\n", "")}
    with pytest.raises(UserError) as caught:
        repaired(damaged(diff_of(files, blobs=True)), other)
    assert f"wants blob {damage.blob(EXAMPLE)[:12]}, the tree has {damage.blob(EXAMPLE + chr(10))[:12]}" in str(
        caught.value
    )


@BOTH
@pytest.mark.parametrize("lines", [7, -3])
def test_an_offset_is_found_and_said(damaged: Damage, lines: int) -> None:
    files = CHANGES["replaced comment and block"]
    moved = "// a\n" * lines + EXAMPLE if lines > 0 else "\n".join(EXAMPLE.split("\n")[-lines:])
    result = repaired(damaged(diff_of(files)), {"mm/example.c": (moved, "")})
    assert any(note.endswith(f": {lines:+d} lines from where it says") for note in result.notes)


@BOTH
def test_two_places_are_refused(damaged: Damage) -> None:
    """Where the header's place does not fit, no other is chosen among several."""
    before = "".join(f"{n}\n" for n in range(40))
    block = "int f(void)\n{\n\treturn 1;\n}\n\n/* end */\n"
    files = {"mm/example.c": (before + block + before, before + block.replace("1", "2") + before)}
    twice = "37\n38\n39\n" + block + "0\n" + before + block + before
    with pytest.raises(UserError, match=r"more than one other place \(lines 3, 50\)"):
        repaired(damaged(diff_of(files)), {"mm/example.c": (twice, "")})


@BOTH
def test_a_line_that_the_tree_does_not_have_is_refused(damaged: Damage) -> None:
    files = CHANGES["a label"]
    with pytest.raises(UserError, match="not in the file"):
        repaired(damaged(diff_of(files)), {"mm/example.c": (EXAMPLE.replace("spin_unlock", "spin_undo"), "")})


@BOTH
def test_a_diffstat_that_disagrees_is_refused(damaged: Damage) -> None:
    files = CHANGES["a label"]
    mail = damaged(diff_of(files))
    lines = [line.replace(b"4 insertions(+)", b"5 insertions(+)") for line in mail.text.lines]
    mail.text.lines[:] = lines
    with pytest.raises(UserError, match="adds 5 and removes 1 lines; what is left of it adds 4 and removes 1"):
        repaired(mail, files)


@BOTH
def test_another_number_of_files_is_a_note(damaged: Damage) -> None:
    files = CHANGES["a label"]
    mail = damaged(diff_of(files))
    mail.text.lines[:] = [line.replace(b"1 file changed", b"2 files changed") for line in mail.text.lines]
    assert repaired(mail, files).notes[0] == "the patch says that it changes 2 files; there are 1 in it"


def test_an_operator_that_may_be_a_new_line_is_refused() -> None:
    """In prose nothing tells `b + c` from two lines: with one `+` too many, either may be the operator."""
    before = "".join(f"{word}\n" for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"])
    after = before.replace("four\n", "four\na + b\nc + d\n")
    files = {"Documentation/example.rst": (before, after)}
    diff = diff_of(files)
    assert repaired(collapsed(diff), files).images == {"Documentation/example.rst": after.encode()}
    with pytest.raises(UserError, match="more than one way; the first line in doubt is 'a'"):
        repaired(flattened(diff), files)


@pytest.mark.parametrize(
    "added",
    [
        "\tx = a +\n\t    b;", "\tx += 1;", "\t++x;", "\tfoo(a + b);", '\tchar *s = "a + b";', "\t/* a + b */",
        "\tif (a)\n\t\tx = a + b;", "\tx = y;\n\ty = a + b + c;",
    ],
)  # fmt: skip
def test_the_counts_tell_operators_from_new_lines(added: str) -> None:
    files = change(("\texample->count++;\n", f"\texample->count++;\n{added}\n"))
    assert repaired(flattened(diff_of(files)), files).images == {"mm/example.c": files["mm/example.c"][1].encode()}


@BOTH
def test_new_and_deleted_files(damaged: Damage) -> None:
    new = [
        "diff --git a/mm/new.c b/mm/new.c", "new file mode 100644",
        f"index 000000000000..{damage.blob(NEW_FUNCTION)[:12]}",
        "--- /dev/null", "+++ b/mm/new.c", f"@@ -0,0 +1,{NEW_FUNCTION.count(chr(10))} @@",
        *(f"+{line}" for line in NEW_FUNCTION.split("\n")[:-1]),
    ]  # fmt: skip
    gone = [
        "diff --git a/mm/old.c b/mm/old.c", "deleted file mode 100644",
        f"index {damage.blob(EXAMPLE)[:12]}..000000000000",
        "--- a/mm/old.c", "+++ /dev/null", f"@@ -1,{EXAMPLE.count(chr(10))} +0,0 @@",
        *(f"-{line}" for line in EXAMPLE.split("\n")[:-1]),
    ]  # fmt: skip
    found = read_damaged(damaged([*new, *gone], stat=False))
    assert found is not None
    result = repair(found, lambda path, _: EXAMPLE.encode() if path == "mm/old.c" else None)
    assert result.images == {"mm/new.c": NEW_FUNCTION.encode(), "mm/old.c": None}


@BOTH
def test_a_file_without_a_newline_at_its_end(damaged: Damage) -> None:
    before, after = "one\ntwo\nthree", "one\ntwo\nTHREE"
    for old, new in ((before, after), (before, after + "\n"), (before + "\n", after)):
        files = {"mm/example.c": (old, new)}
        assert repaired(damaged(diff_of(files)), files).images == {"mm/example.c": new.encode()}
    with pytest.raises(UserError, match="last line ends otherwise"):
        repaired(damaged(diff_of({"mm/example.c": (before, after)})), {"mm/example.c": (before + "\n", "")})


def test_what_follows_a_flattened_patch_is_no_part_of_it() -> None:
    files = CHANGES["new function"]
    for after in ("_ Patches currently in -mm which might be from ada@example.org are a.patch", "-- 2.39.5", "--"):
        result = repaired(flattened(diff_of(files), after), files)
        assert result.images == {"mm/example.c": files["mm/example.c"][1].encode()}


def test_what_follows_the_lines_of_a_patch_is_no_part_of_it() -> None:
    files = CHANGES["a label"]
    result = repaired(collapsed([*diff_of(files), "--", "2.39.5", "", "Bo"], stat=False), files)
    assert result.images == {"mm/example.c": files["mm/example.c"][1].encode()}


def test_labels_of_quilt_are_taken_off() -> None:
    files = CHANGES["a label"]
    diff = [line.replace("--- a/mm/example.c", "--- a/mm/example.c~mm-example-fix").replace("+++ b/", "+++ a/")
            for line in diff_of(files)[1:]]  # fmt: skip
    result = repaired(flattened(diff, stat=False), files)
    assert b"\n--- a/mm/example.c\n+++ b/mm/example.c\n@@ " in result.mail


@BOTH
@pytest.mark.parametrize("name", ["../x.c", ".git/config", "a/../../x"])
def test_no_file_outside_the_tree(damaged: Damage, name: str) -> None:
    diff = [line.replace("mm/example.c", name) for line in diff_of(CHANGES["a label"])]
    with pytest.raises(UserError, match="outside the tree"):
        read_damaged(damaged(diff, stat=False))


def test_the_message_gets_its_lines_back() -> None:
    result = repaired(flattened(diff_of(CHANGES["a label"])), CHANGES["a label"])
    body = result.mail.decode().split("\n\n", 1)[1]
    assert body.startswith(
        "The example does too much under its lock, which is what everybody who reads\nit says. Do less.\n\n"
        "Link: https://example.org/r/1\nSigned-off-by: Ada Example <ada@xxxxxxxxxxx>\n---\n mm/example.c | 5 ++++-\n"
    )
