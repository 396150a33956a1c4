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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import consoles
import intake
import onebyone
import prices

from harness.arch import ARCHES
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.source import resolve_tree
from harness.model import Arch
from harness.run.sources import Archives


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
        suites = ("--suite", "vma", "--suite", "faults")
        self.run("seed", *suites, cache=self.user_cache)
        self.seed_downloads()
        result, seconds = self.run("cold", *suites)
        source, wall, compiled = self.plain_source(result), 0.0, {}
        for target in result["targets"]:
            config = self.work / "cold" / f"config-{target['arch']}-{target['profile']}"
            make_s, compiled[target["arch"]] = self.plain_make(source, target, config, flags=onebyone.SAME_FLAGS)
            wall += make_s
        row("cold run (vma, faults) / plain make of both", f"{seconds / wall:.2f}", "1.15",
            f"{seconds:.0f} s, {wall:.0f} s")  # fmt: skip
        for target in result["targets"]:
            arch, ours = target["arch"], target["build"]["cpu_seconds"]
            row(f"compile {arch} in the run / plain make", f"{ours / compiled[arch]:.2f}", "1.00",
                f"{ours:.0f} CPU s, {compiled[arch]:.0f} CPU s")  # fmt: skip
        self.warm(self.cache)

    def against_yardstick(self) -> None:
        """Plain make of the default plan's kernels against that of a configuration written by hand."""
        directory = self.work / "seed"
        self.run("seed", "--suite", "faults", cache=self.user_cache)
        result = json.loads((directory / "results.json").read_text())
        source = self.plain_source(result)
        for target in result["targets"]:
            arch = target["arch"]
            _, ours = self.plain_make(source, target, directory / f"config-{arch}-{target['profile']}")
            by_hand = Path(__file__).with_name("yardstick") / f"{arch}.config"
            _, yardstick = self.plain_make(source, target, by_hand, requested=True)
            row(f"compile {arch} / a hand-made configuration", f"{ours / yardstick:.2f}", "0.70",
                f"{ours:.0f} CPU s, {yardstick:.0f} CPU s")  # fmt: skip

    def plain_source(self, result: Mapping[str, Any]) -> Path:
        """The run's tree, unpacked.  Without the series: a hundred lines are not what it is about."""
        source = self.work / "plain"
        if source.exists():
            return source
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", result["tree"]["repo"], str(source)]
        subprocess.run(clone, check=True)
        checkout = ["git", "-C", str(source), "-c", "advice.detachedHead=false", "checkout", "--quiet"]
        subprocess.run([*checkout, result["tree"]["commit"]], check=True)
        return source

    def plain_make(
        self, source: Path, target: Mapping[str, Any], config: Path, *, requested: bool = False,
        flags: Sequence[str] = (),
    ) -> tuple[float, float]:  # fmt: skip
        """`make -jN` of one kernel with a configuration, or with one that is only `requested`: wall and CPU seconds."""
        info = ARCHES[Arch(target["arch"])]
        objects = Path(tempfile.mkdtemp(prefix="objects-", dir=self.work))
        make = ["make", "-s", f"-j{os.cpu_count()}", f"O={objects}", f"ARCH={info.kbuild}",
                f"CROSS_COMPILE={target['build']['toolchain']['cross_compile']}", *flags]  # fmt: skip
        env = {**os.environ, "CCACHE_DISABLE": "1"}
        if requested:
            subprocess.run([*make, f"KCONFIG_ALLCONFIG={config}", "allnoconfig"], cwd=source, env=env, check=True)
        else:
            shutil.copy(config, objects / ".config")
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([*make, info.image_target], cwd=source, env=env, check=True)
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(objects)
        return wall, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    def warm(self, cache: Path) -> None:
        """Run again with nothing changed: what is neither guest nor suite time, and what a guest's start costs."""
        self.run("warm-up", cache=cache)
        result, seconds = self.run("warm", cache=cache)
        steps = {step["name"]: step for step in result["steps"]}
        longest = max(step["seconds"] for name, step in steps.items() if name.startswith("test "))
        guests = sum(step["seconds"] for name, step in steps.items() if name.startswith("test "))
        # Guests run beside each other where there are CPUs for it: then their sum would hide all else that takes time.
        busy = longest if len(os.sched_getaffinity(0)) > 1 else guests
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

    def one_by_one(self) -> None:
        """Patch by patch, resume and bisect."""
        self.seed_downloads()
        with Processes() as processes, Cache(self.user_cache) as cache:
            tree = resolve_tree(
                "debian:linux-source-6.12", processes=processes, cache=cache,
                archive_for=Archives(processes, cache, lambda _: None), say=lambda _: None,
            )  # fmt: skip
        onebyone.OneByOne(self.vmaharness, self.cache, self.work, row).measure(tree.repo, tree.commit)

    def priced(self) -> None:
        """What patches add to a fault, beside a busy host."""
        prices.Priced(self.vmaharness, self.user_cache, self.work, row).measure()

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
    parser.add_argument(
        "what",
        nargs="?",
        choices=("all", "cold", "compile", "patches", "prices", "quick", "intake", "console"),
        default="all",
    )
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
            "compile": [bench.against_yardstick],
            "patches": [bench.one_by_one],
            "prices": [bench.priced],
        }
        parts["all"] = [*parts["console"], *parts["intake"], *parts["quick"][:2], *parts["cold"], *parts["compile"],
                        *parts["patches"], *parts["prices"]]  # fmt: skip
        parts["quick"][:0] = parts["intake"]
        for part in parts[chosen.what]:
            part()


if __name__ == "__main__":
    main()
