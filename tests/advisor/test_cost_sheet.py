"""What each option costs: ledgers that add up, changes that count, break-even and what it hangs on."""

from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.assumed import resolve
from advisor.case import DayShape, Incumbent, build_case
from advisor.case_file import load_case
from advisor.cost_sheet import cost_sheet, cost_swings, cost_text
from advisor.economics import cost_curve_of, knowledge_in_prompt, option_tco
from advisor.money.ledger import total_usd
from advisor.money.money import Scenario
from advisor.options import Option
from advisor.predict import predict
from advisor.rubric.rubric import load_bands
from tests.advisor.helpers import EXAMPLES, basis

TICKETS = load_case(next(p for p in EXAMPLES if p.stem == "ticket-routing"))
MARKET = basis(TICKETS.api_model).market


def likely(case):
    return resolve(case, MARKET.assumptions, Scenario.LIKELY)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_ledgers_add_up(path):
    case = load_case(path)
    sheet = cost_sheet(case, basis(case.api_model).market)
    assert cost_text(sheet).isascii()
    for option in sheet.options:
        assert total_usd(option.one_off) == option.usd_one_off.likely
        assert total_usd(option.monthly) == option.usd_per_month.likely
        months = Decimal(str(case.horizon_months))
        assert option.usd_horizon.likely == option.usd_one_off.likely + months * option.usd_per_month.likely
        assert option.usd_horizon.low <= option.usd_horizon.likely <= option.usd_horizon.high


def test_a_zero_shot_label_costs_what_is_published():
    """973 tokens in and 15 out at 0.10/0.50: $0.105 per 1,000, without people and changes."""
    case = build_case({"name": "x", "task": "classification", "labels": 77, "input_tokens": 3,
                       "output_tokens": 15, "needs_facts": False, "queries_per_month": 1000,
                       "api_model": "openai/gpt-6-luna"})  # fmt: skip
    costs = cost_curve_of(case, Option.PROMPT, likely(case), MARKET).costs
    assert total_usd(costs.per_query) * 1000 == pytest.approx(Decimal("0.105"), rel=Decimal("0.01"))


def test_no_part_of_the_cost_of_tuning_is_free_when_facts_change():
    case = build_case({"name": "x", "task": "question-answering", "needs_facts": True, "examples": 1000})
    slow, fast = (replace(case, knowledge_changes_per_month=n) for n in (0.1, 10.0))
    for option in (Option.TUNE, Option.RETRIEVE):
        before, after = (option_tco(c, option, likely(c), MARKET).monthly_usd for c in (slow, fast))
        assert after > before
    assert option_tco(slow, Option.PROMPT, likely(slow), MARKET).monthly_usd == (
        option_tco(fast, Option.PROMPT, likely(fast), MARKET).monthly_usd
    )


def test_small_knowledge_stands_in_the_prompt():
    small = build_case({"name": "x", "needs_facts": True, "knowledge_tokens": 50_000})
    large = replace(small, knowledge_tokens=500_000)
    assert knowledge_in_prompt(small, likely(small)) and not knowledge_in_prompt(large, likely(large))


def test_the_day_shape_counts():
    office, peaks = (
        likely(replace(TICKETS, day_shape=DayShape(shape))).load(10_000) for shape in ("office", "peaks")
    )
    assert peaks.peak_factor > office.peak_factor and office.queries_per_month == 10_000


def test_break_even_only_against_a_hosted_model():
    rows = {o.option: o.break_even for o in cost_sheet(TICKETS, MARKET).options}
    assert rows[Option.PROMPT] is None and rows[Option.LINEAR] is None
    assert rows[Option.TUNE].outcome in ("at", "beyond one machine", "never")
    home = replace(TICKETS, api_model=None, general_model=None, offline=True)
    assert all(o.break_even is None for o in cost_sheet(home, MARKET).options)


def test_break_even_is_the_same_twice():
    one, two = (cost_sheet(TICKETS, MARKET).options for _ in range(2))
    assert [o.break_even for o in one] == [o.break_even for o in two]


def test_swings_move_one_input_at_a_time():
    found = {s.field: s for s in cost_swings(TICKETS, Option.TUNE, likely(TICKETS), MARKET)}
    rate = found["day_rate"]
    assert (rate.low, rate.high, rate.assumed) == (300, 1200, False)
    # 12 days once and 0.75 a month over 12 months are 21 days: 900 dollars a day more
    assert rate.usd_at_high - rate.usd_at_low == pytest.approx(21 * 900)
    blank = replace(TICKETS, day_rate=None)
    assert cost_swings(blank, Option.TUNE, likely(blank), MARKET)[0].assumed


def test_wrong_answers_count_once_they_have_a_price_and_an_accuracy():
    inputs = likely(TICKETS)
    free = option_tco(TICKETS, Option.PROMPT, inputs, MARKET)
    counted = option_tco(TICKETS, Option.PROMPT, inputs, MARKET, accuracy=0.9)
    # a tenth of 10,000 at half a dollar
    assert counted.monthly_usd - free.monthly_usd == Decimal(500)


@pytest.mark.parametrize("stated", [{}, {"wrong_answer_cost": Decimal(2)}, {"wrong_answer_cost": None}])
def test_what_is_saved_against_today_is_one_sum_in_the_advice_and_in_the_cost_sheet(stated):
    """The advice counted wrong answers on both sides, and the sheet on neither."""
    today = Incumbent(cost_per_item=Decimal("0.50"), accuracy=0.9)
    case = replace(TICKETS, incumbent=today, **stated)
    for option in cost_sheet(case, MARKET).options:
        payback = predict(case, option.option, MARKET, load_bands()).payback
        assert option.against_today.monthly_saving_usd == payback.monthly_saving.likely
