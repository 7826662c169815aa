"""Sizing is arithmetic on timings; the expected counts are worked out by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.options import Option
from harness.bakeoff import sizing
from harness.bakeoff.plan import build_plan
from harness.bakeoff.sizing import (
    FEW_DEV,
    LEAST_TEST,
    MOST_DEV,
    SLACK,
    Sized,
    Timed,
    arm_seconds,
    expected_seconds,
    size_plan,
)
from harness.core.errors import UsageError
from harness.core.records import ArmId, Item
from harness.models.settings import ModelSettings
from harness.training.encoder.recipe import recipes_for
from harness.training.recipe import Budgeted
from harness.training.settings import EncoderPlan
from harness.training.speed import EncoderSpeed
from tests.harness.training.samples import recipe
from tests.support.tickets import evalset as by_hand

PROMPT = ArmId(option=Option.PROMPT, model="m")
RETRIEVE = ArmId(option=Option.RETRIEVE, model="m")
TUNE = ArmId(option=Option.TUNE, model="m")
BOTH = ArmId(option=Option.TUNE_RETRIEVE, model="m")
HOSTED = ArmId(option=Option.PROMPT, model="openai/x")


def timed(each_s: float = 1.0, arm: ArmId = PROMPT, **changes: Any) -> Timed:
    base = Timed(query_s={arm: each_s}, training=None, precision="fp32", train=500, dev=50, test=1000)
    return dataclasses.replace(base, **changes)


def trained(seconds: float) -> Budgeted:
    return Budgeted(recipe=recipe(), seconds=seconds, cut="")


def test_what_is_left_after_the_rest_goes_to_test_items() -> None:
    # 600 s - 10 s to conclude - 40 s of linear classifiers - 50 dev items x 1 s = 500 items of 1 s
    sized = size_plan(timed(linear_s=40.0), 600)
    assert (sized.test_items, sized.dev_items, sized.epochs) == (500, 50, None)
    assert "500 of 1000 test items" in sized.remark and "no fast bf16 units" in sized.remark
    assert sized.expected_s == pytest.approx(600) and sized.dropped == ()


def test_timing_the_machine_is_part_of_the_time() -> None:
    assert size_plan(timed(linear_s=40.0, spent_s=100.0), 600).test_items == 400


def test_trying_k_is_paid_for_by_retrieve() -> None:
    # two candidates, another guide and fewer answers on 20 items of 1 s each, the chosen one's answers kept:
    # 60 items fewer (it was 20 while only k was tried)
    found = timed(1.0, RETRIEVE, precision="bf16")
    sized = size_plan(found, 600)
    assert sized.test_items == 600 - 10 - 50 - 60
    assert "bf16" not in sized.remark and sized.candidates == (2, 4)
    slow = size_plan(dataclasses.replace(found, query_s={RETRIEVE: 4.0}), 480)
    # 10 s + 30 dev and 100 test items x 4 s; no second candidate is tried
    assert slow.candidates == (2,) and "k = 2, not chosen on dev" in slow.remark
    assert slow.expected_s == pytest.approx(530)


def test_every_arm_every_seed_and_every_opening_counts() -> None:
    found = timed(
        query_s={PROMPT: 1.0, TUNE: 0.5, BOTH: 1.0}, open_s={TUNE: 4.0}, training=trained(100.0), seeds=3
    )
    at = (100, 50, (2, 4))
    assert arm_seconds(found, PROMPT, at) == pytest.approx(150)
    # three times: opened before and after training, 100 s of it, 150 queries; once 30 out of scope
    assert arm_seconds(found, TUNE, at) == pytest.approx(3 * (4 + 4 + 100 + 75) + 15)
    assert arm_seconds(found, BOTH, at) == pytest.approx(3 * (100 + 150) + 30)
    assert expected_seconds(found, at) == pytest.approx(10 + 150 + 564 + 780)


def test_served_arms_are_taken_for_a_second_a_call() -> None:
    found = timed(query_s={}, served=(HOSTED,), concurrency=5, latency_items=20)
    assert arm_seconds(found, HOSTED, (100, 50, (2,))) == pytest.approx(150 / 5 + 20)
    assert "taken for 1 s each" in size_plan(found, 600).remark


@given(st.floats(0.001, 20), st.integers(1, 5000), st.integers(1, 500), st.floats(60, 7200))
def test_limits_never_pass_what_there_is_and_the_time_is_kept(
    query_s: float, test: int, dev: int, seconds: float
) -> None:
    try:
        sized = size_plan(timed(query_s, test=test, dev=dev), seconds)
    except UsageError:
        return
    assert min(LEAST_TEST, test) <= sized.test_items <= test
    assert sized.dev_items in {min(dev, MOST_DEV), min(dev, FEW_DEV)}
    assert sized.expected_s <= SLACK * seconds


def test_a_slow_machine_gives_up_dev_items_first_and_says_what_few_test_items_show() -> None:
    # 430 s - 10 s - 60 dev items x 2 s leave 150 test items; with 30 dev items they are 180
    sized = size_plan(timed(2.0, dev=100), 430)
    assert (sized.test_items, sized.dev_items) == (180, FEW_DEV)
    assert "so few show large differences only" in sized.remark
    assert sized.candidates == (2, 4) and "k = " not in sized.remark, "nothing is retrieved here"


THREE = timed(query_s={PROMPT: 3.0, RETRIEVE: 2.0, TUNE: 0.2}, training=trained(60.0), linear_s=20.0)
# at least, in s: 10 + 20 + prompt 390 + retrieve 260 + tune 26 + 60 + 6 = 772


def test_arms_outside_the_pair_are_left_out_first_and_the_time_for_all_is_said() -> None:
    sized = size_plan(THREE, 400)
    assert sized.dropped == (PROMPT,) and sized.expected_s <= SLACK * 400
    assert "prompt@m is left out" in sized.remark and "--minutes 13 runs every arm" in sized.remark


def test_then_the_slower_one_of_the_pair() -> None:
    sized = size_plan(THREE, 150)
    assert sized.dropped == (PROMPT, RETRIEVE) and sized.epochs is not None
    assert "prompt@m and retrieve@m are left out" in sized.remark
    none_trained = size_plan(THREE, 60)
    assert none_trained.dropped == (PROMPT, RETRIEVE, TUNE) and none_trained.epochs is None


def test_a_user_may_keep_every_arm_for_longer() -> None:
    shown: list[tuple[Sized, Sized]] = []

    def keep(every_arm: Sized, fewer: Sized) -> bool:
        shown.append((every_arm, fewer))
        return True

    sized = size_plan(THREE, 400, keep)
    assert sized.dropped == () and sized.expected_s == pytest.approx(772)
    ((every_arm, fewer),) = shown
    assert every_arm == sized and fewer.dropped == (PROMPT,)
    assert size_plan(THREE, 1000, keep).expected_s <= SLACK * 1000 and len(shown) == 1, "it fits: not asked"


def test_where_nothing_fits_the_smallest_time_is_named() -> None:
    with pytest.raises(UsageError, match="No bake-off on these rows fits into about 1 min") as found:
        size_plan(dataclasses.replace(THREE, linear_s=200.0), 60)
    assert "--minutes 4 without" in str(found.value) and "16 with every arm" in str(found.value)


def test_an_arm_that_fits_is_never_left_out() -> None:
    assert size_plan(THREE, 772).dropped == ()


ENCODER = ArmId(option=Option.ENCODER, model="minilm-l6")


def encoder_time(monkeypatch: pytest.MonkeyPatch, seconds: float, **asked: int) -> sizing.EncoderTime:
    """What an encoder is given in so many seconds, where 1,000 rows of 200 tokens take 20 s a pass."""
    speed = EncoderSpeed(open_s=1.0, token_s=1e-4, lengths=(200,) * 1000)
    monkeypatch.setattr(sizing, "measure_encoder", lambda *_: speed)
    monkeypatch.setattr(sizing, "encoder_settings", lambda plan, *_: fake_settings(plan.encoder))
    rows = tuple(Item(id=str(n), text="text", target="a") for n in range(1000))
    evalset = dataclasses.replace(by_hand(), train=rows)
    raw = {
        "seed": 17,
        "data": {"evalset": "x"},
        "arms": [{"option": "encoder"}],
        "cost": {"price_date": "2026-11-23"},
        **({"encoder": asked} if asked else {}),
    }
    opening = ModelSettings(cache=Path("cache"))
    return sizing._encoder_time(build_plan(raw, "test"), ENCODER, evalset, opening, seconds)


def fake_settings(plan: EncoderPlan | None) -> Any:
    recipes = recipes_for(plan or EncoderPlan(), 1000, 10**7, "fp32", 17)
    return SimpleNamespace(base=Path("base"), recipes=recipes, item_chars=2000)


def test_an_encoder_gets_the_fullest_training_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoder_time(monkeypatch, 1e6)
    assert whole.plan == EncoderPlan() and whole.training_s == pytest.approx(1 + 12.8 * 5.35), (
        "128 of 200 tokens, read once more for the head"
    )
    fewer = encoder_time(monkeypatch, 60)
    assert fewer.plan.epochs == 4 and fewer.plan.max_tokens is None
    short = encoder_time(monkeypatch, 30)
    assert (short.plan.epochs, short.plan.max_tokens) == (4, 64) and short.training_s <= 30
    least = encoder_time(monkeypatch, 1)
    assert least.plan.layers == 3 and least.training_s < short.training_s


def test_what_a_plan_says_of_its_encoder_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    found = encoder_time(monkeypatch, 1, epochs=8, max_tokens=150)
    assert (found.plan.epochs, found.plan.max_tokens) == (8, 150)


def test_an_encoder_counts_in_the_whole_and_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = encoder_time(monkeypatch, 1e6)
    timed = sizing.Timed(
        query_s={}, training=None, precision="fp32", train=10, dev=10, test=10, encoders={ENCODER: taken}
    )
    sized = (10, 10, (2,))
    assert sizing.expected_seconds(timed, sized) > taken.training_s
    assert sizing.expected_seconds(timed.without([ENCODER]), sized) < taken.training_s
