"""What a command line states of money gives a plan real totals: stated figures first, ranges for the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest

from advisor.money.money import ExchangeRate
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.planning import NOTHING_STATED, StatedMoney, laid_over

RAW = {
    "seed": 7,
    "data": {"evalset": "banking77"},
    "arms": [{"option": "linear"}],
    "cost": {"price_date": "2026-11-23"},
}
EUR = ExchangeRate(currency="EUR", per_usd=D("0.8"), as_of=date(2026, 11, 20), source="as stated")


def plan(stated: StatedMoney, **more: object) -> ExperimentPlan:
    return build_plan(laid_over(RAW | more, stated), "a test")


def test_nothing_stated_leaves_the_plan_as_it_was() -> None:
    assert plan(NOTHING_STATED) == build_plan(RAW, "a test")


def test_a_machine_alone_assumes_nothing_else() -> None:
    made = plan(StatedMoney(machine="H100", machine_hour_usd=D("2.50")))
    assert made.business is None and (made.cost.machine, made.cost.machine_hour_usd) == ("H100", D("2.50"))


def test_a_volume_and_today_bring_ranges_for_all_else() -> None:
    made = plan(StatedMoney(volume=12_500, today_cost=D("0.80"), wrong_answer_usd=D(2)))
    assert made.cost.queries_per_month == 12_500 and made.cost.wrong_answer_usd == 2
    assert made.business is not None and made.business.incumbent is not None
    assert made.business.incumbent.usd_per_item == D("0.80") and made.business.incumbent.accuracy is None
    assumed = {entry.field for entry in made.business.assumed}
    assert {"day_rate_usd", "horizon_months"} <= assumed and "queries_per_month" not in assumed
    assert made.business.people


def test_an_amount_is_in_the_currency_that_is_named() -> None:
    made = plan(StatedMoney(today_cost=D("0.80"), exchange=EUR))
    assert (
        made.business is not None and made.business.incumbent is not None and made.business.rate is not None
    )
    assert made.business.incumbent.usd_per_item == D(1)  # 0.80 euros at 0.8 euros a dollar
    assert (made.business.currency, made.business.rate.per_usd) == ("EUR", D("0.8"))


def test_a_figure_goes_before_the_plans_own_and_leaves_its_neighbours() -> None:
    own = {"incumbent": {"kind": "system", "usd_per_item": "0.5", "accuracy": 0.9}, "horizon_months": 6}
    made = plan(StatedMoney(today_cost=D(1)), business=own | {"assumed": []})
    assert made.business is not None and made.business.incumbent is not None
    assert (made.business.incumbent.usd_per_item, made.business.incumbent.accuracy) == (1, 0.9)
    assert made.business.incumbent.kind == "system" and made.business.horizon_months == 6


def test_a_plan_takes_a_rate_as_a_command_line_does() -> None:
    made = build_plan(RAW | {"business": {"fx": "EUR=1.25@2026-11-20"}}, "a test")
    assert made.business is not None and made.business.rate is not None
    assert (made.business.currency, made.business.rate.per_usd) == ("EUR", D("0.8"))


@pytest.mark.parametrize(
    "wrong", ["EUR", "EUR=1.08", "EUR=0@2026-11-20", "QQQ=1@2026-11-20", "EUR=1@2026-13-01"]
)
def test_a_rate_that_is_none_is_refused(wrong: str) -> None:
    from harness.core.errors import UsageError

    with pytest.raises(UsageError):
        build_plan(RAW | {"business": {"fx": wrong}}, "a test")
