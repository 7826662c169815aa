"""Embedding models that keep vectors: the last batches, so that two arms do not embed train twice, or all
of a set of rows, for arms that are settled on many parts of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from advisor.money.usage import Usage
from harness.core.records import ModelIdentity
from harness.models.base import EmbeddingModel, Vectors


class _Wrapped:
    """An embedding model as it is, but for its vectors."""

    def __init__(self, inner: EmbeddingModel) -> None:
        self._inner = inner

    @property
    def identity(self) -> ModelIdentity:
        """The wrapped model's."""
        return self._inner.identity

    @property
    def languages(self) -> tuple[str, ...]:
        """The wrapped model's."""
        return self._inner.languages

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        """As the wrapped model."""
        return self._inner.usage_of(text, query=query)

    def close(self) -> None:
        """Close the wrapped model."""
        self._inner.close()


class RememberingEmbedder(_Wrapped):
    """Wraps an embedding model; keeps the vectors of the last `size` batches of two texts or more.

    Single texts always go to the model: the latency pass must not be served from memory.
    """

    def __init__(self, inner: EmbeddingModel, size: int = 16) -> None:
        super().__init__(inner)
        self._size = size
        self._kept: OrderedDict[tuple[str, ...], Vectors] = OrderedDict()

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """The wrapped model's vectors."""
        if len(texts) < 2:
            return self._inner.embed(texts, queries=queries)
        # A model in this process embeds a query as any other text.
        role = "query" if queries and self._inner.identity.location != "local" else "text"
        key = (role, *texts)
        if key not in self._kept:
            self._keep(key, self._inner.embed(texts, queries=queries))
        self._kept.move_to_end(key)
        return self._kept[key]

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep what the model gave for these texts earlier, as an index stores it."""
        self._keep(("text", *texts), vectors)

    def _keep(self, key: tuple[str, ...], vectors: Vectors) -> None:
        self._kept[key] = vectors
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


class KnownTexts(_Wrapped):
    """Wraps an embedding model; embeds all of a set of texts at the first call and serves them from then on.

    Nothing timed may come from it. A text's vector is the same whatever it is asked with.
    """

    def __init__(self, inner: EmbeddingModel, texts: Sequence[str]) -> None:
        super().__init__(inner)
        self._rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        self._vectors: Vectors | None = None

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """The wrapped model's vectors; texts outside the set go to the model."""
        rows = [self._rows.get(text) for text in texts]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            return self._inner.embed(texts, queries=queries)
        if self._vectors is None:
            self._vectors = self._inner.embed(list(self._rows))
        return np.asarray(self._vectors[known])
