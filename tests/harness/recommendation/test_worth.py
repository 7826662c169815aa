"""Today's way is kept where an arm does not earn back what it takes, and only where that can be said.

The forecast is `tests.support.money`: linear saves $5,497.877 a month and $63,574.524 over 12 months with
building in it, retrieve costs $1,153 a month more; today is right in 93 %, and a wrong answer costs $2.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from harness.bakeoff.results import ArmResult, BakeoffResults, LimitCheck, LimitKind, LimitState
from harness.core.records import ArmId
from harness.money.records import CostForecast
from harness.recommendation.choose import against_it
from harness.recommendation.records import Reason, ReasonKind
from harness.report.topics.recommendation import reason_sentence
from tests.support.decisions import PLAN, held, judged
from tests.support.money import amount, outlook
from tests.support.results import LINEAR, RETRIEVE, TUNE, arm_result


def arm(which: ArmId, low: float = 0.78, high: float = 0.86) -> ArmResult:
    return arm_result(which, ((low + high) / 2, low, high))


def said(
    one: ArmResult, money: CostForecast, limits: tuple[LimitCheck, ...] = (), **plan: object
) -> Reason | None:
    run: BakeoffResults = judged([one], limits=limits)
    return against_it(one, run, PLAN.model_copy(update=plan), money)


def unpriced() -> CostForecast:
    found = outlook()
    return replace(found, business=replace(found.business, wrong_answer_usd=None))


def saving(arm_id: ArmId, month: str, horizon: str) -> CostForecast:
    """The forecast with other savings of one arm."""
    found = outlook()
    arms = tuple(
        replace(one, saving_usd_per_month=amount(month), saving_usd_horizon=amount(horizon))
        if one.arm == arm_id
        else one
        for one in found.arms
    )
    return replace(found, arms=arms)


def stated(money: CostForecast, **changes: object) -> CostForecast:
    assert money.incumbent is not None
    return replace(money, incumbent=replace(money.incumbent, **changes))  # type: ignore[arg-type]


def test_an_arm_that_earns_back_is_worth_it_and_one_that_costs_more_is_not() -> None:
    assert said(arm(LINEAR), outlook()) is None
    against = said(arm(RETRIEVE), outlook())
    assert against is not None and against.kind is ReasonKind.COSTS_MORE
    assert "saves nothing: a month, all in, it costs $1,150 more" in reason_sentence(against)


def test_a_saving_that_building_eats_up_is_none() -> None:
    against = said(arm(LINEAR), saving(LINEAR, "150", "-600"))
    assert against is not None and against.kind is ReasonKind.NOT_EARNED
    sentence = reason_sentence(against)
    assert "would save $150" in sentence and "building it takes $2,400" in sentence
    assert "which 12 months do not earn back" in sentence


def test_a_pilot_has_to_earn_the_labels_that_settle_it_too() -> None:
    """A route was once piloted for $2 a month, and showing that it keeps the floor cost $6,268."""
    unsure = (held(LINEAR, LimitState.OPEN, more=15_671),)
    assert said(arm(LINEAR), saving(LINEAR, "700", "7835"), unsure) is not None
    assert said(arm(LINEAR), saving(LINEAR, "700", "7836"), unsure) is None, "15,671 labels at $0.50"
    against = said(arm(LINEAR), saving(LINEAR, "700", "6000"), unsure)
    assert against is not None and "keeps the floor $7,840" in reason_sentence(against)
    assert said(arm(LINEAR), saving(LINEAR, "700", "6000"), (held(LINEAR, LimitState.KEPT),)) is None


@pytest.mark.parametrize(
    "money",
    [
        replace(outlook(), incumbent=None),
        stated(outlook(), accuracy=None),
        saving(RETRIEVE, "0", "0"),
        replace(outlook(), arms=()),
    ],
    ids=["no today", "its accuracy is not stated", "costs the same", "no forecast"],
)
def test_what_is_not_stated_keeps_nobodys_way(money: CostForecast) -> None:
    assert said(arm(RETRIEVE), money) is None


def test_more_right_answers_without_a_price_outweigh_money_only_where_they_are_shown() -> None:
    today = stated(unpriced(), accuracy=0.75)
    assert said(arm(RETRIEVE, 0.76, 0.9), today) is None
    assert said(arm(RETRIEVE, 0.74, 0.9), today) is not None
    priced = stated(outlook(), accuracy=0.75)
    assert said(arm(RETRIEVE, 0.76, 0.9), priced) is not None, "the month counts wrong answers already"


def test_fewer_right_answers_without_a_price_are_not_taken_for_a_saving() -> None:
    today = stated(unpriced(), accuracy=0.95)
    against = said(arm(LINEAR, 0.78, 0.86), today)
    assert against is not None and against.kind is ReasonKind.BELOW_TODAY
    assert "right less often than what is done today (95.0 %, as stated)" in reason_sentence(against)
    assert said(arm(LINEAR, 0.78, 0.95), today) is None, "not shown to be worse by the margin"


def test_a_limit_that_today_breaks_and_the_arm_keeps_outweighs_money() -> None:
    slow = stated(outlook(), p95_ms=4000.0)
    check = LimitCheck(arm=RETRIEVE, kind=LimitKind.P95, state=LimitState.KEPT, bound=2000.0, value=300.0)
    assert said(arm(RETRIEVE), slow, (check,), max_p95_ms=2000.0) is None
    handed = replace(check, kind=LimitKind.P95_TODAY, state=LimitState.OPEN)
    assert said(arm(RETRIEVE), slow, (check, handed), max_p95_ms=2000.0) is not None
    assert said(arm(RETRIEVE), stated(outlook(), p95_ms=1000.0), (check,), max_p95_ms=2000.0) is not None
    below = stated(outlook(), accuracy=0.7)
    kept = (held(TUNE, LimitState.KEPT),)
    loses = replace(saving(TUNE, "-10", "-900"), incumbent=below.incumbent)
    assert said(arm(TUNE), loses, kept, quality_floor=0.85) is None
    assert said(arm(TUNE), loses, kept, quality_floor=0.7) is not None


def test_nothing_is_free_that_costs_more_for_ever() -> None:
    against = said(arm(RETRIEVE), outlook())
    assert against is not None and against.cost is not None and against.cost.usd == Decimal(-1153)
