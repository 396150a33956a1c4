"""Events -> what a person or a CI log sees on standard error while a run works.

A terminal gets a live table of the steps that are running and of how far the run is, with everything else scrolling
above it; all other streams get one plain line an event.  Knows events only.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from harness.cli.say import wants_colour
from harness.events import Event, EventKind, Outlook

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

QUIET_S = 30.0
"""A step's PROGRESS shows at most so often in a plain log."""

OUTLOOK_S = 60.0
"""How far the run is shows at most so often there."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

Clock = Callable[[], float]


class Progress(Protocol):
    """A way to show events, from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def emit(self, event: Event) -> None: ...

    def say(self, text: str) -> None: ...


def make_progress(stream: TextIO, clock: Clock = time.monotonic) -> Progress:
    """The right one for a stream."""
    return LiveProgress(stream, clock) if wants_colour(stream) else PlainProgress(stream, clock)


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


_LEAST_S = 10  # nothing of the future is known better


def rough(seconds: float) -> str:
    """Seconds of the future, as exactly as they are known."""
    if seconds < 90:
        return f"{max(_LEAST_S, round(seconds, -1)):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def outlook_text(outlook: Outlook, since_s: float) -> str:
    """`12 of 30 steps done, 3 running, 15 left; about 4 min`, so many seconds after it was said."""
    if not outlook.seconds and outlook.unknown:
        return outlook.text  # nothing like it was ever measured
    left_s = outlook.seconds - since_s
    if left_s < -_LEAST_S:
        return f"{outlook.text}; longer than before"
    return f"{outlook.text}; {'at least' if outlook.unknown else 'about'} {rough(left_s)}"


def printable(text: str) -> str:
    """One line without anything that a terminal would obey: a guest's console is not to be trusted."""
    return _CONTROL.sub("", _ESCAPE.sub("", text)).replace("\t", " ")


def describe(event: Event) -> list[str]:
    """An event as lines of plain text."""
    step = printable(event.step)
    lines = [printable(line) for line in event.text.splitlines()] or [""]
    head, *more = [f"{step}: {line}" if step and line else step or line for line in lines]
    match event.kind:
        case EventKind.STARTED:
            last = f" (last time {duration(event.last_s)})" if event.last_s else ""
            return [f"{head} … started{last}"]
        case EventKind.FINISHED:
            took = "from the cache" if event.cached else duration(event.seconds)
            head = f"{'ok  ' if event.good else 'BAD '} {head} ({took})"
        case EventKind.FAILED:
            head = f"FAIL {head} ({duration(event.seconds)})"
        case EventKind.NOTE:
            head = f"note {head}"
        case EventKind.CONSOLE:
            return [f"{step} | {line}" for line in lines]
    if event.log is not None and not (event.good and event.kind is EventKind.FINISHED):
        more.append(f"     log: {printable(str(event.log))}")
    return [head, *more]


class PlainProgress:
    """One line an event, with the time since the start."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._said: dict[str, float] = {}
        self._outlook: tuple[Outlook, float] | None = None  # and when it was said
        self._shown = self._began
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def emit(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            if event.outlook is not None:
                self._outlook = event.outlook, now
            self._show_outlook(now)
            if event.kind is EventKind.OUTLOOK:
                return
            quiet = now - self._said.get(event.step, now - QUIET_S) < QUIET_S
            if event.kind is EventKind.PROGRESS and quiet:
                return
            self._said[event.step] = now
            self._write(describe(event), now)

    def say(self, text: str) -> None:
        with self._lock:
            self._write([printable(text)], self._clock())

    def _show_outlook(self, now: float) -> None:
        """Now and then, whatever happens just then."""
        if self._outlook is None or now - self._shown < OUTLOOK_S:
            return
        outlook, said = self._outlook
        self._shown = now
        if outlook.running or outlook.left:
            self._write([outlook_text(outlook, now - said)], now)

    def _write(self, lines: list[str], now: float) -> None:
        stamp = f"[{now - self._began:8.1f}] "
        try:
            self._stream.write("".join(f"{stamp}{line}\n" for line in lines))
            self._stream.flush()
        except BrokenPipeError:  # nobody reads it any more: the run goes on
            pass


@dataclass(slots=True)
class _Step:
    began: float
    last_s: float
    doing: str = ""


class LiveProgress:
    """A table of running steps at the bottom of a terminal."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        from rich.console import Console  # noqa: PLC0415 - start-up time
        from rich.live import Live  # noqa: PLC0415

        self._clock = clock
        self._began = clock()
        self._steps: dict[str, _Step] = {}
        self._outlook: tuple[Outlook, float] | None = None  # and when it was said
        self._lock = threading.RLock()
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._live = Live(
            get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._steps.clear()
            self._outlook = None
        self._live.stop()

    def emit(self, event: Event) -> None:
        with self._lock:
            if event.outlook is not None:
                self._outlook = event.outlook, self._clock()
                return
            if event.kind is EventKind.STARTED:
                self._steps[event.step] = _Step(self._clock(), event.last_s, printable(event.text))
                return
            if event.kind is EventKind.PROGRESS:
                if step := self._steps.get(event.step):
                    step.doing = printable(event.text)
                return
            if event.kind in (EventKind.FINISHED, EventKind.FAILED):
                self._steps.pop(event.step, None)
        self._print(describe(event), _style(event))

    def say(self, text: str) -> None:
        self._print([printable(text)], "yellow")

    def _print(self, lines: list[str], style: str) -> None:
        from rich.text import Text  # noqa: PLC0415

        text: Text = Text("\n".join(lines), style=style)
        self._console.print(text)

    def _table(self) -> Table:
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="cyan", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        with self._lock:
            now = self._clock()
            for name, step in self._steps.items():
                last = f" of {duration(step.last_s)}" if step.last_s else ""
                table.add_row(f"{duration(now - step.began)}{last}", Text(printable(name)), Text(step.doing))
            if self._outlook is None:
                return table
            outlook, said = self._outlook
            whole = Table.grid()
            whole.add_row(table)
            whole.add_row(Text(outlook_text(outlook, now - said), style="bold"))
            return whole


def _style(event: Event) -> str:
    if event.kind is EventKind.FAILED or not event.good:
        return "bold red"
    return {EventKind.FINISHED: "green", EventKind.NOTE: "yellow", EventKind.CONSOLE: "magenta"}.get(event.kind, "")
