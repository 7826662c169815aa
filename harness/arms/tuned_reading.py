"""Passages for `tune+retrieve`: a model that is tuned to read them, distractors among them, and to hand back.

Rows to learn from show the passages that hold their evidence among others that are near and do not, in an
order that is drawn. Of one row in five the evidence is left out, and right is then to hand it back, as it is
of questions that the documents do not answer: so RAFT (Zhang et al. 2024, arXiv 2403.10131) trains, which
shows the evidence in 80 % of the rows. Afterwards it is asked as `retrieve` asks.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import cast

from harness.arms.base import Explained
from harness.arms.searching import Searching, evidenced
from harness.arms.tune import Rows
from harness.core.records import Fitted, Item, Neighbour
from harness.core.references import Reference
from harness.knowledge.choosing import answering
from harness.knowledge.passage_index import PassageIndex
from harness.tasks.base import ReadsPassages, Task
from harness.tasks.wording import NOT_THERE

WITHOUT_EVIDENCE = 0.2
"""Of the rows to learn from whose evidence is known, those that show none of it."""


class Passages:
    """The `k` passages that a tuned model reads with a question."""

    def __init__(self, index: PassageIndex, k: int, seed: int) -> None:
        self._searching = Searching(index)
        self._k = k
        self._seed = seed

    @property
    def facts(self) -> Mapping[str, object]:
        """Index, passages a question, and how many rows show no evidence."""
        return {"passages": self._searching.index.facts, "k": self._k, "without_evidence": WITHOUT_EVIDENCE}

    def prepare(self, rows: Rows, stored: Fitted | None) -> Mapping[str, str]:
        """Take the search that finds the evidence of dev questions."""
        if stored is not None and "search" in stored.choices:
            self._searching.take(str(stored.choices["search"]))
        else:
            self._searching.choose(rows[1])
        return {"search": str(self._searching.search)}

    def taught(self, task: Task, items: Sequence[Item], *, training: bool) -> list[tuple[Explained, str]]:
        """Each item's passages, and the answer that stands in them, cited; else that it is handed back."""
        found = self._searching.found(items, self._k + 1 if training else self._k)
        return [self._taught(task, item, hits, training) for item, hits in zip(items, found, strict=True)]

    def asked(self, task: Task, items: Sequence[Item]) -> list[Explained]:
        """The nearest passages."""
        found = self._searching.found(items, self._k)
        return [self._explained(task, item, hits) for item, hits in zip(items, found, strict=True)]

    def _taught(
        self, task: Task, item: Item, hits: Sequence[Neighbour], training: bool
    ) -> tuple[Explained, str]:
        question = evidenced(item)
        evidence = frozenset[str]() if question is None else answering(self._searching.index, question)
        if training and evidence:
            hits = self._among_others(item, hits, sorted(evidence))
        shown = self._explained(task, item, hits[: self._k])
        places = [hit.rank for hit in shown.neighbours if hit.item_id in evidence]
        right = task.target_text(item.target)
        assert isinstance(item.target, Reference), "questions have references"
        if item.target.answerable and places:
            right = cast(ReadsPassages, task).extracted(right, places[0])
        elif evidence:
            right = NOT_THERE
        return shown, right

    def _among_others(
        self, item: Item, hits: Sequence[Neighbour], evidence: Sequence[str]
    ) -> list[Neighbour]:
        """A passage with evidence among the nearest without, in an order that is drawn; or only these."""
        drawn = random.Random(f"{self._seed} {item.id}")
        others = [hit.item_id for hit in hits if hit.item_id not in evidence]
        if drawn.random() >= WITHOUT_EVIDENCE:
            near = next((hit.item_id for hit in hits if hit.item_id in evidence), evidence[0])
            others = [near, *others[: self._k - 1]]
            drawn.shuffle(others)
        scores = {hit.item_id: hit.score for hit in hits}
        return [
            Neighbour(item_id=one, score=scores.get(one, 0.0), rank=rank)
            for rank, one in enumerate(others[: self._k], 1)
        ]

    def _explained(self, task: Task, item: Item, hits: Sequence[Neighbour]) -> Explained:
        messages = cast(ReadsPassages, task).reading(item, self._searching.passages(hits))
        return Explained(messages=messages, neighbours=tuple(hits), searched=self._searching.usage_of(item))
