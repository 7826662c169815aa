"""Predictions from elsewhere: what is read, and every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.data.predictions import OutsidePrediction, read_predictions

LABELS = ("billing", "sign_in", "shipping")
KNOWN = frozenset({"a", "b", "c"})


def read(tmp_path: Path, text: str, name: str = "p.csv") -> tuple[OutsidePrediction, ...]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_predictions(path, LABELS, KNOWN)


def test_csv_and_jsonl_with_and_without_confidence(tmp_path: Path) -> None:
    found = read(tmp_path, "item_id,label,confidence\na,billing,0.9\nb,Sign In,\n")
    assert found == (
        OutsidePrediction(item_id="a", label="billing", confidence=0.9),
        OutsidePrediction(item_id="b", label="sign_in", confidence=None),
    )
    assert read(tmp_path, "\ufeffitem_id,label\nc,shipping\n")[0].label == "shipping"
    lines = '{"item_id": "a", "label": "billing", "confidence": 1}\n\n{"item_id": "b", "label": "sign in"}\n'
    assert [one.confidence for one in read(tmp_path, lines, "p.jsonl")] == [1.0, None]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("z,billing,", "line 2: the run has no item z"),
        ("a,parking,", "line 2: 'parking' is no label"),
        ("a,,", "line 2: no label for a"),
        (",billing,", "line 2: no item_id"),
        ("a,billing,1.5", "line 2: confidence 1.5"),
        ("a,billing,0", "line 2: confidence 0"),
        ("a,billing,nan", "line 2: confidence nan"),
        ("a,billing,sure", "line 2: confidence sure"),
        ("a,billing,\na,shipping,", "line 3: the item a is answered twice"),
        ("", "it has no rows"),
    ],
)
def test_faults(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(DataError, match="not usable") as caught:
        read(tmp_path, f"item_id,label,confidence\n{rows}\n")
    assert words in str(caught.value)


def test_every_fault_at_once_and_not_too_many(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "item_id,label\n" + "z,billing\n" * 30)
    assert "30 fault(s)" in str(caught.value) and "and 10 more" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("id,class\na,billing\n", "p.csv", "no columns item_id and label"),
        ("", "p.csv", "no header"),
        ("[1]\n", "p.jsonl", "unknown column"),
        ('{"item_id": "a", "label": "billing", "score": 1}\n', "p.jsonl", "unknown column score"),
        ('{"item_id": 7, "label": "billing"}\n', "p.jsonl", "no item_id"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, text: str, name: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, name)
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path / "none.csv", LABELS, KNOWN)
    (tmp_path / "x.csv").write_bytes(b"item_id,label\na,\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path / "x.csv", LABELS, KNOWN)
