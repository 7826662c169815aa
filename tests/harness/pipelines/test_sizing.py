"""Sizing is arithmetic on timings; the expected counts are worked out by hand."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from harness.pipelines.sizing import FEW_DEV, LEAST_TEST, MOST_DEV, Timed, size_plan
from harness.records import Option


def timed(query_s: float, test: int = 1000, dev: int = 50) -> Timed:
    return Timed(
        query_s={Option.PROMPT: query_s}, training=None, precision="fp32", train=500, dev=dev, test=test
    )


def test_what_is_left_after_overhead_and_dev_goes_to_test_items() -> None:
    # 600 s - 60 s overhead - 50 dev items x 1 s = 490 items of 1 s
    sized = size_plan(timed(1.0), 600)
    assert (sized.test_items, sized.dev_items, sized.epochs) == (490, 50, None)
    assert "490 of 1000 test items" in sized.remark and "no fast bf16 units" in sized.remark


def test_trying_k_is_paid_for_by_retrieve() -> None:
    # two candidates on 20 items of 1 s each, the chosen one's answers kept: 20 items fewer than above
    with_retrieve = Timed(
        query_s={Option.RETRIEVE: 1.0}, training=None, precision="bf16", train=500, dev=50, test=1000
    )
    sized = size_plan(with_retrieve, 600)
    assert sized.test_items == 470
    assert "bf16" not in sized.remark and sized.candidates == (2, 4)
    slow = size_plan(dataclasses.replace(with_retrieve, query_s={Option.RETRIEVE: 9.0}), 600)
    # 60 s + 30 dev and 100 test items x 9 s; no second candidate is tried
    assert slow.candidates == (2,) and "k = 2, not chosen on dev" in slow.remark
    assert "about 20 min" in slow.remark  # 1,230 s is 20.5


@given(st.floats(0.001, 20), st.integers(1, 5000), st.integers(1, 500), st.floats(60, 7200))
def test_limits_never_pass_what_there_is(query_s: float, test: int, dev: int, seconds: float) -> None:
    sized = size_plan(timed(query_s, test, dev), seconds)
    assert min(LEAST_TEST, test) <= sized.test_items <= test
    assert sized.dev_items in {min(dev, MOST_DEV), min(dev, FEW_DEV)}


def test_a_slow_machine_gives_up_dev_items_first_and_says_what_few_test_items_show() -> None:
    # 480 s - 60 s overhead - 60 dev items x 2 s leave 150 test items; with 30 dev items they are 180
    sized = size_plan(timed(2.0, dev=100), 480)
    assert (sized.test_items, sized.dev_items) == (180, FEW_DEV)
    assert "so few show large differences only" in sized.remark
    # at 5 s an item nothing would be left for test: the least is kept and the time said as it is
    slow = size_plan(timed(5.0, dev=100), 480)
    assert slow.test_items == LEAST_TEST and slow.candidates == (2,)
    assert sized.candidates == (2, 4) and "k = " not in slow.remark, "nothing is retrieved here"
    assert "about 12 min" in slow.remark  # 60 + 30 x 5 + 100 x 5 = 710 s
