"""Power against the published table, against simulation with the exact test, and its own inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.stats import power
from advisor.stats.paired import mcnemar_mid_p, melded_interval


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


def test_power_agrees_with_simulation_of_the_test():
    rng, runs, hits = np.random.default_rng(1), 4000, 0
    n = power.items_needed(0.05, 0.15)
    for b, c, _ in rng.multinomial(n, [0.10, 0.05, 0.85], size=runs):
        hits += mcnemar_mid_p(int(b), int(c)) < 0.05
    assert 0.77 <= hits / runs <= 0.83


@given(st.floats(0.005, 0.2), st.floats(0.2, 0.9))
def test_power_at_the_needed_number_is_what_was_asked(difference, discordance):
    n = power.items_needed(difference, discordance)
    assert power.power_at(n, difference, discordance) >= 0.8 - 1e-6
    assert power.power_at(n - 2, difference, discordance) < 0.8 + 1e-6


def test_never_is_none():
    assert power.items_needed(0.0, 0.1) is None
    assert power.minimum_detectable_difference(3, 0.5) is None
    assert power.items_for_tie(-0.02, 0.1, 0.02) is None
    assert power.items_for_bound(0.8, 0.8, 0.8, 0.05) is None
    with pytest.raises(ValueError, match="discordance"):
        power.items_needed(0.2, 0.1)
    with pytest.raises(ValueError, match="margin"):
        power.items_to_settle(0.0, 0.1, 0.0)


def test_items_for_a_tie_by_hand():
    # no true difference, 44 % discordance, 2 points, both sides at 90 %:
    # 0.44 * (1.959964 + 1.281552)^2 / 0.02^2 = 11,558.3
    assert power.items_for_tie(0.0, 0.44, 0.02) == 11_559
    # one point inside the margin the nearer side decides: (0.1 - 0.01^2) * (1.959964 + 0.841621)^2 / 0.01^2
    assert power.items_for_tie(0.01, 0.10, 0.02) == 7_842


def test_items_for_a_tie_give_the_power_that_was_asked():
    n, rng, ties = power.items_for_tie(0.0, 0.10, 0.05), np.random.default_rng(4), 0
    for b, c, _ in rng.multinomial(n, [0.05, 0.05, 0.90], size=2000):
        ends = melded_interval(int(b), int(c), n)
        ties += ends.low > -0.05 and ends.high < 0.05
    assert 0.77 <= ties / 2000 <= 0.84


def test_what_settles_a_difference_is_the_nearer_of_a_winner_and_a_tie():
    assert power.items_to_settle(0.05, 0.1, 0.02) == power.items_needed(0.05, 0.1)
    assert power.items_to_settle(0.0, 0.1, 0.02) == power.items_for_tie(0.0, 0.1, 0.02)


def test_items_for_a_bound_by_hand():
    # 90 % where 85 % is asked for: (1.644854 * sqrt(.85 * .15) + 0.841621 * sqrt(.9 * .1))^2 / 0.05^2
    assert power.items_for_bound(0.90, 0.85, 0.8, 0.05) == 283


def test_items_for_a_mean_by_hand():
    # 100 items, error .04, .55 where .5 is asked for: 100 * ((1.644854 + .841621) * .04 / .05)^2 = 395.7
    assert power.items_for_mean(0.55, 0.04, 100, 0.5, 0.8, 0.05) == 396
    assert power.items_for_mean(0.5, 0.04, 100, 0.5, 0.8, 0.05) is None


def test_clusters_multiply_the_items():
    plain = power.items_needed(0.05, 0.1)
    more = power.items_needed(0.05, 0.1, power.Design(design_effect=2.4))
    assert more == pytest.approx(plain * 2.4, abs=3)
    with pytest.raises(ValueError, match="design effect"):
        power.Design(design_effect=0.5)
