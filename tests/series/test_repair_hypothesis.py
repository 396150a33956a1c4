"""Whatever is damaged: a repair gives a patch that agrees with tree, counts and text, or refuses; and it ends."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import InputError, UserError
from harness.series.diff import parse_diff
from harness.series.mail import Mail, parse_mail
from harness.series.mend.damaged import read_damaged
from harness.series.mend.repair import Repaired, repair
from harness.series.sources.mailbox import split_blocks
from tests.series import damage

LINES = st.sampled_from(
    [
        "", "", "{", "}", "\tif (a + b)", "\t\treturn a + b;", "\t/* one + two */", "\tx = y +", "\t    z;",
        "int f(int a)", "\tfoo(a,", "\t    b);", "\tif (a) {", "\t}", "#define A\t1", "\ti++;", "\t--j;", "out:",
        "\tx += 1;", "- item", "+ item", '\tchar *s = "a + b";', "/*", " * comment + text", " */", "\treturn;",
        "@@ -1 +1 @@",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "diff --git a/mm/a.c b/mm/a.c", "index 1234567..89abcde 100644", "--- a/mm/a.c", "+++ b/mm/a.c", "--- a/../x",
        "@@ -1,3 +1,4 @@", "@@ -1,999999999 +1,999999999 @@", "@@ -0,0 +1,2 @@", "+", "-", " ", "+ +", "a + b", "\n",
        "\n", "1 file changed, 1 insertion(+)", "--- /dev/null", "new file mode 120000", "a.c | 3 ++-",
        "\\ No newline at end of file",
    ]
)  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str]:
    """A small file, before and after."""
    before = draw(st.lists(LINES, min_size=1, max_size=25))
    after = list(before)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(after)))
        del after[at : at + draw(st.integers(0, 3))]
        after[at:at] = draw(st.lists(LINES, max_size=5))
    newline = draw(st.sampled_from(["\n", "\n", "\n", ""]))
    return "\n".join(before) + "\n", "\n".join(after) + newline


def check(result: Repaired, diff: list[str], before: str, after: str, *, same: bool) -> None:
    """What must hold of every result; `same`: also that no line ends elsewhere than it did, blanks aside."""
    raw = next(split_blocks("out", iter(result.mail.splitlines(keepends=True))))
    mail = parse_mail(raw)
    assert mail is not None
    assert parse_diff("out", mail.text).files == result.files
    lines = [line.decode() for line in mail.text.lines]
    rebuilt = lines[lines.index(diff[0]) :]
    assert damage.bare("".join(rebuilt)) == damage.bare("".join(diff))
    (image,) = result.images.values()
    assert image is not None
    assert not same or damage.bare(image.decode()) == damage.bare(after)
    there = before.split("\n")
    for line in rebuilt:
        if line.startswith(("-", " ")) and not line.startswith("--- a/"):
            assert line[1:] in there


def attempt(mail: Mail, before: str) -> Repaired | None:
    try:
        damaged = read_damaged(mail)
        if damaged is None:
            return None
        return repair(damaged, lambda _path, _blob: before.encode())
    except UserError:
        return None


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(edit=edits(), blobs=st.booleans(), flat=st.booleans(), stat=st.booleans(), c=st.booleans())
def test_a_repair_agrees_with_everything_or_is_refused(
    edit: tuple[str, str], blobs: bool, flat: bool, stat: bool, c: bool
) -> None:
    """In one line that is said to be C and is none, the end of an added line may be taken for another; no more."""
    before, after = edit
    path = "mm/example.c" if c else "Documentation/example.rst"
    diff = damage.file_diff(path, before, after, blobs=blobs)
    if len(diff) < 4:
        return
    mail = damage.flattened(diff, stat=stat) if flat else damage.collapsed(diff, stat=stat)
    result = attempt(mail, before)
    if result is not None:
        check(result, diff, before, after, same=not (flat and c))
        if blobs:
            assert result.images == {path: after.encode()}


@settings(max_examples=100)
@given(words=st.lists(WORDS, max_size=30))
def test_no_document_breaks_it(words: list[str]) -> None:
    result = attempt(damage.mail_of(" ".join(words).split("\n")), "a\nb\n+\n")
    assert result is None or result.files


@pytest.mark.slow
def test_a_document_with_too_many_readings_is_refused_in_bounded_time() -> None:
    """Blank lines and plus signs everywhere: every place may be the end of a line."""
    before = "\n" * 400
    body = "+ a " * 3000
    text = f"--- a/mm/example.c +++ b/mm/example.c @@ -1,400 +1,1900 @@ {body}"
    try:
        repair_of = read_damaged(damage.mail_of([text]))
        assert repair_of is not None
        repair(repair_of, lambda _path, _blob: before.encode())
    except (UserError, InputError) as error:
        assert "mm/example.c" in error.what
    else:
        raise AssertionError("it was read in one way of many")
