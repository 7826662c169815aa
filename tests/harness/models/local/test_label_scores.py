"""Labels' probabilities from an engine that names its likeliest tokens only, against all of them."""

from __future__ import annotations

import math
import random

import pytest

from harness.models.local.choice_tree import Following, choice_tree, label_scores

VOCABULARY = 40


class Engine:
    """Random probabilities after every prefix; names the `count` likeliest."""

    def __init__(self, tree, seed, peaked, count):
        self.tree, self.count, self.asked = tree, count, []
        rng = random.Random(seed)
        self.tables = {}
        for node in range(-1, len(tree.tokens)):
            weights = [math.exp(peaked * rng.gauss(0, 1)) for _ in range(VOCABULARY)]
            total = sum(weights)
            self.tables[node] = {token: math.log(w / total) for token, w in enumerate(weights)}

    def __call__(self, node, whole):
        self.asked.append((node, whole))
        ranked = sorted(self.tables[node].items(), key=lambda pair: -pair[1])
        known = dict(ranked if whole else ranked[: self.count])
        return Following(known=known, least=-math.inf if whole else min(known.values()))

    def exact(self):
        return [
            sum(self.tables[self.tree.edges[edge][0]][self.tree.edges[edge][1]] for edge in path)
            for path in self.tree.paths
        ]


def shares(scores):
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]


ANSWERS = [(1, 2, 0), (1, 3, 0), (4, 0), (5, 6, 7, 0), (5, 6, 8, 0), (9, 0), (10, 11, 0), (12, 13, 14, 0)]


@pytest.mark.parametrize("peaked", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("count", [1, 5, 20, 40])
def test_every_probability_is_within_the_bound(peaked, count):
    tree = choice_tree(ANSWERS)
    for seed in range(40):
        engine = Engine(tree, seed, peaked, count)
        ours, exact = shares(label_scores(tree, engine)), shares(engine.exact())
        assert ours.index(max(ours)) == exact.index(max(exact))
        assert max(abs(a - b) for a, b in zip(ours, exact, strict=True)) <= 2e-3


def test_a_sure_engine_is_asked_little_and_never_for_everything():
    tree = choice_tree(ANSWERS)
    engine = Engine(tree, 1, 0.1, 20)
    for node in (-1, 3):  # the prompt, and the node of token 4
        engine.tables[node] = dict.fromkeys(range(VOCABULARY), -12.0)
    engine.tables[-1][4] = engine.tables[tree.tokens.index(4)][0] = math.log(0.999)
    label_scores(tree, engine)
    assert engine.asked == [(-1, False), (tree.tokens.index(4), False)]
