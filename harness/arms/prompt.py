"""Prompt-only: the guide of what may be answered and the ticket, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.arms.base import Answers, Explained, Material, ask_all, ask_one, model_config
from harness.core.records import ArmId, Fitted, Item, ModelIdentity, Outcome
from harness.models.base import ChatModel
from harness.tasks.base import Task


class PromptArm:
    """A model that is told what may be answered, and shown no example."""

    def __init__(self, arm: ArmId, model: ChatModel, task: Task) -> None:
        self.id = arm
        self._model = model
        self._task = task
        self._answers = Answers(form=task.form())

    @property
    def identity(self) -> ModelIdentity:
        """The model that is prompted."""
        return self._model.identity

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt version, limits and what may be answered."""
        return model_config(self.id, self._model, self._task)

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Nothing is chosen."""
        return stored or Fitted(choices={}, seconds=0.0)

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput."""
        shown = {item.id: self.explain(item) for item in items}
        yield from ask_all(self._model, items, shown, self._answers)

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone."""
        return ask_one(self._model, item, self.explain(item), self._answers)

    def explain(self, item: Item) -> Explained:
        """The messages of one item."""
        return Explained(messages=self._task.messages(self.id.option, item))

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._model.forget()

    def close(self) -> None:
        """The model is shared and closed by whoever opened it."""
