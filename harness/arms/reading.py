"""RAG over documents: a model reads the passages found, answers from them and cites.

Which search finds the passages, and how many are shown, are chosen on dev. A prompt over the token budget
loses its farthest passages first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from harness.arms.base import Explained, FindingArm, Material, Trials, model_config
from harness.arms.retrieve import RetrieveSettings, spread
from harness.arms.searching import Searching
from harness.core.records import ArmId, Fitted, Item, Message, Neighbour
from harness.data.source import rows_digest
from harness.knowledge.passage_index import PassageIndex
from harness.models.base import ChatModel
from harness.tasks.base import ReadsPassages


class ReadingArm(FindingArm[int]):
    """A model that is shown passages with the question."""

    def __init__(
        self,
        arm: ArmId,
        model: ChatModel,
        index: PassageIndex,
        task: ReadsPassages,
        settings: RetrieveSettings,
    ) -> None:
        super().__init__(arm, model, task)
        self._searching = Searching(index, settings.reranking)
        self._reads = task
        self._settings = settings
        self._k = min(settings.k)

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt, index and what is tried."""
        settings = self._settings
        return model_config(self.id, self._model, self._task) | {
            "index": self._searching.index.facts,
            "k": list(settings.k),
            "max_tokens": settings.max_tokens,
            "dev_items": settings.dev_items,
            **settings.reranked,
            **({"tried": "spread over dev"} if len(settings.k) > 1 else {}),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose the search by evidence, then the number of passages by asking the model."""
        if stored is not None:
            self._searching.take(str(stored.choices["search"]))
            self._k = int(stored.choices["k"])
            return stored
        start = time.perf_counter()
        searches = self._searching.choose(material.dev)
        tried = self._choose(material) if len(self._settings.k) > 1 else {}
        return Fitted(
            choices={
                "search": str(self._searching.search),
                "k": self._k,
                "retrieval": self._searching.index.describe(self._searching.search) + self._settings.words,
                "train_digest": rows_digest(material.train)[:16],
            },
            trials=(*searches, *((f"k={k}", score) for k, score in tried.items())),
            seconds=time.perf_counter() - start,
            indexed=self._searching.index.indexed,
            notes=(
                f"The search was chosen by the evidence it finds for {len(material.dev)} dev items.",
                f"k was chosen on {min(self._settings.dev_items, len(material.dev))} of "
                f"{len(material.dev)} dev items."
                if tried
                else "k is the plan's only candidate.",
            ),
        )

    def _choose(self, material: Material) -> dict[int, float]:
        """Ask about dev once a k, prompts that are the same once; take the best, the first among equals."""
        dev = spread(material.dev, self._settings.dev_items)
        trials: Trials[int] = Trials(dev=dev, say=material.say, name="k={}".format)
        for k in sorted(self._settings.k) if trials.dev else ():
            self._try(k, trials)
        if trials.scores:
            self._take_best(trials)
        return trials.scores

    def _use(self, way: int, dev: Sequence[Item]) -> None:
        self._k = way

    def _found(self, items: Sequence[Item]) -> list[tuple[Neighbour, ...]]:
        return self._searching.found(items, self._k)

    def _shown(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        budget = (self._model.count_tokens, self._settings.max_tokens)
        return shown_within(self._reads, self._searching, item, nearest_first, budget)


def shown_within(
    task: ReadsPassages,
    searching: Searching,
    item: Item,
    hits: Sequence[Neighbour],
    budget: tuple[Callable[[Sequence[Message]], float], float],
) -> Explained:
    """As many of the passages found as the budget holds, the nearest first.

    Args:
        budget: counts the tokens of messages, and how many a prompt may have.
    """
    count, most_tokens = budget
    kept = tuple(hits)
    messages = task.reading(item, searching.passages(kept))
    while kept and count(messages) > most_tokens:
        kept = kept[:-1]
        messages = task.reading(item, searching.passages(kept))
    return Explained(messages=messages, neighbours=kept, searched=searching.usage_of(item))
