"""Pauses, told pauses and slots; expected numbers by hand, time by an injected clock."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.api.asking import RetryPolicy
from harness.models.api.shared import AdaptiveSlots


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@given(st.integers(0, 40), st.integers(0, 2**32), st.none() | st.floats(0, 100))
def test_a_pause_is_within_its_bound_and_never_shorter_than_told(retry, seed, told):
    policy = RetryPolicy(max_retries=4, base_s=0.5, cap_s=30.0)
    pause = policy.pause_s(retry, told, random.Random(seed))
    if told is None:
        assert 0.0 <= pause <= min(30.0, 0.5 * 2**retry)
    else:
        assert told <= pause <= told + 0.5


def test_full_jitter_has_the_mean_of_half_its_bound():
    policy = RetryPolicy(max_retries=4, base_s=1.0, cap_s=30.0)
    rng = random.Random(5)
    pauses = [policy.pause_s(3, None, rng) for _ in range(4000)]
    # uniform on [0, 8]: mean 4, standard error 8 / sqrt(12 * 4000) = 0.037
    assert sum(pauses) / len(pauses) == pytest.approx(4.0, abs=0.15)


def test_the_same_seed_gives_the_same_pauses():
    policy = RetryPolicy(max_retries=4)
    one, two = random.Random(17), random.Random(17)
    assert [policy.pause_s(n, None, one) for n in range(5)] == [
        policy.pause_s(n, None, two) for n in range(5)
    ]


def test_retries_are_bounded():
    policy = RetryPolicy(max_retries=2)
    assert [policy.allows(n) for n in range(4)] == [True, True, False, False]
    assert not RetryPolicy(max_retries=0).allows(0)


def test_slots_never_pass_the_limit_and_all_get_their_turn():
    async def main() -> tuple[int, int]:
        time = Time()
        slots = AdaptiveSlots(3, time.clock)
        most = done = 0

        async def use() -> None:
            nonlocal most, done
            await slots.take(time.sleep)
            most = max(most, slots.in_use)
            await asyncio.sleep(0)
            await slots.give_back()
            done += 1

        await asyncio.gather(*(use() for _ in range(20)))
        return most, done

    assert asyncio.run(main()) == (3, 20)


def test_a_slow_down_halves_once_for_calls_in_flight_together_and_success_adds_one_each_round():
    async def main() -> list[int]:
        time = Time()
        slots = AdaptiveSlots(8, time.clock)
        together = [await slots.take(time.sleep) for _ in range(4)]
        seen = [slots.limit]
        for generation in together:
            slots.slow_down(generation, None)
        seen.append(slots.limit)
        for _ in range(4):
            slots.answered()
        seen.append(slots.limit)
        for _ in range(5 + 6 + 7 + 8):
            slots.answered()
        seen.append(slots.limit)
        slots.slow_down(999, None)
        return [*seen, slots.limit]

    # 8 -> 4 once, not four times; 4 answers -> 5; 5 + 6 + 7 more -> 8, never past it
    assert asyncio.run(main()) == [8, 4, 5, 8, 8]


def test_no_call_begins_before_the_pause_the_provider_asked_for_is_over():
    async def main() -> tuple[float, list[float]]:
        time = Time()
        slots = AdaptiveSlots(2, time.clock)
        slots.slow_down(await slots.take(time.sleep), 7.0)
        await slots.give_back()
        await slots.take(time.sleep)
        return time.now, time.slept

    assert asyncio.run(main()) == (107.0, [7.0])


def test_a_cancelled_wait_gives_its_slot_back():
    async def main() -> int:
        time = Time()
        slots = AdaptiveSlots(1, time.clock)
        slots.slow_down(await slots.take(asyncio.sleep), 3600.0)
        await slots.give_back()
        waiting = asyncio.create_task(slots.take(asyncio.sleep))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return slots.in_use

    assert asyncio.run(main()) == 0
