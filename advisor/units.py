"""Figures with their unit in words: '2 s', '12.500 pro Monat', 'daily', '7B', '10 cents', '0,10 EUR'.

A unit is the one an `Ask` of `advisor.case` names; a word of another size is turned into it. What stands
before the words is read by the rule of `advisor.numbers`. A month has 30.4 days. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from advisor.numbers import FACTOR_WORDS, NumberKind, ReadNumber, read_number

_ONE, _PERCENT = Decimal(1), Decimal("0.01")


def _named(*sizes: tuple[str, str]) -> dict[str, Decimal]:
    """By word, its factor, of pairs such as ('1000', 's sec seconds')."""
    return {word.replace("_", " "): Decimal(factor) for factor, words in sizes for word in words.split()}


_PIECES = _named(("1", "example examples item items row rows beispiel beispiele zeilen st\u00fcck"))
_WORDS: Mapping[str, Mapping[str, Decimal]] = {
    "share": _named(("0.01", "% percent per_cent prozent")),
    "money": _named(("0.01", "cent cents ct")),
    "ms": _named(
        ("1", "ms millisecond milliseconds millisekunde millisekunden"),
        ("1000", "s sec secs second seconds sek sekunde sekunden"),
        ("60000", "min minute minutes minuten"),
    ),
    "tokens": _named(("1", "token tokens"), ("500", "page pages seite seiten")),
    "labels": _named(("1", "label labels class classes category categories kategorien klassen st\u00fcck")),
    "examples": _PIECES,
    "items": _PIECES,
    "billion": _named(("1", "b bn billion billions billion_parameters"), ("0.001", "m million millions")),
    "months": _named(("1", "m month months monat monate"), ("12", "y year years jahr jahre")),
    "days": _named(("1", "d day days tag tage"), ("7", "week weeks woche wochen")),
}
"""By first word of a unit, what may stand behind a figure, and how much of the unit that is."""
_PERIODS = {
    **dict.fromkeys(("hour", "stunde"), Decimal(730)),
    **dict.fromkeys(("day", "tag"), Decimal("30.4")),
    **dict.fromkeys(("week", "woche"), Decimal("4.35")),
    **dict.fromkeys(("month", "monat"), _ONE),
    **dict.fromkeys(("quarter", "quartal"), _ONE / 3),
    **dict.fromkeys(("year", "jahr"), _ONE / 12),
}
"""How many times a month what happens once in a period happens."""
_OFTEN = {
    "hourly": "hour", "st\u00fcndlich": "hour", "daily": "day", "t\u00e4glich": "day",
    "weekly": "week", "w\u00f6chentlich": "week", "monthly": "month", "monatlich": "month",
    "quarterly": "quarter", "yearly": "year", "annually": "year", "j\u00e4hrlich": "year",
}  # fmt: skip
_BEFORE = r"\b(?:an?|per|each|every|pro|im|am|je|jede[nsr]?)\b|/"
_EACH = re.compile(rf"(.*?)\s*(?:{_BEFORE})\s*({'|'.join(_PERIODS)})")
_SIZED = re.compile(
    rf"(.*\d\s*(?:(?:{FACTOR_WORDS})(?![a-z\u00e4\u00f6\u00fc]))?)\s*(.*)", re.DOTALL | re.IGNORECASE
)
_SIGNS = {"$": "USD", "\u20ac": "EUR", "\u00a3": "GBP", "EURO": "EUR", "EUROS": "EUR", "DOLLARS": "USD"}
_SIGN = r"(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])|[$\u20ac\u00a3]|(?i:euros?|dollars)"
_AMOUNT = re.compile(rf"(?P<before>{_SIGN})?\s*(?P<number>.*?)\s*(?P<after>{_SIGN})?", re.DOTALL)


def read_quantity(text: str, kind: NumberKind, unit: str) -> ReadNumber:
    """Read a figure, with or without its unit in words behind it.

    Args:
        unit: as an `Ask` names it, such as 'ms' or 'times a month'.

    Raises:
        NumberFault: if it is no figure of that unit.
    """
    written = re.sub(r"^(?:about|circa|ca\.|~)\s*", "", text.strip(), flags=re.IGNORECASE)
    bare, words = _sized(written, unit)
    factor = _ONE if not words else _factor(words.lower().rstrip("."), bare, unit)
    if factor is None:
        return read_number(written, kind)  # says what is wrong with it
    number = read_number(bare or "1", kind)
    plain = number.plain and bool(bare) and factor in (_ONE, _PERCENT)
    return ReadNumber(value=number.value * factor, written=text.strip(), plain=plain)


def amount_and_currency(text: str) -> tuple[str, str]:
    """('1.200,50', 'EUR') of '1.200,50 \u20ac'; '' where none is named; it may be an unknown one."""
    found = _AMOUNT.fullmatch(text.strip())
    assert found is not None  # every part of it may be missing
    named = (found["before"] or found["after"] or "").upper()
    return found["number"], _SIGNS.get(named, named)


def _sized(text: str, unit: str) -> tuple[str, str]:
    """What is a number, and the words behind it: '7' and 'B' of a size; '7m' of a count is one."""
    last = re.fullmatch(r"(.*\d)\s*(.*)", text, re.DOTALL)
    if last is not None and last[2].lower().rstrip(".") in _words(unit):
        return last[1], last[2]
    found = _SIZED.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def _words(unit: str) -> Mapping[str, Decimal]:
    return _WORDS.get(unit.partition(" ")[0], {})


def _factor(words: str, bare: str, unit: str) -> Decimal | None:
    """How much of a unit words stand for; None where they are none of it."""
    if not unit.endswith("a month"):
        return _words(unit).get(words) if bare else None
    if not bare and words in _OFTEN:
        return _PERIODS[_OFTEN[words]]
    each = _EACH.fullmatch(words)
    if each is None or not (bare or each[1] in ("", "once", "einmal")):
        return _ONE if bare and words in ("times", "mal") else None
    return _PERIODS[each[2]]
