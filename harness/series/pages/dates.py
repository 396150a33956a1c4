"""The dates of archive pages -> dates of mail headers (RFC 5322), no more exact than the page has them.

Nothing here depends on the locale.  A date that is not understood is handed on as it is.
"""

from __future__ import annotations

import re
from datetime import date as calendar_date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ZONES = {
    "utc": 0, "gmt": 0, "z": 0, "bst": 100, "cet": 100, "cest": 200, "eet": 200, "eest": 300, "msk": 300, "jst": 900,
    "est": -500, "edt": -400, "cst": -600, "cdt": -500, "mst": -700, "mdt": -600, "pst": -800, "pdt": -700,
}  # fmt: skip

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)\s{1,3}(\d{1,2}):(\d\d)(?::(\d\d))?(?: UTC)?$")
_DJANGO = re.compile(
    r"([A-Z][a-z]{2,8})\.? (\d{1,2}), (\d{4}), (?:(noon|midnight)|(\d{1,2})(?::(\d\d))? ([ap])\.m\.)(?: (UTC))?$"
)
_HYPERMAIL = re.compile(
    r"(?:[A-Z][a-z]{2},? )?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{4}) (?:- )?"
    r"(\d{1,2}):(\d\d)(?::(\d\d))?(?: ([A-Z]{1,5}|[+-]\d{4}))?$"
)
_ATTRIBUTION = re.compile(
    r"(?:[A-Z][a-z]{2},? )?([A-Z][a-z]{2}) (\d{1,2}), (\d{4}) at "
    r"(\d{1,2}):(\d\d)(?::(\d\d))? ?([AP])M(?: ([+-]\d{4}))?$"
)


def mail_date(text: str) -> str:
    """A page's date as a mail header has it; the text itself where it is none of the known forms."""
    plain = " ".join(text.split())  # narrow and no-break blanks are blanks to split()
    if found := _ISO.match(plain):
        year, month, day, hour, minute = (int(found[n]) for n in range(1, 6))
        made = _rfc(year, month, day, hour, minute, found[6], "+0000")
    elif found := _DJANGO.match(plain):
        hour = {"noon": 12, "midnight": 0}[found[4]] if found[4] else _hour(int(found[5]), found[7])
        made = _rfc(int(found[3]), _month(found[1]), int(found[2]), hour, int(found[6] or 0), None, "+0000")
    elif found := _HYPERMAIL.match(plain):
        made = _rfc(
            int(found[3]), _month(found[1]), int(found[2]), int(found[4]), int(found[5]), found[6], _zone(found[7])
        )
    elif found := _ATTRIBUTION.match(plain):
        hour = _hour(int(found[4]), found[7].lower())
        made = _rfc(int(found[3]), _month(found[1]), int(found[2]), hour, int(found[5]), found[6], _zone(found[8]))
    else:
        made = ""
    return made or plain


def _month(name: str) -> int:
    short = name[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else 0


def _hour(hour: int, half: str) -> int:
    """Of a clock with twelve hours; some programs write 13:05PM, which is said plainly enough."""
    return hour % 12 + (12 if half == "p" else 0) if hour <= 12 else hour


def _zone(name: str | None) -> str:
    """-0000 is how mail says that the zone is not known."""
    if name is None:
        return "-0000"
    return name if name[0] in "+-" else f"{_ZONES[name.lower()]:+05d}" if name.lower() in _ZONES else "-0000"


def _rfc(year: int, month: int, day: int, hour: int, minute: int, second: str | None, zone: str) -> str:
    """The date as RFC 5322 has it; "" if there is no such day or time."""
    try:
        name = _DAYS[calendar_date(year, month, day).weekday()]
    except ValueError:
        return ""
    if hour > 23 or minute > 59 or int(second or 0) > 60:
        return ""
    month_name = _MONTHS[month - 1].capitalize()
    seconds = f":{second}" if second else ""
    return f"{name}, {day} {month_name} {year} {hour:02d}:{minute:02d}{seconds} {zone}"
