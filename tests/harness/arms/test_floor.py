"""The floor: the most frequent training label, with add-one smoothed shares. Figures by hand."""

from __future__ import annotations

import math

import pytest

from advisor.options import Option
from harness.arms.base import Material
from harness.arms.floor import FloorArm
from harness.core.errors import DataError
from harness.core.records import ArmId, Completion, Item, Label
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits

NAME = ArmId(option=Option.FLOOR, model="majority")
LABELS = (Label(name="a"), Label(name="b"), Label(name="c"))
TASK = ClassificationTask(LABELS, PromptLimits())
ASKED = Item(id="t", text="anything", target="c")


def fitted(labels: str) -> FloorArm:
    arm = FloorArm(NAME)
    train = tuple(Item(id=str(n), text="x", target=label) for n, label in enumerate(labels))
    arm.fit(Material(task=TASK, train=train, dev=(), say=lambda line: None), None)
    return arm


def test_the_most_frequent_label_wins_with_smoothed_shares() -> None:
    found = fitted("abbbb").predict_one(ASKED)
    assert isinstance(found, Completion) and found.text == "b" and found.choice_logprobs is not None
    # counts 1, 4, 0 plus one each: 2/8, 5/8, 1/8
    assert [math.exp(v) for v in found.choice_logprobs] == pytest.approx([2 / 8, 5 / 8, 1 / 8])


def test_of_equally_frequent_labels_the_first_of_the_set_wins() -> None:
    found = fitted("bbaa").predict_one(ASKED)
    assert isinstance(found, Completion) and found.text == "a"


def test_without_rows_there_is_no_most_frequent_label() -> None:
    with pytest.raises(DataError):
        fitted("")
