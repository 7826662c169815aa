"""Objects in answers: where they may stand, what is none; long and odd answers take bounded time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.json_answers import MOST_CHARACTERS, read_object

NAMES = ("a", "b")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{}", {}),
        ('Sure!\n```json\n{"a": "x } y"}\n```\nDone.', {"a": "x } y"}),
        ('They said "hi {x}": {"a": 2} and {"b": 3}', {"a": 2}),
        ('{"type": "object"} then {"b": 1}', {"b": 1}),  # the schema said again before the answer
        ('{"z": 1}', {"z": 1}),
        ('{"a": {"b": [1, {}]}} {"a": 2}', {"a": {"b": [1, {}]}}),
        ('{"a": 1}}}}', {"a": 1}),
        ('{"a": "\\"}"}', {"a": '"}'}),
    ],
)
def test_an_object_is_found_anywhere(answer, expected) -> None:
    assert read_object(answer, NAMES) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[1, 2]",
        '"a"',
        "There is nothing in it.",
        '{"a": 1',  # never closed
        '{"a": {"b": 1}',
        '{"a": "never closed}',
        '{"a": 1, "a": 2}',  # twice: two readers could take it differently
        '{"a": {"b": 1, "b": 1}}',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": "line\nbreak"}',
        '{"a": "\\ud800"}',
    ],
)
def test_what_is_no_object_is_invalid(answer) -> None:
    assert read_object(answer, NAMES) is None


@pytest.mark.parametrize(
    "answer",
    [
        "{" * 100_000,
        '{"a":' * 33_000,
        '{"' + '\\"' * 50_000,
        '"' * 100_000,
        "{x} " * 30_000,
        '{"a": 1' + "}" * 50_000 + "{" * 50_000,
        '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}",
        "x" * 10_000_000,
    ],
)
def test_long_answers_are_read_in_one_go(answer) -> None:
    """A reading that goes over the answer once for each mark in it would take minutes here."""
    read_object(answer, NAMES)


def test_an_answer_of_100_kb_is_read_and_what_stands_behind_is_not() -> None:
    long = json.dumps({"a": "x" * (MOST_CHARACTERS - 20)})
    assert read_object(long, NAMES) is not None
    assert read_object(" " * MOST_CHARACTERS + '{"a": 1}', NAMES) is None


@given(st.text())
def test_any_text_is_read_without_an_error(text) -> None:
    read_object(text, NAMES)


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())),
    st.text(st.characters(exclude_characters='{}"\\')),
)
def test_what_json_wrote_is_found_behind_words(values, words) -> None:
    assert read_object(words + json.dumps(values) + words, ()) == values
