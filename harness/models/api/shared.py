"""What served models share: an event loop in a thread of its own, and the limits of each key.

The loop runs on while the consumer stores an outcome: timings of calls in flight are those of the calls and
not of the consumer. Whatever is asked with one key at one host (by one arm after another, by the embedding
model beside the chat model, by a reranker) draws on the same calls in flight, calls and tokens a minute.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from advisor.money.usage import TOKENS, Usage

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
_POLL_S = 0.5  # Ctrl-C is noticed at least this often where a blocked get() cannot be interrupted


class AdaptiveSlots:
    """How many calls may be in flight: halved when told to slow down, then raised one by one.

    Additive increase, multiplicative decrease (RFC 5681 for TCP): a slow-down halves the limit once for
    all calls that were in flight together; as many answered calls as the limit is wide raise it by one.
    Belongs to one event loop.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        """Begin at `most` slots, the limit that is never passed."""
        self._most = max(1, most)
        self._clock = clock
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

    async def take(self, sleep: Sleep) -> int:
        """Wait for a slot and for the end of any pause; returns the generation to hand to `slow_down`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._in_use < self._limit)
            self._in_use += 1
        try:
            while (left := self._closed_until - self._clock()) > 0:
                await sleep(left)
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
            self.pause(pause_s)

    def pause(self, seconds: float) -> None:
        """Let no call begin for a while."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def answered(self) -> None:
        """A call was answered; after `limit` of them one more may be in flight."""
        self._answered += 1
        if self._answered >= self._limit and self._limit < self._most:
            self._limit += 1
            self._answered = 0


class Pace:
    """Calls and tokens a minute, spread evenly: two leaky buckets, without a burst at the beginning.

    Tokens are counted once they are reported, so that a call is held back for those before it and the first
    calls in flight together may go beyond the limit by what they use.
    """

    def __init__(self, rpm: float | None, tpm: float | None, clock: Clock) -> None:
        """No limit where None."""
        self._rpm, self._tpm, self._clock = rpm, tpm, clock
        self._call_at = self._tokens_at = -math.inf
        self._kept_by: Pace | None = None

    def follow(self, other: Pace | None) -> None:
        """Let another one keep the pace of all that share this one; None ends it."""
        self._kept_by = other

    def take(self) -> float:
        """Claim the next call; seconds to wait before it is made."""
        if self._kept_by is not None:
            return self._kept_by.take()
        now = self._clock()
        at = max(now, self._call_at, self._tokens_at)
        if self._rpm is not None:
            self._call_at = at + 60.0 / self._rpm
        return at - now

    def used(self, usage: Usage) -> None:
        """Count what a call used; what is not known counts as nothing."""
        if self._kept_by is not None:
            self._kept_by.used(usage)
        elif self._tpm is not None:
            tokens = sum(getattr(usage, name) or 0 for name in TOKENS)
            self._tokens_at = max(self._clock(), self._tokens_at) + 60.0 * tokens / self._tpm


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may do at one host."""

    slots: AdaptiveSlots
    pace: Pace


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _take(taken: asyncio.Future[None]) -> None:
    if not taken.done():  # else whoever waited was cancelled
        taken.set_result(None)


class BackgroundLoop:
    """A running event loop; `close` ends it."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine to its end and return its result; an interrupt cancels it."""

        async def produce(put: Callable[[T], Awaitable[None]]) -> None:
            await put(await work)

        results = list(self.stream(produce))
        return results[0]

    def stream(self, produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]]) -> Iterator[T]:
        """Yield what `produce` puts, as it is put; its exception is raised here.

        A put ends once the consumer asks for more: what it was given is then stored, and whoever put it may
        go on. When the consumer stops, `produce` is cancelled and waited for: nothing is left running.
        """
        out: queue.SimpleQueue[tuple[T, asyncio.Future[None]] | _End] = queue.SimpleQueue()
        finished = threading.Event()
        started: list[asyncio.Task[None]] = []

        async def put(value: T) -> None:
            taken: asyncio.Future[None] = self._loop.create_future()
            out.put((value, taken))
            await taken

        async def main() -> None:
            try:
                await produce(put)
            except BaseException as error:  # handed over to the consumer's thread, whatever it is
                out.put(_End(error))
                if isinstance(error, asyncio.CancelledError):
                    raise
            else:
                out.put(_End(None))

        def start() -> None:
            task = self._loop.create_task(main())
            task.add_done_callback(lambda _: finished.set())
            started.append(task)

        self._loop.call_soon_threadsafe(start)
        try:
            yield from self._drain(out)
        finally:
            self._loop.call_soon_threadsafe(lambda: started[0].cancel())
            finished.wait()

    def _drain(self, out: queue.SimpleQueue[tuple[T, asyncio.Future[None]] | _End]) -> Iterator[T]:
        while True:
            try:
                got = out.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not isinstance(got, _End):
                value, taken = got
                yield value
                self._loop.call_soon_threadsafe(_take, taken)
            elif got.error is not None:
                raise got.error
            else:
                return

    def close(self) -> None:
        """Cancel what still runs, stop the thread and close the loop."""
        if self._loop.is_closed():
            return

        async def cancel_rest() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(cancel_rest(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SharedCalls:
    """The loop and the limits of all served models of one command; threads may share it."""

    def __init__(self) -> None:
        """Nothing is started before the first call."""
        self._loop: BackgroundLoop | None = None
        self._limits: dict[str, KeyLimits] = {}
        self._lock = threading.Lock()

    @property
    def loop(self) -> BackgroundLoop:
        """The loop, started where it does not run."""
        with self._lock:
            if self._loop is None:
                self._loop = BackgroundLoop("calls to served models")
            return self._loop

    def limits(self, key: str, most: int, pace: Pace, clock: Clock) -> KeyLimits:
        """The limits of a key at a host (`Route.key_at_host`), as whoever asked first set them.

        Args:
            most: calls in flight at most.
        """
        with self._lock:
            return self._limits.setdefault(key, KeyLimits(AdaptiveSlots(most, clock), pace))

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
            self._limits.clear()
        if loop is not None:
            loop.close()
