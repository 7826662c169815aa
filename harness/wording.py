"""Numbers as words, the same in every sentence, table and page. Pure formatting, no arithmetic."""

from __future__ import annotations

from decimal import Decimal

UNKNOWN = "unknown"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.9305 -> '93.0 %'."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f} %"


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, signed unless it is a plain amount of 0."""
    return UNKNOWN if difference is None else f"{100 * difference:+.1f} points"


def money(usd: Decimal | float | None) -> str:
    """A price in dollars with three significant digits; tiny prices never read as 0."""
    if usd is None:
        return UNKNOWN
    amount = Decimal(usd)
    if amount == 0:
        return "$0"
    if abs(amount) >= 100:
        return f"${amount:,.0f}"
    digits = max(2, 2 - amount.adjusted())
    return f"${amount:,.{min(digits, 9)}f}"


def milliseconds(value: float | None) -> str:
    """A duration in ms: two significant digits under 10, whole above."""
    if value is None:
        return "-"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """A duration for people: '45 s', '3 min 20 s'."""
    if value is None:
        return UNKNOWN
    if value < 90:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"
