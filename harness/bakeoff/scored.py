"""One arm's outcomes lined up with the items: what every estimate is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import Floats, Ints
from harness.core.records import Failure, Item, Outcome, Prediction
from harness.tasks.labels import read_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An arm's answers on a list of items.

    Attributes:
        truth: label code by item, -3 for an item with none of the labels, (n,).
        answer: label code by item, -1 for an invalid answer, -2 for a failure, (n,).
        logprobs: (n, labels), rows of nan where there is no distribution.
        predictions: by item, None for a failure.
    """

    items: tuple[Item, ...]
    truth: Ints
    answer: Ints
    logprobs: Floats
    predictions: tuple[Prediction | None, ...]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each item was answered with its label."""
        return np.asarray(self.answer == self.truth)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Whether each item got any answer."""
        return np.asarray(self.answer > -2)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether each item has a distribution over the labels."""
        return np.asarray(~np.isnan(self.logprobs).any(axis=1))

    @property
    def clusters(self) -> tuple[str | None, ...] | None:
        """Cluster by item; None when the evalset has no clusters."""
        found = tuple(item.cluster for item in self.items)
        return None if all(cluster is None for cluster in found) else found

    def where(self, among: NDArray[np.bool_]) -> Scored:
        """The same answers to some of the items."""
        places = np.flatnonzero(among).tolist()
        return Scored(
            items=tuple(self.items[place] for place in places),
            truth=self.truth[places],
            answer=self.answer[places],
            logprobs=self.logprobs[places],
            predictions=tuple(self.predictions[place] for place in places),
        )


def together(one: Scored, other: Scored) -> Scored:
    """The answers to two lists of items, one after the other."""
    return Scored(
        items=(*one.items, *other.items),
        truth=np.concatenate([one.truth, other.truth]),
        answer=np.concatenate([one.answer, other.answer]),
        logprobs=np.concatenate([one.logprobs, other.logprobs]),
        predictions=(*one.predictions, *other.predictions),
    )


def score(items: Sequence[Item], outcomes: Mapping[str, Outcome], labels: Sequence[str]) -> Scored:
    """Line outcomes up with items.

    Raises:
        ValueError: if an item has no outcome; a missing outcome is an incomplete run, not an error
            of the arm.
    """
    missing = [item.id for item in items if item.id not in outcomes]
    if missing:
        raise ValueError(f"{len(missing)} items have no outcome, the first is {missing[0]}")
    code = {label: number for number, label in enumerate(labels)}
    answers: list[int] = []
    rows: list[list[float]] = []
    predictions: list[Prediction | None] = []
    for item in items:
        outcome = outcomes[item.id]
        match outcome:
            case Failure():
                answers.append(-2)
                rows.append([np.nan] * len(labels))
                predictions.append(None)
            case Prediction():
                label = read_label(outcome.text, labels)
                answers.append(-1 if label is None else code[label])
                rows.append(list(outcome.label_logprobs or [np.nan] * len(labels)))
                predictions.append(outcome)
    return Scored(
        items=tuple(items),
        truth=np.array([code.get(item.label, -3) for item in items], dtype=np.int64),
        answer=np.array(answers, dtype=np.int64),
        logprobs=np.array(rows, dtype=np.float64).reshape(len(items), len(labels)),
        predictions=tuple(predictions),
    )
