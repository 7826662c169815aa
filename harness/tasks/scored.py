"""One arm's outcomes lined up with the items: what every estimate is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import Floats, Ints
from harness.core.records import Completion, Item
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
        logprobs: (n, choices), rows of nan where there is no distribution.
        completions: by item, None for a failure.
    """

    items: tuple[Item, ...]
    scores: tuple[Score, ...]
    values: Floats
    truth: Ints
    answer: Ints
    logprobs: Floats
    completions: tuple[Completion | None, ...]

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
        """Whether each item has a distribution over the choices."""
        return np.asarray(~np.isnan(self.logprobs).any(axis=1) & (self.logprobs.shape[1] > 0))

    @property
    def invalid(self) -> int:
        """Answers in which nothing could be read."""
        given = zip(self.scores, self.completions, strict=True)
        return sum(score.answer is None and answer is not None for score, answer in given)

    @property
    def cut(self) -> int:
        """Answers that were ended by the most tokens they may have."""
        return sum(answer is not None and answer.cut for answer in self.completions)

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
            scores=tuple(self.scores[place] for place in places),
            values=self.values[places],
            truth=self.truth[places],
            answer=self.answer[places],
            logprobs=self.logprobs[places],
            completions=tuple(self.completions[place] for place in places),
        )


def together(one: Scored, other: Scored) -> Scored:
    """The answers to two lists of items, one after the other."""
    return Scored(
        items=(*one.items, *other.items),
        scores=(*one.scores, *other.scores),
        values=np.concatenate([one.values, other.values]),
        truth=np.concatenate([one.truth, other.truth]),
        answer=np.concatenate([one.answer, other.answer]),
        logprobs=np.concatenate([one.logprobs, other.logprobs]),
        completions=(*one.completions, *other.completions),
    )
