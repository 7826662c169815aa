"""The values of the most similar training rows that also stand in the text: `neighbours` of an open set.

Which search finds the rows, and how many of them are put together, are chosen on dev. Without a closed set
there is nothing to vote among as a whole: the task puts the rows' answers together part by part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.arms.base import Explained, Material, WithoutLanguageModel, score_on
from harness.core.records import ArmId, Completion, Fitted, Item, Neighbour, Outcome, Timing
from harness.data.source import rows_digest
from harness.knowledge.index import TrainingIndex
from harness.knowledge.retriever import SearchMode
from harness.tasks.base import Task

ROWS = (1, 3, 5)
"""Candidates for how many rows are put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """One way to put rows together."""

    mode: SearchMode
    k: int

    @property
    def name(self) -> str:
        """The way in one word, as trials list it."""
        return f"{self.mode.value}, k={self.k}"


class NeighbourValues:
    """Finds rows and puts their answers together."""

    def __init__(self, index: TrainingIndex, task: Task, train: Sequence[Item]) -> None:
        self._index = index
        self._task = task
        self._train = {item.id: item for item in train}

    def answer(self, items: Sequence[Item], way: Together) -> list[tuple[str, tuple[Neighbour, ...]]]:
        """The answer to each item, and the rows it is made of."""
        found = self._index.retriever.search([item.text for item in items], way.k, mode=way.mode)
        return [(self._combined(item, near), tuple(near)) for item, near in zip(items, found, strict=True)]

    def choose(self, dev: Sequence[Item]) -> tuple[Together, tuple[tuple[str, float], ...]]:
        """The way that is best on dev, the first among equals, and what every way reached."""
        ways = [Together(mode=mode, k=k) for mode in self._index.retriever.modes for k in ROWS]
        tried = {way: self._score(dev, way) for way in ways} if dev else {ways[0]: 0.0}
        best = max(tried, key=lambda way: tried[way])
        return best, tuple((way.name, score) for way, score in tried.items()) if dev else ()

    def _score(self, dev: Sequence[Item], way: Together) -> float:
        answers = zip(dev, self.answer(dev, way), strict=True)
        outcomes = [
            Completion(item_id=item.id, text=text, timing=Timing(model_s=0.0)) for item, (text, _) in answers
        ]
        return score_on(outcomes, dev, self._task)

    def _combined(self, item: Item, near: Sequence[Neighbour]) -> str:
        rows = [self._train[one.item_id] for one in near]
        return self._task.combine(rows, [1.0 / one.rank for one in near], item).text


class NeighbourValuesArm(WithoutLanguageModel):
    """Answers by the values of the nearest rows."""

    def __init__(self, arm: ArmId, index: TrainingIndex) -> None:
        self.id = arm
        self._index = index
        self._values: NeighbourValues | None = None
        self._way = Together(mode=index.retriever.modes[0], k=ROWS[0])

    @property
    def config(self) -> Mapping[str, object]:
        """The index, and the ways that are tried."""
        return {
            "arm": self.id.key,
            "index": self._index.facts,
            "rows": list(ROWS),
            "searches": [mode.value for mode in self._index.retriever.modes],
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose the search and the number of rows on dev."""
        self._values = NeighbourValues(self._index, material.task, material.train)
        if stored is not None:
            self._way = Together(mode=SearchMode(str(stored.choices["search"])), k=int(stored.choices["k"]))
            return stored
        start = time.perf_counter()
        self._way, trials = self._values.choose(material.dev)
        return Fitted(
            choices={
                "search": self._way.mode.value,
                "k": self._way.k,
                "retrieval": self._index.describe(self._way.mode),
                "train_digest": rows_digest(material.train)[:16],
            },
            trials=trials,
            seconds=time.perf_counter() - start,
            indexed=self._index.indexed,
            notes=(f"Search and number of rows were chosen on {len(material.dev)} dev items.",),
        )

    def explain(self, item: Item) -> Explained:
        """The rows that are put together; no messages are sent."""
        return Explained(messages=(), neighbours=self._opened().answer([item], self._way)[0][1])

    def _opened(self) -> NeighbourValues:
        assert self._values is not None, "fit comes first"
        return self._values

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start = time.perf_counter()
        answers = self._opened().answer(items, self._way)
        share = (time.perf_counter() - start) / len(items)
        for item, (text, near) in zip(items, answers, strict=True):
            timing = Timing(retrieval_s=share, model_s=0.0, batched=batched)
            used = self._index.retriever.usage_of(item.text, self._way.mode)
            yield Completion(item_id=item.id, text=text, usage=used, timing=timing, neighbours=near)
