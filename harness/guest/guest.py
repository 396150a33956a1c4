"""A guest from QEMU's start to its end: boot, commands, console.

What the kernel does wrong is data here (`Boot`, `GuestLost.reason`); only a QEMU that cannot start is an error.
Knows no suite and judges nothing: which console lines are fatal is told by the caller.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import GuestLost, InfraError
from harness.events import Say
from harness.guest.accel import choose_accel
from harness.guest.argv import GDB_SOCKET_NAME, KEYS_DIRECTORY, debug_args, find_machine, kernel_cmdline, qemu_argv
from harness.guest.console import Console
from harness.guest.counting import Counting, counting_args
from harness.guest.deadlines import Deadline, Pace
from harness.guest.exact import FETCH, JobList, Kept, checksum, exact_part, parse_fetched
from harness.guest.keys import Keys, make_keys
from harness.guest.qemu import Qemu, find_program
from harness.guest.ssh import LAST_WORDS_S, Session, connect_once, guest_lost
from harness.guest.watch import Death, Watch, begin_mark, end_mark
from harness.host.cache import Cache, remove_tree
from harness.host.process import Processes
from harness.model import Accel, Arch, Boot, CommandResult, GuestConfig, Outcome, Rootfs

_OUTCOMES = {
    "panic": Outcome.CRASH, "exit": Outcome.CRASH, "ssh": Outcome.CRASH, "flood": Outcome.CRASH,
    "complaint": Outcome.FAIL,
}  # fmt: skip
_SETTLE_S = 3.0
_QUIET_S = 1.0
_MARK_S = 1.0


class Guest:
    """One guest.  As a context manager: QEMU starts on entering, and everything is gone after leaving.

    All deadlines are given for hardware speed and stretched here (`harness.guest.deadlines`), by the accelerator's
    factor and by how slow this guest's own boot was.
    """

    def __init__(
        self,
        *,
        arch: Arch,
        profile: str,
        image: Path,
        rootfs: Rootfs,
        config: GuestConfig,
        console: Path,
        processes: Processes,
        cache: Cache,
        is_fatal: Callable[[str], bool],
        say: Say,
        is_complaint: Callable[[str], bool] | None = None,
        is_enough: Callable[[str], bool] | None = None,
        on_death: Callable[[Death], None] | None = None,
        accel: tuple[Accel, str] | None = None,
        program: Path | None = None,
        gdb: str = "",
        jobs: JobList | None = None,
        counting: Counting | None = None,
    ) -> None:
        """`console` is the file that gets every byte of the console, and stays.

        `is_complaint` tells the console lines that end the guest a moment later (None: there are none), if what the
        console has shown until then `is_enough` (None: it is).
        `on_death` is called at once, on another thread, when the guest is lost.  `accel` (with the reason) overrides
        the choice and `program` the QEMU that is found in PATH.  `gdb` "halted" or "running" gives QEMU a stub for
        gdb, and the guest starts when the debugger says so, or at once.  `jobs` is what an exact guest (one whose
        configuration has a seed) does before it takes connections, and `counting` is what it is watched with.
        """
        self._arch = arch
        self._profile = profile
        self._image = image
        self._rootfs = rootfs
        self._config = config
        self._processes = processes
        self._cache = cache
        self._is_fatal = is_fatal
        self._is_complaint = is_complaint
        self._is_enough = is_enough
        self._say = say
        self._on_death = on_death
        self._machine = find_machine(arch, config.machine)
        self._seed = config.seed
        self._jobs = jobs or JobList((), ("true",))
        self._counting = counting
        exactly = (Accel.TCG, "an exact guest counts instructions") if config.seed is not None else None
        self._accel, self._accel_reason = accel or exactly or choose_accel(config.accel, arch)
        self._program = program
        self._gdb = gdb
        self._cmdline = kernel_cmdline(self._machine, self._accel, config.cmdline, nodes=config.nodes, seed=config.seed)
        self._argv: tuple[str, ...] = ()
        self._keys: Keys | None = None
        self._port = 0
        self._scratch: Path | None = None
        self._qemu: Qemu | None = None
        self._watch_or_none: Watch | None = None
        self._session_or_none: Session | None = None
        self.pace = Pace(self._accel)
        self.console = Console(console)

    # --- life -------------------------------------------------------------------------------------------------

    def __enter__(self) -> Guest:
        program = self._program or find_program(self._arch)
        try:
            self._start(program)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start(self, program: Path) -> None:
        self._scratch = self._cache.scratch("guest")
        self._keys = make_keys()
        initrd = self._scratch / "initramfs"
        try:
            segment = self._keys.segment if self._seed is None else self._jobs.segment
            initrd.write_bytes(self._rootfs.image.read_bytes() + segment)
            if self._seed is not None:
                self._lay_out_keys(self._scratch / KEYS_DIRECTORY, self._keys)
            self.console.path.parent.mkdir(parents=True, exist_ok=True)
            self.console.path.write_bytes(b"")
        except OSError as error:
            raise InfraError(f"cannot prepare the guest: {error}") from error
        self._argv = tuple(
            qemu_argv(
                program, self._machine, self._accel, self._config,
                image=self._image, initrd=initrd, console=self.console.path,
            )
        )  # fmt: skip
        self._argv += tuple(debug_args()) if self._gdb else ()
        if self._counting is not None:
            entries = self._scratch / "entries"
            entries.write_text(self._counting.entries)
            self._argv += tuple(counting_args(self._counting, entries))
        self._say(f"starting {program.name} ({self._machine.name}, {self._accel.value})")
        self._qemu = qemu = Qemu(self._processes, self._scratch)
        qemu.spawn(list(self._argv))
        self._watch_or_none = watch = Watch(
            qemu.child, self.console, started=qemu.started, is_fatal=self._is_fatal, is_complaint=self._is_complaint,
            is_enough=self._is_enough, on_death=self._on_death,
        )  # fmt: skip
        qemu.connect(watch.hear_event)
        watch.start()
        self._port = qemu.begin(halted=self._gdb == "halted")

    @staticmethod
    def _lay_out_keys(place: Path, keys: Keys) -> None:
        """For an exact guest to fetch when its work is done; nothing else is there for it."""
        place.mkdir(0o700)
        (place / "keys").write_bytes(keys.segment)

    def _end(self) -> None:
        """End and remove everything; each step whatever became of the one before."""
        if self._watch_or_none is not None:
            self._watch_or_none.expect_end()
        if self._session_or_none is not None:
            self._session_or_none.close()
            self._session_or_none = None
        if self._qemu is not None:
            self._qemu.stop()
        if self._watch_or_none is not None:
            self._watch_or_none.close()
        if self._qemu is not None:
            self._qemu.forget()
            self._qemu = None
        if self._scratch is not None:
            remove_tree(self._scratch)
            self._scratch = None

    @property
    def _watch(self) -> Watch:
        if self._watch_or_none is None:
            raise InfraError("the guest was not started")
        return self._watch_or_none

    @property
    def death(self) -> Death | None:
        """How the guest was lost; None while it lives."""
        return self._watch_or_none.death if self._watch_or_none is not None else None

    @property
    def gdb_socket(self) -> Path:
        """Where gdb connects, while the guest lives."""
        if self._scratch is None or not self._gdb:
            raise InfraError("the guest was not started with a stub for gdb")
        return self._scratch / GDB_SOCKET_NAME

    # --- boot -------------------------------------------------------------------------------------------------

    def boot(self) -> Boot:
        """Wait until SSH works, or until it is known that it never will: data, no exception.

        Raises Cancelled after a stop, InfraError when another server answers in the guest's place.
        """
        ssh_s = 0.0
        self._say("booting")
        try:
            self._session_or_none = self._connect()
            self.pace = self.pace.measured(self._watch.init_s)
            self.run(["true"], timeout_s=self._config.command_s)
            ssh_s = self._age_s
        except GuestLost:
            self.settle()
        return self._record(ssh_s)

    @property
    def _age_s(self) -> float:
        return time.monotonic() - self._qemu.started if self._qemu is not None else 0.0

    def _connect(self) -> Session:
        """Connect when init says that SSH listens: a connection made before would wait for its retransmission."""
        watch, stop = self._watch, self._processes.stop
        boot = Deadline(self.pace.work_s(self._config.boot_s))
        silence_s = self.pace.silence_s(self._config.silence_s)
        if self._seed is not None:
            boot.seconds += self.pace.work_s(sum(job.guest_s for job in self._jobs.jobs))
            silence_s = max(silence_s, self.pace.work_s(self._jobs.longest_s))
        problem = "it never said that it listens"
        said_init = False
        while not boot.expired:
            self._raise_if_dead()
            if watch.init_s and not said_init:
                said_init = True
                self._say(f"init after {watch.init_s:.1f} s")
            if watch.ssh_mark_s and self._keys is not None:
                timeout_s = max(1.0, min(boot.remaining_s, self.pace.work_s(5.0)))
                found = connect_once(self._port, self._keys, timeout_s=timeout_s, watch=watch, stop=stop)
                if not isinstance(found, str):
                    return Session(found, watch, stop)
                problem = found
                stop.sleep(0.05)
            elif watch.no_ssh:
                self._give_up("ssh", watch.no_ssh)
            elif time.monotonic() - self.console.last_change > silence_s:
                self._give_up("silence", f"no word on the console for {silence_s:.4g} s")
            else:
                stop.sleep(0.005)
        waited = f"within {boot.seconds:.4g} s"
        if watch.init_s:
            self._give_up("deadline", f"init came after {watch.init_s:.1f} s, but SSH did not {waited}: {problem}")
        self._give_up("deadline", f"init did not come {waited}")
        raise AssertionError  # not reached: _give_up raises

    def _raise_if_dead(self) -> None:
        self._processes.stop.check()
        if self._watch.death is not None:
            self._give_up("", "")

    def _give_up(self, reason: str, what: str) -> None:
        death = self._watch.declare(reason, what)
        raise GuestLost(death.message, reason=death.reason, detail="\n".join(death.last_lines))

    def _record(self, ssh_s: float) -> Boot:
        death = self._watch.death
        outcome = Outcome.PASS if death is None else _OUTCOMES.get(death.reason, Outcome.TIMEOUT)
        return Boot(
            arch=self._arch, profile=self._profile, outcome=outcome,
            message=f"{death.reason}: {death.message}" if death is not None else "",
            accel=self._accel, accel_reason=self._accel_reason, machine=self._machine.name,
            smp=self._config.smp, memory_mib=self._config.memory_mib, argv=self._argv, cmdline=self._cmdline,
            init_s=self._watch.init_s, ssh_s=ssh_s, total_s=self._age_s, console=self.console.path,
            seed=self._seed, exact_sha256=checksum(self.exact_part) if self._seed is not None else "",
        )  # fmt: skip

    # --- use --------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> Session:
        if self._session_or_none is None:
            self._raise_if_dead()
            raise InfraError("the guest was not booted")
        return self._session_or_none

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        silence_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """Run a command in the guest as root; `on_line` hears its standard output while it runs.

        `timeout_s` is the deadline for its end and `silence_s` for its next output (None: none), at hardware speed.
        A guest that gives no sign of life at all is lost after the configured silence whatever the command does.
        Raises GuestLost with `reason` panic, exit, silence, deadline, ssh, flood or complaint.
        """
        return self._session.run(
            argv,
            timeout_s=self.pace.work_s(timeout_s),
            pulse_s=self.pace.silence_s(self._config.silence_s),
            silence_s=self.pace.silence_s(silence_s) if silence_s is not None else None,
            on_line=on_line,
        )

    def read(self, path: str) -> str:
        """A file of the guest.  Raises InfraError when it cannot be read, GuestLost."""
        result = self.run(["cat", "--", path], timeout_s=self._config.command_s)
        if result.exit_code:
            raise InfraError(f"cannot read {path} in the guest", detail=result.stderr.strip())
        return result.stdout

    def fetch(self) -> Kept:
        """What an exact guest's jobs have left.  Raises GuestLost, ValueError where it is not whole."""
        result = self.run(FETCH, timeout_s=self._config.command_s)
        return parse_fetched(result.stdout, self._jobs.jobs)

    @property
    def exact_part(self) -> bytes:
        """Of an exact guest: what of its console so far is a function of its inputs."""
        ended = self.death is not None and self.death.reason in ("panic", "exit")
        try:
            return exact_part(self.console.path.read_bytes(), ended=ended)
        except FileNotFoundError:
            return b""

    def run_marked(self, argv: Sequence[str], name: str, then: str, *, timeout_s: float) -> tuple[CommandResult, str]:
        """Run a command between two lines of the kernel log, `begin_mark(name)` and `end_mark(name)`, as `run` does.

        Behind them the shell commands `then` are run, and what they print is given with the result.  All that is one
        session, for opening one costs a guest as much as a short command.  When this returns the console shows what was
        said before the end mark; one that does not within seconds is not waited for any longer.  Raises GuestLost.
        """
        begin, end, parting = begin_mark(name), end_mark(name), secrets.token_hex(16)
        run = f"{_into_log(begin)}; {shlex.join(argv)}; code=$?; {_into_log(end)}"
        script = f"{run}; echo; echo {parting}; {then}; exit $code"
        before = self.console.size()
        done = self._session.run_script(
            script, shlex.join(argv)[:200],
            timeout_s=self.pace.work_s(timeout_s), pulse_s=self.pace.silence_s(self._config.silence_s),
        )  # fmt: skip
        said, parted, after = done.stdout.rpartition(f"\n{parting}\n")
        if not parted:
            raise guest_lost(self._watch, "ssh", f"the shell of {name} did not come to its end")
        patience = Deadline(self.pace.silence_s(_MARK_S))
        while not (patience.expired or self.console.shows(end, before)):
            self._raise_if_dead()
            self._processes.stop.sleep(0.01)
        return replace(done, stdout=said), after

    def console_text(self) -> str:
        """The console so far, as text."""
        return self.console.text()

    def settle(self) -> None:
        """After a death: wait, for seconds at most, until the console has come to its end.  Raises Cancelled."""
        patience = Deadline(_SETTLE_S)
        while not patience.expired and not self._watch.settled(0.05):
            self._processes.stop.check()
            if time.monotonic() - self.console.last_change > _QUIET_S:
                return

    def interactive(self, *, term: str = "linux") -> int:
        """A shell on the user's terminal, to its end; returns its exit code, 0 when the user ended the guest.

        Raises GuestLost when the guest ended in another way.
        """
        from harness.guest.terminal import attach, standard  # noqa: PLC0415 - termios only where there is a terminal

        stdin, stdout = standard()
        code = attach(self._session.transport, self._watch, self._processes.stop, term=term, stdin=stdin, stdout=stdout)
        last_words = Deadline(LAST_WORDS_S if code == 255 else 0.0)
        while self.death is None and not last_words.expired:
            self._processes.stop.sleep(0.02)
        if self.death is not None and self.death.orderly:
            return 0
        self._raise_if_dead()
        return code


def _into_log(line: str) -> str:
    return f"echo {shlex.quote(f'<1>{line}')} >/dev/kmsg"
