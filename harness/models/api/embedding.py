"""Served models that arms find with, behind `harness.models.base`: embedding models, and rerankers.

Calls hold many texts, several at once, and are retried, limited and guarded as those of a chat model. What
was paid for is kept on the disk by content: a text is embedded once a model, address and role. One text
alone is always asked for, as a user's query would be. A reranker takes one call a query.

Providers with a model of their own for questions are told which texts are questions and which are to be
found; OpenAI's shape has no word for it. Everything is posted without a package between.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import ModelUnavailable, StoreError
from harness.core.records import Failure, ModelIdentity
from harness.models.api.asked import AskedModel
from harness.models.api.asking import Asked, Asker, Outside, Settled
from harness.models.api.calls import Caller, Form, Route
from harness.models.api.destinations import BATCH_HOSTS, Destination, destination, key_for
from harness.models.api.dialects.said import Got
from harness.models.api.dialects.vectors import (
    ReceivedScores,
    ReceivedVectors,
    embedding_usage,
    read_scores,
    read_vectors,
)
from harness.models.api.faults import Fault
from harness.models.api.library import (
    endpoint,
    key_variable,
    load_litellm,
    own_key,
    require_aiohttp,
    secrets_in,
)
from harness.models.api.posting import Poster, understood
from harness.models.api.shared import SharedCalls
from harness.models.base import Vectors
from harness.models.settings import ModelSettings

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
        return understood(
            posted, request.texts, route, now, lambda body: read_vectors(body, len(request.texts))
        )

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


def search_route(model: str, settings: ModelSettings, outside: Outside) -> tuple[str, Route]:
    """The address of a served model that texts are found with, and the way there; nothing is called.

    Raises:
        ModelUnavailable: the provider is not known to do it, there is no key, it is remote while offline, or
            a key would go astray.
        MissingExtra: aiohttp is not installed.
    """
    address, where = place_of(model, settings.api_base or "", outside.environ, offline=settings.offline)
    require_aiohttp()
    route = Route(
        model=model,
        where=where,
        api_key=key_for(where, outside.environ) or own_key(where, outside.environ),
        key_variable=key_variable(where.provider, own_endpoint=not where.own),
        timeout_s=settings.timeout_s,
        seed=settings.seed,
        secrets=secrets_in(outside.environ),
    )
    return address, route


class ServedSearch(AskedModel[Asked, Got]):
    """A served model of one kind of call.

    Attributes:
        let_go: is shown every text before it is sent and gives it back as it may go; raises where none may.
    """

    def __init__(
        self,
        caller: Caller[Asked, Got],
        way: tuple[str, Route],
        settings: ModelSettings,
        outside: Outside,
    ) -> None:
        """Nothing is called yet; `way` is what `search_route` gives."""
        address, route = way
        self._caller, self._model = caller, route.model
        self._shared = settings.shared or SharedCalls()
        self._alone = settings.shared is None
        form = Form(schema=False)
        self._asker: Asker[Asked, Got] = Asker(caller, route, form, settings, outside, self._shared)
        self.identity = ModelIdentity(
            id=route.model,
            location="loopback" if route.where.loopback else "remote",
            decides=(("address", address), ("chars", str(READ_CHARS))),
        )
        self.let_go: Callable[[str], str] = lambda text: text

    def close(self) -> None:
        """Close connections."""
        if self._asker.was_used:
            self._shared.loop.run(self._caller.close())
        if self._alone:
            self._shared.close()

    def _as_sent(self, text: str) -> str:
        return self.let_go(text)[:READ_CHARS] or " "  # an empty text is refused everywhere

    def _ask_all(self, calls: Sequence[Asked], keep: Callable[[Asked, Settled[Got]], None]) -> None:
        """Ask all, several at once, and keep each answer as it comes.

        Raises:
            ModelUnavailable: one was refused, or the provider did not answer.
            OverBudget, WaitTooLong: as the asker.
        """

        async def ask(call: Asked) -> None:
            settled = await self._asker.ask(call)
            if isinstance(settled, Failure):
                raise ModelUnavailable(
                    f"{self._model} did not take {call.item_id}; what it answered before is kept.",
                    got=settled.message,
                    allowed="going on later, from what there is",
                )
            keep(call, settled)

        async def ask_all() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for call in calls:
                        group.create_task(ask(call))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None

        self._shared.loop.run(ask_all())


def open_served_embedding(
    model: str, settings: ModelSettings, outside: Outside | None = None
) -> ServedEmbedding:
    """Open a served embedding model; nothing is called yet.

    Raises:
        StoreError: the cache cannot be written.
        ModelUnavailable, MissingExtra: as `search_route`.
    """
    outside = outside or Outside()
    way = search_route(model, settings, outside)
    return ServedEmbedding(VectorCaller(way[0], model, outside.environ), way, settings, outside)


class ServedEmbedding(ServedSearch[TextsRequest, ReceivedVectors]):
    """Texts to unit vectors by a provider's model, or one's own server."""

    def __init__(
        self, caller: VectorCaller, way: tuple[str, Route], settings: ModelSettings, outside: Outside
    ) -> None:
        """Use `open_served_embedding`, which checks what is given here."""
        super().__init__(caller, way, settings, outside)
        self._cache = _PaidVectors(settings.cache / "vectors", f"{way[1].model} {way[0]}")

    @property
    def languages(self) -> tuple[str, ...]:
        """Providers' models read many languages and do not say which."""
        return ()

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """Embed texts into an (n, d) float32 array of L2-normalised rows; those paid for before are read.

        Raises:
            ModelUnavailable: texts were refused, or the provider did not answer; what it did stays paid for.
            OverBudget: the next call could pass the budget.
            WaitTooLong: the provider asks for a long pause.
        """
        read = [self._as_sent(text) for text in texts]
        alone = len(read) == 1
        known = {} if alone else self._cache.vectors(set(read), queries)
        new = [text for text in dict.fromkeys(read) if text not in known]
        if new:
            self._ask_all(in_calls(new, queries=queries), lambda *one: known.update(self._keep(*one)))
        if not read:
            return np.empty((0, 0), dtype=np.float32)
        return np.stack([known[text] for text in read])

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        """What embedding this text used, as it was reported: of a call of many texts its share by length."""
        return self._cache.usage(self._as_sent(text), query)

    def close(self) -> None:
        """Close connections and files."""
        super().close()
        self._cache.close()

    def _keep(self, call: TextsRequest, settled: Settled[ReceivedVectors]) -> dict[str, Vectors]:
        usage, vectors = settled.usage, settled.answer.vectors
        if usage.embedding_tokens is None:
            usage = embedding_usage(self._estimated(call.texts), CountedBy.ESTIMATE)
        self._cache.keep(call, vectors, usage)
        return dict(zip(call.texts, vectors, strict=True))

    def _estimated(self, texts: Sequence[str]) -> int:
        """Tokens where the provider reports none, by a tokenizer that may be another model's."""
        counter = load_litellm().token_counter
        return sum(int(counter(model=self._model, text=text)) for text in texts)


