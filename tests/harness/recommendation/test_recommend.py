"""The next step follows from what was chosen; the risk is the first that holds, in the documented order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from advisor.options import Option
from harness.bakeoff.results import (
    Answer,
    LimitCheck,
    LimitKind,
    LimitState,
    MoreItems,
    RouteDesign,
    SeedResult,
)
from harness.core.records import ArmId, Fitted, PriceBasis
from harness.money.forecast import outlook
from harness.money.records import Grounds, IncumbentCosts
from harness.recommendation.choose import Choice
from harness.recommendation.recommend import Found, recommend
from harness.recommendation.records import (
    Action,
    Decider,
    Reason,
    ReasonKind,
    Recommendation,
    RiskKind,
    RunResults,
    StepKind,
)
from harness.tasks.label_breakdown import LabelBreakdown
from tests.support.business import HOSTED, LINEAR, SERVED, TUNE, business, grounds, results, today
from tests.support.decisions import held
from tests.support.money import assumed
from tests.support.results import broken, comparison, data_summary, gap, share, verdict

OWN = data_summary(train=100, test=200, provenance="the user's own file")
TODAY = today()
CHEAPEST = Reason(kind=ReasonKind.CHEAPEST)


def made(
    run: RunResults,
    ship: ArmId | None = LINEAR,
    pilot: ArmId | None = None,
    *,
    frontier: tuple[object, ...] = (),
    shipped: Grounds | None = None,
    why: Reason = CHEAPEST,
    now: IncumbentCosts | None = TODAY,
    **changes: object,
) -> Recommendation:
    action = Action.SHIP if ship else Action.PILOT if pilot else Action.MEASURE_NEXT
    numbers = business(**changes)
    return recommend(
        Found(
            results=run,
            choice=Choice(action=action, ship=ship, pilot=pilot, why=why),
            outlook=outlook(run, numbers, now, shipped or grounds(), ship),
            findings=(),
            frontier=frontier,  # type: ignore[arg-type]
            published=(),
        )
    )


def accuracy(run: RunResults, arm: ArmId, low: float, high: float) -> RunResults:
    """The run with another interval for one arm."""
    arms = tuple(
        replace(
            one,
            quality=replace(one.quality, primary=replace(one.quality.primary, low=low, high=high)),
        )
        if one.arm == arm
        else one
        for one in run.arms
    )
    return replace(run, arms=arms)


def test_a_decided_run_is_piloted_at_the_price_of_building_and_a_month() -> None:
    step = made(results()).next
    assert (step.kind, step.arm, step.decides) == (StepKind.PILOT, LINEAR, Decider.BUDGET_HOLDER)
    # 1,600.005 once, and 0.1 + 800 a month; wrong answers are no outlay
    assert (step.usd.usd, step.usd.low_usd, step.usd.high_usd) == (
        Decimal("2400.105"),
        Decimal("1600.105"),
        Decimal("4000.105"),
    )


def test_the_first_reason_is_the_accuracy_and_there_are_three_at_most() -> None:
    found = made(results())
    assert found.reasons[0].kind is ReasonKind.ACCURACY and found.reasons[0].arm == LINEAR
    assert found.reasons[1] == CHEAPEST
    assert len(found.reasons) == 3 and found.reasons[2].kind in (ReasonKind.SAVES, ReasonKind.COSTS_MORE)


def kept(
    run: RunResults,
    *,
    frontier: tuple[object, ...] = (),
    why: Reason = Reason(kind=ReasonKind.COSTS_MORE, arm=LINEAR),  # noqa: B008
) -> Recommendation:
    """Today's way is kept, and linear comes nearest."""
    return recommend(
        Found(
            results=run,
            choice=Choice(action=Action.KEEP_TODAY, turned_down=LINEAR, why=why),
            outlook=outlook(run, business(), today(), grounds(), None),
            findings=(),
            frontier=frontier,  # type: ignore[arg-type]
            published=(),
        )
    )


def test_where_todays_way_is_kept_the_reasons_speak_of_the_arm_that_came_nearest() -> None:
    found = kept(results())
    assert [reason.kind for reason in found.reasons] == [ReasonKind.COSTS_MORE, ReasonKind.ACCURACY]
    assert found.arm is None and found.risk.kind is RiskKind.TODAY_AS_STATED
    assert (found.next.kind, found.next.arm) == (StepKind.LOOK_AGAIN, LINEAR)
    assert found.next.queries_per_month is None, "linear pays at this volume, so no greater one makes it pay"


def test_where_fewer_right_answers_have_no_price_the_next_step_is_to_say_it() -> None:
    step = kept(results(), why=Reason(kind=ReasonKind.BELOW_TODAY, arm=LINEAR)).next
    assert (step.kind, step.arm, step.decides) == (StepKind.PRICE_ERRORS, LINEAR, Decider.PRODUCT_OWNER)


def test_where_todays_way_is_kept_a_hosted_model_that_was_not_run_is_measured_next() -> None:
    found = kept(results(), frontier=(gap(),))
    assert found.next.kind is StepKind.MEASURE_MODEL
    assert found.reasons[-1].kind is ReasonKind.NOT_RUN


