"""The verdict, case by case, and what holds for every verdict."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.stats.intervals import Interval
from advisor.stats.paired import Relation, relation
from harness.decide import Case, acceptable, contenders, decide, dev_leader, rag_and_tuned, vetoes
from harness.plan import DecisionPlan
from harness.records import ArmId, Estimate
from harness.results import Answer, ArmResult, Comparison, Money, SeedResult, Verdict
from tests.support.results import CLASSICAL, FLOOR, PROMPT, RETRIEVE, TUNE, arm_result, dollars, share, timed

PLAN = DecisionPlan(margin=0.02)


def measured(
    arm: ArmId, accuracy: float, usd: str | None = "0.01", dev: float | None = None, p95: float | None = 100.0
) -> ArmResult:
    """An arm with this accuracy on test (and dev) and this price per 1,000 queries."""
    base = arm_result(arm, (accuracy, accuracy - 0.03, accuracy + 0.03))
    per_correct = None if usd is None else str(Decimal(usd) / Decimal(str(accuracy or 1)))
    return replace(
        base,
        quality=replace(base.quality, dev_accuracy=share("dev accuracy", accuracy if dev is None else dev)),
        cost=replace(base.cost, usd_per_1k=dollars(usd), usd_per_1k_correct=dollars(per_correct)),
        latency=replace(base.latency, p95_ms=timed("p95_ms", p95)),
    )


def compared(
    a: ArmId,
    b: ArmId,
    low: float | None,
    high: float | None,
    p_holm: float | None = 0.001,
    more: int | None = None,
) -> Comparison:
    """a minus b with this interval."""
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95)
    middle = None if interval is None else (interval.low + interval.high) / 2
    return Comparison(
        a=a,
        b=b,
        difference=Estimate(
            metric="d", value=middle, low=low, high=high, n=400, method="bootstrap", reason="none"
        ),
        only_a=0,
        only_b=0,
        p_value=p_holm,
        p_method="exact McNemar",
        p_holm=p_holm,
        relation=Relation.UNDECIDED if interval is None else relation(interval, PLAN.margin),
        same_model=a.model == b.model,
        detectable=0.05,
        more_items=more,
        more_items_reason="" if more else "no number of items would settle it",
    )


def judged(arms: list[ArmResult], *comparisons: Comparison, plan: DecisionPlan = PLAN) -> Verdict:
    return decide(
        Case(
            plan=plan,
            arms=tuple(arms),
            comparisons=comparisons,
            frontier=(),
            published=(),
            frontier_measured=False,
            cautions=(),
        )
    )


def pair(tune_usd: str | None = "0.01", retrieve_usd: str | None = "0.05") -> list[ArmResult]:
    return [measured(RETRIEVE, 0.6, retrieve_usd), measured(TUNE, 0.6, tune_usd)]


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "tune_usd", "retrieve_usd", "answer", "cheaper"),
    [
        (0.05, 0.15, 0.001, "0.01", "0.05", Answer.TUNE, TUNE),
        (-0.15, -0.05, 0.001, "0.01", "0.05", Answer.RETRIEVE, TUNE),
        (-0.01, 0.01, 0.9, "0.01", "0.05", Answer.TIED, TUNE),
        (-0.01, 0.01, 0.9, "0.05", "0.01", Answer.TIED, RETRIEVE),
        (-0.01, 0.01, 0.9, None, "0.05", Answer.TIED, None),
        (-0.01, 0.10, 0.2, "0.01", "0.05", Answer.TIED, TUNE),
        (-0.01, 0.10, 0.2, "0.05", "0.01", Answer.NOT_ENOUGH_EVIDENCE, RETRIEVE),
        (-0.10, 0.10, 0.9, "0.01", "0.05", Answer.NOT_ENOUGH_EVIDENCE, TUNE),
        (-0.10, 0.10, 0.9, None, None, Answer.NOT_ENOUGH_EVIDENCE, None),
        (0.05, 0.15, 0.2, "0.05", "0.01", Answer.NOT_ENOUGH_EVIDENCE, RETRIEVE),
        (0.05, 0.15, 0.2, "0.01", "0.05", Answer.TIED, TUNE),
        (0.05, 0.15, None, "0.05", "0.01", Answer.NOT_ENOUGH_EVIDENCE, RETRIEVE),
        (None, None, None, "0.01", "0.05", Answer.NOT_ENOUGH_EVIDENCE, TUNE),
        (-0.02, 0.02, 0.9, None, None, Answer.NOT_ENOUGH_EVIDENCE, None),
    ],
    ids=[
        "tune better",
        "tune worse",
        "equivalent",
        "equivalent, retrieve cheaper",
        "equivalent, price unknown",
        "cheaper one not worse",
        "dearer one not worse",
        "wide",
        "wide, prices unknown",
        "Holm disagrees, dearer",
        "Holm disagrees, cheaper",
        "no test",
        "no interval",
        "the margin itself",
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["tune first", "retrieve first"])
def test_retrieve_or_tune(low, high, p_holm, tune_usd, retrieve_usd, answer, cheaper, turned) -> None:
    found = compared(TUNE, RETRIEVE, low, high, p_holm)
    if turned and low is not None:
        found = compared(RETRIEVE, TUNE, -high, -low, p_holm)
    verdict = judged(pair(tune_usd, retrieve_usd), found)
    assert (verdict.answer, verdict.cheaper, verdict.pair) == (answer, cheaper, (RETRIEVE, TUNE))


def test_the_same_price_is_no_unknown_price() -> None:
    tied = compared(TUNE, RETRIEVE, -0.01, 0.01, 0.9)
    assert "cost the same" in judged(pair("0.05", "0.05"), tied).answer_because
    assert "not known" in judged(pair(None, "0.05"), tied).answer_because


def test_what_would_settle_it_is_said() -> None:
    wide = compared(TUNE, RETRIEVE, -0.1, 0.1, 0.9, more=1234)
    assert "About 1,234 more evaluation items" in judged(pair(), wide).answer_because
    assert "No number of further items" in judged(pair(), replace(wide, more_items=None)).answer_because


def test_an_effect_of_the_method_is_claimed_on_one_model_only() -> None:
    other = replace(RETRIEVE, model="openai/gpt-6-luna")
    arms = [measured(other, 0.6), measured(TUNE, 0.7)]
    assert "pair of option and model" in judged(arms, compared(TUNE, other, 0.05, 0.15)).answer_because
    assert (
        "the method, on the same model" in judged(pair(), compared(TUNE, RETRIEVE, 0.05, 0.15)).answer_because
    )


def test_the_pair_is_the_best_on_dev_and_not_on_test() -> None:
    two = replace(RETRIEVE, model="other")
    arms = [measured(RETRIEVE, 0.5, dev=0.7), measured(two, 0.9, dev=0.6), measured(TUNE, 0.6)]
    assert rag_and_tuned(arms) == (RETRIEVE, TUNE)
    assert rag_and_tuned(arms[:2]) is None


def test_among_equals_on_dev_the_simplest_leads() -> None:
    assert (
        dev_leader([measured(TUNE, 0.6), measured(RETRIEVE, 0.6), measured(CLASSICAL, 0.6)]).arm == CLASSICAL
    )


def test_the_cheapest_of_those_near_the_leader_ships() -> None:
    arms = [
        measured(FLOOR, 0.1, "0"),
        measured(CLASSICAL, 0.79, "0.001"),
        measured(TUNE, 0.80, "0.02"),
        measured(RETRIEVE, 0.5, "0.0001"),
    ]
    near, far = compared(CLASSICAL, TUNE, -0.015, 0.005), compared(RETRIEVE, TUNE, -0.35, -0.25)
    verdict = judged(arms, near, far)
    assert verdict.ship == CLASSICAL and "within 2 points" in verdict.ship_because
    assert judged(arms, compared(CLASSICAL, TUNE, -0.05, 0.005), far).ship == TUNE, "may be worse by 5 points"


def test_an_unknown_price_cannot_win_nor_lose() -> None:
    arms = [measured(CLASSICAL, 0.79, None), measured(TUNE, 0.80, "0.02")]
    verdict = judged(arms, compared(CLASSICAL, TUNE, -0.015, 0.005))
    assert verdict.ship == TUNE and "price of classical@linear is unknown" in verdict.ship_because


def test_the_floor_never_ships() -> None:
    verdict = judged([measured(FLOOR, 0.1, "0"), measured(PROMPT, 0.2)])
    assert verdict.ship == PROMPT
    alone = judged([measured(FLOOR, 0.9, "0")])
    assert alone.ship is None and "Only the floor" in alone.ship_because


def test_an_arm_no_better_than_guessing_never_ships() -> None:
    verdict = judged([measured(FLOOR, 0.2, "0"), measured(PROMPT, 0.2)])
    assert verdict.ship is None
    assert "accuracy 20.0 % is no better than always guessing (20.0 %)" in verdict.vetoes[0].reason


def test_a_single_arm_is_not_called_sure() -> None:
    verdict = judged([measured(PROMPT, 0.4)])
    assert verdict.ship == PROMPT and verdict.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert "Sure" not in verdict.sure and "settled" not in verdict.sure


def test_how_sure_follows_from_the_comparisons() -> None:
    arms = [measured(CLASSICAL, 0.8), measured(TUNE, 0.7)]
    assert judged(arms, compared(TUNE, CLASSICAL, -0.15, -0.05)).sure.startswith("Sure")
    assert "tune@smollm2-135m is not settled" in judged(arms, compared(TUNE, CLASSICAL, -0.15, 0.05)).sure


def test_an_interval_that_the_adjusted_test_does_not_confirm_is_not_settled() -> None:
    found = compared(TUNE, RETRIEVE, 0.001, 0.15, p_holm=0.2)
    unpriced = [replace(arm, cost=replace(arm.cost, usd_per_1k=dollars(None))) for arm in pair()]
    verdict = judged(unpriced, replace(found, more_items_reason="settled"))
    assert verdict.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert "adjusted for all comparisons" in verdict.answer_because and "p = 0.2" in verdict.answer_because
    assert "named: settled" not in verdict.answer_because
    assert verdict.sure.startswith("Fairly sure"), "and how sure is judged by the same test"


def test_a_difference_inside_the_margin_is_a_tie_also_where_its_interval_just_excludes_0() -> None:
    unpriced = [replace(arm, cost=replace(arm.cost, usd_per_1k=dollars(None))) for arm in pair()]
    assert judged(unpriced, compared(TUNE, RETRIEVE, 0.001, 0.015, p_holm=0.2)).answer is Answer.TIED


@pytest.mark.parametrize(
    ("limits", "arm", "reason"),
    [
        ({"quality_floor": 0.5}, measured(TUNE, 0.4), "accuracy 40.0 % is under the floor of 50.0 %"),
        ({"max_p95_ms": 50}, measured(TUNE, 0.9), "p95 100 ms is over the limit of 50 ms"),
        ({"max_p95_ms": 50}, measured(TUNE, 0.9, p95=None), "p95 was not measured"),
        ({"max_usd_per_1k": "0.005"}, measured(TUNE, 0.9), "is over the limit of $0.00500"),
        ({"max_usd_per_1k": "0.005"}, measured(TUNE, 0.9, None), "its price per 1,000 queries is unknown"),
    ],
    ids=["accuracy", "p95", "p95 unknown", "price", "price unknown"],
)
def test_every_limit_of_the_plan_bars_an_arm(limits: dict[str, object], arm: ArmResult, reason: str) -> None:
    plan = DecisionPlan.model_validate(limits)
    (veto,) = vetoes(plan, [arm])
    assert reason in veto.reason
    assert contenders(plan, [arm]) == ()
    verdict = judged([arm], plan=plan)
    assert verdict.ship is None and verdict.vetoes == (veto,) and "vetoed" in verdict.ship_because
    assert vetoes(PLAN, [arm]) == ()


def test_failed_calls_bar_an_arm_too() -> None:
    arm = measured(PROMPT, 0.8)
    arm = replace(arm, quality=replace(arm.quality, failure_rate=share("failure rate", 0.05)))
    assert "5.0 % of calls failed; at most 2.0 % may" in vetoes(PLAN, [arm])[0].reason


def test_a_limit_is_met_at_the_limit() -> None:
    plan = DecisionPlan(quality_floor=0.9, max_p95_ms=100, max_usd_per_1k=Decimal("0.01"))
    assert vetoes(plan, [measured(TUNE, 0.9)]) == ()


def test_one_seed_is_said_and_several_show_their_spread() -> None:
    one = judged(pair(), compared(TUNE, RETRIEVE, 0.05, 0.15))
    assert "one artefact from one training seed" in " ".join(one.hangs_on)
    seeds = tuple(SeedResult(seed=n, accuracy=share("accuracy", v)) for n, v in ((1, 0.7), (2, 0.62)))
    arms = [pair()[0], replace(pair()[1], seeds=seeds)]
    several = " ".join(judged(arms, compared(TUNE, RETRIEVE, 0.05, 0.15)).hangs_on)
    assert "2 seeds: test accuracy 62.0 % to 70.0 %" in several


ARMS = (FLOOR, CLASSICAL, PROMPT, RETRIEVE, TUNE)
SHARE = st.floats(0, 1).map(lambda v: round(v, 3))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chosen = draw(st.lists(st.sampled_from(ARMS), min_size=1, unique=True))
    price = st.none() | st.decimals("0.001", "9", places=3).map(str)
    arms = tuple(
        measured(a, draw(SHARE), draw(price), draw(SHARE), draw(st.none() | st.floats(1, 500)))
        for a in chosen
    )
    comparisons = []
    for n, a in enumerate(chosen):
        for b in chosen[n + 1 :]:
            ends = sorted(draw(st.tuples(st.floats(-1, 1), st.floats(-1, 1))))
            known = draw(st.booleans())
            comparisons.append(
                compared(a, b, *(ends if known else (None, None)), p_holm=draw(st.none() | st.floats(0, 1)))
            )
    plan = DecisionPlan(
        margin=0.02,
        quality_floor=draw(st.none() | st.floats(0.1, 0.9)),
        max_p95_ms=draw(st.none() | st.floats(1, 500)),
        max_usd_per_1k=draw(st.none() | st.decimals("0.001", "9", places=3)),
    )
    return Case(
        plan=plan,
        arms=arms,
        comparisons=tuple(comparisons),
        frontier=(),
        published=(),
        frontier_measured=False,
        cautions=(),
    )


@settings(max_examples=300)
@given(cases())
def test_what_holds_for_every_verdict(case: Case) -> None:
    verdict = decide(case)
    barred = {veto.arm for veto in verdict.vetoes}
    assert verdict.ship not in barred and verdict.ship != FLOOR
    assert (verdict.ship is None) == (not contenders(case.plan, case.arms))
    near = {arm.arm for arm in acceptable(case.plan, case.arms, case.comparisons)}
    assert near.isdisjoint(barred) and (verdict.ship in near or not near)
    assert decide(case) == verdict, "and it is the same every time"
    if verdict.answer in {Answer.RETRIEVE, Answer.TUNE}:
        (found,) = (c for c in case.comparisons if {c.a, c.b} == {RETRIEVE, TUNE})
        low, high = found.difference.low, found.difference.high
        assert low is not None and high is not None and (low > 0 or high < 0)
        assert found.p_holm is not None and found.p_holm < case.plan.alpha
        ahead = found.a if low > 0 else found.b
        assert ahead == (TUNE if verdict.answer is Answer.TUNE else RETRIEVE)
    prices = {arm.arm: arm.cost.usd_per_1k.usd for arm in case.arms}
    if verdict.cheaper is not None and verdict.pair is not None:
        other = next(arm for arm in verdict.pair if arm != verdict.cheaper)
        assert prices[verdict.cheaper] is not None and prices[other] is not None
        assert prices[verdict.cheaper] < prices[other]  # type: ignore[operator]


@settings(max_examples=150)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_arms_and_comparisons_decides_nothing(case: Case, random) -> None:
    turned = replace(
        case,
        arms=tuple(random.sample(case.arms, len(case.arms))),
        comparisons=tuple(random.sample(case.comparisons, len(case.comparisons))),
    )
    one, other = decide(case), decide(turned)
    assert (one.answer, one.ship, one.cheaper, one.pair) == (
        other.answer,
        other.ship,
        other.cheaper,
        other.pair,
    )


def test_money_of_no_correct_answer_is_no_price() -> None:
    none_right = replace(
        measured(PROMPT, 0.0),
        cost=replace(
            measured(PROMPT, 0.5).cost,
            usd_per_1k_correct=Money(
                usd=None, basis=dollars("1").basis, source="x", reason="no correct answer"
            ),
        ),
    )
    assert judged([none_right]).ship == PROMPT
