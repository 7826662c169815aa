"""The floor: always the most frequent training label. What any real arm has to beat."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.arms.base import Explained, Material, shared_time
from harness.core.errors import DataError
from harness.core.records import ArmId, Fitted, Item, Outcome, Prediction, Timing


class FloorArm:
    """Majority class; its distribution is that of the training labels (add-one smoothed)."""

    identity = None

    def __init__(self, arm: ArmId) -> None:
        self.id = arm
        self._label = ""
        self._logprobs: tuple[float, ...] = ()

    @property
    def config(self) -> Mapping[str, object]:
        """Nothing but the rule decides."""
        return {"arm": self.id.key, "rule": "majority"}

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Count the training labels.

        Raises:
            DataError: without training rows.
        """
        if not material.train:
            raise DataError("There are no training rows to take the most frequent label from.")
        counts = Counter(item.label for item in material.train)
        names = [label.name for label in material.labels]
        smoothed = np.array([counts[name] + 1.0 for name in names])
        self._label = max(names, key=lambda name: (counts[name], -names.index(name)))
        self._logprobs = tuple(float(v) for v in np.log(smoothed / smoothed.sum()))
        return Fitted(choices={"label": self._label}, seconds=0.0)

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """The same answer for every item."""
        start = time.perf_counter()
        answers = [self._prediction(item, Timing(model_s=0.0)) for item in items]
        share = shared_time(items, time.perf_counter() - start)
        for answer in answers:
            yield dataclasses.replace(answer, timing=share)

    def predict_one(self, item: Item) -> Outcome:
        """The same answer, timed."""
        start = time.perf_counter()
        prediction = self._prediction(item, Timing(model_s=0.0))
        return dataclasses.replace(prediction, timing=Timing(model_s=time.perf_counter() - start))

    def explain(self, item: Item) -> Explained:
        """No messages are sent."""
        return Explained(messages=())

    def refresh(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing to free."""

    def _prediction(self, item: Item, timing: Timing) -> Prediction:
        return Prediction(item_id=item.id, text=self._label, label_logprobs=self._logprobs, timing=timing)
