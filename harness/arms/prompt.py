"""Prompt-only: the guide of what may be answered and the ticket, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from harness.arms.base import Explained, Material, SharedModelArm, model_config
from harness.core.records import Fitted, Item


class PromptArm(SharedModelArm):
    """A model that is told what may be answered, and shown no example."""

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt version, limits and what may be answered."""
        return model_config(self.id, self._model, self._task)

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Nothing is chosen."""
        return stored or Fitted(choices={}, seconds=0.0)

    def explain(self, item: Item) -> Explained:
        """The messages of one item."""
        return Explained(messages=self._task.messages(self.id.option, item))
