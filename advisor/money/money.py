"""Money as Decimal: parsing, sums that keep the unknown unknown, ranges, currency, printing, and its faults.

Amounts are US dollars unless a currency is named. Printing keeps significant digits: a tiny amount is never
shown as 0, an unknown one never as a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Any, Generic, TypeVar

from advisor.numbers import NumberFault, read_number


class CostError(ValueError):
    """Wrong input to a cost calculation: what happened, what was got, what is allowed, what to do."""

    def __init__(
        self, what: str, *, got: object | None = None, allowed: object | None = None, run: str | None = None
    ) -> None:
        self.what, self.got, self.allowed, self.run = what, got, allowed, run
        parts = [what] + [
            f"  {name + ':':<9}{value}"
            for name, value in (("got", got), ("allowed", allowed), ("run", run))
            if value is not None
        ]
        super().__init__("\n".join(parts))


class UnknownPrice(CostError):
    """No layer of the price book knows what a model costs; there is no fallback to 0."""


CURRENCIES = ("USD", "EUR", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "JPY", "CAD")
UNKNOWN = "unknown"
MOST_DECIMALS = 15
_WRITTEN = re.compile(r"\s*([A-Za-z]{3})\s*=\s*(\S+?)\s*@\s*(\d{4}-\d{2}-\d{2})\s*")
FX_EXAMPLE = "such as EUR=1.08@2026-11-20: one euro bought 1.08 dollars on that day"
_MOST = Decimal(10) ** 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRate:
    """What one US dollar buys in `currency`, from `source` on `as_of`. There is no built-in rate."""

    currency: str
    per_usd: Decimal
    as_of: date
    source: str

    @property
    def said(self) -> str:
        """Where it comes from and of which day it is."""
        return f"{self.source}, {self.as_of:%Y-%m-%d}"

    def __post_init__(self) -> None:
        """Refuse unknown currencies and rates that are not positive.

        Raises:
            CostError: if the currency is not known or the rate is not above 0.
        """
        if self.currency not in CURRENCIES:
            raise CostError("Unknown currency.", got=self.currency, allowed=", ".join(CURRENCIES))
        if not self.per_usd.is_finite() or self.per_usd <= 0:
            raise CostError("An exchange rate must be above 0.", got=self.per_usd)


def parse_rate(text: str) -> ExchangeRate:
    """A rate as `EUR=1.08@2026-11-20`: what one unit of the currency is worth in dollars, and on which day.

    Raises:
        CostError: if it is none.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise CostError("An exchange rate is written CURRENCY=DOLLARS@DAY.", got=text, allowed=FX_EXAMPLE)
    dollars = typed(found[2], "exchange rate")
    try:
        day = date.fromisoformat(found[3])
    except ValueError:
        raise CostError("The day of an exchange rate is none.", got=found[3], allowed="YYYY-MM-DD") from None
    if dollars == 0:
        raise CostError("An exchange rate must be above 0.", got=text, allowed=FX_EXAMPLE)
    return ExchangeRate(currency=found[1].upper(), per_usd=1 / dollars, as_of=day, source="as stated")


def typed(text: str, what: str = "amount") -> Decimal:
    """A non-negative amount as a person typed it, by the rule of `advisor.numbers`.

    Raises:
        CostError: if it is none, or could be two.
    """
    try:
        return decimal(read_number(text, "amount").value, what)
    except NumberFault as fault:
        raise CostError(f"The {what} cannot be read: {fault}.", got=text) from None


