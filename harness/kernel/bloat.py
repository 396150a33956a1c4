"""Two kernels by the tree's own scripts/bloat-o-meter: the text that cover letters quote.

The script is a program of the tree under test: it runs in the sandbox, bounded in time and output, and what it says is
kept as text and believed in nothing.  What the harness itself says of sizes is `harness.verdict.sizes`.
"""

from __future__ import annotations

from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.kernel.git import Git, contents_at
from harness.model import AppliedTree, Build

SCRIPT = "scripts/bloat-o-meter"
DEADLINE_S = 120.0
_MOST_BYTES = 1 << 20


def bloat(
    applied: AppliedTree, base: Build, series: Build, *, processes: Processes, cache: Cache, sandbox: Sandbox
) -> str:
    """What the script of a tree says of two kernels; "" where there is no script, or it says nothing.

    Raises Cancelled.
    """
    script = contents_at(Git(processes, applied.repo), applied.commit, [SCRIPT]).get(SCRIPT)
    if script is None or base.vmlinux is None or series.vmlinux is None:
        return ""
    work = cache.scratch("bloat")
    program = work / "bloat-o-meter"
    program.write_bytes(script)
    prefix = series.toolchain.cross_compile
    words = ["-p", prefix] if prefix else []
    argv = sandbox.wrap(
        ["prlimit", f"--fsize={_MOST_BYTES}", "--core=0", "--", "python3", program, *words, base.vmlinux,
         series.vmlinux],
        cwd=work, writable=[work], readable=[base.vmlinux.parent, series.vmlinux.parent],
    )  # fmt: skip
    done = processes.run(argv, deadline_s=DEADLINE_S)
    if not done.ok or len(done.stdout) > _MOST_BYTES:
        return ""
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return "".join(f"{''.join(c for c in line if c.isprintable())}\n" for line in lines)
