"""A second look at what a search found: a reranker reads the first of it with the query, and orders it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from advisor.money.usage import Usage
from harness.core.records import Neighbour
from harness.knowledge.retriever import identity_facts
from harness.models.base import RankingModel


class Reranking:
    """Orders the first `most` of what was found."""

    def __init__(self, model: RankingModel, most: int) -> None:
        self._model = model
        self.most = most

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything that decides an order."""
        return {**identity_facts(self._model.identity), "from": self.most}

    @property
    def words(self) -> str:
        """In words, behind a search's."""
        return f", the first {self.most} reranked by {self._model.identity.id}"

    def ordered(
        self,
        texts: Sequence[str],
        found: Sequence[Sequence[Neighbour]],
        text_of: Callable[[str], str],
    ) -> list[tuple[Neighbour, ...]]:
        """What was found for each text, the first of it in the reranker's order, then the rest as it was.

        Args:
            text_of: the text of a row or passage, by its id.
        """
        first = [tuple(near[: self.most]) for near in found]
        asked = [
            (text, tuple(text_of(near.item_id) for near in nears))
            for text, nears in zip(texts, first, strict=True)
        ]
        return [
            self._one(nears, scores, rest[self.most :])
            for nears, scores, rest in zip(first, self._model.rank(asked), found, strict=True)
        ]

    def usage_of(self, text: str) -> Usage | None:
        """What ranking for a text used of a service."""
        return self._model.usage_of(text)

    def _one(
        self, nears: Sequence[Neighbour], scores: Sequence[float], rest: Sequence[Neighbour]
    ) -> tuple[Neighbour, ...]:
        best = sorted(zip(nears, scores, strict=True), key=lambda pair: (-pair[1], pair[0].rank))
        ranked = [
            Neighbour(item_id=near.item_id, score=score, rank=rank)
            for rank, (near, score) in enumerate(best, 1)
        ]
        return (*ranked, *rest)
