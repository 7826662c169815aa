"""Break-even by hand and by trying volumes one after the other; accuracy that a price is worth."""

import math
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money import break_even as be
from advisor.money.break_even import FixedCost, Outcome
from advisor.money.money import CostError


def test_on_one_machine_by_hand():
    got = be.break_even(FixedCost(usd_per_month=D(0), machine_usd_per_month=D(336)), D("0.0021"))
    assert (got.outcome, got.queries_per_month, got.machines) == (Outcome.AT, 160_000, 1)


def test_never_when_a_query_costs_no_less():
    # the measured case of an unmerged adapter that served slower than its rival: no volume helps
    for price in ("0.002", "0.003"):
        got = be.break_even(FixedCost(usd_per_month=D(10), usd_per_query=D(price)), D("0.002"))
        assert got.outcome is Outcome.NEVER and got.queries_per_month is None


def test_never_when_a_full_machine_costs_more_than_it_saves():
    # one machine serves 100,000 queries that save $100 but costs $336: more machines only lose more
    option = FixedCost(usd_per_month=D(0), machine_usd_per_month=D(336), queries_per_machine=D(100_000))
    assert be.break_even(option, D("0.001")).outcome is Outcome.NEVER


def test_beyond_one_machine_when_fixed_costs_need_several():
    # saving $0.01 a query; a machine costs $100 and serves 20,000 (gains $100); fixed $350
    option = FixedCost(usd_per_month=D(350), machine_usd_per_month=D(100), queries_per_machine=D(20_000))
    got = be.break_even(option, D("0.01"))
    # 4 machines: (350 + 400) / 0.01 = 75,000 <= 80,000; with 3: 65,000 > 60,000
    assert (got.outcome, got.queries_per_month, got.machines) == (Outcome.BEYOND_ONE_MACHINE, 75_000, 4)


def test_minimum_replicas_are_paid_from_the_first_query_on():
    option = FixedCost(usd_per_month=D(0), machine_usd_per_month=D(336), min_machines=2)
    assert be.break_even(option, D("0.0021")).queries_per_month == 320_000


def test_always_and_unknown_and_wrong():
    assert be.break_even(FixedCost(usd_per_month=D(0)), D("0.1")).outcome is Outcome.ALWAYS
    assert be.break_even(FixedCost(usd_per_month=None), D("0.1")).outcome is Outcome.UNKNOWN
    assert be.break_even(FixedCost(usd_per_month=D(1)), None).outcome is Outcome.UNKNOWN
    with pytest.raises(CostError):
        be.break_even(FixedCost(usd_per_month=D(-1)), D("0.1"))
    with pytest.raises(CostError):
        be.break_even(FixedCost(usd_per_month=D(1), queries_per_machine=D(0)), D("0.1"))


@given(st.integers(0, 300), st.integers(1, 300), st.integers(5, 60), st.integers(1, 12), st.integers(1, 3))
def test_agrees_with_trying_every_volume(fixed, machine, capacity, saving, least):
    """Second implementation: walk up the volumes and compare the two bills."""
    option = FixedCost(
        usd_per_month=D(fixed),
        machine_usd_per_month=D(machine),
        queries_per_machine=D(capacity),
        min_machines=least,
    )
    got = be.break_even(option, D(saving))

    def pays(volume):
        count = max(least, math.ceil(volume / capacity))
        return fixed + count * machine <= saving * volume

    walked = next((volume for volume in range(1, 20_000) if pays(volume)), None)
    if got.outcome is Outcome.NEVER:
        assert walked is None
    elif got.queries_per_month < 20_000:
        assert got.queries_per_month == walked
        end = got.machines * capacity
        assert all(pays(volume) for volume in range(walked, end + 1))
        assert got.holds_to == (None if pays(end + 1) else end)