class _PaidVectors:
    """Vectors and their tokens in a file, by content. Threads may share it."""

    def __init__(self, folder: Path, model: str) -> None:
        self._path = folder / f"{hashlib.sha256(model.encode()).hexdigest()[:32]}.sqlite"
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(content BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens INTEGER, counted TEXT) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def vectors(self, texts: set[str], queries: bool) -> dict[str, Vectors]:
        """Those of the texts that are there."""
        found = {}
        for text in texts:
            row = self._row("SELECT vector FROM vectors WHERE content=?", text, queries)
            if row is not None:
                found[text] = np.frombuffer(row[0], dtype=np.float32)
        return found

    def usage(self, text: str, query: bool) -> Usage | None:
        """What embedding a text used; None where it was never embedded."""
        row = self._row("SELECT tokens, counted FROM vectors WHERE content=?", text, query)
        return None if row is None else embedding_usage(row[0], CountedBy(row[1]))

    def keep(self, call: TextsRequest, vectors: Vectors, usage: Usage) -> None:
        """Keep what a call brought; its tokens are shared out by length, to the last one."""
        shares = _shared_out(usage.embedding_tokens, [len(text.encode()) + 1 for text in call.texts])
        rows = [
            (_content(text, call.queries), vector.tobytes(), share, usage.counted_by.value)
            for text, vector, share in zip(call.texts, vectors, shares, strict=True)
        ]
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?,?,?,?)", rows)
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _row(self, sql: str, text: str, queries: bool) -> tuple[Any, ...] | None:
        try:
            with self._lock:
                found: tuple[Any, ...] | None = self._db.execute(sql, (_content(text, queries),)).fetchone()
            return found
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"The stored vectors {self._path} cannot be used: {error}.",
            allowed="a writable folder with free space, and the file as it was written",
            run="free space, or delete the file: what is in it is embedded again",
        )