def decimal(value: object, what: str = "amount") -> Decimal:
    """Read a non-negative amount from text, int or Decimal; floats only through their shortest text.

    Raises:
        CostError: if it is not a finite number of at least 0.
    """
    try:
        text = str(value).strip()
        result = value if isinstance(value, Decimal) else Decimal(text if text.isascii() else "")
    except InvalidOperation:
        raise CostError(f"The {what} is not a number.", got=text[:80]) from None
    except ValueError:
        raise CostError(f"The {what} is not a number.", got="thousands of digits") from None
    if isinstance(value, bool) or not result.is_finite() or not 0 <= result <= _MOST:
        raise CostError(f"The {what} must be a number of at least 0, at most {_MOST:g}.", got=text[:80])
    return result


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Sum amounts; None as soon as one is unknown."""
    result = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        result += amount
    return result


def to_usd(amount: Decimal, currency: str, rates: Iterable[ExchangeRate] = ()) -> Decimal:
    """Convert an amount into US dollars at the rate given for its currency.

    Raises:
        CostError: if the currency is not known or no rate is given for it.
    """
    if currency == "USD":
        return amount
    return amount / _rate(currency, rates).per_usd


def from_usd(amount: Decimal | None, currency: str, rates: Iterable[ExchangeRate] = ()) -> Decimal | None:
    """Convert US dollars into a currency; unknown stays unknown.

    Raises:
        CostError: if the currency is not known or no rate is given for it.
    """
    if currency == "USD":
        return amount
    rate = _rate(currency, rates)
    return None if amount is None else amount * rate.per_usd


def _rate(currency: str, rates: Iterable[ExchangeRate]) -> ExchangeRate:
    if currency not in CURRENCIES:
        raise CostError("Unknown currency.", got=currency, allowed=", ".join(CURRENCIES))
    for rate in rates:
        if rate.currency == currency:
            return rate
    raise CostError(f"No exchange rate is given for {currency}.", allowed="a rate with its date and source")


_LARGE = ((Decimal(10) ** 12, " trillion"), (Decimal(10) ** 9, " billion"), (Decimal(10) ** 6, " million"))


def format_money(amount: Decimal | None, currency: str = "USD", *, exact: bool = False) -> str:
    """An amount with three significant digits: '$1,230', '$12.50', '$0.00105', 'EUR 2.4 million', 'unknown'.

    That is as much as an estimate can carry; text, pages and files have the same. Below 100 cents are kept,
    and a tiny amount never reads as 0.

    Args:
        exact: of what is stated, billed or agreed to: to the cent from 100 up, whole where it is whole.
    """
    if amount is None:
        return UNKNOWN
    unit = unit_of(currency)
    if amount == 0:
        return f"{unit}0"
    sign, size = "-" if amount < 0 else "", abs(amount)
    if exact and size >= 100:
        return f"{sign}{unit}{size:,.2f}".removesuffix(".00")
    if size >= 100:
        size = round(size, 2 - size.adjusted())
        scale, word = next((one for one in _LARGE if size >= one[0]), (Decimal(1), ""))
        return f"{sign}{unit}{(size / scale).normalize():,f}{word}"
    whole, _, decimals = f"{size:.{min(max(2, 2 - size.adjusted()), MOST_DECIMALS)}f}".partition(".")
    return f"{sign}{unit}{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def unit_of(currency: str) -> str:
    """What stands before an amount: '$' or 'EUR '."""
    return "$" if currency == "USD" else f"{currency} "


Number = TypeVar("Number")


class Scenario(StrEnum):
    """Which end of every range: the cheap one, the likely one or the dear one."""

    CHEAP = "cheap"
    LIKELY = "likely"
    DEAR = "dear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(Generic[Number]):
    """The lowest, the likely and the highest value of a figure; None where an end is not known."""

    low: Number
    likely: Number
    high: Number

    def __post_init__(self) -> None:
        """Refuse ranges out of order.

        Raises:
            CostError: unless low <= likely <= high, as far as they are known.
        """
        ends: list[Any] = [end for end in (self.low, self.likely, self.high) if end is not None]
        if not all(one <= other for one, other in pairwise(ends)):
            raise CostError("A range needs low <= likely <= high.", got=self)

    def at(self, scenario: Scenario) -> Number:
        """The value at one end, where less is cheaper."""
        match scenario:
            case Scenario.CHEAP:
                return self.low
            case Scenario.LIKELY:
                return self.likely
            case Scenario.DEAR:
                return self.high


MoneyRange = Range[Decimal | None]
"""US dollars; an end is None where a cost is not known."""
FigureRange = Range[float | None]
"""Shares, milliseconds or months; None where one is not known."""


def spanning(values: Iterable[Decimal | None], likely: Decimal | None) -> MoneyRange:
    """From the least to the most of all values, `likely` among them; open where one of them is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    whole = len(known) == len(found)
    return Range(low=min(known) if whole else None, likely=likely, high=max(known) if whole else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRange(Range[float]):
    """What stands in for a figure nobody stated; `cheap_is_low` says which end makes queries cheaper.

    Attributes:
        key: the field it stands in for.
        source: where the range comes from.
    """

    key: str
    unit: str
    cheap_is_low: bool = True
    source: str

    def at(self, scenario: Scenario) -> float:
        """The value in a scenario."""
        if self.cheap_is_low or scenario is Scenario.LIKELY:
            return Range.at(self, scenario)
        return self.high if scenario is Scenario.CHEAP else self.low
