"""Serving by hand, against a simulation of arrivals, and against the faults of public calculators."""

from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money import machines, serving
from advisor.money.ledger import PriceBasis
from advisor.money.money import CostError
from advisor.money.serving import Fleet, Load


def fleet(**changes):
    return Fleet(**({"queries_per_s": 10.0, "usd_per_hour": D(1), "target_utilisation": 1.0} | changes))


def test_usd_per_1k_by_hand():
    # 3.6 s on a machine of $1/h: a thousand take an hour
    assert serving.usd_per_1k(3.6, D(1)) == 1
    assert serving.usd_per_1k(3.6, D(1), 0.5) == 2
    assert serving.usd_per_1k(None, D(1)) is None and serving.usd_per_1k(3.6, None) is None
    for wrong in (0, -0.1, 1.1):
        with pytest.raises(CostError, match="Utilisation"):
            serving.usd_per_1k(1, D(1), wrong)


@given(st.floats(0.01, 0.99), st.floats(0.001, 100))
def test_idle_time_makes_a_query_dearer_never_cheaper(utilisation, seconds):
    # a public calculator multiplies the bill by the utilisation, which makes an idle machine look cheap
    assert serving.usd_per_1k(seconds, D(1), utilisation) > serving.usd_per_1k(seconds, D(1), 1.0)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_the_bill_of_an_always_on_machine_does_not_depend_on_how_much_it_is_used(one, other):
    bills = [serving.serve(Load(queries_per_month=q), fleet()).usd_per_month for q in (one, other)]
    assert bills[0] == bills[1] == 730


def test_machines_are_whole_and_at_least_the_minimum():
    assert [serving.machines_needed(q, fleet()) for q in (0, 0.1, 10, 10.1, 30)] == [1, 1, 1, 2, 3]
    assert [serving.machines_needed(q, fleet(sleeps=True)) for q in (0, 0.1)] == [0, 1]
    assert serving.machines_needed(7.1, fleet(target_utilisation=0.7)) == 2


@given(st.floats(0, 1e8), st.floats(0, 1e8), st.booleans())
def test_more_load_never_costs_less(one, other, sleeps):
    few, many = sorted((one, other))
    how = fleet(sleeps=sleeps, target_utilisation=0.7)
    bills = [serving.serve(Load(queries_per_month=q), how).usd_per_month for q in (few, many)]
    assert bills[0] <= bills[1]


def test_the_peak_of_the_day_sets_the_machines():
    # 10 queries/s for 730 h, all of them within 8 hours of the day: 30 queries/s there
    load = Load(queries_per_month=10 * 3600 * 730, day=(1.0,) * 8 + (0.0,) * 16)
    fixed = serving.serve(load, fleet())
    assert fixed.machines == 3
    assert fixed.usd_per_month == 3 * 730 and fixed.utilisation == pytest.approx(1 / 3)
    sleeping = serving.serve(load, fleet(sleeps=True))  # so many queries that no machine waits in these hours
    assert float(sleeping.machine_hours) == pytest.approx(730)
    assert sleeping.utilisation == pytest.approx(1)


def test_scaling_to_zero_agrees_with_simulated_arrivals():
    rng = np.random.default_rng(1)
    rate, stays, cold = 1 / 400, 300.0 + 0.1, 60.0
    arrivals = np.cumsum(rng.exponential(1 / rate, 200_000))
    gaps = np.diff(arrivals)
    on = np.minimum(gaps, stays).sum() + cold * (gaps > stays).sum()
    simulated = on / arrivals[-1]
    how = fleet(sleeps=True)
    got = serving.serve(Load(queries_per_month=rate * 3600 * 730), how)
    assert float(got.machine_hours) / 730 == pytest.approx(simulated, rel=0.01)


def test_without_queries_nothing_is_paid_only_where_machines_go_off():
    nothing = Load(queries_per_month=0)
    assert serving.serve(nothing, fleet(sleeps=True)).usd_per_month == 0
    assert serving.serve(nothing, fleet()).usd_per_month == 730


def test_an_unknown_price_leaves_money_unknown_and_machines_known():
    got = serving.serve(Load(queries_per_month=1000), fleet(usd_per_hour=None))
    assert got.usd_per_month is None and got.machines == 1


@given(st.sampled_from([serving.FLAT_DAY, serving.OFFICE_DAY]), st.floats(1, 3))
def test_the_monthly_capacity_is_exactly_what_fits(day, peak):
    how = fleet(target_utilisation=0.7)
    full = serving.monthly_capacity(Load(queries_per_month=1, day=day, peak_factor=peak), how)
    at = serving.serve(Load(queries_per_month=full * 0.999, day=day, peak_factor=peak), how)
    over = serving.serve(Load(queries_per_month=full * 1.001, day=day, peak_factor=peak), how)
    assert (at.machines, over.machines) == (1, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Load(queries_per_month=-1),
        lambda: Load(queries_per_month=float("nan")),
        lambda: Load(queries_per_month=1, day=(1.0,) * 23),
        lambda: Load(queries_per_month=1, day=(0.0,) * 24),
        lambda: Load(queries_per_month=1, peak_factor=0.5),
        lambda: fleet(queries_per_s=0),
        lambda: fleet(target_utilisation=0),
    ],
)
def test_loads_and_fleets_that_cannot_be(make):
    with pytest.raises(CostError):
        make()


def test_packaged_machine_prices_are_illustrative_dated_and_few():
    rows = machines.load_machines()
    assert 10 <= len(rows) <= 15 and len({row.name for row in rows}) == len(rows)
    assert {row.basis for row in rows} == {PriceBasis.ILLUSTRATIVE}
    assert all(row.as_of and row.source and row.usd_per_hour > 0 for row in rows)
    assert all(
        (row.low or row.usd_per_hour) <= row.usd_per_hour <= (row.high or row.usd_per_hour) for row in rows
    )


def test_the_users_own_hourly_price_wins_and_an_unknown_machine_is_an_error():
    rows = machines.load_machines()
    assert machines.find_machine("l4", rows).usd_per_hour == D("0.8048")
    assert machines.find_machine("T4", rows).usd_per_hour == D("0.526")
    own = machines.find_machine("L4", rows, D("0.55"))
    assert (own.usd_per_hour, own.basis, own.vram_gb) == (D("0.55"), PriceBasis.MEASURED, 24)
    with pytest.raises(CostError, match="H100"):
        machines.find_machine("abacus", rows)
