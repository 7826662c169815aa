"""From which volume an option on machines of one's own is the cheaper one than prompting the hosted model.

The likely answer is exact arithmetic; the interval comes from seeded draws between the cheap and the dear
scenario, which move independently, so it is rather too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from advisor.assumed import Inputs
from advisor.case import UseCase, must_self_host
from advisor.economics import Market, cost_curve_of, runs_own_model
from advisor.money.break_even import FixedCost, break_even
from advisor.money.ranges import Scenario
from advisor.options import Option

SEED = 20261123
LEVEL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenRow:
    """The volume, with its outcome in the cost room's words ('at', 'never', ...).

    Attributes:
        low, high: of the volume at `level`, None where that share of the draws never breaks even.
        share_never: of the draws.
    """

    rival: Option
    outcome: str
    queries_per_month: int | None
    low: float | None
    high: float | None
    level: float
    share_never: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    fixed: Decimal | None
    machine: Decimal | None
    capacity: float
    rival_query: Decimal | None


def break_even_row(
    case: UseCase, option: Option, inputs: Mapping[Scenario, Inputs], market: Market
) -> BreakEvenRow | None:
    """Break-even of an own-model option against the hosted prompt; None where there is no such pair.

    The fixed part holds what does not grow with queries (index, changes, people) and the one-off costs
    beyond the rival's, spread over the horizon.
    """
    if not runs_own_model(case, option) or must_self_host(case) or runs_own_model(case, Option.PROMPT):
        return None
    sides = {scenario: _side(case, option, given, market) for scenario, given in inputs.items()}
    likely = sides[Scenario.LIKELY]
    found = break_even(
        FixedCost(
            usd_per_month=likely.fixed,
            machine_usd_per_month=likely.machine,
            queries_per_machine=Decimal(str(likely.capacity)),
        ),
        likely.rival_query,
    )
    low, high, never = _simulated(sides)
    return BreakEvenRow(
        rival=Option.PROMPT,
        outcome=found.outcome.value,
        queries_per_month=found.queries_per_month,
        low=low,
        high=high,
        level=LEVEL,
        share_never=never,
        sentence=f"against prompting the hosted model: {found.outcome.value} ({found.reason})",
    )


def _side(case: UseCase, option: Option, inputs: Inputs, market: Market) -> _Side:
    """An own option beyond the rival: what is paid besides queries and machines counts on both."""
    own = cost_curve_of(case, option, inputs, market).shape(counted=False)
    rival = cost_curve_of(case, Option.PROMPT, inputs, market).shape(counted=False)
    fixed = None if rival.fixed_usd is None or own.fixed_usd is None else own.fixed_usd - rival.fixed_usd
    return _Side(
        fixed=None if fixed is None else max(Decimal(0), fixed),
        machine=own.machine_usd,
        capacity=float(own.capacity or 0),
        rival_query=rival.query_usd,
    )


def _simulated(sides: Mapping[Scenario, _Side]) -> tuple[float | None, float | None, float | None]:
    import numpy as np

    from advisor.money.ranges import Range
    from advisor.money.sensitivity import BreakEvenRanges, known, simulate_break_even

    def spread(name: str) -> Range[float] | None:
        values = [getattr(side, name) for side in sides.values()]
        if any(value is None for value in values):
            return None
        low, likely, high = sorted(float(value) for value in values)
        return Range(low=low, likely=likely, high=high)

    found = {name: spread(name) for name in ("fixed", "machine", "capacity", "rival_query")}
    fixed, machine, capacity, query = found.values()
    if fixed is None or machine is None or capacity is None or query is None:
        return None, None, None
    ranges = BreakEvenRanges(
        usd_per_month=fixed,
        machine_usd_per_month=machine,
        queries_per_machine=capacity,
        usd_per_query=known(0.0),
        rival_usd_per_query=query,
    )
    result = simulate_break_even(ranges, np.random.default_rng(SEED), level=LEVEL)
    return result.low, result.high, result.share_never
