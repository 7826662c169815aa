"""The limits of a plan, held against each arm: kept, open or broken, by one-sided limits at the plan's alpha.

An arm keeps a limit where its measured interval lies on the right side of it, breaks it where the interval
lies on the wrong side, and is open in between: too few items were measured to say. So a limit is called
kept, and one is called broken, by mistake in at most alpha of all runs. Prices and failed calls are counts
and sums of this run, not samples, and are held to the limit as they are. What was not measured is open. So
is what was timed while the machine was busy with other work and came out over its limit: alone it may be
faster.

The answer to "RAG or fine-tuning?" is fixed before the run as well: the best `retrieve` arm on dev is set
against the best fine-tuned small model on dev, an `encoder` or a `tune` arm, on the same test items. The
word is read from the interval of their difference and from nothing else: no price, no clock and no third arm
changes it (docs/decisions/0007-one-true-answer.md). Which arm to use, and what that costs, is another
question: `harness.recommendation`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.options import Option
from advisor.stats.calibration import Blended, items_to_show
from advisor.stats.intervals import (
    Floats,
    Interval,
    Unknown,
    exact_interval,
    is_binary,
    mean_error,
    mean_interval,
    quantile_interval,
)
from advisor.stats.paired import Relation, compare_values
from advisor.stats.power import Design, items_for_bound, items_for_mean, items_needed
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import Answer, ArmResult, Comparison, LimitCheck, LimitKind, LimitState, Verdict
from harness.core.records import ArmId

_SLOW = 0.05  # of the queries may take longer than a p95


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A share by the items that it is of.

    Attributes:
        hits: which of them count, (n,).
        clusters: by item; None where items stand alone.
    """

    hits: NDArray[np.bool_]
    clusters: Sequence[str | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustShares:
    """What was found of an arm's robustness that a limit may be set on; None where nobody looked.

    Attributes:
        handed_back: of out-of-scope inputs, those that it hands back.
        seeds_agree: items on which all its training seeds agree.
    """

    handed_back: Counted | None = None
    seeds_agree: Counted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An arm, with the single figures that limits are held against.

    Attributes:
        values: of the primary metric by test item, within [0, 1], (n,).
        clusters: by test item; None where items stand alone.
        timed_ms: of the queries that latency comes from.
        blend: of a route to today's way, what it and today's way do together, at the plan's one-sided alpha.
        handed: share of the items that it hands over, and `today_p95_ms` how long 95 % of these take at most
            as stated.
    """

    arm: ArmResult
    values: Floats
    clusters: Sequence[str | None] | None
    timed_ms: Sequence[float]
    shares: RobustShares = RobustShares()
    blend: Blended | None = None
    handed: float = 0.0
    today_p95_ms: float | None = None


def check_limits(plan: DecisionPlan, arms: Sequence[Held]) -> tuple[LimitCheck, ...]:
    """Every limit of the plan, and being better than guessing, held against every arm but the floor."""
    floor = next((held for held in arms if held.arm.arm.option is Option.FLOOR), None)
    found: list[LimitCheck] = []
    for held in arms:
        if held is floor:
            continue
        found += [*_guessing(floor, held, plan), *_quality(plan, held), *_latency(plan, held)]
        found += [*_today_latency(plan, held), *_price(plan, held.arm)]
        found += [*_failures(plan, held.arm), *_robustness(plan, held)]
    return tuple(found)


def floor_check(
    arm: ArmId,
    values: Floats,
    clusters: Sequence[str | None] | None,
    floor: float,
    plan: DecisionPlan,
) -> LimitCheck:
    """Whether an arm's primary metric lies at or above a floor.

    A share has exact limits, a mean of values in between those of the cluster-robust t.
    """
    level, value = 1 - 2 * plan.alpha_each, float(values.mean())
    if is_binary(values):
        exact = exact_interval(values >= 1.0, clusters=clusters, level=level)
        return _at_least(arm, LimitKind.ACCURACY, _Measured(value, exact, values.size), floor, plan)
    interval = mean_interval(values, clusters=clusters, level=level)
    check = _at_least(arm, LimitKind.ACCURACY, _Measured(value, interval, values.size), floor, plan)
    if check.state is not LimitState.OPEN or isinstance(interval, Unknown):
        return check
    error = mean_error(values, clusters)  # a value in between spreads less than a share
    needed = items_for_mean(value, error, values.size, floor, plan.power, plan.alpha_each)
    return replace(check, more_items=None if needed is None else max(1, needed - values.size))


@dataclass(frozen=True, slots=True)
class _Measured:
    value: float | None
    interval: Interval | Unknown
    n: int


def _at_least(arm: ArmId, kind: LimitKind, found: _Measured, bound: float, plan: DecisionPlan) -> LimitCheck:
    """A share that has to reach a bound."""
    value, interval = found.value, found.interval
    if value is None or isinstance(interval, Unknown):
        return LimitCheck(arm=arm, kind=kind, state=LimitState.OPEN, bound=bound, value=value, n=found.n)
    state = LimitState.OPEN
    if interval.low >= bound:
        state = LimitState.KEPT
    elif interval.high < bound:
        state = LimitState.BROKEN
    more = None
    if state is LimitState.OPEN:
        needed = items_for_bound(value, bound, plan.power, plan.alpha_each)
        more = None if needed is None else max(1, needed - found.n)
    return LimitCheck(
        arm=arm,
        kind=kind,
        state=state,
        bound=bound,
        value=value,
        low=interval.low,
        high=interval.high,
        n=found.n,
        more_items=more,
    )


def _guessing(floor: Held | None, held: Held, plan: DecisionPlan) -> Iterable[LimitCheck]:
    """Broken by an arm no better than one answer to everything, open where it is not shown to be better."""
    guess = None if floor is None else floor.arm.primary.value
    reached = held.arm.primary
    if floor is None or guess is None or reached.value is None:
        return
    check = LimitCheck(
        arm=held.arm.arm,
        kind=LimitKind.GUESSING,
        state=LimitState.BROKEN,
        bound=guess,
        value=reached.value,
        n=reached.n,
    )
    if reached.value <= guess:
        yield check
    elif held.blend is None and len(held.values) == len(floor.values):
        yield from _not_shown(floor, held, check, plan)


def _not_shown(floor: Held, held: Held, check: LimitCheck, plan: DecisionPlan) -> Iterable[LimitCheck]:
    """The limit as open, where the paired interval of arm and floor does not lie above 0."""
    design = Design(power=plan.power, level=1 - 2 * plan.alpha_each)
    paired = compare_values(held.values, floor.values, clusters=held.clusters, level=design.level)
    if isinstance(paired.interval, Unknown) or paired.interval.low > 0:
        return
    needed = items_needed(paired.difference or 0.0, paired.discordance, design)
    more = None if needed is None else max(1, needed - paired.counts.n)
    yield replace(check, state=LimitState.OPEN, more_items=more)


def _quality(plan: DecisionPlan, held: Held) -> Iterable[LimitCheck]:
    floor = plan.quality_floor
    if floor is not None and held.blend is not None:
        yield _blended_check(held.arm.arm, held.blend, floor, plan)
    elif floor is not None:
        yield floor_check(held.arm.arm, held.values, held.clusters, floor, plan)


def _blended_check(arm: ArmId, found: Blended, floor: float, plan: DecisionPlan) -> LimitCheck:
    """Whether what a route and today's way do together lies at or above a floor."""
    check = _at_least(arm, LimitKind.ACCURACY, _Measured(found.value, found.interval, found.n), floor, plan)
    if check.state is not LimitState.OPEN:
        return check
    needed = items_to_show(found, floor, plan.power, plan.alpha_each)
    return replace(check, more_items=None if needed is None else max(1, needed - found.n))


def _latency(plan: DecisionPlan, held: Held) -> Iterable[LimitCheck]:
    bound = plan.max_p95_ms
    if bound is None:
        return
    p95 = held.arm.latency.p95_ms
    interval = quantile_interval(held.timed_ms, 0.95, 1 - 2 * plan.alpha_each) if held.timed_ms else None
    low, high = (interval.low, interval.high) if isinstance(interval, Interval) else (None, None)
    busy = bool(held.arm.latency.busy)
    state = LimitState.OPEN
    if high is not None and high <= bound:
        state = LimitState.KEPT
    elif low is not None and low > bound and not busy:
        state = LimitState.BROKEN
    yield LimitCheck(
        arm=held.arm.arm,
        kind=LimitKind.P95,
        state=state,
        bound=bound,
        value=p95.value,
        low=low,
        high=high,
        n=len(held.timed_ms),
        busy=busy,
        more_items=_more_timed(interval, len(held.timed_ms)),
    )


def _today_latency(plan: DecisionPlan, held: Held) -> Iterable[LimitCheck]:
    """What is handed over takes as long as today; nobody timed it, so it can keep the limit, not break it."""
    bound = plan.max_p95_ms
    if bound is None or held.blend is None or held.handed <= _SLOW:
        return
    stated = held.today_p95_ms
    kept = stated is not None and stated <= bound
    yield LimitCheck(
        arm=held.arm.arm,
        kind=LimitKind.P95_TODAY,
        state=LimitState.KEPT if kept else LimitState.OPEN,
        bound=bound,
        value=stated,
    )


def _more_timed(interval: Interval | Unknown | None, n: int) -> int | None:
    """Queries to time further before an interval of p95 exists at all."""
    return max(1, interval.needed - n) if isinstance(interval, Unknown) and interval.needed else None


def _price(plan: DecisionPlan, arm: ArmResult) -> Iterable[LimitCheck]:
    if plan.max_usd_per_1k is None:
        return
    usd, busy = arm.cost.usd_per_1k.usd, bool(arm.cost.usd_per_1k.busy)
    state = LimitState.OPEN
    if usd is not None and usd <= plan.max_usd_per_1k:
        state = LimitState.KEPT
    elif usd is not None and not busy:
        state = LimitState.BROKEN
    yield LimitCheck(
        arm=arm.arm,
        kind=LimitKind.PRICE,
        state=state,
        bound=float(plan.max_usd_per_1k),
        value=None if usd is None else float(usd),
        busy=busy,
    )


def _failures(plan: DecisionPlan, arm: ArmResult) -> Iterable[LimitCheck]:
    rate = arm.quality.failure_rate
    if rate.value is None or rate.value <= plan.max_failure_rate:
        return
    yield LimitCheck(
        arm=arm.arm,
        kind=LimitKind.FAILURES,
        state=LimitState.BROKEN,
        bound=plan.max_failure_rate,
        value=rate.value,
        n=rate.n,
    )


def _robustness(plan: DecisionPlan, held: Held) -> Iterable[LimitCheck]:
    """Limits that hold for arms that learn from labelled rows."""
    arm = held.arm.arm
    checked = arm.option.traits.robustness_checked or arm.to_today
    if plan.min_handed_back is not None and checked:
        back = _share_of(held.shares.handed_back, plan)
        yield _at_least(arm, LimitKind.HANDED_BACK, back, plan.min_handed_back, plan)
    if plan.min_seed_agreement is not None and arm.option.traits.tuned:
        same = _share_of(held.shares.seeds_agree, plan)
        yield _at_least(arm, LimitKind.SEEDS, same, plan.min_seed_agreement, plan)


def _share_of(found: Counted | None, plan: DecisionPlan) -> _Measured:
    """A measured share with its exact limits; nothing where nothing was looked at."""
    if found is None or not found.hits.size:
        return _Measured(None, Unknown(reason="not looked at"), 0)
    limits = exact_interval(found.hits, clusters=found.clusters, level=1 - 2 * plan.alpha_each)
    return _Measured(float(found.hits.mean()), limits, found.hits.size)


Pair = tuple[ArmId, ArmId]

FINE_TUNED = (Option.ENCODER, Option.TUNE)
"""What stands for fine-tuning in the pair: the best of them on dev."""

_ANSWER_OF_TUNED = {
    Relation.BETTER: Answer.TUNE,
    Relation.NON_INFERIOR: Answer.TUNE_AS_GOOD,
    Relation.EQUIVALENT: Answer.TIED,
    Relation.UNDECIDED: Answer.NOT_ENOUGH_EVIDENCE,
    Relation.NON_SUPERIOR: Answer.RETRIEVE_AS_GOOD,
    Relation.WORSE: Answer.RETRIEVE,
}
_TURNED = {
    Relation.BETTER: Relation.WORSE,
    Relation.NON_INFERIOR: Relation.NON_SUPERIOR,
    Relation.NON_SUPERIOR: Relation.NON_INFERIOR,
    Relation.WORSE: Relation.BETTER,
}


def rag_and_tuned(arms: Sequence[ArmResult]) -> Pair | None:
    """The best RAG arm and the best fine-tuned model on dev; None if the run lacks one of them."""
    best_rag, best_tuned = _dev_best(arms, {Option.RETRIEVE}), _dev_best(arms, set(FINE_TUNED))
    return (best_rag.arm, best_tuned.arm) if best_rag and best_tuned else None


def pairs_to_compare(
    arms: Sequence[ArmResult], limits: Sequence[LimitCheck]
) -> tuple[Pair | None, tuple[Pair, ...]]:
    """The pair, tuned arm first, and the other comparisons that the report and the recommendation need.

    Others: the method's own effect where the pair's models differ; what tuning and retrieving each add to the
    other where both were combined; and every arm against the dev leader of those that may be shipped.
    """
    names = [arm.arm for arm in arms if arm.arm.option is not Option.FLOOR]
    pair = rag_and_tuned(arms)
    primary = None if pair is None else (pair[1], pair[0])
    leader = dev_leader(contenders(arms, limits) or arms)
    parts = {Option.TUNE: [Option.RETRIEVE], Option.TUNE_RETRIEVE: [Option.RETRIEVE, Option.TUNE]}
    wanted = [
        (arm, ArmId(option=part, model=arm.model)) for arm in names for part in parts.get(arm.option, ())
    ]
    wanted += [(arm, leader.arm) for arm in names]
    seen = {frozenset(primary)} if primary else set()
    others: list[Pair] = []
    for one, other in wanted:
        if one != other and other in names and frozenset((one, other)) not in seen:
            seen.add(frozenset((one, other)))
            others.append((one, other))
    return primary, tuple(others)


def contenders(arms: Sequence[ArmResult], limits: Sequence[LimitCheck]) -> tuple[ArmResult, ...]:
    """The arms that break no limit, never the floor, never one from outside."""
    broken = {check.arm for check in limits if check.state is LimitState.BROKEN}
    return tuple(arm for arm in arms if arm.arm not in broken and arm.arm.option.traits.ships)


def dev_leader(arms: Sequence[ArmResult]) -> ArmResult:
    """The arm with the best dev accuracy, the simplest option among equals.

    A route between two arms is none: its threshold is chosen on dev for its accuracy there.
    """
    among = [arm for arm in arms if arm.arm.to_today or not arm.arm.option.traits.composed]
    leader = _dev_best(among, set(Option) - {Option.EXTERNAL})
    return leader or arms[0]


def acceptable(
    plan: DecisionPlan,
    arms: Sequence[ArmResult],
    limits: Sequence[LimitCheck],
    comparisons: Sequence[Comparison],
) -> tuple[ArmResult, ...]:
    """The arms that break no limit and are not worse than their dev leader by more than the margin."""
    allowed = contenders(arms, limits)
    if not allowed:
        return ()
    leader = dev_leader(allowed)

    def near(arm: ArmResult) -> bool:
        found = between(comparisons, arm.arm, leader.arm)
        return found is not None and _not_worse(found, arm.arm, plan.margin)

    return tuple(arm for arm in allowed if arm is leader or near(arm))


def decide(
    arms: Sequence[ArmResult], comparisons: Sequence[Comparison], limits: Sequence[LimitCheck] = ()
) -> Verdict:
    """The answer of a run, from at least the pair's comparison, and its limits."""
    pair = rag_and_tuned(arms)
    return Verdict(answer=_answer(pair, comparisons), pair=pair, limits=tuple(limits))


def _answer(pair: Pair | None, comparisons: Sequence[Comparison]) -> Answer:
    found = None if pair is None else between(comparisons, *pair)
    if pair is None or found is None:
        return Answer.NOT_ENOUGH_EVIDENCE
    of_tuned = found.relation if found.a == pair[1] else _TURNED.get(found.relation, found.relation)
    return _ANSWER_OF_TUNED[of_tuned]


def _not_worse(found: Comparison, arm: ArmId, margin: float) -> bool:
    """Whether `arm` of a comparison is worse by less than the margin, by its interval."""
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return False
    return low > -margin if arm == found.a else -high > -margin


def _dev_best(arms: Sequence[ArmResult], options: set[Option]) -> ArmResult | None:
    among = [arm for arm in arms if arm.arm.option in options]
    if not among:
        return None
    return min(
        among,
        key=lambda arm: (-(arm.quality.dev.value or 0.0), arm.arm.option.simplicity, arm.arm),
    )


def between(comparisons: Sequence[Comparison], a: ArmId, b: ArmId) -> Comparison | None:
    """The comparison of two arms, whichever way round."""
    return next((c for c in comparisons if {c.a, c.b} == {a, b}), None)
