"""Messages fit to print, whatever a provider says."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.api.faults import printable


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abc123DEF456",
        "sk-ant-api03-xxxxYYYY",
        "gsk_abcdefgh12345",
        "AIzaSyA1234567890abcdef",
        "hf_abcdefghijk",
        "Bearer abcdef",
        "4f2b8a7c9d0e1f2a3b4c5d6e7f80",
        "sk-ab*****************wxyz",
    ],
)
def test_anything_that_looks_like_a_key_is_removed(key):
    said = printable(f"Incorrect API key provided: {key}. See the docs.", (), ())
    assert key not in said
    assert key.removeprefix("Bearer ") not in said
    assert "Incorrect API key provided" in said


def test_the_configured_key_is_removed_even_if_it_looks_like_a_word():
    assert "tuesday" not in printable("key tuesday is wrong", (), ("tuesday",))


@given(st.text(min_size=20, max_size=200, alphabet=st.characters(categories=("L", "N", "P", "Z"))), st.data())
def test_a_quotation_of_the_request_is_left_out(ticket, data):
    words = ticket.split()
    if len(" ".join(words)) < 20 or not any(character.isalnum() for character in ticket):
        return
    said = printable(f"invalid input: '{ticket}' at position 3", (ticket,), ())
    plain = "".join(character for character in ticket if character.isalnum())
    if len(plain) >= 6:
        assert said == "the provider's message quotes the request and is left out"


def test_a_piece_of_the_request_counts_as_a_quotation_in_any_case_and_spacing():
    ticket = "My invoice 4711 from Brno shows the wrong VAT number"
    for piece in ("INVOICE 4711 FROM BRNO", "invoice\\n4711   from brno shows"):
        assert "left out" in printable(f"bad: {piece}", (ticket,), ())
    assert printable("Unsupported parameter: 'seed'", (ticket,), ()) == "Unsupported parameter: 'seed'"


def test_messages_are_one_short_ascii_line():
    said = printable("one\ntwo\r\nthree é " + "x " * 500, (), ())
    assert "\n" not in said
    assert said.isascii()
    assert len(said) <= 200


@pytest.mark.parametrize(
    "write", [json.dumps, html.escape, lambda text: json.dumps(text).replace("\\n", " ")]
)
def test_a_quotation_in_escapes_is_left_out_too(write):
    ticket = "Моя накладная 4711 'из' Брно неверна"
    assert "left out" in printable(f"bad input: {write(ticket)}", (ticket,), ())


def test_a_message_is_cut_before_it_is_searched():
    words = "x-" * 750_000 + "sk-proj-abc123DEF456"
    said = printable(words, ("ticket " * 100_000,), ("secret-value",))
    assert len(said) <= 200
    assert "DEF456" not in said


def test_a_blank_secret_changes_nothing_and_the_longest_goes_first():
    assert printable("no such model", (), ("      ",)) == "no such model"
    assert "-tail" not in printable("key open-sesame-tail", (), ("open-sesame", "open-sesame-tail"))
