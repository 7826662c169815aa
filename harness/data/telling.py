"""What makes a label unclear or gives it away: look-alikes, missing values, labels in the text. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.records import Item

MISSING = frozenset(
    {"nan", "none", "null", "na", "n/a", "#n/a", "nil", "nat", "<na>", "undefined", "missing"}
)
"""Labels, case-folded, that programs write where a cell is empty."""

_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
_WORDS = re.compile(r"[^\W_]+")
_DATE = re.compile(
    r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2})|\d{1,2}\.? [^\W\d]{3,9}\.?,? \d{4}"
    r"|[^\W\d]{3,9}\.? \d{1,2},? \d{4})([T ,]+\d{1,2}:\d{2}.*)?"
)
_MANY_DATES = 10
_READ_CHARS = 8_000
NEARLY_ALL = 0.9
"""From this share of the rows on, what names or settles the label is taken for a copy of it."""
_CATEGORY_CHARS = 100
_FEW_VALUES = 0.1
"""A part of the text with more distinct values than this share of the rows is no category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A place in the text that settles the label.

    Attributes:
        place: 'the first part' or 'the last part'.
        values: some of its values.
        rows: how many rows have the label that most rows with their value have.
    """

    place: str
    values: tuple[str, ...]
    rows: int


def visible(label: str) -> str:
    """A label without characters that take no room, such as a zero-width space."""
    return "".join(char for char in label if unicodedata.category(char) != "Cf")


def plain(label: str) -> str:
    """What a label is when case, blanks, hyphens, character forms and a trailing .0 do not count."""
    text = " ".join(visible(unicodedata.normalize("NFKC", label)).casefold().split())
    number = _WHOLE_NUMBER.fullmatch(text)
    if number:
        return number.group(1)
    return _BETWEEN.sub(" ", text).strip(" _") or text


def look_alikes(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Labels that a reader would take for one, in their order."""
    forms: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys(labels):
        forms[plain(label)].append(label)
    return [tuple(variants) for variants in forms.values() if len(variants) > 1]


def difference(one: str, other: str) -> str:
    """In what two look-alikes differ."""
    if visible(one) == visible(other):
        return "characters that take no room"
    if one.casefold() == other.casefold():
        return "case"
    if one.casefold().split() == other.casefold().split():
        return "blanks"
    if _WHOLE_NUMBER.fullmatch(one) or _WHOLE_NUMBER.fullmatch(other):
        return "how a number is written"
    if unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other):
        return "the form of their characters"
    return "case, blanks, hyphens or underscores"


def dates_among(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, where there are many and nearly all of them are dates: no class, but a column of days."""
    found = tuple(label for label in labels if _DATE.fullmatch(label.strip()))
    return found if len(found) >= max(_MANY_DATES, NEARLY_ALL * len(labels)) else ()


def names_own_label(items: Sequence[Item]) -> int:
    """In how many rows the text names their own label, as whole words, and no other."""
    labels: dict[tuple[str, ...], str] = {}
    for label in {item.label for item in items}:
        labels[tuple(_WORDS.findall(plain(label)))] = label
    labels.pop((), None)
    lengths = sorted({len(words) for words in labels}, reverse=True)
    return sum(_named(item.text, labels, lengths) == {item.label} for item in items)


def _named(text: str, labels: Mapping[tuple[str, ...], str], lengths: Sequence[int]) -> set[str]:
    """The labels named in a text; a name inside a longer name does not count."""
    words, found, place = _WORDS.findall(text[:_READ_CHARS].casefold()), set[str](), 0
    while place < len(words):
        size = next((n for n in lengths if tuple(words[place : place + n]) in labels), 0)
        if size:
            found.add(labels[tuple(words[place : place + size])])
        place += size or 1
    return found


def settled_by_a_part(items: Sequence[Item]) -> Iterator[Given]:
    """Parts of the text with few values of which each stands under one label in nearly all rows.

    The parts are what the text columns were joined from; only the first and the last are looked at.
    """
    most = Counter(item.label for item in items).most_common(1)[0][1] if items else 0
    for place, end in (("the first part", 0), ("the last part", -1)):
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for item in items:
            parts = item.text.split("\n\n")
            if len(parts) > 1 and len(parts[end]) < _CATEGORY_CHARS:
                found[parts[end]][item.label] += 1
            if len(found) > _FEW_VALUES * len(items):
                break
        told = sum(labels.most_common(1)[0][1] for labels in found.values())
        if 1 < len(found) <= _FEW_VALUES * len(items) and told > max(most, NEARLY_ALL * len(items)):
            yield Given(place=place, values=tuple(list(found)[:3]), rows=told)
