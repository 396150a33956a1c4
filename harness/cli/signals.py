"""Ctrl-C, SIGTERM and SIGHUP -> a request to stop; the second time -> the end, at once.

The signal reaches a thread through a pipe, never a Python handler: that would run in between anything, locks included,
and only when the main thread comes to it.  Knows nothing of what is stopped.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from harness.errors import ExitCode
from harness.host.process import Stop

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping(stop: Stop, first: Callable[[str], None], second: Callable[[], None]) -> Iterator[None]:
    """While this is open, signals set `stop`.

    `first` is told the first signal's name.  At the next one `second` is called and the process exits; its keepers
    see that and kill every program that is left.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    watcher = threading.Thread(target=_watch, args=(read, stop, first, second), name="signals", daemon=True)
    watcher.start()
    before = {number: signal.signal(number, _nothing) for number in CAUGHT}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(write)
        watcher.join()
        os.close(read)


def _nothing(_number: int, _frame: object) -> None:
    """A handler must be there for the signal to be written to the pipe."""


def _watch(read: int, stop: Stop, first: Callable[[str], None], second: Callable[[], None]) -> None:
    while number := os.read(read, 1):
        name = signal.Signals(number[0]).name if number[0] in CAUGHT else ""
        if not name:
            continue
        if stop.is_set():
            with suppress(OSError):
                second()
            os._exit(ExitCode.CANCELLED)
        stop.set(f"interrupted ({name})")
        first(name)
