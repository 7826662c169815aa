"""A served embedding model behind `harness.models.base.EmbeddingModel`.

Calls hold many texts, several at once, and are retried, limited and guarded as those of a chat model. What
was paid for is kept on the disk by content: a text is embedded once a model, address and role. One text
alone is always asked for, as a user's query would be.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import ModelUnavailable, StoreError
from harness.core.records import Failure, ModelIdentity
from harness.models.api.asking import Asker, Outside
from harness.models.api.budget import SpendGuard
from harness.models.api.calls import Form, Route
from harness.models.api.destinations import key_for
from harness.models.api.dialects.vectors import ReceivedVectors, embedding_usage
from harness.models.api.library import key_variable, load_litellm, own_key, require_aiohttp, secrets_in
from harness.models.api.shared import SharedCalls
from harness.models.api.vectors import READ_CHARS, TextsRequest, VectorCaller, in_calls, place_of
from harness.models.base import Vectors
from harness.models.settings import ModelSettings


def open_served_embedding(
    model: str, settings: ModelSettings, outside: Outside | None = None
) -> ServedEmbedding:
    """Open a served embedding model; nothing is called yet.

    Raises:
        ModelUnavailable: the provider is not known to embed, there is no key, it is remote while offline, or
            a key would go astray.
        MissingExtra: aiohttp is not installed.
        StoreError: the cache cannot be written.
    """
    outside = outside or Outside()
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
    return ServedEmbedding(VectorCaller(address, model, outside.environ), address, route, settings, outside)


class ServedEmbedding:
    """Texts to unit vectors by a provider's model, or one's own server.

    Attributes:
        let_go: is shown every text before it is sent and gives it back as it may go; raises where none may.
    """

    def __init__(
        self,
        caller: VectorCaller,
        address: str,
        route: Route,
        settings: ModelSettings,
        outside: Outside,
    ) -> None:
        """Use `open_served_embedding`, which checks what is given here."""
        self._caller, self._route = caller, route
        self._shared = settings.shared or SharedCalls()
        self._alone = settings.shared is None
        limits = self._shared.limits(route, settings, outside.clock, outside.environ)
        self._asker: Asker[TextsRequest, ReceivedVectors] = Asker(
            caller, route, Form(schema=False), settings, outside, limits
        )
        self._identity = ModelIdentity(
            id=route.model,
            location="loopback" if route.where.loopback else "remote",
            decides=(("address", address), ("chars", str(READ_CHARS))),
        )
        self._cache = _PaidVectors(settings.cache / "vectors", f"{route.model} {address}")
        self.let_go: Callable[[str], str] = lambda text: text

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    @property
    def languages(self) -> tuple[str, ...]:
        """Providers' models read many languages and do not say which."""
        return ()

    @property
    def guard(self) -> SpendGuard | None:
        """The budget asked before each call."""
        return self._asker.guard

    @guard.setter
    def guard(self, guard: SpendGuard | None) -> None:
        self._asker.guard = guard

    @property
    def say(self) -> Callable[[str], None]:
        """Takes a line on why nothing moves; called on another thread than the caller's."""
        return self._asker.say

    @say.setter
    def say(self, say: Callable[[str], None]) -> None:
        self._asker.say = say

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
            self._shared.loop.run(self._ask(in_calls(new, queries=queries), known))
        if not read:
            return np.empty((0, 0), dtype=np.float32)
        return np.stack([known[text] for text in read])

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        """What embedding this text used, as it was reported: of a call of many texts its share by length."""
        return self._cache.usage(self._as_sent(text), query)

    def close(self) -> None:
        """Close connections and files."""
        if self._asker.was_used:
            self._shared.loop.run(self._caller.close())
        if self._alone:
            self._shared.close()
        self._cache.close()

    def _as_sent(self, text: str) -> str:
        return self.let_go(text)[:READ_CHARS] or " "  # an empty text is refused everywhere

    async def _ask(self, calls: Sequence[TextsRequest], known: dict[str, Vectors]) -> None:
        async def ask(call: TextsRequest) -> None:
            settled = await self._asker.ask(call)
            if isinstance(settled, Failure):
                raise ModelUnavailable(
                    f"{self._route.model} did not embed {len(call.texts)} texts; what it did embed is kept.",
                    got=settled.message,
                    allowed="going on later, from what there is",
                )
            usage = settled.usage
            if usage.embedding_tokens is None:
                usage = embedding_usage(self._estimated(call.texts), CountedBy.ESTIMATE)
            self._cache.keep(call, settled.answer.vectors, usage)
            known.update(zip(call.texts, settled.answer.vectors, strict=True))

        try:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(ask(call))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _estimated(self, texts: Sequence[str]) -> int:
        """Tokens where the provider reports none, by a tokenizer that may be another model's."""
        counter = load_litellm().token_counter
        return sum(int(counter(model=self._route.model, text=text)) for text in texts)


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
