"""The cost room against published money figures: monthly GPU bills, break-evens, cost ratios."""

from decimal import Decimal as D

import pytest

from advisor.money.break_even import FixedCost, Outcome, break_even
from advisor.money.machines import find_machine, load_machines
from advisor.money.serving import Fleet, Load, serve, usd_per_1k

MACHINES = load_machines()


@pytest.mark.parametrize(
    ("name", "hour", "published"), [("3090", 0.46, 336), ("L4", 0.80, 584), ("H100", 2.69, 1964)]
)
def test_always_on_month(name, hour, published):
    machine = find_machine(name, MACHINES, D(str(hour)))
    got = serve(Load(queries_per_month=1), Fleet(queries_per_s=1, usd_per_hour=machine.usd_per_hour))
    assert round(got.usd_per_month) == published


@pytest.mark.parametrize(
    ("usd_per_1000", "published"),
    [("0.105", 3_200_000), ("1.05", 320_000), ("2.10", 160_000), ("4.19", 80_000)],
)
def test_break_even_of_a_3090_against_zero_shot_labels(usd_per_1000, published):
    month = find_machine("3090", MACHINES).usd_per_hour * 730
    got = break_even(FixedCost(usd_per_month=D(0), machine_usd_per_month=month), D(usd_per_1000) / 1000)
    assert got.outcome is Outcome.AT
    assert got.queries_per_month == pytest.approx(published, rel=0.01)


def test_saturated_cost_of_a_tuned_8b_on_a_3090():
    # 17.3 queries a second at $0.46/h: published as $0.0074 per 1,000
    assert usd_per_1k(1 / 17.3, D("0.46")) == pytest.approx(D("0.0074"), rel=D("0.01"))


@pytest.mark.parametrize(("api", "ratio"), [("0.80", 108), ("0.91", 123)])
def test_ratio_to_an_api_on_a_saturated_machine(api, ratio):
    own = usd_per_1k(1 / 17.3, D("0.46"))
    assert D(api) / own == pytest.approx(D(ratio), rel=D("0.01"))


def test_the_same_machine_at_ten_thousand_queries_a_day_is_dearer_than_the_api():
    # 10,000 a day is 0.7 % of what it can do: $1.10 per 1,000, not $0.0074
    load = Load(queries_per_month=10_000 * 730 / 24)
    got = serve(load, Fleet(queries_per_s=17.3, usd_per_hour=D("0.46")))
    assert got.utilisation == pytest.approx(0.0067, abs=0.0001)
    each_thousand = got.usd_per_month / D(str(load.queries_per_month)) * 1000
    assert each_thousand == pytest.approx(D("1.104"), rel=D("0.001"))
    assert each_thousand > D("0.91")
