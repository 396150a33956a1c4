"""Fragments, what became of them, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, UserError
from harness.kernel.explain import explain
from harness.kernel.kconfig import (
    Request,
    asks_for,
    fragments_of,
    merged,
    read_config,
    read_fragments,
    requests_digest,
    verify,
)
from harness.kernel.kconfig_language import KconfigTree, parse_expression, read_kconfig
from harness.model import Arch, Profile


def fragment(tmp_path: Path, text: str, name: str = "base.config") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


class TestFragments:
    def test_every_kind_of_line(self, tmp_path: Path) -> None:
        path = fragment(
            tmp_path,
            "# a comment\n\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=n\n"
            'CONFIG_E="a \\"b\\" c"\nCONFIG_F=0x1F\nCONFIG_G=-3\n'
            "CONFIG_H=y  # optional: from 7.0 on\nCONFIG_I=y # why\n",
        )
        requests = read_fragments([path])
        assert [(request.symbol, request.value, request.line) for request in requests] == [
            ("A", "y", 3), ("B", "m", 4), ("C", "n", 5), ("D", "n", 6), ("E", '"a \\"b\\" c"', 7), ("F", "0x1F", 8),
            ("G", "-3", 9), ("H", "y", 10), ("I", "y", 11),
        ]  # fmt: skip
        assert [request.symbol for request in requests if request.optional] == ["H"]

    @pytest.mark.parametrize(
        "line",
        ["CONFIG_A=yes", "CONFIG_A", "A=y", "CONFIG_A=y CONFIG_B=y", "# CONFIG_A is set", "CONFIG_A=y#x", "x\0y"],
    )
    def test_a_bad_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = fragment(tmp_path, f"CONFIG_GOOD=y\n{line}\n")
        with pytest.raises(InputError) as caught:
            read_fragments([path])
        assert str(caught.value).startswith(f"{path}:2: ")

    def test_a_symbol_belongs_to_one_fragment(self, tmp_path: Path) -> None:
        one, two = fragment(tmp_path, "\nCONFIG_A=y\n", "one"), fragment(tmp_path, "# CONFIG_A is not set\n", "two")
        with pytest.raises(InputError) as caught:
            read_fragments([one, two])
        assert str(caught.value) == f"{two}:1: CONFIG_A is asked for twice: {one}:2 wants y"

    def test_what_a_profile_proves_to_be_absent(self, tmp_path: Path) -> None:
        own = Profile("up", (fragment(tmp_path, "CONFIG_SMP=n\nCONFIG_MMU=y\n"),))
        asked = {name: asks_for(name, "n", own, Arch.ARM64) for name in ("SMP", "MMU", "PER_VMA_LOCK")}
        assert asked == {"SMP": True, "MMU": False, "PER_VMA_LOCK": False}

    def test_what_a_profile_proves_to_be_there(self, tmp_path: Path) -> None:
        own = Profile("own", (fragment(tmp_path, "CONFIG_SMP=y\nCONFIG_MMU=n\nCONFIG_NUMA=y  # optional\n"),))
        asked = {name: asks_for(name, "y", own, Arch.ARM64) for name in ("SMP", "MMU", "NUMA", "PER_VMA_LOCK")}
        assert asked == {"SMP": True, "MMU": False, "NUMA": False, "PER_VMA_LOCK": False}

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_fragments([tmp_path / "none"])

    def test_the_architectures_own_comes_second(self, tmp_path: Path) -> None:
        own = fragment(tmp_path, "", "arm64.config")
        profile = Profile("p", (tmp_path / "base.config", tmp_path / "more.config"))
        assert fragments_of(profile, Arch.ARM64, tmp_path) == (profile.fragments[0], own, profile.fragments[1])
        assert fragments_of(profile, Arch.X86_64, tmp_path) == profile.fragments

    def test_the_digest_is_of_what_is_asked_for_not_of_how(self, tmp_path: Path) -> None:
        one = read_fragments([fragment(tmp_path, "CONFIG_A=y\nCONFIG_B=n\n", "one")])
        two = read_fragments([fragment(tmp_path, "# why\n# CONFIG_B is not set\n\nCONFIG_A=y\n", "two")])
        assert requests_digest(one) == requests_digest(two)
        assert merged(one) == "CONFIG_A=y\n# CONFIG_B is not set\n"
        assert requests_digest(one) != requests_digest(one[:1])

    @given(st.text())
    def test_any_text_is_read_or_refused(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        path = tmp_path_factory.mktemp("any") / "fragment"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            requests = read_fragments([path])
        except InputError:
            return
        assert len(read_config(merged(requests))) == len(requests)


def ask(symbol: str, value: str, *, optional: bool = False) -> Request:
    return Request(symbol, value, Path("kconfigs/base.config"), 7, optional)


class TestVerify:
    """On the fake kernel's Kconfig files."""

    CONFIG = (
        "CONFIG_X86=y\nCONFIG_SMP=y\nCONFIG_ARCH_SUPPORTS_PER_VMA_LOCK=y\nCONFIG_PER_VMA_LOCK=y\n"
        'CONFIG_NAME="x"\nCONFIG_HEX=0x1f\n# CONFIG_SHMEM is not set\n# CONFIG_VM_EVENT_COUNTERS is not set\n'
    )

    @pytest.mark.parametrize(
        "request_",
        [ask("SMP", "y"), ask("SHMEM", "n"), ask("NOWHERE", "n"), ask("HEX", "0x1F"), ask("NAME", '"x"'),
         ask("NOWHERE", "y", optional=True)],
    )  # fmt: skip
    def test_what_stuck(self, fake: Path, request_: Request) -> None:
        verify([request_], self.CONFIG, fake, Arch.X86_64)

    def test_no_prompt_cannot_be_turned_off(self, fake: Path) -> None:
        with pytest.raises(UserError) as caught:
            verify([ask("PER_VMA_LOCK", "n")], self.CONFIG, fake, Arch.X86_64)
        assert "CONFIG_PER_VMA_LOCK: wanted n, got y (kconfigs/base.config:7)" in caught.value.what
        assert "it has no prompt, so no fragment can set it (mm/Kconfig:4)" in caught.value.detail
        assert "depends on ARCH_SUPPORTS_PER_VMA_LOCK [=y] && SMP [=y]" in caught.value.detail

    def test_an_unmet_dependency(self, fake: Path) -> None:
        with pytest.raises(UserError) as caught:
            verify([ask("SMP", "y"), ask("PER_VMA_LOCK_STATS", "y")], self.CONFIG, fake, Arch.X86_64)
        assert "unmet dependency (mm/Kconfig:12): VM_EVENT_COUNTERS [=n]" in caught.value.detail
        assert "CONFIG_SMP" not in caught.value.detail

    def test_a_symbol_that_is_not_there(self, fake: Path) -> None:
        with pytest.raises(UserError) as caught:
            verify([ask("SHMEN", "y"), ask("HELP_IS_NO_SYMBOL", "y")], self.CONFIG, fake, Arch.X86_64)
        assert "and 1 more" in caught.value.what
        assert "no such symbol in this tree; there is SHMEM" in caught.value.detail
        assert caught.value.detail.count("no such symbol") == 2


