"""Schemas of fields, values as they are read and compared, counts by hand and against the evalset's own."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.tasks.fields import (
    Field,
    FieldCount,
    FieldKind,
    FieldSchema,
    date_of,
    number_of,
    parse_schema,
    plain_text,
    read_value,
    same_as,
)
from tests.support import ticket_fields
from tests.support.field_rules import extract

SCHEMA = {
    "type": "object",
    "properties": {
        "product": {"type": "string", "enum": ["Tillo", "Stikka"], "description": "What it is\n about."},
        "order_id": {"type": "string"},
        "day": {"type": "string", "format": "date"},
        "amount": {"type": "number"},
        "people": {"type": "integer"},
        "paid": {"type": "boolean"},
        "contacts": {"type": "array", "items": {"type": "string"}},
        "customer": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "city": {"type": "string"}},
            "required": ["name"],
        },
    },
    "required": ["product"],
}
FIELDS = parse_schema(SCHEMA, "schema.json")


def field(name):
    return next(one for one in FIELDS.fields if one.name == name)


def one(schema):
    return {"type": "object", "properties": {"it": schema}}


def test_a_schema_is_read_in_order_with_groups_flat() -> None:
    assert FIELDS.names == (
        *("product", "order_id", "day", "amount", "people", "paid", "contacts"),
        *("customer.name", "customer.city"),
    )
    assert [one.kind.value for one in FIELDS.fields] == [
        *("choice", "text", "date", "number", "whole number", "yes or no", "text", "text", "text"),
    ]
    assert [one.name for one in FIELDS.fields if one.required] == ["product"]  # the customer may be absent
    assert field("product").description == "What it is about."
    assert field("contacts").repeated


def test_its_canonical_form_says_the_same_and_nothing_beside_it() -> None:
    again = FIELDS.json_schema()
    assert again["additionalProperties"] is False and again["required"] == ["product"]
    assert again["properties"]["customer"]["properties"]["city"] == {"type": "string"}
    assert again["properties"]["day"] == {"type": "string", "format": "date"}
    assert parse_schema(again, "again").names == FIELDS.names
    assert parse_schema(again, "again").json_schema() == again


def test_a_schema_as_pydantic_writes_it_is_read() -> None:
    from enum import StrEnum

    from pydantic import BaseModel

    class Level(StrEnum):
        LOW = "low"
        HIGH = "high"

    class Shop(BaseModel):
        city: str | None = None

    class Ticket(BaseModel):
        level: Level | None = None
        shop: Shop | None = None
        when: date | None = None
        names: list[str] = []

    found = parse_schema(Ticket.model_json_schema(), "ticket")
    assert [(one.name, one.kind, one.repeated) for one in found.fields] == [
        ("level", FieldKind.CHOICE, False),
        ("shop.city", FieldKind.TEXT, False),
        ("when", FieldKind.DATE, False),
        ("names", FieldKind.TEXT, True),
    ]


DEEP = one(
    {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {"type": "string"}}}}}
)
CIRCLE = {**one({"$ref": "#/$defs/a"}), "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "object", "properties": {}}, "no fields"),
        (False, "the schema is no object"),
        (one({"enum": []}), "it has no choices"),
        (one({"enum": ["a", "A "]}), "two choices that read the same"),
        (one({"enum": [1, 2]}), "no value is read by"),
        (one({"not": {"type": "string"}}), "uses not"),
        (one({"type": "string", "allOf": [{"maxLength": 1}, {"minLength": 2}]}), "uses allOf"),
        (one({"anyOf": [{"type": "string"}, {"type": "number"}]}), "uses anyOf"),
        (DEEP, "it.b is nested deeper than one level"),
        (one({"type": "array", "items": {"type": "object", "properties": {}}}), "a list of 'object'"),
        (one({"type": "array"}), "it is no object"),
        (one({"$ref": "other.json#/a"}), "refers to 'other.json#/a', outside its schema"),
        (one({"$ref": "https://example.org/s.json"}), "outside its schema"),
        (one({"$ref": "#/$defs/a"}), "refers to '#/$defs/a', which is not there"),
        (CIRCLE, "refers to itself"),
        ({**one({"type": "string"}), "required": ["that"]}, "requires 'that', which is no property"),
        ({"type": "object", "properties": {" ": {"type": "string"}}}, "blank name"),
        (
            {
                "properties": {
                    "a.b": {"type": "string"},
                    "a": {"properties": {"b": {"type": "string"}}},
                }
            },
            "'a.b' names two fields",
        ),
        ({"properties": {str(n): {"type": "string"} for n in range(101)}}, "101 fields, more than 100"),
    ],
)
def test_a_schema_that_cannot_be_used_says_where_and_why(schema, fault) -> None:
    with pytest.raises(DataError, match=r"schema\.json is no schema") as error:
        parse_schema(schema, "schema.json")
    assert fault in str(error.value) and "allowed:" in str(error.value)


def test_all_faults_of_a_schema_are_told_at_once() -> None:
    bad = {"properties": {name: {"type": "strong"} for name in "abc"}}
    with pytest.raises(DataError) as error:
        parse_schema(bad, "schema.json")
    assert all(f"{name} is 'strong'" in str(error.value) for name in "abc")


def test_a_field_may_be_named_like_a_label_or_like_a_word_of_schemas() -> None:
    names = ("label", "Tillo", "properties", "type", "required", "$ref")
    found = parse_schema({"properties": {name: {"type": "string"} for name in names}}, "odd")
    assert found.names == names
    assert found.count({"label": "Tillo"}, {"label": "Tillo"})["label"] == FieldCount(right=1)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,56 €", 1234.56),
        ("1,234.56", 1234.56),
        ("1'500.00 CHF", 1500.0),
        ("1’500", 1500.0),
        ("1 234,5", 1234.5),
        ("45,— euro", 45.0),
        ("45,-", 45.0),
        ("EUR 0,5", 0.5),
        ("0.125", 0.125),  # nothing but 0 before the mark: no thousands
        ("1.234", 1234.0),
        ("1234.567", 1234.567),  # thousands have at most three digits before the first mark
        ("1.234.567", 1234567.0),
        ("-12,5", -12.5),
        ("− 3", -3.0),
        ("INV-12", 12.0),  # a mark behind a letter is no minus
        ("1.2.3", None),
        ("12 and 13", None),
        ("about fifty", None),
        ("", None),
        ("9" * 100, None),
        (True, None),
        (1e999, None),
        (312, 312.0),
    ],
)
def test_numbers_as_europe_writes_them(text, number) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2025-11-04", "2025-11-04"),
        ("2025-11-04T13:22:00", "2025-11-04"),
        ("4.11.2025", "2025-11-04"),
        ("04/11/25", "2025-11-04"),
        ("4-11-2025", "2025-11-04"),
        ("4. November 2025", "2025-11-04"),
        ("4 nov. 2025", "2025-11-04"),
        ("1er juin 2026", "2026-06-01"),
        ("31 juillet 2026", "2026-07-31"),
        ("10 de marzo de 2026", "2026-03-10"),
        ("3 maja 2026", "2026-05-03"),
        ("9 października 2025", "2025-10-09"),
        ("3. März 2026", "2026-03-03"),
        ("29.2.2025", None),
        ("11/23/2025", None),  # the day before the month, always
        ("yesterday", None),
        ("4 smarch 2025", None),
        ("x" * 1000, None),
    ],
)
def test_dates_as_europe_writes_them(text, iso) -> None:
    assert date_of(text) == iso


MONTH_NAMES = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada "
    "grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}


@pytest.mark.parametrize("language", MONTH_NAMES)
def test_the_months_of_eight_languages(language) -> None:
    for number, name in enumerate(MONTH_NAMES[language].split(), 1):
        assert date_of(f"7 {name} 2026") == f"2026-{number:02}-07", name


@pytest.mark.parametrize(
    "text", ["6 decisions 2024", "4 marks 12", "8 genes 44", "3 mayors 1999", "1 ju 2024"]
)
def test_a_word_that_begins_like_a_month_is_none(text) -> None:
    assert date_of(text) is None


@pytest.mark.parametrize(
    ("text", "month"), [("3 mrt 2026", 3), ("1 févr. 2026", 2), ("2 sett. 2026", 9), ("30 paź 2026", 10)]
)
def test_months_cut_short(text, month) -> None:
    assert str(date_of(text)).startswith(f"2026-{month:02}-")


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_a_date_is_the_same_however_it_is_written(day) -> None:
    ways = [day.isoformat(), f"{day:%d.%m.%Y}", f"{day.day}/{day.month}/{day:%y}", f"{day.day} {day:%B %Y}"]
    assert {same_as(field("day"), way) for way in ways} == {day.isoformat()}
    assert same_as(field("day"), (day + timedelta(1)).isoformat()) != day.isoformat()


@given(st.integers(-(10**9), 10**9))
def test_a_sum_is_the_same_however_it_is_written(cents) -> None:
    sign, whole = "-" if cents < 0 else "", abs(cents)
    us = f"{sign}{whole // 100:,}.{whole % 100:02}"
    de = us.translate(str.maketrans(",.", ".,"))
    ch = us.replace(",", "'")
    assert {same_as(field("amount"), way) for way in (cents / 100, us, de, ch, f"{de} €")} == {
        same_as(field("amount"), us)
    }


@given(st.text())
@example("K\u00b8")  # a mark apart by a blank joins the letter before it once the blank is gone
def test_plain_text_is_its_own_plain_text(text) -> None:
    assert plain_text(plain_text(text)) == plain_text(text)
    assert plain_text(f" {text}\n") == plain_text(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("88-01274", "8801274"),
        ("Zoë  Müller", "zoë müller"),  # composed and decomposed
        ("STRASSE", "straße"),
        ("ＡＢＣ", "abc"),
        ("O’Neill", "o'neill"),
        ("12–34", "12-34"),
        ("A/B_c", "ab c"),
    ],
)
def test_texts_that_are_the_same(one, other) -> None:
    assert plain_text(one) == plain_text(other)


@pytest.mark.parametrize(("one", "other"), [("Müller", "Muller"), ("7.2.0", "720"), ("-", "/"), ("", "-")])
def test_texts_that_are_not(one, other) -> None:
    assert plain_text(one) != plain_text(other)


def test_values_of_the_wrong_kind_are_read_as_none_and_compared_as_text() -> None:
    assert read_value(field("product"), "tillo ") == "Tillo"
    assert read_value(field("product"), "Zapp") is None
    assert read_value(field("people"), 2.5) is None and read_value(field("people"), "3") == 3
    assert read_value(field("paid"), "Yes") is True and read_value(field("paid"), 1) is None
    assert read_value(field("order_id"), 602938) == "602938"
    assert read_value(field("order_id"), {"no": 1}) is None
    assert same_as(field("day"), "yesterday") == same_as(field("day"), "YESTERDAY")


def test_counts_by_hand() -> None:
    stated = {
        "product": "Tillo",
        "order_id": "12-345",
        "amount": 12.5,
        "contacts": ["Ann", "Bo", "Cy"],
        "customer": {"name": "Öz"},
    }
    answer = {
        "product": "tillo",  # right
        "amount": "13,50",  # wrong
        "paid": True,  # invented
        "contacts": ["bo", "Di", "Ed"],  # one right, two wrong
        "customer": {"name": "oz", "street": "x"},  # wrong; a field that there is not
        "mood": "angry",  # a field that there is not
    }
    counts = FIELDS.count(stated, answer)
    assert {name: c for name, c in counts.items() if c != FieldCount()} == {
        "product": FieldCount(right=1),
        "order_id": FieldCount(missing=1),
        "amount": FieldCount(wrong=1),
        "paid": FieldCount(invented=1),
        "contacts": FieldCount(right=1, wrong=2),
        "customer.name": FieldCount(wrong=1),
        "customer.street": FieldCount(invented=1),
        "mood": FieldCount(invented=1),
    }
    whole = sum(counts.values(), FieldCount())
    assert (whole.stated, whole.given) == (7, 9)
    assert whole.f1 == pytest.approx(2 * 2 / 16)


def test_exact_counts_take_values_as_they_are_written() -> None:
    stated = {"product": "Tillo", "amount": 12.0, "day": "2026-01-02"}
    answer = {"product": "tillo", "amount": 12, "day": "2.1.2026"}
    assert sum(FIELDS.count(stated, answer).values(), FieldCount()) == FieldCount(right=3)
    assert sum(FIELDS.count(stated, answer, exact=True).values(), FieldCount()) == FieldCount(
        right=1, wrong=2
    )


def test_what_states_nothing_is_absent() -> None:
    nothing = {"product": None, "order_id": " ", "contacts": [], "customer": {}, "mood": None}
    assert sum(FIELDS.count({}, nothing).values(), FieldCount()) == FieldCount()
    assert FieldCount().f1 == 1.0
    assert FIELDS.ordered(nothing) == {}


def test_a_value_too_many_for_a_field_is_invented() -> None:
    assert FIELDS.count({"order_id": "1"}, {"order_id": ["1", "2"]})["order_id"] == FieldCount(
        right=1, invented=1
    )


def test_a_target_is_written_in_the_schema_s_order() -> None:
    values = {"customer": {"city": "Łódź"}, "contacts": ["B", "A"], "amount": 312.0, "product": "Tillo"}
    text = '{"product": "Tillo", "amount": 312, "contacts": ["B", "A"], "customer": {"city": "Łódź"}}'
    assert FIELDS.written(values) == text
    assert FIELDS.count(values, json.loads(text), exact=True) == FIELDS.count(values, values)


def test_rows_that_do_not_fit_are_told_why() -> None:
    assert FIELDS.misfits({"product": "Tillo", "day": "4.11.2025"}) == []
    assert FIELDS.misfits({"product": "Zapp"}) == ["product is no choice of Tillo, Stikka: 'Zapp'"]
    assert FIELDS.misfits({"order_id": ["1", "2"], "mood": "x"}) == [
        "no field 'mood'",
        "product is required and absent",
        "order_id has 2 values and is not repeated",
    ]


VALUES = st.dictionaries(
    st.sampled_from(["product", "order_id", "amount", "contacts", "mood", "customer"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
)


@given(VALUES, VALUES)
def test_counts_of_anything_add_up(stated, answer) -> None:
    counts = FIELDS.count(stated, answer)
    back = FIELDS.count(answer, stated)
    for name in FIELDS.names:
        there, again = counts[name], back[name]
        assert (there.right, there.wrong) == (again.right, again.wrong)
        assert (there.missing, there.invented) == (again.invented, again.missing)
        assert 0 <= there.f1 <= 1
    mine = FIELDS.count(answer, answer)
    assert all(mine[name].f1 == 1 for name in FIELDS.names)


def test_the_evalset_s_rules_count_as_the_evalset_counts_them() -> None:
    """A second implementation of match and F1: tests/support/ticket_fields."""
    schema = parse_schema(ticket_fields.schema(), "schema.json")
    expected = ticket_fields.rules_counts("test")
    total: dict[str, FieldCount] = {}
    for row in ticket_fields.rows("test"):
        for name, count in schema.count(row.fields, extract(row.text, row.received)).items():
            total[name] = total.get(name, FieldCount()) + count
    for name, count in total.items():
        assert (count.right, count.given, count.stated) == (
            expected[name].matched,
            expected[name].predicted,
            expected[name].reference,
        )
    assert sum(total.values(), FieldCount()).f1 == pytest.approx(expected["all"].f1)


def test_every_row_of_the_evalset_fits_its_schema() -> None:
    schema = parse_schema(ticket_fields.schema(), "schema.json")
    assert isinstance(schema, FieldSchema) and isinstance(schema.fields[0], Field)
    for split in ticket_fields.SPLITS:
        assert [row.id for row in ticket_fields.rows(split) if schema.misfits(row.fields)] == []
