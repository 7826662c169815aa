"""Whether an interval holds a value, for tests of how often intervals do."""

from __future__ import annotations

from advisor.stats.intervals import Interval, Unknown


def inside(interval: Interval | Unknown, value: float) -> bool:
    """Ends included; an interval that could not be given holds nothing."""
    return isinstance(interval, Interval) and interval.low <= value <= interval.high
