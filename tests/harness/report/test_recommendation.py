"""What the answer on the pair and the recommendation say."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.options import Option
from harness.bakeoff.results import LimitKind, MoreItems, SeedResult
from harness.core.records import ArmId, Finding
from harness.core.wording import Currency
from harness.recommendation.records import Action, Automation, Caution, CautionKind, ReasonKind, StepKind
from harness.report.context import ReportContext
from harness.report.topics.recommendation import (
    RunWords,
    answer_sentence,
    caution_sentence,
    headline,
    reason_sentence,
    risk_sentence,
    step_action,
)
from tests.support.decisions import compared, judged, measured, pair
from tests.support.drills import a_drill
from tests.support.results import RETRIEVE, TUNE, broken, none_to_ship, recommendation, run_results, share


def test_a_tie_that_leaves_out_0_says_that_the_difference_is_smaller_than_what_matters() -> None:
    said = answer_sentence(judged(pair(), compared(TUNE, RETRIEVE, 0.001, 0.015)))
    assert "smaller than you said matters" in said
    assert "smaller" not in answer_sentence(judged(pair(), compared(TUNE, RETRIEVE, -0.01, 0.015)))


def test_what_would_settle_it_is_said_with_its_range() -> None:
    more = MoreItems(likely=111, low=38, high=8139)
    said = answer_sentence(judged(pair(), compared(TUNE, RETRIEVE, -0.1, 0.1, more)))
    assert "About 111 more items would decide it (38 to 8,139, 80 % range)" in said
    unsaid = compared(TUNE, RETRIEVE, -0.1, 0.1, MoreItems(likely=None, reason="no item differs"))
    assert "No number of further items can be named: no item differs" in answer_sentence(
        judged(pair(), unsaid)
    )
    as_good = answer_sentence(judged(pair(), compared(TUNE, RETRIEVE, -0.01, 0.1, more)))
    assert "111 more items" in as_good


def test_an_effect_of_the_method_is_claimed_on_one_model_only() -> None:
    other = replace(RETRIEVE, model="openai/gpt-6-luna")
    arms = [measured(other, 0.6), measured(TUNE, 0.7)]
    assert "pair of option and model" in answer_sentence(judged(arms, compared(TUNE, other, 0.05, 0.15)))
    same = answer_sentence(judged(pair(), compared(TUNE, RETRIEVE, 0.05, 0.15)))
    assert "the method, on the same model" in same


def test_a_run_without_one_side_of_the_pair_says_which() -> None:
    assert "no fine-tuned model" in answer_sentence(judged([measured(RETRIEVE, 0.6)]))
    assert "no RAG" in answer_sentence(judged([measured(TUNE, 0.6)]))
    assert "no RAG and no fine-tuned model" in answer_sentence(
        judged([measured(ArmId(option=Option.EXTERNAL, model="desk"), 0.9)])
    )


def test_what_these_items_can_show_is_said_at_the_disagreement_that_was_measured() -> None:
    found = compared(TUNE, RETRIEVE, -0.1, 0.1)
    said = caution_sentence(Caution(kind=CautionKind.REACH, comparison=found), run_results())
    assert "400 test items, and the pair differs on 12.5 % of them: differences of 5.0 points or more" in said


def test_one_seed_is_said_and_several_show_their_spread() -> None:
    caution = Caution(kind=CautionKind.SEEDS, arm=TUNE)
    one = judged([measured(TUNE, 0.6)])
    assert "one artefact from one training seed" in caution_sentence(caution, one)
    seeds = tuple(SeedResult(seed=n, primary=share("accuracy", v)) for n, v in ((1, 0.7), (2, 0.62)))
    several = judged([replace(measured(TUNE, 0.6), seeds=seeds)])
    assert "2 seeds: test accuracy 62.0 % to 70.0 %" in caution_sentence(caution, several)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (recommendation(), "Ship linear@linear."),
        (
            recommendation(if_enough=share("accuracy", 0.292)),
            "Ship linear@linear if 29.2 % right answers will do.",
        ),
        (
            recommendation(action=Action.PILOT, ship=None, pilot=TUNE),
            "Pilot tune@smollm2-135m; do not ship it yet.",
        ),
        (recommendation(action=Action.KEEP_TODAY, ship=None), "Keep today's way."),
        (none_to_ship(), "Ship none of these yet. Measure the hosted model openai/gpt-6-luna next."),
    ],
    ids=["ship", "ship where nobody said what is enough", "pilot", "keep", "measure next"],
)
def test_the_headline_says_what_to_do(found, words) -> None:
    assert headline(found) == words


def test_the_next_step_is_an_action() -> None:
    assert "Run the hosted model openai/gpt-6-luna on the same items" in step_action(
        none_to_ship().next, run_results()
    )


def test_what_comes_nearest_is_not_blamed_for_answers_too_long_to_be_matched() -> None:
    step = replace(none_to_ship().next, kind=StepKind.FIX, arm=TUNE, checks=(broken(TUNE),))
    long = Finding(code="long-answers", severity="warning", message="", item_ids=())
    assert "paragraphs" not in step_action(step, run_results())
    results = run_results()
    said = step_action(step, replace(results, data=replace(results.data, findings=(long,))))
    assert "State the right answers that are paragraphs in a few words" in said


@pytest.mark.parametrize("kind", list(LimitKind))
def test_a_pilot_that_only_measures_names_each_limit_that_is_open(kind: LimitKind) -> None:
    step = replace(
        none_to_ship().next, kind=StepKind.MEASURE_OPEN, arm=TUNE, checks=(broken(TUNE, kind=kind),)
    )
    said = step_action(step, run_results())
    assert (
        said.startswith("Pilot tune@smollm2-135m only to measure what is not shown yet: ")
        and "p95" not in said
    )


def test_a_reader_is_told_everyday_names_and_the_currency_asked_for() -> None:
    words = RunWords(
        name=ReportContext(results=run_results()).name,
        currency=Currency(code="EUR", per_usd=Decimal("0.5"), source="x"),
    )
    assert headline(recommendation(), words) == "Ship the linear classifier."
    accuracy, cheapest, saves = (reason_sentence(one, words) for one in recommendation().reasons)
    assert accuracy.startswith("The linear classifier is right in 81.2 %")
    assert "EUR 75.75 a month, all in" in cheapest and "the fine-tuned model" in cheapest
    assert saves == "It saves EUR 4,000 a month against what is done today."


@pytest.mark.parametrize("kind", list(ReasonKind))
def test_every_reason_has_a_sentence(kind) -> None:
    base = recommendation().reasons[1]
    found = compared(TUNE, RETRIEVE, 0.05, 0.15)
    shared = Automation(first=TUNE, coverage=share("c", 0.58), precision=share("p", 0.93), rest=0.85)
    reason = replace(
        base,
        kind=kind,
        arm=TUNE,
        others=(RETRIEVE,),
        comparison=found,
        gap=recommendation().frontier[0],
        automation=shared,
        rate=a_drill().rates[0],  # without one nothing is said of keeping up
    )
    said = reason_sentence(reason)
    assert said.endswith(".") and "None" not in said


def test_the_risk_of_rows_that_are_not_ones_own_names_them() -> None:
    assert "machine-written" in risk_sentence(recommendation().risk)
