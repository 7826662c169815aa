"""What every arm is: settled on train and dev, then answering items.

Contract, tested for every arm in `tests/contracts/`:
- `fit` comes first and is the only method that sees reference labels; it never sees the test split.
- `predict` and `predict_one` give each item exactly one outcome and read its text only.
- `config` names everything that decides the answers; equal configs and data give equal answers on
  local models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from advisor.money.usage import Usage, add
from advisor.stats.intervals import cluster_codes
from harness.core.records import (
    ArmId,
    Choices,
    Completion,
    Failure,
    Fitted,
    Item,
    Message,
    ModelIdentity,
    Neighbour,
    Outcome,
    Timing,
)
from harness.tasks.base import Task, primary
from harness.tasks.wording import in_json

KEY_VERSION = 2
"""Raised when what decides an answer is counted otherwise, so that no older key is taken for a newer one."""

KEPT = "artefact_sha256"
"""The choice under which a run's journal pins the classifier that it keeps."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What an arm is settled on.

    Attributes:
        say: takes one line of progress.
    """

    task: Task
    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    say: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What exactly went to the model for one item.

    Attributes:
        form: what its answer is held to; None where that is the arm's usual form.
        searched: what finding the neighbours used of a service; None where none was asked.
    """

    messages: tuple[Message, ...]
    neighbours: tuple[Neighbour, ...] = ()
    form: Choices | None = None
    searched: Usage | None = None


class Arm(Protocol):
    """One option on one model."""

    @property
    def id(self) -> ArmId:
        """The arm's name."""
        ...

    @property
    def identity(self) -> ModelIdentity | None:
        """The language model behind it, None where there is none."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the arm's answers, known before `fit`, as plain JSON values."""
        ...

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Settle everything on train and dev; `stored` is an earlier result of the same to reuse."""
        ...

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput, in any order."""
        ...

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone, as a user's query would be."""
        ...

    def explain(self, item: Item) -> Explained:
        """The messages and neighbours of one item."""
        ...

    def refresh(self) -> None:
        """Forget what earlier queries left in memory, so that the next answers do not depend on them."""
        ...

    def close(self) -> None:
        """Free what the arm holds."""
        ...


class WithoutLanguageModel:
    """An arm that sends no messages, keeps nothing from query to query, and mostly holds nothing to free."""

    identity = None

    def explain(self, item: Item) -> Explained:
        """No messages are sent."""
        return Explained(messages=())

    def refresh(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing of its own is open."""


FOLDS = 5
"""Parts of the training rows for confidences out of fold: each is answered by a fitting on the others."""


@runtime_checkable
class AnswersOutOfFold(Protocol):
    """An arm that can answer its own training rows as if it had not seen them, in little time."""

    def out_of_fold(self, material: Material) -> Iterator[Outcome]:
        """Answer the training rows, each by what was fitted without it, as `fit` settled it."""
        ...


def folds(items: Sequence[Item], seed: int) -> Iterator[tuple[list[Item], list[Item]]]:
    """The rows to fit on and those to answer, for every fold; rows of one cluster stay in one fold."""
    codes = cluster_codes([item.cluster for item in items], len(items))
    units = int(codes.max()) + 1 if len(items) else 0
    fold = np.random.default_rng(seed).permutation(units)[codes] % FOLDS if units else codes
    for number in range(FOLDS):
        held = [item for item, at in zip(items, fold, strict=True) if at == number]
        others = [item for item, at in zip(items, fold, strict=True) if at != number]
        if held and others:
            yield others, held


def config_digest(config: Mapping[str, object]) -> str:
    """Sha256 (hex) of a configuration."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def canonical(config: Mapping[str, object]) -> str:
    """A configuration as JSON; the same one always gives the same text."""
    return json.dumps(config, sort_keys=True, default=str)


def items_digest(items: Sequence[Item]) -> str:
    """Sha256 (hex) of rows in order: ids, texts and targets."""
    rows = [[item.id, item.text, in_json(item.target)] for item in items]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def score_on(outcomes: Sequence[Outcome], items: Sequence[Item], task: Task) -> float:
    """Mean of the primary metric, read as answers are scored; to choose on dev, never on test."""
    metric, given = primary(task).name, {o.item_id: o for o in outcomes if isinstance(o, Completion)}
    scores = [
        task.score(item, one.text, one.neighbours) if (one := given.get(item.id)) else task.score(item, None)
        for item in items
    ]
    return sum(score.values[metric] or 0.0 for score in scores) / len(items)


def shared_time(items: Sequence[Item], seconds: float) -> Timing:
    """The timing of each item of one batched pass."""
    return Timing(model_s=seconds / max(1, len(items)), batched=True)


def with_search(used: Usage | None, searched: Usage | None) -> Usage | None:
    """What an answer used, what finding for it did included."""
    parts = [part for part in (used, searched) if part is not None]
    return add(parts) if searched is not None else used


def is_answer(outcome: Outcome) -> bool:
    """True for a prediction, False for a failure."""
    return not isinstance(outcome, Failure)
