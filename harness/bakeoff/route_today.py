"""A route to today's way: an arm answers what it is sure of, and people or today's system do the rest.

No model is called. The threshold is chosen on rows that did not help to fit what answers them: training rows
out of fold for arms that are fitted in seconds, and dev for every arm (docs/report.md says which arm has
which). It costs least among the thresholds that fixed-sequence testing shows to keep the quality; on test it
is applied once. Accuracy and cost of today's way are taken as the use case states them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from advisor.money.ledger import LedgerLine, scaled
from advisor.money.tco import OptionCosts, Setting, total_cost
from advisor.money.workload import today_line
from advisor.options import Option
from advisor.stats.calibration import Blended, Tested, blended, fit_temperature, in_sequence
from advisor.stats.intervals import Floats, Interval
from harness.bakeoff.answer_sets import AnswerSet, StoredRun, chosen_on
from harness.bakeoff.cost import ledger_cost
from harness.bakeoff.limit_checks import Counted
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.quality import by_slice
from harness.bakeoff.results import (
    ArmResult,
    IfTodayIsWorse,
    LimitState,
    NoRoute,
    Quality,
    RouteStep,
    RouteToToday,
)
from harness.core.records import TODAY, ArmId, Estimate, Fitted
from harness.core.wording import percent
from harness.tasks.classification import MACRO_F1
from harness.tasks.label_breakdown import LabelBreakdown
from harness.tasks.measures import confidence, estimate, share
from harness.tasks.scored import Scored

HANDED = "handed to today's way"
FEWEST_ROWS = 100
"""An arm with fewer rows to choose a threshold on gets no part of the alpha."""
WORSE = (0.05, 0.10)
"""How much worse than stated today's way may be on what it is handed, for what is told of it."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TodaysWay:
    """What is known of today's way, and what a route to it is held to.

    Attributes:
        rest: share of the handed items that is right; where nobody states it, the precision that the arm has
            to reach, so that the same test judges its precision alone.
        setting: volume and the price of wrong answers.
    """

    accuracy: float | None
    usd_per_item: Decimal | None
    p95_ms: float | None
    rest: float
    target: float
    setting: Setting

    @classmethod
    def of(cls, plan: ExperimentPlan) -> TodaysWay:
        """As a plan states it; without a floor the quality may fall by the plan's margin."""
        stated = plan.business.incumbent if plan.business else None
        accuracy = None if stated is None else stated.accuracy
        decision = plan.decision
        rest = decision.route_precision if accuracy is None else accuracy
        target = decision.route_precision
        if accuracy is not None:
            floor = decision.quality_floor
            target = max(0.0, accuracy - decision.margin) if floor is None else floor
        wrong = plan.cost.wrong_answer_usd if accuracy is not None else None
        return cls(
            accuracy=accuracy,
            usd_per_item=None if stated is None else stated.usd_per_item,
            p95_ms=None if stated is None else stated.p95_ms,
            rest=rest,
            target=target,
            setting=Setting(
                queries_per_month=Decimal(plan.cost.queries_per_month),
                horizon_months=Decimal(1),
                wrong_usd=wrong if wrong is not None else Decimal(0),
                day_rate_usd=None,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedArm:
    """A route to today's way that may be used, measured like any arm.

    Attributes:
        handed: share of the test rows that the arm answered which it hands over.
        values: by test item that every arm answered, 1 or 0 where the arm answers, today's accuracy where it
            hands over.
        blend: over all test rows that the arm answered, with the interval that limits are held to.
        handed_back: of inputs out of scope those that it hands over; None where none were asked.
    """

    result: ArmResult
    handed: float
    values: Floats
    blend: Blended
    handed_back: Counted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An arm with rows to choose a threshold on."""

    answers: AnswerSet
    result: ArmResult
    rows: Scored
    temperature: float

    @property
    def lines(self) -> tuple[LedgerLine, ...]:
        """The ledger of one query of the arm."""
        return scaled(self.result.cost.lines, Decimal(1) / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """A threshold of an arm, what was tested of it and what it costs a month."""

    by: _Candidate
    tested: Tested
    usd_per_month: Decimal | None


def route_to_today(
    primary: Sequence[AnswerSet], arms: Sequence[ArmResult], run: StoredRun
) -> tuple[RouteToToday, RoutedArm | None]:
    """The design of the route, and the route as an arm where all is known that it is judged by."""
    today = TodaysWay.of(run.plan)
    candidates = _candidates(primary, {arm.arm: arm for arm in arms})
    design = RouteToToday(
        first=None,
        tried=tuple(one.result.arm for one in candidates),
        alpha=run.plan.decision.alpha_each / max(1, len(candidates)),
        target=today.target,
        today_accuracy=today.accuracy,
        today_usd_per_item=today.usd_per_item,
    )
    if not candidates:
        return dataclasses.replace(design, why_not=NoRoute.NO_CONFIDENCE), None
    tested = {one.result.arm: _tested(one, today, design.alpha) for one in candidates}
    shown = [
        step
        for steps in tested.values()
        for step in steps
        if step.tested.shown and step.tested.found.answered
    ]
    if not shown:
        nearest = min(tested.values(), key=lambda steps: -_reached(steps))
        return _of(design, nearest, why_not=NoRoute.NOT_SHOWN), None
    best = min(shown, key=_by_cost)
    design = _of(design, tested[best.by.result.arm])
    everything = _month_usd((), 0.0, today.rest, today)
    if best.usd_per_month is not None and everything is not None and best.usd_per_month >= everything:
        return dataclasses.replace(design, why_not=NoRoute.COSTS_MORE), None
    design = dataclasses.replace(design, threshold=best.tested.threshold, temperature=best.by.temperature)
    return _on_test(design, best.by, today, run)


def _candidates(primary: Sequence[AnswerSet], by_arm: Mapping[ArmId, ArmResult]) -> list[_Candidate]:
    """The fitted arms that give a probability of every label on enough rows."""
    found = []
    for answers in primary:
        traits = answers.settled.arm.option.traits
        rows = chosen_on(answers.dev, answers.out_of_fold)
        if not traits.fitted or traits.composed or len(rows.items) < FEWEST_ROWS:
            continue
        temperature = fit_temperature(rows.logprobs, rows.truth)
        if temperature is not None:
            result = by_arm[answers.settled.arm]
            found.append(_Candidate(answers=answers, result=result, rows=rows, temperature=temperature))
    return found


def _tested(one: _Candidate, today: TodaysWay, alpha: float) -> list[_Priced]:
    """The arm's thresholds in sequence, up to the first that is not shown."""
    conf, rows = confidence(one.rows, one.temperature), one.rows
    steps = in_sequence(
        conf, rows.correct, rest=today.rest, target=today.target, alpha=alpha, clusters=rows.clusters
    )
    return [_Priced(by=one, tested=step, usd_per_month=_month_of(one, step, today)) for step in steps]


def _month_of(one: _Candidate, step: Tested, today: TodaysWay) -> Decimal | None:
    found = step.found
    return _month_usd(one.lines, found.answered / found.n, found.value, today)


def _month_usd(
    lines: tuple[LedgerLine, ...], answered: float, quality: float | None, today: TodaysWay
) -> Decimal | None:
    """A month of what a threshold decides: the arm's queries, what is handed over, and wrong answers."""
    handed = today_line(HANDED, Decimal(str(round(1 - answered, 9))), today.usd_per_item)
    costs = OptionCosts(method="route", model=TODAY, accuracy=quality, per_query=(*lines, handed))
    return total_cost(costs, today.setting).monthly_usd


def _by_cost(step: _Priced) -> tuple[bool, Decimal, float]:
    """The lowest month first; where no month is known, whoever hands over least."""
    month = step.usd_per_month
    return month is None, month or Decimal(0), -step.tested.found.answered / step.tested.found.n


def _reached(steps: Sequence[_Priced]) -> float:
    return max((step.tested.low for step in steps if step.tested.low is not None), default=-1.0)


def _of(design: RouteToToday, steps: Sequence[_Priced], why_not: NoRoute | None = None) -> RouteToToday:
    """The design with the thresholds of one arm in it."""
    one = steps[0].by
    folded = one.answers.out_of_fold
    return dataclasses.replace(
        design,
        first=one.result.arm,
        rows=len(one.rows.items),
        out_of_fold=0 if folded is None else int(folded.scored.sum()),
        steps=tuple(
            RouteStep(
                threshold=step.tested.threshold,
                answered=step.tested.found.answered / step.tested.found.n,
                low=step.tested.low,
                usd_per_month=step.usd_per_month,
                shown=step.tested.shown,
            )
            for step in steps
        ),
        why_not=why_not,
    )


def _on_test(
    design: RouteToToday, one: _Candidate, today: TodaysWay, run: StoredRun
) -> tuple[RouteToToday, RoutedArm | None]:
    """The threshold on test, for the first and only time: on all rows that its first arm answered."""
    test, answered = one.answers.test, one.answers.all_rows or one.answers.test
    own, everything = _own(answered, design), np.ones(len(answered.items), dtype=bool)
    design = dataclasses.replace(
        design,
        coverage=share("share it answers", answered, own, everything, run.how),
        precision=share("accuracy of answered", answered, answered.correct, own, run.how),
    )
    if today.accuracy is None:
        return design, None
    accuracy = _blended(answered, own, today.accuracy, run.how.level)
    design = dataclasses.replace(
        design,
        blended=accuracy,
        if_worse=tuple(_if_worse(by, one, (answered, own), today, run) for by in WORSE),
    )
    if not design.judged:
        return design, None
    lines = (*one.result.cost.lines, _handed_line(own, today))
    cost = ledger_cost(lines, accuracy, dict(one.result.cost.mean_tokens))
    cost = dataclasses.replace(
        cost, usd_per_1k=dataclasses.replace(cost.usd_per_1k, busy=one.result.cost.usd_per_1k.busy)
    )
    result = ArmResult(
        arm=ArmId(option=Option.ROUTE, model=TODAY),
        identity=None,
        fitted=_fitted(design),
        quality=_quality(design, one, today.accuracy, run),
        latency=one.result.latency,
        cost=cost,
        primary_all_rows=None if one.answers.all_rows is None else accuracy,
    )
    level = 1 - 2 * run.plan.decision.alpha_each
    return design, RoutedArm(
        result=result,
        handed=float((~own).mean()),
        values=np.where(_own(test, design), test.correct.astype(np.float64), today.accuracy),
        blend=blended(own, answered.correct, today.accuracy, clusters=answered.clusters, level=level),
        handed_back=_handed_back(design, one),
    )


def _handed_back(design: RouteToToday, one: _Candidate) -> Counted | None:
    """What of all that belongs to no label is left to today's way."""
    outside = one.answers.out_of_scope
    if outside is None:
        return None
    return Counted(hits=~_own(outside, design), clusters=outside.clusters)


def _own(scored: Scored, design: RouteToToday) -> Bools:
    """Which items the arm answers itself; one without a confidence is handed over."""
    sure = np.nan_to_num(confidence(scored, design.temperature), nan=-1.0)
    return np.asarray(sure >= (math.inf if design.threshold is None else design.threshold))


def _handed_line(own: Bools, today: TodaysWay) -> LedgerLine:
    handed = Decimal(1000) * Decimal(int((~own).sum())) / Decimal(own.size)
    return today_line(HANDED, handed, today.usd_per_item)


def _blended(scored: Scored, own: Bools, rest: float, level: float, name: str = "accuracy") -> Estimate:
    found = blended(own, scored.correct, rest, clusters=scored.clusters, level=level)
    method = f"blended with today's way at {percent(rest)} as stated, melded"
    return estimate(name, found.value, found.interval, found.n, method)


def _if_worse(
    by: float, one: _Candidate, on_test: tuple[Scored, Bools], today: TodaysWay, run: StoredRun
) -> IfTodayIsWorse:
    (test, own), decision = on_test, run.plan.decision
    rest = max(0.0, today.rest - by)
    accuracy = _blended(test, own, rest, run.how.level)
    held = blended(own, test.correct, rest, clusters=test.clusters, level=1 - 2 * decision.alpha_each)
    answered, as_stated = float(own.mean()), _blended(test, own, today.rest, run.how.level)
    months = [_month_usd(one.lines, answered, found.value, today) for found in (accuracy, as_stated)]
    priced = run.plan.cost.wrong_answer_usd is not None and None not in months
    return IfTodayIsWorse(
        by=by,
        blended=accuracy,
        floor=None if decision.quality_floor is None else state_of(held, decision.quality_floor),
        more_usd_per_month=(months[0] or Decimal(0)) - (months[1] or Decimal(0)) if priced else None,
    )


def state_of(found: Blended, bound: float) -> LimitState:
    """Whether a blended quality lies at or above a bound, by its interval."""
    if isinstance(found.interval, Interval) and found.interval.low >= bound:
        return LimitState.KEPT
    if isinstance(found.interval, Interval) and found.interval.high < bound:
        return LimitState.BROKEN
    return LimitState.OPEN


def _fitted(design: RouteToToday) -> Fitted:
    return Fitted(
        choices={
            "first": str(design.first),
            "then": "today's way",
            "threshold": round(design.threshold or 0.0, 4),
            "temperature": round(design.temperature or 0.0, 4),
            "rows": design.rows,
        },
        seconds=0.0,
    )


def _quality(design: RouteToToday, one: _Candidate, rest: float, run: StoredRun) -> Quality:
    """What is known of the whole on the rows every arm answered; how today's way errs, nobody measured."""
    test, dev, how = one.answers.test, one.answers.dev, run.how
    on_test, on_dev = _own(test, design), _own(dev, design)
    everything = np.ones(len(test.items), dtype=bool)
    overlap = frozenset(run.facts.overlap)
    apart = np.array([item.id not in overlap for item in test.items], dtype=bool)
    unknown = Estimate(
        metric=MACRO_F1.name,
        value=None,
        n=len(test.items),
        method="none",
        reason="today's way was not measured",
    )
    return Quality(
        primary=_blended(test, on_test, rest, how.level),
        answered=share("accuracy of answered", test, test.correct, on_test, how),
        others=(unknown,),
        invalid_rate=share("invalid rate", test, on_test & (test.answer == -1), everything, how),
        failure_rate=share("failure rate", test, on_test & (test.answer == -2), everything, how),
        dev=_blended(dev, on_dev, rest, how.level, "dev accuracy"),
        without_overlap=_blended(
            test.where(apart), on_test[apart], rest, how.level, "accuracy without overlap"
        ),
        breakdown=LabelBreakdown(
            coverage=share("share it answers", test, on_test, everything, how),
            temperature=design.temperature,
        ),
        slices=by_slice(
            test,
            "accuracy",
            lambda called, among: _blended(test.where(among), on_test[among], rest, how.level, called),
        ),
    )
