"""A served embedding model behind `harness.models.base.EmbeddingModel`.

Calls hold many texts, several at once, and are retried, limited and guarded as those of a chat model. What
was paid for is kept on the disk by content: a text is embedded once a model, address and role. One text
alone is always asked for, as a user's query would be.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import StoreError
from harness.models.api.asking import Outside, Settled
from harness.models.api.calls import Route
from harness.models.api.dialects.vectors import ReceivedVectors, embedding_usage
from harness.models.api.library import load_litellm
from harness.models.api.searching import ServedSearch, search_route
from harness.models.api.vectors import TextsRequest, VectorCaller, in_calls
from harness.models.base import Vectors
from harness.models.settings import ModelSettings


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
