"""Power against the published table, against simulation with the exact test, and its own inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.stats import power
from advisor.stats.paired import mcnemar_exact


@pytest.mark.parametrize(
    ("discordance", "difference", "items"),
    [  # items for 80 % power; the table computed when the evidence was collected
        (0.10, 0.02, 1960), (0.15, 0.02, 2941), (0.20, 0.02, 3923),
        (0.10, 0.03, 870), (0.15, 0.03, 1306), (0.20, 0.03, 1742),
        (0.10, 0.05, 312), (0.15, 0.05, 469), (0.20, 0.05, 626),
    ],
)  # fmt: skip
def test_items_needed_reproduces_the_table(discordance, difference, items):
    assert abs(power.items_needed(difference, discordance) - items) <= 1


@pytest.mark.parametrize(
    ("n", "low", "high"), [(200, 6, 9), (500, 4, 5.6), (1000, 2.8, 4.0), (3080, 1.6, 2.3)]
)
def test_minimum_detectable_difference_reproduces_the_table(n, low, high):
    at_10 = 100 * power.minimum_detectable_difference(n, 0.10)
    at_20 = 100 * power.minimum_detectable_difference(n, 0.20)
    digits = 0 if n == 200 else 1
    assert round(at_10, digits) == low and round(at_20, digits) == high


def test_power_agrees_with_simulation_of_the_exact_test():
    rng, runs, hits = np.random.default_rng(1), 4000, 0
    n = power.items_needed(0.05, 0.15)
    for b, c, _ in rng.multinomial(n, [0.10, 0.05, 0.85], size=runs):
        hits += mcnemar_exact(int(b), int(c)) < 0.05
    assert 0.75 <= hits / runs <= 0.83  # the exact test loses a little to the normal formula


@given(st.floats(0.005, 0.2), st.floats(0.2, 0.9))
def test_power_at_the_needed_number_is_what_was_asked(difference, discordance):
    n = power.items_needed(difference, discordance)
    assert power.power_at(n, difference, discordance) >= 0.8 - 1e-6
    assert power.power_at(n - 2, difference, discordance) < 0.8 + 1e-6


def test_never_is_none_and_enough_is_zero():
    assert power.items_needed(0.0, 0.1) is None
    assert power.more_items_to_settle(500, 0.0, 0.1) is None
    assert power.more_items_to_settle(5000, 0.02, 0.1) == 0
    assert power.more_items_to_settle(500, 0.02, 0.1) == 1460
    assert power.minimum_detectable_difference(3, 0.5) is None
    assert power.items_for_margin(-0.02, 0.1, 0.02) is None
    with pytest.raises(ValueError, match="discordance"):
        power.items_needed(0.2, 0.1)


def test_items_for_a_margin_by_hand():
    # no true difference, 10 % discordance, 2 points: 0.1 * (1.959964 + 0.841621)^2 / 0.02^2 = 1962.2
    assert power.items_for_margin(0.0, 0.10, 0.02) == 1963


def test_clusters_multiply_the_items():
    effect = power.design_effect(units=100, n=800, icc=0.2)
    assert effect == pytest.approx(1 + 7 * 0.2)
    plain = power.items_needed(0.05, 0.1)
    more = power.items_needed(0.05, 0.1, power.Design(design_effect=effect))
    assert more == pytest.approx(plain * effect, abs=2)
    with pytest.raises(ValueError, match="design effect"):
        power.Design(design_effect=0.5)
