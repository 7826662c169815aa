"""A vote of the rows that a search finds, and which vote is best on dev. Pure but for the search."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats.calibration import fit_temperature, negative_log_likelihood, scale
from harness.core.records import Item, Neighbour
from harness.knowledge.index import TrainingIndex
from harness.knowledge.retriever import SearchMode

Shares = NDArray[np.float64]

COUNTS = (1, 2, 4, 8, 16, 32)
"""How many rows may vote."""
POWERS = (0, 4, 16)
"""How a row's vote falls with its similarity: (similarity / that of the nearest row) to this power."""
EVEN = (0, 1, 4, 16, 64)
"""How many more votes may be shared out evenly: they change no answer, only how sure it is."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteProbability:
    """How a share of the votes is read as a probability.

    Attributes:
        even: votes shared out evenly over the labels.
        temperature: log-probabilities are divided by it, see `advisor.stats.calibration`.
    """

    even: int = 0
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedVote:
    """How a vote did on dev.

    Attributes:
        accuracy: share of right answers.
        logprob: mean log-probability of the right label; it tells votes apart that are right equally often.
    """

    vote: Vote
    accuracy: float
    logprob: float


def votes_of(modes: Sequence[SearchMode]) -> tuple[Vote, ...]:
    """Every vote that is tried, the simplest first: one row has no weights to choose."""
    return tuple(
        Vote(mode=mode, k=k, power=power)
        for k, power, mode in itertools.product(COUNTS, POWERS, modes)
        if k > 1 or power == 0
    )


def best_of(tried: Sequence[TriedVote]) -> TriedVote:
    """The most accurate, the likelier labels among equals, the first among those."""
    return max(tried, key=lambda one: (one.accuracy, one.logprob))


class Voters:
    """Training rows that vote, with a distribution over the labels."""

    def __init__(self, labels: Sequence[str], train: Sequence[Item]) -> None:
        counts = Counter(item.label for item in train)
        self.labels = tuple(labels)
        place = {name: number for number, name in enumerate(self.labels)}
        self._label_of = {item.id: place[item.label] for item in train}
        smoothed = np.array([counts[name] + 1.0 for name in self.labels])
        self._prior = smoothed / smoothed.sum()

    def logprobs(
        self, nearest_first: Sequence[Neighbour], power: int, certainty: VoteProbability = VoteProbability()
    ) -> Shares:
        """Log-probability of each label, from its smoothed share of the votes."""
        share = PRIOR * self._prior + certainty.even / len(self.labels)
        best = nearest_first[0].score if nearest_first else 0.0
        for near in nearest_first:
            similarity = max(0.0, near.score) / best if best > 0 else 1.0
            share[self._label_of[near.item_id]] += similarity**power
        shares: Shares = np.log(share / math.fsum(share))
        return scale(shares[None], certainty.temperature)[0] if certainty.temperature != 1 else shares

    def try_votes(self, index: TrainingIndex, dev: Sequence[Item]) -> tuple[TriedVote, ...]:
        """Every vote on dev, in the order of `votes_of`; each search is made once. None without dev rows."""
        if not dev:
            return ()
        texts = [item.text for item in dev]
        found = {
            mode: index.retriever.search(texts, max(COUNTS), mode=mode) for mode in index.retriever.modes
        }
        truth = np.array([self.labels.index(item.label) for item in dev])
        tried = []
        for vote in votes_of(index.retriever.modes):
            rows = np.array([self.logprobs(near[: vote.k], vote.power) for near in found[vote.mode]])
            right, sure = rows.argmax(axis=1) == truth, rows[np.arange(len(dev)), truth]
            tried.append(TriedVote(vote=vote, accuracy=float(right.mean()), logprob=float(sure.mean())))
        return tuple(tried)

    def certainty_on(self, index: TrainingIndex, vote: Vote, dev: Sequence[Item]) -> VoteProbability:
        """What makes dev's labels likeliest, of `EVEN` each with its best temperature."""
        if not dev:
            return VoteProbability(even=1)
        found = index.retriever.search([item.text for item in dev], vote.k, mode=vote.mode)
        truth = np.array([self.labels.index(item.label) for item in dev])
        best = (math.inf, VoteProbability())
        for even in EVEN:
            rows = np.array([self.logprobs(near, vote.power, VoteProbability(even=even)) for near in found])
            temperature = round(fit_temperature(rows, truth) or 1.0, 4)
            loss = negative_log_likelihood(scale(rows, temperature), truth)
            best = min(
                best, (loss, VoteProbability(even=even, temperature=temperature)), key=lambda one: one[0]
            )
        return best[1]
