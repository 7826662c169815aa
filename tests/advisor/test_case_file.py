"""Use cases read and write back; every bad answer is one clear fault, all of them at once."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from advisor.case import AnswerKind, Problem, Residency, build_case
from advisor.case_file import dump_case, load_case, parse_case
from advisor.errors import CaseError
from tests.advisor.helpers import EXAMPLES, USE_CASES


def test_a_name_is_enough():
    case = build_case({"name": "nothing known"})
    assert case.task is None and case.examples is None and case.currency == "USD"


def test_words_are_read_leniently():
    case = build_case(
        {"name": "x", "task": "Question Answering", "problems": "missing facts, style", "pii": "no"}
    )
    assert case.task is AnswerKind.QUESTION_ANSWERING
    assert case.problems == (Problem.MISSING_FACTS, Problem.STYLE)
    assert case.pii is False


@pytest.mark.parametrize("word", ["unknown", "?", "", None, "not known"])
def test_not_known_is_not_zero(word):
    assert build_case({"name": "x", "examples": word, "day_rate": word}).examples is None


@given(USE_CASES)
@settings(max_examples=60)
def test_a_case_survives_its_file(case):
    assert parse_case(dump_case(case), "again") == case


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_survive_their_file(path):
    case = load_case(path)
    assert parse_case(dump_case(case), "again") == case


BAD = [
    ({"queries_per_month": -5}, "queries_per_month: must be above 0"),
    ({"queries_per_month": 0}, "queries_per_month: must be above 0"),
    ({"horizon_months": 0}, "horizon_months: must be above 0"),
    ({"currency": "QQQ"}, "unknown currency"),
    ({"currency": "EUR", "fx": "GBP=1.3@2026-11-20"}, "no rate of EUR"),
    ({"currency": "EUR", "fx": "1.3"}, "CURRENCY=DOLLARS@DAY"),
    ({"labels": 0}, "labels: must be at least 2"),
    ({"labels": 1}, "labels: must be at least 2"),
    ({"quality_floor": 93}, "a share: 0.93 or 93 %, not 93"),
    ({"examples": 3.5}, "whole number"),
    ({"examples": True}, "must be a number"),
    ({"examples": float("nan")}, "finite"),
    ({"day_rate": "$600"}, "without a currency sign"),
    ({"day_rate": -1}, "at least 0"),
    ({"task": "clasification"}, "did you mean classification"),
    ({"pii": "perhaps"}, "yes or no"),
    ({"problems": 7}, "must be a list"),
    ({"volume": 10}, "unknown key"),
    ({"query_per_month": 10}, "did you mean queries_per_month"),
    ({"incumbent": {"kind": "robots"}}, "allowed: people, system"),
    ({"incumbent": {"cost": 1}}, "incumbent.cost: unknown key"),
    ({"incumbent": {"accuracy": 95}}, "a share"),
    ({"incumbent": 3}, "must be a mapping"),
    ({"currency": "EUR", "usd_rate": {"per_usd": 0, "as_of": "2026-01-01", "source": "x"}}, "above 0"),
    ({"currency": "EUR", "usd_rate": {"per_usd": 0.9, "source": "x"}}, "usd_rate.as_of: is missing"),
    ({"currency": "EUR", "usd_rate": {"per_usd": 0.9, "as_of": "soon", "source": "x"}}, "YYYY-MM-DD"),
    ({"offline": True, "general_model": "frontier"}, "allows none"),
    ({"residency": "self-host-only", "api_model": "openai/gpt-6-luna"}, "allows none"),
    ({"offline": True, "residency": "region"}, "exclude each other"),
    ({"labels_per_class": 50, "examples": 40}, "cannot be more than all"),
    ({"labels_per_class": 0, "labels": 3, "examples": 40}, "but there are 40 examples"),
    ({"task": "writing", "labels": 5}, "only classification has a closed label set"),
    ({"needs_facts": False, "citations_required": True}, "needs facts to cite"),
    ({"needs_facts": False, "problems": ["missing-facts"]}, "missing-facts, but needs_facts is no"),
    ({"needs_facts": True, "knowledge_tokens": 0}, "needs_facts is yes"),
    ({"prompting_items": 10}, "without prompting_accuracy"),
]


@pytest.mark.parametrize(("answers", "words"), BAD, ids=[w for _, w in BAD])
def test_bad_answers_are_refused_in_words(answers, words):
    with pytest.raises(CaseError, match="1 fault") as caught:
        build_case({"name": "x", **answers})
    assert words in str(caught.value)


def test_all_faults_come_at_once():
    with pytest.raises(CaseError, match="3 fault") as caught:
        build_case({"name": "x", "examples": -1, "horizon_months": 0, "colour": "red"})
    assert "examples" in str(caught.value) and "colour" in str(caught.value)


def test_offline_with_an_api_incumbent_is_no_contradiction():
    case = build_case({"name": "x", "offline": True, "incumbent": {"kind": "system", "cost_per_item": "0.1"}})
    assert case.incumbent.cost_per_item == Decimal("0.1")
    assert case.residency is None or case.residency is not Residency.REGION


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just words", "", "!!python/object:os.system x"])
def test_files_that_hold_no_case(text):
    with pytest.raises(CaseError):
        parse_case(text, "bad.yaml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CaseError, match="no such use case"):
        load_case(tmp_path / "none.yaml")
    with pytest.raises(CaseError, match="cannot be read"):
        load_case(tmp_path)
