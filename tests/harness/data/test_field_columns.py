"""Fields of columns: objects and lists in cells, and what a column settles that one cell leaves open."""

import json

import pytest

from harness.core.errors import DataError
from harness.data.columns import Numeral
from harness.data.field_columns import fields_of_columns
from harness.data.load import load_file
from harness.data.problems import Problems
from harness.data.settings import DataPlan
from harness.tasks.fields import date_of, number_of, parse_schema
from harness.tasks.json_answers import structured


def read(*cells, names=("it",)):
    """The kinds of the fields by name, what each row states, and the codes of what was found."""
    problems = Problems()
    rows = {n: cell if isinstance(cell, dict) else {"it": cell} for n, cell in enumerate(cells, start=1)}
    schema, targets = fields_of_columns(names, rows, problems)
    kinds = {one.name: f"{one.kind.value}{' list' * one.repeated}" for one in schema.fields}
    return kinds, targets, [found.code for found in problems.findings], problems.lines()


ORDER = {"no": "007", "paid": True, "who": {"name": "Ann", "city": None}, "tags": ["a", "b"]}
STATED = {"no": "007", "paid": True, "who": {"name": "Ann"}, "tags": ["a", "b"]}
KINDS = {"no": "text", "paid": "yes or no", "who.name": "text", "who.city": "text", "tags": "text list"}


@pytest.mark.parametrize(
    "cell",
    [
        json.dumps(ORDER),
        json.dumps(json.dumps(ORDER)),
        repr(ORDER),
        json.dumps(ORDER)[:-1] + ",}",
        f"```json\n{json.dumps(ORDER)}\n```",
        json.dumps(ORDER).replace("null", "NaN"),
    ],
)
def test_the_keys_of_objects_in_cells_are_fields_however_they_are_written(cell) -> None:
    assert read(cell, cell) == (KINDS, [STATED, STATED], ["empty-field"], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "a": 2}', None),  # a key twice
        ("{'a': 1, 'a': 2}", None),
        ('{"a": "x,}"}', {"a": "x,}"}),  # the comma is part of a text
        ("[URGENT] call", None),
        ("('a', 'b')", None),
        ("{'a': open('x')}", None),  # nothing is run
        ("12", None),
        ("[" * 5000, None),
    ],
)
def test_what_no_object_or_list_is_stays_a_text(text, value) -> None:
    assert structured(text) == value


def test_rows_of_a_column_of_objects_that_hold_none_are_named() -> None:
    faults = read('{"a": "1"}', '{"a": "2"', "", '{"a": "3"}')[3]
    assert faults == ["""'it' holds an object of fields in most rows, here none: row 2 ('{"a": "2"')"""]
    assert read('{"a": "2"', '{"a": 3')[3]  # also where no row can be read
    assert read('{"a": {"b": "1"}}', '{"a": "2"}')[3] == [
        "'a' is an object in some rows and a value in others"
    ]
    assert read(*(json.dumps({f"k{n}": "x"}) for n in range(101)))[3] == [
        "101 columns and keys of objects, more than 100 fields"
    ]


def test_objects_of_several_columns_are_groups_and_lists_of_objects_lists() -> None:
    row = {"gold": '{"lines": [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}]}', "day": "2026-01-02"}
    kinds, targets, codes, faults = read(row, names=("gold", "day"))
    assert kinds == {"gold.lines.sku": "text list", "gold.lines.n": "whole number list", "day": "date"}
    assert targets == [{"gold": {"lines.sku": ["A", "B"], "lines.n": [1, 2]}, "day": "2026-01-02"}]
    assert (codes, faults) == (["list-of-objects"], [])


