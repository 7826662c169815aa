"""The floor: always the most frequent answer of the training rows. What any real arm has to beat."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence

from harness.arms.base import Material, WithoutLanguageModel, shared_time
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

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """The same answer for every item."""
        start = time.perf_counter()
        answers = [self._completion(item, Timing(model_s=0.0)) for item in items]
        share = shared_time(items, time.perf_counter() - start)
        for answer in answers:
            yield dataclasses.replace(answer, timing=share)

    def predict_one(self, item: Item) -> Outcome:
        """The same answer, timed."""
        start = time.perf_counter()
        completion = self._completion(item, Timing(model_s=0.0))
        return dataclasses.replace(completion, timing=Timing(model_s=time.perf_counter() - start))

    def _completion(self, item: Item, timing: Timing) -> Completion:
        answer = self._answer
        return Completion(
            item_id=item.id, text=answer.text, choice_logprobs=answer.choice_logprobs, timing=timing
        )
