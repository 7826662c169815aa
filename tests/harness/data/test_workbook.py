"""Workbooks and Parquet."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from tests.support.reading import ROWS, refusal, see, values
from tests.support.workbooks import ods, xlsx

pytest.importorskip("python_calamine")
CELLS: list[list[str]] = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv"])
def test_excel_whatever_it_is_called(name: str) -> None:
    seen = see(xlsx({"A": CELLS}), name)
    assert (seen.values, seen.numbers[0]) == (values(), 2)


def test_opendocument_with_the_empty_rest_of_a_sheet() -> None:
    assert see(ods(CELLS), "t.ods").values == values()


def test_lines_above_the_header() -> None:
    seen = see(xlsx({"A": [["Report"], [], *CELLS]}), "t.xlsx")
    assert (seen.values, seen.numbers[0]) == (values(), 4)
    assert "row 3" in seen.said["above-the-header"]


def test_numbers_without_a_fraction_are_whole() -> None:
    sheet = xlsx({"A": [["subject", "body", "queue"], [7, 2.5, 1]]})
    assert see(sheet, "t.xlsx").values == [("7", "2.5", "1")]


def test_a_cell_merged_over_several_rows_counts_for_each() -> None:
    cells = [
        ["Report", "", ""],
        list(ROWS[0]),
        ["a", "b", "x"],
        ["c", "d", ""],
        ["e", "f", ""],
        ["g", "h", "y"],
    ]
    book = xlsx({"A": cells}, merged=("A1:C1", "C3:C5"))
    assert [row[2] for row in see(book, "t.xlsx").values] == ["x", "x", "x", "y"]


def test_the_sheet_with_the_asked_columns_is_taken_and_said() -> None:
    seen = see(xlsx({"Info": [["made", "by"]], "Tickets": CELLS}), "t.xlsx")
    assert seen.values == values() and "'Tickets'" in seen.said["sheet"]


def test_several_sheets_with_the_columns_need_a_choice() -> None:
    book = xlsx({"2023": CELLS, "2024": CELLS[:4]})
    assert "--sheet '2023'" in refusal(book, "t.xlsx")
    assert len(see(book, "t.xlsx", sheet="2024").values) == 3
    assert "allowed: '2023', '2024'" in refusal(book, "t.xlsx", sheet="2025")
    assert "no sheets" in refusal("a,b\n", sheet="2024")


def test_an_empty_workbook() -> None:
    assert "no sheet with cells" in refusal(xlsx({"A": []}), "t.xlsx")


def test_parquet_with_nested_and_typed_columns() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "ticket": [{"subject": "a", "n": 1}, {"subject": None, "n": 2}],
            "body": [datetime(2024, 5, 1), None],
            "queue": [1.0, float("nan")],
            "tags": [["x", "y"], []],
            "team": [["a"], ["b"]],
            "turns": [[{"role": "u", "content": "c"}], []],
        }
    )
    out = io.BytesIO()
    parquet.write_table(table, out)
    asked = {"text": ("ticket.subject", "body"), "label": ("queue",)}
    assert see(out.getvalue(), "t.parquet", asked).values == [("a", "2024-05-01", "1.0"), ("", "", "")]
    lists = see(out.getvalue(), "t.parquet", {"text": ("tags",)})
    assert lists.faults == "value is neither text nor a number: row 1, row 2"
    inside = {"text": ("turns.0.content",), "label": ("team",)}
    assert see(out.getvalue(), "t.parquet", inside).values == [("c", "a"), ("", "b")]
