"""hypermail's and MHonArc's pages of one message, and the patch that a reply quotes as a whole."""

from __future__ import annotations

from pathlib import Path

from harness.series.mail import Mail
from harness.series.pages import read_page
from harness.series.patch import Kind, read_piece
from harness.series.subject import Subject, parse_subject

PAGES = Path(__file__).parents[1] / "data" / "pages"


def mails(data: bytes) -> list[Mail]:
    found = read_page("page", data)
    assert found is not None
    return found


def read_subject(mail: Mail) -> Subject:
    return parse_subject(mail.header("subject"))


def page(name: str) -> bytes:
    return (PAGES / name).read_bytes()


def test_a_reply_is_a_reply_and_the_patch_it_quotes_is_its_authors() -> None:
    reply, quoted = mails(page("hypermail-reply.txt"))
    assert read_piece(reply).kind is Kind.REPLY
    assert (reply.header("subject"), reply.header("from")) == ("Re: [PATCH v2 2/3] mm: use the counter", "Rev Reviewer")
    assert reply.header("date") == "Tue, 3 Mar 2026 12:07:09 -0500"
    assert b"Reviewed-by: Rev Reviewer <rev@xxxxxxxxxxx>" in reply.text.lines
    assert not any(b"message:" in line for line in reply.text.lines)
    assert (quoted.form, quoted.damage) == ("hypermail", "whitespace lost")
    assert (quoted.header("subject"), quoted.header("from"), quoted.header("date")) == (
        "[PATCH v2 2/3] mm: use the counter", "Ada Example <ada@xxxxxxxxxxx>", "Tue, 3 Mar 2026 06:11 -0000",
    )  # fmt: skip
    assert reply.header("references") == f"#{quoted.line}"


def test_the_quoted_text_is_without_the_reviewers_and_keeps_its_line_numbers() -> None:
    data = page("hypermail-reply.txt")
    _, quoted = mails(data)
    whole = data.split(b"\n")
    assert quoted.text.lines[1] == b"Use it, in a file"
    assert not any(b"Rev Reviewer" in line or b"Is that ever so" in line for line in quoted.text.lines)
    for line, number in zip(quoted.text.lines, quoted.text.numbers, strict=True):
        assert whole[number - 1] == (b"> " + line if line else b">")


def test_a_patch_that_is_quoted_in_part_is_no_patch() -> None:
    data = page("hypermail-reply.txt")
    for cut in (b"> + return locked;\n", b"> -", b"> diff --git a/mm/example.c b/mm/example.c\n> index"):
        assert cut in data
    assert len(mails(data.replace(b"> + return locked;\n", b""))) == 1
    assert len(mails(data.replace(b"> }\n", b"> }\n> + one more\n"))) == 1
    assert len(mails(data[: data.index(b"> diff --git")] + data[data.index(b"> @@") :])) == 1


def test_without_an_attribution_the_author_is_the_only_one_who_signed_off() -> None:
    data = page("hypermail-reply.txt")
    plain = data.replace(b"On Tue, Mar 3, 2026 at 6:11 AM Ada Example\n<ada@xxxxxxxxxxx> wrote:\n", b"")
    assert mails(plain)[1].header("from") == "Ada Example <ada@xxxxxxxxxxx>"
    second = plain.replace(b"> ---\n", b"> Signed-off-by: Other Person <other@xxxxxxxxxxx>\n> ---\n")
    assert "from" not in mails(second)[1].headers


def test_a_quoted_patch_that_kept_its_blanks_is_still_only_quoted() -> None:
    data = page("hypermail-reply.txt")
    data = data.replace(b"> int example(void)", b">  int example(void)").replace(b"> {", b">  {")
    data = data.replace(b"> }", b">  }").replace(b"> - return", b"> -\treturn")
    assert [mail.damage for mail in mails(data)] == ["", "quoted in a reply"]


def test_a_patch_that_lost_its_blanks_says_so() -> None:
    [mail] = mails(page("hypermail-patch.txt"))
    assert (mail.damage, mail.header("from")) == ("whitespace lost", "Ada Example")
    assert mail.text.lines[0] == b"Use it."
    kept = page("hypermail-patch.txt").replace(b"\nint example(void)\n{", b"\n int example(void)\n {")
    [mail] = mails(kept.replace(b"\n}\n", b"\n }\n").replace(b"+ return", b"+\treturn"))
    assert (mail.damage, mail.header("from")) == ("", "Ada Example <ada@xxxxxxxxxxx>")
    assert read_piece(mail).kind is Kind.PATCH


def test_an_mhonarc_reply_without_headers() -> None:
    [mail] = mails(page("spinics-reply.txt"))
    assert (mail.header("subject"), mail.form) == ("Re: [PATCH v2 1/2] mm: add a counter", "spinics")
    assert set(mail.headers) == {"subject"}
    assert mail.text.lines[0].startswith(b"On Tue") and mail.text.lines[-1] == b"Count me in."
    assert read_piece(mail).kind is Kind.REPLY


def test_an_mhonarc_patch_with_headers() -> None:
    [mail] = mails(page("spinics-patch.txt"))
    piece = read_piece(mail)
    assert (piece.kind, piece.author) == (Kind.PATCH, "Ada Example <ada@xxxxxxxxxxx>")
    assert piece.date == "Tue, 3 Feb 2026 09:01:00 +0000"
    assert mail.text.lines[0] == b"A counter." and mail.text.lines[-1] == b"2.50.1"


def test_the_real_reply_that_quotes_a_patch(seeds: Path) -> None:
    data = next(seeds.glob("002_*")).read_bytes()
    reply, quoted = mails(data)
    assert read_piece(reply).kind is Kind.REPLY
    assert (quoted.form, quoted.damage) == ("hypermail", "whitespace lost")
    assert b"\n> Signed-off-by: " + quoted.headers["from"] + b"\n" in data
    assert reply.headers["from"] not in quoted.headers["from"]
    assert data.startswith(b"Re: " + quoted.headers["subject"] + b"\n")
    assert (read_subject(quoted).number, read_subject(quoted).total, read_subject(quoted).version) == (1, 2, 1)
    whole = data.split(b"\n")
    assert all(whole[number - 1].startswith(b">") for number in quoted.text.numbers)
    assert len(quoted.text.lines) == sum(line.startswith(b">") for line in whole)


def test_the_real_mhonarc_reply(seeds: Path) -> None:
    data = next(seeds.glob("001_*")).read_bytes()
    [mail] = mails(data)
    assert read_piece(mail).kind is Kind.REPLY
    assert data.startswith(mail.headers["subject"] + b"\n")
    assert (read_subject(mail).number, read_subject(mail).total, read_subject(mail).version) == (10, 16, 6)
    text = [line for line in data[: data.index(b"[Index")].split(b"\n") if line.strip()]
    assert mail.text.lines[-1] == text[-1]


def test_the_real_reply_is_a_comment_of_the_real_patch_page(seeds: Path) -> None:
    [one] = mails(next(seeds.glob("001_*")).read_bytes())
    comments = mails(next(seeds.glob("000_*")).read_bytes())[1:]

    def words(mail: Mail) -> list[bytes]:
        return [word for word in b" ".join(mail.text.lines).split() if b"@" not in word]

    assert [index for index, comment in enumerate(comments, 1) if words(comment) == words(one)] == [9]
