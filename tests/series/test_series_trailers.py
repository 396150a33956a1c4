"""Tags of replies: only what their author wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.series.survey.trailers import is_masked, merged, person, trailers_of

BO = "Reviewed-by: Bo Example <bo@example.org>"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Fine.\n\n{BO}\n", (BO,)),
        (f"{BO}\r\nAcked-By: Cy <cy@example.org>\r\n", (BO, "Acked-By: Cy <cy@example.org>")),
        (f"{BO}\n{BO}\n", (BO,)),
        ("Reviewed-by: Bo Example\n <bo@example.org>\n", (BO,)),
        (f"> {BO}\n", ()),
        (f" {BO}\n", ()),
        (f"x {BO}\n", ()),
        ("Reviewed-by: whoever likes to\n", ()),
        (f"Not mine:\n-- \n{BO}\n", ()),
        (f"-----Original Message-----\nFrom: x\n\n{BO}\n", ()),
        (f"---------- Forwarded message ---------\n{BO}\n", ()),
        (f"Take this:\n-- >8 --\nFrom: x\n\n{BO}\n", ()),
        (f"diff --git a/f b/f\n{BO}\n", ()),
        (f"{BO}\n\nbut with\n\nSigned-off-by: Cy <cy@example.org>\ndiff --git a/f b/f\n", (BO,)),
        ("Signed-off-by: Cy <cy@example.org>\n", ("Signed-off-by: Cy <cy@example.org>",)),
        ("Fixed-by:\nnobody@example.org\n", ()),
    ],
)
def test_tags_of_a_text(text: str, found: tuple[str, ...]) -> None:
    assert trailers_of(text.encode(), "UTF-8") == found


def test_an_open_address_is_kept_before_a_masked_one() -> None:
    masked = "Reviewed-by: Bo Example <bo@xxxxxxxxxxx>"
    assert merged([masked, BO]) == (BO,)
    assert merged([BO, masked]) == (BO,)
    assert merged([masked]) == (masked,)
    assert (is_masked(masked), is_masked(BO)) == (True, False)


def test_people_are_told_by_name() -> None:
    assert person('"Bo  Example" <bo@example.org>') == person("bo example <b@xxxxxxxxxxx>") == "bo example"
    assert person("<bo@example.org>") == person("bo@example.org") == "bo@example.org"


@given(st.binary(max_size=3000))
def test_any_text_has_its_tags(text: bytes) -> None:
    assert all("-by: " in trailer.lower() for trailer in trailers_of(b"Acked-by: " + text, "UTF-8"))


@pytest.mark.parametrize(
    "line", [b"Reviewed-by: " + b" " * 500_000, b"A" * 500_000 + b"-by: ", b"- " * 250_000, b"@" * 500_000]
)
def test_long_lines_take_no_more_than_linear_time(line: bytes) -> None:
    trailers_of(line + b"-by:\n" + line, "UTF-8")
