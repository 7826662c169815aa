"""The index of training rows that `retrieve` and `tune+retrieve` draw their examples from.

Built from items and, where there is one, an embedding model; with none it is BM25 alone and says so.
Searched by `retriever.Retriever`. Saved as JSON and plain arrays under the digest of its rows, tokeniser
and embedder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from advisor.money.usage import Usage
from advisor.reading import read_json
from harness.core.errors import StoreError, UsageError
from harness.core.records import Item, ModelIdentity, Neighbour
from harness.knowledge.dense import DenseIndex
from harness.knowledge.fuse import Ranking
from harness.knowledge.lexical import TOKENISER, LexicalIndex
from harness.knowledge.retriever import Retriever, SearchMode, deciding_facts
from harness.models.base import EmbeddingModel, Vectors
from harness.models.deciding import versions_of

_SCHEMA = 1


class TrainingIndex:
    """Training rows, searchable by text."""

    def __init__(
        self,
        items: Sequence[Item],
        lexical: LexicalIndex,
        dense: DenseIndex | None,
        embedding: EmbeddingModel | None,
    ) -> None:
        self._items = tuple(items)
        self._embedding = embedding
        self.retriever = Retriever([item.id for item in self._items], lexical, dense, embedding)
        self._groups = _groups_of(self._items)
        self.facts = index_facts(self._items, embedding)
        self.digest = index_digest(self._items, embedding)

    @classmethod
    def build(cls, items: Sequence[Item], embedding: EmbeddingModel | None = None) -> TrainingIndex:
        """Index rows in their order.

        Raises:
            UsageError: there are no rows.
            MissingExtra: bm25s is not installed.
        """
        if not items:
            raise UsageError(
                "There are no training rows to retrieve from.", got="0 rows", allowed="1 or more"
            )
        texts = [item.text for item in items]
        dense = DenseIndex(embedding.embed(texts)) if embedding is not None else None
        return cls(items, LexicalIndex.build(texts), dense, embedding)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def vectors(self) -> Vectors | None:
        """The rows' vectors in their order; None without an embedding model."""
        dense = self.retriever.dense
        return None if dense is None else dense.vectors

    @property
    def embedding(self) -> ModelIdentity | None:
        """The model of the vectors."""
        return None if self._embedding is None else self._embedding.identity

    def describe(self, mode: SearchMode | None = None) -> str:
        """How rows are found, in one sentence for the report.

        Args:
            mode: the retriever's default when None.
        """
        return self.retriever.describe(f"{len(self)} training rows", mode)

    @property
    def indexed(self) -> Usage | None:
        """What embedding the rows used of a service; None where none was asked."""
        return self.retriever.indexed([item.text for item in self._items])

    def search_without_self(
        self, items: Sequence[Item], k: int, *, mode: SearchMode | None = None
    ) -> list[tuple[Neighbour, ...]]:
        """As `retriever.search`, for rows that may stand in the index themselves.

        Left out: the row itself, rows of its cluster and rows with the same text, so that a model
        trained with retrieved examples never reads its own answer there.

        Raises:
            UsageError: as `retriever.search`.
        """
        hidden = [self._hidden_for(item) for item in items]
        texts = [item.text for item in items]
        own = self.vectors
        if own is not None and texts == [item.text for item in self._items]:
            return self.retriever.search_hiding(texts, hidden, k, mode, lambda _: own)
        return self.retriever.search_hiding(texts, hidden, k, mode, self.retriever.embedded)

    def _hidden_for(self, item: Item) -> Ranking:
        rows = {row for key in _group_keys(item) for row in self._groups.get(key, ())}
        return np.array(sorted(rows), dtype=np.int64)

    def save(self, folder: Path) -> None:
        """Write the index; the rows' texts are not stored, only their ids are.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self.retriever.lexical.save(folder / "bm25")
            if self.vectors is not None:
                np.save(folder / "vectors.npy", self.vectors, allow_pickle=False)
            # Written last: an index without it is an interrupted one.
            about = {"schema": _SCHEMA, "digest": self.digest, "ids": [item.id for item in self._items]}
            (folder / "index.json").write_text(json.dumps(about), encoding="ascii")
        except OSError as error:
            raise StoreError("The index cannot be written.", got=f"{folder}: {error.strerror}") from error

    @classmethod
    def load(cls, folder: Path, items: Sequence[Item], embedding: EmbeddingModel | None) -> TrainingIndex:
        """Read a saved index for the same rows and the same embedding model.

        Raises:
            StoreError: it is missing, damaged, or belongs to other rows or another model.
            MissingExtra: bm25s is not installed.
        """
        expected = index_digest(items, embedding)
        try:
            about = read_json(folder / "index.json")
            if about.get("digest") != expected:
                raise StoreError(
                    "The stored index belongs to other rows or another embedding model.",
                    got=str(about.get("digest"))[:16],
                    allowed=expected[:16],
                )
            lexical = LexicalIndex.load(folder / "bm25")
            vectors = folder / "vectors.npy"
            dense = None if embedding is None else DenseIndex(np.load(vectors, allow_pickle=False))
            if len(lexical) != len(items) or (dense is not None and len(dense) != len(items)):
                raise ValueError("row counts differ")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
            raise StoreError(f"The stored index cannot be read: {error}", got=folder) from error
        return cls(items, lexical, dense, embedding)

    @classmethod
    def load_or_build(
        cls, cache: Path, items: Sequence[Item], embedding: EmbeddingModel | None
    ) -> TrainingIndex:
        """The index of these rows from the cache folder, built and stored there when it is not.

        Raises:
            StoreError: the cache cannot be written.
            UsageError, MissingExtra: as `build`.
        """
        folder = cache / index_digest(items, embedding)[:32]
        try:
            return cls.load(folder, items, embedding)
        except StoreError:
            index = cls.build(items, embedding)
            index.save(folder)
            return index


def index_digest(items: Sequence[Item], embedding: EmbeddingModel | None) -> str:
    """Sha256 (hex) over everything that decides what a search finds."""
    return hashlib.sha256(json.dumps(index_facts(items, embedding)).encode()).hexdigest()


def index_facts(items: Sequence[Item], embedding: EmbeddingModel | None) -> dict[str, object]:
    """Everything that decides what a search finds, the rows by their digest."""
    rows = json.dumps([[item.id, item.text, item.cluster] for item in items])
    return {
        "schema": _SCHEMA,
        "rows": hashlib.sha256(rows.encode()).hexdigest(),
        **deciding_facts(TOKENISER, None if embedding is None else embedding.identity),
        **dict(versions_of("bm25s", "numpy")),
    }


def _group_keys(item: Item) -> list[tuple[str, str]]:
    keys = [("id", item.id), ("text", " ".join(item.text.split()).casefold())]
    return keys if item.cluster is None else [*keys, ("cluster", item.cluster)]


def _groups_of(items: Sequence[Item]) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for position, item in enumerate(items):
        for key in _group_keys(item):
            groups.setdefault(key, []).append(position)
    return groups
