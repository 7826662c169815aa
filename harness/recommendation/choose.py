"""Which arm to use: of the arms that are good enough the cheapest, the simpler one within its range. Pure.

Good enough are the arms that break no limit and are not worse than their dev leader by more than the margin.
Only an arm that is shown to keep every limit is shipped; one with a limit still open may be piloted, if it is
shown to beat one answer to everything. Where none of them is worth taking over from what is done today, that
is kept.

Today's way is the simplest there is, for it is there. It is kept where an arm does not earn back, within the
horizon, what building it takes and, for a pilot, what it takes to show that it keeps its limits. More right
answers outweigh that only where they are shown and have no price; so does a limit that today's way breaks
and the arm keeps. Where the accuracy or the cost of today's way is not stated, nothing is said against an
arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.money.inputs import CostInputs, times
from advisor.money.ledger import Money
from advisor.money.money import Scenario
from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.limit_checks import acceptable, contenders, dev_leader
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import ArmResult, BakeoffResults, LimitCheck, LimitKind, LimitState
from harness.core.records import ArmId, PriceBasis
from harness.money.records import ArmForecast, CostForecast, IncumbentCosts
from harness.recommendation.records import Action, Certainty, Reason, ReasonKind

A_MONTH = "a month, all in"
A_THOUSAND = "per 1,000 queries, calls and busy machine time"
LEAST_ITEMS = 5  # all of four items in one direction happen by chance in 6 % of cases: 0.5**4
_TIMED_ALIKE = Decimal("1.25")  # busy seconds of one arm differ by as much from one timing to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The arm to use and why it and no other.

    Attributes:
        turned_down: the arm that comes nearest to being worth it, where today's way is kept.
    """

    action: Action
    ship: ArmId | None = None
    pilot: ArmId | None = None
    turned_down: ArmId | None = None
    why: Reason

    @property
    def arm(self) -> ArmId | None:
        """The arm to use, shipped or piloted."""
        return self.ship or self.pilot


Against = Callable[[ArmResult], Reason | None]
"""Why today's way is kept rather than an arm; None where nothing is said against the arm."""


def choose(
    results: BakeoffResults, plan: DecisionPlan, months: Mapping[ArmId, Money], against: Against
) -> Choice:
    """The arm to ship, or to pilot; neither where too little was asked, all break a limit or none pays.

    Args:
        months: all-in cost of a month by arm; empty where nothing is known of the business.
    """
    if all(arm.arm.option is Option.FLOOR for arm in results.arms):
        return Choice(action=Action.MEASURE_NEXT, why=Reason(kind=ReasonKind.ONLY_FLOOR))
    best = max(results.arms, key=lambda arm: arm.primary.n)
    if best.primary.n < LEAST_ITEMS:
        return Choice(action=Action.MEASURE_NEXT, why=Reason(kind=ReasonKind.TOO_FEW, estimate=best.primary))
    limits = results.verdict.limits
    allowed = contenders(results.arms, limits)
    if not allowed:
        return Choice(action=Action.MEASURE_NEXT, why=_nearest_miss(results))
    near = acceptable(plan, results.arms, limits, results.comparisons)
    unsure = {check.arm for check in limits if check.state is LimitState.OPEN}
    kept = tuple(arm for arm in near if arm.arm not in unsure)
    leader, worth = dev_leader(allowed), tuple(arm for arm in near if against(arm) is None)
    if to_ship := tuple(arm for arm in worth if arm.arm not in unsure):
        best, why = _cheapest(to_ship, months, leader)
        return Choice(action=Action.SHIP, ship=best.arm, why=why)
    guessing = {check.arm: check for check in limits if _may_be_guessing(check)}
    if to_pilot := tuple(arm for arm in worth if arm.arm not in guessing):
        best, why = _cheapest(to_pilot, months, leader)
        return Choice(action=Action.PILOT, pilot=best.arm, why=why)
    if worth:
        best = leader if leader in worth else dev_leader(worth)
        why = Reason(kind=ReasonKind.LIMIT_OPEN, arm=best.arm, check=guessing[best.arm])
        return Choice(action=Action.MEASURE_NEXT, why=why)
    best, why = _cheapest(kept or near, months, leader)
    return Choice(action=Action.KEEP_TODAY, turned_down=best.arm, why=against(best) or why)


