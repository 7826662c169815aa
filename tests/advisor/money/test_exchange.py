"""Exchange rates: as a person writes one, and the reference rates that a package carries."""

from __future__ import annotations

import importlib.util
from datetime import date
from decimal import Decimal as D

import pytest

from advisor.money.money import CostError, from_usd, parse_rate, to_usd
from advisor.money.price_sources import reference_rate

BANK = pytest.mark.skipif(
    importlib.util.find_spec("currency_converter") is None, reason="currencyconverter is not installed"
)


@pytest.mark.parametrize("text", ["EUR=1.25@2026-11-20", "eur = 1,25 @ 2026-11-20"])
def test_one_unit_in_dollars_and_the_day(text: str) -> None:
    rate = parse_rate(text)
    assert (rate.currency, rate.per_usd, rate.as_of) == ("EUR", D("0.8"), date(2026, 11, 20))
    assert to_usd(D(4), "EUR", [rate]) == 5 and from_usd(D(5), "EUR", [rate]) == 4


@pytest.mark.parametrize(
    "text", ["", "EUR", "EUR=1.08", "1.08", "EUR=x@2026-11-20", "EUR=1@2026-02-30", "EUR=0@2026-11-20"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(CostError):
        parse_rate(text)


@BANK
def test_the_banks_rate_of_a_day_is_dated_and_named() -> None:
    """On 2026-10-30 the bank's sheet says that one euro is 1.1172 dollars."""
    rate = reference_rate("EUR", date(2026, 10, 30))
    assert float(1 / rate.per_usd) == pytest.approx(1.1172, abs=1e-4)
    assert rate.as_of == date(2026, 10, 30) and "European Central Bank" in rate.said


@BANK
def test_a_later_day_takes_the_last_rate_and_says_of_when_it_is() -> None:
    assert reference_rate("CHF", date(2099, 1, 1)).as_of < date(2099, 1, 1)
    with pytest.raises(CostError, match="--fx"):
        reference_rate("QQQ", date(2026, 1, 1))
