"""What ci/bench does: runs vmaharness and its yardstick one after the other and prints the ratio."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import consoles
import intake

from harness.arch import ARCHES
from harness.model import Arch


def row(what: str, value: str, aim: str, detail: str = "") -> None:
    print(f"{what:<44} {value:>10}   aim {aim:<9} {detail}", flush=True)  # noqa: T201


class Bench:
    """One benchmark run; `work` is a directory of its own that goes at the end."""

    def __init__(self, vmaharness: Path, cache: Path, work: Path) -> None:
        self.vmaharness = vmaharness
        self.user_cache = cache
        self.work = work
        self.cache = work / "cache"

    def run(self, out: str, *arguments: str, cache: Path | None = None) -> tuple[dict[str, Any], float]:
        """`vmaharness run` with a results directory; its results and wall seconds."""
        directory = self.work / out
        started = time.monotonic()
        subprocess.run(
            [self.vmaharness, "run", *arguments, "--out", directory],
            env={**os.environ, "VMAHARNESS_CACHE": str(cache or self.cache)}, check=True,
        )  # fmt: skip
        seconds = time.monotonic() - started
        return json.loads((directory / "results.json").read_text()), seconds

    def seed_downloads(self) -> None:
        """Put what comes from Debian's archive into the benchmark's cache: downloads are not measured."""
        for name in ("apt", "store/deb"):
            if (self.user_cache / name).is_dir():
                shutil.copytree(self.user_cache / name, self.cache / name, copy_function=os.link, dirs_exist_ok=True)

    def cold_and_warm(self) -> None:
        """The default run from empty caches against plain make of the same two kernels; then the same run again."""
        self.run("seed", "--suite", "faults", cache=self.user_cache)
        self.seed_downloads()
        result, seconds = self.run("cold", "--suite", "vma", "--suite", "faults")
        make_s, make_cpu_s = self.plain_make(result)
        cpu = {target["arch"]: target["build"]["cpu_seconds"] for target in result["targets"]}
        row(
            "cold run (vma, faults) / plain make of both",
            f"{seconds / make_s:.2f}",
            "1.15",
            f"{seconds:.0f} s, {make_s:.0f} s",
        )
        for arch, yardstick in (("x86_64", 425.0), ("arm64", 465.0)):
            row(f"compile {arch} / the hand-made config", f"{make_cpu_s[arch] / yardstick:.2f}", "0.70",
                f"{make_cpu_s[arch]:.0f} CPU s by plain make, {cpu[arch]:.0f} in the run")  # fmt: skip
        self.warm(self.cache)

    def plain_make(self, result: Mapping[str, Any]) -> tuple[float, dict[str, float]]:
        """`make -jN` of the run's kernels, one after the other, from an unpacked tree: wall and CPU seconds."""
        source = self.work / "plain"
        subprocess.run(
            ["git", "clone", "--quiet", "--shared", "--no-checkout", result["tree"]["repo"], source], check=True
        )
        # Without the series: a hundred lines are not what it is about.
        checkout = ["git", "-C", source, "-c", "advice.detachedHead=false", "checkout", "--quiet"]
        subprocess.run([*checkout, result["tree"]["commit"]], check=True)
        wall, cpu = 0.0, {}
        for target in result["targets"]:
            info = ARCHES[Arch(target["arch"])]
            objects = self.work / f"plain-{info.arch}"
            objects.mkdir()
            shutil.copy(self.work / "cold" / f"config-{target['arch']}-{target['profile']}", objects / ".config")
            argv = ["make", "-s", f"-j{os.cpu_count()}", f"O={objects}", f"ARCH={info.kbuild}",
                    f"CROSS_COMPILE={target['build']['toolchain']['cross_compile']}", info.image_target]  # fmt: skip
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            subprocess.run(argv, cwd=source, env={**os.environ, "CCACHE_DISABLE": "1"}, check=True)
            wall += time.monotonic() - started
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu[target["arch"]] = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        return wall, cpu

    def warm(self, cache: Path) -> None:
        """Run again with nothing changed: what is neither guest nor suite time, and what a guest's start costs."""
        self.run("warm-up", cache=cache)
        result, seconds = self.run("warm", cache=cache)
        steps = {step["name"]: step for step in result["steps"]}
        longest = max(step["seconds"] for name, step in steps.items() if name.startswith("test "))
        guests = sum(step["seconds"] for name, step in steps.items() if name.startswith("test "))
        busy = max(longest, min(guests, seconds)) if len(result["targets"]) > 1 else longest
        compiled = [name for name, step in steps.items() if name.startswith(("build", "config")) and not step["cached"]]
        row(
            "warm run, neither guest nor suite",
            f"{max(0.0, 1 - busy / seconds):.2f}",
            "0.25",
            f"{seconds:.0f} s in all",
        )
        row("warm run, steps that compiled", str(len(compiled)), "0", " ".join(compiled))
        for target in result["targets"]:
            boot = target["boots"][0]
            row(f"{target['arch']} first SSH command / init", f"{boot['ssh_s'] / boot['init_s']:.2f}", "1.50",
                f"{boot['ssh_s']:.2f} s, {boot['init_s']:.2f} s ({boot['accel']})")  # fmt: skip
            row(f"{target['arch']} initramfs", f"{target['rootfs']['size_bytes'] / 2**20:.1f}", "16 MiB")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        row("largest process of all (QEMU and compilers too)", f"{peak:.0f}", "MiB")

    def harness_memory(self) -> None:
        """The harness's own peak memory in a warm run, read from its own account."""
        script = (
            "import resource, sys; from harness.cli.main import entry; import atexit;"
            "atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr));"
            f"sys.argv[1:] = ['run', '--suite', 'faults', '--out', {str(self.work / 'memory')!r}]; entry()"
        )
        done = subprocess.run(
            [self.vmaharness.parent / "python", "-c", script], capture_output=True, text=True, check=False,
            env={**os.environ, "VMAHARNESS_CACHE": str(self.user_cache)},
        )  # fmt: skip
        row("the harness's own memory", f"{int(done.stderr.split()[-1]) / 1024:.0f}", "300 MiB")

    def start_up(self) -> None:
        """`vmaharness --help`, median of nine, against a bare Python interpreter."""

        def median(*argv: Path | str) -> float:
            def once() -> float:
                started = time.monotonic()
                subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
                return time.monotonic() - started

            return statistics.median(once() for _ in range(9))

        ours, bare = median(self.vmaharness, "--help"), median(self.vmaharness.parent / "python", "-c", "pass")
        row("vmaharness --help", f"{ours:.2f}", "0.30 s", f"{ours / bare:.1f} times a bare interpreter")


def main() -> None:
    parser = argparse.ArgumentParser(prog="ci/bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", "cold", "quick", "intake", "console"), default="all")
    parser.add_argument("--vmaharness", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=chosen.cache) as work:
        bench = Bench(chosen.vmaharness, chosen.cache, Path(work))
        parts: dict[str, list[Callable[[], None]]] = {
            "console": [lambda: consoles.measure(row)],
            "intake": [lambda: intake.measure(chosen.vmaharness, Path(work), row)],
            "quick": [bench.start_up, bench.harness_memory, lambda: bench.warm(chosen.cache)],
            "cold": [bench.cold_and_warm],
        }
        parts["all"] = [*parts["console"], *parts["intake"], *parts["quick"][:2], *parts["cold"]]
        parts["quick"][:0] = parts["intake"]
        for part in parts[chosen.what]:
            part()


if __name__ == "__main__":
    main()
