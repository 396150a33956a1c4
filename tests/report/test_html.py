"""report.html: complete without scripts, allowed by Jenkins, and no text of a guest becomes an element."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import Judgement, Side
from harness.model import Outcome, RunResult
from harness.report.html import page, plots, style_sheet
from harness.report.html.markup import Markup, element, join
from tests.report.costs import cost_report, price, priced, with_patches
from tests.report.samples import DIRECTORY, fault_case, passed, with_fault_cases

VOID = {"meta", "link", "br", "img"}


class Reader(HTMLParser):
    """All elements with their attributes; end tags must match."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs))
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def read(result: RunResult) -> Reader:
    reader = Reader()
    reader.feed(page(result, DIRECTORY))
    reader.close()
    assert reader.open == []
    return reader


def everything() -> RunResult:
    bad = replace(fault_case("cow.1"), outcome=Outcome.FAIL, message="a <b>bad</b> page", detail="<script>x</script>")
    return replace(with_fault_cases(bad), cost=cost_report())


def test_jenkins_would_show_all_of_it() -> None:
    """default-src 'none'; img-src 'self'; style-src 'self', in a sandbox: jenkins.io, "Content Security Policy"."""
    for tag, attributes in read(everything()).elements:
        assert tag not in {"script", "style", "iframe", "object", "embed", "form", "base"}
        for name, value in attributes.items():
            assert name != "style" and not name.startswith("on"), (tag, attributes)
            if name in {"href", "src"}:
                assert value and re.fullmatch(r"#?[A-Za-z0-9_.%/-]+", value) and not value.startswith("/"), value
    sheet = style_sheet().decode()
    assert "url(" not in sheet and "@import" not in sheet


def test_links_within_the_page_lead_somewhere() -> None:
    elements = read(everything()).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        if (target := attributes.get("href") or "").startswith("#"):
            assert target[1:] in ids


def test_the_verdict_is_first_and_all_prices_are_there() -> None:
    reader = read(priced())
    words = " ".join(reader.text.split())
    assert words.index("PASS") < words.index("Costs") < words.index("Tests")
    for one in cost_report().prices:
        assert one.metric in words and one.words in words
    assert "3 slower, 1 faster, 1 same, 1 cannot tell" in words


def test_what_a_guest_said_is_text() -> None:
    reader = read(everything())
    assert not any(tag in {"script", "b"} for tag, _ in reader.elements)
    assert "<script>x</script>" in reader.text and "a <b>bad</b> page" in reader.text


def test_a_void_run_says_so_before_anything_else_of_costs() -> None:
    words = " ".join(read(priced(replace(cost_report(), void="two boots differ"))).text.split())
    assert "Void: two boots differ. Nothing below counts." in words
    assert words.index("Void:") < words.index("5,971.1")


def test_a_limit_that_is_exceeded_is_shown_open() -> None:
    elements = read(priced()).elements
    opened = [attributes.get("id") for tag, attributes in elements if tag == "details" and "open" in attributes]
    assert opened == ["arm64-release-faults.anon.1", None]  # the other is where the change of a metric went


def test_where_a_change_went_is_a_table_and_a_picture_beside_the_page() -> None:
    reader = read(priced())
    words = " ".join(reader.text.split())
    assert "vma_stats_add 0.00 22.00 +22.00 0.00 → 2.00" in words and "212 functions cost what they did" in words
    (picture,) = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert picture["src"] == "where-x86_64-release-faults.anon.1.svg" and picture["alt"]
    assert "1 more metric by the same functions" in words and "faults.cow.1 ." in words
    assert "mas_store_gfp" in words
    assert "code: 4,000,000 → 4,000,512 bytes" in words


