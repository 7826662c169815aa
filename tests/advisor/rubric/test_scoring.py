"""Vetoes, factors and scores: what must hold for every use case."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.advice import AdvisedAnswer
from advisor.case import AnswerKind, UseCase, build_case
from advisor.options import ADVISED, Option
from advisor.rubric.factors import measure, ramp
from advisor.rubric.rubric import Thresholds, load_rubric, parse_rubric, points
from advisor.rubric.scoring import between, contributions, pair_answer, score, vetoes
from tests.advisor.helpers import USE_CASES

RUBRIC = load_rubric()


def score_of(case: UseCase):
    return score(case, RUBRIC)


def case_of(**answers: object) -> UseCase:
    return build_case({"name": "x", **answers})


@pytest.mark.parametrize(
    ("value", "none", "full", "log", "expected"),
    [  # by hand
        (5, 0, 10, False, 0.5),
        (-1, 0, 10, False, 0.0),
        (99, 0, 10, False, 1.0),
        (10, 1, 100, True, 0.5),
        (30, 300, 30, True, 1.0),
        (0.9, 0.9, 0.4, False, 0.0),
        (0.65, 0.9, 0.4, False, 0.5),
        (0, 0.1, 8, True, 0.0),
    ],
)
def test_ramp(value, none, full, log, expected):
    assert ramp(value, Thresholds(none=none, full=full), log=log) == pytest.approx(expected)


def test_every_factor_has_a_source_and_a_function():
    assert len(RUBRIC.factors) >= 25
    for factor in RUBRIC.factors:
        assert factor.source and factor.opened and factor.reason
        measure(UseCase(name="x"), factor)


@given(USE_CASES)
def test_contributions_add_up_exactly_to_the_score(case):
    scores = score_of(case)
    for option in ADVISED:
        parts = contributions(scores, option)
        assert sum((p.points for p in parts), Decimal(0)) == scores.totals[option]
        assert all(p.points != 0 for p in parts)


@given(USE_CASES)
def test_strengths_lie_between_nought_and_one(case):
    for m in score_of(case).measured:
        assert m.strength is None or 0 <= m.strength <= 1


@given(USE_CASES)
def test_vetoed_options_are_never_ranked(case):
    scores = score_of(case)
    fallen = {o for o, reasons in vetoes(case, RUBRIC.veto).items() if reasons}
    assert not fallen & set(scores.ranked)
    assert fallen | set(scores.ranked) == set(ADVISED)
    if pair_answer(scores, RUBRIC) is AdvisedAnswer.TUNE:
        assert Option.TUNE not in fallen
    if pair_answer(scores, RUBRIC) is AdvisedAnswer.RETRIEVE:
        assert Option.RETRIEVE not in fallen


@given(USE_CASES, st.floats(0, 1000), st.floats(0, 1000))
def test_more_change_never_raises_tune_over_retrieve(case, one, other):
    slow, fast = sorted((one, other))
    before = score_of(replace(case, knowledge_changes_per_month=slow))
    after = score_of(replace(case, knowledge_changes_per_month=fast))
    lead = [s.totals[Option.TUNE] - s.totals[Option.RETRIEVE] for s in (before, after)]
    assert lead[1] <= lead[0]
    assert len(before.vetoes[Option.TUNE]) <= len(after.vetoes[Option.TUNE])


@given(USE_CASES, st.integers(1, 10**5), st.integers(1, 10**5))
def test_more_examples_never_lower_tune_against_prompt(case, one, other):
    few, many = sorted((one, other))
    leads = []
    for examples in (few, many):
        scores = score(replace(case, examples=examples, labels_per_class=None), RUBRIC)
        leads.append(scores.totals[Option.TUNE] - scores.totals[Option.PROMPT])
    assert leads[0] <= leads[1]


@given(USE_CASES, st.floats(1, 1e6), st.floats(1, 1e6))
def test_a_tighter_latency_never_helps_a_prompt_against_a_linear_model(case, one, other):
    tight, loose = sorted((one, other))
    leads = []
    for ms in (tight, loose):
        scores = score(replace(case, p95_ms=ms), RUBRIC)
        leads.append(scores.totals[Option.LINEAR] - scores.totals[Option.PROMPT])
    assert leads[0] >= leads[1]


@pytest.mark.parametrize(
    ("answers", "fallen"),
    [
        ({"needs_facts": True, "knowledge_changes_per_month": 4}, {"tune"}),
        ({"needs_facts": True, "knowledge_changes_per_month": 0.2}, set()),
        ({"needs_facts": False, "knowledge_changes_per_month": 4}, set()),
        ({"citations_required": True}, {"tune", "neighbours", "linear", "encoder", "route"}),
        (
            {"citations_required": True, "knowledge_tokens": 10**6},
            {"tune", "neighbours", "linear", "encoder", "route", "prompt"},
        ),
        ({"task": "writing"}, {"neighbours", "linear", "encoder"}),
        ({"task": "extraction"}, {"linear"}),  # a run puts similar rows' fields together
        ({"offline": True}, {"route"}),
        ({"residency": "self-host-only"}, {"route"}),
        (
            {"task": "classification", "examples": 0},
            {"neighbours", "linear", "encoder", "tune", "tune+retrieve", "route", "retrieve"},
        ),
        (
            {"needs_facts": True, "examples": 0},
            {"neighbours", "linear", "encoder", "tune", "tune+retrieve", "route"},
        ),
        ({"p95_ms": 90}, {"prompt", "retrieve", "route"}),
        ({"p95_ms": 90, "offline": True}, {"route"}),
        (
            {"p95_ms": 90, "offline": True, "output_tokens": 200},
            {"prompt", "retrieve", "tune", "tune+retrieve", "route"},
        ),
    ],
)
def test_vetoes(answers, fallen):
    found = vetoes(case_of(**answers), RUBRIC.veto)
    assert {o.value for o, reasons in found.items() if reasons} == fallen


@pytest.mark.parametrize(
    ("answers", "first"),
    [  # the directions of the published decision factors
        ({"task": "question-answering", "needs_facts": True, "knowledge_changes_per_month": 30}, "retrieve"),
        ({"task": "question-answering", "needs_facts": True, "knowledge_tokens": 15000}, "prompt"),
        ({"task": "classification", "labels": 30, "examples": 3000, "needs_facts": False}, "linear"),
        ({"task": "classification", "labels": 30, "examples": 60, "needs_facts": False}, "retrieve"),
        ({"task": "writing", "problems": ["style"], "examples": 2000, "needs_facts": False}, "tune"),
        ({"task": "reasoning", "needs_facts": False, "general_model": "frontier"}, "prompt"),
        ({"task": "tool-calls", "needs_facts": False, "examples": 5000, "offline": True}, "tune"),
        (
            {"task": "question-answering", "needs_facts": True, "open_model_billions": 1, "offline": True},
            "tune+retrieve",
        ),
    ],
)
def test_directions(answers, first):
    assert score(case_of(**answers), RUBRIC).ranked[0].value == first


def test_nothing_known_decides_nothing():
    scores = score(UseCase(name="x"), RUBRIC)
    assert scores.unknown_share > 0.9
    assert pair_answer(scores, RUBRIC) is AdvisedAnswer.MEASURE


def test_a_veto_decides_the_pair():
    news = case_of(task="question-answering", needs_facts=True, knowledge_changes_per_month=30)
    assert pair_answer(score(news, RUBRIC), RUBRIC) is AdvisedAnswer.RETRIEVE
    fast = case_of(p95_ms=50, output_tokens=500)
    assert pair_answer(score(fast, RUBRIC), RUBRIC) is AdvisedAnswer.NEITHER


def test_a_small_gap_is_a_tie_where_neither_is_likely_better_and_most_is_known():
    """Below the lead that the description needs, the expected accuracies speak."""
    case = case_of(task="classification")
    scores = score(case, RUBRIC)
    equal = replace(scores, totals={o: Decimal(0) for o in ADVISED}, vetoes=dict.fromkeys(ADVISED, ()))
    known, unknown = replace(equal, unknown_share=0.1), replace(equal, unknown_share=0.6)
    pair = Option.RETRIEVE, Option.TUNE
    assert between(known, RUBRIC, *pair, 0.6) is between(known, RUBRIC, *pair, 0.4) is AdvisedAnswer.TIED
    assert between(unknown, RUBRIC, *pair, 0.5) is between(known, RUBRIC, *pair) is AdvisedAnswer.MEASURE
    assert between(known, RUBRIC, *pair, 0.8) is Option.RETRIEVE
    close = replace(known, totals={o: Decimal("0.5") if o is Option.TUNE else Decimal(0) for o in ADVISED})
    assert between(close, RUBRIC, *pair, 0.2) is Option.TUNE
    assert between(close, RUBRIC, *pair, 0.8) is AdvisedAnswer.MEASURE, "the two speak against each other"
    apart = replace(known, totals={o: Decimal(2) if o is Option.TUNE else Decimal(0) for o in ADVISED})
    assert between(apart, RUBRIC, *pair, 0.9) is Option.TUNE


def test_points_are_exact_hundredths():
    factor = next(f for f in RUBRIC.factors if f.name == "facts needed")
    assert points(factor, Option.RETRIEVE, 1.0) == Decimal("3.00")
    assert points(factor, Option.TUNE, 0.333) == Decimal("-0.50")


def test_a_rubric_that_is_wrong():
    text = (
        'version="1"\nchecked=2026-11-23\n[decision]\nclose=1\nunknown_share=1\ncombine=1\nsource="x"\n'
        '[measure]\ndifference=0.1\ndiscordance=0.1\nsource="x"\n[veto]\nchanges_per_month=1\n'
        'knowledge_tokens=1\np95_hosted_ms=1\nshort_output_tokens=1\nsource="x"\n'
        '[[confidence]]\ngap=0.0\nwords="x"\nshare=0.5\nheld=1\ncases=2\n'
    )
    factor = (
        '[[factor]]\nname="a"\nfunction="facts"\nweight=1\ntoward={tune=%s}\nreason="r"\n'
        'source="%s"\nopened="o"\n'
    )
    assert len(parse_rubric(text + factor % ("1.0", "s")).factors) == 1
    for bad in (factor % ("2.0", "s"), factor % ("1.0", ""), factor % ("1.0", "s") * 2, "[[factor]]\n"):
        with pytest.raises(ValueError, match=r"."):
            parse_rubric(text + bad)


def test_tasks_without_labels_are_not_judged_by_them():
    scores = score(case_of(task="writing", examples=500), RUBRIC)
    by_name = {m.factor.name: m.strength for m in scores.measured}
    assert by_name["examples of each label"] == by_name["many labels"] == by_name["labels change"] == 0
    assert AnswerKind.WRITING.value == "writing"
