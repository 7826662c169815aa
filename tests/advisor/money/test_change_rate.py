"""From how many changes a month one way of keeping up is cheaper than another, and right more often."""

from __future__ import annotations

import math

import pytest

from advisor.money.change_rate import MONTH_S, KeepingUp, Volume, rate_above

VOLUME = Volume(queries_per_month=1000, wrong_answer_usd=1.0)


def way(
    *, after: float, stale: float = 0.0, seconds: float = 0.0, query: float = 0.0, change: float = 0.0
) -> KeepingUp:
    return KeepingUp(
        usd_per_query=query, usd_per_change=change, stale_s=seconds, right_after=after, right_stale=stale
    )


def test_the_rate_is_where_both_cost_the_same() -> None:
    retrieving, training = (
        way(after=0.8, stale=0.6),
        way(after=0.9, stale=0.5, seconds=MONTH_S / 100, change=2),
    )
    found = rate_above(retrieving, training, VOLUME)
    # 100 dollars of wrong answers more, against 2 dollars and 4 dollars of stale answers a change
    assert found.cheaper == pytest.approx(100 / 6)
    assert found.better == pytest.approx(25)
    assert found.both == pytest.approx(25)
    months = [side.month_usd(found.cheaper, VOLUME) for side in (retrieving, training)]
    assert months[0] == pytest.approx(months[1])


def test_always_where_it_is_better_without_a_change() -> None:
    found = rate_above(way(after=0.9), way(after=0.8, change=1), VOLUME)
    assert (found.cheaper, found.better, found.both) == (0, 0, 0)


def test_none_where_the_other_is_right_more_often_even_when_stale() -> None:
    found = rate_above(way(after=0.4), way(after=0.9, stale=0.5, seconds=3600, change=1), VOLUME)
    assert math.isinf(found.better) and math.isinf(found.both)
    assert 0 < found.cheaper < math.inf, "trainings without end cost more than wrong answers some day"


def test_a_training_that_never_catches_up_bends_the_line() -> None:
    training = way(after=0.9, stale=0.5, seconds=MONTH_S / 10, change=1)
    assert training.right(10) == training.right(1000) == 0.5
    # at ten a month it is stale for good; from there only its trainings cost
    found = rate_above(way(after=0.45), training, VOLUME)
    assert found.cheaper == pytest.approx(50) and math.isinf(found.better)


def test_two_ways_alike_have_no_rate() -> None:
    assert math.isinf(rate_above(way(after=0.8), way(after=0.8), VOLUME).both)
