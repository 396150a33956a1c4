"""The part of the page that says what each patch of the series costs."""

from __future__ import annotations

from harness.costs import CostReport, PatchCost, Price
from harness.report import patch_costs
from harness.report.html import plots
from harness.report.html.markup import Markup, element, join
from harness.report.text import one_line


def section(report: CostReport, target: str) -> Markup | None:
    """What became of each patch on a target, and the metrics that one of them changed."""
    if not report.patches:
        return None
    patches = [_patch(patch, target) for patch in report.patches]
    return join(element("h4", "Patch by patch"), element("ol", patches), _table(report, target))


def _patch(patch: PatchCost, target: str) -> Markup:
    return element("li", f"{one_line(patch.title)}: ", element("em", patch_costs.said(patch, target)))


def _table(report: CostReport, target: str) -> Markup | None:
    found = patch_costs.table(report, target)
    if not found.rows:
        return None
    titles = {patch.number: one_line(patch.title) for patch in report.patches}
    head = element(
        "tr", element("th", "Metric", scope="col"),
        [element("th", f"Patch {number}", scope="col", title=titles[number]) for number in found.numbers],
        element("th", "Series", scope="col"),
    )  # fmt: skip
    rows = [
        element("tr", element("th", element("code", metric), scope="row"), map(_cell, prices))
        for metric, prices in found.rows
    ]
    caption = element("caption", f"{report.mode.unit} of an operation: each patch against the one before it")
    return element(
        "div", element("table", caption, element("thead", head), element("tbody", rows)), class_="wide"
    )  # fmt: skip


def _cell(price: Price | None) -> Markup:
    kind = f" verdict {plots.slug(price.judgement)}" if price is not None else ""
    words = one_line(price.words) if price is not None else None
    return element("td", patch_costs.cell(price), class_=f"number{kind}", title=words)
