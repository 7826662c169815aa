"""Swings by hand; the vectorised break-even against the exact one."""

from decimal import Decimal as D

import numpy as np
import pytest

from advisor.money import break_even as be
from advisor.money import sensitivity as sens
from advisor.money.money import CostError, Range
from advisor.money.sensitivity import swings


def test_swings_by_hand_largest_first():
    ranges = {"a": Range(low=1, likely=2, high=4), "b": Range(low=0, likely=10, high=11)}
    got = swings(lambda v: 10 * v["a"] + v["b"], ranges)
    assert [(s.field, s.usd_at_low, s.usd_at_high, s.size) for s in got] == [
        ("a", 20, 50, 30),
        ("b", 20, 31, 11),
    ]


def test_an_output_that_stops_being_defined_comes_first():
    ranges = {"a": Range(low=1, likely=2, high=100), "b": Range(low=0, likely=1, high=2)}
    got = swings(lambda v: None if v["b"] == 0 else v["a"] / v["b"], ranges)
    assert got[0].field == "b" and got[0].usd_at_low is None


def test_ranges_must_be_in_order():
    with pytest.raises(CostError):
        Range(low=2, likely=1, high=3)


def _random_inputs(rng, n):
    drawn = {
        "fixed": rng.uniform(0, 500, n),
        "machine": rng.uniform(1, 500, n),
        "capacity": rng.uniform(1e4, 1e6, n),
        "rival": rng.uniform(-0.003, 0.01, n),
    }
    drawn["fixed"][::7] = 0
    return drawn


def test_vectorised_break_even_agrees_with_the_exact_one():
    drawn = _random_inputs(np.random.default_rng(1), 2000)
    volumes, machines = sens.break_even_volumes(drawn)
    outcomes = set()
    for i in range(2000):
        fixed, machine, capacity, saved = (D(repr(float(drawn[k][i]))) for k in drawn)
        exact = be.break_even(
            be.FixedCost(
                usd_per_month=fixed,
                machine_usd_per_month=machine,
                queries_per_machine=capacity,
                usd_per_query=D("0.003"),
            ),
            D("0.003") + saved,
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
        "fixed": known(0),
        "machine": Range(low=130, likely=336, high=400),
        "capacity": known(1e7),
        "rival": Range(low=0.001, likely=0.0021, high=0.004),
    }
    return plain | changes


def known(value):
    return Range(low=value, likely=value, high=value)


def test_100000_draws_are_computed_at_once_and_repeat(monkeypatch):
    asked, volumes = [], sens.break_even_volumes
    monkeypatch.setattr(
        sens, "break_even_volumes", lambda drawn: asked.append(len(drawn["rival"])) or volumes(drawn)
    )
    low, high, never = sens.simulate_break_even(ranges(), np.random.default_rng(2), level=0.9)
    assert asked == [100_000]
    assert low < high and never == 0
    assert (low, high, never) == sens.simulate_break_even(ranges(), np.random.default_rng(2), level=0.9)


def test_without_spread_the_simulation_is_the_exact_answer():
    fixed = ranges(machine=known(336), rival=known(0.0021))
    low, high, _ = sens.simulate_break_even(fixed, np.random.default_rng(3), draws=10, level=0.9)
    assert low == high == pytest.approx(160_000)


def test_never_is_counted_and_shown_as_an_open_end():
    # some machines serve too little for what they cost
    open_end = ranges(capacity=Range(low=50_000, likely=100_000, high=400_000))
    low, high, never = sens.simulate_break_even(open_end, np.random.default_rng(4), level=0.9)
    assert 0.1 < never < 0.9 and high is None and low is not None


def test_the_ends_agree_with_exact_quantiles():
    # triangular machine price over a fixed saving: the quantiles of the volume are those of the price
    low, likely, high = 130, 336, 400
    twentieth = low + np.sqrt(0.05 * (high - low) * (likely - low))  # below the mode
    last = high - np.sqrt(0.05 * (high - low) * (high - likely))  # above it
    got = sens.simulate_break_even(ranges(rival=known(0.001)), np.random.default_rng(5), level=0.9)
    assert got[:2] == pytest.approx((twentieth / 0.001, last / 0.001), rel=0.005)
    with pytest.raises(CostError):
        sens.simulate_break_even(ranges(capacity=known(0)), np.random.default_rng(5), level=0.9)