@pytest.mark.parametrize(
    ("cells", "kind", "values", "codes"),
    [
        (["01/05/2026", "11/23/2025"], "date", ["2026-01-05", "2025-11-23"], ["month-first"]),
        (["05/01/2026", "23/11/2025"], "date", ["2026-01-05", "2025-11-23"], []),
        (["11/23/2025", "23/11/2025"], "text", ["11/23/2025", "23/11/2025"], []),
        (["1.234", "12.5"], "number", [1.234, 12.5], []),  # the point of 12.5 is a decimal one
        (["1.234", "1.234.567,5"], "number", [1234, 1234567.5], []),
        (["1.234 €", "2.000 €"], "number", [1234, 2000], ["thousands"]),
        (["1,234", "0.5"], "number", [1234, 0.5], []),
        ([Numeral("1.234"), Numeral("2.345")], "number", [1.234, 2.345], []),
        ([Numeral("3"), Numeral("4")], "whole number", [3, 4], []),
        ([Numeral("9007199254740993"), Numeral("1")], "text", ["9007199254740993", "1"], []),
        (["007", "123"], "text", ["007", "123"], []),
        (["0123.55", "0124.56"], "text", ["0123.55", "0124.56"], []),
        (["v1.10", "v1.1"], "text", ["v1.10", "v1.1"], []),
        (["12.50 EUR", "13.50 USD"], "number", [12.5, 13.5], ["units"]),
        (["12.50 €", "13.50 EUR"], "number", [12.5, 13.5], []),
        (["TRUE", "FALSE"], "yes or no", [True, False], []),
        (["ja", "nein"], "yes or no", [True, False], []),
        (["no", "no"], "text", ["no", "no"], []),  # one answer alone may be any word
        (["2026-01-02", "n/a"], "date", ["2026-01-02", None], ["not-stated"]),
        (["12,50", "unknown"], "number", [12.5, None], ["not-stated"]),
        (["Ann", "unknown"], "text", ["Ann", "unknown"], []),
        (["Ann", "Bo", "[1]"], "text", ["Ann", "Bo", "[1]"], []),
        (['["a", "b"]', "[]"], "text list", [["a", "b"], None], []),
        (["['a']", "['b', 'c']"], "text list", [["a"], ["b", "c"]], []),
    ],
)
def test_a_column_settles_what_one_cell_leaves_open(cells, kind, values, codes) -> None:
    kinds, targets, found, faults = read(*cells)
    assert kinds == {"it": kind}
    assert [target.get("it") for target in targets] == values
    assert (found, faults) == (codes, [])


def test_a_column_without_a_value_is_told_of_and_a_file_without_any_is_refused() -> None:
    row = {"a": "", "b": "x"}
    kinds, targets, codes, _ = read(row, row, names=("a", "b"))
    assert (list(kinds), targets, codes) == (["a", "b"], [{"b": "x"}] * 2, ["empty-field"])
    assert read("", "")[3] == ["no row has a value in 'it'"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(1,234.50)", -1234.5),
        ("$(12.50)", -12.5),
        ("12,50-", -12.5),
        ("12,50- EUR", -12.5),
        ("12,-", 12.0),  # no cents: the dash stands for them
        ("-$12.50", -12.5),
        ("(see 12)", 12.0),
        ("₹1,23,000.50", 123000.5),
        ("12,34,5", None),
        ("1.5E+03", 1500.0),
        ("2E5", None),  # more likely the name of something
    ],
)
def test_numbers_as_accounts_and_spreadsheets_write_them(text, number) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("March 5, 2026", "2026-03-05"),
        ("Mar. 5th 2026", "2026-03-05"),
        ("Mittwoch, 4. März 2026", "2026-03-04"),
        ("04.03.2026 14:30", "2026-03-04"),
        ("4.3.2026, 9:05 Uhr", "2026-03-04"),
        ("4 mars 2026 à 14h30", "2026-03-04"),
        ("March 32, 2026", None),
        ("Ticket 5, 2026", None),
        ("14:30", None),
    ],
)
def test_dates_with_the_month_first_a_weekday_or_a_time(text, iso) -> None:
    assert date_of(text) == iso


def test_choices_with_null_and_one_part_of_several_are_read() -> None:
    schema = {
        "properties": {
            "level": {"type": ["string", "null"], "enum": ["low", "high", None]},
            "kind": {"allOf": [{"$ref": "#/$defs/kind"}], "default": None},
            "only": {"const": "x"},
        },
        "$defs": {"kind": {"enum": ["u", "v"]}},
    }
    choices = {one.name: one.choices for one in parse_schema(schema, "s").fields}
    assert choices == {"level": ("low", "high"), "kind": ("u", "v"), "only": ("x",)}


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_with_a_column_of_objects_is_loaded(suffix, tmp_path) -> None:
    names = [f"{first}{second}" for first in ("Ann", "Bo", "Cy", "Di") for second in "abcd"]
    rows = [
        {"body": f"{name} paid for parcel 1.{place:03} of {name}{place}", "gold": {"who": name, "kg": 1.25}}
        for place, name in enumerate(names * 2)
    ]
    path = tmp_path / f"own.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        cells = [f"{row['body']}|{json.dumps(row['gold'])}" for row in rows]
        path.write_text("\n".join(["body|gold", *cells]), encoding="utf-8")
    found = load_file(path, DataPlan(file=str(path), text=("body",), fields=("gold",)), 17)
    targets = {item.text.split()[0]: item.target for item in (*found.train, *found.dev, *found.test)}
    assert targets == {name: {"who": name, "kg": 1.25} for name in names}
    broken = path.read_text(encoding="utf-8").replace('"kg": 1.25}', '"kg": 1.25', 1)
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(DataError, match="1 problem"):
        load_file(path, DataPlan(file=str(path), text=("body",), fields=("gold",)), 17)
