"""The claims of `evalsets/ticket-fields`: shape, spans, splits, shared phrases, what rules reach."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from harness.data.leakage import similar_pairs
from tests.support.field_rules import MONTHS, extract
from tests.support.ticket_fields import (
    SPLITS,
    Row,
    agreement,
    counts,
    masked_words,
    normalised,
    report,
    rows,
    rules_counts,
    schema,
    sharing_rows,
)

EVERY = {split: rows(split) for split in SPLITS}
FLAT = [row for split in SPLITS for row in EVERY[split]]
FIELDS = tuple(schema()["properties"])
TYPES = {"string": str, "number": float, "integer": int, "array": list}


def test_splits_follow_the_last_digit_of_the_id() -> None:
    assert len(FLAT) >= 640 and len({row.id for row in FLAT}) == len(FLAT)
    assert len(EVERY["train"]) >= 300 and len(EVERY["dev"]) >= 60 and len(EVERY["test"]) >= 260
    for split, last in (("train", "02468"), ("dev", "1"), ("test", "3579")):
        assert {row.id for row in EVERY[split] if row.id[-1] not in last} == set()


def test_values_fit_the_schema() -> None:
    for row in FLAT:
        assert set(row.fields) <= set(FIELDS) and set(row.fields) == set(row.spans), row.id
        for name, value in row.fields.items():
            wanted = schema()["properties"][name]
            assert type(value) is TYPES[wanted["type"]], (row.id, name)
            assert value in wanted.get("enum", [value]), (row.id, name)
        assert date.fromisoformat(row.fields.get("incident_date", "2020-01-01")) <= row.received
        assert ("currency" in row.fields) <= ("amount" in row.fields), row.id


def test_no_field_is_common_or_rare_and_no_row_has_all() -> None:
    for name in FIELDS:
        present = sum(name in row.fields for row in FLAT) / len(FLAT)
        assert 0.15 <= present <= 0.75, (name, present)
    assert max(len(row.fields) for row in FLAT) < len(FIELDS)


def test_languages_channels_and_lengths() -> None:
    assert {row.language for row in FLAT} == {"en", "de", "fr", "es", "it", "nl", "pl", "pt"}
    assert 0.6 <= sum(row.language == "en" for row in FLAT) / len(FLAT) <= 0.7
    assert {row.channel for row in FLAT} == {"email", "chat", "phone", "form", "thread"}
    assert {row.id for row in FLAT if not 8 <= len(row.text.split()) <= 250} == set()


SHOWN_AS_WRITTEN = ("version", "order_id", "invoice_number")


def test_spans_hold_what_they_support() -> None:
    """Identifiers stand there letter for letter unless they are spelt out, and contacts always do."""
    spelt_out = []
    for row in FLAT:
        for name, places in row.spans.items():
            said = [row.text[start:end] for start, end in places]
            assert all(text and text == text.strip() for text in said), (row.id, name)
            if name == "contacts":
                assert set(said) == set(row.fields[name]), row.id
            elif name in SHOWN_AS_WRITTEN and row.fields[name] not in said:
                spelt_out.append((row.id, name, said))
    assert len(spelt_out) <= 35
    for entry in spelt_out:
        assert re.search(r"[a-zà-ž]{3}|\d-\d-|^\d{3,4}$", " ".join(entry[2]), re.I), entry


def shows_the_day(text: str, day: date) -> bool:
    """Whether the text holds that day and month in figures or with the month's name."""
    month = rf"0?{day.month}"
    names = "|".join(rf"{name}\w*" for name, number in MONTHS.items() if number == day.month)
    number = rf"0?{day.day}(?:st|nd|rd|th|er|º)?"
    year = rf"(?:{day.year}|{day:%y})"
    shapes = (
        rf"\b{number}\s?[./-]\s?{month}\s?[./-]",
        rf"\b{number}\.?,?\s(?:of\s|de\s)?(?:{names})",
        rf"\b{year}-{month}-{number}\b",
        rf"\b(?:{names})\.?\s{number}\b",
    )
    return any(re.search(shape, text, re.I) for shape in shapes)


