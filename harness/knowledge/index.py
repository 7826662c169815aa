"""The index of training rows that `retrieve` and `tune+retrieve` draw their examples from.

Built from items and, where there is one, an embedding model; with none it is BM25 alone and says so.
Results for a smaller k are a prefix of those for a larger one, up to `DEPTH`. Saved as JSON and plain
arrays under the digest of its rows, tokeniser and embedder. Timing is left to the caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import numpy as np

from advisor.reading import read_json
from harness.core.errors import StoreError, UsageError
from harness.core.records import Item, ModelIdentity, Neighbour
from harness.knowledge.dense import DenseIndex
from harness.knowledge.fuse import RRF_K, Ranking, Scores, reciprocal_rank_fusion, top
from harness.knowledge.lexical import K1, TOKENISER, B, LexicalIndex
from harness.models.base import EmbeddingModel, Vectors
from harness.models.deciding import versions_of

DEPTH = 100
"""Rows each ranking puts into the fusion (more when k is larger)."""

_SCHEMA = 1


class SearchMode(StrEnum):
    """Which scores rank the rows."""

    LEXICAL = "lexical"
    DENSE = "dense"
    FUSED = "fused"


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
        self._lexical = lexical
        self._dense = dense
        self._embedding = embedding
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
    def default_mode(self) -> SearchMode:
        """Fused where there is an embedding model, lexical where there is none."""
        return SearchMode.LEXICAL if self._dense is None else SearchMode.FUSED

    @property
    def vectors(self) -> Vectors | None:
        """The rows' vectors in their order; None without an embedding model."""
        return None if self._dense is None else self._dense.vectors

    @property
    def embedding(self) -> ModelIdentity | None:
        """The model of the vectors."""
        return None if self._embedding is None else self._embedding.identity

    @property
    def modes(self) -> tuple[SearchMode, ...]:
        """The searches that it can make."""
        return (SearchMode.LEXICAL,) if self._dense is None else tuple(SearchMode)

    def describe(self, mode: SearchMode | None = None) -> str:
        """How rows are found, in one sentence for the report.

        Args:
            mode: `default_mode` when None.
        """
        rows = f"{len(self)} training rows"
        lexical = f"BM25 (k1={K1:g}, b={B:g}) over {rows}"
        if self._dense is None or self._embedding is None:
            return f"{lexical}; lexical only, no embedding model was given"
        dense = f"exact cosine of {self._embedding.identity.id} ({self._dense.dimensions}-d)"
        match mode or self.default_mode:
            case SearchMode.LEXICAL:
                return lexical
            case SearchMode.DENSE:
                return f"{dense} over {rows}"
            case SearchMode.FUSED:
                return f"{lexical} + {dense}, fused by RRF (k={RRF_K})"

    def search(
        self, texts: str | Sequence[str], k: int, *, mode: SearchMode | None = None
    ) -> list[tuple[Neighbour, ...]]:
        """The k nearest rows of each text, nearest first; fewer where fewer match.

        Args:
            mode: `default_mode` when None.

        Raises:
            UsageError: k is below 1, or the mode needs an embedding model and there is none.
        """
        queries = [texts] if isinstance(texts, str) else list(texts)
        return self._search(queries, [_NO_ROWS] * len(queries), k, mode, self._embedded)

    def search_without_self(
        self, items: Sequence[Item], k: int, *, mode: SearchMode | None = None
    ) -> list[tuple[Neighbour, ...]]:
        """As `search`, for rows that may stand in the index themselves.

        Left out: the row itself, rows of its cluster and rows with the same text, so that a model
        trained with retrieved examples never reads its own answer there.

        Raises:
            UsageError: as `search`.
        """
        hidden = [self._hidden_for(item) for item in items]
        texts = [item.text for item in items]
        if self._dense is not None and texts == [item.text for item in self._items]:
            own = self._dense.vectors  # all of its own rows: their vectors are there
            return self._search(texts, hidden, k, mode, lambda _: own)
        return self._search(texts, hidden, k, mode, self._embedded)

    def _search(
        self,
        texts: list[str],
        hidden: list[Ranking],
        k: int,
        mode: SearchMode | None,
        vectors_of: Callable[[list[str]], Vectors],
    ) -> list[tuple[Neighbour, ...]]:
        if k < 1:
            raise UsageError("The number of neighbours must be positive.", got=k, allowed="1 or more")
        mode = mode or self.default_mode
        depth = max(DEPTH, k)
        match mode:
            case SearchMode.LEXICAL:
                found = [_scored(s, depth) for s in self._lexical_scores(texts, hidden)]
            case SearchMode.DENSE:
                found = [_scored(s, depth) for s in self._dense_scores(texts, hidden, vectors_of)]
            case SearchMode.FUSED:
                near = self._dense_scores(texts, hidden, vectors_of)
                pairs = zip(self._lexical_scores(texts, hidden), near, strict=True)
                found = [reciprocal_rank_fusion((top(a, depth), top(b, depth))) for a, b in pairs]
            case _:
                assert_never(mode)
        return [self._neighbours(ranked[:k]) for ranked in found]

    def _lexical_scores(self, texts: list[str], hidden: list[Ranking]) -> Iterator[Scores]:
        for text, rows in zip(texts, hidden, strict=True):
            yield _without(self._lexical.scores(text), rows)

    def _embedded(self, texts: list[str]) -> Vectors:
        if self._embedding is None:
            raise UsageError(
                "This index has no vectors: it was built without an embedding model.",
                allowed="the lexical mode",
            )
        return self._embedding.embed(texts)

    def _dense_scores(
        self, texts: list[str], hidden: list[Ranking], vectors_of: Callable[[list[str]], Vectors]
    ) -> Iterator[Scores]:
        vectors = vectors_of(texts) if texts or self._dense is None else None
        if self._dense is not None and vectors is not None:
            scores = self._dense.scores(vectors)
            yield from (_without(s, rows) for s, rows in zip(scores, hidden, strict=True))

    def _neighbours(self, ranked: list[tuple[int, float]]) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(item_id=self._items[position].id, score=score, rank=rank)
            for rank, (position, score) in enumerate(ranked, start=1)
        )

    def _hidden_for(self, item: Item) -> Ranking:
        rows = {row for key in _group_keys(item) for row in self._groups.get(key, ())}
        return np.array(sorted(rows), dtype=np.int64)

    def save(self, folder: Path) -> None:
        """Write the index; the rows' texts are not stored, only their ids are.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self._lexical.save(folder / "bm25")
            if self._dense is not None:
                np.save(folder / "vectors.npy", self._dense.vectors, allow_pickle=False)
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


_NO_ROWS: Ranking = np.empty(0, dtype=np.int64)


def index_digest(items: Sequence[Item], embedding: EmbeddingModel | None) -> str:
    """Sha256 (hex) over everything that decides what a search finds."""
    return hashlib.sha256(json.dumps(index_facts(items, embedding)).encode()).hexdigest()


def index_facts(items: Sequence[Item], embedding: EmbeddingModel | None) -> dict[str, object]:
    """Everything that decides what a search finds, the rows by their digest."""
    rows = json.dumps([[item.id, item.text, item.cluster] for item in items])
    embedder = None
    if embedding is not None:
        identity = embedding.identity
        embedder = {"id": identity.id, "revision": identity.revision, **dict(identity.decides)}
    return {
        "schema": _SCHEMA,
        "rows": hashlib.sha256(rows.encode()).hexdigest(),
        "lexical": [TOKENISER, K1, B],
        "embedding": embedder,
        "fusion": [RRF_K, DEPTH],
        **dict(versions_of("bm25s", "numpy")),
    }


def _scored(scores: Scores, depth: int) -> list[tuple[int, float]]:
    return [(int(position), float(scores[position])) for position in top(scores, depth)]


def _without(scores: Scores, rows: Ranking) -> Scores:
    if rows.size == 0:
        return scores
    kept = scores.copy()
    kept[rows] = -np.inf
    return kept


def _group_keys(item: Item) -> list[tuple[str, str]]:
    keys = [("id", item.id), ("text", " ".join(item.text.split()).casefold())]
    return keys if item.cluster is None else [*keys, ("cluster", item.cluster)]


def _groups_of(items: Sequence[Item]) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for position, item in enumerate(items):
        for key in _group_keys(item):
            groups.setdefault(key, []).append(position)
    return groups
