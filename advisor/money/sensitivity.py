"""How much a cost answer hangs on what was assumed: flip points, one input at a time, and simulation.

Simulations are float and never enter a ledger. Ranges are triangular: a low, a likely and a high value;
the draws are independent, which makes intervals too narrow where inputs move together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.money.money import CostError, Range

Floats = NDArray[np.float64]


def known(value: float) -> Range[float]:
    """A range of a single value."""
    return Range(low=value, likely=value, high=value)


def draw(ranges: Mapping[str, Range[float]], rng: np.random.Generator, draws: int) -> dict[str, Floats]:
    """Independent triangular draws of each range, (draws,) a name."""
    return {name: _triangular(given, rng, draws) for name, given in ranges.items()}


def _triangular(given: Range[float], rng: np.random.Generator, draws: int) -> Floats:
    if given.low == given.high:
        return np.full(draws, given.low)
    return rng.triangular(given.low, given.likely, given.high, draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenRanges:
    """`break_even.FixedCost` and the rival's price with ranges, a month and a query."""

    usd_per_month: Range[float]
    machine_usd_per_month: Range[float]
    queries_per_machine: Range[float]
    usd_per_query: Range[float]
    rival_usd_per_query: Range[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBreakEven:
    """Break-even volumes over the draws.

    Attributes:
        median, low, high: queries a month; None where that share of the draws has no break-even.
        share_never, share_beyond_one_machine: of the draws.
    """

    median: float | None
    low: float | None
    high: float | None
    level: float
    share_never: float
    share_beyond_one_machine: float
    draws: int


def simulate_break_even(
    ranges: BreakEvenRanges, rng: np.random.Generator, *, draws: int = 100_000, level: float = 0.90
) -> SimulatedBreakEven:
    """The interval of a break-even volume, whole machines included; the same rule as `break_even`.

    Raises:
        CostError: if a range is negative or a machine may serve nothing.
    """
    names = ("usd_per_month", "machine_usd_per_month", "usd_per_query", "rival_usd_per_query")
    if min(getattr(ranges, name).low for name in names) < 0 or ranges.queries_per_machine.low <= 0:
        raise CostError("Costs must be at least 0 and a machine must serve something.", got=ranges)
    drawn = draw({n: getattr(ranges, n) for n in (*names, "queries_per_machine")}, rng, draws)
    volume, machines = break_even_volumes(drawn)
    tail = (1 - level) / 2
    low, median, high = np.quantile(volume, [tail, 0.5, 1 - tail], method="inverted_cdf")
    return SimulatedBreakEven(
        median=_finite(median),
        low=_finite(low),
        high=_finite(high),
        level=level,
        share_never=float(np.isinf(volume).mean()),
        share_beyond_one_machine=float((machines > 1).mean()),
        draws=draws,
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def break_even_volumes(drawn: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """(volume, machines) of each draw; infinite volume and 0 machines where there is no break-even."""
    fixed, machine = drawn["usd_per_month"], drawn["machine_usd_per_month"]
    capacity = drawn["queries_per_machine"]
    saving = drawn["rival_usd_per_query"] - drawn["usd_per_query"]
    free = (fixed == 0) & (machine == 0) & (saving >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (fixed + machine) / saving
        gain = saving * capacity - machine
        steps = np.maximum(np.ceil(fixed / gain), 2)
        many = np.maximum((fixed + steps * machine) / saving, (steps - 1) * capacity)
    fits = (saving > 0) & (one <= capacity)
    climbs = (saving > 0) & ~fits & (gain > 0)
    volume = np.where(fits, one, np.where(climbs, many, np.inf))
    machines = np.where(fits, 1.0, np.where(climbs, steps, 0.0))
    return np.where(free, 0.0, volume), np.where(free, 1.0, machines)


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