def test_an_arm_that_ran_alone_is_not_set_above_others() -> None:
    """'Every other option is worse' was once said where no other had run."""
    only = Reason(kind=ReasonKind.ONLY_ONE)
    assert only not in made(results(), why=only).reasons
    assert only in made(results(comparisons=(comparison(LINEAR, TUNE),)), why=only).reasons


def test_where_nothing_says_what_is_enough_the_recommendation_hangs_on_it() -> None:
    floor = LimitCheck(arm=LINEAR, kind=LimitKind.ACCURACY, state=LimitState.KEPT, bound=0.7, value=0.8)
    bare = results(verdict=verdict(limits=()))
    arm = bare.arm(LINEAR)
    assert arm is not None and made(bare, now=None, wrong_answer_usd=None).if_enough == arm.primary
    assert made(bare, None, LINEAR, now=None, wrong_answer_usd=None).if_enough is None, "a pilot finds out"
    floored = results(verdict=verdict(limits=(floor,)))
    assert made(floored, now=None, wrong_answer_usd=None).if_enough is None
    assert made(bare, now=None, wrong_answer_usd=Decimal(2)).if_enough is None
    assert made(bare, wrong_answer_usd=None).if_enough is None, "today's accuracy is stated"


def test_without_enough_evidence_items_are_labelled_at_their_price() -> None:
    open_pair = replace(comparison(TUNE, SERVED), more_items=MoreItems(likely=340, low=100, high=900))
    open_answer = verdict(answer=Answer.NOT_ENOUGH_EVIDENCE, pair=(SERVED, TUNE), limits=())
    run = results(verdict=open_answer, comparisons=(open_pair,))
    step = made(run, TUNE).next
    assert (step.kind, step.items, step.usd.usd) == (StepKind.LABEL, 340, Decimal(170))
    unknown = made(run, TUNE, example_usd=None).next.usd
    assert unknown.usd is None and "business.example_usd" in unknown.reason
    # a third arm ships whatever the pair says, and no number of items can be named: both are piloted
    assert made(run, LINEAR).next.kind is StepKind.PILOT
    never = MoreItems(likely=None, reason="no item differs")
    endless = replace(run, comparisons=(replace(open_pair, more_items=never),))
    assert made(endless, TUNE).next.kind is StepKind.PILOT


def test_an_open_floor_asks_for_the_items_that_would_show_it() -> None:
    check = LimitCheck(
        arm=TUNE, kind=LimitKind.ACCURACY, state=LimitState.OPEN, bound=0.85, value=0.86, more_items=8151
    )
    run = results(verdict=verdict(pair=(SERVED, TUNE), limits=(check,)))
    found = made(run, None, TUNE)
    assert (found.next.kind, found.next.items, found.next.usd.usd) == (
        StepKind.LABEL,
        8151,
        Decimal("4075.5"),
    )
    assert ReasonKind.LIMIT_OPEN in {reason.kind for reason in found.reasons}
    slow = replace(check, kind=LimitKind.P95, bound=500.0, value=510.0, more_items=None)
    timed = made(results(verdict=verdict(pair=(SERVED, TUNE), limits=(slow,))), None, TUNE).next
    assert (timed.kind, timed.checks) == (StepKind.MEASURE_OPEN, (slow,))


def test_where_nothing_may_be_shipped_a_hosted_model_is_measured_next_at_its_price() -> None:
    """A refusal alone helps nobody: what is not known, and cheap to find out, comes next."""
    run = results(verdict=verdict(pair=(SERVED, TUNE), limits=(broken(TUNE),)))
    cheap, dear = gap(), gap(model="openai/dear", settle_usd=Decimal(90))
    out_of_reach = gap(model="openai/tiny", settle_usd=Decimal("0.001"), accuracy_to_win=None)
    found = made(run, None, frontier=(dear, out_of_reach, cheap))
    assert (found.next.kind, found.next.model, found.next.usd.usd) == (
        StepKind.MEASURE_MODEL,
        cheap.model,
        cheap.settle_usd,
    )
    assert found.next.command == cheap.settle_command
    assert found.risk.kind is RiskKind.NOTHING_KEEPS_LIMITS


def test_what_is_paid_today_stands_beside_the_list_price_where_that_is_less() -> None:
    run = results(verdict=verdict(pair=(SERVED, TUNE), limits=(broken(TUNE),)))
    found = made(run, None, frontier=(gap(model=HOSTED),))
    (reason,) = [one for one in found.reasons if one.kind is ReasonKind.TODAY_COSTS]
    # 1,000 queries at $1.50 an item, and at $20 per 1,000 calls; wrong answers in neither
    assert reason.today is not None and reason.today.usd == Decimal(1500)
    assert reason.cost is not None and reason.cost.usd == Decimal(20)


