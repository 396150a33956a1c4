"""Threads by Message-ID and URL, through the real b4, from an archive on the loopback like public-inbox."""

from __future__ import annotations

import gzip
import http.server
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.errors import Cancelled, HarnessError, InfraError, UserError
from harness.host.process import Processes, Stop
from harness.series import read_series
from harness.series.patch import Kind, Piece, read_piece
from harness.series.sources import remote
from harness.series.sources.source import Opened, open_source

WALL = b"<!doctype html><html><title>Making sure you&#39;re not a bot!</title></html>"


def diff(name: str, word: str) -> str:
    return (
        f"---\n mm/{name}.c | 3 ++-\n 1 file changed, 2 insertions(+), 1 deletion(-)\n\n"
        f"diff --git a/mm/{name}.c b/mm/{name}.c\nindex 1111111..2222222 100644\n--- a/mm/{name}.c\n+++ b/mm/{name}.c\n"
        f"@@ -1,3 +1,4 @@ int f(void)\n one\n-two\n+{word}\n+more\n three\n-- \n2.39.5\n\n"
    )


def mail(subject: str, name: str, *, file: str = "", word: str = "TWO", to: str = "", body: str = "Why.") -> bytes:
    reply = f"In-Reply-To: <{to}@example.org>\nReferences: <{to}@example.org>\n" if to else ""
    return (
        "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: Ada Example <ada@example.org>\nTo: list@example.org\n"
        f"Date: Thu, 1 Jan 2026 10:00:00 +0000\nSubject: {subject}\nMessage-ID: <{name}@example.org>\n{reply}\n"
        f"{body}\n\nSigned-off-by: Ada Example <ada@example.org>\n{diff(file, word) if file else ''}\n"
    ).encode()


V1 = [
    mail("[PATCH 0/2] mm: the whole", "cover",
         body=f"All of it.\n\nbase-commit: {'0123456789' * 4}\nprerequisite-patch-id: {'1' * 40}"),
    mail("[PATCH 1/2] mm: change a", "one", file="a", to="cover"),
    mail("[PATCH 2/2] mm: change b", "two", file="b", to="cover"),
    mail("Re: [PATCH 1/2] mm: change a", "good", to="one", body="> Why.\n\nGood.\n\nReviewed-by: Bo <bo@example.org>"),
]  # fmt: skip
V2 = [
    mail("[PATCH v2 0/2] mm: the whole", "cover2"),
    mail("[PATCH v2 1/2] mm: change a", "one2", file="a", word="NEW", to="cover2"),
    mail("[PATCH v2 2/2] mm: change b", "two2", file="b", word="NEW", to="cover2"),
]


@dataclass
class Archive:
    """What the server says, and what it was asked."""

    url: str = ""
    threads: dict[str, bytes] = field(default_factory=dict)  # by a Message-ID in it: what t.mbox.gz is
    found: bytes | None = None  # by a search
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def has(self, *names: str, mails: list[bytes]) -> None:
        for name in names:
            self.threads[f"{name}@example.org"] = gzip.compress(b"".join(mails))

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if "q=" in path:
            return (200, self.found) if self.found is not None else (404, b"")
        name = unquote(path).removesuffix("/t.mbox.gz").rpartition("/")[2]
        if not path.endswith("/t.mbox.gz") or name not in self.threads:
            return 404, b""
        return self.status, self.threads[name]


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """A public-inbox archive on the loopback, which the user's git configuration names; no other network."""
    known = Archive()

    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = known.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_HEAD = reply  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        known.url = f"http://127.0.0.1:{server.server_port}"
        configure(monkeypatch, f"{known.url}/all/%s")
        yield known
        server.shutdown()
        thread.join()


