"""Prompt-only: the label guide and the ticket, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.arms.asking import Answers, ask_all, ask_one, choices_of, model_config
from harness.arms.base import Explained, Material
from harness.core.records import ArmId, Fitted, Item, Label, ModelIdentity, Outcome
from harness.models.base import ChatModel
from harness.tasks.classification import PromptLimits, prompt_messages


class PromptArm:
    """Zero-shot classification with the label guide."""

    def __init__(self, arm: ArmId, model: ChatModel, labels: Sequence[Label], limits: PromptLimits) -> None:
        self.id = arm
        self._model = model
        self._labels = tuple(labels)
        self._limits = limits
        self._answers = Answers(words=choices_of(labels))

    @property
    def identity(self) -> ModelIdentity:
        """The model that is prompted."""
        return self._model.identity

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt version, limits and label guide."""
        return model_config(self.id, self._model, self._labels, self._limits)

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
        return Explained(messages=prompt_messages(item.text, self._labels, self._limits))

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._model.forget()

    def close(self) -> None:
        """The model is shared and closed by whoever opened it."""
