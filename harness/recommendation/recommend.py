"""What to do next, why, what that costs, who decides, and the one risk to name. Pure; rules in a fixed order.

The next step:
0. Fewer items than could show anything: label as many as would show a large difference.
1. Every arm breaks a limit: run the cheapest hosted model that has a price, on the same rows; where none is
   left to run, fix what stands against the most accurate arm.
2. An arm breaks no limit and one is open: label as many items as would show whether it keeps the floor, or
   measure what was not measured.
3. RAG against tuning is open and one of the two ships: label as many more items as would decide it.
4. Else pilot the arm to ship for a month.
Where today's way is kept because no arm is worth it: run the cheapest hosted model that was not run, or look
again at the volume from which an arm would be; where errors have no price, say what one costs.

The biggest risk is the first of `RiskKind` that holds, from what undoes the answer to what shifts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.money.ledger import Money
from advisor.stats.paired import Relation
from advisor.stats.power import items_needed
from harness.bakeoff.results import (
    Answer,
    ArmResult,
    BakeoffResults,
    IfTodayIsWorse,
    LimitKind,
    LimitState,
)
from harness.core.records import ArmId, Estimate, Finding, PriceBasis
from harness.data.gate import REACH
from harness.freshness.records import Drill
from harness.money.records import ArmForecast, CostForecast, FrontierGap, Published
from harness.recommendation.choose import (
    A_MONTH,
    Choice,
    best_barred,
    certainty_of,
    items_to_show,
    labels_usd,
    open_checks,
)
from harness.recommendation.records import (
    Action,
    Automation,
    Caution,
    CautionKind,
    Decider,
    NextStep,
    Reason,
    ReasonKind,
    Recommendation,
    Risk,
    RiskKind,
    StepKind,
)

WIDE = 0.05
OWN_ROWS = "the user's own file"
_REASONS = 3
_LARGE, _DISAGREE = (
    0.2,
    0.44,
)  # a difference, and the share of items on which two arms differ (docs/benchmarks.md)
_ENOUGH_EPOCHS = 2.5  # three passes gave 3 points more than one on Banking77 (docs/lab-log.md)
_OUTSIDE = re.compile(
    r"(?:^|[ _-])(?:out[ _-]of[ _-]scope|oos|none[ _-]of[ _-](?:these|the above)|other)(?:$|[ _-])"
)
_MOST = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything a recommendation is made from.

    Attributes:
        findings: of the gate, on the rows.
        drill: what keeping up with change takes, where it was drilled.
    """

    results: BakeoffResults
    choice: Choice
    outlook: CostForecast
    findings: tuple[Finding, ...]
    frontier: tuple[FrontierGap, ...]
    published: tuple[Published, ...]
    drill: Drill | None = None

    @property
    def months(self) -> Mapping[ArmId, ArmForecast]:
        """The arms' months."""
        return {arm.arm: arm for arm in self.outlook.arms}


def recommend(found: Found) -> Recommendation:
    """The one recommendation of a run."""
    certainty, open_to = certainty_of(found.results, found.choice.arm)
    return Recommendation(
        action=found.choice.action,
        ship=found.choice.ship,
        pilot=found.choice.pilot,
        if_enough=_if_enough(found),
        automation=_automation(found.choice.arm, found),
        reasons=(*tuple(_reasons(found))[:_REASONS], *_keeping_up(found)),
        next=replace(_next_step(found), before=found.outlook.valid_until),
        risk=_risk(found),
        certainty=certainty,
        open_to=open_to,
        cautions=tuple(_cautions(found)),
        frontier=found.frontier,
        published=found.published,
    )


def _if_enough(found: Found) -> Estimate | None:
    """What the arm to ship gets right, where nobody said how much that has to be."""
    arm = found.results.arm(found.choice.ship) if found.choice.ship is not None else None
    today = found.outlook.incumbent
    if (
        arm is None
        or any(check.kind is LimitKind.ACCURACY for check in found.results.verdict.limits)
        or (today is not None and today.accuracy is not None)
        or found.outlook.business.wrong_answer_usd is not None
    ):
        return None
    return arm.primary


# Reasons, the weightiest first.


