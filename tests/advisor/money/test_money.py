"""Money: printing never hides a tiny or an unknown amount; currencies need a dated rate."""

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money import money
from advisor.money.money import CostError

EUR = money.ExchangeRate(currency="EUR", per_usd=D("0.8"), as_of=date(2026, 11, 23), source="test")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"), (D(0), "$0"), (D("0.00000123456"), "$0.00000123"), (D("0.105"), "$0.105"),
        (D("0.1"), "$0.10"), (D("12.5"), "$12.50"), (D("999.999"), "$1,000"), (D("4030.4"), "$4,030"),
        (D("1234.5"), "$1,230"), (D("2396986"), "$2.4 million"), (D("-999500000"), "-$1 billion"),
        (D("1e15"), "$1,000 trillion"), (D("-0.004"), "-$0.004"), (D("1E-12"), "$0.000000000001"),
    ],
)  # fmt: skip
def test_printing(amount, text):
    assert money.format_money(amount) == text


def test_printing_in_euro_is_ascii():
    assert money.format_money(D("3.2"), "EUR") == "EUR 3.20"


@given(st.decimals(min_value="1e-12", max_value="1e9", allow_nan=False))
def test_a_positive_amount_never_prints_as_zero(amount):
    digits, _, word = money.format_money(amount).strip("$").replace(",", "").partition(" ")
    shown = D(digits) * {"": 1, "million": 10**6, "billion": 10**9}[word]
    assert shown > 0
    assert abs(shown - amount) <= amount * D("0.01")


def test_what_is_stated_or_billed_keeps_its_cents():
    shown = [money.format_money(D(text), exact=True) for text in ("1234.5", "2396986", "0.00123", "12.5")]
    assert shown == ["$1,234.50", "$2,396,986", "$0.00123", "$12.50"]


@given(st.lists(st.one_of(st.none(), st.decimals(0, 100, places=4))))
def test_a_sum_with_an_unknown_part_is_unknown(amounts):
    assert (money.total(amounts) is None) == (None in amounts)


def test_conversion_uses_the_given_rate_and_only_that():
    assert money.from_usd(D(10), "EUR", [EUR]) == D(8)
    assert money.to_usd(D(8), "EUR", [EUR]) == D(10)
    assert money.from_usd(None, "EUR", [EUR]) is None
    assert money.from_usd(D(1), "USD") == D(1)
    with pytest.raises(CostError, match="No exchange rate"):
        money.from_usd(D(1), "EUR")
    with pytest.raises(CostError, match="Unknown currency"):
        money.to_usd(D(1), "QQQ", [EUR])


@pytest.mark.parametrize("bad", ["-1", "NaN", "inf", "x", True])
def test_amounts_that_are_none(bad):
    with pytest.raises(CostError):
        money.decimal(bad)


@pytest.mark.parametrize("rate", [{"currency": "QQQ"}, {"per_usd": D(0)}, {"per_usd": D("NaN")}])
def test_exchange_rates_that_are_none(rate):
    good = {"currency": "EUR", "per_usd": D(1), "as_of": date(2026, 1, 1), "source": "x"}
    with pytest.raises(CostError):
        money.ExchangeRate(**(good | rate))
