"""The vote of the rows found: shares by hand, and the choice on dev."""

from __future__ import annotations

import math

import pytest

from harness.core.records import Item, Neighbour
from harness.knowledge.index import TrainingIndex
from harness.knowledge.retriever import SearchMode
from harness.knowledge.vote import (
    COUNTS,
    EVEN,
    POWERS,
    TriedVote,
    Vote,
    VoteProbability,
    Voters,
    best_of,
    votes_of,
)

NAMES = ("bill", "login", "never seen")
TRAIN = (
    Item(id="b1", text="the invoice is wrong", target="bill"),
    Item(id="b2", text="wrong amount on the invoice", target="bill"),
    Item(id="l1", text="cannot log in with my password", target="login"),
)


def near(*found: tuple[str, float]) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(item_id=row, score=score, rank=n) for n, (row, score) in enumerate(found, 1))


def shares(found: tuple[Neighbour, ...], power: int) -> list[float]:
    return [math.exp(value) for value in Voters(NAMES, TRAIN).logprobs(found, power)]


def test_each_row_has_one_vote_beside_the_prior() -> None:
    """By hand: priors (2+1, 1+1, 0+1) of 6; bill 1 + 1/2, login 1 + 1/3, never seen 1/6, of 3."""
    assert shares(near(("b1", 0.9), ("l1", 0.3)), 0) == pytest.approx([1.5 / 3, (4 / 3) / 3, (1 / 6) / 3])


def test_nearer_rows_count_more() -> None:
    """By hand: the second row is a third as similar, so its vote is 1/81."""
    found = near(("b1", 0.9), ("l1", 0.3))
    assert shares(found, 4) == pytest.approx([part / (2 + 1 / 81) for part in (1.5, 1 / 81 + 1 / 3, 1 / 6)])


@pytest.mark.parametrize("found", [(), near(("l1", 0.0)), near(("l1", -0.2), ("b1", -0.3))])
def test_nothing_like_it_is_still_answered(found: tuple[Neighbour, ...]) -> None:
    """No row found, or none with anything in common: the more frequent labels, and what voted alike."""
    assert math.fsum(shares(found, 16)) == pytest.approx(1.0) and min(shares(found, 16)) > 0


def test_simpler_votes_come_first() -> None:
    votes = votes_of(tuple(SearchMode))
    assert votes[0] == Vote(mode=SearchMode.LEXICAL, k=1, power=0)
    assert [vote.k for vote in votes] == sorted(vote.k for vote in votes)
    assert len(votes) == 3 * (1 + (len(COUNTS) - 1) * len(POWERS)), "one row has no weights"
    assert len({vote.name for vote in votes}) == len(votes)


def test_equals_are_told_apart_by_how_sure_they_are_of_the_right_label() -> None:
    vote = Vote(mode=SearchMode.LEXICAL, k=1, power=0)
    tried = [TriedVote(vote=vote, accuracy=a, logprob=p) for a, p in ((0.5, -1.0), (0.6, -2.0), (0.6, -1.5))]
    assert best_of(tried) is tried[2] and best_of([*tried, tried[1]]) is tried[2]


def test_the_choice_on_dev_is_by_the_labels_of_dev() -> None:
    index = TrainingIndex.build(TRAIN)
    dev = (Item(id="d", text="my invoice", target="bill"), Item(id="e", text="password lost", target="login"))
    tried = Voters(NAMES, TRAIN).try_votes(index, dev)
    assert [one.vote for one in tried] == list(votes_of((SearchMode.LEXICAL,)))
    assert best_of(tried).accuracy == 1.0
    assert Voters(NAMES, TRAIN).try_votes(index, ()) == ()


def test_certainty_changes_no_answer() -> None:
    found, voters = near(("b1", 0.9), ("l1", 0.3)), Voters(NAMES, TRAIN)
    sure, unsure = (voters.logprobs(found, 4, VoteProbability(even=even)) for even in (0, 16))
    assert sure.argmax() == unsure.argmax() and sure.max() > unsure.max()
    warm = voters.logprobs(found, 4, VoteProbability(even=16, temperature=0.2))
    assert warm.argsort().tolist() == unsure.argsort().tolist()
    assert math.fsum(map(math.exp, warm)) == pytest.approx(1.0)


def test_certainty_is_what_makes_the_labels_of_dev_likeliest() -> None:
    """No other number of even votes, each at its best temperature, gives them more."""
    index, vote = TrainingIndex.build(TRAIN), Vote(mode=SearchMode.LEXICAL, k=2, power=0)
    dev = tuple(
        Item(id=text, text=text, target=label)
        for text, label in (("my invoice", "bill"), ("log in", "login"), ("password", "bill"))
    )
    voters = Voters(NAMES, TRAIN)
    chosen = voters.certainty_on(index, vote, dev)

    def loss(certainty: VoteProbability) -> float:
        found = index.retriever.search([item.text for item in dev], 2, mode=SearchMode.LEXICAL)
        rows = [voters.logprobs(near, 0, certainty) for near in found]
        return -sum(row[0 if i.label == "bill" else 1] for row, i in zip(rows, dev, strict=True))

    others = [VoteProbability(even=even, temperature=t) for even in EVEN for t in (0.1, 0.5, 1.0, 3.0)]
    assert all(loss(chosen) <= loss(other) + 1e-3 for other in others)
    assert voters.certainty_on(index, vote, ()) == VoteProbability(even=1)
