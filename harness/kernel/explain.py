"""Why a configuration symbol did not get the value that was asked for, from the tree's own Kconfig files.

Pure: reads no files, knows no fragments.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from harness.kernel.kconfig_language import Definition, Expression, KconfigTree

_SHOWN = 5


def explain(symbol: str, wanted: str, got: str, tree: KconfigTree, values: Mapping[str, str]) -> list[str]:
    """The reasons, one a line; `values` are those of the final .config."""
    definitions = tree.definitions.get(symbol, [])
    if not definitions:
        close = difflib.get_close_matches(symbol, tree.definitions, n=1, cutoff=0.8)
        return ["no such symbol in this tree" + (f"; there is {close[0]}" if close else "")]
    reasons: list[str] = []
    if wanted != "n":
        reasons += _unmet(definitions, wanted, values)
    if not any(definition.prompts for definition in definitions):
        reasons += _promptless(symbol, definitions, tree, values)
    else:
        if wanted == "n" or got not in ("n", ""):
            reasons += _selected(symbol, tree, values)
        reasons += _hidden(definitions, values)
    reasons += _chosen(symbol, definitions, tree, values)
    if not reasons:
        reasons.append(
            f"defined at {', '.join(definition.place for definition in definitions)}; kconfig gives no reason"
        )
    return reasons


def _unmet(definitions: list[Definition], wanted: str, values: Mapping[str, str]) -> Iterator[str]:
    """The dependencies that are off.  With several definitions, one that is met is enough."""
    missing = {definition.place: _off(definition.depends, wanted, values) for definition in definitions}
    if all(missing.values()):
        for place, terms in missing.items():
            yield f"unmet dependency ({place}): " + ", ".join(term.text(values) for term in terms)


def _off(conditions: list[Expression], wanted: str, values: Mapping[str, str]) -> list[Expression]:
    enough = ("y",) if wanted == "y" else ("y", "m")
    terms = [term for condition in conditions for term in condition.conjuncts()]
    return list({term.text(values): term for term in terms if term.value(values) not in enough}.values())


def _promptless(
    symbol: str, definitions: list[Definition], tree: KconfigTree, values: Mapping[str, str]
) -> Iterator[str]:
    places = ", ".join(definition.place for definition in definitions)
    yield f"it has no prompt, so no fragment can set it ({places}); its value follows from:"
    for definition in definitions:
        for value, condition in definition.defaults:
            yield f"  default {value}" + (f" if {condition.text(values)}" if condition is not None else "")
        if definition.depends:
            yield "  depends on " + " && ".join(term.text(values, "&&") for term in definition.depends)
    selectors = list(tree.selectors(symbol))
    if selectors:
        yield "  selected by " + _names([definition.symbol for definition, _ in selectors], values)


def _selected(symbol: str, tree: KconfigTree, values: Mapping[str, str]) -> Iterator[str]:
    active = [
        definition.symbol
        for definition, condition in tree.selectors(symbol)
        if values.get(definition.symbol, "n") != "n" and (condition is None or condition.value(values) != "n")
    ]
    if active:
        yield "selected by " + _names(active, values)


def _hidden(definitions: list[Definition], values: Mapping[str, str]) -> Iterator[str]:
    """Prompts that are not shown: then the default counts."""
    for definition in definitions:
        conditions = [prompt for prompt in definition.prompts if prompt is not None]
        if len(conditions) < len(definition.prompts):
            conditions = []
        hiding = _off([*conditions, *definition.visible], "m", values)
        if hiding:
            defaults = ", ".join(value for value, _ in definition.defaults) or "n"
            terms = ", ".join(term.text(values) for term in hiding)
            yield f"its prompt ({definition.place}) is hidden: {terms}; the default is {defaults}"


def _chosen(symbol: str, definitions: list[Definition], tree: KconfigTree, values: Mapping[str, str]) -> Iterator[str]:
    for choice in {definition.choice for definition in definitions if definition.choice}:
        others = [
            name
            for name, members in tree.definitions.items()
            if name != symbol and values.get(name) == "y" and any(member.choice == choice for member in members)
        ]
        if others:
            yield f"it is one of a choice ({choice}) in which {others[0]} is set"


def _names(symbols: list[str], values: Mapping[str, str]) -> str:
    unique = sorted(dict.fromkeys(symbols), key=lambda name: values.get(name, "n"), reverse=True)
    shown = ", ".join(f"{name} [={values.get(name, 'n')}]" for name in unique[:_SHOWN])
    return shown + (f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else "")
