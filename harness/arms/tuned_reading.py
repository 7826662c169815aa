"""Passages for `tune+retrieve`: a model that is tuned to read them, distractors among them, and to hand back.

Rows to learn from show the passages that hold their evidence among others that are near and do not, in an
order that is drawn. Of one row in five the evidence is left out, and right is then to hand it back, as it is
of questions that the documents do not answer: so RAFT (Zhang et al. 2024, arXiv 2403.10131) trains, which
shows the evidence in 80 % of the rows. Afterwards it is asked as `retrieve` asks.

The rows are those of train, or `Lessons` over other documents: then it learns to read and no facts, and
nothing of it is out of date when the documents change.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from harness.arms.base import Explained
from harness.arms.reading import shown_within
from harness.arms.searching import Searching, evidenced
from harness.arms.tune import Rows
from harness.core.records import Conversation, Fitted, Item, Neighbour
from harness.core.references import Reference
from harness.data.source import rows_digest
from harness.knowledge.choosing import Quote, answering, holds
from harness.knowledge.passage_index import PassageIndex
from harness.tasks.base import ReadsPassages, Task
from harness.tasks.wording import NOT_THERE

WITHOUT_EVIDENCE = 0.2
"""Of the rows to learn from whose evidence is known, those that show none of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Questions to learn reading from, over other documents than those that are asked about."""

    items: tuple[Item, ...]
    index: PassageIndex


class Passages:
    """The `k` passages that a tuned model reads with a question."""

    def __init__(self, index: PassageIndex, k: int, seed: int, lessons: Lessons | None = None) -> None:
        self._searching = Searching(index)
        self._k = k
        self._seed = seed
        self._lessons = lessons
        self._teaching = self._searching if lessons is None else Searching(lessons.index)

    @property
    def facts(self) -> Mapping[str, object]:
        """Index, passages a question, how many rows show no evidence, and what the rows are."""
        lessons = self._lessons
        return {
            "passages": self._searching.index.facts,
            "k": self._k,
            "without_evidence": WITHOUT_EVIDENCE,
            "evidence": "with an answer in it",
            **(
                {}
                if lessons is None
                else {"lessons": rows_digest(lessons.items), "lessons_passages": lessons.index.facts}
            ),
        }

    def prepare(self, rows: Rows, stored: Fitted | None) -> Mapping[str, str]:
        """Take the search that finds the evidence of dev questions."""
        if stored is not None and "search" in stored.choices:
            self._searching.take(str(stored.choices["search"]))
        else:
            self._searching.choose(rows[1])
        return {"search": str(self._searching.search)}

    def taught(self, task: Task, items: Sequence[Item], *, training: bool) -> list[Conversation]:
        """Each item's passages, and the answer that stands in them, cited; else that it is handed back."""
        if training and self._lessons is not None:
            items = self._lessons.items
        searching = self._teaching if training else self._searching
        found = searching.found(items, self._k + 1 if training else self._k)
        return [
            _taught(cast(ReadsPassages, task), searching, item, self._drawn(item, hits) if training else hits)
            for item, hits in zip(items, found, strict=True)
        ]

    def asked(self, task: Task, items: Sequence[Item]) -> list[Explained]:
        """The nearest passages."""
        found = self._searching.found(items, self._k)
        reads = cast(ReadsPassages, task)
        return [
            shown_within(reads, self._searching, item, hits, (len, math.inf))
            for item, hits in zip(items, found, strict=True)
        ]

    def _drawn(self, item: Item, hits: Sequence[Neighbour]) -> list[Neighbour]:
        """A passage with the answer among the nearest without evidence, in a drawn order; or only these."""
        drawn = random.Random(f"{self._seed} {item.id}")
        evidence, answering = _evidence(self._teaching.index, item)
        others = [hit.item_id for hit in hits if hit.item_id not in evidence]
        if evidence and drawn.random() >= WITHOUT_EVIDENCE:
            near = next((hit.item_id for hit in hits if hit.item_id in answering), answering[0])
            others = [near, *others[: self._k - 1]]
            drawn.shuffle(others)
        scores = {hit.item_id: hit.score for hit in hits}
        return [
            Neighbour(item_id=one, score=scores.get(one, 0.0), rank=rank)
            for rank, one in enumerate(others[: self._k], 1)
        ]


def _taught(task: ReadsPassages, searching: Searching, item: Item, hits: Sequence[Neighbour]) -> Conversation:
    """What stands in the passages shown is right; else that they do not say it."""
    evidence, answering = _evidence(searching.index, item)
    right = task.target_text(item.target)
    places = [hit.rank for hit in hits if hit.item_id in answering]
    assert isinstance(item.target, Reference), "questions have references"
    if item.target.answerable and places:
        right = task.extracted(right, places[0])
    elif evidence:
        right = NOT_THERE
    messages = task.reading(item, searching.passages(hits))
    return Conversation(item_id=item.id, prompt=messages, completion=right)


def _evidence(index: PassageIndex, item: Item) -> tuple[list[str], list[str]]:
    """The passages with evidence of an item; of them those that hold an answer, or all where none does."""
    assert isinstance(item.target, Reference), "questions have references"
    question = evidenced(item)
    found = [] if question is None else sorted(answering(index, question))
    passages = [index.by_id[one] for one in found]
    said = [
        passage.id
        for passage in passages
        if any(holds(passage, Quote(document=passage.document, quote=one)) for one in item.target.answers)
    ]
    return found, said or found