def _reasons(found: Found) -> Iterator[Reason]:
    choice = found.choice
    arm = None if choice.arm is None else found.results.arm(choice.arm)
    if choice.turned_down is not None:
        yield from _reasons_for_today(choice.turned_down, found)
    elif arm is None:
        yield from _reasons_against(found)
    else:
        yield from _reasons_for(arm, found)


def _keeping_up(found: Found) -> Iterator[Reason]:
    """What a drill found of the arm to use or in question: beside one that keeps up otherwise, or alone."""
    in_question = found.choice.why.arm if found.choice.why.kind is ReasonKind.LIMIT_OPEN else None
    arm, drill = found.choice.arm or in_question, found.drill
    if arm is None or drill is None:
        return
    rate = next((one for one in drill.rates if arm in (one.retrieving, one.training)), None)
    alone = drill.arm(arm)
    if rate is not None:
        yield Reason(kind=ReasonKind.KEEPS_UP, arm=arm, rate=rate)
    elif alone is not None and alone.must_keep_up:
        yield Reason(
            kind=ReasonKind.KEEPS_UP,
            arm=arm,
            estimate=alone.stale[0],
            cost=alone.update_usd,
            update_s=alone.mean_update_s,
        )


def _reasons_for(arm: ArmResult, found: Found) -> Iterator[Reason]:
    choice = found.choice
    yield _accuracy(arm, found)
    compared = any(arm.arm in (c.a, c.b) for c in found.results.comparisons)
    if compared or choice.why.kind is not ReasonKind.ONLY_ONE:  # of no other arm there is nothing to say
        yield choice.why
    yield from _open(arm, found)
    yield from _below_today(arm, found)
    yield from _against_today(found.months.get(arm.arm))
    yield from _against_rivals(arm, found)
    yield from _kept(arm, found)


def _reasons_for_today(nearest: ArmId, found: Found) -> Iterator[Reason]:
    yield found.choice.why
    arm = found.results.arm(nearest)
    if arm is not None:
        yield _accuracy(arm, found)
    for gap in _cheapest_gap(found):
        yield Reason(kind=ReasonKind.NOT_RUN, gap=gap)


def _reasons_against(found: Found) -> Iterator[Reason]:
    why = found.choice.why
    best = best_barred(found.results) if why.arm is None else found.results.arm(why.arm)
    reached = why.check is not None and why.check.kind is not LimitKind.ACCURACY and best is not None
    said = [why, *([_accuracy(best, found)] if reached and best is not None else [])]
    yield from reversed(said) if why.kind is ReasonKind.LIMIT_OPEN else said
    for gap in _cheapest_gap(found):
        yield Reason(kind=ReasonKind.NOT_RUN, gap=gap)
        yield from _today_beside(gap, found)
    others = [c for c in found.results.verdict.broken if best is not None and c.arm == best.arm]
    yield from (Reason(kind=ReasonKind.LIMIT_BROKEN, arm=c.arm, check=c) for c in others[1:])


def _today_beside(gap: FrontierGap, found: Found) -> Iterator[Reason]:
    """A month of what is paid today beside a month of the hosted model's calls, wrong answers in neither."""
    today = found.outlook.incumbent
    hosted = next((one.month_usd for one in found.outlook.hosted if one.model == gap.model), None)
    if today is None or hosted is None or today.usd_per_item is None or hosted.usd is None:
        return
    paid = today.usd_per_item * found.outlook.business.queries_per_month
    if paid > hosted.usd:
        yield Reason(
            kind=ReasonKind.TODAY_COSTS,
            gap=gap,
            cost=hosted,
            cost_basis="a month, calls alone",
            today=Money(usd=paid, basis=today.month_usd.basis),
        )


def _accuracy(arm: ArmResult, found: Found) -> Reason:
    checks = found.results.verdict.limits
    floor = next((c for c in checks if c.arm == arm.arm and c.kind is LimitKind.ACCURACY), None)
    shared = _automation(arm.arm, found)
    kind = ReasonKind.ACCURACY if shared is None else ReasonKind.AUTOMATES
    return Reason(kind=kind, arm=arm.arm, estimate=arm.primary, check=floor, automation=shared)


