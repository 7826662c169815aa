"""The answer on the pair, case by case, and what holds for every run."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.stats.paired import melded_interval
from harness.bakeoff.limit_checks import (
    acceptable,
    contenders,
    decide,
    dev_leader,
    pairs_to_compare,
    rag_and_tuned,
)
from harness.bakeoff.results import Answer, ArmResult, BakeoffResults, Comparison, LimitState
from harness.core.wording import points
from harness.report.topics.recommendation import answer_sentence
from tests.support.decisions import PLAN, cases, compared, held, judged, measured, pair
from tests.support.results import BOTH, FLOOR, LINEAR, RETRIEVE, TUNE


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.05, 0.15, Answer.TUNE),
        (-0.15, -0.05, Answer.RETRIEVE),
        (-0.01, 0.01, Answer.TIED),
        (0.001, 0.015, Answer.TIED),
        (-0.01, 0.10, Answer.TUNE_AS_GOOD),
        (-0.10, 0.01, Answer.RETRIEVE_AS_GOOD),
        (-0.10, 0.10, Answer.NOT_ENOUGH_EVIDENCE),
        (None, None, Answer.NOT_ENOUGH_EVIDENCE),
        (-0.02, 0.02, Answer.NOT_ENOUGH_EVIDENCE),
        (-0.29, -0.029, Answer.RETRIEVE),
    ],
    ids=[
        "tune better",
        "tune worse",
        "inside the margin",
        "certain, and smaller than what matters",
        "only its loss is ruled out",
        "only its gain is ruled out",
        "wide",
        "no interval",
        "the margin itself",
        "far apart, whichever is cheaper",
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["tune first", "retrieve first"])
@pytest.mark.parametrize("prices", [("0.01", "0.05"), ("0.05", "0.01"), (None, "0.05"), (None, None)])
def test_retrieve_or_tune(low, high, answer, turned, prices) -> None:
    """The word is that of the interval. An earlier rule called -16 points (-29 to -3) a tie as soon as the
    cheaper of the two was not the worse one, so that the answer moved with the clock and with prices."""
    found = compared(TUNE, RETRIEVE, low, high)
    if turned and low is not None:
        found = compared(RETRIEVE, TUNE, -high, -low)
    results = judged(pair(*prices), found)
    assert (results.verdict.answer, results.verdict.pair) == (answer, (RETRIEVE, TUNE))
    if low is not None:
        assert f"{TUNE} minus {RETRIEVE}: {points((low + high) / 2)}" in answer_sentence(results)


def test_the_pair_is_the_best_on_dev_and_not_on_test() -> None:
    two = replace(RETRIEVE, model="other")
    arms = [measured(RETRIEVE, 0.5, dev=0.7), measured(two, 0.9, dev=0.6), measured(TUNE, 0.6)]
    assert rag_and_tuned(arms) == (RETRIEVE, TUNE)
    assert rag_and_tuned(arms[:2]) is None


def test_tuning_with_retrieval_stands_outside_the_pair() -> None:
    arms = [measured(RETRIEVE, 0.6), measured(TUNE, 0.5), measured(BOTH, 0.9), measured(FLOOR, 0.1)]
    assert rag_and_tuned(arms) == (RETRIEVE, TUNE)
    primary, others = pairs_to_compare(arms, ())
    assert primary == (TUNE, RETRIEVE)
    assert set(others) >= {(BOTH, RETRIEVE), (BOTH, TUNE)}, "what each adds to the other"


def test_the_methods_own_effect_is_compared_where_the_pairs_models_differ() -> None:
    api = replace(RETRIEVE, model="openai/gpt-6-luna")
    arms = [measured(api, 0.9), measured(RETRIEVE, 0.6), measured(TUNE, 0.5)]
    primary, others = pairs_to_compare(arms, ())
    assert primary == (TUNE, api) and (TUNE, RETRIEVE) in others


def test_comparisons_are_with_the_dev_leader_of_those_that_may_ship_and_none_is_made_twice() -> None:
    arms = [measured(FLOOR, 0.1), measured(LINEAR, 0.9), measured(RETRIEVE, 0.7), measured(TUNE, 0.6)]
    primary, others = pairs_to_compare(arms, (held(LINEAR, LimitState.BROKEN),))
    assert primary == (TUNE, RETRIEVE) and others == ((LINEAR, RETRIEVE),)
    everything = [frozenset(p) for p in (primary, *others)]
    assert len(set(everything)) == len(everything)


def test_among_equals_on_dev_the_simplest_leads() -> None:
    assert dev_leader([measured(TUNE, 0.6), measured(RETRIEVE, 0.6), measured(LINEAR, 0.6)]).arm == LINEAR


def test_a_broken_limit_bars_an_arm() -> None:
    arms = [measured(LINEAR, 0.8), measured(TUNE, 0.7)]
    limits = (held(LINEAR, LimitState.BROKEN), held(TUNE, LimitState.OPEN))
    results = judged(arms, limits=limits)
    assert results.verdict.broken == limits[:1] and results.verdict.barred == {LINEAR}
    assert [arm.arm for arm in contenders(results.arms, limits)] == [TUNE]


@given(cases())
def test_what_holds_for_every_run(results: BakeoffResults) -> None:
    verdict = results.verdict
    near = {arm.arm for arm in acceptable(PLAN, results.arms, verdict.limits, results.comparisons)}
    assert near.isdisjoint(verdict.barred) and FLOOR not in near
    assert decide(results.arms, results.comparisons, verdict.limits) == verdict, "the same every time"
    if verdict.answer in {Answer.RETRIEVE, Answer.TUNE}:
        found = results.pair
        assert found is not None
        low, high = found.difference.low, found.difference.high
        assert low is not None and high is not None and (low > 0 or high < 0)
        ahead = found.a if low > 0 else found.b
        assert ahead == (TUNE if verdict.answer is Answer.TUNE else RETRIEVE)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_arms_and_comparisons_decides_nothing(results: BakeoffResults, random) -> None:
    turned = decide(
        random.sample(results.arms, len(results.arms)),
        random.sample(results.comparisons, len(results.comparisons)),
    )
    assert (turned.answer, turned.pair) == (results.verdict.answer, results.verdict.pair)


def scaled(arm: ArmResult, time: float, price: Decimal) -> ArmResult:
    """The same arm with all its timings and prices multiplied."""
    p95 = arm.latency.p95_ms
    slower = None if p95.value is None else p95.value * time

    def dearer(money):
        return replace(money, usd=None if money.usd is None else money.usd * price)

    return replace(
        arm,
        latency=replace(arm.latency, p95_ms=replace(p95, value=slower)),
        cost=replace(
            arm.cost,
            usd_per_1k=dearer(arm.cost.usd_per_1k),
            usd_per_1k_correct=dearer(arm.cost.usd_per_1k_correct),
        ),
    )


@given(cases(), st.lists(st.tuples(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4)), min_size=5, max_size=5))
def test_no_price_and_no_clock_decides_a_word_about_quality(results: BakeoffResults, factors) -> None:
    arms = [
        scaled(arm, time, Decimal(str(price)))
        for arm, (time, price) in zip(results.arms, factors, strict=False)
    ]
    moved = replace(
        results,
        arms=tuple(arms),
        verdict=decide(arms, results.comparisons, results.verdict.limits),
    )
    assert moved.verdict == results.verdict
    assert answer_sentence(moved) == answer_sentence(results)


ANSWERS = [
    [Answer.RETRIEVE],
    [Answer.RETRIEVE_AS_GOOD],
    [Answer.TIED, Answer.NOT_ENOUGH_EVIDENCE],
    [Answer.TUNE_AS_GOOD],
    [Answer.TUNE],
]
MIRRORED = {
    Answer.RETRIEVE: Answer.TUNE,
    Answer.RETRIEVE_AS_GOOD: Answer.TUNE_AS_GOOD,
    Answer.TIED: Answer.TIED,
    Answer.NOT_ENOUGH_EVIDENCE: Answer.NOT_ENOUGH_EVIDENCE,
    Answer.TUNE_AS_GOOD: Answer.RETRIEVE_AS_GOOD,
    Answer.TUNE: Answer.RETRIEVE,
}


def of_table(only_tune: int, only_retrieve: int, n: int) -> Comparison:
    ends = melded_interval(only_tune, only_retrieve, n)
    return compared(TUNE, RETRIEVE, ends.low, ends.high)


@settings(max_examples=40)
@given(st.integers(2, 80), st.integers(0, 1500))
def test_the_answer_only_moves_towards_tune_as_the_difference_grows(differing: int, alike: int) -> None:
    n, places = differing + alike, []
    for won in range(differing + 1):
        answer = judged(pair(), of_table(won, differing - won, n)).verdict.answer
        places.append(next(place for place, words in enumerate(ANSWERS) if answer in words))
    assert places == sorted(places)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1500))
def test_swapping_the_arms_swaps_the_answer(won: int, lost: int, alike: int) -> None:
    n = won + lost + alike + 1
    one = judged(pair(), of_table(won, lost, n)).verdict.answer
    assert judged(pair(), of_table(lost, won, n)).verdict.answer is MIRRORED[one]
