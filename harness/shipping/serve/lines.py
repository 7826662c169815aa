"""Requests in line before the weights: one in a model at a time, so many waiting, none computed for nobody.

Every set of weights has a thread of its own (an engine with a queue of its own has several), so that a slow
answer holds up neither another model nor `/health`. A request whose client left, or that waited too long, is
taken out of the line; an answer that is being computed runs to its end.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from harness.models.base import ChatReply
from harness.shipping.serve.metrics import Metrics
from harness.shipping.serve.service import Service
from harness.shipping.serve.wire import BadRequest, CompletionRequest

Answer = tuple[ChatReply, tuple[str, ...]]


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLimits:
    """How long a line may get, and how long a request may take.

    Attributes:
        most_waiting: requests that may wait for one set of weights.
        timeout_s: seconds from a request's arrival to its answer.
    """

    most_waiting: int = 256
    timeout_s: float = 120.0


@dataclass
class _Line:
    """The requests of one set of weights: so many wait or are answered, at so many seconds an answer."""

    at_once: int
    work: SimpleQueue[tuple[Future[Answer], Callable[[], Answer]]] = field(default_factory=SimpleQueue)
    inside: int = 0
    pace_s: float = 1.0

    def __post_init__(self) -> None:
        for _ in range(self.at_once):
            threading.Thread(target=self._go, name="answers", daemon=True).start()

    def _go(self) -> None:
        while True:
            future, work = self.work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is the waiting request's to tell
                future.set_exception(error)


class Lines:
    """The lines of a service; to be used within one event loop."""

    def __init__(self, service: Service, metrics: Metrics, limits: LineLimits) -> None:
        self._service = service
        self._metrics = metrics
        self._limits = limits
        self._lines: dict[int, _Line] = {}

    async def answer(self, asked: CompletionRequest, gone: Callable[[], Coroutine[Any, Any, None]]) -> Answer:
        """The answer to a request, once it is its turn.

        Args:
            gone: returns when the client has left.

        Raises:
            BadRequest: if it cannot be answered (400, 404), the line is full (503) or it took too long (504).
            ClientLeft: if the client went away first.
        """
        job = self._service.prepare(asked)
        line = self._lines.get(job.weights)
        if line is None:
            line = self._lines[job.weights] = _Line(job.served.at_once)
        if line.inside > self._limits.most_waiting:
            wait_s = min(600, math.ceil(line.inside * line.pace_s / line.at_once))
            message, headers = "too many requests wait for this model", {"Retry-After": str(wait_s)}
            raise BadRequest(message, status=503, kind="overloaded_error", headers=headers)
        future: Future[Answer] = Future()
        self._enter(line, asked.model, future)
        line.work.put((future, lambda: self._service.run(job)))
        answer = asyncio.wrap_future(future)
        left = asyncio.ensure_future(gone())
        try:
            await asyncio.wait(
                (answer, left), timeout=self._limits.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if answer.done():
                found = answer.result()
                self._metrics.given(self._service.given(job, found[0]))
                line.pace_s += 0.2 * (found[0].model_s - line.pace_s)
                return found
            if left.done():
                raise ClientLeft
            message = f"no answer within {self._limits.timeout_s:g} s"
            raise BadRequest(message, status=504, kind="timeout_error")
        finally:
            left.cancel()
            answer.cancel()  # takes it out of the line, if it still stands there

    def _enter(self, line: _Line, model: str, future: Future[Answer]) -> None:
        loop = asyncio.get_running_loop()

        def leave() -> None:
            line.inside -= 1
            self._metrics.waiting(model, -1)

        line.inside += 1
        self._metrics.waiting(model, 1)

        def done(_: Future[Answer]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(leave)

        future.add_done_callback(done)