def _content(text: str, queries: bool) -> bytes:
    role = "query" if queries else "text"
    return hashlib.sha256(f"{role}\n{text}".encode("utf-8", "surrogatepass")).digest()


def _shared_out(tokens: int | None, sizes: Sequence[int]) -> list[int | None]:
    """Tokens of a call by the sizes of its texts, to the last one."""
    if tokens is None:
        return [None] * len(sizes)
    ends = [tokens * reached // sum(sizes) for reached in accumulate(sizes)]
    return [end - begun for begun, end in zip([0, *ends[:-1]], ends, strict=True)]


_SCORE = "/score"
"""What an address of vLLM ends in where its scores are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRequest:
    """A query, and the texts to be ranked by how well they answer it."""

    item_id: str
    query: str
    texts: tuple[str, ...]


class RankingCaller:
    """Ranks texts at one address. Belongs to one event loop at a time."""

    def __init__(self, address: str, model: str) -> None:
        """Call `address`; nothing is opened yet.

        Args:
            model: `provider/model`.
        """
        self._model = model.partition("/")[2]
        self._scores = address.endswith(_SCORE)
        self._url = address if self._scores else f"{address}/rerank"
        self._poster = Poster()

    async def attempt(
        self, request: RankingRequest, route: Route, form: Form, now: datetime
    ) -> ReceivedScores | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through."""
        names = ("text_1", "text_2") if self._scores else ("query", "documents")
        asked = dict(zip(names, (request.query, list(request.texts)), strict=True))
        posted = await self._poster.post(self._url, {"model": self._model, **asked}, route)
        said = (request.query, *request.texts)
        return understood(posted, said, route, now, lambda body: read_scores(body, len(request.texts)))

    def most_tokens(self, request: RankingRequest, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out: the query is read with each text."""
        query = len(request.query.encode()) + 16
        return sum(len(text.encode()) + query for text in request.texts), 0

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def open_served_ranking(model: str, settings: ModelSettings, outside: Outside | None = None) -> ServedRanking:
    """Open a served reranker; nothing is called yet. Raises as `search_route`."""
    outside = outside or Outside()
    way = search_route(model, settings, outside)
    return ServedRanking(RankingCaller(way[0], model), way, settings, outside)


class ServedRanking(ServedSearch[RankingRequest, ReceivedScores]):
    """Scores of texts for queries; many queries are ranked once, one alone always, as a user's would be."""

    def __init__(
        self, caller: RankingCaller, way: tuple[str, Route], settings: ModelSettings, outside: Outside
    ) -> None:
        """Use `open_served_ranking`, which checks what is given here."""
        super().__init__(caller, way, settings, outside)
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, ...]] = {}
        self._used: dict[str, Usage] = {}

    def rank(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[float, ...]]:
        """The score of each text of each query, in the texts' order.

        Raises:
            ModelUnavailable: a query was refused, or the provider did not answer.
            OverBudget, WaitTooLong: as the asker.
        """
        sent = [(self._as_sent(query), tuple(map(self._as_sent, texts))) for query, texts in asked]
        known = {} if len(sent) == 1 else self._known
        new = [one for one in dict.fromkeys(sent) if one[1] and one not in known]
        calls = [
            RankingRequest(item_id=f"query {number}", query=query, texts=texts)
            for number, (query, texts) in enumerate(new, 1)
        ]
        if calls:
            self._ask_all(calls, self._keep)
        return [self._known.get(one, ()) for one in sent]

    def usage_of(self, query: str) -> Usage | None:
        """What ranking for a query used, the last time; None where it was never ranked for."""
        return self._used.get(self._as_sent(query))

    def _keep(self, call: RankingRequest, settled: Settled[ReceivedScores]) -> None:
        self._known[call.query, call.texts] = settled.answer.scores
        self._used[call.query] = settled.usage
