"""Encodings: found by marks, said where they are not UTF-8, never guessed in silence."""

from __future__ import annotations

import pytest

from harness.core.errors import DataError, UsageError
from tests.support.reading import as_csv, refusal, see, values

GERMAN = [
    {"subject": "Zahlung für März", "body": "Ich möchte die Rechnung prüfen", "queue": "billing"},
    {"subject": "Grüße", "body": "Die Straße ist gesperrt", "queue": "shipping"},
] * 10
POLISH = [{"subject": "Płatność", "body": "Proszę sprawdzić rachunek, dziękuję", "queue": "a"}] * 20


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_names_the_encoding_and_the_flag(encoding: str) -> None:
    content = as_csv().encode(encoding)
    assert f"--encoding {encoding}" in refusal(content)
    assert see(content, encoding=encoding).values == values()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told_by_where_its_nuls_are(encoding: str) -> None:
    content = as_csv(GERMAN).encode(encoding)
    assert f"--encoding {encoding}" in refusal(content)
    assert see(content, encoding=encoding).values == values(GERMAN)


@pytest.mark.parametrize(
    ("encoding", "rows", "word"), [("cp1252", GERMAN, "für"), ("cp1250", POLISH, "Płatność")]
)
def test_a_guess_is_stated_with_a_word_as_it_would_read(
    encoding: str, rows: list[dict[str, str]], word: str
) -> None:
    message = refusal(as_csv(rows).encode(encoding))
    assert f"{encoding} ('{word}', " in message and "% confidence" in message
    assert "line 2" in message and "--encoding" in message


def test_one_row_in_another_encoding_is_named_by_byte_offset_and_line() -> None:
    content = as_csv(GERMAN).replace("ö", "oe").encode() + "Störung,Gerät,hardware\r\n".encode("cp1252")
    message = refusal(content)
    assert f"byte 0xf6 at offset {content.index(bytes([0xF6]))}, line 22" in message
    assert "encodings are mixed" in message and "--encoding" not in message


def test_utf8_read_as_something_else_because_it_was_asked_is_said() -> None:
    assert "valid UTF-8" in see(as_csv(GERMAN), encoding="cp1252").said["encoding"]
    assert "encoding" not in see(as_csv(GERMAN).encode("cp1252"), encoding="cp1252").said


def test_a_mark_goes_before_the_flag() -> None:
    seen = see("\ufeff\ufeff" + as_csv(GERMAN), encoding="latin-1")
    assert seen.values == values(GERMAN) and "says that it is UTF-8" in seen.said["encoding"]


def test_ascii_is_no_utf16() -> None:
    assert "t.csv is not utf-16" in refusal(as_csv(), encoding="utf-16")


@pytest.mark.parametrize("content", [b"MZ\x90\x00" + bytes(range(256)) * 20, b"\x00" * 5000 + b"a"])
def test_what_is_no_text_gets_no_advice_on_encodings(content: bytes) -> None:
    message = refusal(content)
    assert "no text file" in message and "--encoding" not in message


@pytest.mark.parametrize(
    "encoding", ["utf\0", "\ud800", "", "x" * 5000, "hex", "rot13", "undefined", "utf-9"]
)
def test_no_such_encoding_is_a_usage_error(encoding: str) -> None:
    with pytest.raises(UsageError, match="encoding") as caught:
        see(as_csv(), encoding=encoding)
    assert not isinstance(caught.value, DataError) and "\0" not in str(caught.value)
