"""Personal-data patterns on published examples: the IBAN registry's, card schemes' test numbers."""

from __future__ import annotations

import time

import pytest

from harness.data.gate import PATTERNS, has_card, has_email, has_iban, has_phone, iban_valid, luhn_valid


@pytest.mark.parametrize(
    "number", ["DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606"]
)
def test_example_ibans_of_the_registry(number: str) -> None:
    assert iban_valid(number)
    spaced = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    assert has_iban(f"please pay to {spaced} today")
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    assert not iban_valid(wrong)
    assert not has_iban(f"please pay to {wrong} today")


def test_iban_followed_by_capitals() -> None:
    assert has_iban("DE89 3704 0044 0532 0130 00 BIC COBADEFF")


@pytest.mark.parametrize("number", ["4111111111111111", "5555 5555 5555 4444", "3782-822463-10005"])
def test_test_numbers_of_card_schemes(number: str) -> None:
    assert has_card(f"my card {number} was declined")


def test_luhn_example_by_hand() -> None:
    # 7992739871x: doubled digits sum to 67, so the check digit is 3 (the textbook example).
    assert [d for d in "0123456789" if luhn_valid("7992739871" + d)] == ["3"]
    assert not luhn_valid("0000000000000000")


@pytest.mark.parametrize("text", ["order 4111111111111112", "invoice 2024-118", "20240101120000"])
def test_other_numbers_are_no_cards(text: str) -> None:
    assert not has_card(text)


@pytest.mark.parametrize(
    "text",
    ["Tel. 02941 555 0134", "+31 20 555 01 77", "00352 555 018", "(030) 555-0199", "call 0470/55.01.32"],
)
def test_phone_numbers(text: str) -> None:
    assert has_phone(text)


@pytest.mark.parametrize(
    "text", ["on 01/01/2022", "VAT 00000000000", "since 03.04.25", "invoice 118", "0.5 %"]
)
def test_dates_and_zeros_are_no_phone_numbers(text: str) -> None:
    assert not has_phone(text)


def test_email() -> None:
    assert has_email("write to anna.k+bills@mail.example.com please")
    assert not has_email("meet @ noon")


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "0 " * 50_000, "AA11 " * 20_000, "a@" * 50_000, "(" * 100_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    for found_in in PATTERNS.values():
        found_in(text)
    assert time.process_time() - start < 5