def full_date(text: str) -> bool:
    """Whether a span names day, month and year, so that nothing else is needed to read it."""
    return bool(re.search(r"\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2}", text))


def needs_the_day_of_receipt(row: Row) -> bool:
    return "incident_date" in row.spans and not any(
        full_date(row.text[a:b]) for a, b in row.spans["incident_date"]
    )


def test_relative_dates_can_be_resolved_from_the_text_alone() -> None:
    relative = [row for row in FLAT if needs_the_day_of_receipt(row)]
    assert len(relative) > 80
    unresolved = [row.id for row in relative if not shows_the_day(row.text, row.received)]
    assert unresolved == []


def test_no_near_duplicates() -> None:
    assert similar_pairs([row.text for row in FLAT], 0.5) == []


def test_few_rows_share_a_phrase() -> None:
    """Names and numbers masked, so that slots filled into one sentence would show."""
    sharing = sharing_rows([row.text for row in FLAT])
    assert len(set().union(*sharing.values())) / len(FLAT) <= 0.05


def test_filled_slots_would_show() -> None:
    texts = [
        f"Hello, my order {number} from {city} has not arrived yet."
        for number, city in ((17, "Rome"), (9, "Ulm"))
    ]
    assert len(sharing_rows(texts)) > 0
    assert masked_words("Please ring Ann Lee on 555 0101 or a@b.example today") == [
        "please",
        "ring",
        "N",
        "on",
        "#",
        "or",
        "@",
        "today",
    ]


def test_rules_stay_below_the_bar() -> None:
    """Written on train: a set that half an hour of regular expressions solves measures no model."""
    measured = rules_counts("test")
    assert 0.5 < measured["all"].f1 < 0.8
    assert measured["all"].f1 <= rules_counts("train")["all"].f1 + 0.01


def test_second_reading_agrees() -> None:
    for name, (same, of) in agreement().items():
        assert of >= 80 and same / of >= 0.97, name


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("our zapp 3.13.1 is dead, till is 5.6.1", "version", "3.13.1"),
        ("order 26-20877 is late, invoice 26-20990 is not", "invoice_number", "26-20990"),
        ("dead since yesterday", "incident_date", "2026-03-16"),
        ("you took 1.234,56 €", "amount", 1234.56),
        ("there is no rush", "urgency", "low"),
        ("all 14 cashiers wait", "affected_users", 14),
        ("Please write to a.b@c.example.", "contacts", ["a.b@c.example"]),
        ("the card machine is dead", "product", "Tapper"),
    ],
)
def test_rules_find_the_plain_cases(text: str, field: str, value: object) -> None:
    assert extract(text, date(2026, 3, 17))[field] == value


def test_counting_by_hand() -> None:
    """Two right, one wrong value, one invented and one missed field: 2 * 2 / (4 + 4) = 0.5."""
    said = {"product": "Tillo", "version": "5.6.1", "order_id": "26-20877", "contacts": ["Ann"]}
    true = {"product": "Tillo", "version": "5.6.2", "order_id": "26 20877", "amount": 5.0}
    measured = counts([said], [true])
    assert measured["all"].f1 == pytest.approx(0.5)
    assert measured["order_id"].f1 == 1.0 and measured["contacts"].f1 == 0.0
    assert normalised("amount", 5) == normalised("amount", 5.0)


def test_report_prints_every_field() -> None:
    printed = report("dev")
    assert all(name in printed for name in FIELDS)


def test_days_are_recognised_in_all_forms() -> None:
    day = date(2026, 3, 5)
    for form in (
        "05/03/2026",
        "5.3.26",
        "5 March 2026",
        "5. März 2026",
        "2026-03-05",
        "March 5th",
        "5 de marzo",
    ):
        assert shows_the_day(f"am {form} da", day), form
    assert not shows_the_day("15.03.2026", day + timedelta(1))
