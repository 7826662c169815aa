"""RAG over documents: a model reads the passages found, answers from them and cites.

Which search finds the passages, and how many are shown, are chosen on dev. A prompt over the token budget
loses its farthest passages first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.arms.base import (
    Answers,
    Explained,
    Material,
    Tried,
    ask_all,
    ask_one,
    found_meanwhile,
    items_digest,
    model_config,
    score_on,
)
from harness.arms.retrieve import RetrieveSettings, spread
from harness.arms.searching import Searching
from harness.core.records import ArmId, Fitted, Item, Message, ModelIdentity, Neighbour, Outcome
from harness.knowledge.passage_index import PassageIndex
from harness.models.base import ChatModel
from harness.tasks.base import ReadsPassages


class ReadingArm:
    """A model that is shown passages with the question."""

    def __init__(
        self,
        arm: ArmId,
        model: ChatModel,
        index: PassageIndex,
        task: ReadsPassages,
        settings: RetrieveSettings,
    ) -> None:
        self.id = arm
        self._model = model
        self._searching = Searching(index, settings.reranking)
        self._task = task
        self._settings = settings
        self._answers = Answers(form=task.form())
        self._k = min(settings.k)
        self._tried = Tried()

    @property
    def identity(self) -> ModelIdentity:
        """The model that reads the passages."""
        return self._model.identity

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
                "train_digest": items_digest(material.train)[:16],
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

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Find passages and answer; what the chosen trial answered stands."""
        known, rest = self._tried.take(items)
        yield from known
        yield from found_meanwhile(self._model, rest, self._show, self._ask)

    def predict_one(self, item: Item) -> Outcome:
        """Find the passages of one item and answer it."""
        start = time.perf_counter()
        shown = self.explain(item)
        return ask_one(self._model, item, shown, self._answers, retrieval_s=time.perf_counter() - start)

    def explain(self, item: Item) -> Explained:
        """The messages of one item and the passages in them."""
        return self._shown(item, self._searching.found([item], self._k)[0])

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._model.forget()

    def close(self) -> None:
        """The model and the index are shared and closed by whoever opened them."""

    def _choose(self, material: Material) -> dict[int, float]:
        """Ask about dev once a k, prompts that are the same once; take the best, the first among equals."""
        dev = spread(material.dev, self._settings.dev_items)
        asked: dict[int, tuple[dict[str, Explained], list[Outcome]]] = {}
        for k in sorted(self._settings.k) if dev else ():
            self._k = k
            shown, seconds = self._show(dev)
            given = next((given for other, given in asked.values() if other == shown), None)
            if given is None:
                material.say(f"trying k={k} on {len(dev)} dev items")
                self._model.forget()
                given = list(self._ask(dev, shown, seconds))
            asked[k] = (shown, given)
        tried = {k: score_on(given, dev, self._task) for k, (_, given) in asked.items()}
        if tried:
            self._k = max(tried, key=lambda k: tried[k])
            self._tried.keep(asked[self._k][1])
        return tried

    def _show(self, items: Sequence[Item]) -> tuple[dict[str, Explained], float]:
        """What is put to the model for each item, and the seconds that finding it took, an item."""
        start = time.perf_counter()
        found = self._searching.found(items, self._k)
        shown = {item.id: self._shown(item, hits) for item, hits in zip(items, found, strict=True)}
        return shown, (time.perf_counter() - start) / max(1, len(items))

    def _ask(
        self, items: Sequence[Item], shown: Mapping[str, Explained], seconds: float
    ) -> Iterator[Outcome]:
        yield from ask_all(self._model, items, shown, self._answers, retrieval_s=seconds)

    def _shown(self, item: Item, hits: Sequence[Neighbour]) -> Explained:
        return shown_within(
            self._task, self._searching, item, hits, (self._model.count_tokens, self._settings.max_tokens)
        )


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
