"""Plan files that are wrong: what is said about them, exactly; and what the right ones mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import plans_dir
from harness.errors import ExitCode, InputError, UserError
from harness.model import Arch, GuestConfig
from harness.plan.document import parse_document
from harness.plan.load import Override, load_plan, validate
from harness.plan.model import Plan

BAD = [
    # (file, line, message after "FILE:LINE: ", fix)
    (b"", 0, "is empty", "write at least one key, for example: arch: [x86_64]"),
    (b"# nothing but a comment\n", 0, "is empty", "write at least one key, for example: arch: [x86_64]"),
    (b"- a\n", 1, "must be a mapping of keys to values, not a list", "write KEY: VALUE lines"),
    (b"\n\nhello\n", 3, "must be a mapping of keys to values, not the text 'hello'", "write KEY: VALUE lines"),
    (b"tree: \xff\n", 1, "is not UTF-8 text", "save the file in UTF-8"),
    (b"keep: true\ntree: a\xe4b\n", 2, "is not UTF-8 text", "save the file in UTF-8"),
    (b"keep: true\ntree: a\x07b\n", 2, "has a control character, U+0007", "remove it"),
    (b"a: [1\nb: 2\n", 2, "is not valid YAML", "check indentation, quotes and brackets near this line"),
    (b"keep: true\n\tjobs: 1\n", 2, "is not valid YAML", "check indentation, quotes and brackets near this line"),
    (b"keep: *nothing\n", 1, "is not valid YAML", "check indentation, quotes and brackets near this line"),
    (b"keep: true\n---\njobs: 1\n", 2, "a second document begins here", "keep one document in a file"),
    (b"jobs: 1\narch: [arm64]\njobs: 2\n", 3, "jobs: is there twice, first in line 1", "remove one of the two"),
    (b"guest:\n  smp: 1\n  smp: 2\n", 3, "guest.smp: is there twice, first in line 2", "remove one of the two"),
    (b"guest: {<<: {smp: 1}}\n", 1, "guest.<<: unknown key", "the keys here are accel, machine, smp, memory, cmdline, "
     "boot_s, command_s, silence_s"),
    (b"? [a]\n: b\n", 1, "has a key that is no text", "write KEY: VALUE"),
    (b"keep: !!python/name:os.system x\n", 1, "keep: has a tag, tag:yaml.org,2002:python/name:os.system",
     "remove the tag"),
    (b"\nseris: x\n", 2, "seris: unknown key", "did you mean series?"),
    (b"base-fix: none\n", 1, "base-fix: unknown key", "did you mean base_fix?"),
    (b"profiles: [{name: a, fragmens: [b]}]\n", 1, "profiles[0].fragmens: unknown key", "did you mean fragments?"),
    (b"sandbox: no\n", 1, "sandbox: must be true or false, not the text 'no'", "write true or false"),
    (b"keep: on\n", 1, "keep: must be true or false, not the text 'on'", "write true or false"),
    (b"jobs: '4'\n", 1, "jobs: must be a whole number, not the text '4'", "for example: jobs: 8"),
    (b"jobs: 1:30\n", 1, "jobs: must be a whole number, not the text '1:30'", "for example: jobs: 8"),
    (b"jobs: 2.0\n", 1, "jobs: must be a whole number, not the number 2.0", "for example: jobs: 8"),
    (b"jobs: true\n", 1, "jobs: must be a whole number, not true", "for example: jobs: 8"),
    (b"jobs: -1\n", 1, "jobs: must be at least 0, not the number -1", "for example: jobs: 8"),
    (b"guest:\n  smp: 0\n", 2, "guest.smp: must be at least 1, not the number 0", "for example: smp: 4"),
    (b"guest:\n  boot_s: soon\n", 2, "guest.boot_s: must be a number, not the text 'soon'", "for example: boot_s: 60"),
    (b"guest:\n  boot_s: 0\n", 2, "guest.boot_s: must be more than 0.0, not the number 0", "for example: boot_s: 60"),
    (b"guest: 4\n", 1, "guest: must be a mapping, not the number 4", "for example: guest: {smp: 4, memory: 2G}"),
    (b"guest:\n  memory: 1024\n", 2, "guest.memory: must be text, not the number 1024", "for example: memory: 512M"),
    (b"guest:\n  memory: 1GB\n", 2, "guest.memory: must be a size such as 512M or 1G, not '1GB'",
     "for example: memory: 512M"),
    (b"guest:\n  memory: 1M\n", 2, "guest.memory: must be 128M to 1024G, not 1M", "for example: memory: 512M"),
    (b"guest:\n  accel: hvf\n", 2, "guest.accel: must be one of auto, tcg, kvm, not the text 'hvf'",
     "for example: accel: tcg"),
    (b'guest: {cmdline: "a\\nb"}\n', 1, "guest.cmdline: has a line break or another control character",
     'for example: cmdline: slab_nomerge mitigations=off'),
    (b"guest: {cmdline: nokaslr quiet}\n", 1, "guest.cmdline: quiet keeps off the console what is listened for there",
     'for example: cmdline: slab_nomerge mitigations=off'),
    (b"guest: {cmdline: loglevel=3}\n", 1, "guest.cmdline: loglevel=3 keeps off the console what is listened for there",
     'for example: cmdline: slab_nomerge mitigations=off'),
    (b"bench:\n  fail: [slower > 1 %, faster]\n", 2, "bench.fail: must be a limit such as slower > 1 % or "
     "faults.anon.1: slower > 20, not 'faster'",
     'for example: fail: ["slower > 1 %", "faults.anon.*: slower > 0.2 %"]'),
    (b"arch: x86_64\n", 1, "arch: must be a list, not the text 'x86_64'", "for example: arch: [arm64]"),
    (b"arch:\n- x86_64\n- riscv\n", 3, "arch[1]: must be one of x86_64, arm64, not the text 'riscv'",
     "for example: arch: [arm64]"),
    (b"arch: []\n", 1, "arch: must not be empty", "for example: arch: [arm64]"),
    (b"arch: [arm64, arm64]\n", 1, "arch: names arm64 more than once", "for example: arch: [arm64]"),
    (b"tree:\n", 1, "tree: must be text, not nothing (null)", "for example: tree: debian:linux-source-7.2"),
    (b"tree: ''\n", 1, "tree: must not be empty", "for example: tree: debian:linux-source-7.2"),
    (b"series: 6.12\n", 1, "series: must be text, not the number 6.12", "for example: series: ./v3-vma-lock.mbox"),
    (b"profiles: [../x]\n", 1, "profiles[0].name: must be made of letters, digits and . _ + - (the first a letter or "
     "digit), not the text '../x'", "for example: name: lockdep"),
    (b"profiles:\n- fragments: [base]\n", 2, "profiles[0].name: is missing", "add name: …"),
    (b"profiles: [a, {name: a}]\n", 1, "profiles: names a more than once",
     "for example: profiles: [lockdep, {name: mine, fragments: [base, per-vma-lock, ./mine.config]}]"),
    (b"[" * 30 + b"]" * 30, 1, "is nested too deeply", "use at most 20 levels"),
    (b"a: &a [*a]\n", 1, "has too many values (aliases count each time)", "use at most 10000"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "what", "fix"), BAD, ids=[str(case[2])[:50] for case in BAD])
def test_a_bad_plan_says_where_what_and_how_to_mend_it(
    tmp_path: Path, data: bytes, line: int, what: str, fix: str
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_plan(plan, cwd=tmp_path)
    place = f"{plan}:{line}" if line else f"{plan}"
    assert (str(caught.value), caught.value.fix) == (f"{place}: {what}", fix)
    assert caught.value.exit_code is ExitCode.USER_ERROR


def test_the_first_defect_comes_first_and_the_others_are_told(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("jobs: many\nguest:\n  smp: 0\nkep: true\n")
    with pytest.raises(InputError) as caught:
        load_plan(plan, cwd=tmp_path)
    assert str(caught.value) == f"{plan}:1: jobs: must be a whole number, not the text 'many'"
    assert caught.value.detail.splitlines() == [
        f"{plan}:3: guest.smp: must be at least 1, not the number 0",
        f"{plan}:4: kep: unknown key",
    ]


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    plan = tmp_path / "plan.yaml"
    plan.write_text("\n".join(rows))
    with pytest.raises(InputError, match="too many values"):
        load_plan(plan, cwd=tmp_path)


def test_a_file_that_is_not_there_or_too_long_or_a_directory(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"#" * (1 << 21))
    for name, what in (("none", "No such file or directory"), ("long", "is longer than 1024 KiB"), (".", "Is a dir")):
        with pytest.raises(InputError, match=what):
            load_plan(tmp_path / name, cwd=tmp_path)


def test_an_alias_is_fine(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("suites: &names [vma]\nprofiles: *names\n")
    loaded = load_plan(plan, cwd=tmp_path)
    assert (loaded.suites, loaded.profiles[0].name) == (("vma",), "vma")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_junk_is_never_more_than_an_input_error(data: bytes) -> None:
    try:
        validate(Plan, parse_document(data, Path("plan.yaml")))
    except InputError as error:
        assert str(error).startswith("plan.yaml")


_KEYS = st.sampled_from([*Plan.model_fields, "smp", "memory", "name", "fragments", "boot_s", "<<", "x", "1"])
_SCALARS = st.sampled_from(
    [
        "lockdep",
        "arm64",
        "x86_64",
        "true",
        "no",
        "~",
        "-1",
        "0",
        "7",
        "1e300",
        ".inf",
        "1G",
        '""',
        "'a b'",
        "./x",
        "none",
    ]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(_KEYS, inner, max_size=3).map(
            lambda entries: f"{{{', '.join(f'{name}: {value}' for name, value in entries.items())}}}"
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=5))
def test_what_looks_like_a_plan_is_one_or_has_a_line(entries: dict[str, str]) -> None:
    text = "".join(f"{name}: {value}\n" for name, value in entries.items())
    try:
        plan = validate(Plan, parse_document(text.encode(), Path("plan.yaml")))
    except InputError as error:
        assert 1 <= error.line <= len(entries)
        assert list(entries)[error.line - 1] in str(error)
    else:
        assert plan.guest.to_config().smp >= 1


def test_a_plan_of_everything(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "tree: https://example.org/linux.git@v6.12\nseries: ./fixes\nbase: auto\n"
        "base_candidates: [other, 'debian:linux-source-7.2']\nmerged: false\nper_patch: true\nbudget: 20m\n"
        "base_fix: fix\narch: [arm64]\n"
        "profiles: [lockdep, {name: mine, fragments: [base, ./mine.config], checkers: checks}]\n"
        "suites: [faults]\nchecks: [w1]\ncases: ['faults.*']\n"
        "baseline: always\nstrict: true\nknown: known.yaml\nretries: 9\nflaky: allow\n"
        "exact: true\nseeds: [1, 5..7]\n"
        "guest: {accel: tcg, machine: virt, smp: 4, memory: 2G, cmdline: a=b c, boot_s: 1,"
        " command_s: 2.5, silence_s: 3}\n"
        "bench: {mode: clock, fail: slower > 1 %, same: 0.05, again: 2, moved: false, where: false, boots: 20}\n"
        "repair: true\njobs: 3\nsandbox: false\nout: results\nkeep: true\n"
    )
    loaded = load_plan(plan, cwd=Path("/nowhere"))
    assert loaded.model_dump(mode="json") == {
        "tree": "https://example.org/linux.git@v6.12", "series": f"{tmp_path}/fixes", "base": "auto",
        "base_candidates": [f"{tmp_path}/other", "debian:linux-source-7.2"], "merged": False, "per_patch": True,
        "budget": "20m",
        "base_fix": f"{tmp_path}/fix", "arch": ["arm64"],
        "profiles": [{"name": "lockdep", "fragments": [], "checkers": None},
                     {"name": "mine", "fragments": ["base", f"{tmp_path}/mine.config"],
                      "checkers": f"{tmp_path}/checks"}],
        "suites": ["faults"], "checks": ["w1"], "cases": ["faults.*"], "baseline": "always", "strict": True,
        "known": f"{tmp_path}/known.yaml", "retries": 9, "flaky": "allow",
        "exact": True, "seeds": [1, 5, 6, 7],
        "guest": {"accel": "tcg", "machine": "virt", "smp": 4, "memory": "2G", "cmdline": "a=b c", "boot_s": 1.0,
                  "command_s": 2.5, "silence_s": 3.0},
        "bench": {
            "mode": "clock", "fail": ["slower > 1 %"], "same": 0.05, "again": 2, "moved": False, "where": False,
            "boots": 20,
        },
        "repair": True, "jobs": 3, "sandbox": False, "out": f"{tmp_path}/results", "keep": True,
    }  # fmt: skip
    assert loaded.guest.to_config() == GuestConfig(
        accel="tcg", machine="virt", smp=4, memory_mib=2048, cmdline="a=b c", boot_s=1.0, command_s=2.5, silence_s=3.0
    )


@pytest.mark.parametrize(
    ("tree", "means"),
    [
        ("debian:linux-source-7.2", "debian:linux-source-7.2"),
        ("https://example.org/a.git@v1", "https://example.org/a.git@v1"),
        ("git@example.org:a.git@v1", "git@example.org:a.git@v1"),
        ("linux", "/plans/linux"),
        ("../linux", "/linux"),
        ("/src/linux.tar.xz", "/src/linux.tar.xz"),
    ],
)
def test_where_a_tree_is(tree: str, means: str) -> None:
    plan = load_plan(None, [Override(("tree",), tree, "--tree")], cwd=Path("/plans"))
    assert plan.tree == means


def test_a_series_is_a_path_only_where_it_looks_like_one_or_is_there(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()

    def series(text: str) -> str | None:
        return load_plan(None, [Override(("series",), text, "--series")], cwd=tmp_path).series

    assert series("here") == f"{tmp_path}/here"
    assert series("v6.12..topic") == "v6.12..topic"
    assert series("./gone") == f"{tmp_path}/gone"
    assert series("none") is None


def test_flags_win_and_answer_for_themselves(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("arch: [arm64]\nguest:\n  smp: 8\n  memory: 2G\n")
    flags = [Override(("guest", "smp"), 4, "--smp"), Override(("jobs",), 2, "--jobs")]
    loaded = load_plan(plan, flags, cwd=tmp_path)
    assert (loaded.guest.smp, loaded.guest.memory, loaded.jobs, loaded.arch) == (4, "2G", 2, (Arch.ARM64,))
    with pytest.raises(UserError) as caught:
        load_plan(plan, [*flags, Override(("guest", "memory"), "3 G", "--mem")], cwd=tmp_path)
    assert not isinstance(caught.value, InputError)
    assert str(caught.value) == "--mem: must be a size such as 512M or 1G, not '3 G'"
    assert caught.value.fix == "for example: 512M"


def test_a_flag_chooses_a_profile_that_the_plan_makes(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("profiles: [lockdep, {name: mine, fragments: [base, ./mine.config]}]\n")
    flag = Override(("profiles",), ["mine", "release"], "--profile")
    mine, release = load_plan(tmp_path / "plan.yaml", [flag], cwd=Path("/elsewhere")).profiles
    assert (mine.name, mine.fragments) == ("mine", ("base", str(tmp_path / "mine.config")))
    assert (release.name, release.fragments) == ("release", ())


def test_the_plans_of_the_project_load() -> None:
    plans = sorted(plans_dir().glob("*.yaml"))
    assert [plan.stem for plan in plans if plan.stem == "default"]
    for plan in plans:
        assert load_plan(plan, cwd=Path("/nowhere"))
        assert plan.read_text().startswith("# yaml-language-server: $schema=../docs/plan.schema.json\n")


@pytest.mark.parametrize(
    ("said", "seeds"),
    [(7, (7,)), ("7", (7,)), ("1..3", (1, 2, 3)), ("9,1..2", (9, 1, 2)), ([5, "1..2"], (5, 1, 2)), (" 4 , 5 ", (4, 5))],
)
def test_seeds_say_that_guests_are_exact(said: object, seeds: tuple[int, ...]) -> None:
    plan = load_plan(None, [Override(("seeds",), said, "--seeds")], cwd=Path("/plans"))
    assert (plan.exact, plan.seeds, plan.guest_seeds) == (True, seeds, seeds)


def test_exact_guests_without_seeds_have_some_and_seeds_may_be_kept_for_later() -> None:
    exact = load_plan(None, [Override(("exact",), True, "--exact")], cwd=Path("/plans"))
    assert exact.guest_seeds == (1, 2, 3, 4)
    off = [Override(("exact",), False, "--not-exact"), Override(("seeds",), "1..8", "--seeds")]
    assert load_plan(None, off, cwd=Path("/plans")).guest_seeds == ()


@pytest.mark.parametrize("said", ["0", "3..1", "1..", "x", "", -1, "1,1", True, "1..99999", 2**31, [[1]], 1.5])
def test_what_is_no_seed(said: object) -> None:
    with pytest.raises(UserError, match="--seeds: "):
        load_plan(None, [Override(("seeds",), said, "--seeds")], cwd=Path("/plans"))
