"""One embedding call: what is sent to each provider, and the vectors that come back.

Everything is posted without a package between. Providers with a model of their own for questions are told
which texts are questions and which are to be found; OpenAI's shape has no word for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from harness.core.errors import ModelUnavailable
from harness.models.api.calls import Form, Route
from harness.models.api.destinations import BATCH_HOSTS, Destination, destination
from harness.models.api.dialects.vectors import ReceivedVectors, read_vectors
from harness.models.api.faults import Fault, used_up_pause_s
from harness.models.api.library import endpoint
from harness.models.api.posting import Poster, body_of

MOST_TEXTS, MOST_CHARS = 64, 32_000
"""Of one call: below what any of these providers takes (Cohere 96 texts, Mistral 16,384 tokens)."""
READ_CHARS = 8_000
"""Of one text; models read 8,192 tokens at most, and a token may be one character."""
_MOST_BYTES = 32 * 1024 * 1024
_AZURE_VERSION = "2024-10-21"
_BASES: Mapping[str, str] = {
    **{name: BATCH_HOSTS[name] for name in ("openai", "mistral", "gemini")},
    "cohere": "https://api.cohere.com/v2",
    "voyage": "https://api.voyageai.com/v1",
    "jina_ai": "https://api.jina.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
}
"""Providers that embed texts or rank them, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsRequest:
    """Texts to embed in one call; `queries` where they are questions and not what is to be found."""

    item_id: str
    texts: tuple[str, ...]
    queries: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surface:
    """How one provider is asked.

    Attributes:
        path: behind its address, `{model}` in it.
        auth: the header of the key; '' is a bearer token.
    """

    path: str
    body: Callable[[str, TextsRequest], dict[str, Any]]
    auth: str = ""


def _openai(model: str, request: TextsRequest) -> dict[str, Any]:
    return {"model": model, "input": list(request.texts)}


def _voyage(model: str, request: TextsRequest) -> dict[str, Any]:
    return _openai(model, request) | {"input_type": "query" if request.queries else "document"}


def _jina(model: str, request: TextsRequest) -> dict[str, Any]:
    if "-v2" in model:  # these make no difference
        return _openai(model, request)
    return _openai(model, request) | {"task": "retrieval.query" if request.queries else "retrieval.passage"}


def _cohere(model: str, request: TextsRequest) -> dict[str, Any]:
    return {
        "model": model,
        "texts": list(request.texts),
        "input_type": "search_query" if request.queries else "search_document",
        "embedding_types": ["float"],
    }


def _gemini(model: str, request: TextsRequest) -> dict[str, Any]:
    task = "RETRIEVAL_QUERY" if request.queries else "RETRIEVAL_DOCUMENT"
    one = {"model": f"models/{model}", "taskType": task}
    return {"requests": [one | {"content": {"parts": [{"text": text}]}} for text in request.texts]}


_SURFACES: Mapping[str, _Surface] = {
    "azure": _Surface(path="/openai/deployments/{model}/embeddings", body=_openai, auth="api-key"),
    "cohere": _Surface(path="/embed", body=_cohere),
    "gemini": _Surface(path="/models/{model}:batchEmbedContents", body=_gemini, auth="x-goog-api-key"),
    "voyage": _Surface(path="/embeddings", body=_voyage),
    "jina_ai": _Surface(path="/embeddings", body=_jina),
}
_PLAIN = _Surface(path="/embeddings", body=_openai)


def place_of(model: str, base: str, environ: Mapping[str, str], *, offline: bool) -> tuple[str, Destination]:
    """Where a served embedding or ranking model is called, and as whose; nothing is called.

    Args:
        base: an address of one's own, '' for the provider's; of Azure `AZURE_API_BASE` says it.

    Raises:
        ModelUnavailable: the provider is not known to embed, has no address, or may not be called there.
    """
    provider = model.partition("/")[0]
    named = base or endpoint(provider, None, environ if provider == "azure" else {})
    if named is None and provider not in _BASES:
        raise ModelUnavailable(
            f"It is not known how {provider} embeds or ranks texts.",
            got=model,
            allowed=f"{', '.join(sorted({*_BASES, 'azure'}))}, or openai/NAME at an address of your own",
            run="--embedding-base http://127.0.0.1:8000/v1",
        )
    where = destination(provider, named, offline=offline)
    address = named or _BASES[provider]
    return (f"{address}/v1" if provider in ("ollama", "ollama_chat") else address).rstrip("/"), where


class VectorCaller:
    """Embeds texts at one address. Belongs to one event loop at a time."""

    def __init__(self, address: str, model: str, environ: Mapping[str, str]) -> None:
        """Call `address`; nothing is opened yet.

        Args:
            model: `provider/model`.
        """
        provider, _, self._model = model.partition("/")
        self._surface = _SURFACES.get(provider, _PLAIN)
        self._url = address + self._surface.path.format(model=self._model)
        if provider == "azure" and address.endswith("/openai/v1"):
            self._url = f"{address}/embeddings"
        elif provider == "azure":
            self._url += f"?api-version={environ.get('AZURE_API_VERSION') or _AZURE_VERSION}"
        self._poster = Poster(_MOST_BYTES)

    async def attempt(
        self, request: TextsRequest, route: Route, form: Form, now: datetime
    ) -> ReceivedVectors | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through."""
        body = self._surface.body(self._model, request)
        auth = {self._surface.auth: route.api_key} if self._surface.auth and route.api_key else None
        posted = await self._poster.post(self._url, body, route, auth=auth)
        if isinstance(posted, Fault):
            return posted
        found = body_of(posted, request.texts, route, now)
        answer = found if isinstance(found, Fault) else read_vectors(found, len(request.texts))
        if isinstance(answer, Fault):
            return answer
        return replace(answer, pause_s=used_up_pause_s(posted.headers, now))

    def most_tokens(self, request: TextsRequest, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out: no token is less than a byte."""
        return sum(len(text.encode()) + 16 for text in request.texts), 0

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def in_calls(texts: Sequence[str], *, queries: bool) -> list[TextsRequest]:
    """Texts in as few calls as may be, in their order."""
    calls: list[list[str]] = []
    chars = 0
    for text in texts:
        if not calls or len(calls[-1]) == MOST_TEXTS or chars + len(text) > MOST_CHARS:
            calls.append([])
            chars = 0
        calls[-1].append(text)
        chars += len(text)
    return [TextsRequest(item_id=f"{len(call)} texts", texts=tuple(call), queries=queries) for call in calls]
