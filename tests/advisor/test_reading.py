"""The one reader of text from outside: what it refuses, and with which words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from advisor.reading import (
    MOST_BYTES,
    MOST_DEPTH,
    Unreadable,
    check_words,
    parse_json,
    parse_toml,
    parse_yaml,
    read_text,
)

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n"
for _before, _name in zip("abcdef", "bcdefg", strict=True):
    BOMB += f"{_name}: &{_name} [" + ", ".join([f"*{_before}"] * 9) + "]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
        ("a:\n  b: 1\n  b: 2", "line 3: the key 'b'"),
        (
            "a: {b: 2,50 EUR}",
            "line 1: '50 EUR' is no key: a figure with a comma needs quotation marks inside",
        ),
        ("{a: 0,85, b: 1,85}", "'85' is no key"),
        ("price_date: 2026-02-30", "line 1: '2026-02-30' cannot be read: day is out of range"),
        ("n: 0x_", "line 1: '0x_' cannot be read"),
        ("n: " + "9" * 5000, "thousands of digits"),
        ("[" * 100_000, "nested more than"),
        ("- " * 100_000, "nested more than"),
        (BOMB, "stands for more than"),
        ("a: &a [*a]", "within what it names"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: \0", "control characters"),
        ("half \ud800", "half a surrogate pair"),
        ("x" * (MOST_BYTES + 1), "more than"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_yaml_that_is_refused(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        parse_yaml(text)


def test_words_of_yaml_stay_words() -> None:
    """The label `no` and the language `no` are no booleans; dates and numbers are what they are."""
    found = parse_yaml("a: [no, yes, on, off]\nb: [true, False]\nc: 2026-11-26\nd: [1_000, 0x1f, 1.5, ~]")
    assert found["a"] == ["no", "yes", "on", "off"] and found["b"] == [True, False]
    assert found["c"] == date(2026, 11, 26) and found["d"] == [1000, 31, 1.5, None]


def test_an_alias_that_multiplies_little_is_read() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a") == {"a": [1, 2], "b": [1, 2]}


def test_numbers_can_stay_as_they_are_written() -> None:
    assert parse_yaml("a: 3.000\nb: 1e3\nc: true", numbers=False) == {"a": "3.000", "b": "1e3", "c": True}


@pytest.mark.parametrize(
    ("text", "words"),
    [("a = " + "[" * 100_000, "nested"), ("a = " + "9" * 5000, "thousands"),
     ("a = 2026-02-30", "Invalid date"), ("a = 1\na = 2", "overwrite"),
     ("a" + ".b" * 100_000 + " = 1", "more than 64 parts"),
     ("a = " + "{x = " * (MOST_DEPTH + 2) + "1" + "}" * (MOST_DEPTH + 2), "nested")],
    ids=["deep", "digits", "date", "twice", "dots", "tables"],
)  # fmt: skip
def test_toml_that_is_refused(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        parse_toml(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[" * 100_000, "nested"), ('{"a": 1, "a": 2}', "'a' stands there twice"), ('"\\ud800"', "surrogate"),
     ("[NaN]", "no number"), ("9" * 5000, "thousands"), (b"\xff", "not UTF-8"), ("", "Expecting value"),
     ("[" * 66 + "]" * 66, "nested"), ('{"a": ["\\uDFff"]}', "surrogate")],
)  # fmt: skip
def test_json_that_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        parse_json(text)


def test_json_that_is_read() -> None:
    assert parse_json("[" * 64 + "]" * 64) and parse_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_text_is_read_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa")
    assert read_text(tmp_path / "a") == "a"
    (tmp_path / "b").write_bytes(b"a\xff")
    with pytest.raises(Unreadable, match="byte 1"):
        read_text(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")


@pytest.mark.parametrize("word", ["\udce9", "a\0b"])
def test_words_that_are_no_text(word: str) -> None:
    check_words(["caf\u00e9", "\U0001f600", ""])
    with pytest.raises(Unreadable, match="no text"):
        check_words(["fine", word])


@pytest.mark.parametrize("text", ["False.", "trueish", "Falsehood"])
def test_a_text_that_begins_like_a_truth_value_is_a_text(text: str) -> None:
    assert parse_yaml(f"a: {text}") == {"a": text}
