"""Numbers and foreign text as words. Expected strings by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.ledger import Money
from harness.core import wording
from harness.core.records import Estimate, PriceBasis

ACCURACY = Estimate(metric="accuracy", value=0.812, low=0.77, high=0.848, n=560, method="Wilson")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "unknown"),
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.9305, "93.0 %"),
        (0.0004, "<0.1 %"),
        (0.9996, ">99.9 %"),
    ],
)
def test_percent(share: float | None, words: str) -> None:
    assert wording.percent(share) == words


@pytest.mark.parametrize(
    ("difference", "words"),
    [(None, "unknown"), (-0.034, "-3.4 points"), (0.305, "+30.5 points"), (-0.0001, "0.0 points")],
)
def test_points(difference: float | None, words: str) -> None:
    assert wording.points(difference) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (None, "unknown"),
        ("0", "$0"),
        ("0.0123456", "$0.0123"),
        ("1.5", "$1.50"),
        ("12.345", "$12.34"),
        ("1234.5", "$1,230"),
        ("0.00000041", "$0.00000041"),
        ("-2.5", "-$2.50"),
    ],
)
def test_money(usd: str | None, words: str) -> None:
    assert wording.money(None if usd is None else Decimal(usd)) == words


@pytest.mark.parametrize(("count", "words"), [(1, "1 epoch"), (2.0, "2 epochs"), (0.5, "0.5 epochs")])
def test_epochs(count: float, words: str) -> None:
    assert wording.epochs(count) == words


def test_short_money_shows_a_bound_for_the_tiny() -> None:
    assert wording.short_money(Decimal("0.00002")) == "<$0.0001"
    assert wording.short_money(Decimal("0.0002")) == "$0.0002"
    assert wording.short_money(None) == "unknown"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "unknown"),
        ("0", "0 h"),
        ("0.12345", "0.123 h"),
        ("12.345", "12.3 h"),
        ("350120.4", "350,120 h"),
    ],
)
def test_quantity(amount: str | None, words: str) -> None:
    assert wording.quantity(None if amount is None else Decimal(amount), "h") == words


def test_a_share_is_said_with_interval_and_n_or_with_the_reason() -> None:
    assert wording.share_sentence(ACCURACY) == "81.2 % (95 % interval 77.0 to 84.8, n=560)"
    ninety = replace(ACCURACY, level=0.9)
    assert wording.share_sentence(ninety) == "81.2 % (90 % interval 77.0 to 84.8, n=560)"
    short = Estimate(metric="accuracy", value=1.0, n=1, method="none", reason="1 item")
    assert wording.share_sentence(short) == "100.0 % (no interval: 1 item, n=1)"
    none = Estimate(metric="accuracy", value=None, n=0, method="none", reason="no items")
    assert wording.share_sentence(none) == "- (no items, n=0)"
    assert wording.share_sentence(None) == "-"


@given(st.integers(min_value=1, max_value=100_000), st.data())
def test_a_tally_gives_the_count_back(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(min_value=0, max_value=n))
    estimate = Estimate(metric="invalid rate", value=count / n, n=n, method="Wilson")
    assert wording.tally(estimate) == f"{count:,}"


@given(st.text())
def test_foreign_text_is_one_printable_line(text: str) -> None:
    shown = wording.one_line(text)
    assert shown.isprintable()
    assert wording.one_line(shown) == shown


@given(st.text())
def test_foreign_lines_are_printable(text: str) -> None:
    assert all(line.isprintable() for line in wording.lines_of(text) if line.isascii())


def test_escapes_go_and_letters_stay() -> None:
    assert wording.one_line("\x1b[31mr\u00e9d\x1b[0m \x1b]0;title\x07 x") == "r\u00e9d x"
    assert wording.lines_of("a\r\n\tb\rc") == ["a", "    b", "c"]


EUR = wording.Currency(code="EUR", per_usd=Decimal("0.92"), source="example")


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("100", "EUR 92.00"),
        ("5000", "EUR 4,600"),
        ("-5000", "-EUR 4,600"),
        ("0", "EUR 0"),
        (None, "unknown"),
    ],
)
def test_money_in_another_currency_is_converted_and_named(usd: str | None, shown: str) -> None:
    assert wording.money(None if usd is None else Decimal(usd), EUR) == shown


def test_the_bound_of_tiny_prices_is_one_of_the_currency_shown() -> None:
    assert wording.short_money(Decimal("0.00001"), EUR) == "<EUR 0.0001"
    assert wording.short_money(Decimal("0.0002"), EUR) == "EUR 0.000184"


def test_a_range_that_says_no_more_than_the_figure_is_left_out() -> None:
    def one(low: str | None, high: str | None) -> str:
        bounds = [None if text is None else Decimal(text) for text in (low, high)]
        amount = Money(usd=Decimal("3900"), low_usd=bounds[0], high_usd=bounds[1], basis=PriceBasis.ESTIMATE)
        return wording.money_range(amount)

    assert one("3077.6", "5090.1") == "$3,080 to $5,090"
    assert one("3900.1", "3900.3") == one(None, "1") == wording.money_range(None) == ""
