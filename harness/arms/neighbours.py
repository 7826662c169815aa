"""The vote of the most similar training rows: what retrieval finds, without a model that reads it.

Which search finds the rows, how many of them vote, how much more the nearer ones count, and
how sure a share of the votes makes an answer, are chosen on dev.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.arms.base import KEPT, Explained, Material, WithoutLanguageModel
from harness.core.records import ArmId, Completion, Fitted, Item, Neighbour, Outcome, Timing
from harness.data.source import rows_digest
from harness.knowledge.index import TrainingIndex
from harness.knowledge.kept_vote import RowVote, keep_vote, pin_of_vote
from harness.knowledge.vote import EVEN, PRIOR, VoteProbability, Voters, best_of, votes_of


class NeighboursArm(WithoutLanguageModel):
    """A vote of training rows, with a distribution over the labels."""

    def __init__(self, arm: ArmId, index: TrainingIndex, keep_in: Path | None = None) -> None:
        """
        Args:
            keep_in: the folder in which rows and vote are kept, to be shipped; None keeps them nowhere.
        """
        self.id = arm
        self._keep_in = keep_in
        self._index = index
        self._votes = votes_of(index.retriever.modes)
        self._vote = self._votes[0]
        self._certainty = VoteProbability()
        self._voters: Voters | None = None

    @property
    def config(self) -> Mapping[str, object]:
        """The index, and the votes that are tried."""
        return {
            "arm": self.id.key,
            "index": self._index.facts,
            "votes": [vote.name for vote in self._votes],
            "prior": PRIOR,
            "even": list(EVEN),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose the vote on dev: the best accuracy, the likelier labels among equals."""
        self._voters = Voters(material.task.choices, material.train)
        if stored is not None:
            self._vote = next(vote for vote in self._votes if vote.name == stored.choices["vote"])
            self._certainty = VoteProbability(
                even=int(stored.choices["even votes"]), temperature=float(stored.choices["temperature"])
            )
            if KEPT in stored.choices and stored.choices[KEPT] != self._pin():
                self._keep(material)  # the same rows vote alike: it is the same artefact again
            return stored
        start = time.perf_counter()
        material.say(f"trying {len(self._votes)} votes on {len(material.dev)} dev items")
        tried = self._voters.try_votes(self._index, material.dev)
        if tried:
            self._vote = best_of(tried).vote
        self._certainty = self._voters.certainty_on(self._index, self._vote, material.dev)
        choices: dict[str, str | int | float] = {
            "vote": self._vote.name,
            "even votes": self._certainty.even,
            "temperature": self._certainty.temperature,
            "retrieval": self._index.describe(self._vote.mode),
            "train_digest": rows_digest(material.train)[:16],
        }
        if self._keep_in is not None:
            self._keep(material)
            choices[KEPT] = self._pin()
        return Fitted(
            choices=choices,
            trials=tuple((one.vote.name, one.accuracy) for one in tried),
            seconds=time.perf_counter() - start,
            indexed=self._index.indexed,
            notes=(f"The vote was chosen on {len(material.dev)} dev items.",),
        )

    def out_of_fold(self, material: Material) -> Iterator[Outcome]:
        """Answer the training rows, each by votes of the others without related rows and equal texts."""
        if not material.train:
            return
        start = time.perf_counter()
        found = self._index.search_without_self(material.train, self._vote.k, mode=self._vote.mode)
        yield from self._voted(material.train, found, time.perf_counter() - start, batched=True)

    def explain(self, item: Item) -> Explained:
        """The rows that vote; no messages are sent."""
        return Explained(messages=(), neighbours=self._nearest(item))

    def _keep(self, material: Material) -> None:
        if self._keep_in is not None and self._voters is not None:
            vote = RowVote(index=self._index, voters=self._voters, vote=self._vote, certainty=self._certainty)
            keep_vote(vote, material.train, rows_digest(material.train), self._keep_in)

    def _pin(self) -> str:
        return "" if self._keep_in is None else pin_of_vote(self._keep_in)

    def _nearest(self, item: Item) -> tuple[Neighbour, ...]:
        return self._index.retriever.search([item.text], self._vote.k, mode=self._vote.mode)[0]

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start = time.perf_counter()
        texts = [item.text for item in items]
        found = self._index.retriever.search(texts, self._vote.k, mode=self._vote.mode)
        return self._voted(items, found, time.perf_counter() - start, batched=batched)

    def _voted(
        self,
        items: Sequence[Item],
        found: Sequence[tuple[Neighbour, ...]],
        searching_s: float,
        *,
        batched: bool,
    ) -> Iterator[Outcome]:
        """What the rows found say of each item, each with its share of the seconds that finding took."""
        assert self._voters is not None, "fit comes first"
        for item, near in zip(items, found, strict=True):
            start = time.perf_counter()
            row = self._voters.logprobs(near, self._vote.power, self._certainty)
            voted_s = time.perf_counter() - start
            yield Completion(
                item_id=item.id,
                text=self._voters.labels[int(np.argmax(row))],
                choice_logprobs=tuple(float(v) for v in row),
                timing=Timing(retrieval_s=searching_s / len(items), model_s=voted_s, batched=batched),
                neighbours=near,
                usage=self._index.retriever.usage_of(item.text, self._vote.mode),
            )
