"""How often knowledge must change before one way of keeping up is cheaper than another, and right more often.

A month of a way at `r` changes costs

    queries x (calls + wrong answer x (1 - right(r))) + r x update

and `right(r) = after - min(1, r x stale / month) x (after - stale right)`: from a change until its update is
done the way answers as it did before. Both are linear in `r` but for a bend where an update takes as long as
there is between two changes, so that the rates at which two ways part are solved exactly. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from advisor.money.ledger import LedgerLine, PriceBasis, line
from advisor.money.machines import Machine

_Line = Callable[[float], float]

MONTH_S = 365.25 / 12 * 24 * 3600
"""Seconds of a month."""
DRILLED_LINE = "updates as drilled"
"""How a ledger calls updates whose cost was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How much is asked, and what a wrong answer costs in dollars."""

    queries_per_month: float
    wrong_answer_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingUp:
    """One way of keeping up with change.

    Attributes:
        usd_per_query: of a call; usd_per_change: of one update.
        stale_s: seconds from a change until the way is right again.
        right_after, right_stale: share of right answers once it is, and until then.
    """

    usd_per_query: float
    usd_per_change: float
    stale_s: float
    right_after: float
    right_stale: float

    def right(self, rate: float) -> float:
        """Share of right answers over a month of so many changes."""
        share = min(1.0, rate * self.stale_s / MONTH_S)
        return self.right_after - share * (self.right_after - self.right_stale)

    def month_usd(self, rate: float, volume: Volume) -> float:
        """Dollars of a month of so many changes: calls, updates and wrong answers."""
        wrong = volume.wrong_answer_usd * (1 - self.right(rate))
        return volume.queries_per_month * (self.usd_per_query + wrong) + rate * self.usd_per_change


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAbove:
    """Changes a month above which the first of two ways wins; 0 is always, infinity is never.

    Attributes:
        cheaper: counting calls, updates and wrong answers; better: right more often.
    """

    cheaper: float
    better: float

    @property
    def both(self) -> float:
        """From where it is cheaper and better."""
        return max(self.cheaper, self.better)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredUpdate:
    """What a drill measured of bringing an option up to one change.

    Attributes:
        method: the option's name.
        of: 'facts' or 'labels'.
        usd: of the machine; seconds: from the change until the option is right again.
        lost: share of right answers that is missing until then, at least 0.
        source: the drill.
    """

    method: str
    of: str
    usd: Decimal
    seconds: float
    lost: float
    source: str

    def lines(self, rate: float | None) -> tuple[LedgerLine, ...]:
        """A month of so many changes."""
        changes = None if rate is None else Decimal(str(rate))
        return (line(DRILLED_LINE, changes, "changes", self.usd, PriceBasis.MEASURED, self.source),)

    def stale(self, rate: float | None) -> Decimal:
        """The share of a month's answers that is wrong because an update was not done yet."""
        return Decimal(str(min(1.0, (rate or 0.0) * self.seconds / MONTH_S) * self.lost))


def rate_above(retrieving: KeepingUp, training: KeepingUp, volume: Volume) -> RateAbove:
    """From how many changes a month retrieving is cheaper than training again, and right more often."""
    knots = tuple(MONTH_S / way.stale_s for way in (retrieving, training) if way.stale_s > 0)

    def saved(rate: float) -> float:
        return training.month_usd(rate, volume) - retrieving.month_usd(rate, volume)

    def gained(rate: float) -> float:
        return retrieving.right(rate) - training.right(rate)

    return RateAbove(cheaper=_positive_from(saved, knots), better=_positive_from(gained, knots))


def update_line(machine: Machine, seconds: float) -> LedgerLine:
    """What the seconds of one update cost on a machine."""
    hours = Decimal(str(seconds)) / 3600
    return line("update", hours, "hours", machine.usd_per_hour, machine.basis, machine.said)


def _positive_from(of: _Line, knots: tuple[float, ...]) -> float:
    """From where on a line with bends at `knots` is above 0 for good; infinity where it never is."""
    bends = sorted({0.0, *knots})
    last = bends[-1]
    slope = of(last + 1.0) - of(last)
    flat = abs(slope) <= 1e-12 * max(1.0, abs(of(last)))
    if (flat and of(last) <= 0) or (not flat and slope < 0):
        return math.inf
    if of(last) <= 0:
        return last - of(last) / slope
    for low, high in zip(reversed(bends[:-1]), reversed(bends), strict=False):
        at_low, at_high = of(low), of(high)
        if at_low <= 0:
            return low + (high - low) * -at_low / (at_high - at_low)
    return 0.0
