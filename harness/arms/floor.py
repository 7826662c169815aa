"""The floor: always the most frequent answer of the training rows. What any real arm has to beat."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence

from harness.arms.base import Material, WithoutLanguageModel
from harness.core.errors import DataError
from harness.core.records import ArmId, Completion, Fitted, Item, Outcome, Timing
from harness.tasks.records import Combined


class FloorArm(WithoutLanguageModel):
    """One answer to everything; of labels the most frequent, with their distribution (add-one smoothed)."""

    def __init__(self, arm: ArmId) -> None:
        self.id = arm
        self._answer = Combined(text="")

    @property
    def config(self) -> Mapping[str, object]:
        """Nothing but the rule decides."""
        return {"arm": self.id.key, "rule": "majority"}

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Put the targets of all training rows together.

        Raises:
            DataError: without training rows.
        """
        if not material.train:
            raise DataError("There are no training rows to take the most frequent answer from.")
        self._answer = material.task.combine(material.train, [1.0] * len(material.train))
        name = "label" if material.task.choices else "answer"
        return Fitted(choices={name: self._answer.text}, seconds=0.0)

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        for item in items:
            start, answer = time.perf_counter(), self._answer
            found = Completion(
                item_id=item.id,
                text=answer.text,
                choice_logprobs=answer.choice_logprobs,
                timing=Timing(model_s=0.0),
            )
            timing = Timing(model_s=time.perf_counter() - start, batched=batched)
            yield dataclasses.replace(found, timing=timing)
