"""What a sceptic looked for: contradictions, edges, figures named for what they are, today counted alike."""

from __future__ import annotations

from decimal import Decimal

import pytest

from advisor.case import build_case
from advisor.cost_sheet import cost_sheet, cost_text
from advisor.errors import CaseError
from advisor.money.ledger import PriceBasis
from advisor.predict import incumbent_total_per_1k
from advisor.recommend import recommend
from advisor.text import advice_text
from tests.advisor.helpers import basis

MODEL = "openai/gpt-6-luna"
TICKETS = {
    "name": "x",
    "task": "classification",
    "labels": 30,
    "examples": 400,
    "labels_per_class": 13,
    "label_changes_per_month": 0.1,
    "example_cost": 0.40,
    "queries_per_month": 10_000,
    "input_tokens": 90,
    "output_tokens": 6,
    "needs_facts": False,
    "general_model": "small-hosted",
    "api_model": MODEL,
    "open_model_billions": 0.135,
    "hardware": "cpu-4",
    "horizon_months": 12,
    "day_rate": 600,
}
TODAY = {"incumbent": {"cost_per_item": 0.10, "accuracy": 0.85}}


def sheet(**changes: object) -> object:
    case = build_case(TICKETS | changes)
    return cost_sheet(case, basis(MODEL).market)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": 0}, "at least 2"),
        ({"labels": 1}, "at least 2"),
        ({"horizon_months": 0}, "above 0"),
        ({"horizon_months": -1}, "above 0"),
        ({"queries_per_month": 0}, "above 0"),
        ({"queries_per_month": -5}, "above 0"),
        ({"queries_per_month": float("nan")}, "finite"),
        ({"currency": "QQQ"}, "unknown currency"),
        ({"citations_required": True}, "needs_facts"),
        ({"offline": True}, "hosted"),
        ({"residency": "self-host-only"}, "hosted"),
        ({"examples": 10, "labels_per_class": 25}, "more than all"),
        ({"open_model_billions": 0}, "above 0"),
        ({"incumbent": {"cost_per_item": 1, "accuracy": 93}}, "not 93"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(changes: dict[str, object], said: str) -> None:
    with pytest.raises(CaseError, match=said):
        build_case(TICKETS | changes)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(CaseError) as caught:
        build_case(TICKETS | {"labels": 0, "horizon_months": 0, "currency": "QQQ", "volume": 3})
    assert all(word in str(caught.value) for word in ("labels", "horizon_months", "currency", "volume"))


def test_a_number_of_labels_that_is_assumed_is_no_measurement() -> None:
    """600 rows wanted, 400 there: 200 bought at $0.40, and 2 a month for a tenth of a label."""
    linear = next(o for o in sheet().options if o.option.value == "linear")
    (once,) = [line for line in linear.one_off if line.name == "labelling"]
    (month,) = [line for line in linear.monthly if line.name == "new rows"]
    assert (once.amount_usd, month.amount_usd) == (Decimal("80.00"), Decimal("0.80"))
    assert {once.basis, month.basis} == {PriceBasis.ESTIMATE}


def test_only_ranges_that_something_hangs_on_are_called_assumed() -> None:
    assert [a.key for a in sheet().assumed] == []
    bare = {key: value for key, value in TICKETS.items() if key not in {"day_rate", "needs_facts"}}
    found = cost_sheet(build_case(bare), basis(MODEL).market).assumed
    assert {"day_rate", "knowledge_tokens"} <= {a.key for a in found}
    other = {"name": "x", "task": "writing", "needs_facts": False, "api_model": MODEL}
    found = cost_sheet(build_case(other), basis(MODEL).market).assumed
    assert {a.key for a in found}.isdisjoint({"labels", "label_changes_per_month", "knowledge_tokens"})


def test_today_is_set_beside_the_options_wrong_answers_and_all() -> None:
    """$0.10 an item, and 15 of 100 wrong at $0.50: $100 and $75 per 1,000."""
    case = build_case(TICKETS | TODAY | {"wrong_answer_cost": 0.50})
    assert incumbent_total_per_1k(case) == Decimal(175)
    text = " ".join(advice_text(recommend(case, basis(MODEL)), verbose=False).split())
    assert ": $100 for 1,000 queries, 85 % right, $175 in all with its wrong answers" in text
    for unknown in ({}, TODAY, {"incumbent": {"cost_per_item": 1}, "wrong_answer_cost": 1}):
        assert incumbent_total_per_1k(build_case(TICKETS | unknown)) is None


def test_the_cost_sheet_says_what_is_saved_against_today() -> None:
    """Prompt: $1,000 today less $150.62 a month is $849.38; $2,040 once is earned back in 2.4 months."""
    found = sheet(**TODAY)
    prompt = next(o for o in found.options if o.option.value == "prompt").against_today
    assert prompt is not None and prompt.monthly_saving_usd == Decimal("849.38")
    assert prompt.payback_months == Decimal(2040) / Decimal("849.38")
    assert "$849 a month saved; it pays back in 2.4 months" in cost_text(found)
    dear = cost_text(sheet(incumbent={"cost_per_item": 0.001}))
    assert "a month more; it does not pay back" in dear
    assert sheet().options[0].against_today is None


def test_a_model_that_does_not_fit_its_gpu_is_refused_with_what_would_fit() -> None:
    """70 billion weights at half a byte are 33 GiB, a T4 has 16, an A100 40 or 80; it was only noted."""
    large = {"hardware": "T4", "open_model_billions": 70}
    said = cost_text(sheet(**large))
    assert (
        "70 billion parameters take 33 GB; T4 has 16: take a machine with 40 GB, or a model below 34 billion"
        in said
    )
    found = {o.option.value: o.vetoes for o in sheet(**large).options}
    assert found["tune"] and found["tune+retrieve"] and not found["prompt"] and not found["linear"]
    own = recommend(build_case(TICKETS | large | {"general_model": "own"}), basis(MODEL))
    ruled_out = {o.option.value for o in own.options if o.vetoes}
    assert {"tune", "prompt", "retrieve", "tune+retrieve"} <= ruled_out
    assert not any(o.vetoes for o in sheet(hardware="A100-80", open_model_billions=70).options)
    assert not any(o.vetoes for o in sheet(hardware="T4", open_model_billions=8).options)


def test_a_machine_without_a_known_speed_is_said_to_borrow_one() -> None:
    borrowed = sheet(hardware="H9000", machine_hour_cost=2)
    assert borrowed.notes == ("no speed is known for H9000; that of L4 stands in",)
    assert "that of L4 stands in" in cost_text(borrowed)
    assert sheet(hardware="T4").notes == ()


def test_a_slower_machine_serves_less() -> None:
    t4, l4 = (
        next(
            o
            for o in sheet(hardware=name, queries_per_month=1e8, open_model_billions=8).options
            if o.option.value == "tune"
        )
        for name in ("T4", "L4")
    )
    hours = [next(line.quantity for line in o.monthly if line.name == "machines") for o in (t4, l4)]
    assert hours[0] > hours[1]


def test_where_nothing_keeps_a_limit_no_side_of_the_question_is_named():
    """A tuned model was named for 5 ms though it takes 150, as only RAG was ruled out before any figure."""
    case = build_case({"name": "x", "task": "question answering", "needs_facts": "yes", "p95_ms": 5})
    text = " ".join(advice_text(recommend(case, basis()), verbose=False).split())
    assert "RAG or fine-tuning? Neither keeps the limits as they stand; RAG is ruled out" in text
    assert "may beat both" not in text


def test_the_best_sentence_of_the_documents_is_called_what_it_is():
    asked = {"name": "x", "task": "question answering", "needs_facts": "yes"}
    measured = {"measured": [{"option": "neighbours", "accuracy": 0.85, "items": 200}]}
    for case, words in ((asked, ""), (asked | measured, ", and was measured: 85 % right")):
        text = " ".join(advice_text(recommend(build_case(case), basis()), verbose=False).split())
        assert f"a baseline that a run measures beside the others{words} linear:" in text
