"""The ways of today: a whole table, and those that fit a use case."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from advisor.case import build_case
from advisor.case_file import load_case
from advisor.options import ADVISED, WAYS, Option, Way
from advisor.recommend import recommend
from advisor.text import advice_text
from advisor.ways import fitting, way_cost
from tests.advisor.helpers import EXAMPLES, USE_CASES, basis

DOCS = (Path(__file__).parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")


def test_the_table_is_whole_and_every_option_has_a_way():
    assert set(WAYS) == set(Way)
    assert {way.traits.option for way in Way} == {*ADVISED, None}
    for way, traits in WAYS.items():
        assert traits.needs and traits.costs and traits.can and traits.measured_as
        assert f"| {way.value} |" in DOCS


def test_what_a_run_measures_in_the_place_of_a_way_is_an_option_that_a_plan_can_name():
    for traits in WAYS.values():
        if traits.option is not None:
            assert Option(traits.measured_as.partition("@")[0]).traits.runs


@given(USE_CASES)
def test_every_option_of_every_use_case_has_a_way(case):
    for option in ADVISED:
        found = fitting(case, option)
        assert found and all(way.traits.option is option for way in found)


FACTS = {"name": "F", "task": "question-answering", "needs_facts": True}


@pytest.mark.parametrize(
    ("answers", "option", "first"),
    [
        ({"knowledge_changes_per_month": 20_000}, Option.RETRIEVE, Way.TOOLS),
        ({"knowledge_changes_per_month": 2}, Option.RETRIEVE, Way.RETRIEVE),
        ({"retrieval_recall": 0.6}, Option.RETRIEVE, Way.RERANK),
        ({"knowledge_tokens": 15_000}, Option.PROMPT, Way.WHOLE_TEXT),
        ({"knowledge_tokens": 15_000_000}, Option.PROMPT, Way.PROMPT),
        ({"model_writes_rows": True, "examples": 50}, Option.TUNE, Way.DISTILLED),
        ({"general_model": "frontier"}, Option.TUNE, Way.HOSTED_TUNING),
        ({"queries_per_month": 500}, Option.TUNE, Way.SERVERLESS_LORA),
        ({"queries_per_month": 500, "residency": "self-host-only"}, Option.TUNE, Way.OWN_TUNING),
    ],
)
def test_the_way_that_fits_stands_first(answers, option, first):
    assert fitting(build_case(FACTS | answers), option)[0] is first


def test_realtime_quotes_hear_of_a_call_of_the_source_and_that_no_run_makes_it():
    case = load_case(next(path for path in EXAMPLES if path.stem == "realtime-stocks"))
    text = " ".join(advice_text(recommend(case, basis(case.api_model), look_around=False)).split())
    assert "Calls of the live source" in text and "a run measures retrieve in its place" in text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_way_has_a_price_or_the_reason_why_not(path):
    case = load_case(path)
    found = recommend(case, basis(case.api_model), look_around=False).ways
    assert sorted(one.way for one in found) == sorted(Way)
    for one in found:
        priced = None not in (one.usd_once.likely, one.usd_per_month.likely)
        assert priced != bool(one.not_priced), one
        if priced:
            assert one.usd_per_month.low <= one.usd_per_month.likely <= one.usd_per_month.high


def test_ways_differ_from_their_option_where_they_are_paid_otherwise():
    """20,000 tokens of text; two calls where a live source is asked; a reranker at 0.002 dollars a query."""
    case = build_case(FACTS | {"knowledge_tokens": 20_000, "queries_per_month": 1_000, "examples": 10})
    found = {way: way_cost(case, way, basis().market) for way in Way}
    month = {way: one.usd_per_month.likely for way, one in found.items()}
    assert month[Way.RERANK] - month[Way.RETRIEVE] == 2
    assert month[Way.PROMPT] < month[Way.WHOLE_TEXT] and month[Way.PROMPT] < month[Way.TOOLS]
    assert month[Way.SERVERLESS_LORA] < month[Way.OWN_TUNING], "no machine day and night"
    assert found[Way.DISTILLED].usd_once.likely < found[Way.OWN_TUNING].usd_once.likely
    assert found[Way.KEEP].not_priced and found[Way.MODEL_TO_PEOPLE].not_priced
    assert "training" in found[Way.HOSTED_TUNING].left_out and found[Way.TOOLS].left_out


def test_nothing_hosted_is_priced_where_no_data_may_leave():
    case = build_case(FACTS | {"residency": "self-host-only", "queries_per_month": 1_000})
    for way in (Way.RERANK, Way.HOSTED_TUNING, Way.SERVERLESS_LORA, Way.DISTILLED):
        assert "leave" in way_cost(case, way, basis().market).not_priced
    assert not way_cost(case, Way.TOOLS, basis().market).not_priced, "the model of one's own calls the source"


def test_today_s_way_is_not_explained():
    case = build_case(FACTS | {"queries_per_month": 10, "incumbent": {"cost_per_item": 0.01}})
    found = recommend(case, basis(), look_around=False)
    assert found.recommendation.ways == (Way.KEEP,) and "How it is done" not in advice_text(found)
