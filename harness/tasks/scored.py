"""One arm's outcomes lined up with the items: what every estimate is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import Floats, Ints
from harness.core.records import Completion, Item
from harness.tasks.outcomes import Outcomes
from harness.tasks.records import Score

OTHER, FAILED, INVALID = -3, -2, -1
"""Codes of a target outside the closed set, of a failure, and of an answer in which nothing could be read."""

TARGET, ANOTHER = 0, 1
"""Codes in a task without a closed set: what is right, and any other answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An arm's answers on a list of items.

    Attributes:
        scores: by item, as the task gave them; values: of the primary metric, within [0, 1], 0 where there is
            no answer, (n,).
        truth: by item, the target's place in the closed set, `OTHER` for one that is not in it, (n,).
        answer: the same of the answer, `INVALID` or `FAILED` where there is none, (n,). Without a closed set
            the codes are `TARGET` and `ANOTHER`.
        logprobs: (n, choices), rows of nan where there is no distribution; (n, 0) where only `sure` was kept.
        sure: by temperature the highest probability of a choice, (n,), where `logprobs` were not kept.
        outcomes: by item, without distributions; what was shown is held where scores hang on it.
    """

    items: tuple[Item, ...]
    scores: tuple[Score, ...]
    values: Floats
    truth: Ints
    answer: Ints
    logprobs: Floats
    outcomes: Outcomes
    sure: Mapping[float, Floats] = field(default_factory=dict)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each item was answered wholly right."""
        return np.asarray(self.values >= 1.0)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Whether each item got any answer."""
        return np.asarray(self.answer != FAILED)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether each item has a distribution over the choices; of those that were kept."""
        return distributed(self.logprobs)

    @property
    def invalid(self) -> int:
        """Answers in which nothing could be read."""
        return int((self.answer == INVALID).sum())

    @property
    def cut(self) -> int:
        """Answers that were ended by the most tokens they may have."""
        return sum(isinstance(given, Completion) and given.cut for given in self.outcomes.alike)

    @property
    def clusters(self) -> tuple[str | None, ...] | None:
        """Cluster by item; None when the evalset has no clusters."""
        found = tuple(item.cluster for item in self.items)
        return None if all(cluster is None for cluster in found) else found

    def where(self, among: NDArray[np.bool_]) -> Scored:
        """The same answers to some of the items."""
        return self.take(np.flatnonzero(among))

    def take(self, places: Ints) -> Scored:
        """The answers to the items at these places, in this order."""
        numbers = places.tolist()
        return Scored(
            items=tuple(self.items[number] for number in numbers),
            scores=tuple(self.scores[number] for number in numbers),
            values=self.values[places],
            truth=self.truth[places],
            answer=self.answer[places],
            logprobs=self.logprobs[places],
            outcomes=self.outcomes.take(places),
            sure={temperature: found[places] for temperature, found in self.sure.items()},
        )


def distributed(logprobs: Floats) -> NDArray[np.bool_]:
    """Which rows of (n, choices) are a distribution."""
    return np.asarray(~np.isnan(logprobs).any(axis=1) & (logprobs.shape[1] > 0))


def together(one: Scored, other: Scored) -> Scored:
    """The answers to two lists of items, one after the other."""
    return Scored(
        items=(*one.items, *other.items),
        scores=(*one.scores, *other.scores),
        values=np.concatenate([one.values, other.values]),
        truth=np.concatenate([one.truth, other.truth]),
        answer=np.concatenate([one.answer, other.answer]),
        logprobs=np.concatenate([one.logprobs, other.logprobs]),
        outcomes=one.outcomes + other.outcomes,
        sure={at: np.concatenate([found, other.sure[at]]) for at, found in one.sure.items()},
    )
