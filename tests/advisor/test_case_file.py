"""Use cases read and write back; every bad answer is one clear fault, all of them at once."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from advisor.case import AnswerKind, Incumbent, Problem, Residency, build_case
from advisor.case_file import dump_case, load_case, numbers_read, parse_case
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
    ({"day_rate": "a lot"}, "day_rate: must be an amount; 'a lot' is no number"),
    ({"day_rate": "600 BTC"}, "'600 BTC' is no number"),
    ({"day_rate": "600 \u20ac", "currency": "USD"}, "day_rate: is in EUR, but this use case is in USD"),
    ({"day_rate": "600 \u20ac", "example_cost": "1 USD"}, "day_rate: is in EUR, but this use case is in USD"),
    ({"p95_ms": "2 apples"}, "p95_ms: must be a number of milliseconds; '2 apples' is no number"),
    ({"queries_per_month": "1.000 - 50.000"}, "is a range: write one figure"),
    ({"labels": "30 St\u00fccke"}, "'30 St\u00fccke' is no number"),
    ({"queries_per_month": "now and then"}, "'now and then' is no number"),
    (
        {"queries_per_month": "20 per user per day"},
        "is no number; allowed: such as 12.500, 10k or 150 per day",
    ),
    ({"queries_per_month": "5-10k"}, "is a range: write one figure"),
    ({"queries_per_month": "5 \u00e0 10 mille"}, "is a range: write one figure"),
    ({"horizon_months": "6-12 months"}, "is a range: write one figure"),
    ({"p95_ms": "1 to 2 s"}, "is a range: write one figure"),
    ({"quality_floor": "110 %"}, "must be at most 1"),
    ({"wrong_answer_cost": "5 kr"}, "'5 kr' is no number; allowed: such as 5"),
    ({"languages": "de en"}, "got 'de en', allowed: codes such as en, de"),
    ({"languages": "all"}, "codes such as en, de"),
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


WRITTEN = [
    ({"p95_ms": "2 Sekunden"}, 2000),
    ({"p95_ms": "500ms"}, 500),
    ({"p95_ms": "1,5 s"}, 1500),
    ({"queries_per_month": "12.500 pro Monat"}, 12_500),
    ({"queries_per_month": "3 million tickets a year"}, 250_000),
    ({"queries_per_month": "10k/day"}, 304_000),
    ({"queries_per_month": "about 12 Tsd."}, 12_000),
    ({"knowledge_changes_per_month": "t\u00e4glich"}, 30.4),
    ({"knowledge_changes_per_month": "every hour"}, 730),
    ({"knowledge_changes_per_month": "once a week"}, 4.35),
    ({"knowledge_changes_per_month": "0"}, 0),
    ({"knowledge_tokens": "1.200 Seiten"}, 600_000),
    ({"labels": "30 St\u00fcck"}, 30),
    ({"examples": "3.000 rows"}, 3000),
    ({"open_model_billions": "7B"}, 7),
    ({"open_model_billions": "135M"}, 0.135),
    ({"horizon_months": "2 years"}, 24),
    ({"days_to_ship": "6 weeks"}, 42),
    ({"quality_floor": "93 percent"}, 0.93),
    ({"label_noise": "3,5 %"}, 0.035),
    ({"example_cost": "10 Cent"}, Decimal("0.10")),
    ({"needs_facts": "ja"}, True),
    ({"pii": "Nein"}, False),
    ({"residency": "on premises only"}, Residency.SELF_HOST),
    ({"task": "Summarization"}, AnswerKind.SUMMARISATION),
    ({"queries_per_month": "12.500 per maand"}, 12_500),
    ({"queries_per_month": "12\u00a0500 par mois"}, 12_500),
    ({"queries_per_month": "3 mila al mese"}, 3000),
    ({"queries_per_month": "10 tys. miesi\u0119cznie"}, 10_000),
    ({"queries_per_month": "1,2 mln"}, 1_200_000),
    ({"queries_per_month": "150 per working day"}, 3255),  # 21.7 of them a month
    ({"queries_per_month": "150 per day"}, 4560),
    ({"queries_per_month": ">10k"}, 10_000),
    ({"queries_per_month": "10.000+"}, 10_000),
    ({"queries_per_month": "onbekend"}, None),
    ({"queries_per_month": "k.A."}, None),
    ({"knowledge_changes_per_month": "codziennie"}, 30.4),
    ({"knowledge_changes_per_month": "every two weeks"}, 2.175),
    ({"knowledge_changes_per_month": "alle 3 Monate"}, 1 / 3),
    ({"knowledge_changes_per_month": "twice a week"}, 8.7),
    ({"knowledge_changes_per_month": "jamais"}, 0),
    ({"knowledge_tokens": "1.200 pagina's"}, 600_000),
    ({"p95_ms": "< 2 seconden"}, 2000),
    ({"quality_floor": "mind. 90 %"}, 0.9),
    ({"quality_floor": "93,5 pour cent"}, 0.935),
    ({"label_noise": "3,5 procent"}, 0.035),
    ({"horizon_months": "2 ans"}, 24),
    ({"days_to_ship": "2 mesi"}, 60.8),
    ({"example_cost": "5,-"}, 5),
    ({"needs_facts": "oui"}, True),
    ({"pii": "nie"}, False),
    ({"languages": "Deutsch und English; fr/Suomi"}, ("de", "en", "fr", "fi")),
    ({"problems": "cost and latency"}, (Problem.COST, Problem.LATENCY)),
]


@pytest.mark.parametrize(("answers", "meant"), WRITTEN, ids=[str(a) for a, _ in WRITTEN])
def test_figures_may_carry_their_unit_and_words_may_be_other_ones(answers, meant):
    (field,) = answers
    case = build_case({"name": "x", **answers})
    found = getattr(case, field)
    assert found == (pytest.approx(meant) if isinstance(found, int | float | Decimal) else meant)
    assert parse_case(dump_case(case), "x") == case


def test_the_sign_of_an_amount_is_the_currency_of_the_use_case():
    answers = {
        "wrong_answer_cost": "1.200,50 \u20ac",
        "incumbent": {"kind": "hosted model", "cost_per_item": "0,40 EUR"},
    }
    case = build_case({"name": "x", **answers})
    assert (case.currency, case.wrong_answer_cost) == ("EUR", Decimal("1200.50"))
    assert case.incumbent == Incumbent(kind="system", cost_per_item=Decimal("0.40"))


def test_how_a_unit_was_read_is_said():
    read = numbers_read("p95_ms: 2 s\nquality_floor: 90 %\nknowledge_changes_per_month: daily\n", "x")
    assert read == ("p95_ms: '2 s' read as 2,000", "knowledge_changes_per_month: 'daily' read as 30.4")
    read = numbers_read("examples: at least 500\nknowledge_changes_per_month: quarterly\n", "x")
    assert read == (
        "examples: 'at least 500' read as 500",
        "knowledge_changes_per_month: 'quarterly' read as 0.333333",
    )


@pytest.mark.parametrize(
    ("amount", "currency", "meant"),
    [
        ("5 z\u0142", "PLN", 5),
        ("Fr. 5.-", "CHF", 5),
        ("US$ 1,200.50", "USD", "1200.50"),
        ("5 pounds", "GBP", 5),
    ],
)
def test_currencies_as_people_write_them(amount, currency, meant):
    case = build_case({"name": "x", "wrong_answer_cost": amount})
    assert (case.currency, case.wrong_answer_cost) == (currency, Decimal(meant))
