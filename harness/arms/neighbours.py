"""The vote of the most similar training rows: what retrieval finds, without a model that reads it.

Which search finds the rows, how many of them vote and how much more the nearer ones count are chosen on dev.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.arms.base import Explained, Material, items_digest, shared_time
from harness.core.errors import DataError
from harness.core.records import ArmId, Fitted, Item, Neighbour, Outcome, Prediction, Timing
from harness.knowledge.index import SearchMode, TrainingIndex

Shares = NDArray[np.float64]

COUNTS = (1, 2, 4, 8, 16, 32)
"""How many rows may vote."""
POWERS = (0, 4, 16)
"""How a row's vote falls with its similarity: (similarity / that of the nearest row) to this power."""
PRIOR = 1.0
"""Votes shared out by how frequent the labels are in train, so that no label is held impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One way to vote.

    Attributes:
        power: 0 gives every row one vote.
    """

    mode: SearchMode
    k: int
    power: int

    @property
    def name(self) -> str:
        """The vote in one word, as trials list it."""
        weights = "one vote each" if self.power == 0 else f"votes by similarity^{self.power}"
        return f"{self.mode.value} k={self.k}, {weights}"


def votes_of(modes: Sequence[SearchMode]) -> tuple[Vote, ...]:
    """Every vote that is tried, the simplest first: one row has no weights to choose."""
    return tuple(
        Vote(mode=mode, k=k, power=power)
        for k, power, mode in itertools.product(COUNTS, POWERS, modes)
        if k > 1 or power == 0
    )


class NeighboursArm:
    """A vote of training rows, with a distribution over the labels."""

    identity = None

    def __init__(self, arm: ArmId, index: TrainingIndex) -> None:
        self.id = arm
        self._index = index
        self._votes = votes_of(index.modes)
        self._vote = self._votes[0]
        self._labels: tuple[str, ...] = ()
        self._label_of: dict[str, int] = {}
        self._prior: Shares = np.empty(0)

    @property
    def config(self) -> Mapping[str, object]:
        """The index, and the votes that are tried."""
        return {
            "arm": self.id.key,
            "index": self._index.facts,
            "votes": [vote.name for vote in self._votes],
            "prior": PRIOR,
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose the vote on dev: the best accuracy, the likelier labels among equals.

        Raises:
            DataError: with fewer than two labels in train.
        """
        self._read(material)
        if stored is not None:
            self._vote = next(vote for vote in self._votes if vote.name == stored.choices["vote"])
            return stored
        start = time.perf_counter()
        tried = [(vote, *self._on_dev(vote, found, material.dev)) for vote, found in self._found(material)]
        # Among equals the first: fewer rows, and words before vectors.
        self._vote = max(tried, key=lambda trial: (trial[1], trial[2]))[0] if tried else self._votes[0]
        return Fitted(
            choices={
                "vote": self._vote.name,
                "retrieval": self._index.describe(self._vote.mode),
                "train_digest": items_digest(material.train)[:16],
            },
            trials=tuple((vote.name, accuracy) for vote, accuracy, _ in tried),
            seconds=time.perf_counter() - start,
            notes=(f"The vote was chosen on {len(material.dev)} dev items.",),
        )

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Find the rows of all items at once."""
        if not items:
            return
        start = time.perf_counter()
        found = self._index.search([item.text for item in items], self._vote.k, mode=self._vote.mode)
        logprobs = [self._logprobs(near, self._vote) for near in found]
        timing = shared_time(items, time.perf_counter() - start)
        for item, near, row in zip(items, found, logprobs, strict=True):
            yield self._prediction(item, near, row, timing)

    def predict_one(self, item: Item) -> Outcome:
        """Find the rows of one item."""
        start = time.perf_counter()
        (near,) = self._index.search([item.text], self._vote.k, mode=self._vote.mode)
        found = time.perf_counter()
        row = self._logprobs(near, self._vote)
        timing = Timing(retrieval_s=found - start, model_s=time.perf_counter() - found)
        return self._prediction(item, near, row, timing)

    def explain(self, item: Item) -> Explained:
        """The rows that vote; no messages are sent."""
        (near,) = self._index.search([item.text], self._vote.k, mode=self._vote.mode)
        return Explained(messages=(), neighbours=near)

    def refresh(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """The index is shared and closed by whoever opened it."""

    def _read(self, material: Material) -> None:
        counts = Counter(item.label for item in material.train)
        if len(counts) < 2:
            raise DataError("A vote needs at least two labels in train.", got=len(counts))
        self._labels = tuple(label.name for label in material.labels)
        place = {name: number for number, name in enumerate(self._labels)}
        self._label_of = {item.id: place[item.label] for item in material.train}
        smoothed = np.array([counts[name] + 1.0 for name in self._labels])
        self._prior = smoothed / smoothed.sum()

    def _found(self, material: Material) -> Iterator[tuple[Vote, list[tuple[Neighbour, ...]]]]:
        """Each vote with the rows of each dev item; each search is made once."""
        if not material.dev:
            return
        material.say(f"trying {len(self._votes)} votes on {len(material.dev)} dev items")
        texts = [item.text for item in material.dev]
        widest = {mode: self._index.search(texts, max(COUNTS), mode=mode) for mode in self._index.modes}
        for vote in self._votes:
            yield vote, [near[: vote.k] for near in widest[vote.mode]]

    def _on_dev(
        self, vote: Vote, found: Sequence[tuple[Neighbour, ...]], dev: Sequence[Item]
    ) -> tuple[float, float]:
        """(accuracy, mean log-probability of the right label)."""
        rows = np.array([self._logprobs(near, vote) for near in found])
        truth = np.array([self._labels.index(item.label) for item in dev])
        right = rows.argmax(axis=1) == truth
        return float(right.mean()), float(rows[np.arange(len(dev)), truth].mean())

    def _logprobs(self, nearest_first: Sequence[Neighbour], vote: Vote) -> Shares:
        """Log of the smoothed vote share of each label."""
        share = PRIOR * self._prior
        best = nearest_first[0].score if nearest_first else 0.0
        for near in nearest_first:
            similarity = max(0.0, near.score) / best if best > 0 else 1.0
            share[self._label_of[near.item_id]] += similarity**vote.power
        result: Shares = np.log(share / math.fsum(share))
        return result

    def _prediction(self, item: Item, near: tuple[Neighbour, ...], row: Shares, timing: Timing) -> Prediction:
        return Prediction(
            item_id=item.id,
            text=self._labels[int(np.argmax(row))],
            label_logprobs=tuple(float(v) for v in row),
            timing=timing,
            neighbours=near,
        )
