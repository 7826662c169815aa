"""How much a cost answer hangs on what was assumed: flip points, one input at a time, and simulation.

Simulations are float and never enter a ledger. Ranges are triangular: a low, a likely and a high value;
the draws are independent, which makes intervals too narrow where inputs move together.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.money.money import CostError, Range

Floats = NDArray[np.float64]


def draw(ranges: Mapping[str, Range[float]], rng: np.random.Generator, draws: int) -> dict[str, Floats]:
    """Independent triangular draws of each range, (draws,) a name."""
    return {name: _triangular(given, rng, draws) for name, given in ranges.items()}


def _triangular(given: Range[float], rng: np.random.Generator, draws: int) -> Floats:
    if given.low == given.high:
        return np.full(draws, given.low)
    return rng.triangular(given.low, given.likely, given.high, draws)


def simulate_break_even(
    ranges: Mapping[str, Range[float]], rng: np.random.Generator, *, level: float, draws: int = 100_000
) -> tuple[float | None, float | None, float]:
    """The interval of a break-even volume, whole machines included; the same rule as `break_even`.

    Args:
        ranges: dollars a month (`fixed`, `machine`), what a query saves against the rival (`rival`), and how
            many a month a machine serves (`capacity`).

    Returns:
        Both ends, in queries a month; None where that share of the draws has no break-even. And the share of
        the draws that has none.

    Raises:
        CostError: if a range is negative or a machine may serve nothing.
    """
    if min(given.low for given in ranges.values()) < 0 or ranges["capacity"].low <= 0:
        raise CostError("Costs must be at least 0 and a machine must serve something.", got=ranges)
    volume, _ = break_even_volumes(draw(ranges, rng, draws))
    tail = (1 - level) / 2
    low, high = np.quantile(volume, [tail, 1 - tail], method="inverted_cdf")
    return _finite(low), _finite(high), float(np.isinf(volume).mean())


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def break_even_volumes(drawn: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """(volume, machines) of each draw; infinite volume and 0 machines where there is no break-even."""
    fixed, machine, capacity, saving = (drawn[name] for name in ("fixed", "machine", "capacity", "rival"))
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
    """What a cost does when one input goes from its low to its high value; None where it is not known."""

    field: str
    assumed: bool
    low: float
    high: float
    usd_at_low: float | None
    usd_at_high: float | None

    @property
    def size(self) -> float:
        """How far the cost moves; infinity where it stops being known."""
        if self.usd_at_low is None or self.usd_at_high is None:
            return 0.0 if self.usd_at_low == self.usd_at_high else float("inf")
        return abs(self.usd_at_high - self.usd_at_low)


def swings(
    evaluate: Callable[[Mapping[str, float]], float | None],
    ranges: Mapping[str, Range[float]],
    assumed: Container[str] = (),
) -> tuple[Swing, ...]:
    """One-at-a-time sensitivity, largest first; a cost that stops being known comes before all."""
    base = {name: given.likely for name, given in ranges.items()}
    found = [
        Swing(
            field=name,
            assumed=name in assumed,
            low=given.low,
            high=given.high,
            usd_at_low=evaluate({**base, name: given.low}),
            usd_at_high=evaluate({**base, name: given.high}),
        )
        for name, given in ranges.items()
    ]
    return tuple(sorted(found, key=lambda swing: (-swing.size, swing.field)))
