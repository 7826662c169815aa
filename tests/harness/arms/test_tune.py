"""A tuned arm whose model says codes: it is trained on them, asked for one token, and answers in words."""

from __future__ import annotations

import pytest

from advisor.options import Option
from harness.arms.base import Material
from harness.arms.tune import TuneArm
from harness.core.records import ArmId, Item, Label, Prediction
from harness.tasks.classification import PromptLimits
from tests.support.doubles import ScriptedTuner

LABELS = (Label(name="sign_in"), Label(name="refund"))
CODES = {"sign_in": " login", "refund": " refund"}
ROWS = tuple(
    Item(id=f"{label}-{place}", text=text, label=label)
    for label, texts in {
        "sign_in": ("cannot sign in", "password is refused"),
        "refund": ("money back please", "charged twice"),
    }.items()
    for place, text in enumerate(texts)
)


def fitted(codes: dict[str, str]) -> tuple[TuneArm, ScriptedTuner]:
    tuner = ScriptedTuner(codes=codes)
    arm = TuneArm(ArmId(option=Option.TUNE, model="m"), tuner, LABELS, PromptLimits())
    arm.fit(Material(labels=LABELS, train=ROWS, dev=ROWS[:1], say=[].append), None)
    return arm, tuner


def test_codes_are_trained_on_and_asked_for() -> None:
    arm, tuner = fitted(CODES)
    train, dev = tuner.seen[0]
    assert [row.completion for row in train] == [" login", " login", " refund", " refund"]
    assert dev[0].completion == " login"
    arm.predict_one(ROWS[0])
    (asked,) = tuner.opened[0].asked
    assert asked.choices == (" login", " refund") and asked.one_token


@pytest.mark.parametrize("codes", [{}, CODES])
def test_answers_are_the_labels_words_in_either_form(codes: dict[str, str]) -> None:
    arm, tuner = fitted(codes)
    found = {one.item_id: one for one in arm.predict(ROWS)}
    for item in ROWS:
        outcome = found[item.id]
        assert isinstance(outcome, Prediction)
        assert outcome.text == item.label.replace("_", " ")
        assert outcome.label_logprobs is not None
        best = max(range(2), key=outcome.label_logprobs.__getitem__)
        assert LABELS[best].name == item.label, "log-probabilities stand in the labels' order"
        alone = arm.predict_one(item)
        assert isinstance(alone, Prediction) and alone.text == outcome.text
    assert tuner.opened[0].asked[0].one_token == bool(codes)


def test_other_codes_are_another_arm() -> None:
    swapped = {"sign_in": " refund", "refund": " login"}
    configs = [fitted(codes)[0].config["choices"] for codes in ({}, CODES, swapped)]
    assert configs == [["sign in", "refund"], [" login", " refund"], [" refund", " login"]]
