"""One JSON request over HTTP and what came back: for whatever is called without a package between.

Redirects are followed on the destination's host alone, a response is read up to a length, and a proxy of the
environment is not used for this machine. Chat completions and responses of OpenAI's dialects are asked for
so: a call costs this process a fraction of what one through litellm does, and calls in flight do not wait
for each other here.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from harness.core.records import FailureKind
from harness.models.api.calls import (
    Form,
    Route,
    most_output_tokens,
    most_tokens,
    request_body,
    responses_body,
    said_in,
)
from harness.models.api.dialects import streamed
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import Got, ReceivedAnswer
from harness.models.api.faults import Fault, fault_of_response, printable, read_error, used_up_pause_s
from harness.models.api.transport import MOST_BYTES, MOST_ERROR_BYTES, MOST_PACKED_BYTES
from harness.models.base import ChatRequest

if TYPE_CHECKING:
    import aiohttp


_MOST_REDIRECTS = 3
_COMMENTS = re.compile(r"\A(?:\s*:[^\n]*\n)+")  # that keep a connection alive, before an answer in one piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came back; `raw` is None where it was longer than `most` bytes."""

    status: int
    headers: Mapping[str, str]
    raw: bytes | None
    most: int


class Poster:
    """Posts JSON. Belongs to one event loop at a time; connections are kept between calls."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Nothing is opened yet.

        Args:
            most_bytes: an answer is at most this long.
        """
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        body: Mapping[str, Any],
        route: Route,
        *,
        auth: Mapping[str, str] | None = None,
        word: Callable[[], None] | None = None,
    ) -> Posted | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through.

        Args:
            auth: the header with the key; a bearer token where None.
            word: is called at each piece of a streamed answer that says something.
        """
        import aiohttp
        from aiohttp.http_exceptions import ContentEncodingError

        try:
            async with asyncio.timeout(route.timeout_s):
                return await self._followed(url, json.dumps(body).encode(), route, auth, word)
        except TimeoutError:
            return Fault(kind=FailureKind.TIMEOUT, message="no answer in time", passes=True)
        except aiohttp.ClientConnectorError:
            return Fault(kind=FailureKind.CONNECTION, message="no connection", passes=True, unbilled=True)
        except aiohttp.ClientResponseError as error:  # headers that are none
            message = f"unreadable response: {error.message.splitlines()[0][:100]}"
            return Fault(kind=FailureKind.BAD_RESPONSE, message=message)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, ContentEncodingError):
                message = "unreadable response: it is not packed as its header says"
                return Fault(kind=FailureKind.BAD_RESPONSE, message=message, passes=True)
            return Fault(kind=FailureKind.CONNECTION, message="no connection: it broke off", passes=True)

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _followed(
        self,
        url: str,
        body: bytes,
        route: Route,
        auth: Mapping[str, str] | None,
        word: Callable[[], None] | None,
    ) -> Posted | Fault:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if auth is not None:
            headers |= auth
        elif route.api_key is not None:
            headers["authorization"] = f"Bearer {route.api_key}"
        for _ in range(_MOST_REDIRECTS):
            async with self._open(route).post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                place = response.headers.get("location", "")
                if 300 <= response.status < 400 and place:
                    url = urljoin(url, place)
                    if route.where.allows(url):
                        continue
                    return _stray(f"calls are led to another host, {urlsplit(url).hostname}")
                raw = await self._read(
                    response, word if response.content_type == "text/event-stream" else None
                )
                return Posted(
                    status=response.status, headers=dict(response.headers), raw=raw, most=self._most_bytes
                )
        return _stray("calls are led in a circle")

    def _open(self, route: Route) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # slots are counted by who calls
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=not route.where.loopback,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=MOST_ERROR_BYTES,  # gateways tell much in headers
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse, word: Callable[[], None] | None) -> bytes | None:
        """The body: of an error its beginning, of an answer all of it, or None where it is too long.

        Args:
            word: is called once something was said in a stream of events.
        """
        failed = response.status >= 400
        packed = response.headers.get("content-encoding", "identity") != "identity"
        most = MOST_ERROR_BYTES if failed else MOST_PACKED_BYTES if packed else self._most_bytes
        parts, read = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            if word is not None and streamed.says_something(part):
                word()
            read += len(part)
            if read > most:
                response.close()
                return b"".join(parts)[:most] if failed else None
        return b"".join(parts)


def body_of(posted: Posted, said: Sequence[str], route: Route, now: datetime) -> Mapping[str, Any] | Fault:
    """The JSON object of an answer, or the fault that a response is.

    Args:
        said: what the request said; never repeated in a message.
    """
    if posted.raw is None:
        message = f"unreadable response: longer than {posted.most // 1024:,} KiB"
        return Fault(kind=FailureKind.BAD_RESPONSE, message=message)
    text = _COMMENTS.sub("", _decoded(posted))
    if posted.status >= 300:
        return fault_of_response(read_error(posted.status, posted.headers, text), said, route.secrets, now)
    body = _json(text) or streamed.whole(text)
    if body is None:
        shown = printable(text, said, route.secrets)
        message = f"unreadable response: it is no JSON object, but {shown!r}" if shown else "empty response"
        begun = text.lstrip().startswith(("{", "["))  # an answer that broke off was paid for
        return Fault(kind=FailureKind.BAD_RESPONSE, message=message, passes=not begun)
    if body.get("error") and not body.get("choices"):
        found = read_error(_status_within(body), posted.headers, json.dumps(body))
        return fault_of_response(found, said, route.secrets, now)
    return body


def _decoded(posted: Posted) -> str:
    """The text of a body: unpacked where a gateway forgot to say that it is packed, in the stated charset."""
    raw = posted.raw or b""
    if raw.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            raw = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw, posted.most)
    kind = next((value for name, value in posted.headers.items() if name.lower() == "content-type"), "")
    stated = re.search(r"charset=[\"']?([\w-]+)", kind)
    with suppress(LookupError, UnicodeDecodeError):
        return raw.decode(stated[1]).removeprefix("\ufeff") if stated else raw.decode("utf-8-sig")
    return raw.decode("utf-8-sig", "replace")


def understood(
    posted: Posted | Fault,
    said: Sequence[str],
    route: Route,
    now: datetime,
    read: Callable[[Mapping[str, Any]], Got | Fault],
) -> Got | Fault:
    """What `read` finds in an answer, with the pause that its limits ask for; else the fault."""
    if isinstance(posted, Fault):
        return posted
    body = body_of(posted, said, route, now)
    answer = body if isinstance(body, Fault) else read(body)
    if isinstance(answer, Fault):
        return answer
    return replace(answer, pause_s=used_up_pause_s(posted.headers, now))


def _json(text: str) -> Mapping[str, Any] | None:
    text = text.strip()
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if text[end:].strip() not in ("", text[:end]):  # the same once more is a gateway's slip
        return None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, dict) else None


def _status_within(body: Mapping[str, Any]) -> int:
    """The status that an error in a response of status 200 names; 502 where it names none."""
    error = body["error"]
    codes: Sequence[object] = (error.get("code"), error.get("status")) if isinstance(error, dict) else ()
    numbers = (int(str(code)) for code in codes if str(code).isdecimal())
    return next((number for number in numbers if 400 <= number < 600), 502)


def _stray(message: str) -> Fault:
    return Fault(kind=FailureKind.BAD_REQUEST, message=message, fatal=True, unbilled=True)


DIRECT = frozenset({"openai", "hosted_vllm", "vllm", "lm_studio", "llamafile", "custom_openai"})
"""Providers whose own endpoints speak OpenAI's dialect and take its parameters as they are."""

