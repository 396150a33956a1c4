"""What `ci/bench patches` measures: ten patches one by one, and which of them did it.

The patches are made on the tree (tests/e2e/ten_patches.py): each adds a symbol to another file of mm/, so that each
kernel is another one.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.arch import ARCHES
from harness.kernel.compile import LINES
from harness.model import Arch

PROFILE = "release"  # that with the fewest objects
SUITES = ("--suite", "vma", "--suite", "faults", "--case", "vma.*", "--case", "faults.anon.*")
WORK_S = 0.5  # a step that took less has looked something up

SAME_FLAGS = (f"KCFLAGS={LINES}", f"KAFLAGS={LINES}")
"""What plain make is told, so that it makes the same kernel."""

Row = Callable[[str, str, str, str], None]


class OneByOne:
    """Runs and searches with a cache of their own, which has downloads and the tree and nothing that was made of it."""

    def __init__(self, vmaharness: Path, cache: Path, work: Path, row: Row) -> None:
        self.vmaharness, self.cache, self.work, self.row = vmaharness, cache, work, row
        self.repo, self.base = Path(), ""
        self.arches = [arch.value for arch in Arch]

    def measure(self, repo: Path, base: str) -> None:
        """On a commit of a repository."""
        self.repo, self.base = repo, base
        self.compare_with_make()
        self.resume_and_repeat()
        self.search()

    # --- against plain make ---------------------------------------------------------------------------------------

    def compare_with_make(self) -> None:
        """Each patch compiled for each architecture, by us and by git and make with the same configurations."""
        result, ours = self._run("built", "build", self._series("good", {}, at=0))
        began = _cpu_seconds()
        plain = self._plain(result["targets"])
        ours_cpu, cpu = _compile_seconds(result), _cpu_seconds() - began
        self.row("ten patches compiled one by one / plain make", f"{ours / sum(plain):.2f}", "1.10",
                 f"{ours:.0f} s, {sum(plain):.0f} s")  # fmt: skip
        self.row("  CPU time of its compiles / plain make", f"{ours_cpu / cpu:.2f}", "",
                 f"{ours_cpu:.0f} s, {cpu:.0f} s")  # fmt: skip

    def _plain(self, targets: Sequence[Mapping[str, Any]]) -> list[float]:
        """Seconds of git checkout and make for all architectures, by patch."""
        source, line, seconds = self.work / "plain", self.work / "line-good" / "linux.git", []
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", line, source], check=True)
        commits = ["git", "rev-list", "--reverse", f"{self.base}..origin/series"]
        made = subprocess.run(commits, cwd=source, check=True, capture_output=True, text=True).stdout.split()
        for commit in made:
            started = time.monotonic()
            checkout = ["git", "-c", "advice.detachedHead=false", "checkout", "--quiet", commit]
            subprocess.run(checkout, cwd=source, check=True)
            for target in targets:
                info, objects = ARCHES[Arch(target["arch"])], self.work / f"objects-{target['arch']}"
                if not objects.exists():
                    objects.mkdir()
                    config = self.work / "built" / f"config-{target['arch']}-{target['profile']}"
                    shutil.copy(config, objects / ".config")
                subprocess.run(
                    ["make", "-s", f"-j{os.cpu_count()}", f"O={objects}", f"ARCH={info.kbuild}",
                     f"CROSS_COMPILE={target['build']['toolchain']['cross_compile']}", *SAME_FLAGS, info.image_target],
                    cwd=source, env={**os.environ, "CCACHE_DISABLE": "1"}, check=True, stdout=subprocess.DEVNULL,
                )  # fmt: skip
            seconds.append(time.monotonic() - started)
        shutil.rmtree(source)
        for target in targets:
            shutil.rmtree(self.work / f"objects-{target['arch']}")
        return seconds

    # --- nothing twice --------------------------------------------------------------------------------------------

    def resume_and_repeat(self) -> None:
        """The same patches tested, killed in the middle, gone on with, and then once more."""
        series, out = self._series("good", {}, at=0), self.work / "tested"
        words = self._words("tested", "run", series, *SUITES)
        killed = subprocess.Popen(words, env=self._environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        tested: dict[str, Any] = {}
        while killed.poll() is None and sum(": test " in name for name in tested) < 8:
            time.sleep(0.2)
            tested = self._worked(out)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        before = self._worked(out)
        subprocess.run([self.vmaharness, "run", "--resume", out], env=self._environment, check=True)
        result = json.loads((out / "results.json").read_text())
        again = [step["name"] for step in result["steps"] if _is_work(step) and step["name"] in before]
        self.row("steps that a resumed run did again", str(len(again)), "0",
                 f"{len(before)} were done before the kill {' '.join(again)}")  # fmt: skip
        _, seconds = self._run("repeated", "run", series, *SUITES)
        self.row("ten patches once more, all known", f"{seconds:.1f}", "3 s", f"{len(result['targets'])} targets")

    def _worked(self, out: Path) -> dict[str, Any]:
        """The steps of a run that have done work and ended, as far as it has written it down."""
        try:
            steps = json.loads((out / "run.json").read_text())["steps"]
        except (OSError, ValueError):
            return {}
        return {name: step for name, step in steps.items() if _is_work(step)}

    # --- which of them did it -------------------------------------------------------------------------------------

    def search(self) -> None:
        """Kernels that it takes to find a patch, from a run of the whole series and from one patch by patch."""
        aim = math.ceil(math.log2(10)) + 1
        some = ("--arch", "x86_64", "--suite", "faults", "--case", "faults.anon.1", "--check", "none", "--retries", "0")
        for name, at, one_by_one in (("whole", 7, False), ("known", 4, True)):
            series = self._series(name, _patches().WARNS_AT_BOOT, at=at)
            self._run(f"run-{name}", "run", series, *some, one_by_one=one_by_one, good=False)
            out = self.work / f"bisect-{name}"
            words = [str(self.vmaharness), "bisect", f"{self.work / f'run-{name}'}#kernel.boot", "--out", str(out)]
            subprocess.run(words, env=self._environment, check=True)
            found = json.loads((out / "bisect.json").read_text())
            assert [one["number"] for one in found["culprits"]] == [at]
            searched, proof = _builds(out)
            of = "a run patch by patch" if one_by_one else "a run of the whole series"
            self.row(f"kernels built to find one of ten, after {of}", str(searched + proof),
                     f"{'0' if one_by_one else aim}", f"{searched} to find it, {proof} for the proof, "
                     f"{found['boots']} boots, {found['seconds']:.0f} s")  # fmt: skip

    # --- tools ----------------------------------------------------------------------------------------------------

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "VMAHARNESS_CACHE": str(self.cache)}

    def _series(self, name: str, defect: Mapping[str, Callable[[str], str]], *, at: int) -> Path:
        """Ten patches as files, of which one has a defect."""
        directory = self.work / f"series-{name}"
        if not directory.exists():
            place = self.work / f"line-{name}"
            place.mkdir()
            line = _patches().make_line(place, self.repo, self.base, defect, at=at, tag=f"_{name}")
            subprocess.run(
                ["git", f"--git-dir={line.clone}", "format-patch", "--quiet", "-o", directory, line.range], check=True
            )
        return directory

    def _words(self, out: str, verb: str, series: Path, *more: str, one_by_one: bool = True) -> list[str | Path]:
        words: list[str | Path] = [self.vmaharness, verb, "--tree", f"{self.repo}@{self.base}", "--series", series]
        words += ["--profile", PROFILE, "--out", self.work / out, *more]
        words += [word for arch in self.arches for word in ("--arch", arch)] if "--arch" not in more else []
        words += ["--per-patch"] if one_by_one else []
        return words

    def _run(
        self, out: str, verb: str, series: Path, *more: str, one_by_one: bool = True, good: bool = True
    ) -> tuple[dict[str, Any], float]:
        """A run, its results and wall seconds."""
        words = self._words(out, verb, series, *more, one_by_one=one_by_one)
        started = time.monotonic()
        done = subprocess.run(words, env=self._environment, check=False)
        seconds = time.monotonic() - started
        if done.returncode != (0 if good else 1):
            raise SystemExit(f"ended with {done.returncode}: {words}")
        return json.loads((self.work / out / "results.json").read_text()), seconds


def _patches() -> Any:
    """The module that makes them, which is a test's."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    return importlib.import_module("tests.e2e.ten_patches")


def _cpu_seconds() -> float:
    """Of all programs that were started here and have ended; not of those that vmaharness starts, beside itself."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _compile_seconds(result: Mapping[str, Any]) -> float:
    """CPU seconds of all makes of a run patch by patch."""
    targets = [*result["targets"], *(target for patch in result["per_patch"] for target in patch["targets"])]
    return float(sum(target["build"]["cpu_seconds"] for target in targets))


def _is_work(step: Mapping[str, Any]) -> bool:
    return not step["cached"] and step["seconds"] >= WORK_S


def _builds(directory: Path) -> tuple[int, int]:
    """Kernels that a search built to find the patch, and for the tip without it."""
    reverted = {
        probe["commit"] for probe in json.loads((directory / "bisect.json").read_text())["probes"]
        if probe["role"] == "reverted"
    }  # fmt: skip
    names = [json.loads(line)["step"] for line in (directory / "bisect.jsonl").read_text().splitlines()]
    found = max((at for at, name in enumerate(names) if name.startswith("run ") and name.split()[1] not in reverted),
                default=-1)  # fmt: skip
    built = [at for at, name in enumerate(names) if name.startswith("built ")]
    return sum(at < found for at in built), sum(at > found for at in built)
