"""Running untrusted programs with little to break: bubblewrap around an argument list.

A patch is a program that make executes.  Inside there is no network, no home directory and no other process; only the
directories that are named can be written, only system programs and what is named can be read.  Works as root and as
an ordinary user.  Knows nothing of what runs inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.host.process import SYSTEM_PATH, Processes

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "passwd", "group", "localtime")
_SWITCHES = (
    (Path("/proc/sys/kernel/unprivileged_userns_clone"), "0", "kernel.unprivileged_userns_clone=1"),
    (Path("/proc/sys/user/max_user_namespaces"), "0", "user.max_user_namespaces=15000"),
    (Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"), "1",
     "kernel.apparmor_restrict_unprivileged_userns=0"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How programs are confined: `mode` is "bubblewrap", "off" (not wanted) or "unavailable"; `note` says why not.

    `mark` is what tells whose programs they are: all else of the environment is cleared.
    """

    mode: str
    note: str = ""
    mark: Mapping[str, str] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.mode == "bubblewrap"

    def __str__(self) -> str:
        return f"{self.mode}: {self.note}" if self.note else self.mode

    def wrap(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path,
        writable: Sequence[Path],
        readable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
    ) -> list[str]:
        """The command line that runs `argv` in `cwd`, confined where that is possible.

        The program's environment is PATH, LC_ALL, HOME (which does not exist), `env` and the mark, confined or not.
        Where it is not confined it can write wherever the user can.  The directories must exist.
        """
        variables = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **(env or {}), **self.mark}
        words = [str(word) for word in argv]
        if not self.active:
            return ["env", "-i", "-C", str(cwd), *(f"{name}={value}" for name, value in variables.items()), *words]
        options = [*_ISOLATION, *_system_mounts()]
        for name, value in variables.items():
            options += ["--setenv", name, value]
        # Read-only ones first: a writable directory may lie inside one of them.
        for path in readable:
            options += ["--ro-bind", str(path), str(path)]
        for path in writable:
            options += ["--bind", str(path), str(path)]
        return ["bwrap", *options, "--remount-ro", "/", "--chdir", str(cwd), "--", *words]


# No --new-session: `Processes` starts everything in a session of its own, and that has the priority of the build.
_ISOLATION = ("--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--clearenv")


def _system_mounts() -> list[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return [*options, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]


def probe(processes: Processes, *, wanted: bool) -> Sandbox:
    """Find out by trying whether programs can be confined on this host."""
    if not wanted:
        return Sandbox("off", "programs of the tree under test ran unconfined, as asked for", processes.mark)
    sandbox = Sandbox("bubblewrap", mark=processes.mark)
    tried = processes.run(sandbox.wrap(["true"], cwd=Path("/"), writable=()), deadline_s=20)
    if tried.ok:
        return sandbox
    return Sandbox("unavailable", _why_not(tried.exit_code, tried.words), processes.mark)


def _why_not(exit_code: int, words: str) -> str:
    if exit_code == 127 and "bwrap:" in words and "No such file" in words:
        return (
            "bubblewrap is not installed (apt-get install bubblewrap); programs of the tree under test ran unconfined"
        )
    said = words.splitlines()[-1] if words else f"bwrap ended with {exit_code}"
    settings = [setting for path, bad, setting in _SWITCHES if _reads(path) == bad]
    hint = f" (sysctl {' '.join(settings)})" if settings else ""
    return f"{said}{hint}; programs of the tree under test ran unconfined"


def _reads(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
