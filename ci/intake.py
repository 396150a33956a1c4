"""What `ci/bench intake` measures: a mailbox of 10,000 messages, and the longest real document where it is there."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MESSAGES = 10_000
SEED = "004_4351311e129878ad.txt"

# Run by the environment's own interpreter: its peak memory is that of nothing else.
_MEASURE = """
import resource, sys, time
from harness.host.process import Processes
from harness.series.patch import read_piece
from harness.series.sources.source import open_source
with Processes() as processes:
    started, count = time.monotonic(), 0
    for mail in open_source(sys.argv[1], processes=processes, repo=None).mails:
        read_piece(mail)
        count += 1
    seconds = time.monotonic() - started
print(count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

Row = Callable[[str, str, str, str], None]


def generate(path: Path, messages: int = MESSAGES) -> None:
    """A mailbox of whole series: each ten messages are a cover letter, four patches and five replies."""
    with path.open("wb") as file:
        for number in range(messages):
            file.write(_message(number))


def _message(number: int) -> bytes:
    series, at = divmod(number, 10)
    title, reply, text = _content(series, at)
    thread = f"In-Reply-To: <{series * 10}@example.org>\nReferences: <{series * 10}@example.org>\n" if at else ""
    return (
        "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
        "Received: from a.example.org by b.example.org\n\tfor <list@example.org>; Thu, 1 Jan 2026 10:00:00 +0000\n"
        f"From: {'Bo' if reply else 'Ada'} Example <{'bo' if reply else 'ada'}@example.org>\n"
        f"Date: Thu, 1 Jan 2026 10:00:00 +0000\nMessage-ID: <{number}@example.org>\nSubject: {title}\n"
        f"{thread}\n{text}\n"
    ).encode()


def _content(series: int, at: int) -> tuple[str, bool, str]:
    """Subject, whether it is a reply, and text."""
    if at == 0:
        return f"[PATCH v2 0/4] mm: change {series}", False, "A line of the cover letter.\n" * 40
    if at > 4:
        quoted = "> \told_call(argument, another);\n" * 60
        text = f"On Thu, Ada wrote:\n{quoted}\nGood.\n\nReviewed-by: Bo Example <bo@example.org>\n"
        return f"Re: [PATCH v2 {at - 4}/4] mm: change {series}, step {at - 4}", True, text
    lines = "".join(_changed(line) for line in range(150))
    diff = (
        f"diff --git a/mm/f{at}.c b/mm/f{at}.c\nindex 1111111..2222222 100644\n--- a/mm/f{at}.c\n+++ b/mm/f{at}.c\n"
        f"@@ -1,150 +1,150 @@ int f(void)\n{lines}-- \n2.39.5\n"
    )
    stat = f" mm/f{at}.c | 60 ++++++------\n 1 file changed, 30 insertions(+), 30 deletions(-)\n"
    body = f"Why it is so.\n\nSigned-off-by: Ada Example <ada@example.org>\n---\n{stat}\n{diff}"
    return f"[PATCH v2 {at}/4] mm: change {series}, step {at}", False, body


def _changed(line: int) -> str:
    if line % 5:
        return f" \tunchanged_line({line});\n"
    return f"-\told_call(argument_{line}, another);\n+\tnew_call(argument_{line}, another);\n"


def seeds(project: Path) -> Iterator[Path]:
    """The longest of the real documents, if they are beside the project."""
    directory = Path(os.environ.get("VMAHARNESS_SEEDS") or project.parent / "shared" / "seeds")
    if (directory / SEED).is_file():
        yield directory / SEED


def measure(vmaharness: Path, work: Path, row: Row) -> None:
    """Print the rows of this part."""
    box = work / "bench.mbox"
    generate(box)
    python = vmaharness.parent / "python"
    done = subprocess.run([python, "-c", _MEASURE, box], capture_output=True, text=True, check=True)
    count, seconds, peak_mib = (float(word) for word in done.stdout.split())
    size_mb = box.stat().st_size / 1e6
    row(
        f"messages read, {int(count)} of them",
        f"{size_mb / seconds:.0f}",
        "20 MB/s",
        f"{seconds:.2f} s, {size_mb:.0f} MB",
    )
    row("their reader's memory", f"{peak_mib:.0f}", "200 MiB", "")
    started = time.monotonic()
    subprocess.run([vmaharness, "series", "show", "--json", box], stdout=subprocess.DEVNULL, check=False)
    seconds = time.monotonic() - started
    row("the same, shown", f"{size_mb / seconds:.0f}", "20 MB/s", f"{seconds:.2f} s")
    for seed in seeds(Path(__file__).parents[1]):
        row(
            "series show of a long thread page",
            f"{_median(vmaharness, seed):.2f}",
            "0.50 s",
            f"{seed.stat().st_size >> 10} KiB",
        )


def _median(vmaharness: Path, seed: Path) -> float:
    """Wall seconds of `series show`, start of the program and all."""

    def once() -> float:
        started = time.monotonic()
        subprocess.run([vmaharness, "series", "show", seed], capture_output=True, check=False)
        return time.monotonic() - started

    return statistics.median(once() for _ in range(5))
