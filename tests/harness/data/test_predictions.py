"""Predictions from elsewhere: what is read, and every fault with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.options import TaskKind
from harness.core.errors import DataError
from harness.core.records import AnswerSpace, Label
from harness.data.predictions import OutsidePrediction, read_predictions

LABELS = AnswerSpace(labels=tuple(Label(name=name) for name in ("billing", "sign_in", "shipping")))
FIELDS = AnswerSpace(
    kind=TaskKind.EXTRACTION,
    schema={
        "type": "object",
        "properties": {
            "order": {"type": "string"},
            "paid": {"type": "number"},
            "names": {"type": "array", "items": {"type": "string"}},
        },
    },
)
KNOWN = frozenset({"a", "b", "c"})


def read(
    tmp_path: Path, text: str, name: str = "p.csv", space: AnswerSpace = LABELS
) -> tuple[OutsidePrediction, ...]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_predictions(path, space, KNOWN)


def test_csv_and_jsonl_with_and_without_confidence(tmp_path: Path) -> None:
    found = read(tmp_path, "item_id,label,confidence\na,billing,0.9\nb,Sign In,\n")
    assert found == (
        OutsidePrediction(item_id="a", answer="billing", confidence=0.9),
        OutsidePrediction(item_id="b", answer="sign_in", confidence=None),
    )
    assert read(tmp_path, "\ufeffitem_id,label\nc,shipping\n")[0].answer == "shipping"
    lines = '{"item_id": "a", "label": "billing", "confidence": 1}\n\n{"item_id": "b", "label": "sign in"}\n'
    assert [one.confidence for one in read(tmp_path, lines, "p.jsonl")] == [1.0, None]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("z,billing,", "the run has no such item on dev or test: line 2 ('z')"),
        ("a,parking,", "this is no label of the run: line 2 ('parking')"),
        ("a,,", "no label: line 2 ('a')"),
        (",billing,", "no item_id: line 2"),
        ("a,billing,1.5", "confidence is not above 0 and at most 1: line 2 ('1.5')"),
        ("a,billing,0", "at most 1: line 2 ('0')"),
        ("a,billing,nan", "at most 1: line 2 ('nan')"),
        ("a,billing,sure", "at most 1: line 2 ('sure')"),
        ("a,billing,\na,shipping,", "the item is answered twice: line 3 ('a')"),
        ("", "it has no rows"),
    ],
)
def test_faults(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(DataError, match="cannot be used") as caught:
        read(tmp_path, f"item_id,label,confidence\n{rows}\n")
    assert words in str(caught.value)


def test_every_fault_at_once_and_not_too_many(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "item_id,label\n" + "z,billing\n" * 30 + "a,none\n")
    assert "2 problems" in str(caught.value) and "and 22 more" in str(caught.value)


def test_other_columns_are_left_alone(tmp_path: Path) -> None:
    """They were refused: a file that a model or a spreadsheet wrote has columns that nobody asks for."""
    found = read(tmp_path, "text,label,item_id,run\nhello;billing,billing,a,7\n")
    assert found == (OutsidePrediction(item_id="a", answer="billing", confidence=None),)
    line = '{"item_id": "a", "label": "billing", "score": 1}\n'
    assert read(tmp_path, line, "p.jsonl")[0].answer == "billing"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("id,class\na,billing\n", "p.csv", "item_id"),
        ("", "p.csv", "is empty"),
        ("[1]\n", "p.jsonl", "No list of rows"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, text: str, name: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, name)
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_predictions(tmp_path / "none.csv", LABELS, KNOWN)
    (tmp_path / "x.csv").write_bytes(b"item_id,label\na,\xff\xfe")
    with pytest.raises(DataError, match=r"encoding|UTF-8"):
        read_predictions(tmp_path / "x.csv", LABELS, KNOWN)


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
def test_fields_are_one_object_a_row(tmp_path: Path, name: str) -> None:
    """A value that its field does not allow is a wrong answer, as it is in a model's: it is taken."""
    given = {"a": {"order": "7", "names": ["Ann", "Bo"]}, "b": {"paid": "much", "sum": 1}, "c": {}}
    if name == "p.csv":
        cells = {item: json.dumps(values).replace('"', '""') for item, values in given.items()}
        text = "item_id,fields\n" + "".join(f'{item},"{cell}"\n' for item, cell in cells.items())
    else:
        text = "".join(json.dumps({"item_id": a, "fields": values}) + "\n" for a, values in given.items())
    found = read(tmp_path, text, name, FIELDS)
    assert {one.item_id: json.loads(one.answer) for one in found} == given
    assert {one.confidence for one in found} == {None}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"item_id": "z", "fields": {}}, "the run has no such item on dev or test: line 1 ('z')"),
        ({"item_id": "a", "fields": None}, "no fields; {} states none: line 1 ('a')"),
        ({"item_id": "a", "fields": "order 7"}, "this holds no JSON object: line 1 ('order 7')"),
        ({"item_id": "a", "fields": '{"order": "7"'}, "this holds no JSON object: line 1"),
        ({"item_id": "a", "fields": '{"order": "7", "order": "8"}'}, "this holds no JSON object: line 1"),
        ({"item_id": "a", "fields": ["7"]}, "this holds no JSON object: line 1"),
        ({"item_id": "a", "fields": {"Order": "7"}}, "this names no field of the run: line 1"),
        ({"item_id": "a", "label": "billing"}, "no column 'fields'"),
    ],
)
def test_faults_of_fields(tmp_path: Path, row: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match="cannot be used") as caught:
        read(tmp_path, json.dumps(row) + "\n", "p.jsonl", FIELDS)
    assert words in str(caught.value)
