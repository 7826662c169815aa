"""Which arm is used: of the good enough the cheapest, of these within its range the simplest."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.ledger import Money
from advisor.options import Option
from harness.bakeoff.limit_checks import acceptable, contenders
from harness.bakeoff.results import ArmResult, BakeoffResults, LimitKind, LimitState
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.recommendation.choose import (
    A_MONTH,
    A_THOUSAND,
    Choice,
    certainty_of,
    choose,
)
from harness.recommendation.records import Action, Certainty, Reason, ReasonKind
from harness.report.topics.recommendation import reason_sentence
from tests.support.decisions import PLAN, cases, compared, held, judged, measured
from tests.support.results import FLOOR, LINEAR, PROMPT, RETRIEVE, TUNE

NEAR = (compared(LINEAR, TUNE, -0.015, 0.005), compared(RETRIEVE, TUNE, -0.35, -0.25))


def month(likely: str, low: str, high: str) -> Money:
    return Money(usd=Decimal(likely), low_usd=Decimal(low), high_usd=Decimal(high), basis=PriceBasis.ESTIMATE)


def chosen(
    results: BakeoffResults, months: dict[ArmId, Money] | None = None, against: tuple[ArmId, ...] = ()
) -> Choice:
    """Chosen where today's way is the better one than the arms `against`."""

    def why(arm: ArmResult) -> Reason | None:
        return Reason(kind=ReasonKind.COSTS_MORE, arm=arm.arm) if arm.arm in against else None

    return choose(results, PLAN, months or {}, why)


def near_and_far() -> list[ArmResult]:
    return [
        measured(FLOOR, 0.1, "0"),
        measured(LINEAR, 0.79, "0.05"),
        measured(TUNE, 0.80, "0.02"),
        measured(RETRIEVE, 0.5, "0.0001"),
    ]


def test_the_lowest_all_in_month_of_those_near_the_leader_ships() -> None:
    months = {LINEAR: month("900", "890", "910"), TUNE: month("1000", "950", "1100")}
    choice = chosen(judged(near_and_far(), *NEAR), months)
    assert (choice.action, choice.ship, choice.why.kind) == (Action.SHIP, LINEAR, ReasonKind.CHEAPEST)
    assert choice.why.cost == months[LINEAR] and choice.why.cost_basis == A_MONTH
    turned = {LINEAR: month("1200", "1190", "1210"), TUNE: month("1000", "950", "1100")}
    assert chosen(judged(near_and_far(), *NEAR), turned).ship == TUNE
    may_be_worse = compared(LINEAR, TUNE, -0.05, 0.005)
    assert chosen(judged(near_and_far(), may_be_worse, NEAR[1]), months).ship == TUNE


def test_within_the_range_of_the_lowest_cost_the_simpler_one_ships() -> None:
    months = {LINEAR: month("1050", "1000", "1100"), TUNE: month("1000", "950", "1100")}
    choice = chosen(judged(near_and_far(), *NEAR), months)
    assert (choice.ship, choice.why.kind) == (LINEAR, ReasonKind.SIMPLEST)


def test_without_months_calls_and_busy_time_decide() -> None:
    choice = chosen(judged(near_and_far(), *NEAR))
    assert choice.ship == TUNE and choice.why.cost_basis == A_THOUSAND


def test_an_unknown_price_cannot_win_nor_lose() -> None:
    arms = [measured(LINEAR, 0.79, None), measured(TUNE, 0.80, "0.02")]
    choice = chosen(judged(arms, compared(LINEAR, TUNE, -0.015, 0.005)))
    assert choice.ship == TUNE and choice.why.others == (LINEAR,)
    assert "what linear@linear costs is not known" in reason_sentence(choice.why)


def test_the_floor_never_ships() -> None:
    assert chosen(judged([measured(FLOOR, 0.1, "0"), measured(PROMPT, 0.2)])).ship == PROMPT
    alone = chosen(judged([measured(FLOOR, 0.9, "0")]))
    assert alone.arm is None and alone.why.kind is ReasonKind.ONLY_FLOOR


@pytest.mark.parametrize(("n", "said"), [(1, True), (4, True), (5, False)])
def test_of_a_handful_of_items_nothing_is_recommended(n: int, said: bool) -> None:
    """One right answer of one item was once piloted, and the others 'ruled out'."""
    few = replace(
        measured(TUNE, 1.0), primary_all_rows=Estimate(metric="accuracy", value=1.0, n=n, method="")
    )
    choice = chosen(judged([few]))
    assert (choice.why.kind is ReasonKind.TOO_FEW) is said and (choice.arm is None) is said


def test_what_others_answer_never_ships() -> None:
    assert chosen(judged([measured(ArmId(option=Option.EXTERNAL, model="desk"), 0.9)])).arm is None


def test_a_broken_limit_bars_an_arm_and_says_which() -> None:
    arms = [measured(LINEAR, 0.8), measured(TUNE, 0.7)]
    broken = (held(LINEAR, LimitState.BROKEN), held(TUNE, LimitState.KEPT))
    assert chosen(judged(arms, compared(TUNE, LINEAR, -0.15, -0.05), limits=broken)).ship == TUNE
    none = chosen(judged(arms, limits=(broken[0], held(TUNE, LimitState.BROKEN))))
    assert none.arm is None and none.action is Action.MEASURE_NEXT
    assert (none.why.kind, none.why.arm) == (ReasonKind.LIMIT_BROKEN, LINEAR), "the nearest one"