RESPONSES = "responses/"
"""What stands before a model's name where it is asked by OpenAI's responses: `openai/responses/NAME`."""


class DirectCaller:
    """Calls one address. Belongs to one event loop at a time; connections are kept between calls."""

    def __init__(self, base: str, model: str) -> None:
        """Call `base`; nothing is opened yet.

        Args:
            model: `provider/model`, or `provider/responses/model`.
        """
        name = model.partition("/")[2]
        self.by_responses = name.startswith(RESPONSES)
        self._model = name.removeprefix(RESPONSES)
        path = "/responses" if self.by_responses else "/chat/completions"
        self._url = base.rstrip("/").removesuffix(path) + path
        self._poster = Poster()

    async def attempt(
        self,
        request: ChatRequest,
        route: Route,
        form: Form,
        now: datetime,
        word: Callable[[], None] | None = None,
    ) -> ReceivedAnswer | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through.

        Args:
            word: is called at each piece of a streamed answer; None asks for the answer in one piece.
        """
        body = self._asked(request, route, form)
        if word is not None:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        posted = await self._poster.post(self._url, body, route, word=word)
        most = most_output_tokens(request, form)
        answer = understood(
            posted, said_in(request), route, now, lambda body: read_answer(body, most, request.form)
        )
        if self.by_responses and form.seed and isinstance(answer, ReceivedAnswer):
            return replace(answer, ignored=("seed",))
        return answer

    def most_tokens(self, request: ChatRequest, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out."""
        return most_tokens(request, form)

    async def streamed(
        self, request: ChatRequest, route: Route, form: Form, clock: Callable[[], float]
    ) -> tuple[float | None, ReceivedAnswer | Fault]:
        """Make one call whose answer is streamed: when its first word came, and what came in all.

        An endpoint that answers in one piece all the same has no first word.
        """
        first: list[float] = []

        def word() -> None:
            if not first:
                first.append(clock())

        result = await self.attempt(request, route, form, datetime.now(UTC), word)
        return (first[0] if first else None), result

    async def body(self, request: ChatRequest, route: Route, form: Form) -> bytes:
        """The body of a call; nothing is sent."""
        return json.dumps(self._asked(request, route, form)).encode()

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    def _asked(self, request: ChatRequest, route: Route, form: Form) -> dict[str, Any]:
        asked = (responses_body if self.by_responses else request_body)(request, route, form)
        return {"model": self._model, **asked}
