"""The steps that make what guests of one tree need beside a kernel: the suites' programs, an initramfs with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.arch import host_arch
from harness.guest.rootfs import build_rootfs
from harness.model import Arch, Outcome, Rootfs, SuiteResult
from harness.run.answers import keep, known_before, recall, remember
from harness.run.graph import Node, Report
from harness.run.suites import Prepared, Workshop, key_on_host, prepared_kselftest, prepared_vma, run_on_host
from harness.run.tree_steps import TreeSteps
from harness.suites.vma_program import VmaProgram


@dataclass(slots=True)
class Programs:
    """Adds such steps to those of a tree, for the architectures of `prepared`."""

    steps: TreeSteps
    shop: Workshop
    prepared: dict[Arch, list[Node[Prepared]]]  # what each suite came to
    host_vma: Node[SuiteResult] | None = None  # what the vma suite said on the host

    def add_suites(self) -> None:
        """What the plan's suites need; the host's own vma program is run as soon as it is there."""
        suites, shop = self.steps.plan.suites, self.shop
        if "vma" in suites:
            self.add_vma()
        if "kselftest" in suites:
            self._add_kselftest()
        makers = {"faults": shop.faults, "hazards": shop.hazards, "bench": shop.bench, "sizes": shop.sizes}
        for name in (name for name in suites if name in makers):
            for arch, prepared in self.prepared.items():

                def compile_program(report: Report, name: str = name, arch: Arch = arch) -> Prepared:
                    report.cached = True

                    def say(text: str) -> None:
                        report.cached = False
                        report.say(text)

                    return makers[name](arch, say)

                prepared.append(self.steps.add(f"{name} programs {arch}", compile_program))

    def add_vma(self) -> None:
        """tools/testing/vma of the tree, for the host too."""
        steps, native = self.steps, host_arch()
        needed = ([native] if native else []) + [arch for arch in self.prepared if arch is not native]
        for arch in needed:

            def compile_vma(report: Report, arch: Arch = arch) -> VmaProgram:
                source = steps.source(steps.applied, report)
                program = self.shop.vma_program(steps.applied.value, arch, source, report.say)
                report.cached, report.good, report.text = program.cached, not program.message, program.message
                return program

            program = steps.add_reader(
                f"vma program {arch}", compile_vma, steps.applied, needs=[steps.applied], uses="vma"
            )
            if arch is native:
                self.host_vma = steps.add("vma on the host", self._host_vma_of(program), needs=[program])
            if arch in self.prepared:

                def prepare(_: Report, program: Node[VmaProgram] = program) -> Prepared:
                    return prepared_vma(program.value)

                self.prepared[arch].append(steps.add(f"vma suite {arch}", prepare, needs=[program]))

    def _add_kselftest(self) -> None:
        steps, tree = self.steps, self.steps.applied
        for arch, prepared in self.prepared.items():

            def compile_selftests(report: Report, arch: Arch = arch) -> Prepared:
                found = self.shop.selftests(tree.value, arch, steps.source(tree, report), report.say)
                bad = [one for one in found.missing if one.outcome is Outcome.FAIL]
                report.cached, report.good = found.cached, not bad
                report.text = f"{bad[0].key}: {bad[0].message}" if bad else f"{len(found.programs)} programs"
                return prepared_kselftest(found, steps.plan.cases)

            name = f"kselftest programs {arch}"
            prepared.append(steps.add_reader(name, compile_selftests, tree, needs=[tree], uses="selftests"))

    def add_rootfs(self, arch: Arch) -> Node[Rootfs]:
        """The initramfs of an architecture, with all that its suites need."""
        shop, prepared = self.shop, self.prepared[arch]

        def make(report: Report) -> Rootfs:
            payloads = [node.value.payload for node in prepared]
            rootfs = build_rootfs(
                arch, payloads, archive=shop.archive, cache=shop.cache, processes=shop.processes, say=report.say
            )
            report.made_of(rootfs.digest)
            return rootfs

        return self.steps.add(f"initramfs {arch}", make, needs=prepared)

    def _host_vma_of(self, program: Node[VmaProgram]) -> Callable[[Report], SuiteResult]:
        def run(report: Report) -> SuiteResult:
            result, report.cached = self._told_by_host(program.value)
            bad = [case for case in result.cases if case.outcome is not Outcome.PASS]
            report.good, report.text = not bad, f"{len(result.cases) - len(bad)} of {len(result.cases)} passed"
            return result

        return run

    def _told_by_host(self, program: VmaProgram) -> tuple[SuiteResult, bool]:
        """What a program gives on the host, and whether that was known."""
        steps, shop, place = self.steps, self.shop, self.steps.layout.directory
        key = key_on_host(program, shop.sandbox) if steps.resumable or steps.reuse else ""
        known = recall(SuiteResult, place, "host-vma", key) if steps.resumable else None
        known = known or (known_before(SuiteResult, shop.cache, key) if steps.reuse else None)
        if known is not None:
            return known, True
        result = run_on_host(program, shop.processes, shop.sandbox)
        if steps.reuse and all(case.outcome is not Outcome.TIMEOUT for case in result.cases):
            keep(shop.cache, key, result)
        if steps.resumable:
            remember(place, "host-vma", key, result)
        return result, False
