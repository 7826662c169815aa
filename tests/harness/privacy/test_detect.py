"""What is found in a text, on published examples of each standard, and what is not taken for it."""

from __future__ import annotations

import pytest

from harness.privacy.detect import Kind, find, masked


def kinds(text: str) -> list[Kind]:
    return [one.kind for one in find(text)]


def values(text: str) -> list[str]:
    return [one.value for one in find(text)]


@pytest.mark.parametrize(
    "number", ["DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606"]
)
def test_example_ibans_of_the_registry(number: str) -> None:
    spaced = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    assert values(f"please pay to {spaced} today") == [number] == values(number.lower())
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    assert Kind.IBAN not in kinds(f"please pay to {wrong} today")


def test_an_iban_ends_where_words_in_capitals_begin() -> None:
    text = "DE89 3704 0044 0532 0130 00 BIC COBADEFF"
    (found,) = find(text)
    assert text[found.start : found.end] == "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize("number", ["4111111111111111", "5555 5555 5555 4444", "3782-822463-10005"])
def test_test_numbers_of_card_schemes(number: str) -> None:
    assert kinds(f"my card {number} was declined") == [Kind.CARD]


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112",  # Luhn fails
        "invoice 2024-118",
        "20240101120000",
        "IMEI 490154203237518",  # passes Luhn, and no scheme begins so
        "EAN 4006381333931",
        "ISBN 978-3-16-148410-0",
        "order 123-4567890-1234567",
        "tracking 1Z999AA10123456784",
        "ref 0123 4567 8901",
        "version 10.0.19045.3693",
        "2026-11-27 10:22:33",
        "on 01/01/2022",
        "since 03.04.25",
        "(09/12/2025)",
        "VAT 00000000000",
        "call about order 12345678",
        "number 8801990",
        "customer 78051120",
        "0.5 %",
        "meet @ noon",
        "logo@2x.png",
        "password reset please, the api key does not work",
        "my password is wrong, the token expired",
        "the token: expired again",
        "contract 85073003328",  # a Belgian number's check digits, and nothing that says so
    ],
)
def test_other_numbers_and_words_are_nothing(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Tel. 02941 555 0134",
        "+31 20 555 01 77",
        "00352 555 018",
        "(030) 555-0199",
        "call 0470/55.01.32",
        "you can call me on 555-123-4567",
        "Tél. 04 71 23 45 67",
        "my mobile number is 07700900118",
        "WhatsApp: +91 98765 43210",
        "(555) 123-4567",
        "1-800-555-0199",
        "tel:+14155552671",
    ],
)
def test_phone_numbers(text: str) -> None:
    assert kinds(text) == [Kind.PHONE]


@pytest.mark.parametrize(
    "text",
    [
        "SSN: 536-22-1234",
        "Steuer-ID 86095742719",
        "NIR 2 95 10 99 126 111 93",
        "DNI 12345678Z",
        "codice fiscale RSSMRA85T10A562S",
        "BSN 111222333",
        "85.07.30-033.28",
        "PESEL 44051401458",
        "131052-308T",
        "756.9217.0769.85",
        "390.533.447-05",
        "AB 12 34 56 C",
    ],
)
def test_national_ids(text: str) -> None:
    assert kinds(text) == [Kind.NATIONAL_ID]


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "the key is sk-" + "proj-abcdefghij1234567890ABCD",
        "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17",  # GitHub's own example, with its check
        "postgres://bob:s3cr3tpw@db.local/x",
        "my password is Hunter2!x99",
        "Passwort: geheim123!",
        "token: 8f14e45fceea167a5a36dedd4bea2543",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
    ],
)
def test_keys_and_passwords(text: str) -> None:
    assert kinds(text) == [Kind.SECRET]


def test_a_github_token_that_fails_its_check_is_none() -> None:
    assert kinds("ghp_" + "1234567890abcdefghijklmnopqrstuvwxyz") == []


def test_one_address_is_one_value_however_it_is_written() -> None:
    assert (
        values("Anna.K+bills@Mail.Example.com, anna.k+bills@mail.example.com.")
        == ["anna.k+bills@mail.example.com"] * 2
    )


def test_what_is_shown_of_a_value_does_not_give_it_away() -> None:
    assert masked("anna@example.com") == "an********"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "0 " * 50_000,
        "AA11 " * 20_000,
        "a@" * 50_000,
        "(" * 100_000,
        "+1 " * 40_000,
        "eyJ" * 30_000,
        "a://a:" * 20_000,
        "-----BEGIN PRIVATE KEY-----" * 4_000,
    ],
)
def test_hostile_texts_end(text: str) -> None:
    find(text)
