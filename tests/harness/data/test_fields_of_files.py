"""Fields from a user's own columns and from a card's objects: kinds, absent values, faults by row."""

import json

import pytest

from advisor.options import TaskKind
from harness.core.errors import DataError
from harness.data.load import load_evalset, load_file
from harness.data.settings import DataPlan
from harness.tasks.kinds import task_of

NAMES = [
    "Ann",
    "Bo",
    "Cy",
    "Di",
    "Ed",
    "Flo",
    "Gus",
    "Hal",
    "Ivy",
    "Jo",
    "Kai",
    "Lea",
    "Max",
    "Nia",
    "Oz",
    "Pia",
]


def rows():
    for place, name in enumerate(NAMES * 2):
        order, day, amount = f"0{place:03}", f"{place % 27 + 1}.2.2026", f"{place},50 €"
        text = f"{name} wrote row {place} about parcel {order}, paid {amount} on {day}, thanks {name}{place}"
        yield text, (order, day, amount if place % 4 else "", "" if place % 2 else name)


def write(path, header="body,order,day,amount,who"):
    lines = [header] + [",".join(f'"{cell}"' for cell in (text, *cells)) for text, cells in rows()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def plan(path, **changes):
    asked = {"file": str(path), "text": ("body",), "fields": ("order", "day", "amount", "who")}
    return DataPlan(**{**asked, **changes})


def test_columns_become_fields_of_the_kind_that_all_their_values_have(tmp_path) -> None:
    path = write(tmp_path / "emails.csv")
    found = load_file(path, plan(path), 17)
    assert found.task is TaskKind.EXTRACTION and found.labels == ()
    kinds = {name: part.get("format", part["type"]) for name, part in found.schema["properties"].items()}
    # digits alone are a text: the zero before an order's number counts
    assert kinds == {"order": "string", "day": "date", "amount": "number", "who": "string"}
    items = {item.text: item.target for part in (found.train, found.dev, found.test) for item in part}
    for text, (order, _, amount, who) in rows():
        target = items[text]
        assert target["order"] == order and target["day"].startswith("2026-02-")
        assert target.get("amount") == (float(amount.split(",")[0]) + 0.5 if amount else None)
        assert target.get("who") == (who or None)


def test_a_row_without_any_value_states_nothing_and_is_kept(tmp_path) -> None:
    path = write(tmp_path / "emails.csv")
    with path.open("a", encoding="utf-8") as file:
        file.write('\n"Thank you all very much for nothing in particular","","","",""')
    found = load_file(path, plan(path), 17)
    every = [*found.train, *found.dev, *found.test]
    assert len(every) == 33
    assert [item.target for item in every if item.text.startswith("Thank you")] == [{}]


def test_a_column_cannot_be_read_and_be_right_at_once(tmp_path) -> None:
    path = write(tmp_path / "emails.csv")
    with pytest.raises(ValueError, match="the field column 'body' is among the text columns"):
        plan(path, fields=("order", "body"))
    with pytest.raises(ValueError, match="either label columns"):
        plan(path, label="who")
    with pytest.raises(DataError, match="no column 'nope'"):
        load_file(path, plan(path, fields=("order", "nope")), 17)


CARD = """
name = "mine"
title = "Mine"
task = "extraction"
licence = "CC0-1.0"
provenance = "written for this test"
schema = "schema.json"
[columns]
text = ["asked", "body"]
fields = "right"
[files]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
"""
SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "who": {"type": "array", "items": {"type": "string"}}},
}


def evalset(folder, schema=SCHEMA, right=lambda n: {"order": str(n), "who": ["Ann", "Bo"]}):
    (folder / "card.toml").write_text(CARD, encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    for start, split in enumerate(("train", "dev", "test")):
        lines = [
            json.dumps(
                {
                    "body": f"{name} {split} {n} of {start}",
                    "asked": ["order", "who"] * (n % 2),
                    "right": right(n),
                }
            )
            for n, name in enumerate(NAMES)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_evalset(folder, environ={}, cache=None)


def test_a_card_names_the_column_of_objects_and_the_schema_beside_it(tmp_path) -> None:
    found = evalset(tmp_path)
    assert found.task is TaskKind.EXTRACTION
    assert found.test[3].target == {"order": "3", "who": ["Ann", "Bo"]}
    assert found.test[3].text.startswith("order, who\n\nDi")  # a list of texts is read as one text
    assert found.test[2].text.startswith("Cy")


def test_a_schema_that_nothing_fits_names_every_row(tmp_path) -> None:
    schema = {"type": "object", "properties": {"level": {"type": "string", "enum": ["low"]}}}
    with pytest.raises(DataError, match="no field 'order'") as error:
        evalset(tmp_path, schema)
    assert "train.jsonl" in str(error.value) and "test.jsonl" in str(error.value)


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "object", "properties": {"order": {"$ref": "other.json"}}}, "outside its schema"),
        ({"type": "object", "properties": {"order": {"enum": []}}}, "no choices"),
        (
            {"properties": {"a": {"properties": {"b": {"properties": {"c": {"type": "string"}}}}}}},
            "nested deeper than one level",
        ),
        ([], "no object"),
    ],
)
def test_a_schema_that_cannot_be_used_names_its_file(schema, fault, tmp_path) -> None:
    with pytest.raises(DataError, match=r"schema\.json is no schema") as error:
        evalset(tmp_path, schema)
    assert fault in str(error.value)


def test_a_schema_that_is_missing_or_no_json_is_a_fault(tmp_path) -> None:
    evalset(tmp_path)
    (tmp_path / "schema.json").write_text('{"a": 1, "a": 2}', encoding="utf-8")
    with pytest.raises(DataError, match="no JSON"):
        load_evalset(tmp_path, environ={}, cache=None)
    (tmp_path / "schema.json").unlink()
    with pytest.raises(DataError, match=r"schema\.json"):
        load_evalset(tmp_path, environ={}, cache=None)


def test_numbers_of_objects_stay_numbers_and_texts_of_digits_texts(tmp_path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "people": {"type": "integer"},
            "order": {"type": "string"},
        },
    }
    found = evalset(tmp_path, schema, lambda n: {"amount": n + 0.125, "people": n, "order": f"00{n}"})
    assert found.test[3].target == {"amount": 3.125, "people": 3, "order": "003"}
    assert task_of(found.space).target_text(found.test[3].target) == (
        '{"amount": 3.125, "people": 3, "order": "003"}'
    )


def test_a_key_twice_in_a_row_s_object_is_a_fault(tmp_path) -> None:
    evalset(tmp_path)
    rows_ = (
        (tmp_path / "test.jsonl")
        .read_text(encoding="utf-8")
        .replace('"order": "3"', '"order": "3", "order": "4"')
    )
    (tmp_path / "test.jsonl").write_text(rows_, encoding="utf-8")
    with pytest.raises(DataError, match="key written twice"):
        load_evalset(tmp_path, environ={}, cache=None)
