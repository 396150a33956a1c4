"""Sizes -> text: code by function, object caches, memory for each VMA.  Returns lines and prints nothing."""

from __future__ import annotations

from collections.abc import Sequence

from harness.costs import Measure, Sizes, Structure, TextSize
from harness.report.text import count, one_line

MOST = 8
"""Functions that are shown; results.json has all."""

_DETAILS = {
    "object": "object of {} bytes", "slot": "in a slot of {}", "per_slab": "{} in a slab", "order": "of order {}",
}  # fmt: skip
_MEMORY = {"vma_memory": "1,000 VMAs", "vma_memory_touched": "1,000 VMAs, one page of each touched"}


def section(found: Sequence[Sizes]) -> list[str]:
    """The sizes of each target."""
    return [line for one in found for line in ("", f"Sizes   {one.target}", *_lines(one))]


def _lines(one: Sizes) -> list[str]:
    lines = _text(one.text) if one.text is not None else ["  code: a kernel is without its functions"]
    by_name = {measure.name: measure for measure in one.measures}
    lines += _caches(one.measures)
    for base, series in _pairs(one.before, one.after):
        lines += _structure(base, series)
    if one.unknown:
        lines.append(f"  structures and holes: {one_line(one.unknown)}")
    for name, words in _MEMORY.items():
        if (measure := by_name.get(name)) is not None:
            lines.append(f"  memory of {words}: {_change(measure, 1000 / 1024)} KiB")
    if one.bloat is not None:
        lines.append(f"  all functions: {one.bloat.name}")
    return lines


def _text(text: TextSize) -> list[str]:
    shift = text.series - text.base
    percent = 100 * shift / text.base if text.base else 0.0
    lines = [f"  code: {text.base:,} → {text.series:,} bytes ({shift:+,}, {percent:+.3f} %)"]
    width = max((len(one.function) for one in text.functions[:MOST]), default=0)
    for one in text.functions[:MOST]:
        lines.append(f"    {one_line(one.function).ljust(width)}  {one.base:>7,} → {one.series:>7,}  {one.shift:+,}")
    if rest := text.functions[MOST:]:
        lines.append(f"    {count(len(rest), 'more function')}, {sum(one.shift for one in rest):+,} together")
    return lines


def _caches(measures: Sequence[Measure]) -> list[str]:
    """A line for each object cache that changed, and one for all others."""
    by_cache: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        cache, _, detail = measure.name.partition(".")
        if detail in _DETAILS:
            by_cache.setdefault(cache, {})[detail] = measure
    lines, same = [], []
    for cache, details in by_cache.items():
        if any(one.base != one.series for one in details.values()):
            lines.append(_cache(cache, details))
        elif "object" in details:
            same.append(f"{one_line(cache)} {_change(details['object'])}")
    return [*lines, f"  objects as they were, in bytes: {', '.join(same)}"] if same else lines


def _cache(name: str, details: dict[str, Measure]) -> str:
    came = all(one.base is None for one in details.values())
    gone = all(one.series is None for one in details.values())
    parts = []
    for detail, words in _DETAILS.items():
        if (one := details.get(detail)) is not None:
            parts.append(words.format(_change(Measure("", "", one.base or one.series, one.series or one.base))))
    return f"  {one_line(name)}{' (new)' if came else ' (gone)' if gone else ''}: {', '.join(parts)}"


def _change(measure: Measure, scale: float = 1.0) -> str:
    """`152`, or `152 → 160` where it changed."""
    base, series = (
        "none" if value is None else f"{value * scale:,.1f}".removesuffix(".0")
        for value in (measure.base, measure.series)
    )  # fmt: skip
    return base if base == series else f"{base} → {series}"


def _pairs(base: Sequence[Structure], series: Sequence[Structure]) -> list[tuple[Structure | None, Structure | None]]:
    before, after = {one.name: one for one in base}, {one.name: one for one in series}
    return [(before.get(name), after.get(name)) for name in {**before, **after}]


def _structure(base: Structure | None, series: Structure | None) -> list[str]:
    sides = [_layout(one) for one in (base, series)]
    name = next((one.name for one in (series, base) if one is not None), "")
    words = sides[0] if sides[0] == sides[1] else " → ".join(sides)
    lines = [f"  struct {one_line(name)}: {words}"]
    if base is None or series is None:
        return lines
    before = {member.name: member for member in base.members}
    for member in series.members:
        was = before.pop(member.name, None)
        if was is None:
            lines.append(f"    + {one_line(member.name)}: {member.size} bytes at {member.offset}")
        elif was.offset // 64 != member.offset // 64:
            lines.append(
                f"    {one_line(member.name)}: cache line {was.offset // 64} → {member.offset // 64} "
                f"(at {was.offset} → {member.offset})"
            )
    return lines + [
        f"    - {one_line(member.name)}: {member.size} bytes at {member.offset}" for member in before.values()
    ]


def _layout(one: Structure | None) -> str:
    if one is None:
        return "none"
    lost = sum(size for _, size in one.holes)
    holes = f"{count(len(one.holes), 'hole')} of {lost} bytes" if one.holes else "no holes"
    return f"{one.size} bytes, {count(one.cache_lines, 'cache line')}, {holes}"
