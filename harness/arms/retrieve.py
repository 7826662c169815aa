"""RAG for labels: the most similar training tickets with their labels, then the ticket.

`k` is chosen on dev. The nearest example comes last, next to the ticket. A prompt over the token
budget loses its farthest examples first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.arms.asking import Answers, ask_all, ask_one, choices_of, model_config
from harness.arms.base import Explained, Material, accuracy_on, is_answer, items_digest
from harness.core.records import ArmId, Fitted, Item, Label, ModelIdentity, Neighbour, Outcome
from harness.knowledge.index import TrainingIndex
from harness.models.base import ChatModel
from harness.tasks.classification import Example, PromptLimits, retrieve_messages


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveSettings:
    """The candidates for k, the token budget of a prompt, and how many dev rows each k is tried on."""

    k: tuple[int, ...]
    max_tokens: int
    dev_items: int


class RetrieveArm:
    """kNN few-shot prompting over an index of the training rows."""

    def __init__(
        self,
        arm: ArmId,
        model: ChatModel,
        index: TrainingIndex,
        labels: Sequence[Label],
        limits: PromptLimits,
        settings: RetrieveSettings,
    ) -> None:
        self.id = arm
        self._model = model
        self._index = index
        self._labels = tuple(labels)
        self._limits = limits
        self._settings = settings
        self._answers = Answers(words=choices_of(labels))
        self._train: dict[str, Item] = {}
        self._k = settings.k[0]
        self._tried: dict[str, Outcome] = {}

    @property
    def identity(self) -> ModelIdentity:
        """The model that reads the examples."""
        return self._model.identity

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt, index and candidates for k."""
        base = model_config(self.id, self._model, self._labels, self._limits)
        settings = self._settings
        return base | {
            "index": self._index.facts,
            "k": list(settings.k),
            "max_tokens": settings.max_tokens,
            "dev_items": settings.dev_items,
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose k on dev: the best accuracy, the smaller k among equals."""
        self._train = {item.id: item for item in material.train}
        if stored is not None:
            self._k = int(stored.choices["k"])
            return stored
        start = time.perf_counter()
        choice = len(self._settings.k) > 1
        tried = material.dev[: self._settings.dev_items] if choice else ()
        given = {k: self._try(k, tried, material) for k in sorted(self._settings.k)}
        names = [label.name for label in self._labels]
        trials = [(k, accuracy_on(outcomes, tried, names)) for k, outcomes in given.items() if tried]
        self._k = max(trials, key=lambda trial: (trial[1], -trial[0]))[0] if tried else min(self._settings.k)
        self._tried = {outcome.item_id: outcome for outcome in given[self._k] if is_answer(outcome)}
        return Fitted(
            choices={
                "k": self._k,
                "retrieval": self._index.describe(),
                "train_digest": items_digest(material.train)[:16],
            },
            trials=tuple((f"k={k}", accuracy) for k, accuracy in trials),
            seconds=time.perf_counter() - start,
            notes=(
                f"k was chosen on {len(tried)} dev items." if choice else "k is the plan's only candidate.",
            ),
        )

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Retrieve for all items at once, then answer them; what the trial of k answered stands."""
        known = [self._tried.pop(item.id) for item in items if item.id in self._tried]
        yield from known
        there = {outcome.item_id for outcome in known}
        yield from self._ask([item for item in items if item.id not in there])

    def _ask(self, items: Sequence[Item]) -> Iterator[Outcome]:
        start = time.perf_counter()
        found = self._index.search([item.text for item in items], self._k)
        shown = {i.id: self._shown(i, near) for i, near in zip(items, found, strict=True)}
        seconds = (time.perf_counter() - start) / max(1, len(items))
        yield from ask_all(self._model, items, shown, self._answers, retrieval_s=seconds)

    def predict_one(self, item: Item) -> Outcome:
        """Retrieve for one item and answer it."""
        start = time.perf_counter()
        shown = self.explain(item)
        return ask_one(self._model, item, shown, self._answers, retrieval_s=time.perf_counter() - start)

    def explain(self, item: Item) -> Explained:
        """The messages of one item and the training rows in them."""
        return self._shown(item, self._index.search([item.text], self._k)[0])

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._model.forget()

    def close(self) -> None:
        """The model and the index are shared and closed by whoever opened them."""

    def _try(self, k: int, dev: Sequence[Item], material: Material) -> list[Outcome]:
        """Answer with k, from a fresh prompt prefix as every pass does."""
        if not dev:
            return []
        material.say(f"trying k={k} on {len(dev)} dev items")
        self._k = k
        self._model.forget()
        return list(self._ask(dev))

    def _shown(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        kept = list(nearest_first)
        messages = retrieve_messages(item.text, self._examples(kept), self._labels, self._limits)
        while kept and self._model.count_tokens(messages) > self._settings.max_tokens:
            kept.pop()
            messages = retrieve_messages(item.text, self._examples(kept), self._labels, self._limits)
        return Explained(messages=messages, neighbours=tuple(kept))

    def _examples(self, nearest_first: Sequence[Neighbour]) -> list[Example]:
        rows = [self._train[neighbour.item_id] for neighbour in reversed(nearest_first)]
        return [Example(text=row.text, label=row.label) for row in rows]
