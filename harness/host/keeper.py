"""Small parents that stand between the harness and its programs, so that nothing outlives the harness.

Run as a script (`python3 -I -S keeper.py`), never imported by the harness.  Standard input is a stream socket: one
request a program, described at `_Request`.  A fork of this process, the program's **keeper**, starts it and waits; so a
program costs a fork, and not the start of a Python.

A keeper shares a seqpacket socket with the harness.  It first says (`_STARTED`) its process number and 0, or an error
number when it cannot start anything; at the end (`_ENDED`) the exit status and the CPU seconds.  A byte ``T`` from the
harness asks for SIGTERM, ``K`` for SIGKILL.  When the harness dies, by whatever signal, the socket closes and the
keeper kills everything that the program started.

The keeper is a child subreaper, so daemonised grandchildren come back to it and are killed too.  The exit status is
the program's; 128+N if signal N ended it, 127 if it could not be executed.
"""

import array
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import warnings  # noqa: F401 - os.execvpe would in each child: most of what starting a program costs
from contextlib import suppress

_REQUEST = struct.Struct("!III")  # bytes that follow, number of arguments, nice value
_STARTED = struct.Struct("!qi")
_ENDED = struct.Struct("!qd")
_MOST_FDS = 64

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, value, 0, 0, 0)


class _Request:
    """What to start: the bytes are a directory, the numbers that passed descriptors shall have, the arguments and
    the environment, each ended by a NUL; the descriptors are the keeper's socket, the three standard ones and
    those to pass on.
    """

    def __init__(self, argc: int, nice: int, text: bytes, fds: list[int]) -> None:
        directory, numbers, *words = text.split(b"\0")[:-1]
        self.directory, self.nice = directory, nice
        self.numbers = [0, 1, 2, *map(int, numbers.split())]
        self.argv = words[:argc]
        self.environment = dict(word.split(b"=", 1) for word in words[argc:])
        self.socket, self.fds = fds[0], fds[1:]


def _receive(stream: socket.socket) -> _Request | None:
    """The next request; None when the harness is gone."""
    room = socket.CMSG_SPACE(_MOST_FDS * 4)
    head, ancillary, _, _ = stream.recvmsg(_REQUEST.size, room, socket.MSG_WAITALL | socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if len(head) < _REQUEST.size:
        return None
    length, argc, nice = _REQUEST.unpack(head)
    text = stream.recv(length, socket.MSG_WAITALL)
    return _Request(argc, nice, text, list(fds)) if len(text) == length else None


def _give_way(nice: int) -> None:
    """Lower the session's priority: where the kernel schedules sessions as groups (sched(7), autogroup), the nice value
    counts inside the group only, and the group has one of its own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        with open("/proc/self/autogroup", "w") as group:  # noqa: PTH123 - pathlib costs start-up time here
            group.write(str(nice))


def _start(request: _Request) -> int:
    pid = os.fork()
    if pid:
        with suppress(OSError):  # the child does it too; whoever is first
            os.setpgid(pid, pid)
        return pid
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for fd, wanted in zip(request.fds, request.numbers, strict=True):
            os.dup2(fd, wanted)
        os.execvpe(request.argv[0], request.argv, request.environment)
    except OSError as error:
        os.write(2, request.argv[0] + f": {error.strerror}\n".encode())
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
    with suppress(ChildProcessError):
        while True:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                for pid in _children():
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)


def _obey(orders: socket.socket, group: int) -> bool:
    """Carry out one order; False when the harness is gone."""
    order = orders.recv(1)
    with suppress(OSError):
        if order == b"T":
            os.killpg(group, signal.SIGTERM)
        elif order == b"K":
            os.killpg(group, signal.SIGKILL)
    return bool(order)


def _watch(orders: socket.socket, program: int) -> int:
    """Wait for the program's end, or bring it about; its exit status."""
    ended = os.pidfd_open(program)
    poll = select.poll()
    poll.register(orders, select.POLLIN | select.POLLHUP)
    poll.register(ended, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == ended:
                code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
                return code if code >= 0 else 128 - code
            if not _obey(orders, program):
                return 128 + int(signal.SIGKILL)


def _keep(request: _Request, stream: socket.socket) -> None:
    """Keep one program until it ends or the harness does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    given = [request.socket, *request.fds]
    above = max(request.numbers) + 1  # where no number is wanted for one of the program's
    socket_fd, *request.fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in given]
    for fd in (0, 1, 2, *given):
        os.close(fd)
    stream.close()
    orders = socket.socket(fileno=socket_fd)
    try:
        if request.nice:
            _give_way(request.nice)
        if request.directory:
            os.chdir(request.directory)
        program = _start(request)
    except OSError as error:
        orders.send(_STARTED.pack(os.getpid(), error.errno or -1))
        return
    for fd in request.fds:  # the program has its own copies: readers must see its end, not ours
        os.close(fd)
    with suppress(BrokenPipeError):
        orders.send(_STARTED.pack(os.getpid(), 0))
    status = _watch(orders, program)
    _kill_all(program)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    with suppress(BrokenPipeError):
        orders.send(_ENDED.pack(status, usage.ru_utime + usage.ru_stime))


def main() -> None:
    """Fork a keeper for each request, until the harness is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Handled by doing nothing, and not ignored: so a program that is executed has them as they are by default.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, lambda *_: None)
    stream = socket.socket(fileno=os.dup(0))
    while (request := _receive(stream)) is not None:
        with suppress(OSError):  # no process: the harness finds the keeper's socket closed
            if not os.fork():
                try:
                    _keep(request, stream)
                finally:
                    os._exit(0)
        for fd in (request.socket, *request.fds):
            os.close(fd)


if __name__ == "__main__":
    main()