def _automation(arm: ArmId | None, found: Found) -> Automation | None:
    """How the work is shared, where the arm is a route to today's way."""
    route = found.results.route_to_today
    if arm is None or not arm.to_today or route is None or route.first is None:
        return None
    if route.coverage is None or route.precision is None or route.today_accuracy is None:
        return None
    return Automation(
        first=route.first, coverage=route.coverage, precision=route.precision, rest=route.today_accuracy
    )


def _below_today(arm: ArmResult, found: Found) -> Iterator[Reason]:
    """That an arm is shown to be right less often than today's way, whatever it saves."""
    today, reached = found.outlook.incumbent, arm.primary
    if today is None or today.accuracy is None or reached.high is None or reached.high >= today.accuracy:
        return
    yield Reason(
        kind=ReasonKind.BELOW_TODAY,
        arm=arm.arm,
        estimate=reached,
        today_accuracy=today.accuracy,
        counted=found.outlook.business.wrong_answer_usd is not None,
    )


def _open(arm: ArmResult, found: Found) -> Iterator[Reason]:
    for check in open_checks(found.results, arm.arm):
        yield Reason(kind=ReasonKind.LIMIT_OPEN, arm=arm.arm, check=check)


def _kept(arm: ArmResult, found: Found) -> Iterator[Reason]:
    for check in found.results.verdict.limits:
        named = check.kind not in (LimitKind.ACCURACY, LimitKind.GUESSING)
        if named and check.arm == arm.arm and check.state is LimitState.KEPT:
            yield Reason(kind=ReasonKind.LIMIT_KEPT, arm=arm.arm, check=check)


def _against_today(month: ArmForecast | None) -> Iterator[Reason]:
    saving = None if month is None else month.saving_usd_per_month
    if month is not None and saving is not None and saving.usd is not None:
        kind = ReasonKind.SAVES if saving.usd >= 0 else ReasonKind.COSTS_MORE
        yield Reason(kind=kind, arm=month.arm, cost=saving, cost_basis=A_MONTH)


def _against_rivals(arm: ArmResult, found: Found) -> Iterator[Reason]:
    """The most accurate rival it was compared with, where the comparison says something."""
    by_rival = {c.b if c.a == arm.arm else c.a: c for c in found.results.comparisons if arm.arm in (c.a, c.b)}
    rivals = [rival for rival in found.results.arms if rival.arm in by_rival]
    rivals.sort(key=lambda rival: -(rival.primary.value or 0.0))
    for rival in rivals:
        comparison = by_rival[rival.arm]
        better = Relation.BETTER if comparison.a == arm.arm else Relation.WORSE
        if comparison.relation is better:
            kind = ReasonKind.BEATS
        elif comparison.relation is Relation.EQUIVALENT:
            kind = ReasonKind.AS_GOOD_AS
        else:
            continue
        yield Reason(kind=kind, arm=arm.arm, others=(rival.arm,), comparison=comparison)


# The next step.


def _next_step(found: Found) -> NextStep:
    choice, results = found.choice, found.results
    if choice.why.kind is ReasonKind.TOO_FEW:
        there = 0 if choice.why.estimate is None else choice.why.estimate.n
        wanted = items_needed(_LARGE, _DISAGREE) or 0
        return _label(wanted - there, f"a difference of {_LARGE * 100:.0f} points between two of them", found)
    if choice.action is Action.KEEP_TODAY or choice.arm is None:
        return _measure_or_fix(found)
    if choice.pilot is not None:
        return _show_what_is_open(choice.pilot, found)
    open_pair = results.verdict.answer is Answer.NOT_ENOUGH_EVIDENCE
    pair, more = results.verdict.pair, results.pair
    if open_pair and pair is not None and choice.ship in pair and more is not None and more.more_items.likely:
        return _label(more.more_items.likely, "RAG against tuning", found)
    month = found.months.get(choice.arm)
    usd = _unknown("nothing is known of the month") if month is None else _pilot(month)
    return NextStep(kind=StepKind.PILOT, arm=choice.arm, usd=usd, decides=Decider.BUDGET_HOLDER)


def _cheapest_gap(found: Found) -> tuple[FrontierGap, ...]:
    """The hosted model that costs least to try, among those that could reach what is asked."""
    open_ones = [
        gap for gap in found.frontier if gap.settle_usd is not None and gap.accuracy_to_win is not None
    ]
    return tuple(sorted(open_ones, key=lambda gap: (gap.settle_usd, gap.model))[:1])


