"""A watch at the last place before the wire: where requests go, and how much comes back.

Every asynchronous client of litellm sends through its transport. There each request of a call is held to the
call's destination, so that neither a redirect nor a variable that litellm reads leads tickets or keys to
another host; and each response is bounded.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import httpx

from harness.models.api.destinations import Destination

MOST_BYTES = 4 * 1024 * 1024
"""An answer is at most this long."""
MOST_ERROR_BYTES = 64 * 1024
"""Of an error, no more is read."""
MOST_PACKED_BYTES = 64 * 1024
"""A compressed body may unpack to a thousand times as much."""
_GOING_TO: ContextVar[Destination | None] = ContextVar("destination", default=None)
_WIRE: ContextVar[Wire | None] = ContextVar("wire", default=None)


class StrayRequest(httpx.RequestError):
    """A request that would have gone to another host; it was not sent."""


class OversizedResponse(httpx.RequestError):
    """A response longer than is read."""


class Wire:
    """What one call sent and got, as it was on the wire; of several requests the last one.

    Attributes:
        held_back: nothing is sent; the request is taken down alone.
        sent: the body of the request.
        headers: of the response.
    """

    def __init__(self, *, held_back: bool = False) -> None:
        """Nothing was sent yet."""
        self.held_back = held_back
        self.sent = b""
        self.headers: Mapping[str, str] = {}
        self._body: bytearray | None = None
        self._whole = False

    def begin(self, sent: bytes, headers: Mapping[str, str], *, kept: bool) -> None:
        """A response began; its body is kept if it is an answer in plain bytes."""
        self.sent, self.headers, self._whole = sent, headers, False
        self._body = bytearray() if kept else None

    def received(self, part: bytes) -> None:
        """A piece of the body came."""
        if self._body is not None:
            self._body += part

    def ended(self) -> None:
        """The body is whole."""
        self._whole = True

    def answer(self) -> Mapping[str, Any] | None:
        """The JSON object of an answer; None where there is none, or not all of it."""
        if not self._whole or not self._body:
            return None
        try:
            found: Any = json.loads(self._body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


@contextlib.contextmanager
def held_to(destination: Destination, wire: Wire | None = None) -> Iterator[None]:
    """Hold the requests of this task to a destination.

    Args:
        wire: takes down what goes over the wire meanwhile.
    """
    going, taking = _GOING_TO.set(destination), _WIRE.set(wire)
    try:
        yield
    finally:
        _GOING_TO.reset(going)
        _WIRE.reset(taking)


def watch_transports(handler: Any) -> None:
    """Make litellm's `AsyncHTTPHandler` build watched transports from now on."""
    if getattr(handler.create_async_transport, "watched", False):
        return

    def create(
        ssl_context: Any = None, ssl_verify: Any = None, shared_session: Any = None
    ) -> WatchedTransport:
        inner = handler.create_aiohttp_transport(
            ssl_context=ssl_context, ssl_verify=ssl_verify, shared_session=shared_session
        )
        return WatchedTransport(inner)

    create.watched = True  # type: ignore[attr-defined]
    handler.create_async_transport = staticmethod(create)


class WatchedTransport(httpx.AsyncBaseTransport):
    """Another transport, watched."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request that stays where it belongs.

        Raises:
            StrayRequest: it does not.
        """
        going_to = _GOING_TO.get()
        if going_to is not None and not going_to.allows(str(request.url)):
            raise StrayRequest(f"calls are led to another host, {request.url.host}", request=request)
        wire = _WIRE.get()
        if wire is not None and wire.held_back:
            wire.begin(_sent(request), {}, kept=False)
            raise StrayRequest("held back", request=request)
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        failed = response.status_code >= 400
        packed = response.headers.get("content-encoding", "identity") != "identity"
        most = MOST_ERROR_BYTES if failed else MOST_PACKED_BYTES if packed else MOST_BYTES
        if wire is not None:
            headers = {str(name): str(value) for name, value in response.headers.items()}
            wire.begin(_sent(request), headers, kept=not packed and response.status_code == 200)
        return httpx.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, most, wire, cut=failed and not packed),
            request=request,
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the other one."""
        await self._inner.aclose()


def _sent(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:  # an upload; no chat is one
        return b""


class _Bounded(httpx.AsyncByteStream):
    """A body of which no more than `most` bytes are read: cut there, or refused."""

    def __init__(self, stream: Any, most: int, wire: Wire | None, *, cut: bool) -> None:
        self._stream, self._most, self._wire, self._cut = stream, most, wire, cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for part in self._stream:
            read += len(part)
            if read <= self._most:
                if self._wire is not None:
                    self._wire.received(part)
                yield part
                continue
            await self.aclose()
            if not self._cut:
                raise OversizedResponse(f"the response is longer than {self._most // 1024:,} KiB")
            yield part[: len(part) - (read - self._most)]
            return
        if self._wire is not None:
            self._wire.ended()

    async def aclose(self) -> None:
        await self._stream.aclose()
