"""What decides is asked: each answer moves the order the way its reason says."""

from __future__ import annotations

import pytest

from advisor.case import build_case
from advisor.errors import CaseError
from advisor.options import Option
from advisor.recommend import recommend
from advisor.rubric.rubric import load_rubric
from advisor.rubric.scoring import score
from advisor.sentences import cost_sentence
from tests.advisor.helpers import basis

TAGS = {"name": "Tags", "task": "classification", "labels": 20, "examples": 3000, "general_model": "frontier"}
SCARCE = {"name": "Calls", "task": "tool-calls", "examples": 50, "general_model": "frontier"}
FACTS = {"name": "Facts", "task": "question-answering", "needs_facts": True, "examples": 2000}
SUMMARY = {"name": "Notes", "task": "summarisation", "examples": 3000, "general_model": "frontier"}


def lead(raw: dict, one: Option, other: Option) -> float:
    totals = score(build_case(raw), load_rubric()).totals
    return float(totals[one] - totals[other])


@pytest.mark.parametrize(
    ("raw", "answer", "gains", "loses"),
    [
        (SCARCE, {"model_writes_rows": True}, Option.TUNE, Option.PROMPT),
        (TAGS, {"inputs_differ": True}, Option.PROMPT, Option.ENCODER),
        (SUMMARY, {"references_good": False}, Option.PROMPT, Option.TUNE),
        (SUMMARY, {"references_good": True}, Option.TUNE, Option.PROMPT),
        (TAGS, {"days_to_ship": 7}, Option.PROMPT, Option.TUNE),
        (TAGS, {"deletion_on_request": True}, Option.RETRIEVE, Option.TUNE),
        (FACTS, {"audit": True}, Option.RETRIEVE, Option.TUNE),
        (SUMMARY, {"one_right_answer": False}, Option.PROMPT, Option.ENCODER),
    ],
)
def test_an_answer_moves_the_order_the_way_its_reason_says(raw, answer, gains, loses):
    assert lead(raw | answer, gains, loses) > lead(raw, gains, loses)


def test_rows_that_a_model_writes_weigh_less_the_more_examples_there_are():
    written = {"model_writes_rows": True}
    moved = [
        lead(SCARCE | {"examples": n} | written, Option.TUNE, Option.PROMPT)
        - lead(SCARCE | {"examples": n}, Option.TUNE, Option.PROMPT)
        for n in (50, 300, 5000)
    ]
    assert moved[0] > moved[1] > moved[2] == 0


def test_without_examples_training_is_ruled_out_unless_a_model_can_write_them():
    none = build_case(SCARCE | {"examples": 0})
    written = build_case(SCARCE | {"examples": 0, "model_writes_rows": True})
    assert score(none, load_rubric()).vetoes[Option.TUNE]
    assert not score(written, load_rubric()).vetoes[Option.TUNE]


def test_facts_that_not_everyone_may_see_are_not_tuned_in():
    found = recommend(build_case(FACTS | {"access_rights": True}), basis())
    tune = next(one for one in found.options if one.option is Option.TUNE)
    assert any("held back" in veto.reason for veto in tune.vetoes)
    assert found.recommendation.options[0] in (Option.RETRIEVE, Option.TUNE_RETRIEVE)


def test_what_nobody_answered_is_asked_where_it_would_change_the_advice():
    """Of a case in which fifty rows are all there is."""
    found = recommend(build_case(SCARCE), basis())
    assert "model_writes_rows" in [one.field for one in found.open_questions]


def test_silence_means_no_and_is_not_counted_as_unknown():
    names = {factor.name for factor in load_rubric().factors if factor.unless_said}
    found = score(build_case(TAGS), load_rubric())
    assert names and not names & set(found.unknown)


def test_no_direction_of_the_rubric_and_no_band_rests_on_a_figure_without_an_address():
    sources = [one.source for one in load_rubric().factors] + [one.opened for one in load_rubric().factors]
    bands = basis().bands
    sources += [band.source for band in bands.accuracy] + [row.source for row in bands.latency.values()]
    assert not [source for source in sources if "unverified" in source or "not found" in source]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"examples": 1, "labels_per_class": 25}, "cannot be more than all 1"),
        ({"queries_per_month": 1e300}, "at most 1e"),
        ({"queries_per_month": 0}, "above 0"),
        ({"quality_floor": 1.01}, "at most 1"),
        ({"currency": "QQQ"}, "unknown currency"),
        ({"days_to_ship": 0}, "above 0"),
        ({"offline": True, "api_model": "openai/gpt-6-luna"}, "allows none"),
        ({"citations_required": True, "needs_facts": False}, "needs facts to cite"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(answers, says):
    with pytest.raises(CaseError, match=says):
        build_case({"name": "x", **answers})


@pytest.mark.parametrize("volume", [1e-6, 1.0, 1e15])
def test_a_volume_beyond_all_use_still_ends_in_advice(volume):
    case = build_case(TAGS | {"queries_per_month": volume})
    assert len(recommend(case, basis(), look_around=False).recommendation.reasons) == 3


def test_a_floor_of_one_is_said_not_to_be_shown_by_any_measurement():
    found = recommend(build_case(TAGS | {"quality_floor": 1}), basis(), look_around=False)
    assert any("cannot be said" in note for note in found.notes)


def test_of_nothing_nothing_is_said():
    found = recommend(build_case({"name": "x"}), basis(), look_around=False)
    assert "habit, not advice" in found.cannot_say


def test_within_a_millisecond_no_model_that_is_called_answers():
    found = recommend(build_case(TAGS | {"p95_ms": 1}), basis(), look_around=False)
    assert {one.option for one in found.options if one.vetoes} >= {Option.PROMPT, Option.RETRIEVE}


def test_the_likely_cost_stands_beside_its_span():
    found = recommend(build_case(FACTS | {"queries_per_month": 50_000}), basis(), look_around=False)
    cost = found.recommendation.cost
    assert cost.usd_per_month.low < cost.usd_per_month.likely < cost.usd_per_month.high
    text = " ".join(cost_sentence(found.recommendation, lambda usd, exact=False: f"${usd:,.0f}").split())
    assert f"about ${cost.usd_per_month.likely:,.0f} (${cost.usd_per_month.low:,.0f} to" in text