def test_patches_are_named_and_their_changes_are_a_table() -> None:
    reader = read(priced(with_patches()))
    words = " ".join(reader.text.split())
    assert "mm: do not build: no prices: it does not build: mm/vma.c:1: no" in words
    assert "Metric Patch 1 Patch 3 Series faults.anon.1 +48.20 same +48.20" in words
    titles = [attributes.get("title") for tag, attributes in reader.elements if tag == "th"]
    assert "mm: be fast" in titles


def test_a_run_without_prices_is_a_page_too() -> None:
    words = read(passed()).text
    assert "Costs" not in words and "22 cases passed" in words


def test_a_base_without_a_series_has_costs_and_no_drawing() -> None:
    report = cost_report()
    bare = tuple(replace(one, series=None, judgement=Judgement.NONE, seeds=()) for one in report.prices)
    alone = tuple(one for one in report.samples if one.side is Side.BASE)
    reader = read(priced(replace(report, prices=bare, samples=alone)))
    assert "5,971.1" in reader.text and not any(tag == "svg" for tag, _ in reader.elements)


# --- drawings ---------------------------------------------------------------------------------------------------


def numbers(svg: Markup, path: str, name: str) -> list[float]:
    return [float(one.get(name, "nan")) for one in ElementTree.fromstring(svg).iterfind(path)]


def test_a_change_lies_on_its_side_of_zero_in_the_order_of_size() -> None:
    shifts = (-400.0, -4.0, -0.05, 0.0, 0.05, 4.0, 400.0)
    prices = [price(f"m{number}", 1000.0, shift, Judgement.SAME) for number, shift in enumerate(shifts)]
    places = numbers(plots.changes(prices, "t"), "g/circle", "cx")
    assert places == sorted(places) and len(set(places)) == len(shifts)
    middle = places[3]
    assert [round(middle - place) for place in places[:3]] == [round(place - middle) for place in reversed(places[4:])]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(0.001, 1e7))
def test_every_change_is_drawn_within_the_drawing(shifts: list[float], base: float) -> None:
    prices = [price("m", base, shift, Judgement.UNKNOWN) for shift in shifts]
    svg = ElementTree.fromstring(plots.changes(prices, "t"))
    width = float(svg.get("width", "0"))
    for line in svg.iterfind("g/line"):
        assert 0 <= float(line.get("x1", "-1")) <= float(line.get("x2", "-1")) <= width


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60), st.floats(-1e6, 1e6))
def test_every_repetition_is_drawn_or_said_to_lie_outside(values: list[float], shift: float) -> None:
    svg = plots.repetitions(price("m", 1000.0, shift, Judgement.SLOWER), [(1, values)])
    tree = ElementTree.fromstring(svg)
    dots = (tree.find("g/path").get("d") or "").count("M")  # type: ignore[union-attr]
    outside = len(tree.findall("g/polygon"))
    assert dots + outside == len(values)
    assert f"{outside} repetitions lie outside" in (tree.findtext("desc") or "")


def test_without_pairs_there_is_no_drawing() -> None:
    assert plots.repetitions(price("m", 1000.0, 1.0, Judgement.SAME), [(1, [])]) == ""
    assert plots.changes([], "t") == ""


# --- markup -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["<b>", "&amp;", '"', "'", "\x1b[31m", "\ud800", "\x00", "a\x0bb"])
def test_text_and_attributes_are_escaped(text: str) -> None:
    found = element("p", text, title=text)
    tree = ElementTree.fromstring(found)
    assert (tree.text or "") == tree.get("title")
    assert not list(tree)


def test_markup_is_not_escaped_twice() -> None:
    inner = element("b", "a<c")
    assert element("p", [inner, " ", None, 1.50], class_="x") == '<p class="x"><b>a&lt;c</b> 1.5</p>'
    assert join("a", inner) == "a<b>a&lt;c</b>"
    assert element("br") == "<br>" and isinstance(join(), Markup)


def test_the_sheet_is_beside_the_page(tmp_path: Path) -> None:
    assert 'href="report.css"' in page(passed(), tmp_path) and style_sheet().startswith(b":root")
