"""Where the values of fields stand in a text, and what a stretch of a text says as a field's value. Pure.

A text stands where its letters do, whatever blanks, case and marks lie between them, as values are compared
(`harness.tasks.fields`), and begins and ends with a whole word or number. A number or a date stands where one
is written that reads as the same. A choice and a yes or no need not be written, and have no place.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, assert_never

from harness.tasks.fields import Field, FieldKind, plain_text, read_value, same_as

Span = tuple[int, int]
"""Where a stretch begins and ends, in characters."""

_NUMBERS = re.compile(r"(?:(?<!\w)[-−])?\d(?:[\d.,'’ \u00a0\u202f]*\d)?")
_BLANKS = re.compile(r"[ \u00a0\u202f]+")
_DATES = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"
    r"|(?<!\d)\d{1,2}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?(?:\d{4}|\d\d)(?!\d)"
    r"|(?<!\d)\d{1,2}(?:st|nd|rd|th|er|º|ª|\.)?\s*(?:of |de )?[^\W\d_]{3,12}\.?,?\s*(?:de )?"
    r"(?:\d{4}|\d\d)(?!\d)"
    r"|(?<!\w)[^\W\d_]{3,12}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}(?!\d)",
    re.IGNORECASE,
)


def in_text(one: Field) -> bool:
    """Whether a field's values are written in texts, rather than chosen."""
    match one.kind:
        case FieldKind.TEXT | FieldKind.NUMBER | FieldKind.WHOLE | FieldKind.DATE:
            return True
        case FieldKind.CHOICE | FieldKind.YES_NO:
            return False
        case _:
            assert_never(one.kind)


def places(one: Field, value: Any, text: str) -> list[Span]:
    """Every stretch of a text that says a value of a field, from the left; none for what is chosen."""
    match one.kind:
        case FieldKind.TEXT:
            return list(_letters(one, value, text))
        case FieldKind.NUMBER | FieldKind.WHOLE | FieldKind.DATE:
            wanted = same_as(one, value)
            return [span for span, key in readings(one, text) if key == wanted]
        case FieldKind.CHOICE | FieldKind.YES_NO:
            return []
        case _:
            assert_never(one.kind)


def readings(one: Field, text: str) -> Iterator[tuple[Span, str]]:
    """The stretches of a text that read as a number or a date of a field, and the form it is compared in."""
    dates = one.kind is FieldKind.DATE
    for start, end in (found.span() for found in _DATES.finditer(text)) if dates else _numbers(text):
        if read_value(one, text[start:end]) is not None:
            yield (start, end), same_as(one, text[start:end])


def whole_words(span: Span, text: str) -> Span:
    """A stretch with the rest of the words it begins and ends in, without blanks at its ends."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while 0 < start < end and _one_word(text, start):
        start -= 1
    while start < end < len(text) and _one_word(text, end):
        end += 1
    return start, end


def _one_word(text: str, place: int) -> bool:
    """Whether letters go on over a place, or digits; between the two a value may begin, as in `v1.8.8`."""
    before, after = text[place - 1], text[place]
    return (before.isalpha() and after.isalpha()) or (before.isdigit() and after.isdigit())


def _letters(one: Field, value: Any, text: str) -> Iterator[Span]:
    wanted = same_as(one, value)
    plain, origin = _plain(text)
    at = plain.find(wanted) if wanted else -1
    while at >= 0:
        span = (origin[at], origin[at + len(wanted) - 1] + 1)
        if whole_words(span, text) == span and same_as(one, text[span[0] : span[1]]) == wanted:
            yield span
        at = plain.find(wanted, at + 1)


def _plain(text: str) -> tuple[str, list[int]]:
    """A text in the letters that are compared, and where each of them comes from."""
    letters, origin = [], []
    for place, character in enumerate(text):
        for letter in _plain_letter(character):
            letters.append(letter)
            origin.append(place)
    return "".join(letters), origin


@functools.lru_cache(maxsize=4096)
def _plain_letter(character: str) -> str:
    return plain_text(f"0{character}")[1:]  # a mark alone stands for itself, within a text for nothing


def _numbers(text: str) -> Iterator[Span]:
    """Digits with their marks; behind a blank may stand thousands, or another number."""
    for found in _NUMBERS.finditer(text):
        yield found.span()
        blanks = list(_BLANKS.finditer(found[0]))
        starts = [0, *(blank.end() for blank in blanks)] if blanks else []
        ends = [*(blank.start() for blank in blanks), len(found[0])]
        for start, end in zip(starts, ends, strict=False):
            yield found.start() + start, found.start() + end
