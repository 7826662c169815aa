"""From which volume on the option with the fixed cost is the cheaper one, and what accuracy is worth.

A break-even counts only where the machines can serve it: beyond one machine the next one has to be paid
too (the staircase), and where a query costs more than at the rival's, there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from advisor.money.money import CostError


class Outcome(StrEnum):
    """Whether and where the fixed-cost option becomes the cheaper one."""

    AT = "at"  # from `queries_per_month` on, on one machine (or the fewest that always run)
    BEYOND_ONE_MACHINE = "beyond one machine"  # only with more machines than that
    ALWAYS = "always"  # cheaper at any volume
    NEVER = "never"  # at no volume
    UNKNOWN = "unknown"  # a cost is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCost:
    """An option that costs something before the first query.

    Attributes:
        usd_per_month: what does not grow with machines: retraining, labelling, hosting of an index,
            running hours, and one-off costs spread over the horizon.
        machine_usd_per_month: of one machine; 0 without machines.
        queries_per_machine: a month, at the load's peak; None when nothing limits it.
        usd_per_query: what each query costs on top.
        min_machines: never fewer run, for instance 2 for availability.
    """

    usd_per_month: Decimal | None
    machine_usd_per_month: Decimal | None = Decimal(0)
    queries_per_machine: Decimal | None = None
    usd_per_query: Decimal | None = Decimal(0)
    min_machines: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """The answer, with the machines it takes.

    Attributes:
        queries_per_month: rounded up; None unless there is one.
        machines: running at that volume.
        holds_to: above that many queries the next machine makes it dearer again for a while; None when
            it stays the cheaper one.
        reason: one sentence.
    """

    outcome: Outcome
    queries_per_month: int | None = None
    machines: int | None = None
    holds_to: int | None = None
    reason: str


def break_even(option: FixedCost, rival_usd_per_query: Decimal | None) -> BreakEven:
    """The volume from which `option` costs no more than a rival that is paid by the query.

    Raises:
        CostError: if a cost is negative or a machine serves nothing.
    """
    per_query, fixed, machine = option.usd_per_query, option.usd_per_month, option.machine_usd_per_month
    if per_query is None or fixed is None or machine is None or rival_usd_per_query is None:
        return BreakEven(outcome=Outcome.UNKNOWN, reason="a cost is not known")
    if min(per_query, fixed, machine, rival_usd_per_query) < 0:
        raise CostError("Costs must be at least 0.", got=option)
    saving = rival_usd_per_query - per_query
    if fixed == machine == 0 and saving >= 0:
        return BreakEven(outcome=Outcome.ALWAYS, queries_per_month=0, reason="nothing is paid up front")
    if saving <= 0:
        return BreakEven(outcome=Outcome.NEVER, reason="a query costs no less than at the rival")
    return _climb(option, fixed, machine, saving)


def _climb(option: FixedCost, fixed: Decimal, machine: Decimal, saving: Decimal) -> BreakEven:
    """Climb the staircase: n machines pay when fixed + n * machine <= saving * n * capacity."""
    least, capacity = option.min_machines, option.queries_per_machine
    if least < 1 or (capacity is not None and capacity <= 0):
        raise CostError("There must be a machine, and it must serve something.", got=option)
    start = math.ceil((fixed + least * machine) / saving)
    if capacity is None:
        return _reached(start, least, None, beyond=False)
    machines, first = least, start
    gain = saving * capacity - machine  # what a full machine earns
    if start > least * capacity:
        if gain <= 0:
            return BreakEven(outcome=Outcome.NEVER, reason="a full machine costs more than it saves")
        machines = max(math.ceil(fixed / gain), least + 1)
        first = max(
            math.ceil((fixed + machines * machine) / saving), math.floor((machines - 1) * capacity) + 1
        )
    end = machines * capacity  # just above it, one machine more is paid
    loses = fixed + (machines + 1) * machine > saving * (math.floor(end) + 1)
    return _reached(first, machines, math.floor(end) if loses else None, beyond=machines > least)


def _reached(queries: int, machines: int, holds_to: int | None, *, beyond: bool) -> BreakEven:
    plural = "s" if machines > 1 else ""
    until = "" if holds_to is None else f"; above {holds_to:,} one more is needed, and it is dearer at first"
    return BreakEven(
        outcome=Outcome.BEYOND_ONE_MACHINE if beyond else Outcome.AT,
        queries_per_month=queries,
        machines=machines,
        holds_to=holds_to,
        reason=f"from {queries:,} queries a month on, with {machines} machine{plural}{until}",
    )
