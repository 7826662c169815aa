"""The application behind the server: who may speak, what there is at which path, what a fault looks like.

starlette's requests and responses; every answer, also a refusal, is JSON as OpenAI's clients read it.

Requests stand in line before the weights, one in a model at a time. Every set of weights has a thread of its
own (an engine with a queue of its own has several), so that a slow answer holds up neither another model nor
`/health`. A request whose client left, or that waited too long, is taken out of the line; an answer that is
being computed runs to its end.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from harness.models.base import ChatReply
from harness.shipping.serve.hosts import is_known, is_own_origin
from harness.shipping.serve.metrics import Metrics
from harness.shipping.serve.service import Service
from harness.shipping.serve.wire import (
    MOST_CHOICES,
    BadRequest,
    CompletionRequest,
    chunks,
    completion,
    error_body,
    model_list,
    read_request,
)

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


MOST_BYTES = 1 << 20
_BODY_S = 30.0
_LEFT = 499  # a client that went away; no one reads it, the counters do
_BODY_READ = frozenset({200, 400, 503, 504})
_NONE_TO_AUTHORISE = frozenset({"/health"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeLimits:
    """What a client may ask for.

    Attributes:
        choices: labels that a request may name.
    """

    choices: int = MOST_CHOICES
    line: LineLimits = field(default_factory=LineLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who is answered.

    Attributes:
        names: the hosts it is known by.
        api_key: what clients send as a bearer token; '' asks for none.
    """

    names: tuple[str, ...]
    api_key: str = ""


class LabelApp:
    """An ASGI application that answers for a service."""

    def __init__(self, service: Service, door: Door, limits: ServeLimits) -> None:
        self._service = service
        self._door = door
        self._limits = limits
        self._counters = Metrics(service.train_counts)
        self._lines = Lines(service, self._counters, limits.line)
        get: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/v1/models": self._models,
            "/models": self._models,
            "/metrics": self._metrics,
            "/health": self._health,
        }
        post = {"/v1/chat/completions": self._complete, "/chat/completions": self._complete}
        self._paths = {path: ("GET", work) for path, work in get.items()}
        self._paths |= {path: ("POST", work) for path, work in post.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._guarded(Request(scope, receive))
        await response(scope, receive, send)

    async def _guarded(self, request: Request) -> Response:
        """The response, whatever happens; faults become OpenAI's error bodies, and are counted."""
        try:
            _authorise(request, self._door)
            return await self._work(request)(request)
        except BadRequest as fault:
            status = fault.status
            response = _error(str(fault), fault.kind, status)
            response.headers.update(fault.headers)
        except ClientLeft:
            status = _LEFT
            response = Response(status_code=status)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the server lives
            status = 500
            response = _error(f"internal error: {type(error).__name__}", "server_error", status)
        if status not in _BODY_READ:
            response.headers["Connection"] = "close"  # or the rest of a body is taken for a request
        self._counters.finished("", status)
        return response

    def _work(self, request: Request) -> Callable[[Request], Awaitable[Response]]:
        path = request.scope["path"]
        if path not in self._paths:
            raise BadRequest(f"there is nothing at {path[:100]}", status=404, kind="not_found_error")
        method, work = self._paths[path]
        if request.method != method and (request.method, method) != ("HEAD", "GET"):
            raise BadRequest(f"{path} takes {method}", status=405, headers={"Allow": method})
        return work

    async def _models(self, _: Request) -> Response:
        return JSONResponse(model_list(self._service.names, int(time.time())))

    async def _metrics(self, _: Request) -> Response:
        return Response(self._counters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _complete(self, request: Request) -> Response:
        asked = read_request(await _body(request), self._limits.choices)
        reply, choices = await self._lines.answer(asked, lambda: _gone(request))
        over = self._service.hands_over(asked.model, reply)
        number, now = uuid.uuid4().hex, int(time.time())
        response = completion(asked, reply, choices, number=number, now=now, hand_over=over)
        self._counters.finished(asked.model, 200)
        if not asked.stream:
            return JSONResponse(response)
        pieces = [f"data: {json.dumps(piece)}\n\n" for piece in chunks(response)]
        return Response("".join([*pieces, "data: [DONE]\n\n"]), media_type="text/event-stream")


def _error(message: str, kind: str, status: int) -> Response:
    return JSONResponse(error_body(message, kind, status), status)


def _authorise(request: Request, door: Door) -> None:
    """Who may speak: known hosts, pages of this server, and those who have the key."""
    hosts, origins = request.headers.getlist("host"), request.headers.getlist("origin")
    if len(hosts) != 1 or not is_known(hosts[0], door.names):
        raise BadRequest("this host is not served here; --allow-host adds one", status=421)
    if any(not is_own_origin(origin, door.names) for origin in origins):
        raise BadRequest("a page of another origin may not ask", status=403, kind="permission_error")
    if not door.api_key or request.scope["path"] in _NONE_TO_AUTHORISE:
        return
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(given.encode(), door.api_key.encode()):
        raise BadRequest("the API key is missing or wrong", status=401, kind="authentication_error")


async def _body(request: Request) -> bytes:
    """The body, within its bounds; what it says of its own length is not trusted."""
    said = request.headers.get("Content-Length", "")
    too_long = BadRequest(f"the body may have {MOST_BYTES} bytes at most", status=413)
    if said.isdigit() and (len(said) > 9 or int(said) > MOST_BYTES):
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise too_long
    except TimeoutError as error:
        raise BadRequest(f"the body was not there within {_BODY_S:g} s", status=408) from error
    except ClientDisconnect as error:
        raise ClientLeft from error
    return bytes(body)


async def _gone(request: Request) -> None:
    """Returns when the client has left."""
    message: dict[str, Any] = {}
    while message.get("type") != "http.disconnect":
        message = dict(await request.receive())