def test_where_no_model_is_left_to_measure_the_nearest_arm_is_mended() -> None:
    run = results(verdict=verdict(pair=(SERVED, TUNE), limits=(broken(TUNE),)))
    step = made(run, None).next
    assert (step.kind, step.arm, step.checks) == (StepKind.FIX, TUNE, (broken(TUNE),))
    assert step.usd.usd is None and step.usd.reason and step.decides is Decider.PRODUCT_OWNER


def test_risks_in_their_order() -> None:
    run = results()
    assert made(run).risk.kind is RiskKind.NOT_OWN_ROWS
    own = replace(run, data=OWN)
    assert made(own).risk.kind is RiskKind.WIDE  # 15 points wide
    sure = accuracy(own, LINEAR, 0.88, 0.92)
    # the month's outlay is people's time, whose hours are stated: not assumed; labels are all in scope
    assert made(sure).risk.kind is RiskKind.NO_OUTSIDE_ROWS
    tuned = accuracy(own, TUNE, 0.78, 0.82)
    assert made(tuned, TUNE).risk.kind is RiskKind.ONE_TRAINING


def test_a_route_is_as_sure_as_the_training_it_begins_with() -> None:
    way = ArmId(option=Option.ROUTE, model="tune+served")
    run = results(data=OWN)
    own = replace(run.arms[1], arm=way, fitted=Fitted(choices={}, seconds=0.0), seeds=())
    design = RouteDesign(first=TUNE, then=SERVED, precision=0.9, threshold=0.8, kept=None)
    routed = accuracy(replace(run, arms=(*run.arms, own), route=design), way, 0.78, 0.82)
    assert (made(routed, way).risk.kind, made(routed, way).risk.arm) == (RiskKind.ONE_TRAINING, TUNE)
    twice = tuple(SeedResult(seed=n, primary=share("accuracy", 0.8)) for n in (1, 2))
    steady = replace(routed, arms=tuple(replace(a, seeds=twice) if a.arm == TUNE else a for a in routed.arms))
    assert made(steady, way).risk.kind is not RiskKind.ONE_TRAINING
    untrained = replace(routed, route=replace(design, first=LINEAR))
    assert made(untrained, way).risk.kind is not RiskKind.ONE_TRAINING


def test_a_month_that_is_mostly_assumed_is_a_risk() -> None:
    rate = assumed("day_rate_usd", 400, 800, 1600, "USD")
    sure = accuracy(results(data=OWN), LINEAR, 0.9, 0.9)
    risk = made(sure, ranges=(*business().ranges, rate)).risk
    assert (risk.kind, risk.group) == (RiskKind.ASSUMED, "people") and risk.cost is not None
    assert (round(risk.cost.low_usd or 0), round(risk.cost.high_usd or 0)) == (600, 1800)


def test_out_of_scope_labels_and_a_measured_frontier_leave_less_to_fear() -> None:
    sure = accuracy(results(data=OWN), LINEAR, 0.88, 0.92)
    arm = sure.arms[0]
    label = replace(arm.quality.by_label.labels[0], label="out_of_scope")
    inside = replace(
        sure,
        arms=(
            replace(arm, quality=replace(arm.quality, breakdown=LabelBreakdown(labels=(label,)))),
            *sure.arms[1:2],
        ),
    )
    assert made(inside).risk.kind is RiskKind.NO_HOSTED
    assert made(replace(inside, arms=(*inside.arms, sure.arms[2]))).risk.kind is RiskKind.NONE_SEEN


def test_an_illustrative_machine_is_assumed_too() -> None:
    tuned = accuracy(results(data=OWN), TUNE, 0.8, 0.8)
    seeds = tuple(SeedResult(seed=n, primary=share("accuracy", 0.8)) for n in (1, 2))
    run = replace(tuned, arms=(tuned.arms[0], replace(tuned.arms[1], seeds=seeds), tuned.arms[2]))
    shipped = replace(business().machine, basis=PriceBasis.ILLUSTRATIVE)
    risk = made(run, TUNE, machine=shipped, day_rate_usd=Decimal(80)).risk
    # 365 of machines against 160 of people
    assert (risk.kind, risk.group) == (RiskKind.ASSUMED, "calls and machines")


def test_what_bounds_the_answer_names_the_pair_and_what_was_not_run() -> None:
    found = made(results(comparisons=(comparison(TUNE, SERVED),)))
    kinds = [caution.kind.name for caution in found.cautions]
    assert kinds == ["REACH", "SEEDS"], "a hosted model ran, the machine's price is the user's own"


def test_where_nothing_is_shown_to_beat_guessing_more_items_are_next() -> None:
    guess = held(TUNE, LimitState.OPEN, LimitKind.GUESSING, more=61)
    why = Reason(kind=ReasonKind.LIMIT_OPEN, arm=TUNE, check=guess)
    found = made(results(), None, why=why)
    assert [reason.kind for reason in found.reasons] == [ReasonKind.ACCURACY, ReasonKind.LIMIT_OPEN]
    assert (found.next.kind, found.next.items) == (StepKind.LABEL, 61)
    assert found.risk.kind is RiskKind.NOTHING_BEATS_GUESSING
