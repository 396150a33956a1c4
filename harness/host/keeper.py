"""A small parent that stands between the harness and a program, so that nothing outlives the harness.

Run as a script (`python3 -I -S keeper.py FD -- ARGV…`), never imported by the harness.  FD is the read end of a
pipe whose only writer is the harness: when the harness dies, by whatever signal, the pipe closes and the keeper
kills everything that the program started.  Before that, a byte ``T`` asks for SIGTERM, ``K`` for SIGKILL.

The keeper is a child subreaper, so daemonised grandchildren come back to it and are killed too.  Its exit status is
the program's; 128+N if signal N ended it, 127 if it could not be started.
"""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _start(argv: list[str]) -> int:
    pid = os.fork()
    if pid:
        with suppress(OSError):  # the child does it too; whoever is first
            os.setpgid(pid, pid)
        return pid
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _children() -> list[int]:
    """Our direct children, by asking each process for its parent (no /proc/…/children on every kernel)."""
    me, found = os.getpid(), []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs start-up time here
        if name.isdigit():
            with suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                    found.append(int(name))
    return found


def _kill_all(group: int) -> None:
    """Kill the group, then whatever is still ours, until there is no child left to wait for."""
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    while True:
        for pid in _children():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _obey(orders: int, group: int) -> bool:
    """Carry out one order; False when the harness is gone."""
    order = os.read(orders, 1)
    with suppress(OSError):
        if order == b"T":
            os.killpg(group, signal.SIGTERM)
        elif order == b"K":
            os.killpg(group, signal.SIGKILL)
    return bool(order)


def main() -> int:
    """Keep one program until it ends or the harness does."""
    orders, argv = int(sys.argv[1]), sys.argv[3:]
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.set_inheritable(orders, False)
    program = _start(argv)
    ended = os.pidfd_open(program)
    for number in (0, 1, 2):  # the program has its own copies: readers must see its end, not ours
        with suppress(OSError):
            os.close(number)
    poll = select.poll()
    poll.register(orders, select.POLLIN | select.POLLHUP)
    poll.register(ended, select.POLLIN)
    status = None
    while status is None:
        for fd, _ in poll.poll():
            if fd == ended:
                status = os.waitpid(program, 0)[1]
                break
            if not _obey(orders, program):
                _kill_all(program)
                return 128 + int(signal.SIGKILL)
    _kill_all(program)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main())