def test_an_open_limit_allows_a_pilot_and_never_to_ship() -> None:
    """86 of 100 at a floor of 85 % was once shipped as 'Sure'."""
    choice = chosen(judged([measured(TUNE, 0.86)], limits=(held(TUNE, LimitState.OPEN, more=8151),)))
    assert (choice.action, choice.ship, choice.pilot) == (Action.PILOT, None, TUNE)


def test_what_is_not_shown_to_beat_one_answer_to_everything_is_no_pilot() -> None:
    """2 of 30 right, where the floor has none, was once piloted."""
    guess = held(TUNE, LimitState.OPEN, LimitKind.GUESSING, more=61)
    choice = chosen(judged([measured(FLOOR, 0.0), measured(TUNE, 0.067)], limits=(guess,)))
    assert (choice.action, choice.arm) == (Action.MEASURE_NEXT, None)
    assert (choice.why.kind, choice.why.arm, choice.why.check) == (ReasonKind.LIMIT_OPEN, TUNE, guess)
    beside = judged(
        [measured(LINEAR, 0.066), measured(TUNE, 0.067)],
        compared(TUNE, LINEAR, -0.01, 0.01),
        limits=(guess, held(LINEAR, LimitState.OPEN)),
    )
    assert chosen(beside).pilot == LINEAR


def test_an_arm_that_keeps_its_limits_ships_before_one_that_has_them_open() -> None:
    arms = [measured(LINEAR, 0.8, "0.001"), measured(TUNE, 0.8, "0.1")]
    limits = (held(LINEAR, LimitState.OPEN), held(TUNE, LimitState.KEPT))
    choice = chosen(judged(arms, compared(TUNE, LINEAR, -0.01, 0.01), limits=limits))
    assert (choice.ship, choice.pilot) == (TUNE, None)


def test_how_sure_follows_from_the_comparisons() -> None:
    arms = [measured(LINEAR, 0.8), measured(TUNE, 0.7)]
    settled = judged(arms, compared(TUNE, LINEAR, -0.15, -0.05))
    assert certainty_of(settled, LINEAR) == (Certainty.ALL, ())
    unsure = judged(arms, compared(TUNE, LINEAR, -0.15, 0.05))
    assert certainty_of(unsure, LINEAR) == (Certainty.SOME_OPEN, (TUNE,))
    assert certainty_of(judged(arms[:1]), LINEAR) == (Certainty.NO_RIVAL, ())
    assert certainty_of(unsure, None) == (Certainty.NO_ARM, ())


def test_an_arm_that_is_not_worth_it_is_turned_down_for_one_that_is() -> None:
    run = judged(near_and_far(), *NEAR)
    assert chosen(run, against=(TUNE,)).ship == LINEAR
    kept = chosen(run, against=(TUNE, LINEAR))
    assert (kept.action, kept.arm, kept.turned_down) == (Action.KEEP_TODAY, None, TUNE)
    assert kept.why.kind is ReasonKind.COSTS_MORE and kept.why.arm == TUNE


def test_a_pilot_that_is_worth_it_comes_before_an_arm_to_ship_that_is_not() -> None:
    arms = [measured(LINEAR, 0.8, "0.001"), measured(TUNE, 0.8, "0.1")]
    limits = (held(LINEAR, LimitState.OPEN), held(TUNE, LimitState.KEPT))
    run = judged(arms, compared(TUNE, LINEAR, -0.01, 0.01), limits=limits)
    assert chosen(run, against=(TUNE,)).pilot == LINEAR
    assert chosen(run, against=(TUNE, LINEAR)).turned_down == TUNE, "the one that could be shipped"


@given(cases(), st.booleans(), st.data())
def test_what_holds_for_every_choice(results: BakeoffResults, with_months: bool, data) -> None:
    months = {}
    if with_months:
        for arm in results.arms:
            low, likely, high = sorted(data.draw(st.tuples(*[st.integers(1, 5000)] * 3)))
            months[arm.arm] = month(str(likely), str(low), str(high))
    choice, limits = chosen(results, months), results.verdict.limits
    unsure = {check.arm for check in limits if check.state is LimitState.OPEN}
    assert choice.arm not in results.verdict.barred and choice.arm != FLOOR
    assert choice.ship is None or choice.pilot is None
    assert choice.ship not in unsure and (choice.pilot is None or choice.pilot in unsure)
    assert (choice.arm is None) == (not contenders(results.arms, limits))
    near = {arm.arm for arm in acceptable(PLAN, results.arms, limits, results.comparisons)}
    assert choice.arm in near or not near
    against = tuple(arm.arm for arm in results.arms if data.draw(st.booleans()))
    held_to = chosen(results, months, against)
    assert held_to.arm not in against and (held_to.arm is None) == (near <= set(against))
    assert chosen(results, months) == choice, "and it is the same every time"


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_arms_chooses_nothing(results: BakeoffResults, random) -> None:
    turned = replace(
        results,
        arms=tuple(random.sample(results.arms, len(results.arms))),
        comparisons=tuple(random.sample(results.comparisons, len(results.comparisons))),
    )
    one, other = chosen(results), chosen(turned)
    assert (one.ship, one.pilot) == (other.ship, other.pilot)