# Tabs as in a kernel; a help text ends with its indentation.
KCONFIG = """
config MODULES
	bool "Modules"
	modules

menu "Devices"
	depends on NET
	visible if EXPERT

config CARD
	tristate "Card" if !ISA
	depends on PCI || \\
		(MMIO && !BROKEN)
	default y
	select LIB if MMIO
	help
		Says
			config NOT_ONE

		much.

endmenu

if NET
config INNER
	bool
	prompt "Inner"
	depends on $(cc-option,-mfoo) && LEVEL >= 3 # really
endif

choice
	prompt "Speed"
config FAST
	bool "Fast"
config SLOW
	bool "Slow"
endchoice

config LIB
	tristate
	default m if CARD=y || NAME != "x"

config CARD
	bool "Card, again"
	depends on OTHER
"""


class TestLanguage:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> KconfigTree:
        (tmp_path / "Kconfig").write_text('source "sub/$(SRCARCH)/Kconfig"\nsource "none"\nsource "Kconfig"\n')
        (tmp_path / "sub/x86").mkdir(parents=True)
        (tmp_path / "sub/x86/Kconfig").write_text(KCONFIG)
        return read_kconfig(tmp_path, {"SRCARCH": "x86"})

    def test_symbols_and_their_surroundings(self, tree: KconfigTree) -> None:
        assert set(tree.definitions) == {"MODULES", "CARD", "INNER", "FAST", "SLOW", "LIB"}
        card, again = tree.definitions["CARD"]
        texts = [condition.text({}) for condition in card.depends]
        assert texts == ["NET [=n]", "PCI [=n] || (MMIO [=n] && !BROKEN [=n])"]
        assert card.place == "sub/x86/Kconfig:10"
        assert [condition.text({}) for condition in again.depends] == ["OTHER [=n]"]

    def test_either_definition_will_do(self, tree: KconfigTree) -> None:
        values = {"NET": "y", "EXPERT": "y"}
        reasons = explain("CARD", "y", "n", tree, values)
        assert "unmet dependency (sub/x86/Kconfig:10): PCI [=n] || (MMIO [=n] && !BROKEN [=n])" in reasons
        assert "unmet dependency (sub/x86/Kconfig:43): OTHER [=n]" in reasons
        assert not any("unmet" in reason for reason in explain("CARD", "y", "n", tree, {**values, "PCI": "y"}))

    def test_m_is_not_enough_for_y(self, tree: KconfigTree) -> None:
        values = {"NET": "m", "EXPERT": "y", "PCI": "y"}
        assert any("NET [=m]" in reason for reason in explain("CARD", "y", "m", tree, values))
        assert not any("NET [=m]" in reason for reason in explain("CARD", "m", "n", tree, values))

    def test_a_hidden_prompt(self, tree: KconfigTree) -> None:
        values = {"NET": "y", "PCI": "y", "ISA": "y"}
        (reason,) = (line for line in explain("CARD", "n", "y", tree, values) if "hidden" in line)
        assert reason == "its prompt (sub/x86/Kconfig:10) is hidden: !ISA [=y], EXPERT [=n]; the default is y"

    def test_who_selects_it(self, tree: KconfigTree) -> None:
        reasons = explain("LIB", "n", "y", tree, {"CARD": "y", "MMIO": "y"})
        assert "  selected by CARD [=y]" in reasons
        assert '  default m if CARD [=y] = y || NAME [=n] != "x"' in reasons

    def test_compiler_tests_are_taken_for_true_and_levels_compared(self, tree: KconfigTree) -> None:
        assert any("LEVEL [=2] >= 3" in line for line in explain("INNER", "y", "n", tree, {"NET": "y", "LEVEL": "2"}))
        assert not any("unmet" in line for line in explain("INNER", "y", "n", tree, {"NET": "y", "LEVEL": "10"}))

    def test_another_of_a_choice(self, tree: KconfigTree) -> None:
        reasons = explain("FAST", "y", "n", tree, {"SLOW": "y"})
        assert reasons == ["it is one of a choice (sub/x86/Kconfig:31) in which SLOW is set"]

    @given(st.text(alphabet=st.sampled_from("AB&|!()=<> \"'$ynm12,-"), max_size=40))
    def test_any_condition_has_a_value(self, text: str) -> None:
        condition = parse_expression(text)
        assert condition.value({"A": "y", "B": "m"}) in ("n", "m", "y")
        assert isinstance(condition.text({}), str)

    @given(st.lists(st.sampled_from(KCONFIG.splitlines())))
    def test_any_order_of_lines_is_read(self, tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
        directory = tmp_path_factory.mktemp("any")
        (directory / "Kconfig").write_text("\n".join(lines))
        tree = read_kconfig(directory, {})
        for symbol in tree.definitions:
            assert explain(symbol, "y", "n", tree, {})
