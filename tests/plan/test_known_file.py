"""The file of known findings: what it says, and what is said of its defects."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import KnownFailure
from harness.plan.known import load_known

ENTRY = "known:\n  - case: faults.anon.*\n    reason: in review\n    expires: 2027-03-31\n"


def written(directory: Path, text: str) -> Path:
    path = directory / "known.yaml"
    path.write_text(text)
    return path


def test_entries_and_their_places(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"# ours\n{ENTRY}  - finding: 'lockdep: possible*'\n    arch: arm64\n    profile: kasan\n    reason: r\n"
        "    expires: 2026-12-01\n  - {finding: 0123456789abcdef, reason: s, expires: 2026-12-02}\n",
    )
    assert load_known(path) == (
        KnownFailure(f"{path}:3", "", "faults.anon.*", "", "", "in review", "2027-03-31"),
        KnownFailure(f"{path}:6", "lockdep: possible*", "", "arm64", "kasan", "r", "2026-12-01"),
        KnownFailure(f"{path}:11", "0123456789abcdef", "", "", "", "s", "2026-12-02"),
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (ENTRY.replace("2027-03-31", "2027-02-30"), 4, "known[0].expires: must be a day such as 2027-03-31"),
        (ENTRY.replace("2027-03-31", "soon"), 4, "must be a day"),
        (ENTRY.replace("case:", "cas:"), 2, "known[0].cas: unknown key"),
        (ENTRY.replace("    reason: in review\n", ""), 2, "known[0].reason: is missing"),
        (ENTRY.replace("case: faults.anon.*", "arch: arm64"), 2, "known[0]: needs either finding: or case:"),
        (ENTRY + "    finding: 'a: b'\n", 2, "needs either finding: or case:"),
        (ENTRY.replace("case: faults.anon.*", "finding: possible circular"), 2, "must be a fingerprint of 16"),
        (ENTRY + "    arch: riscv\n", 5, "must be one of x86_64, arm64"),
        (ENTRY.replace("in review", "' '"), 3, "known[0].reason: must not be empty"),
        (ENTRY.replace("case: faults.anon.*", "finding: 1234567890123456"), 2, "put the fingerprint in quotes"),
        (ENTRY + ENTRY.removeprefix("known:\n"), 5, "known[1]: is about the same as line 2"),
        ("known: 3\n", 1, "known: must be a list"),
        ("- case: x\n", 1, "must be a mapping"),
    ],
)
def test_a_defect_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_known(path)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


def test_a_misspelt_key_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_known(written(tmp_path, ENTRY + "    profil: kasan\n"))
    assert caught.value.fix == "did you mean profile?"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        load_known(tmp_path / "none.yaml")
    assert caught.value.fix == "name a file of known findings (docs/verdict.md)"


_WORDS = st.sampled_from(
    ["a.b", "'lockdep: x*'", "2027-01-01", "2027-13-01", "[]", "3", "~", "arm64", "0123456789abcdef"]
)
_KEYS = st.sampled_from(["finding", "case", "arch", "profile", "reason", "expires", "other"])


@given(entry=st.dictionaries(_KEYS, _WORDS, min_size=1))
def test_an_entry_is_one_or_has_a_line(tmp_path_factory: pytest.TempPathFactory, entry: dict[str, str]) -> None:
    lines = [f"    {key}: {value}\n" for key, value in entry.items()]
    path = written(tmp_path_factory.mktemp("known"), "known:\n  -\n" + "".join(lines))
    try:
        (found,) = load_known(path)
    except InputError as error:
        assert 1 <= error.line <= 2 + len(lines)
    else:
        assert found.reason
        assert bool(found.finding) is not bool(found.case)
