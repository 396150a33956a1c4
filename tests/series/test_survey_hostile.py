"""Whatever mails a document has: a survey of it, or an error of ours; and what would be applied is always whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, InputError
from harness.series.mail import Mail, Text
from harness.series.read import choose
from harness.series.sources.mailbox import RawMail, split_blocks
from harness.series.sources.source import Opened
from harness.series.survey import survey as surveying
from harness.series.survey.listing import as_data
from harness.series.survey.survey import survey

TITLES = st.sampled_from(["mm: a", "mm: b", "mm-a-fix", "mm-a-fix-2", "mm-b-v2", "", "Mm:  A"])
WORDS = st.lists(
    st.sampled_from(["PATCH", "RESEND", "RFC", "v2", "v3", "0/2", "1/2", "2/2", "3/2", "9999/9999", "?/6"])
)
IDS = st.sampled_from(["", "a@x.org", "b@x.org", "c@x.org", "a@xxxxx", "#1", "#2"])
DIFF = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+{1}\n"
BODIES = st.sampled_from(
    [
        "", "Why.", DIFF.format("f", "b"), DIFF.format("f", "c@x.org"), DIFF.format("f", "c@xxxxx"),
        DIFF.format("../f", "b"), DIFF.format("f", "b")[:-4], "> " + DIFF.format("f", "b").replace("\n", "\n> "),
        "Acked-by: B <b@x.org>", "> Acked-by: B <b@x.org>", "base-commit: " + "1" * 40,
        " 2 files changed, 9 insertions(+)\n" + DIFF.format("f", "b"), "A B (2):\n  mm: a\n  mm: b\n",
    ]
)  # fmt: skip
FORMS = st.sampled_from(["mail", "mail", "mail", "patchwork", "public-inbox", "-mm"])
STACKS = st.sampled_from(["", "mm-a.patch mm-b.patch", "mm-b.patch mm-a.patch mm-a-fix.patch"])


@st.composite
def mails(draw: st.DrawFn) -> RawMail | Mail:
    """A mail of a thread that makes little sense."""
    prefix = draw(st.sampled_from(["", "", "Re: "]))
    words = " ".join(draw(WORDS))
    text = (
        f"From: {draw(st.sampled_from(['A <a@x.org>', 'B <b@x.org>', 'A', '', 'A <a@xxxxx>']))}\n"
        f"Subject: {prefix}[{words}] {draw(TITLES)}\nMessage-ID: <{draw(IDS)}>\n"
        f"References: <{draw(IDS)}> <{draw(IDS)}>\n"
        f"X-Quilt-Name: {draw(TITLES)}\nX-Quilt-Stack: {draw(STACKS)}\n\n{draw(BODIES)}\n"
    ).replace("<#1>", "#1").replace("<#2>", "#2")  # fmt: skip
    (raw,) = split_blocks("m", text.encode().splitlines(keepends=True))
    form = draw(FORMS)
    if form == "mail":
        return raw
    from harness.series.mail import parse_mail

    mail = parse_mail(raw)
    assert mail is not None
    damage = draw(st.sampled_from(["", "", "whitespace lost"]))
    return replace(mail, form=form, damage=damage, line=draw(st.integers(1, 3)))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(mails(), max_size=9), st.booleans(), st.booleans())
def test_any_thread_is_surveyed(thread: list[RawMail | Mail], strict: bool, ordered: bool) -> None:
    found = survey("m", [Opened("m", thread, strict=strict or ordered, ordered=ordered)])
    json.dumps(as_data(found))
    for series in found.series:
        assert series.patches
        assert series.applicable or series.objections[0].what
        assert not set(series.present) & set(series.missing)
        if series.expected is not None and series.applicable:
            of_stack = all(patch.piece.form == "-mm" for patch in series.patches)
            assert of_stack or series.present == tuple(range(1, series.expected + 1))
    try:
        chosen = choose(found)
    except HarnessError as error:
        assert error.what
        return
    assert [patch.number for patch in chosen.patches] == list(range(1, len(chosen.patches) + 1))
    for patch in chosen.patches:
        assert all(part.files and part.mail for part in (patch, *patch.fixups))


@settings(max_examples=100, deadline=None)
@given(st.lists(mails(), max_size=6))
def test_a_document_twice_is_the_same_document(thread: list[RawMail | Mail]) -> None:
    once = survey("m", [Opened("m", thread, strict=False, ordered=False)])
    twice = survey("m", [Opened("m", thread + thread, strict=False, ordered=False)])
    assert [(each.title, each.present) for each in once.series] == [(each.title, each.present) for each in twice.series]


def endless() -> Iterator[RawMail]:
    while True:
        yield RawMail("m", 1, lines=[b"From: A <a@x.org>", b"Subject: Re: x", b"", b"y"])


def notices() -> Iterator[Mail]:
    stack = b" ".join(b"mm-%d.patch" % number for number in range(1000))
    for number in range(1000):
        headers = {"subject": b"Subject: x", "x-quilt-name": b"mm-%d" % number, "x-quilt-stack": stack}
        yield Mail("m", number, b"", headers, Text([b""], [1]), "UTF-8", form="-mm")


def test_long_stacks_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "_MAX_KEPT_BYTES", 1 << 20)
    with pytest.raises(InputError, match="more mails than"):
        survey("m", [Opened("m", notices(), strict=False, ordered=False)])


def test_a_document_without_end_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "_MAX_MAILS", 100)
    with pytest.raises(InputError, match="more mails than"):
        survey("m", [Opened("m", endless(), strict=False, ordered=False)])
