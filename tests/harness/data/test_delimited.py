"""CSV as programs write it: delimiters, quotes, lines above and below the header."""

from __future__ import annotations

import csv

import pytest

from tests.support.reading import ROWS, as_csv, see, values


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":", "\x01"])
def test_any_delimiter_is_found_by_the_asked_columns_and_said(delimiter: str) -> None:
    seen = see(as_csv(delimiter=delimiter))
    assert (seen.values, seen.faults) == (values(), "")
    assert ("delimiter" in seen.said) == (delimiter != ",")


def test_two_bars_are_a_bar_with_an_empty_column_between() -> None:
    rows = [{name: value.replace("|", "/") for name, value in row.items()} for row in ROWS]
    lines = ["||".join(rows[0]), *("||".join(row.values()) for row in rows)]
    assert see("\n".join(lines)).values == values(rows)


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [("sep=;", ";"), ('"sep=|"', "|"), ("SEP=\\t", "\t"), ("\ufeffsep=;;;", ";"), ("sep=;", ",")],
)
def test_a_first_line_that_names_the_delimiter_is_no_header(first: str, delimiter: str) -> None:
    seen = see(f"{first}\r\n{as_csv(delimiter=delimiter)}")
    assert (seen.values, seen.numbers[0]) == (values(), 3)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_any_line_end(end: str) -> None:
    seen = see(as_csv(end=end))
    assert (seen.values, seen.numbers) == (values(), list(range(2, 14)))


def test_odd_characters_that_some_call_line_ends_stay_in_their_cell() -> None:
    rows = [ROWS[0] | {"body": "a\x0bb\x85c\u2028d"}]
    assert see(as_csv(rows)).values == values(rows)


def test_one_text_column_is_not_cut_at_a_delimiter_that_only_its_texts_hold() -> None:
    content = "text\n" + "\n".join(f'"hello, you {n}; a|b"' for n in range(9))
    assert see(content, asked={"text": ("text",)}).values[0] == ("hello, you 0; a|b",)


@pytest.mark.parametrize("in_header", [False, True])
def test_a_delimiter_at_the_end_of_rows_is_no_fault(in_header: bool) -> None:
    header, *lines = as_csv(delimiter=";").split("\r\n")[:-1]
    content = "\r\n".join([header + ";" * in_header, *(line + ";" for line in lines)])
    seen = see(content)
    assert (seen.values, seen.faults) == (values(), "")
    assert ("trailing-delimiter" in seen.said) != in_header


def test_a_field_too_many_with_something_in_it_is_a_fault() -> None:
    lines = as_csv().split("\r\n")
    lines[3] += ",more"
    assert see("\r\n".join(lines)).faults == "number of fields differs from the header's 3: line 4 has 4"


def test_a_field_too_few_is_a_fault_also_in_a_line_below_the_table() -> None:
    assert "line 14 has 1" in see(as_csv() + "Total: 12\r\n").faults


def test_quotes_escaped_by_a_backslash() -> None:
    lines = ["subject,body,queue"] + [f'"a {n}","he said \\"hi, you\\" C:\\\\dir","x"' for n in range(5)]
    seen = see("\n".join(lines))
    assert seen.values[0] == ("a 0", 'he said "hi, you" C:\\\\dir', "x")
    assert "quotes" in seen.said


def test_a_backslash_at_the_end_of_a_cell_is_not_taken_for_an_escape() -> None:
    assert see('subject,body,queue\n"a","C:\\temp\\","x"\n').values == [("a", "C:\\temp\\", "x")]


def test_blanks_before_quotes() -> None:
    assert see('subject, body, queue\na, "x, y", b\n').values == [("a", "x, y", "b")]


def test_single_quotes() -> None:
    assert see(as_csv(quotechar="'", quoting=csv.QUOTE_ALL)).values == values()


def test_rows_that_stand_in_quotes_as_a_whole() -> None:
    lines = [line.replace('"', '""') for line in as_csv().split("\r\n") if line]
    seen = see("\n".join(f'"{line}"' for line in lines))
    assert seen.values == values() and "Each row as a whole" in seen.said["quotes"]


def test_a_stray_quote_is_named_by_the_line_it_opens_in() -> None:
    lines = as_csv(delimiter="\t").split("\r\n")
    lines[4] = lines[4].replace("about", '"about')
    seen = see("\r\n".join(lines))
    assert "the row that begins in line 5 and goes on to line 13" in seen.faults
    assert see("\r\n".join(lines), no_quotes=True).values[3][0] == '"about 3'


def test_json_in_a_cell_without_quotes() -> None:
    assert see('subject,meta,body,queue\na,{"a":"0"},b,c\n').values == [("a", "b", "c")]


def test_lines_above_the_header_are_skipped_and_said() -> None:
    content = 'Ticket "report";;\r\nCreated 2024-05-01\r\n;;\r\n' + as_csv(delimiter=";")
    seen = see(content)
    assert (seen.values, seen.numbers[0]) == (values(), 5)
    assert "2 rows above the header in line 4" in seen.said["above-the-header"]


def test_a_header_further_down_is_left_out_and_said() -> None:
    seen = see(as_csv() + "\ufeff" + as_csv())
    assert seen.values == values() * 2
    assert "line 14" in seen.said["repeated-header"]


def test_a_header_further_down_in_another_order_is_a_fault() -> None:
    seen = see(as_csv() + "queue,body,subject\r\nlogin,a,b\r\n")
    assert seen.faults == "another header, with the columns in another order: line 14"


def test_a_file_without_a_header_is_recognised_and_read_by_numbers() -> None:
    content = as_csv(delimiter="\t").partition("\r\n")[2]
    seen = see(content)
    assert "line 1 looks like a row" in seen.faults and "'about 0'" in seen.allowed
    by_number = {"text": ("1", "2"), "label": ("3",)}
    assert see(content, asked=by_number, no_header=True).values == values()


def test_a_mistyped_name_is_not_taken_for_a_missing_header() -> None:
    seen = see(as_csv(), asked={"text": ("subjct",)})
    assert seen.faults == "no column 'subjct'; did you mean 'subject'?"
    assert seen.allowed == "a column of the file: 'subject', 'body', 'queue'"


def test_the_line_below_the_header_of_a_markdown_table_is_no_row() -> None:
    lines = ["| subject | body | queue |", "|:---|---|---:|", "| a | b | x |", "| --- | --- | --- |"]
    seen = see("\n".join(lines), "t.md")
    assert [[cell.strip() for cell in row] for row in seen.values] == [["a", "b", "x"], ["---"] * 3]


def test_without_asked_columns_all_are_shown_and_nothing_else_is_checked() -> None:
    seen = see("a;b;b\n1;2;3\n", asked={})
    assert (seen.columns, seen.faults) == (("a", "b", "b"), "")


def test_the_csv_modules_limit_is_put_back() -> None:
    before = csv.field_size_limit()
    assert len(see(as_csv([ROWS[0] | {"body": "x" * 3_000_000}])).values[0][1]) == 3_000_000
    assert csv.field_size_limit() == before
