"""The one search over texts: lexical, dense or fused, behind training rows and passages of documents alike.

Results for a smaller k are a prefix of those for a larger one, up to `DEPTH`. Timing is left to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from advisor.money.usage import Usage, add
from harness.core.errors import UsageError
from harness.core.records import ModelIdentity, Neighbour
from harness.knowledge.dense import DenseIndex
from harness.knowledge.fuse import RRF_K, Ranking, Scores, reciprocal_rank_fusion, top
from harness.knowledge.lexical import K1, B, LexicalIndex
from harness.models.base import EmbeddingModel, Vectors

DEPTH = 100
"""Rows each ranking puts into the fusion (more when k is larger)."""

NO_ROWS: Ranking = np.empty(0, dtype=np.int64)


class SearchMode(StrEnum):
    """Which scores rank the rows."""

    LEXICAL = "lexical"
    DENSE = "dense"
    FUSED = "fused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchChoice:
    """Which search answers a question, by the question's language.

    Attributes:
        mode: of every language that is not named.
        by_language: of the others, by ISO 639-1 code, in the codes' order.
    """

    mode: SearchMode
    by_language: tuple[tuple[str, SearchMode], ...] = ()

    @classmethod
    def parse(cls, text: str) -> SearchChoice:
        """What `str` wrote."""
        mode, *named = text.split("; ")
        pairs = (one.split(": ", 1) for one in named)
        return cls(mode=SearchMode(mode), by_language=tuple((code, SearchMode(own)) for code, own in pairs))

    def __str__(self) -> str:
        """In a line, such as 'lexical; en: fused'."""
        return "; ".join([self.mode.value, *(f"{code}: {own.value}" for code, own in self.by_language)])

    def of(self, language: str) -> SearchMode:
        """The search for a question in a language."""
        return dict(self.by_language).get(language, self.mode)


def search_of(mode: SearchMode, own: Mapping[str, SearchMode], reads: Sequence[str] = ()) -> SearchChoice:
    """A search for all languages: a language's own where it has one, `mode` for the rest.

    Vectors of a model say nothing about languages that it does not read, so that those are searched by words.

    Args:
        reads: the languages of the embedding model; () where it does not say.
    """
    rest = SearchMode.LEXICAL if reads else mode
    named = dict.fromkeys(reads, mode) | dict(own)
    return SearchChoice(
        mode=rest,
        by_language=tuple(sorted((code, one) for code, one in named.items() if one is not rest)),
    )


class Retriever:
    """Texts, each under an id, searchable by text."""

    def __init__(
        self,
        ids: Sequence[str],
        lexical: LexicalIndex,
        dense: DenseIndex | None,
        embedding: EmbeddingModel | None,
    ) -> None:
        """Take indexes of the same texts in the order of their ids.

        Args:
            embedding: the model of the vectors; without it the search is lexical.
        """
        self._ids = tuple(ids)
        self.lexical = lexical
        self.dense = dense
        self._embedding = embedding

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def default_mode(self) -> SearchMode:
        """Fused where there is an embedding model, lexical where there is none."""
        return SearchMode.LEXICAL if self.dense is None else SearchMode.FUSED

    @property
    def modes(self) -> tuple[SearchMode, ...]:
        """The searches that it can make."""
        return (SearchMode.LEXICAL,) if self.dense is None else tuple(SearchMode)

    def describe(self, rows: str, mode: SearchMode | None = None) -> str:
        """How texts are found, in one sentence for the report.

        Args:
            rows: what they are and how many: '800 training rows'.
            mode: `default_mode` when None.
        """
        lexical = f"BM25 (k1={K1:g}, b={B:g}) over {rows}"
        if self.dense is None or self._embedding is None:
            return f"{lexical}; lexical only, no embedding model was given"
        dense = f"exact cosine of {self._embedding.identity.id} ({self.dense.dimensions}-d)"
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
        """The k nearest of each text, nearest first; fewer where fewer match.

        Args:
            mode: `default_mode` when None.

        Raises:
            UsageError: k is below 1, or the mode needs an embedding model and there is none.
        """
        queries = [texts] if isinstance(texts, str) else list(texts)
        return self.search_hiding(queries, [NO_ROWS] * len(queries), k, mode, self.embedded)

    def search_hiding(
        self,
        texts: list[str],
        hidden: list[Ranking],
        k: int,
        mode: SearchMode | None,
        vectors_of: Callable[[list[str]], Vectors],
    ) -> list[tuple[Neighbour, ...]]:
        """As `search`, with some positions left out of each text's answer.

        Args:
            hidden: the positions, for each text.
            vectors_of: the vectors of the texts, asked for only where the mode needs them.

        Raises:
            UsageError: as `search`.
        """
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

    def embedded(self, texts: list[str]) -> Vectors:
        """The vectors of texts.

        Raises:
            UsageError: there is no embedding model.
        """
        if self._embedding is None:
            raise UsageError(
                "This index has no vectors: it was built without an embedding model.",
                allowed="the lexical mode",
            )
        return self._embedding.embed(texts, queries=True)

    def usage_of(self, text: str, mode: SearchMode | None = None) -> Usage | None:
        """What embedding a query used of a service; None where none was asked."""
        mode = mode or self.default_mode
        if self._embedding is None or mode is SearchMode.LEXICAL:
            return None
        return self._embedding.usage_of(text)

    def indexed(self, texts: Sequence[str]) -> Usage | None:
        """What embedding the texts that are found used of a service; None where none was asked."""
        return indexing_usage(self._embedding, texts)

    def _lexical_scores(self, texts: list[str], hidden: list[Ranking]) -> Iterator[Scores]:
        for text, rows in zip(texts, hidden, strict=True):
            yield _without(self.lexical.scores(text), rows)

    def _dense_scores(
        self, texts: list[str], hidden: list[Ranking], vectors_of: Callable[[list[str]], Vectors]
    ) -> Iterator[Scores]:
        vectors = vectors_of(texts) if texts or self.dense is None else None
        if self.dense is not None and vectors is not None:
            scores = self.dense.scores(vectors)
            yield from (_without(s, rows) for s, rows in zip(scores, hidden, strict=True))

    def _neighbours(self, ranked: list[tuple[int, float]]) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(item_id=self._ids[position], score=score, rank=rank)
            for rank, (position, score) in enumerate(ranked, start=1)
        )


def indexing_usage(embedding: EmbeddingModel | None, texts: Sequence[str]) -> Usage | None:
    """What embedding texts once used of a service; None where none was asked."""
    return None if embedding is None else added(*(embedding.usage_of(text, query=False) for text in texts))


def added(*parts: Usage | None) -> Usage | None:
    """What several steps of finding used together; None where no service was asked."""
    known = [part for part in parts if part is not None]
    return add(known) if known else None


def deciding_facts(cut: str, identity: ModelIdentity | None) -> dict[str, object]:
    """What decides what a search finds, beside its texts.

    Args:
        cut: the name of what makes words of a text.
        identity: of the embedding model, where there is one.
    """
    return {
        "lexical": [cut, K1, B],
        "embedding": None if identity is None else identity_facts(identity),
        "fusion": [RRF_K, DEPTH],
    }


def identity_facts(identity: ModelIdentity) -> dict[str, object]:
    """A model that finds, by what decides its answers."""
    return {"id": identity.id, "revision": identity.revision, **dict(identity.decides)}


def _scored(scores: Scores, depth: int) -> list[tuple[int, float]]:
    return [(int(position), float(scores[position])) for position in top(scores, depth)]


def _without(scores: Scores, rows: Ranking) -> Scores:
    if rows.size == 0:
        return scores
    kept = scores.copy()
    kept[rows] = -np.inf
    return kept
