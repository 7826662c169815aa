"""What a reader's own house adds to a page: its name, its logo, its currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from harness.core.errors import UsageError
from harness.core.wording import USD, Currency

MOST_LOGO_BYTES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """Company, logo and currency.

    Attributes:
        logo: an image as its bytes; empty for none. `logo_kind` is 'png', 'jpg' or 'svg'.
        currency: None for the one that the use case asks for.
    """

    company: str = ""
    logo: bytes = b""
    logo_kind: str = ""
    currency: Currency | None = None


PLAIN = Branding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one US dollar buys in a currency, as a use case states it."""

    code: str
    per_usd: Decimal
    source: str


def chosen_currency(text: str, stated: Rate | None) -> Currency | None:
    """The currency a user asks for: `USD`, `EUR` at the use case's own rate, or `EUR=0.92`.

    Args:
        text: '' leaves it to the use case: None.
        stated: the use case's own rate.

    Raises:
        UsageError: for a code that is none, or without a rate: there is no built-in one.
    """
    if not text.strip():
        return None
    code, _, rate = (part.strip() for part in text.upper().partition("="))
    if not re.fullmatch("[A-Z]{3}", code):
        raise UsageError("--currency is no currency.", got=text, allowed="USD, EUR or EUR=0.92")
    if rate:
        return Currency(code=code, per_usd=_rate(rate, text), source="given with --currency")
    if code == "USD":
        return USD
    if stated is not None and stated.code == code:
        return Currency(code=code, per_usd=stated.per_usd, source=stated.source)
    raise UsageError(
        f"No exchange rate is known for {code}.",
        allowed="the rate of the use case, or one given with the currency",
        run=f"--currency {code}=RATE   # what one US dollar buys",
    )


def _rate(rate: str, text: str) -> Decimal:
    try:
        per_usd = Decimal(rate)
    except InvalidOperation as error:
        raise UsageError("--currency has no rate.", got=text, allowed="such as EUR=0.92") from error
    if not per_usd.is_finite() or per_usd <= 0:
        raise UsageError("An exchange rate must be above 0.", got=text)
    return per_usd


def image_kind(data: bytes) -> str:
    """What kind of image these bytes are, by how they begin.

    Raises:
        UsageError: if it is none that a page can show, or too large.
    """
    if len(data) > MOST_LOGO_BYTES:
        size = f"{len(data):,} bytes"
        raise UsageError("The logo is too large.", got=size, allowed=f"at most {MOST_LOGO_BYTES:,} bytes")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if b"<svg" in data[:2000]:
        return "svg"
    raise UsageError("The logo is no image that a page can show.", allowed="a PNG, JPEG or SVG file")
