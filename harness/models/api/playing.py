"""Questions asked at given moments, whatever comes back: each once, streamed, timed from when it was due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.models.api.budget import SpendGuard
from harness.models.api.calls import Form, Route, most_input_tokens, most_output_tokens
from harness.models.api.faults import Fault
from harness.models.api.posting import DirectCaller
from harness.models.base import ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCall:
    """One question; all times are seconds from the start.

    Attributes:
        first_s: when its first word came; None where none did.
        failure: its kind, '' for an answer.
    """

    due_s: float
    sent_s: float
    first_s: float | None
    ended_s: float
    failure: str


class Player:
    """Asks one endpoint, on the event loop that it is called on."""

    def __init__(self, caller: DirectCaller, route: Route, form: Form, guard: SpendGuard | None) -> None:
        """Ask with this form; the guard, if any, is asked before each call."""
        self._caller, self._route, self._guard = caller, route, guard
        self._form = replace(form, listed=0)  # what is timed is an answer as a user gets it
        self._start = 0.0

    async def at(self, requests: Iterator[ChatRequest], due_s: Sequence[float]) -> list[PlayedCall]:
        """Ask when each is due."""
        self._start = time.perf_counter()
        tasks: list[asyncio.Task[PlayedCall]] = []
        async with asyncio.TaskGroup() as group:
            for due in due_s:
                await asyncio.sleep(max(0.0, due - self._now()))
                tasks.append(group.create_task(self._call(next(requests), due)))
        return [task.result() for task in tasks]

    async def by_slots(
        self, requests: Iterator[ChatRequest], slots: int, duration_s: float
    ) -> list[PlayedCall]:
        """Ask the next one in a slot as soon as its last one ended, until the time is up."""
        self._start = time.perf_counter()
        found: list[PlayedCall] = []

        async def work() -> None:
            while (now := self._now()) < duration_s:
                found.append(await self._call(next(requests), now))

        async with asyncio.TaskGroup() as group:
            for _ in range(slots):
                group.create_task(work())
        return found

    async def _call(self, request: ChatRequest, due_s: float) -> PlayedCall:
        most = most_input_tokens(request, self._form), most_output_tokens(request, self._form)
        reservation = None if self._guard is None else self._guard.reserve(*most)
        sent, result = self._now(), None
        try:
            first, result = await self._caller.streamed(request, self._route, self._form, self._now)
        finally:
            if self._guard is not None and reservation is not None:
                unbilled = isinstance(result, Fault) and result.unbilled
                self._guard.settle(reservation, None if result is None else result.usage, unbilled=unbilled)
        failure = result.kind.value if isinstance(result, Fault) else ""
        return PlayedCall(due_s=due_s, sent_s=sent, first_s=first, ended_s=self._now(), failure=failure)

    def _now(self) -> float:
        return time.perf_counter() - self._start
