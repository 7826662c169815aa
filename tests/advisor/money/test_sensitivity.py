"""Swings and flip points by hand; the vectorised break-even against the exact one."""

from decimal import Decimal as D

import numpy as np
import pytest

from advisor.money import break_even as be
from advisor.money import sensitivity as sens
from advisor.money.money import CostError, Range
from advisor.money.sensitivity import known, swings


def test_swings_by_hand_largest_first():
    ranges = {"a": Range(low=1, likely=2, high=4), "b": Range(low=0, likely=10, high=11)}
    got = swings(lambda v: 10 * v["a"] + v["b"], ranges)
    assert [(s.name, s.at_low, s.at_high, s.size) for s in got] == [("a", 20, 50, 30), ("b", 20, 31, 11)]


def test_an_output_that_stops_being_defined_comes_first():
    ranges = {"a": Range(low=1, likely=2, high=100), "b": Range(low=0, likely=1, high=2)}
    got = swings(lambda v: None if v["b"] == 0 else v["a"] / v["b"], ranges)
    assert got[0].name == "b" and got[0].at_low is None


def test_ranges_must_be_in_order():
    with pytest.raises(CostError):
        Range(low=2, likely=1, high=3)


def _random_inputs(rng, n):
    drawn = {
        "usd_per_month": rng.uniform(0, 500, n),
        "machine_usd_per_month": rng.uniform(1, 500, n),
        "queries_per_machine": rng.uniform(1e4, 1e6, n),
        "usd_per_query": rng.uniform(0, 0.003, n),
        "rival_usd_per_query": rng.uniform(0, 0.01, n),
    }
    drawn["usd_per_month"][::7] = 0
    return drawn


def test_vectorised_break_even_agrees_with_the_exact_one():
    drawn = _random_inputs(np.random.default_rng(1), 2000)
    volumes, machines = sens.break_even_volumes(drawn)
    outcomes = set()
    for i in range(2000):
        fixed, machine, capacity, per_query, rival = (D(repr(float(drawn[k][i]))) for k in drawn)
        exact = be.break_even(
            be.FixedCost(
                usd_per_month=fixed,
                machine_usd_per_month=machine,
                queries_per_machine=capacity,
                usd_per_query=per_query,
            ),
            rival,
        )
        outcomes.add(exact.outcome)
        if exact.outcome is be.Outcome.NEVER:
            assert np.isinf(volumes[i]) and machines[i] == 0
        else:
            assert volumes[i] == pytest.approx(exact.queries_per_month, rel=1e-6, abs=1.001)
            assert machines[i] == exact.machines
    assert outcomes == {be.Outcome.AT, be.Outcome.BEYOND_ONE_MACHINE, be.Outcome.NEVER}


def ranges(**changes):
    plain = {
        "usd_per_month": known(0),
        "machine_usd_per_month": Range(low=130, likely=336, high=400),
        "queries_per_machine": known(1e7),
        "usd_per_query": known(0),
        "rival_usd_per_query": Range(low=0.001, likely=0.0021, high=0.004),
    }
    return sens.BreakEvenRanges(**(plain | changes))


def test_100000_draws_are_computed_at_once_and_repeat(monkeypatch):
    asked, volumes = [], sens.break_even_volumes
    monkeypatch.setattr(
        sens, "break_even_volumes", lambda drawn: asked.append(len(drawn["usd_per_query"])) or volumes(drawn)
    )
    got = sens.simulate_break_even(ranges(), np.random.default_rng(2))
    assert asked == [100_000]
    assert got.draws == 100_000 and got.low < got.median < got.high
    assert got == sens.simulate_break_even(ranges(), np.random.default_rng(2))
    assert got.share_never == 0 == got.share_beyond_one_machine


def test_without_spread_the_simulation_is_the_exact_answer():
    fixed = ranges(machine_usd_per_month=known(336), rival_usd_per_query=known(0.0021))
    got = sens.simulate_break_even(fixed, np.random.default_rng(3), draws=10)
    assert got.low == got.median == got.high == pytest.approx(160_000)


def test_never_is_counted_and_shown_as_an_open_end():
    open_end = ranges(usd_per_query=Range(low=0.0005, likely=0.002, high=0.004))
    got = sens.simulate_break_even(open_end, np.random.default_rng(4))
    assert 0.1 < got.share_never < 0.9 and got.high is None and got.low is not None


def test_the_median_agrees_with_an_exact_quantile():
    # triangular machine price over a fixed saving: the median of the volume is that of the price
    only = ranges(rival_usd_per_query=known(0.001))
    low, likely, high = 130, 336, 400
    median = low + np.sqrt(0.5 * (high - low) * (likely - low))  # below the mode
    got = sens.simulate_break_even(only, np.random.default_rng(5))
    assert got.median == pytest.approx(median / 0.001, rel=0.005)
    with pytest.raises(CostError):
        sens.simulate_break_even(ranges(queries_per_machine=known(0)), np.random.default_rng(5))
