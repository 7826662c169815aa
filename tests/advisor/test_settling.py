"""The runner-up, what would put it first, the cheapest test and what the cost hangs on are true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.advice import Do, Today
from advisor.case import Measurement, UseCase, build_case
from advisor.case_file import load_case
from advisor.options import Option
from advisor.recommend import recommend
from advisor.run_evidence import with_measured
from advisor.text import advice_text
from tests.advisor.helpers import EXAMPLES, basis

CASES = tuple(load_case(path) for path in EXAMPLES)


def first_of(case: UseCase) -> object:
    found = recommend(case, basis(case.api_model), look_around=False)
    return Today.KEEP if found.recommendation.what is Do.KEEP else found.first and found.first.option


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_said_to_put_the_runner_up_first_does(case):
    found = recommend(case, basis(case.api_model)).recommendation.runner_up
    assert found is not None and found.choice is not first_of(case)
    if found.flip is not None and found.flip.field in ("queries_per_month", "knowledge_changes_per_month"):
        beyond = found.flip.at * (1.02 if found.flip.above else 0.98)
        assert first_of(replace(case, **{found.flip.field: beyond})) is found.choice
    if found.right is not None:
        for right, leads in ((found.right, True), (found.right - 0.02, False)):
            measured = Measurement(option=Option(found.choice), accuracy=right, items=found.items)
            assert (first_of(with_measured(case, (measured,))) is found.choice) is leads


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cheapest_test_leads_where_it_says(case):
    found = recommend(case, basis(case.api_model)).recommendation.tries
    for right, leads in () if found is None else found.leads_to:
        measured = Measurement(option=Option.PROMPT, accuracy=right / found.items, items=found.items)
        assert first_of(with_measured(case, (measured,))) is leads


def test_what_the_cost_hangs_on_is_named_and_moves_it():
    case = next(one for one in CASES if one.name == "Ticket routing")
    found = recommend(case, basis(case.api_model)).recommendation.dominant
    assert found.field == "accuracy" and found.usd_low < found.usd_high
    unpriced = recommend(replace(case, wrong_answer_cost=None), basis(case.api_model)).recommendation.dominant
    assert unpriced is None or unpriced.field not in ("accuracy", "horizon_months")


ODD = (
    {"task": "writing", "p95_ms": 50, "output_tokens": 500},
    {"task": "question-answering", "needs_facts": True, "citations_required": True,
     "knowledge_tokens": 10**8, "retrieval_recall": 0, "offline": True},
    {"task": "writing", "needs_facts": False, "examples": 0, "offline": True, "hardware": "T4",
     "open_model_billions": 70},
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_where_all_is_ruled_out_the_limit_to_relax_is_named_and_is_enough(odd):
    case = build_case({"name": "odd", **odd})
    found = recommend(case, basis())
    assert found.recommendation.what is Do.CHANGE_THE_CASE
    for field, _, first in found.recommendation.relax:
        assert first_of(replace(case, **{field: None})) is first
        assert field in " ".join(advice_text(found).split())
    if not found.recommendation.relax:
        assert "no single limit" in advice_text(found)