def _measure_or_fix(found: Found) -> NextStep:
    for gap in _cheapest_gap(found):
        usd = Money(usd=gap.settle_usd, basis=gap.usd_per_1k.basis)
        return NextStep(
            kind=StepKind.MEASURE_MODEL,
            model=gap.model,
            command=gap.settle_command,
            usd=usd,
            decides=Decider.BUDGET_HOLDER,
        )
    if found.choice.turned_down is not None:
        return _look_again(found.choice.turned_down, found)
    why = found.choice.why
    if why.kind is ReasonKind.LIMIT_OPEN and why.check is not None and why.check.more_items:
        return _label(why.check.more_items, f"whether {why.arm} beats one answer to everything", found)
    best = best_barred(found.results)
    against = tuple(c for c in found.results.verdict.broken if best is not None and c.arm == best.arm)
    return NextStep(
        kind=StepKind.FIX,
        arm=None if best is None else best.arm,
        checks=against,
        usd=_unknown("what the change takes is not known"),
        decides=Decider.PRODUCT_OWNER,
    )


def _look_again(arm: ArmId, found: Found) -> NextStep:
    """At the volume from which the arm would be worth it, or once it is known what its errors cost."""
    nothing = Money(usd=Decimal(0), basis=PriceBasis.ESTIMATE)
    if found.choice.why.kind is ReasonKind.BELOW_TODAY:
        step = StepKind.PRICE_ERRORS
        return NextStep(kind=step, arm=arm, usd=nothing, decides=Decider.PRODUCT_OWNER)
    curves = found.months[arm].break_even if arm in found.months else ()
    volume = next((one.queries_per_month for one in curves if one.rival == "incumbent"), None)
    grown = volume if volume is not None and volume > found.outlook.business.queries_per_month else None
    return NextStep(
        kind=StepKind.LOOK_AGAIN,
        arm=arm,
        queries_per_month=grown,
        usd=nothing,
        decides=Decider.BUDGET_HOLDER,
    )


def _show_what_is_open(pilot: ArmId, found: Found) -> NextStep:
    checks = open_checks(found.results, pilot)
    items = items_to_show(checks)
    if items is not None:
        return replace(_label(items, f"whether {pilot} keeps the floor", found), arm=pilot, checks=checks)
    of_today = all(check.kind is LimitKind.P95_TODAY for check in checks)
    takes = "a log of what is done today" if of_today else "this machine's time"
    return NextStep(
        kind=StepKind.TIME_TODAY if of_today else StepKind.MEASURE_OPEN,
        arm=pilot,
        checks=checks,
        usd=_unknown(f"it takes {takes} only"),
        decides=Decider.PRODUCT_OWNER,
    )


def _label(items: int, settles: str, found: Found) -> NextStep:
    """More evaluation items, at the price of an example."""
    return NextStep(
        kind=StepKind.LABEL,
        items=items,
        settles=settles,
        usd=labels_usd(items, found.outlook.business),
        decides=Decider.BUDGET_HOLDER,
    )


def _unknown(reason: str) -> Money:
    return Money(usd=None, basis=PriceBasis.ESTIMATE, reason=reason)


def _pilot(arm: ArmForecast) -> Money:
    """Building and one month; wrong answers are no outlay, so they are left out."""
    parts = [arm.once_usd, *(part.amount for part in arm.month if part.group != "wrong answers")]
    if any(part.usd is None for part in parts):
        return _unknown("; ".join(dict.fromkeys(part.reason for part in parts if part.usd is None)))

    def added(end: str) -> Decimal:
        return sum((getattr(part, end) or Decimal(0) for part in parts), Decimal(0))

    return Money(
        usd=added("usd"), low_usd=added("low_usd"), high_usd=added("high_usd"), basis=PriceBasis.ESTIMATE
    )


# The biggest risk.


