"""Harm checks against figures worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from harness.core.records import Item
from harness.robustness.checks import RejectingRule, fleiss_kappa, rejection, seed_agreement, unseen_label
from tests.support.scored import HOW, coded

LABELS = ("a", "b")


def scored(answers, truth=None, confidences=None):
    truth = truth or [0] * len(answers)
    rows = [[math.nan] * 2] * len(answers)
    if confidences is not None:
        rows = [
            [math.log(c), math.log(1 - c)] if answer == 0 else [math.log(1 - c), math.log(c)]
            for answer, c in zip(answers, confidences, strict=True)
        ]
    made = tuple(Item(id=str(n), text=str(n), target=LABELS[code]) for n, code in enumerate(truth))
    return coded(made, truth, answers, rows)


def test_the_threshold_answers_the_wanted_share_of_dev():
    """Ten dev items at 0.51 to 0.60: at 80 % the third lowest is the threshold."""
    dev = scored([0] * 10, confidences=[0.51 + n / 100 for n in range(10)])
    test = scored([0, 0, 1, 0], truth=[0, 0, 0, 0], confidences=[0.9, 0.52, 0.7, 0.53])
    outside = scored([0, 1, 0], confidences=[0.501, 0.52, 0.99])
    found = rejection(dev, test, outside, RejectingRule(temperature=1.0, wanted=0.8), HOW)
    assert found.threshold == pytest.approx(0.53) and found.kept_dev.value == 0.8
    assert found.recall_outside.value == pytest.approx(2 / 3) and found.recall_outside.n == 3
    assert found.kept_inside.value == 0.75, "the one at 0.52 is handed back"
    assert found.accuracy_kept.value == pytest.approx(2 / 3)
    assert found.handed_back.value == found.recall_outside.value, "there is no catch-all label"
    named = rejection(dev, test, outside, RejectingRule(temperature=1.0, wanted=0.8, catch_all=0), HOW)
    assert named.handed_back.value == 1.0, "the sure one is given the catch-all label"
    assert (
        rejection(dev, test, scored([]), RejectingRule(temperature=1.0), HOW).recall_outside.reason
        == "no items"
    )


def test_without_confidence_nothing_is_claimed():
    plain = scored([0, 1])
    found = rejection(plain, plain, plain, RejectingRule(temperature=None), HOW)
    assert found.threshold is None and found.reason
    assert found.recall_outside.value is None and found.handed_back.value is None


def test_an_unseen_label_is_answered_with_others():
    given = scored([1, 1, 0, -1], confidences=[0.9, 0.6, 0.7, 0.7])
    found = unseen_label("c", given, LABELS, 1.0, 0.65, HOW)
    assert found.given == (("b", 0.5), ("a", 0.25)) and found.items == 4
    assert found.confidence == pytest.approx((0.9 + 0.6 + 0.7 + 0.7) / 4)
    assert found.rejected is not None and found.rejected.value == 0.25
    assert unseen_label("c", scored([0]), LABELS, None, 0.5, HOW).rejected is None


def test_seeds_agree_as_counted():
    """Five items, three seeds: all the same on two, two of three on the others."""
    by_seed = {
        1: scored([0, 0, 1, 0, 1]),
        2: scored([0, 0, 1, 1, 0]),
        3: scored([0, 1, 1, 0, -2]),
    }
    found = seed_agreement(by_seed, HOW)
    assert found.seeds == (1, 2, 3)
    assert found.unanimous.value == pytest.approx(2 / 5)
    assert (found.lowest, found.highest) == (pytest.approx(2 / 5), pytest.approx(3 / 5))
    assert found.pairwise == pytest.approx((3 / 5 + 3 / 5 + 2 / 5) / 3)
    assert found.flips.value == pytest.approx(3 / 5)  # items 1, 3 and 4; the truth is 0 everywhere
    same = seed_agreement({1: scored([0, 1]), 2: scored([0, 1])}, HOW)
    assert same.kappa == pytest.approx(1.0) and same.unanimous.value == 1.0


def test_what_stands_together_counts_once():
    """Every item twice: 12 are worth 6, and Wilson's lower end of 6 of 6 is 6 / (6 + z^2), by hand 0.6096."""

    def twice(one):
        pairs = [dataclasses.replace(item, cluster=str(n // 2)) for n, item in enumerate(one.items)]
        return dataclasses.replace(one, items=tuple(pairs))

    alike = twice(scored([0] * 12, confidences=[0.9] * 12))
    found = seed_agreement({1: alike, 2: alike}, HOW)
    rejected = rejection(alike, alike, alike, RejectingRule(temperature=1.0), HOW)
    unseen = unseen_label("c", alike, LABELS, 1.0, 0.95, HOW)
    for share in (found.unanimous, rejected.kept_dev, rejected.kept_inside, unseen.rejected):
        assert share.n == 12 and share.low == pytest.approx(6 / (6 + 1.959964**2), abs=1e-6)


def test_fleiss_kappa_is_the_one_published():
    """The literature's usual worked example: 10 items, 14 raters, 5 codes, kappa 0.210."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    answers = np.array([[code for code, count in enumerate(row) for _ in range(count)] for row in table]).T
    assert fleiss_kappa(answers) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(np.zeros((3, 4))) is None, "one answer only: agreement by chance is complete"


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="two seeds"):
        seed_agreement({1: scored([0])}, HOW)
    with pytest.raises(ValueError, match="same items"):
        seed_agreement({1: scored([0]), 2: scored([0, 1])}, HOW)
