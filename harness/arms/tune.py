"""A small model tuned on the training rows, alone (`tune`) or with what is found for each (`tune+retrieve`).

The model sees the ticket and no guide: what may be answered is what it learns. What it is shown besides is
behind `Shows`: training rows (`Examples`) or passages (`harness.arms.tuned_reading`). Training itself is
behind `Tuner`, so that this room knows neither torch nor a trainer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from advisor.options import Option
from harness.arms.base import Answers, Explained, Material, Say, ask_all, ask_one, held_facts
from harness.arms.drafted import DraftedRows, Drafts
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

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the training run, seed included."""

    def tune(
        self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Say
    ) -> Artefact | HostedModel:
        """Train, or go on with a stopped training; returns what is scored, and shipped where it lies here."""

    def open(self, artefact: Artefact | HostedModel) -> ChatModel:
        """Open the artefact for answering."""


Rows = tuple[Sequence[Item], Sequence[Item]]
"""Train and dev."""


class Shows(Protocol):
    """What `tune+retrieve` shows with each item, in training and when it answers."""

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything that decides what is shown."""

    def prepare(self, rows: Rows, stored: Fitted | None) -> Mapping[str, str]:
        """Take train, and what was chosen on dev before or choose it now; what was chosen."""

    def taught(self, task: Task, items: Sequence[Item], *, training: bool) -> list[Conversation]:
        """What is shown with items to learn from, and what is right then; others are only watched."""

    def asked(self, task: Task, items: Sequence[Item]) -> list[Explained]:
        """What is shown with items to answer."""


class Examples:
    """Training rows: the `k` nearest, never the row itself."""

    def __init__(self, index: TrainingIndex, k: int) -> None:
        self.index = index
        self.k = k
        self._rows: dict[str, Item] = {}

    @property
    def facts(self) -> Mapping[str, object]:
        """The index, and how many rows."""
        return {"index": self.index.facts, "k": self.k}

    def prepare(self, rows: Rows, stored: Fitted | None) -> Mapping[str, str]:
        """Take the rows; nothing is chosen."""
        self._rows = {item.id: item for item in rows[0]}
        return {}

    def taught(self, task: Task, items: Sequence[Item], *, training: bool) -> list[Conversation]:
        """The nearest other rows, and each item's own answer."""
        if not training:
            shown = self.asked(task, items)
        else:
            found = self.index.search_without_self(items, self.k)
            shown = [self._with_rows(task, item, near) for item, near in zip(items, found, strict=True)]
        return with_targets(task, items, shown)

    def asked(self, task: Task, items: Sequence[Item]) -> list[Explained]:
        """The nearest rows."""
        found = self.index.retriever.search([item.text for item in items], self.k)
        return [self._with_rows(task, item, near) for item, near in zip(items, found, strict=True)]

    def _with_rows(self, task: Task, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        rows = [self._rows[neighbour.item_id] for neighbour in reversed(nearest_first)]
        messages = task.messages(Option.TUNE_RETRIEVE, item, rows)
        return Explained(
            messages=messages,
            neighbours=tuple(nearest_first),
            searched=self.index.retriever.usage_of(item.text),
        )


def with_targets(task: Task, items: Sequence[Item], shown: Sequence[Explained]) -> list[Conversation]:
    """What is shown with each item, and its own answer."""
    return [
        Conversation(item_id=item.id, prompt=one.messages, completion=task.target_text(item.target))
        for item, one in zip(items, shown, strict=True)
    ]


class TuneArm:
    """LoRA-tuned small model."""

    def __init__(
        self,
        arm: ArmId,
        tuner: Tuner,
        task: Task,
        shows: Shows | None = None,
        drafts: Drafts | None = None,
    ) -> None:
        """Take what trains it; `shows` is of `tune+retrieve` alone, `drafts` of `tune` alone."""
        if (arm.option is Option.TUNE_RETRIEVE) != (shows is not None):
            raise ValueError("tune+retrieve shows something, and only it")
        self.id = arm
        self.tuner = tuner
        self._task = task
        self._shows = shows
        self._drafts = drafts
        self._answers = Answers(form=task.form())
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
            "examples": None if self._shows is None else self._shows.facts,
            **({} if self._drafts is None else {"drafts": self._drafts.facts}),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Train on train; dev is only watched. A stored artefact is opened instead of trained again."""
        start = time.perf_counter()
        rows = material.train, material.dev
        chosen = {} if self._shows is None else dict(self._shows.prepare(rows, stored))
        made = None if stored is None else stored.artefact or stored.hosted
        if stored is not None and made is not None:
            self._open(made)
            return stored
        drafted = self._drafted(material.train, material.say)
        train, dev = self._conversations(drafted.items, training=True), self._conversations(material.dev)
        made = self.tuner.tune(train, dev, material.say)
        self._open(made)
        of_all_starts = made.train_s + drafted.seconds  # where it was stopped, or drafts were kept
        seconds = max(time.perf_counter() - start, of_all_starts)
        if isinstance(made, HostedModel):
            choices: dict[str, str | int | float] = {"tuned at": made.provider, "epochs": made.epochs}
            return Fitted(choices=choices, seconds=made.train_s, hosted=made)
        choices = {"method": made.recipe.method, "epochs": made.recipe.epochs, **chosen}
        notes = (drafted.note,) if drafted.note else ()
        return Fitted(choices=choices, seconds=seconds, artefact=made, notes=notes)

    def taught(
        self, train: Sequence[Item], dev: Sequence[Item]
    ) -> tuple[list[Conversation], list[Conversation]]:
        """What it learns from, and what is watched meanwhile."""
        if self._shows is not None:
            self._shows.prepare((train, dev), None)
        return self._conversations(train, training=True), self._conversations(dev)

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput."""
        start = time.perf_counter()
        shown = dict(zip((item.id for item in items), self._asked(items), strict=True))
        seconds = (time.perf_counter() - start) / max(1, len(items)) if self._shows else 0.0
        yield from ask_all(self._opened(), items, shown, self._answers, retrieval_s=seconds)

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone."""
        start = time.perf_counter()
        shown = self.explain(item)
        seconds = time.perf_counter() - start if self._shows else 0.0
        return ask_one(self._opened(), item, shown, self._answers, retrieval_s=seconds)

    def explain(self, item: Item) -> Explained:
        """The messages of one item, and the training rows or passages in them."""
        return self._asked([item])[0]

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._opened().forget()

    def close(self) -> None:
        """Free the tuned model."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def _drafted(self, train: Sequence[Item], say: Say) -> DraftedRows:
        if self._drafts is None:
            return DraftedRows(items=tuple(train), seconds=0.0, note="")
        return self._drafts.beside(train, say)

    def _open(self, artefact: Artefact | HostedModel) -> None:
        codes = {} if isinstance(artefact, HostedModel) else artefact.codes
        said = tuple(codes[choice] for choice in self._task.choices) if codes else ()
        self._answers = dataclasses.replace(self._answers, codes=said)
        self._model = self.tuner.open(artefact)

    def _opened(self) -> ChatModel:
        assert self._model is not None, "fit comes first"
        return self._model

    def _conversations(self, items: Sequence[Item], *, training: bool = False) -> list[Conversation]:
        if self._shows is None:
            return with_targets(self._task, items, self._asked(items))
        return self._shows.taught(self._task, items, training=training)

    def _asked(self, items: Sequence[Item]) -> list[Explained]:
        if self._shows is None:
            return [Explained(messages=self._task.messages(self.id.option, item)) for item in items]
        return self._shows.asked(self._task, items)
