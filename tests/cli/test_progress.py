"""What events look like: plain lines for logs, a live table for a terminal, and nothing that a terminal would obey."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.progress import LiveProgress, PlainProgress, duration, make_progress, outlook_text, printable
from harness.events import Event, EventKind, Outlook

STEP = "build x86_64 lockdep"


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_of_plain_lines() -> None:
    stream, clock = io.StringIO(), Clock()
    with PlainProgress(stream, clock) as progress:
        progress.emit(Event(EventKind.STARTED, STEP, last_s=225.0))
        clock.now += 1
        progress.emit(Event(EventKind.PROGRESS, STEP, "compiling mm/vma.c"))
        clock.now += 31
        progress.emit(Event(EventKind.PROGRESS, STEP, "linking"))
        progress.emit(Event(EventKind.PROGRESS, STEP, "linking more"))
        progress.emit(Event(EventKind.NOTE, "", "no sandbox here"))
        progress.emit(Event(EventKind.FINISHED, STEP, "3 warnings", seconds=61.0))
        progress.emit(Event(EventKind.FINISHED, "tree", cached=True))
        progress.emit(Event(EventKind.FINISHED, STEP, "1 error", 2.5, good=False, log=Path("/r/build.log")))
        progress.emit(Event(EventKind.CONSOLE, "guest arm64", "Kernel panic\n---[ end\n"))
        progress.emit(Event(EventKind.FAILED, "guest arm64", "QEMU would not start", 0.1, log=Path("/r/c.log")))
        progress.say("SIGINT: stopping")
    assert stream.getvalue().splitlines() == [
        "[     0.0] build x86_64 lockdep … started (last time 3 min 45 s)",
        "[    32.0] build x86_64 lockdep: linking",
        "[    32.0] note no sandbox here",
        "[    32.0] ok   build x86_64 lockdep: 3 warnings (1 min 01 s)",
        "[    32.0] ok   tree (from the cache)",
        "[    32.0] BAD  build x86_64 lockdep: 1 error (2.5 s)",
        "[    32.0]      log: /r/build.log",
        "[    32.0] guest arm64 | Kernel panic",
        "[    32.0] guest arm64 | ---[ end",
        "[    32.0] FAIL guest arm64: QEMU would not start (0.1 s)",
        "[    32.0]      log: /r/c.log",
        "[    32.0] SIGINT: stopping",
    ]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_live_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    stream, clock = Terminal(), Clock()
    progress = make_progress(stream, clock)
    assert isinstance(progress, LiveProgress)
    with progress:
        progress.emit(Event(EventKind.STARTED, STEP, last_s=225.0))
        clock.now += 12
        progress.emit(Event(EventKind.PROGRESS, STEP, "compiling [mm]/vma.c"))
        progress._live.refresh()
        progress.emit(Event(EventKind.FINISHED, STEP, "no warnings", seconds=61.0))
        progress.emit(Event(EventKind.CONSOLE, "guest", "\x1b[2Jgone\x1b]0;title\x07"))
    shown = stream.getvalue()
    assert "12.0 s of 3 min 45 s" in shown
    assert "compiling [mm]/vma.c" in shown
    assert "ok   build x86_64 lockdep: no warnings (1 min 01 s)" in shown
    assert "guest | gone" in shown
    assert "\x1b[2J" not in shown
    assert "title" not in shown


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_can_be_kept_plain(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert isinstance(make_progress(Terminal()), PlainProgress)
    assert isinstance(make_progress(io.StringIO()), PlainProgress)


def test_a_log_that_nobody_reads_any_more_stops_nothing() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    PlainProgress(Closed()).emit(Event(EventKind.NOTE, "", "hello"))


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    assert all(character.isprintable() or character >= "\xa0" for character in printable(text))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3599, "59 min 59 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def outlook(done: int, running: int, left: int, seconds: float, unknown: int = 0) -> Event:
    return Event(EventKind.OUTLOOK, outlook=Outlook(done, running, left, seconds, unknown))


def test_how_far_it_is_shows_in_a_log_once_a_minute() -> None:
    stream, clock = io.StringIO(), Clock()
    with PlainProgress(stream, clock) as progress:
        progress.emit(outlook(1, 2, 9, 600.0))
        clock.now += 30
        progress.emit(outlook(2, 2, 8, 500.0))
        clock.now += 40
        progress.emit(Event(EventKind.PROGRESS, STEP, "linking"))  # whatever happens just then
        clock.now += 10
        progress.emit(outlook(3, 2, 7, 400.0))
        clock.now += 60
        progress.emit(outlook(12, 0, 0, 0.0))
    assert stream.getvalue().splitlines() == [
        "[    70.0] 2 of 12 steps done, 2 running, 8 left; about 8 min",
        f"[    70.0] {STEP}: linking",
    ]


@pytest.mark.parametrize(
    ("seconds", "unknown", "words"),
    [(4.0, 0, "; about 10 s"), (47.0, 0, "; about 50 s"), (100.0, 2, "; at least 2 min"),
     (7500.0, 0, "; about 2 h 05 min"), (0.0, 3, ""), (0.0, 0, "; about 10 s")],
)  # fmt: skip
def test_the_rest_is_estimated_as_far_as_it_is_known(seconds: float, unknown: int, words: str) -> None:
    assert outlook_text(Outlook(1, 1, 1, seconds, unknown), 0.0) == f"1 of 3 steps done, 1 running, 1 left{words}"


def test_what_takes_longer_than_it_did_is_said_to() -> None:
    assert outlook_text(Outlook(1, 1, 1, 30.0), 35.0).endswith("; about 10 s")
    assert outlook_text(Outlook(1, 1, 1, 30.0), 45.0).endswith("1 left; longer than before")


def test_a_terminal_shows_how_far_it_is_below_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream, clock = Terminal(), Clock()
    with LiveProgress(stream, clock) as progress:
        progress.emit(Event(EventKind.STARTED, STEP))
        progress.emit(outlook(3, 1, 4, 120.0))
        progress._live.refresh()
    assert "3 of 8 steps done, 1 running, 4 left; about 2 min" in stream.getvalue()
