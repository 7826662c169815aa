"""What the arms that search passages share: which search finds evidence, and passages for questions."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.money.usage import Usage
from harness.core.records import Item, Neighbour, Passage
from harness.core.references import Reference
from harness.knowledge.choosing import EvidencedQuestion, Quote, choose_search, try_modes
from harness.knowledge.passage_index import PassageIndex
from harness.knowledge.reranking import Reranking
from harness.knowledge.retriever import SearchChoice, added


class Searching:
    """Passages of an index, found by the search that dev questions chose."""

    def __init__(self, index: PassageIndex, reranking: Reranking | None = None) -> None:
        self.index = index
        self._reranking = reranking
        self.search = index.record.search

    def choose(self, dev: Sequence[Item]) -> tuple[tuple[str, float], ...]:
        """Take the search that finds evidence of dev questions most often, by language; what each one found.

        Without stated evidence the index's own search stays.
        """
        asked = [one for one in map(evidenced, dev) if one is not None]
        tried = try_modes(self.index, asked) if asked else ()
        if tried:
            self.search = choose_search(tried, self.index.record.reads)
        return tuple(
            (
                f"evidence among {one.k} by {one.mode.value}"
                + (f", {one.questions} questions in {one.language}" if one.language else ""),
                one.recall,
            )
            for one in tried
        )

    def take(self, stored: str) -> None:
        """Take an earlier choice."""
        self.search = SearchChoice.parse(stored)

    def found(self, items: Sequence[Item], k: int) -> list[tuple[Neighbour, ...]]:
        """The k nearest passages of each item."""
        if not items:
            return []
        texts, again = [item.text for item in items], self._reranking
        found = self.index.search(texts, k if again is None else max(k, again.most), search=self.search)
        if again is None:
            return found
        return [near[:k] for near in again.ordered(texts, found, lambda name: self.index.by_id[name].whole)]

    def usage_of(self, item: Item) -> Usage | None:
        """What finding for an item used of a service."""
        again = None if self._reranking is None else self._reranking.usage_of(item.text)
        return added(self.index.usage_of(item.text, self.search), again)

    def passages(self, hits: Sequence[Neighbour]) -> list[Passage]:
        """The passages that were found."""
        return [self.index.by_id[hit.item_id] for hit in hits]


def evidenced(item: Item) -> EvidencedQuestion | None:
    """An item as a question that a search is chosen by; None without stated evidence."""
    stated = item.target.evidence if isinstance(item.target, Reference) else ()
    if not stated:
        return None
    quotes = tuple(Quote(document=one.document, quote=one.quote) for one in stated)
    return EvidencedQuestion(question=item.text, evidence=quotes)
