"""Asked names against the columns of a table."""

from __future__ import annotations

from harness.data.columns import check_columns, match_columns
from harness.data.problems import Problems


def found(asked: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    match = match_columns({"text": asked}, columns)
    assert not match.missing
    return [columns[position] for position in match.positions["text"]]


def test_a_name_with_a_line_break_is_found_by_blanks() -> None:
    assert found(("body (HTML)",), ("subject", "body\n(HTML)")) == ["body\n(HTML)"]


def test_names_split_at_their_commas_are_put_together_again() -> None:
    assert found(("subject", "body", "cleaned"), ("body, cleaned", "subject")) == ["subject", "body, cleaned"]


def test_columns_named_by_the_parts_go_before_one_named_by_the_whole() -> None:
    assert found(("a", "b"), ("a, b", "a", "b")) == ["a", "b"]
    assert found(("a, b",), ("a, b", "a", "b")) == ["a, b"]


def test_case_matters_only_where_it_tells_columns_apart() -> None:
    assert found(("subject",), ("Subject", "body")) == ["Subject"]
    assert found(("status",), ("Status", "status")) == ["status"]
    assert match_columns({"text": ("STATUS",)}, ("Status", "status")).missing == ("STATUS",)


def test_only_asked_columns_are_checked() -> None:
    columns = ("Labels", "Labels", "", "subject", "subject")
    problems = Problems()
    assert check_columns(match_columns({"text": ("subject",)}, columns), columns, problems) is False
    assert problems.lines() == ["column named twice in the header: 'subject'"]
    assert check_columns(match_columns({"text": ()}, columns), columns, Problems())


def test_a_purpose_with_a_question_mark_may_be_missing() -> None:
    match = match_columns({"text": ("a",), "id?": ("id",)}, ("a",))
    assert match.missing == () and match.positions["id?"] == ()


def test_the_nearest_name_is_offered_nested_ones_by_their_ending() -> None:
    problems = Problems()
    columns = ("_id", "_source.subject", "queue")
    check_columns(match_columns({"text": ("subject", "quue")}, columns), columns, problems)
    assert problems.lines()[:2] == [
        "no column 'subject'; did you mean '_source.subject'?",
        "no column 'quue'; did you mean 'queue'?",
    ]
