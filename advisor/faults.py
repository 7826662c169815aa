"""What pydantic finds wrong in words: where, what, got, allowed, the nearest name. Pure."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from advisor.numbers import figure

_WORDS = {
    "bool_parsing": "must be yes or no",
    "bool_type": "must be yes or no",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be a text, in quotes if need be",
    "tuple_type": "must be a list",
    "dataclass_type": "must be a mapping",
}


def _none(place: Sequence[str]) -> Sequence[str]:
    return ()


def sentences(
    error: ValidationError, fields: Callable[[list[str]], Sequence[str]] = _none, whole: str = ""
) -> list[str]:
    """Every fault once, as `place: what`.

    Args:
        fields: the names that a mapping at a place may hold, for what was meant.
        whole: what a fault of no one place is said of.
    """
    found = []
    for fault in error.errors(include_url=False):
        place = [str(part) for part in fault["loc"]]
        found.append(
            ": ".join(part for part in (".".join(place) or whole, _what(fault, place, fields)) if part)
        )
    return list(dict.fromkeys(found))


def _what(fault: Any, place: list[str], fields: Callable[[list[str]], Sequence[str]]) -> str:
    value = fault["input"]
    got = figure(value) if isinstance(value, Decimal) else reprlib.repr(value)
    match fault["type"]:
        case "value_error":
            return str(fault["ctx"]["error"])
        case "extra_forbidden" | "unexpected_keyword_argument" | "invalid_key":
            return "unknown key" + _near(place[-1], fields(place[:-1]))
        case "enum" | "literal_error":
            allowed = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
            plain = str(value).strip().lower().replace("_", "-").replace(" ", "-")
            return f"got {got}, allowed: {', '.join(allowed)}{_near(plain, allowed)}"
        case "missing" | "missing_keyword_only_argument" | "string_too_short":
            return "is missing" + ("; any short name will do" if place == ["name"] else "")
        case kind:
            of = f" of {', '.join(fields(place))}" if kind == "dataclass_type" and fields(place) else ""
            return f"{_WORDS.get(kind, fault['msg'])}{of}; got {got}"


def _near(word: str, among: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, among, n=1)
    return f"; did you mean {close[0]}?" if close else ""