def certainty_of(results: BakeoffResults, arm: ArmId | None) -> tuple[Certainty, tuple[ArmId, ...]]:
    """How far the comparisons of an arm are settled, and the rivals to which they are not."""
    if arm is None:
        return Certainty.NO_ARM, ()
    rivals = [c for c in results.comparisons if arm in (c.a, c.b)]
    if not rivals:
        return Certainty.NO_RIVAL, ()
    settled = {Relation.BETTER, Relation.WORSE, Relation.EQUIVALENT}
    open_to = tuple(sorted(c.b if c.a == arm else c.a for c in rivals if c.relation not in settled))
    return (Certainty.SOME_OPEN if open_to else Certainty.ALL), open_to


def best_barred(results: BakeoffResults) -> ArmResult | None:
    """The most accurate of the arms that break a limit."""
    barred = [
        arm
        for arm in results.arms
        if arm.arm in results.verdict.barred and arm.arm.option is not Option.FLOOR
    ]
    return max(barred, key=lambda arm: arm.primary.value or 0.0, default=None)


def _may_be_guessing(check: LimitCheck) -> bool:
    """Whether an arm is not shown to beat one answer to everything: that is nothing to pilot."""
    return check.kind is LimitKind.GUESSING and check.state is LimitState.OPEN


def _nearest_miss(results: BakeoffResults) -> Reason:
    best = best_barred(results)
    if best is None:  # only arms from outside, which are nobody's to ship here
        return Reason(kind=ReasonKind.ONLY_FLOOR)
    broken = next(check for check in results.verdict.broken if check.arm == best.arm)
    return Reason(kind=ReasonKind.LIMIT_BROKEN, arm=best.arm, check=broken)


@dataclass(frozen=True, slots=True)
class _Cost:
    amount: Money
    usd: Decimal
    high: Decimal


def _cheapest(
    among: Sequence[ArmResult], months: Mapping[ArmId, Money], leader: ArmResult
) -> tuple[ArmResult, Reason]:
    """The arm with the lowest cost, the simpler one within its range; and why."""
    if len(among) == 1:
        return among[0], Reason(kind=ReasonKind.ONLY_ONE, arm=among[0].arm)
    costs, basis = _costs(among, months)
    unknown = tuple(arm.arm for arm, cost in zip(among, costs, strict=True) if cost is None)
    if unknown:
        best = leader if leader in among else dev_leader(among)
        return best, Reason(kind=ReasonKind.COST_UNKNOWN, arm=best.arm, others=unknown)
    known = [(cost, arm) for cost, arm in zip(costs, among, strict=True) if cost is not None]
    lowest = min((cost for cost, _ in known), key=lambda cost: cost.usd)
    within = [(cost, arm) for cost, arm in known if cost.usd <= lowest.high]
    cost, best = min(within, key=lambda pair: (pair[1].arm.option.simplicity, pair[0].usd, pair[1].arm))
    kind = ReasonKind.SIMPLEST if cost.usd > lowest.usd else ReasonKind.CHEAPEST
    others = tuple(arm.arm for arm in among if arm is not best)
    return best, Reason(kind=kind, arm=best.arm, others=others, cost=cost.amount, cost_basis=basis)


def _costs(among: Sequence[ArmResult], months: Mapping[ArmId, Money]) -> tuple[list[_Cost | None], str]:
    """All-in months where every arm's is known, else 1,000 queries in calls and busy machine time."""
    amounts = [months.get(arm.arm) for arm in among]
    if all(amount is not None and amount.usd is not None for amount in amounts):
        known = [(amount, amount.usd) for amount in amounts if amount is not None and amount.usd is not None]
        return [_Cost(amount, usd, max(usd, amount.high_usd or usd)) for amount, usd in known], A_MONTH
    return [_calls(arm) for arm in among], A_THOUSAND


def _calls(arm: ArmResult) -> _Cost | None:
    price = arm.cost.usd_per_1k
    if price.usd is None:
        return None
    timed = any(line.unit == "hours" for line in arm.cost.lines)
    amount = Money(usd=price.usd, basis=price.basis, busy=price.busy)
    return _Cost(amount, price.usd, price.usd * _TIMED_ALIKE if timed else price.usd)


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
            kind, stated = ReasonKind.BELOW_TODAY, today.accuracy
            return Reason(kind=kind, arm=arm.arm, estimate=arm.primary, today_accuracy=stated)
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
