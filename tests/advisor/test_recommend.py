"""The advice as a whole: examples, predictions that never narrow by not knowing, flips that are true."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from advisor.advice import AdvisedAnswer, Do, PaysBack, plain
from advisor.assumed import load_assumptions, resolve
from advisor.case import AnswerKind, UseCase, build_case, facts_needed, prompts_own_model
from advisor.case_file import load_case
from advisor.judge import Judge
from advisor.money.money import CostError, Scenario
from advisor.options import ADVISED, Option
from advisor.predict import expected_right, predict
from advisor.recommend import recommend
from advisor.rubric.rubric import expected_accuracy, load_bands
from advisor.stats.intervals import wilson
from advisor.stats.power import items_needed
from advisor.text import advice_text
from tests.advisor.helpers import EXAMPLES, USE_CASES, basis

BANDS, ASSUMED = load_bands(), load_assumptions()
EXAMPLES_BY_NAME = {path.stem: load_case(path) for path in EXAMPLES}
EXAMPLE = EXAMPLES_BY_NAME["changing-policy-answers"]
EXPECTED = {  # what the issue of each example is about; not a measurement
    # published encoders are likely to get more right than linear models, at hardly more cost
    "ticket-routing": ("encoder", {"tune", "measure"}),
    "changing-policy-answers": ("retrieve", {"retrieve"}),
    "brand-voice": ("tune", {"tune"}),
    # published tuned models are likely to get more right than an encoder: its smaller machine does not decide
    "contract-extraction": ("tune", {"tune"}),
    "medical-coding": ("encoder", {"tune", "measure"}),
    "catalogue-search": ("retrieve", {"retrieve"}),
    "internal-dsl": ("tune", {"tune"}),
    "realtime-stocks": ("retrieve", {"retrieve"}),
}


def advise(case: UseCase, **more):
    return recommend(case, basis(case.api_model), **more)


def test_there_are_at_least_eight_examples():
    assert {p.stem for p in EXAMPLES} >= set(EXPECTED) and len(EXPECTED) >= 8


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_assessed(path):
    advice = advise(load_case(path))
    first, answers = EXPECTED[path.stem]
    assert advice.first.option.value == first
    assert advice.pair.answer.value in answers
    for option in advice.options:
        if option.place is None:
            assert option.vetoes and option.prediction is None
            continue
        assert sum((c.points for c in option.contributions), Decimal(0)) == option.score
        p = option.prediction
        assert 0 <= p.accuracy_low < p.accuracy_high <= 1
        assert 0 < p.usd_per_1k.low <= p.usd_per_1k.likely <= p.usd_per_1k.high
        assert p.usd_per_1k_total.low <= p.usd_per_1k_total.high
        assert 0 < p.p95_ms.low < p.p95_ms.high
    places = [o.place for o in advice.options if o.place] + [advice.today_place] * bool(advice.today_place)
    assert sorted(places) == list(range(1, 1 + len(places)))
    assert len(set(advice.recommendation.reasons)) == 3
    text = advice_text(advice, verbose=True)
    assert text.isascii() and advice.case.name in text
    json.dumps(plain(advice))


def test_one_case_gives_one_advice():
    case = load_case(EXAMPLES[0])
    assert plain(advise(case)) == plain(advise(case))


@given(USE_CASES)
@settings(max_examples=60)
def test_any_case_gets_advice_that_can_be_stored(case):
    advice = advise(case, look_around=False)
    json.dumps(plain(advice))
    assert advice_text(advice).isascii()
    assert len(advice.options) == len(ADVISED)
    if advice.pair.answer in (AdvisedAnswer.MEASURE, AdvisedAnswer.TIED):
        assert advice.settle is not None and advice.settle.items > 0
    assert len(set(advice.recommendation.reasons)) == 3
    if advice.first is None:
        assert advice.cannot_say


FORGETTABLE = (
    "task",
    "examples",
    "labels",
    "open_model_billions",
    "general_model",
    "needs_facts",
    "residency",
)


@given(USE_CASES, st.sampled_from(FORGETTABLE), st.sampled_from(list(ADVISED)))
def test_not_knowing_never_narrows_the_accuracy(case, field, option):
    case = replace(case, prompting_accuracy=None)
    assume(field != "needs_facts" or facts_needed(replace(case, needs_facts=None)) is None)  # silence says no
    known = expected_accuracy(case, option, BANDS)
    forgotten = expected_accuracy(replace(case, **{field: None}), option, BANDS)
    if known.low is not None:
        assert forgotten.low <= known.low and forgotten.high >= known.high


RANGED = (
    "queries_per_month",
    "input_tokens",
    "output_tokens",
    "labels",
    "examples",
    "horizon_months",
    "day_rate",
)


def test_labels_enough_for_a_cached_prompt_make_it_cheaper_and_the_range_holds_that():
    """83 labels make the prefix of a prompt long enough for the cache: cheaper than 2 labels."""
    case = build_case(
        {"name": "x", "task": "classification", "needs_facts": False, "input_tokens": 90, "output_tokens": 8,
         "api_model": "openai/gpt-6-luna", "queries_per_month": 20000}
    )  # fmt: skip
    market = basis("openai/gpt-6-luna").market
    found = [predict(replace(case, labels=n), Option.PROMPT, market, BANDS).usd_per_1k for n in (2, 83)]
    assert found[1].low < found[0].low
    assert predict(case, Option.PROMPT, market, BANDS).usd_per_1k.low == found[1].low


@given(st.data(), st.sampled_from(RANGED), st.sampled_from(list(ADVISED)))
def test_not_knowing_never_narrows_the_cost(data, field, option):
    """A value inside the assumed range gives an interval inside the one for not knowing it."""
    case = build_case(
        {"name": "x", "task": "classification", "needs_facts": False, "labels": 20, "examples": 900,
         "queries_per_month": 20000, "input_tokens": 90, "output_tokens": 8, "horizon_months": 12,
         "day_rate": 500, "api_model": "openai/gpt-6-luna", "open_model_billions": 4}
    )  # fmt: skip
    market = basis("openai/gpt-6-luna").market
    key = f"{field}:classification" if field.endswith("_tokens") else field
    assumed = market.assumptions.ranges[key]
    whole = field in ("labels", "examples") or field.endswith("_tokens")
    strategy = (
        st.integers(int(assumed.low), int(assumed.high)) if whole else st.floats(assumed.low, assumed.high)
    )
    value = data.draw(strategy)
    value = Decimal(str(value)) if field == "day_rate" else value
    known = predict(replace(case, **{field: value}), option, market, BANDS)
    unknown = predict(replace(case, **{field: None}), option, market, BANDS)
    for name in ("usd_per_1k", "usd_per_1k_total"):
        tight, wide = getattr(known, name), getattr(unknown, name)
        slack = Decimal("1.000001")
        assert wide.low <= tight.low * slack and wide.high * slack >= tight.high


def test_a_model_whose_size_is_not_said_is_one_of_the_sizes_that_costs_are_assumed_for():
    """The assumed 1 to 8 billion parameters hold no tiny model, whose published span begins far lower."""
    case = build_case({"name": "x", "task": "classification", "labels": 30, "examples": 3000})
    unsaid = expected_right(case, Option.TUNE, BANDS, ASSUMED)
    small, tiny = (
        expected_right(replace(case, open_model_billions=size), Option.TUNE, BANDS, ASSUMED)
        for size in (1.0, 0.135)
    )
    assert unsaid.low == small.low > tiny.low


def test_a_prompt_that_carries_all_the_knowledge_is_expected_to_answer_as_if_it_were_retrieved():
    facts = {"name": "x", "task": "question-answering", "needs_facts": True, "general_model": "frontier"}
    shown, too_much, unsaid = (
        expected_right(build_case(facts | more), Option.PROMPT, BANDS, ASSUMED)
        for more in ({"knowledge_tokens": 15_000}, {"knowledge_tokens": 10**7}, {})
    )
    retrieved = expected_right(build_case(facts), Option.RETRIEVE, BANDS, ASSUMED)
    assert shown == retrieved and too_much.high < retrieved.high
    assert (unsaid.low, unsaid.high) == (too_much.low, retrieved.high)


def test_a_measured_prompt_replaces_the_published_span():
    case = build_case(
        {"name": "x", "task": "classification", "prompting_accuracy": 0.8, "prompting_items": 200}
    )
    found = expected_right(case, Option.PROMPT, BANDS, ASSUMED)
    reference = wilson(160, 200)
    ends = (reference.low, reference.high)
    assert found.likely == 0.8 and (found.low, found.high) == pytest.approx(ends, abs=1e-9)
    assert "measured by the user" in found.source
    wider = expected_right(replace(case, prompting_items=None), Option.PROMPT, BANDS, ASSUMED)
    assert wider.low < found.low and wider.high > found.high


def test_nothing_known_says_so():
    advice = advise(UseCase(name="a blank"))
    assert advice.pair.answer is AdvisedAnswer.MEASURE
    assert "habit, not advice" in advice.cannot_say
    assert {a.field for a in advice.assumptions} >= {
        "queries_per_month",
        "examples",
        "day_rate",
        "input_tokens",
    }


def test_every_option_ruled_out_is_said():
    case = build_case(
        {"name": "x", "task": "writing", "citations_required": True, "needs_facts": True, "p95_ms": 50,
         "output_tokens": 300, "knowledge_tokens": 10**7}
    )  # fmt: skip
    advice = advise(case)
    assert advice.first is None and advice.cannot_say.startswith("Every option is ruled out")
    assert advice.pair.answer is AdvisedAnswer.NEITHER
    assert advice.recommendation.what is Do.CHANGE_THE_CASE and len(advice.recommendation.reasons) == 3
    assert "RAG or fine-tuning? Neither" in advice_text(advice)


def test_zero_labels_cannot_be_trained_on_and_it_is_said():
    advice = advise(build_case({"name": "x", "task": "classification", "examples": 0, "needs_facts": False}))
    assert advice.first.option is Option.PROMPT
    assert any("no examples" in note for note in advice.notes)


def test_a_close_call_names_the_items_and_their_price():
    case = build_case({"name": "x", "task": "classification", "labels": 30, "labels_per_class": 4,
                       "examples": 120, "example_cost": 2, "api_model": "openai/gpt-6-luna",
                       "needs_facts": False})  # fmt: skip
    advice = advise(case)
    settle = advice.settle
    assert settle.items == items_needed(0.03, 0.15)
    assert settle.items_to_label == settle.items - 36  # three tenths of 120 are spare
    assert settle.usd.likely >= 2 * settle.items_to_label


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_flips_flip(path):
    """Just beyond a flip point the first place or the answer differs, just before it does not."""
    case = load_case(path)
    there = basis(case.api_model)
    judge = Judge(rubric=there.rubric, market=there.market, bands=there.bands)

    def outcome(case):
        return judge.standing(case, judge.costs(case)).outcome

    now = outcome(case)
    for flip in advise(case).flips:
        assert flip.above == (flip.at > flip.now)
        if flip.field in ("examples", "api_price"):
            continue
        assert outcome(replace(case, **{flip.field: flip.at})) == (flip.to_option, flip.to_answer) != now
        near = flip.at * (0.95 if flip.above else 1.05)
        assert outcome(replace(case, **{flip.field: near})) == now


def test_from_none_on_the_first_figure_that_changes_the_advice_is_named():
    """Nothing is trained on no example, and one is an example: found by the same judge at 0 and at 1."""
    case = replace(EXAMPLES_BY_NAME["ticket-routing"], examples=0, labels_per_class=None)
    advice = advise(case)
    one = _outcome(advise(replace(case, examples=1), look_around=False))
    assert _outcome(advice) == (Option.PROMPT, AdvisedAnswer.NEITHER) != one
    (flip,) = advice.flips
    assert (flip.field, flip.above, flip.to_option, flip.to_answer) == ("examples", True, *one)
    assert "with any examples at all (now none): RAG comes first" in advice_text(advice)


@pytest.mark.parametrize(
    ("floor", "words"), [(0.9, "accuracy wanted ["), (None, "(95 %, as none is stated)")]
)
def test_a_floor_that_is_stated_is_the_one_a_prompt_falls_short_of(floor, words):
    case = replace(EXAMPLES_BY_NAME["ticket-routing"], prompting_accuracy=0.6, quality_floor=floor)
    text = " ".join(advice_text(advise(case), verbose=True).split())
    assert words in text and ("as none is stated" in text) == (floor is None)


@given(USE_CASES)
@settings(max_examples=12)
def test_where_stating_an_assumed_figure_changes_the_advice_nothing_is_said_of_its_limits(case):
    """ "Above about 1 change" and "below about 1 change" cannot both change the advice at 1 change."""
    advice = advise(case)
    for flip in advice.flips:
        other = next((f for f in advice.flips if f.field == flip.field and f.above != flip.above), None)
        assert other is None or min(flip.at, other.at) < flip.now < max(flip.at, other.at)
        if flip.assumed:
            stated = replace(case, **{flip.field: type(getattr(EXAMPLE, flip.field))(flip.now)})
            found = advise(stated, look_around=False)
            assert _outcome(found) == _outcome(advice)


def _outcome(advice):
    first = advice.today_place == 1 or (advice.first and advice.first.option)
    return first, advice.pair.answer


def test_payback_by_hand():
    """$0.10 an item today; the prompt costs 3 days at 600 and 600 items at 0.40 once, so 2,040."""
    case = load_case(next(p for p in EXAMPLES if p.stem == "ticket-routing"))
    case = replace(case, wrong_answer_cost=None)
    found = predict(case, Option.PROMPT, basis(case.api_model).market, BANDS)
    month = found.usd_per_month.likely
    assert found.usd_one_off.likely == Decimal(2040)
    assert found.payback.monthly_saving.likely == Decimal(1000) - month
    assert found.payback.months.likely == pytest.approx(float(2040 / (1000 - month)))


def test_without_an_incumbent_payback_is_unknown():
    case = load_case(next(p for p in EXAMPLES if p.stem == "realtime-stocks"))
    found = predict(case, Option.RETRIEVE, basis(case.api_model).market, BANDS)
    assert found.payback.verdict == "unknown" and found.payback.months.likely is None


def test_a_dear_option_against_a_cheap_incumbent_never_pays_back():
    case = build_case({"name": "x", "task": "extraction", "queries_per_month": 1000, "needs_facts": False,
                       "incumbent": {"kind": "system", "cost_per_item": "0.0001"}})  # fmt: skip
    found = predict(case, Option.TUNE, basis().market, BANDS)
    assert found.payback.verdict is PaysBack.NO and found.payback.months.low is None


def test_prompt_tokens_are_those_of_a_published_prompt():
    """77 labels and a query of some 25 tokens: 973 in are published."""
    from advisor.economics import prompt_tokens

    case = build_case({"name": "x", "task": "classification", "labels": 77, "input_tokens": 25,
                       "output_tokens": 15, "needs_facts": False})  # fmt: skip
    assumptions = basis().market.assumptions
    shown, written = prompt_tokens(
        case, Option.PROMPT, resolve(case, assumptions, Scenario.LIKELY), assumptions
    )
    assert shown == pytest.approx(973, rel=0.05) and written == 15


def test_an_unknown_machine_is_an_error_and_its_price_solves_it():
    case = build_case({"name": "x", "task": "extraction", "hardware": "TPU-9"})
    with pytest.raises(CostError, match="No hourly price"):
        advise(case)
    assert advise(replace(case, machine_hour_cost=Decimal("1.5"))).options


def test_currency_is_converted_at_the_dated_rate():
    case = build_case({"name": "x", "task": "extraction", "currency": "EUR", "day_rate": 460,
                       "usd_rate": {"per_usd": "0.92", "as_of": "2026-11-20", "source": "a bank"}}
                      )  # fmt: skip
    assert resolve(case, basis().market.assumptions, Scenario.LIKELY).day_rate_usd == Decimal(500)
    text = advice_text(advise(case))
    assert "EUR/1k" in text and "1 USD = 0.92 EUR on 2026-11-20 (a bank)" in text


def test_own_model_needs_no_hosted_model():
    assert prompts_own_model(UseCase(name="x", offline=True)) is True
    assert prompts_own_model(UseCase(name="x")) is None
    advice = advise(
        build_case({"name": "x", "task": "extraction", "offline": True, "queries_per_month": 1000})
    )
    where = {o.option: o.prediction.where for o in advice.options if o.prediction}
    small = {where.pop(option) for option in (Option.NEIGHBOURS, Option.ENCODER)}
    assert small == {"linear"}, "similar rows and an encoder answer on a small machine"
    assert set(where.values()) == {"own-gpu"}


def test_sharing_the_work_with_todays_way_is_told_where_that_is_stated():
    """A linear classifier answers 50 to 90 %; the other 100 to 500 of 1,000 cost $0.10 each, as today."""
    case = load_case(next(p for p in EXAMPLES if p.stem == "ticket-routing"))
    advice = advise(case, look_around=False)
    assert advice.sharing is not None and advice.sharing.option is Option.LINEAR
    assert (advice.sharing.usd_per_1k.low, advice.sharing.usd_per_1k.high) == (Decimal(10), Decimal(50))
    said = " ".join(advice_text(advice).split())
    assert "It would answer 75 % (50 to 90 %)" in said and "$10.00 to $50.00" in said
    for lacks in ("cost_per_item", "accuracy"):
        unstated = replace(case, incumbent=replace(case.incumbent, **{lacks: None}))
        assert advise(unstated, look_around=False).sharing is None
    elsewhere = load_case(next(p for p in EXAMPLES if p.stem == "changing-policy-answers"))
    assert advise(elsewhere, look_around=False).sharing is None, "it chooses among labels"


def test_knowledge_that_fits_a_prompt_may_be_slower_than_more_that_is_searched():
    """On an own model its range of seconds was out of order, and the advice ended in an error."""
    case = UseCase(
        name="x",
        task=AnswerKind.CLASSIFICATION,
        labels=2,
        offline=True,
        open_model_billions=0.5,
        needs_facts=True,
    )
    for one in recommend(case, basis(), look_around=False).options:
        assert one.prediction is None or one.prediction.p95_ms.low <= one.prediction.p95_ms.high
