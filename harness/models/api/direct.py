"""Chat completions and responses over HTTP without a package between: OpenAI's dialects.

A call costs this process a fraction of what one through litellm costs, so that calls in flight do not wait
for each other here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from harness.models.api.calls import (
    Form,
    Route,
    most_output_tokens,
    most_tokens,
    request_body,
    responses_body,
    said_in,
)
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.faults import Fault, used_up_pause_s
from harness.models.api.posting import Posted, Poster, body_of
from harness.models.base import ChatRequest

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
        self._url = base.rstrip("/") + ("/responses" if self.by_responses else "/chat/completions")
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
        answer = posted if isinstance(posted, Fault) else _understood(posted, request, route, form, now)
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


def _understood(
    posted: Posted, request: ChatRequest, route: Route, form: Form, now: datetime
) -> ReceivedAnswer | Fault:
    body = body_of(posted, said_in(request), route, now)
    answer = (
        body
        if isinstance(body, Fault)
        else read_answer(body, most_output_tokens(request, form), request.form)
    )
    if isinstance(answer, Fault):
        return answer
    return replace(answer, pause_s=used_up_pause_s(posted.headers, now))
