"""A stored run as evidence: what it measured counts before what is published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.case import build_case
from advisor.errors import CaseError
from advisor.options import Option
from advisor.recommend import recommend
from advisor.run_evidence import change_sentence, read_run, with_evidence
from tests.advisor.helpers import basis

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
        "arms": [{"arm": neighbours, "update_s": [0.5]}, {"arm": linear, "update_s": [20.0, 30.0]}],
    }
    (tmp_path / "freshness.json").write_text(json.dumps(drill), encoding="utf-8")
    run = stored(tmp_path, ("linear", "linear", 0.9, 100, 0.9))
    [found] = run.changes
    assert (found.above, found.indexing_s, found.training_s) == (12.0, 0.5, 25.0)
    case = build_case(TICKETS | {"label_changes_per_month": 20})
    said = change_sentence(found, case)
    assert "above 12 changes a month (95 % above 8 changes a month to at no rate)" in said
    assert "training again took 25.0 s" in said and "this use case has 20 a month, above that" in said
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
