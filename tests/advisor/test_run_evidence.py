"""A stored run as evidence: what it measured counts before what is published."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.assumed import resolve
from advisor.case import build_case
from advisor.commands import CommandPrices, advise
from advisor.economics import option_tco
from advisor.errors import CaseError
from advisor.money.change_rate import DRILLED_LINE, MONTH_S
from advisor.money.ledger import PriceBasis
from advisor.money.money import Scenario
from advisor.money.tco import STALE_LINE
from advisor.options import Option
from advisor.recommend import recommend
from advisor.run_evidence import change_sentence, read_run, with_evidence
from advisor.sentences import cost_sentence
from harness.core.records import ArmId
from harness.freshness.records import Moment
from harness.freshness.store import write_drill
from harness.report.text import render_text
from harness.report.topics.advice import advice_document
from tests.advisor.helpers import basis
from tests.support.drills import a_drill, dollars

SERVED = next((Path(__file__).parents[1] / "golden" / "served").glob("2*/results.json")).parent
TICKETS = {"name": "Tickets", "task": "classification", "labels": 30, "examples": 3000, "quality_floor": 0.9}


def stored(folder: Path, *arms: tuple[str, str, float | None, int, float], task: str = "classification"):
    rows = [
        {
            "arm": {"option": option, "model": model},
            "quality": {"primary": {"value": value, "n": n}, "dev": {"value": dev, "n": 50}},
        }
        for option, model, value, n, dev in arms
    ]
    text = json.dumps({"run_id": "20260101-000000-abcdef", "task": task, "arms": rows, "more": 1})
    (folder / "results.json").write_text(text, encoding="utf-8")
    return read_run(str(folder))


def test_a_run_of_an_earlier_version_is_read():
    found = read_run(str(SERVED))
    assert found.run_id == SERVED.name
    options = {one.option for one in found.measured}
    assert Option.PROMPT in options and Option.LINEAR in options and Option.FLOOR not in options
    assert all(one.items == 40 and SERVED.name in one.source for one in found.measured)


def test_of_several_models_the_best_on_dev_speaks_and_not_the_best_on_test(tmp_path):
    found = stored(tmp_path, ("prompt", "a", 0.70, 200, 0.9), ("prompt", "b", 0.95, 200, 0.8))
    assert [(one.accuracy, "with a" in one.source) for one in found.measured] == [(0.70, True)]


def test_what_was_measured_comes_before_what_is_published_and_what_was_typed(tmp_path):
    run = stored(tmp_path, ("prompt", "m", 0.99, 1000, 0.99), ("linear", "linear", 0.5, 1000, 0.5))
    case = build_case(TICKETS | {"classifier_accuracy": 0.99, "classifier_items": 1000})
    assert recommend(case, basis()).recommendation.options == (Option.LINEAR,)
    known = with_evidence(case, run)
    assert known.classifier_accuracy is None
    advice = recommend(known, basis())
    assert advice.recommendation.options == (Option.PROMPT,)
    linear = next(one.prediction for one in advice.options if one.option is Option.LINEAR)
    assert linear.accuracy_high < 0.55 and "run 20260101" in linear.accuracy_source


def test_a_measured_tune_replaces_its_band(tmp_path):
    known = with_evidence(build_case(TICKETS), stored(tmp_path, ("tune", "m", 0.97, 500, 0.9)))
    found = next(one.prediction for one in recommend(known, basis()).options if one.option is Option.TUNE)
    assert 0.94 < found.accuracy_low < 0.97 < found.accuracy_high


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "cannot be used"), ('{"run_id": "x", "arms": 3}', "arms"), ('{"run_id": "x"}', "measured none")],
)
def test_a_run_that_cannot_be_used_is_refused_by_name(tmp_path, text, says):
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match=says):
        read_run(str(tmp_path))


def test_a_run_that_is_not_there_or_asked_something_else_is_refused(tmp_path):
    with pytest.raises(CaseError, match="no such run"):
        read_run(str(tmp_path / "none"))
    with pytest.raises(CaseError, match=r"no results\.json"):
        read_run(str(tmp_path))
    run = stored(tmp_path, ("prompt", "m", 0.9, 100, 0.9), task="question_answering")
    with pytest.raises(CaseError, match="none of this use case"):
        with_evidence(build_case(TICKETS), run)


def test_one_option_is_measured_once():
    twice = [{"option": "tune", "accuracy": 0.9, "items": 10}] * 2
    with pytest.raises(CaseError, match="more than once"):
        build_case(TICKETS | {"measured": twice})
    both = {"measured": [{"option": "prompt", "accuracy": 0.9, "items": 10}], "prompting_accuracy": 0.8}
    with pytest.raises(CaseError, match="keep one"):
        build_case(TICKETS | both)
    with pytest.raises(CaseError, match="unknown option"):
        build_case(TICKETS | {"measured": [{"option": "magic", "accuracy": 0.9, "items": 10}]})


FACTS = {"name": "Handbook", "task": "question-answering", "needs_facts": True, "knowledge_tokens": 500_000}


def test_a_search_that_finds_nothing_rules_retrieval_out():
    found = recommend(build_case(FACTS | {"retrieval_recall": 0}), basis())
    out = {one.option for one in found.options if one.vetoes}
    assert {Option.RETRIEVE, Option.TUNE_RETRIEVE} <= out
    assert found.recommendation.options != (Option.RETRIEVE,)


def test_where_everything_is_ruled_out_the_limit_to_relax_is_named():
    case = {"p95_ms": 1, "citations_required": True, "output_tokens": 300, "residency": "anywhere"}
    found = recommend(build_case(FACTS | case), basis())
    assert found.first is None and "p95_ms" in found.cannot_say and "would leave" in found.cannot_say


def test_the_drill_of_a_run_says_above_which_changes_a_month_retrieving_wins(tmp_path):
    neighbours, linear = {"option": "neighbours", "model": "rows"}, {"option": "linear", "model": "linear"}
    above = {"value": 12.0, "low": 8.0, "high": "Infinity"}
    drill = {
        "of": "labels",
        "rates": [
            {
                "retrieving": neighbours,
                "training": linear,
                "both": above,
            }
        ],
    }
    (tmp_path / "freshness.json").write_text(json.dumps(drill), encoding="utf-8")
    run = stored(tmp_path, ("linear", "linear", 0.9, 100, 0.9))
    [found] = run.changes
    assert (found.above, found.low) == (12.0, 8.0)
    case = build_case(TICKETS | {"label_changes_per_month": 20})
    said = change_sentence(found, case)
    assert "above 12 changes a month (95 % above 8 changes a month to at no rate)" in said
    assert "this use case has 20 a month, above that" in said
    seldom = build_case(TICKETS | {"label_changes_per_month": 12})
    assert "has 12 a month, not above that" in change_sentence(found, seldom)
    assert "does not say how often" in change_sentence(found, build_case(TICKETS))
    never = change_sentence(replace(found, above=float("inf"), low=None, high=None), case)
    assert "right more often at no rate" in never and "not above that" in never
    assert "not measurable" in change_sentence(replace(found, above=None), case)
    drill["rates"] = "none"
    (tmp_path / "freshness.json").write_text(json.dumps(drill), encoding="utf-8")
    with pytest.raises(CaseError, match="rates"):
        stored(tmp_path, ("linear", "linear", 0.9, 100, 0.9))


def drilled(folder: Path, wait_hours: float = 0.0, seconds: float = 3600.0) -> Path:
    """A drill as the harness stores it: linear and the encoder trained again, neighbours indexed again."""
    drill = a_drill()
    [neighbours, linear, _] = drill.arms
    encoder = ArmId(option=Option.ENCODER, model="minilm-l6")
    lost = tuple(
        replace(one, primary=replace(one.primary, value=0.5)) if one.moment is Moment.STALE else one
        for one in linear.scores
    )
    trained = replace(linear, arm=encoder, update_s=(seconds,), update_usd=dollars("0.09"), scores=lost)
    write_drill(folder, replace(drill, arms=(neighbours, linear, trained), retrain_wait_hours=wait_hours))
    return folder


def test_what_a_drill_measured_stands_in_the_place_of_the_assumed_cost_of_change(tmp_path):
    """The same use case, with the drill and without: the ledger and the sum name the drill."""
    found = read_run(str(drilled(tmp_path)))
    case = build_case(
        TICKETS | {"label_changes_per_month": 20, "wrong_answer_cost": 1, "queries_per_month": 10_000}
    )
    assumed = basis().market
    measured = replace(assumed, drilled=found.updates)
    inputs = resolve(case, assumed.assumptions, Scenario.LIKELY)
    before, after = (
        option_tco(case, Option.ENCODER, inputs, market, accuracy=0.8) for market in (assumed, measured)
    )
    lines = {entry.name: entry for entry in after.monthly}
    assert lines[DRILLED_LINE].amount_usd == 20 * Decimal("0.09")
    assert lines[DRILLED_LINE].basis is PriceBasis.MEASURED and tmp_path.name in lines[DRILLED_LINE].source
    share = 20 * 3600 / MONTH_S * 0.2
    assert float(lines[STALE_LINE].amount_usd or 0) == pytest.approx(10_000 * share)
    assert STALE_LINE not in {entry.name for entry in before.monthly}
    assert (after.monthly_usd or 0) - (before.monthly_usd or 0) == pytest.approx(
        Decimal("1.8") + Decimal(10_000 * share)
    )
    tuned = option_tco(case, Option.TUNE, inputs, measured, accuracy=0.8)
    assert tuned == option_tco(case, Option.TUNE, inputs, assumed, accuracy=0.8), "it was not drilled"


def test_a_drill_by_itself_is_evidence_and_the_cost_names_it(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(
        json.dumps(TICKETS | {"quality_floor": 0.5, "label_changes_per_month": 3, "queries_per_month": 9000})
    )
    advice = advise(path, CommandPrices(price_at="2026-11-23"), str(drilled(tmp_path)))
    option = advice.recommendation.options[0]
    cost = advice.recommendation.cost
    assert option in (Option.LINEAR, Option.ENCODER, Option.NEIGHBOURS) and cost is not None
    assert cost.drilled is not None and cost.drilled.source == f"measured in the drill of {tmp_path.name}"
    said = cost_sentence(advice.recommendation, lambda usd: f"${usd}")
    assert "a month for updates, measured in the drill of" in said and said.endswith(", not assumed")
    [note] = [one for one in advice.notes if one.startswith("cost of a change of labels")]
    assert "encoder $0.09 and 3,600.0 s a change, 20.0 points fewer right until then" in note


def test_a_model_that_waits_after_its_training_is_stale_for_longer(tmp_path):
    [*_, encoder] = read_run(str(drilled(tmp_path, wait_hours=2))).updates
    assert encoder.seconds == 3 * 3600


def test_the_report_of_a_prediction_says_what_of_its_cost_was_measured(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(
        json.dumps(TICKETS | {"quality_floor": 0.5, "label_changes_per_month": 3, "queries_per_month": 9000})
    )
    advice = advise(path, CommandPrices(price_at="2026-11-23"), str(drilled(tmp_path)))
    said = render_text(advice_document(advice, datetime(2026, 11, 23, tzinfo=UTC), ""), 400)
    assert "Of it, keeping up:" in said and "with what was measured so far" in said
    assert "nothing has been measured" not in said
