"""Where values stand in a text: every form they may be written in, and never half a word."""

from __future__ import annotations

import pytest

from harness.tasks.fields import Field, FieldKind, same_as
from harness.tasks.spans import in_text, places, readings, whole_words

TEXT, AMOUNT, PEOPLE, DAY = (
    Field(path=(name,), kind=kind)
    for name, kind in [
        ("id", FieldKind.TEXT),
        ("amount", FieldKind.NUMBER),
        ("people", FieldKind.WHOLE),
        ("day", FieldKind.DATE),
    ]
)


@pytest.mark.parametrize(
    ("one", "value", "text", "stretches"),
    [
        (TEXT, "88-01274", "invoice 88 01274, or 8801274?", ["88 01274", "8801274"]),
        (TEXT, "1.8.8", "it says v1.8.8 now", ["1.8.8"]),
        (TEXT, "Ann", "Hanna asked, ANN answered; Annika too", ["ANN"]),
        (TEXT, "12-3", "112-3 and 12-34", []),
        (TEXT, "İstanbul", "to İSTANBUL", ["İSTANBUL"]),
        (TEXT, "straße", "STRASSE 5", ["STRASSE"]),
        (TEXT, "", "nothing", []),
        (AMOUNT, 1234.56, "auf 1.234,56 € für drei", ["1.234,56"]),
        (AMOUNT, 1500.0, "CHF 1'500.00.", ["1'500.00"]),
        (AMOUNT, 1234.0, "it is 1 234 in all", ["1 234"]),
        (AMOUNT, -5.0, "a balance of -5,00", ["-5,00"]),
        (AMOUNT, 234.5, "it is 1.234,50 € in all", []),
        (PEOPLE, 3, "3 of 33, 1.3 and 3", ["3", "3"]),
        (DAY, "2025-11-04", "on 4.11.2025, 4 November 2025 or 2025-11-04", 3),
        (DAY, "2026-03-01", "le 1er mars 2026", ["1er mars 2026"]),
        (DAY, "2026-03-01", "on Saturday", []),
    ],
)
def test_a_value_stands_wherever_a_text_says_the_same(
    one: Field, value: object, text: str, stretches: list[str] | int
) -> None:
    found = places(one, value, text)
    assert all(same_as(one, text[start:end]) == same_as(one, value) for start, end in found)
    said = [text[start:end] for start, end in found]
    assert said == stretches if isinstance(stretches, list) else len(set(found)) == stretches


def test_what_is_chosen_has_no_place() -> None:
    choice = Field(path=("level",), kind=FieldKind.CHOICE, choices=("low", "high"))
    assert not in_text(choice) and places(choice, "low", "it is low") == []
    assert not in_text(Field(path=("sure",), kind=FieldKind.YES_NO))


def test_a_stretch_grows_to_whole_words_and_loses_its_blanks() -> None:
    text = "see v12.5 there"
    assert whole_words((5, 7), text) == (5, 7) and text[5:7] == "12"
    assert whole_words((3, 6), text) == (4, 7), "the digits go on, the letter before them is another word"
    assert whole_words((9, 12), text) == (10, 15)
    assert whole_words((9, 10), text)[0] >= whole_words((9, 10), text)[1], "a blank is nothing"


def test_a_long_text_without_end_is_read_in_proportion() -> None:
    assert list(readings(AMOUNT, "9" * 100_000)) == []
    assert places(TEXT, "y" * 50, "x " * 50_000) == []