def _risk(found: Found) -> Risk:
    arm = None if found.choice.arm is None else found.results.arm(found.choice.arm)
    if found.choice.turned_down is not None:
        return Risk(kind=RiskKind.TODAY_AS_STATED)
    if found.choice.why.kind is ReasonKind.TOO_FEW:
        return Risk(kind=RiskKind.NOTHING_TESTED)
    if found.choice.why.kind is ReasonKind.LIMIT_OPEN:
        return Risk(kind=RiskKind.NOTHING_BEATS_GUESSING)
    if arm is None:
        return Risk(kind=RiskKind.NOTHING_KEEPS_LIMITS)
    return next(_risks(arm, found), Risk(kind=RiskKind.NONE_SEEN))


def _risks(arm: ArmResult, found: Found) -> Iterator[Risk]:
    accuracy, provenance = arm.primary, found.results.data.provenance
    if provenance != OWN_ROWS:
        yield Risk(kind=RiskKind.NOT_OWN_ROWS, provenance=provenance)
    for worse in _if_worse(arm.arm, found)[:1]:
        if worse.floor not in (None, LimitState.KEPT):
            yield Risk(kind=RiskKind.HARDER_REST, arm=arm.arm, worse=worse)
    if accuracy.low is None or accuracy.high is None or accuracy.high - accuracy.low > 2 * WIDE:
        yield Risk(kind=RiskKind.WIDE, arm=arm.arm, estimate=accuracy)
    trained = next(iter(found.results.parts(arm.arm)), arm)
    if trained.arm.option.traits.tuned and len(trained.seeds) <= 1:
        yield Risk(kind=RiskKind.ONE_TRAINING, arm=trained.arm)
    yield from _assumed(found.months.get(arm.arm))
    if not any(_OUTSIDE.search(label.label.casefold()) for label in trained.quality.by_label.labels):
        yield Risk(kind=RiskKind.NO_OUTSIDE_ROWS)
    if not found.results.frontier_measured:
        yield Risk(kind=RiskKind.NO_HOSTED)


def _if_worse(arm: ArmId | None, found: Found) -> tuple[IfTodayIsWorse, ...]:
    """What becomes of the route to today's way, where that is the arm, if today's way does worse."""
    route = found.results.route_to_today
    return route.if_worse if arm is not None and arm.to_today and route is not None else ()


def _assumed(month: ArmForecast | None) -> Iterator[Risk]:
    """Whether most of the month's outlay rests on assumed hours or on an illustrative price."""
    if month is None or not month.month_usd.usd:
        return
    paid = [part for part in month.month if part.group != "wrong answers"]
    whole = sum((part.amount.usd or Decimal(0) for part in paid), Decimal(0))
    weak = [
        part
        for part in paid
        if part.amount.basis is PriceBasis.ILLUSTRATIVE or part.amount.low_usd != part.amount.high_usd
    ]
    share = sum((part.amount.usd or Decimal(0) for part in weak), Decimal(0))
    if whole and share / whole > _MOST:
        biggest = max(weak, key=lambda part: part.amount.usd or Decimal(0))
        yield Risk(kind=RiskKind.ASSUMED, arm=month.arm, group=biggest.group, cost=month.month_usd)


# What bounds the answer.


def _cautions(found: Found) -> Iterator[Caution]:
    results = found.results
    for worse in _if_worse(found.choice.arm, found):
        yield Caution(kind=CautionKind.IF_TODAY_IS_WORSE, worse=worse)
    for finding in found.findings:
        if finding.severity == "warning" and finding.code != REACH:  # the measured one follows
            yield Caution(kind=CautionKind.DATA, message=finding.message)
    if found.outlook.business.machine.basis is PriceBasis.ILLUSTRATIVE:
        yield Caution(kind=CautionKind.ILLUSTRATIVE_MACHINE)
    if results.pair is not None and results.verdict.pair is not None:
        if results.pair.difference.n:
            yield Caution(kind=CautionKind.REACH, comparison=results.pair)
        tuned = results.arm(results.verdict.pair[1])
        if tuned is not None:
            yield Caution(kind=CautionKind.SEEDS, arm=tuned.arm)
            artefact = tuned.fitted.artefact
            if artefact is not None and artefact.recipe.epochs < _ENOUGH_EPOCHS:
                yield Caution(kind=CautionKind.SHORT_TRAINING, arm=tuned.arm)
    if not results.frontier_measured:
        yield Caution(kind=CautionKind.NO_HOSTED)
