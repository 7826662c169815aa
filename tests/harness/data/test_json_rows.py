"""JSON in any nesting: where the rows are, and which values are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.core.errors import DataError
from harness.data.json_rows import read_json
from harness.data.problems import Problems
from tests.support.reading import ASKED, ROWS, as_csv, refusal, see, values

LINES = "\n".join(map(json.dumps, ROWS))
PAIRS = [[row["body"], row["queue"]] for row in ROWS]


@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.txt", "t.csv"])
@pytest.mark.parametrize(
    "content",
    [
        LINES,
        "\ufeff" + LINES,
        json.dumps(ROWS),
        json.dumps(ROWS, indent=1),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]",
    ],
)
def test_the_content_says_how_it_is_written(content: str, name: str) -> None:
    seen = see(content, name)
    assert (seen.values, seen.faults) == (values(), "")


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_csv_that_is_called_json(name: str) -> None:
    assert see(as_csv(), name).values == values()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"tickets": ROWS, "count": 12, "next_page": None}, "tickets"),
        ({"result": {"data": {"items": ROWS, "included": [{"id": 1}]}}}, "result.data.items"),
        ([{"tickets": ROWS[:6]}, {"tickets": ROWS[6:]}], "tickets"),
        ({"values": [list(ROWS[0]), *(list(row.values()) for row in ROWS)]}, "values"),
    ],
)
def test_the_one_list_that_holds_the_asked_keys_is_taken_and_said(document: Any, place: str) -> None:
    seen = see(json.dumps(document), "t.json")
    assert seen.values == values()
    assert repr(place) in seen.said["records"]


def test_pages_one_a_line() -> None:
    pages = [json.dumps({"tickets": ROWS[at : at + 4], "meta": [{"x": 1}]}) for at in (0, 4, 8)]
    assert see("\n".join(pages), "t.jsonl").values == values()


@pytest.mark.parametrize(
    "document",
    [
        {f"T{n}": row for n, row in enumerate(ROWS)},
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]},
        {"columns": list(ROWS[0]), "index": [1], "data": [list(row.values()) for row in ROWS]},
    ],
    ids=["rows by id", "lists by column", "objects by column", "names beside rows"],
)
def test_rows_and_columns_as_objects(document: Any) -> None:
    assert see(json.dumps(document), "t.json").values == values()


def test_an_entry_of_a_list_by_its_place() -> None:
    def turns(row: dict[str, str]) -> list[dict[str, str]]:
        said = [("system", "sort"), ("user", row["body"]), ("assistant", row["queue"])]
        return [{"role": role, "content": text} for role, text in said]

    lines = "\n".join(json.dumps({"messages": turns(row)}) for row in ROWS)
    asked = {"text": ("messages.1.content",), "label": ("messages.2.content",)}
    assert see(lines, "t.jsonl", asked).values == [(row["body"], row["queue"]) for row in ROWS]
    optional = {"id?": ("id",), "text": ("text",), "label": ("messages.3.content",)}
    assert "objects with the keys text, messages.3.content." in refusal(lines, "t.jsonl", optional)


def test_a_document_that_was_cut_off_is_to_be_got_again() -> None:
    whole = json.dumps(ROWS, indent=1)
    with pytest.raises(DataError, match="get the file again"):
        read_file_of(whole[:-40])
    with pytest.raises(DataError) as caught:
        read_file_of(whole.replace('"body"', "body", 1))
    assert "again" not in str(caught.value)


def read_file_of(text: str) -> None:
    problems = Problems()
    read_json(text, ASKED, problems)
    problems.check("The file")


def test_lists_within_the_rows_are_no_second_place() -> None:
    rows = [row | {"comments": [{"subject": "x", "body": "y", "queue": "z"}]} for row in ROWS]
    assert see(json.dumps({"tickets": rows}), "t.json").values == values()


def test_several_places_are_named_and_can_be_asked_for() -> None:
    document = json.dumps({"train": ROWS[:8], "test": ROWS[8:]})
    assert "--records train,test" in refusal(document, "t.json")
    assert see(document, "t.json", records=("train", "test")).values == values()


def test_pairs_under_split_names_are_named_and_read_by_number() -> None:
    document = json.dumps({"train": PAIRS[:8], "val": PAIRS[8:]})
    message = refusal(document, "t.json")
    assert "train (8 rows), val (4 rows)" in message
    assert "--records train,val --no-header" in message
    asked = {"text": ("1",), "label": ("2",)}
    seen = see(document, "t.json", asked, records=("train", "val"), no_header=True)
    assert seen.values == [tuple(pair) for pair in PAIRS]


def test_a_place_that_is_not_there() -> None:
    assert "allowed: a" in refusal(json.dumps({"a": ROWS}), "t.json", records=("b.c",))
    assert "no JSON document" in refusal(as_csv(), records=("a",))


def test_what_nobody_asked_for_is_left_alone() -> None:
    rows = [row | {"tags": ["a"], "requester": {"id": 1, "subject": "no"}} for row in ROWS]
    assert see("\n".join(map(json.dumps, rows)), "t.jsonl").values == values()
    twice = '{"subject": "a", "body": "b", "queue": "c", "x": 1, "x": 2}\n'
    assert see(twice * 2, "t.jsonl").faults == ""


def test_nested_values_by_dots() -> None:
    rows = [{"q": {"name": "a"}, "comments": [{"body": "first"}, {"body": "second"}]}] * 2
    seen = see(json.dumps(rows), "t.json", {"text": ("comments.0.body",), "label": ("q.name",)})
    assert seen.values == [("first", "a")] * 2


@pytest.mark.parametrize(
    ("queue", "fault"),
    [
        (["a", "b"], "several values where a row has one: row 1 ('queue')"),
        ({"name": "a"}, "value is neither text nor a number: row 1 ('queue')"),
        ([["a"]], "value is neither text nor a number: row 1 ('queue')"),
    ],
)
def test_an_asked_list_or_object_is_a_fault_with_its_row(queue, fault) -> None:
    assert fault in see(json.dumps([row | {"queue": queue} for row in ROWS]), "t.json").faults


def test_a_list_of_one_is_what_stands_in_it() -> None:
    assert see(json.dumps([row | {"queue": [row["queue"]]} for row in ROWS]), "t.json").values == values()
    numbered = see(json.dumps([row | {"queue": [7]} for row in ROWS]), "t.json")
    assert [value[-1] for value in numbered.values] == ["7"] * len(ROWS)


def test_numbers_stay_as_they_are_written() -> None:
    digits = "9" * 5000
    content = "\n".join(
        f'{{"subject": 1e5, "body": true, "queue": {number}}}' for number in ("1", "1.10", digits)
    )
    assert [row[2] for row in see(content, "t.jsonl").values] == ["1", "1.10", digits]
    assert see(content, "t.jsonl").values[0][:2] == ("1e5", "true")


def test_nan_and_null_are_missing() -> None:
    content = '{"subject": "a", "body": NaN, "queue": null}\n' * 2
    assert see(content, "t.jsonl").values == [("a", "", "")] * 2


def test_a_key_that_only_some_rows_have_counts_as_empty_and_is_said() -> None:
    rows = [{k: v for k, v in row.items() if n % 3 or k != "subject"} for n, row in enumerate(ROWS)]
    seen = see("\n".join(map(json.dumps, rows)), "t.jsonl")
    assert seen.values[0][0] == "" and "4 rows have no key 'subject'" in seen.said["missing-key"]


def test_a_key_that_comes_late_is_found() -> None:
    rows = [{"body": "b", "queue": "q"}] * 300 + [ROWS[0]]
    assert see("\n".join(map(json.dumps, rows)), "t.jsonl").values[-1] == values()[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps(ROWS)[:-90], "not valid JSON ("),
        ("[\n" + ",\n".join(map(json.dumps, ROWS)) + ",\n]", "not valid JSON ("),
        ("[" * 100_000, "not valid JSON (nested too deeply)"),
        ('{"a":' * 100_000, "not valid JSON (nested too deeply)"),
    ],
)
def test_a_broken_document_is_one_fault(content: str, words: str) -> None:
    faults = see(content, "t.json").faults
    assert words in faults and "\n" not in faults


def test_broken_lines_are_one_fault_with_their_numbers() -> None:
    lines = LINES.split("\n")
    lines[3] = lines[3][:-5]
    lines[5] = "[1]"
    assert see("\n".join(lines), "t.jsonl").faults == "not valid JSON: line 4\nnot a JSON object: line 6"


@pytest.mark.parametrize("content", ["[]", '["a", "b"]'])
def test_a_document_without_rows(content: str) -> None:
    assert "No list of rows" in refusal(content, "t.json")


def test_a_document_whose_objects_have_other_keys_shows_them() -> None:
    seen = see(json.dumps({"hits": {"hits": [{"_source": row} for row in ROWS]}}), "t.json")
    assert "did you mean '_source.subject'?" in seen.faults
