"""What cannot be, or can hardly be: a clear error, or a stated 'cannot say'."""

from __future__ import annotations

import pytest

from advisor.advice import Do, Sureness, Today
from advisor.case import build_case
from advisor.case_file import parse_case
from advisor.errors import CaseError
from advisor.options import Option
from advisor.recommend import recommend
from advisor.text import advice_text
from tests.advisor.helpers import basis

LABELS = {"name": "x", "task": "classification", "examples": 500, "queries_per_month": 1_000}
FACTS = {"name": "x", "task": "question-answering", "needs_facts": True, "queries_per_month": 1_000}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: extraction\nlabels: 5\nneeds_facts: no\ncitations_required: yes", "2 faults"),
        (
            "task: classification\nexamples: 1\nlabels_per_class: 25",
            "25 of a label cannot be more than all",
        ),
        ("queries_per_month: 0", "must be above 0"),
        ("p95_ms: 0", "must be above 0"),
        ("quality_floor: 93", "0.93 or 93 %"),
        ("currency: QQQ", "unknown currency"),
        ('incumbent: {cost_per_item: "1,500"}', "can be read as 1.5 or 1,500"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(text, said):
    with pytest.raises(CaseError, match=said.replace("(", "\\(")):
        parse_case(f"name: x\n{text}\n", "case.yaml")


@pytest.mark.parametrize(
    ("case", "field"),
    [(LABELS | {"quality_floor": 1}, "quality_floor"), (FACTS | {"p95_ms": 1}, "p95_ms")],
)
def test_a_limit_that_nothing_can_keep_is_named_and_nothing_is_recommended(case, field):
    """'Try fine-tuning with RAG' was said at a p95 of 1 ms, and at a floor of 1 'may keep the 100 %'."""
    found = recommend(build_case(case), basis())
    done = found.recommendation
    assert done.what is Do.CHANGE_THE_CASE and done.options == () and done.cost is None
    assert found.cannot_say.startswith("No option is expected to keep its limits")
    assert [one[0] for one in done.relax] == [field]
    assert found.confidence.certainty is Sureness.NONE and "about 0 %" not in advice_text(found)


def test_a_floor_above_the_published_range_may_still_be_measured():
    case = build_case(LABELS | {"quality_floor": 0.99, "labels": 30})
    assert recommend(case, basis(), look_around=False).recommendation.what is not Do.CHANGE_THE_CASE


def test_of_a_case_without_answers_nothing_much_is_said():
    assert "habit, not advice" in recommend(build_case({"name": "x"}), basis()).cannot_say


@pytest.mark.parametrize(("volume", "first"), [(1, Today), (10**12, Option)])
def test_extreme_volumes_have_an_advice(volume, first):
    found = recommend(build_case(LABELS | {"queries_per_month": volume}), basis())
    places = {one.option: one.place for one in found.options}
    assert (found.recommendation.what is Do.KEEP) == (first is Today) and places[Option.PROMPT] is not None
    assert "unknown" not in advice_text(found).split("Why")[0].split("pays back")[0]
