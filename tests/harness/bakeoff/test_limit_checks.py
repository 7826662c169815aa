"""Limits held against arms: kept, open, broken, by hand; what is counted, what is timed, what is unknown."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from harness.bakeoff.limit_checks import Counted, Held, RobustShares, check_limits, floor_check
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import LimitCheck, LimitKind, LimitState
from harness.bakeoff.wording import limit_words
from harness.tasks.classification import ACCURACY
from tests.support.results import FLOOR, PROMPT, TUNE, arm_result, dollars, share

NINETY = np.arange(100) < 90
FAST = [100.0 + n / 10 for n in range(100)]


def held(plan: dict[str, object], right: int = 90, n: int = 100, **changes: object) -> tuple[LimitCheck, ...]:
    """The checks of one tuned arm with so many right answers."""
    timed, agree = changes.pop("timed_ms", FAST), RobustShares(seeds_agree=changes.pop("seeds_agree", None))
    arm = arm_result(TUNE, (right / n, 0.0, 1.0), **changes)
    arm = replace(arm, cost=replace(arm.cost, usd_per_1k=dollars("0.0123")))
    one = Held(
        arm=arm, values=(np.arange(n) < right).astype(float), clusters=None, timed_ms=timed, shares=agree
    )
    return check_limits(DecisionPlan.model_validate(plan), [one])


@pytest.mark.parametrize(
    ("right", "state"),
    [
        (70, LimitState.BROKEN),  # at most 77.4 %
        (78, LimitState.BROKEN),  # at most 84.5 %
        (79, LimitState.OPEN),  # at most 85.4 %
        (86, LimitState.OPEN),  # 79.0 to 91.3 %
        (91, LimitState.OPEN),  # at least 84.8 %
        (92, LimitState.KEPT),  # at least 86.0 %
    ],
)
def test_a_floor_is_kept_open_or_broken_by_its_one_sided_limits(right: int, state: LimitState) -> None:
    (check,) = held({"quality_floor": 0.85}, right)
    theirs = stats.binomtest(right, 100).proportion_ci(0.90, method="exact")
    assert (check.low, check.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert check.state is state and check.kind is LimitKind.ACCURACY and check.bound == 0.85
    assert (check.more_items is not None) == (state is LimitState.OPEN)


def test_alpha_and_looks_move_the_limits() -> None:
    (strict,) = held({"quality_floor": 0.85, "alpha": 0.01}, 92)
    (thrice,) = held({"quality_floor": 0.85, "looks": 3}, 92)
    assert strict.state is LimitState.OPEN and thrice.state is LimitState.OPEN


def test_items_that_stand_together_count_for_less() -> None:
    right = np.repeat(np.arange(34) < 31, 3)[:100]
    plan = DecisionPlan(quality_floor=0.85)
    alone = floor_check(TUNE, right, None, 0.85, plan)
    together = floor_check(TUNE, right, [str(n // 3) for n in range(100)], 0.85, plan)
    assert alone.state is LimitState.KEPT and together.state is LimitState.OPEN


def test_items_to_a_floor_of_a_mean_follow_the_spread_between_items() -> None:
    """Values of .4 and .6 spread a fifth of what right and wrong do, so fewer items show the same.

    By hand: error .1 / sqrt(19) = .0229 of 20 items of mean .51; 20 * (2.486475 * .0229 / .01)^2 = 651.
    """
    values = np.array([0.4, 0.6] * 10) + 0.01
    alone = floor_check(TUNE, values, None, 0.5, DecisionPlan())
    assert alone.state is LimitState.OPEN and alone.more_items == 651 - 20
    same = [str(n // 2) for n in range(40)]  # every item twice: as many more again are needed
    twice = floor_check(TUNE, np.repeat(values, 2), same, 0.5, DecisionPlan())
    assert twice.more_items == 2 * 651 - 40


def test_p95_is_held_by_order_statistics() -> None:
    assert held({"max_p95_ms": 111})[0].state is LimitState.KEPT
    assert held({"max_p95_ms": 105})[0].state is LimitState.BROKEN
    assert held({"max_p95_ms": 109.4})[0].state is LimitState.OPEN
    (few,) = held({"max_p95_ms": 50}, timed_ms=[100.0] * 20)
    assert few.state is LimitState.OPEN and few.more_items == 59 - 20  # 0.95^59 < 0.05
    (none,) = held({"max_p95_ms": 50}, timed_ms=[])
    assert none.state is LimitState.OPEN


def test_a_price_is_a_sum_and_no_sample() -> None:
    assert held({"max_usd_per_1k": "0.02"})[0].state is LimitState.KEPT
    assert held({"max_usd_per_1k": "0.0123"})[0].state is LimitState.KEPT
    assert held({"max_usd_per_1k": "0.01"})[0].state is LimitState.BROKEN


def test_an_unknown_price_is_open() -> None:
    arm = arm_result(PROMPT, (0.8, 0.7, 0.9))
    arm = replace(arm, cost=replace(arm.cost, usd_per_1k=dollars(None)))
    one = Held(arm=arm, values=np.ones(5), clusters=None, timed_ms=FAST)
    (check,) = check_limits(DecisionPlan(max_usd_per_1k=Decimal("0.01")), [one])
    assert check.state is LimitState.OPEN and check.value is None


def test_failed_calls_are_counted() -> None:
    base = arm_result(TUNE, (0.9, 0.8, 1.0)).quality
    (check,) = held({}, quality=replace(base, failure_rate=share("failure rate", 0.05)))
    assert check.kind is LimitKind.FAILURES and check.state is LimitState.BROKEN
    assert held({}, quality=replace(base, failure_rate=share("failure rate", 0.02))) == ()


@pytest.mark.parametrize(("right", "state"), [(10, LimitState.OPEN), (30, None)])
def test_an_arm_that_is_not_shown_to_beat_guessing_is_open(right: int, state: LimitState | None) -> None:
    """8 of 40 by guessing, other rows than those the arm has right: 10 of 40 may be chance, 30 may not."""
    guessed, answered = (np.arange(40) >= 32).astype(float), (np.arange(40) < right).astype(float)
    floor = Held(arm=arm_result(FLOOR, (0.2, 0.1, 0.3)), values=guessed, clusters=None, timed_ms=FAST)
    share = right / 40
    arm = arm_result(PROMPT, (share, share - 0.1, share + 0.1))
    found = check_limits(
        DecisionPlan(), [floor, Held(arm=arm, values=answered, clusters=None, timed_ms=FAST)]
    )
    guessing = [check for check in found if check.kind is LimitKind.GUESSING]
    assert [check.state for check in guessing] == ([] if state is None else [state])
    if guessing:
        assert (guessing[0].more_items or 0) > 0
        words = limit_words(guessing[0], ACCURACY)
        assert "not shown to be better than one answer to everything" in words and "more items" in words


def test_an_arm_no_better_than_guessing_is_broken_and_the_floor_is_held_to_nothing() -> None:
    floor = Held(
        arm=arm_result(FLOOR, (0.2, 0.1, 0.3)),
        values=(np.arange(10) < 2).astype(float),
        clusters=None,
        timed_ms=FAST,
    )
    same = Held(
        arm=arm_result(PROMPT, (0.2, 0.1, 0.3)),
        values=(np.arange(10) < 2).astype(float),
        clusters=None,
        timed_ms=FAST,
    )
    found = check_limits(DecisionPlan(quality_floor=0.9), [floor, same])
    assert {check.arm for check in found} == {PROMPT}
    assert found[0].kind is LimitKind.GUESSING and found[0].state is LimitState.BROKEN


def test_what_was_not_looked_at_is_open_and_what_was_is_a_sample() -> None:
    for key in ("min_handed_back", "min_seed_agreement"):
        (check,) = held({key: 0.5})
        assert check.state is LimitState.OPEN and check.value is None
    states = [
        held({"min_seed_agreement": bound}, seeds_agree=Counted(hits=NINETY, clusters=None))[0].state
        for bound in (0.8, 0.9, 0.95)
    ]
    assert states == [LimitState.KEPT, LimitState.OPEN, LimitState.BROKEN]


def test_seeds_that_agree_on_items_that_stand_together_agree_on_fewer() -> None:
    """Each item ten times: 100 of 100 are 10 of 10, whose one-sided limit is 0.05 ** (1 / 10) = 74.1 %."""
    ten = Counted(hits=np.ones(100, dtype=bool), clusters=[str(n // 10) for n in range(100)])
    (check,) = held({"min_seed_agreement": 0.9}, seeds_agree=ten)
    assert check.state is LimitState.OPEN and check.low == pytest.approx(0.05**0.1)


def test_a_floor_on_values_in_between_is_held_by_the_t_limits() -> None:
    """Field F1, for one: the one-sided limits are those of Student's t at the plan's alpha."""
    values = np.random.default_rng(1).beta(4, 2, 80)
    check = floor_check(TUNE, values, None, 0.5, DecisionPlan())
    low, high = stats.t.interval(0.90, 79, values.mean(), stats.sem(values))
    assert (check.value, check.low, check.high) == pytest.approx((values.mean(), low, high))
    assert check.state is (LimitState.KEPT if low >= 0.5 else LimitState.OPEN)
