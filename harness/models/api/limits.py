"""How often, how fast and how long to ask a provider again: pauses, retries and slots in flight.

litellm's own retries sleep out of sight and its router does not hold rate limits, so both are done here,
where every attempt and every second of waiting is counted. Clock, sleep and random numbers come from
the caller.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed call is made again.

    Attributes:
        max_retries: further attempts after the first; 0 fails at once.
        max_server_retries: the same for 5xx answers, which are often the same every time.
        base_s, cap_s: the longest pause before retry n (from 0) is `min(cap_s, base_s * 2 ** n)`.
        longest_wait_s: a provider that asks for a longer pause than this is not waited for: the run stops.
        longest_silence_s: nor is one that has answered nothing for so long and asks for one more pause.
    """

    max_retries: int
    max_server_retries: int = 2
    base_s: float = 0.5
    cap_s: float = 30.0
    longest_wait_s: float = 120.0
    longest_silence_s: float = 600.0

    def pause_s(self, retry: int, told_s: float | None, rng: random.Random) -> float:
        """Seconds to wait before retry `retry` (from 0): exponential backoff with full jitter.

        Never shorter than what the provider asked for (`told_s`); the jitter then comes on top, so
        that callers told the same second do not come back together. Formula: "full jitter" of
        Marc Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
        """
        jitter = rng.uniform(0.0, min(self.cap_s, self.base_s * 2.0**retry))
        return jitter if told_s is None else told_s + min(jitter, self.base_s)

    def allows(self, retries: int) -> bool:
        """Whether to try once more after `retries` further attempts."""
        return retries < self.max_retries


class AdaptiveSlots:
    """How many calls may be in flight: halved when told to slow down, then raised one by one.

    Additive increase, multiplicative decrease (RFC 5681 for TCP): a slow-down halves the limit once for
    all calls that were in flight together; as many answered calls as the limit is wide raise it by one.
    Belongs to one event loop.
    """

    def __init__(self, most: int, clock: Clock, sleep: Sleep) -> None:
        """Begin at `most` slots, the limit that is never passed."""
        self._most = max(1, most)
        self._clock = clock
        self._sleep = sleep
        self._limit = self._most
        self._in_use = 0
        self._answered = 0
        self._generation = 0
        self._closed_until = -math.inf
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        """Calls allowed in flight now."""
        return self._limit

    @property
    def in_use(self) -> int:
        """Slots taken now."""
        return self._in_use

    async def take(self) -> int:
        """Wait for a slot and for the end of any pause; returns the generation to hand to `slow_down`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._in_use < self._limit)
            self._in_use += 1
        try:
            while (left := self._closed_until - self._clock()) > 0:
                await self._sleep(left)
        except BaseException:  # a cancelled wait must give its slot back
            await self.give_back()
            raise
        return self._generation

    async def give_back(self) -> None:
        """Free one slot."""
        self._in_use -= 1
        async with self._changed:
            self._changed.notify_all()

    def slow_down(self, generation: int, pause_s: float | None) -> None:
        """A call was told to slow down: halve the limit, and let no call begin for `pause_s` seconds."""
        if generation == self._generation:
            self._limit = max(1, self._limit // 2)
            self._generation += 1
            self._answered = 0
        if pause_s is not None:
            self._closed_until = max(self._closed_until, self._clock() + pause_s)

    def answered(self) -> None:
        """A call was answered; after `limit` of them one more may be in flight."""
        self._answered += 1
        if self._answered >= self._limit and self._limit < self._most:
            self._limit += 1
            self._answered = 0
