"""How much an output hangs on one input at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from advisor.money.ranges import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """What an output does when one input goes from its low to its high value; None where not defined."""

    name: str
    at_low: float | None
    at_high: float | None
    size: float


def swings(
    evaluate: Callable[[Mapping[str, float]], float | None], ranges: Mapping[str, Range[float]]
) -> tuple[Swing, ...]:
    """One-at-a-time sensitivity, largest first; an output that stops being defined comes before all."""
    base = {name: given.likely for name, given in ranges.items()}
    found = []
    for name, given in ranges.items():
        at_low = evaluate({**base, name: given.low})
        at_high = evaluate({**base, name: given.high})
        size = float("inf") if (at_low is None) != (at_high is None) else 0.0
        if at_low is not None and at_high is not None:
            size = abs(at_high - at_low)
        found.append(Swing(name=name, at_low=at_low, at_high=at_high, size=size))
    return tuple(sorted(found, key=lambda swing: (-swing.size, swing.name)))
