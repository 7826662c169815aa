"""A small model tuned on the training rows, alone (`tune`) or with retrieved rows (`tune+retrieve`).

The model sees the ticket and no guide: what may be answered is what it learns. Training itself is
behind `Tuner`, so that this room knows neither torch nor a trainer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from advisor.options import Option
from harness.arms.asking import Answers, ask_all, ask_one, held_facts
from harness.arms.base import Explained, Material, Say
from harness.core.records import (
    ArmId,
    Artefact,
    Conversation,
    Fitted,
    HostedModel,
    Item,
    ModelIdentity,
    Neighbour,
    Outcome,
)
from harness.knowledge.index import TrainingIndex
from harness.models.base import ChatModel
from harness.tasks.base import Task


class Tuner(Protocol):
    """Trains a model and opens what it trained."""

    @property
    def identity(self) -> ModelIdentity:
        """The base model."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the training run, seed included."""
        ...

    def tune(
        self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Say
    ) -> Artefact | HostedModel:
        """Train, or go on with a stopped training; returns what is scored, and shipped where it lies here."""
        ...

    def open(self, artefact: Artefact | HostedModel) -> ChatModel:
        """Open the artefact for answering."""
        ...


class Examples:
    """Where `tune+retrieve` finds the rows it shows: the `k` nearest, never the row itself."""

    def __init__(self, index: TrainingIndex, k: int) -> None:
        self.index = index
        self.k = k


class TuneArm:
    """LoRA-tuned small model."""

    def __init__(
        self,
        arm: ArmId,
        tuner: Tuner,
        task: Task,
        examples: Examples | None = None,
    ) -> None:
        if (arm.option is Option.TUNE_RETRIEVE) != (examples is not None):
            raise ValueError("tune+retrieve needs examples, and only it")
        self.id = arm
        self.tuner = tuner
        self._task = task
        self._examples = examples
        self._answers = Answers(form=task.form())
        self._train: dict[str, Item] = {}
        self._model: ChatModel | None = None

    @property
    def identity(self) -> ModelIdentity:
        """The tuned model once it is opened, its base before."""
        return self._model.identity if self._model else self.tuner.identity

    @property
    def config(self) -> Mapping[str, object]:
        """Base model, training configuration, prompt and what may be answered."""
        return {
            "arm": self.id.key,
            "tuner": dict(self.tuner.config),
            **self._task.settings(self.id.option),
            **held_facts(self._task),
            "examples": {"index": self._examples.index.facts, "k": self._examples.k}
            if self._examples
            else None,
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Train on train; dev is only watched. A stored artefact is opened instead of trained again."""
        self._train = {item.id: item for item in material.train}
        start = time.perf_counter()
        made = None if stored is None else stored.artefact or stored.hosted
        if stored is not None and made is not None:
            self._open(made)
            return stored
        train, dev = self.taught(material.train, material.dev)
        made = self.tuner.tune(train, dev, material.say)
        self._open(made)
        seconds = time.perf_counter() - start
        if isinstance(made, HostedModel):
            choices: dict[str, str | int | float] = {"tuned at": made.provider, "epochs": made.epochs}
            return Fitted(choices=choices, seconds=made.train_s, hosted=made)
        choices = {"method": made.recipe.method, "epochs": made.recipe.epochs}
        return Fitted(choices=choices, seconds=seconds, artefact=made)

    def taught(
        self, train: Sequence[Item], dev: Sequence[Item]
    ) -> tuple[list[Conversation], list[Conversation]]:
        """What it learns from, and what is watched meanwhile."""
        self._train = {item.id: item for item in train}
        return self._conversations(train, training=True), self._conversations(dev, training=False)

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput."""
        start = time.perf_counter()
        shown = dict(zip((item.id for item in items), self._shown(items, training=False), strict=True))
        seconds = (time.perf_counter() - start) / max(1, len(items)) if self._examples else 0.0
        yield from ask_all(self._opened(), items, shown, self._answers, retrieval_s=seconds)

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone."""
        start = time.perf_counter()
        shown = self.explain(item)
        seconds = time.perf_counter() - start if self._examples else 0.0
        return ask_one(self._opened(), item, shown, self._answers, retrieval_s=seconds)

    def explain(self, item: Item) -> Explained:
        """The messages of one item, and the training rows in them."""
        return self._shown([item], training=False)[0]

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._opened().forget()

    def close(self) -> None:
        """Free the tuned model."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def _open(self, artefact: Artefact | HostedModel) -> None:
        codes = {} if isinstance(artefact, HostedModel) else artefact.codes
        said = tuple(codes[choice] for choice in self._task.choices) if codes else ()
        self._answers = dataclasses.replace(self._answers, codes=said)
        self._model = self.tuner.open(artefact)

    def _opened(self) -> ChatModel:
        assert self._model is not None, "fit comes first"
        return self._model

    def _conversations(self, items: Sequence[Item], *, training: bool) -> list[Conversation]:
        shown = self._shown(items, training=training)
        return [
            Conversation(item_id=item.id, prompt=one.messages, completion=self._task.target_text(item.target))
            for item, one in zip(items, shown, strict=True)
        ]

    def _shown(self, items: Sequence[Item], *, training: bool) -> list[Explained]:
        option = self.id.option
        if self._examples is None:
            return [Explained(messages=self._task.messages(option, item)) for item in items]
        index, k = self._examples.index, self._examples.k
        found = index.search_without_self(items, k) if training else index.search([i.text for i in items], k)
        return [self._with_examples(item, near) for item, near in zip(items, found, strict=True)]

    def _with_examples(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        rows = [self._train[neighbour.item_id] for neighbour in reversed(nearest_first)]
        messages = self._task.messages(self.id.option, item, rows)
        return Explained(messages=messages, neighbours=tuple(nearest_first))
