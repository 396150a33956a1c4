"""Costs in words: how much, of what, and within which bounds.  Pure functions on prices."""

from __future__ import annotations

from harness.costs import Judgement, Price, unit_of


def amount(price: Price) -> str:
    """`0.31 % (48.0 instructions a fault), 95 % interval 47.6 to 48.3`; signed where it is no verdict."""
    value, low, high = price.shift, price.low, price.high
    signed = price.judgement not in (Judgement.SLOWER, Judgement.FASTER)
    if not signed and value < 0:
        value, low, high = -value, -high, -low
    share = percent(100 * value / price.base if price.base else 0.0, signed=signed)
    cost = f"{number(value, signed=signed)} {unit(price)}"
    return f"{share} ({cost}), 95 % interval {number(low, signed=signed)} to {number(high, signed=signed)}"


def unit(price: Price) -> str:
    """`instructions a fault`, `ns an op`."""
    return unit_of(price.mode, price.operation)


def number(value: float, *, signed: bool = False) -> str:
    """A cost: to a tenth, and to hundredths where it is small."""
    digits = 0 if abs(value) >= 10_000 else 1 if abs(value) >= 10 else 2
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return text.replace("-0.00", "0.00") if not float(text.replace(",", "")) else text


def percent(value: float, *, signed: bool = False) -> str:
    """Per cent, with as many places as it takes to be no zero."""
    digits = 2 if abs(value) >= 0.1 or not value else 3
    return f"{value:+.{digits}f} %" if signed else f"{value:.{digits}f} %"
