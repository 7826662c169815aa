"""An event loop in a thread of its own, so that plain code can use concurrent calls.

The loop runs on while the consumer stores an outcome; timings of calls in flight are therefore those of
the calls and not of the consumer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.5  # Ctrl-C is noticed at least this often where a blocked get() cannot be interrupted


class _End(Generic[T]):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class BackgroundLoop:
    """A running event loop; `close` ends it."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, for bookkeeping by its id."""
        return self._loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine to its end and return its result; an interrupt cancels it."""

        async def produce(put: Callable[[T], None]) -> None:
            put(await work)

        results = list(self.stream(produce))
        return results[0]

    def stream(self, produce: Callable[[Callable[[T], None]], Awaitable[None]]) -> Iterator[T]:
        """Yield what `produce` puts, as it is put; its exception is raised here.

        When the consumer stops, `produce` is cancelled and waited for: nothing is left running.
        """
        out: queue.SimpleQueue[T | _End[T]] = queue.SimpleQueue()
        finished = threading.Event()
        started: list[asyncio.Task[None]] = []

        async def main() -> None:
            try:
                await produce(out.put)
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

    def _drain(self, out: queue.SimpleQueue[T | _End[T]]) -> Iterator[T]:
        while True:
            try:
                got = out.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not isinstance(got, _End):
                yield got
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