def configure(monkeypatch: pytest.MonkeyPatch, midmask: str) -> None:
    for name, value in (
        ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "b4.midmask"), ("GIT_CONFIG_VALUE_0", midmask),
        ("GIT_CONFIG_KEY_1", "b4.gpgbin"), ("GIT_CONFIG_VALUE_1", "/nonexistent"), ("NO_PROXY", "127.0.0.1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        remote.find_b4()
    except InfraError:
        pytest.skip("b4 is not installed")


Open = Callable[[str], Opened]


@pytest.fixture
def fetch(processes: Processes) -> Open:
    return lambda source: open_source(source, processes=processes, repo=None)


def pieces(opened: Opened) -> list[Piece]:
    return [read_piece(raw) for raw in opened.mails]


def refused(fetch: Open, source: str) -> HarnessError:
    with pytest.raises(HarnessError) as caught:
        fetch(source)
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize(
    "spelling", ["{}", "<{}>", "id:{}", "id:<{}>", "{url}/all/{}/", "{url}/list/{}/T/#u", "{url}/r/{}"]
)
def test_thread_of_any_of_its_messages(archive: Archive, fetch: Open, spelling: str) -> None:
    archive.has("two", mails=V1)
    opened = fetch(spelling.format("two@example.org", url=archive.url))
    found = pieces(opened)
    assert [piece.kind for piece in found] == [Kind.COVER, Kind.PATCH, Kind.PATCH, Kind.REPLY]
    assert [piece.subject.number for piece in found[1:3]] == [1, 2]
    assert found[1].message_id == "<one@example.org>"
    assert found[1].author == "Ada Example <ada@example.org>"
    assert "<two@example.org>" in found[2].place
    assert not opened.strict


def test_base_and_prerequisites_of_the_cover_letter_arrive(archive: Archive, fetch: Open) -> None:
    archive.has("one", mails=V1)
    cover = next(piece for piece in pieces(fetch("one@example.org")) if piece.kind is Kind.COVER)
    assert f"base-commit: {'0123456789' * 4}" in cover.text
    assert f"prerequisite-patch-id: {'1' * 40}" in cover.text


def test_two_versions_in_one_thread_both_arrive(archive: Archive, fetch: Open) -> None:
    mails = [*V1, *(raw.replace(b"\n\nWhy.", b"\nReferences: <cover@example.org>\n\nWhy.", 1) for raw in V2)]
    archive.has("cover", mails=mails)
    found = [piece for piece in pieces(fetch("cover@example.org")) if piece.kind is Kind.PATCH]
    assert [(piece.subject.version, piece.subject.number) for piece in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_newer_version_elsewhere_in_the_archive_is_told_of_but_not_mixed_in(archive: Archive, fetch: Open) -> None:
    archive.has("one", mails=V1)
    archive.found = gzip.compress(b"".join(V2))
    opened = fetch("one@example.org")
    assert "the archive has v2 of this series: <cover2@example.org>" in opened.notes
    assert {piece.subject.version for piece in pieces(opened)} == {1}


def test_partial_reroll_is_completed_by_b4(archive: Archive, fetch: Open) -> None:
    reroll = mail("[PATCH v2 2/2] mm: change b", "two2", file="b", word="REROLLED", to="two")
    archive.has("cover", mails=[*V1, reroll])
    opened = fetch("cover@example.org")
    assert "b4: v2 is a partial reroll: patch 1 is that of v1" in opened.notes
    second = [piece for piece in pieces(opened) if piece.kind is Kind.PATCH and piece.subject.version == 2]
    assert sorted((piece.subject.number or 0, piece.subject.title) for piece in second) == [
        (1, "mm: change a"), (2, "mm: change b"),
    ]  # fmt: skip
    carried = next(piece for piece in second if piece.subject.number == 1)
    assert "carried from v1 into v2" in carried.place


def test_partial_reroll_is_read_as_one_whole_series(archive: Archive, processes: Processes) -> None:
    reroll = mail("[PATCH v2 2/2] mm: change b", "two2", file="b", word="REROLLED", to="two")
    archive.has("cover", mails=[*V1, reroll])
    series = read_series("cover@example.org", processes=processes, repo=None)
    assert (series.version, [patch.subject for patch in series.patches]) == (2, ["mm: change a", "mm: change b"])
    assert b"+TWO\n" in series.patches[0].mail
    assert b"+REROLLED\n" in series.patches[1].mail
    assert any("partial reroll" in warning for warning in series.warnings)


def test_series_without_its_newer_version_says_that_there_is_one(archive: Archive, processes: Processes) -> None:
    archive.has("one", mails=V1)
    archive.found = gzip.compress(b"".join(V2))
    series = read_series("one@example.org", processes=processes, repo=None)
    assert (series.version, len(series.patches)) == (1, 2)
    assert any("has v2 of this series" in warning for warning in series.warnings)


def test_unknown_message(archive: Archive, fetch: Open) -> None:
    error = refused(fetch, "nobody@example.org")
    assert isinstance(error, UserError)
    assert "has no such message" in error.what
    assert "127.0.0.1" in error.what


def test_page_that_keeps_robots_out_is_called_that(archive: Archive, fetch: Open) -> None:
    archive.threads["one@example.org"] = WALL
    error = refused(fetch, "one@example.org")
    assert isinstance(error, InfraError)
    assert "keeps robots out" in error.what
    assert "browser" in error.fix
    assert "Traceback" not in error.what + error.fix + error.detail


@pytest.mark.parametrize("status", [403, 429])
def test_refusal_of_the_archive(archive: Archive, fetch: Open, status: int) -> None:
    archive.has("one", mails=V1)
    archive.status = status
    error = refused(fetch, "one@example.org")
    assert isinstance(error, InfraError)
    assert f"HTTP status {status}" in error.what


def test_offline_names_the_ways_that_need_no_network(
    archive: Archive, fetch: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, "http://127.0.0.1:1/all/%s")
    error = refused(fetch, "one@example.org")
    assert isinstance(error, InfraError)
    assert "cannot reach 127.0.0.1:1" in error.what
    for way in ("mailbox file", "archive page", "git range"):
        assert way in error.fix


def test_damaged_mailbox_is_an_error(archive: Archive, fetch: Open) -> None:
    archive.threads["one@example.org"] = gzip.compress(b"".join(V1))[:-20]
    assert isinstance(refused(fetch, "one@example.org"), InfraError)


def test_without_b4_it_says_what_to_install(tmp_path: Path, fetch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(fetch, "one@example.org")
    assert isinstance(error, InfraError)
    assert "b4 is not installed" in error.what
    assert "pip install b4" in error.fix
    assert "mailbox file" in error.fix


def fake_b4(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "b4"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(remote, "find_b4", lambda: program)


def test_b4_sees_nothing_of_its_user_but_which_archive_to_ask(
    tmp_path: Path, archive: Archive, fetch: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    fake_b4(tmp_path, monkeypatch, f"env >>{tmp_path}/env; pwd >>{tmp_path}/pwd; exit 1")
    refused(fetch, "one@example.org")
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    here = (tmp_path / "pwd").read_text().split()[0]
    assert env["HOME"] == env["XDG_CONFIG_HOME"] == env["XDG_CACHE_HOME"] == here
    assert not Path(here).exists()  # gone with all that was in it
    assert "GIT_DIR" not in env
    keys = [env[f"GIT_CONFIG_KEY_{number}"] for number in range(int(env["GIT_CONFIG_COUNT"]))]
    assert keys == ["b4.midmask", "b4.attestation-checkmarks"]  # and not b4.gpgbin
    assert env["GIT_CONFIG_VALUE_0"] == f"{archive.url}/all/%s"


TALKATIVE = """
for word; do case "$word" in mbox|am) verb=$word;; esac; done
while [ "$1" != -o ]; do shift; done
[ "$verb" = am ] && { cat {talk} >&2; exit {code}; }
cp {box} "$2/thread.mbx"; cp {box} "$2/newer.mbx"
"""


def test_attestation_is_told_and_a_hard_policy_is_kept(
    tmp_path: Path, fetch: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box").write_bytes(b"".join(V1))
    (tmp_path / "talk").write_text(
        "Analyzing 4 messages\n  v [PATCH 1/2] mm: change a\n    v Signed: DKIM/example.org\n"
        "    x BADSIG: ed25519/a\x1b[0m\n"
    )
    script = TALKATIVE.replace("{talk}", f"{tmp_path}/talk").replace("{box}", f"{tmp_path}/box")
    fake_b4(tmp_path, monkeypatch, script.replace("{code}", "0"))
    opened = fetch("one@example.org")
    assert opened.notes == ("b4: v Signed: DKIM/example.org", "b4: x BADSIG: ed25519/a [0m")
    assert len(pieces(opened)) == 4
    with (tmp_path / "talk").open("a") as talk:
        talk.write("---\nExiting due to attestation-policy: hardfail\n")
    fake_b4(tmp_path, monkeypatch, script.replace("{code}", "128"))
    error = refused(fetch, "one@example.org")
    assert isinstance(error, UserError)
    assert "hardfail" in error.what
    assert "BADSIG" in error.detail


def test_old_b4_is_called_that(tmp_path: Path, fetch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_b4(tmp_path, monkeypatch, "echo 'b4: error: unrecognized arguments: --no-stdin' >&2; exit 2")
    assert "too old" in refused(fetch, "one@example.org").what


def test_deadline_and_stop(tmp_path: Path, fetch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_b4(tmp_path, monkeypatch, "exec sleep 1000")
    monkeypatch.setattr(remote, "_FETCH_S", 0.2)
    assert "did not get it within" in refused(fetch, "one@example.org").what
    monkeypatch.setattr(remote, "_FETCH_S", 1000.0)
    stop = Stop()
    threading.Timer(0.3, stop.set, ["enough"]).start()
    with Processes(stop) as processes, pytest.raises(Cancelled):
        open_source("one@example.org", processes=processes, repo=None)


def test_option_like_message_id_is_no_option(tmp_path: Path, fetch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_b4(tmp_path, monkeypatch, f'printf "%s\\n" "$@" >>{tmp_path}/argv; exit 1')
    refused(fetch, "--version@example.org")
    assert "<--version@example.org>" in (tmp_path / "argv").read_text().splitlines()


@pytest.mark.parametrize(
    "source",
    [
        "https://lore.kernel.org/linux-mm/",
        "https://patchwork.kernel.org/project/linux-mm/list/?series=1&a=b@c",
        "http://x",
    ],
)
def test_address_that_names_no_message(fetch: Open, source: str) -> None:
    assert "no Message-ID in this address" in refused(fetch, source).what


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("20260101.1-a@example.org", True), ("<a@b>", True), ("id:a@b", True), ("<a/b@c>", True),
        ("https://lore.kernel.org/r/a@b", True), ("HEAD@{1}", False), ("main..topic@x", False), ("a b@c", False),
        ("topic", False), ("./a@b/c", False), ("a@b@c", False), ("<a@b", False), ("@", False),
    ],
)  # fmt: skip
def test_what_is_taken_for_a_message_id(source: str, expected: bool) -> None:
    assert remote.is_remote(source) is expected
