"""Whether an arm is worth taking over from what is done today: money over the horizon, right answers. Pure.

Today's way is the simplest there is, for it is there. It is kept where an arm does not earn back, within the
horizon, what building it takes and, for a pilot, what it takes to show that it keeps its limits. More right
answers outweigh that only where they are shown and have no price; so does a limit that today's way breaks and
the arm keeps. Where the accuracy or the cost of today's way is not stated, nothing is said against an arm.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from advisor.money.inputs import CostInputs, times
from advisor.money.ledger import Money
from advisor.money.money import Scenario
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import ArmResult, BakeoffResults, LimitCheck, LimitKind, LimitState
from harness.core.records import ArmId, PriceBasis
from harness.money.records import ArmForecast, CostForecast, IncumbentCosts
from harness.recommendation.records import Reason, ReasonKind


def against_it(
    arm: ArmResult, results: BakeoffResults, plan: DecisionPlan, outlook: CostForecast
) -> Reason | None:
    """Why today's way is kept rather than this arm; None where the arm is worth it, or nobody can say."""
    today = outlook.incumbent
    month = next((found for found in outlook.arms if found.arm == arm.arm), None)
    if today is None or today.accuracy is None or month is None or _relieves(arm.arm, results, plan, today):
        return None
    if outlook.business.wrong_answer_usd is None:
        low, high = arm.primary.low, arm.primary.high
        if low is not None and low > today.accuracy:
            return None  # shown to be better, and nobody says what that is worth
        if high is not None and high < today.accuracy - plan.margin:
            return _worse(arm, today.accuracy)
    return _not_earned(arm, month, open_checks(results, arm.arm), outlook)


def open_checks(results: BakeoffResults, arm: ArmId) -> tuple[LimitCheck, ...]:
    """The limits of an arm that are neither shown to be kept nor broken."""
    return tuple(c for c in results.verdict.limits if c.arm == arm and c.state is LimitState.OPEN)


def items_to_show(checks: tuple[LimitCheck, ...]) -> int | None:
    """How many more items would show whether the floor is kept; None where that is not open."""
    return max((c.more_items for c in checks if c.kind is LimitKind.ACCURACY and c.more_items), default=None)


def labels_usd(items: int, business: CostInputs) -> Money:
    """So many evaluation items, at the price of an example."""
    low, likely, high = (times(items, business.at(end).example_usd) for end in Scenario)
    if likely is None:
        reason = "what one more example costs is not stated (business.example_usd)"
        return Money(usd=None, basis=PriceBasis.ESTIMATE, reason=reason)
    return Money(usd=likely, low_usd=low, high_usd=high, basis=PriceBasis.ESTIMATE)


def _not_earned(
    arm: ArmResult, month: ArmForecast, checks: tuple[LimitCheck, ...], outlook: CostForecast
) -> Reason | None:
    earned = None if month.saving_usd_horizon is None else month.saving_usd_horizon.usd
    items = items_to_show(checks)
    labels = None if items is None else labels_usd(items, outlook.business)
    if earned is None or earned >= (Decimal(0) if labels is None else labels.usd or Decimal(0)):
        return None
    kind = ReasonKind.NOT_EARNED if (month.saving_usd_per_month.usd or 0) > 0 else ReasonKind.COSTS_MORE
    return Reason(
        kind=kind,
        arm=arm.arm,
        cost=month.saving_usd_per_month,
        cost_basis="a month, all in",
        once=month.once_usd,
        labels=labels if kind is ReasonKind.NOT_EARNED else None,
        horizon_months=outlook.business.horizon_months,
    )


def _worse(arm: ArmResult, today: float) -> Reason:
    return Reason(kind=ReasonKind.BELOW_TODAY, arm=arm.arm, estimate=arm.primary, today_accuracy=today)


def _relieves(arm: ArmId, results: BakeoffResults, plan: DecisionPlan, today: IncumbentCosts) -> bool:
    """Whether today's way, as stated, breaks a limit that the arm is shown to keep."""
    checks = [check for check in results.verdict.limits if check.arm == arm]
    return any(
        bool(states := [check.state for check in checks if check.kind in kinds])
        and all(state is LimitState.KEPT for state in states)
        for kinds in _broken_by(today, plan)
    )


def _broken_by(today: IncumbentCosts, plan: DecisionPlan) -> Iterator[tuple[LimitKind, ...]]:
    if plan.quality_floor is not None and (today.accuracy or 0.0) < plan.quality_floor:
        yield (LimitKind.ACCURACY,)
    if plan.max_p95_ms is not None and today.p95_ms is not None and today.p95_ms > plan.max_p95_ms:
        yield (LimitKind.P95, LimitKind.P95_TODAY)
