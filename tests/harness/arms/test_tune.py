"""A tuned arm whose model learnt codes: it is asked for one token, and answers in the labels' words."""

from __future__ import annotations

import pytest

from advisor.options import Option
from harness.arms.base import Material
from harness.arms.tune import TuneArm
from harness.core.records import ArmId, Completion, Item, Label
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits
from tests.support.doubles import ScriptedTuner

LABELS = (Label(name="sign_in"), Label(name="refund"))
TASK = ClassificationTask(LABELS, PromptLimits())
CODES = {"sign_in": " login", "refund": " refund"}
ROWS = tuple(
    Item(id=f"{label}-{place}", text=text, target=label)
    for label, texts in {
        "sign_in": ("cannot sign in", "password is refused"),
        "refund": ("money back please", "charged twice"),
    }.items()
    for place, text in enumerate(texts)
)


def fitted(codes: dict[str, str]) -> tuple[TuneArm, ScriptedTuner]:
    tuner = ScriptedTuner(codes=codes)
    arm = TuneArm(ArmId(option=Option.TUNE, model="m"), tuner, TASK)
    arm.fit(Material(task=TASK, train=ROWS, dev=ROWS[:1], say=[].append), None)
    return arm, tuner


def test_codes_of_the_artefact_are_asked_for() -> None:
    arm, tuner = fitted(CODES)
    train, dev = tuner.seen[0]
    assert train[0].completion == dev[0].completion == "sign in", "which code a label gets is the training's"
    arm.predict_one(ROWS[0])
    (asked,) = tuner.opened[0].asked
    assert asked.choices == (" login", " refund") and asked.one_token


@pytest.mark.parametrize("codes", [{}, CODES])
def test_answers_are_the_labels_words_in_either_form(codes: dict[str, str]) -> None:
    arm, tuner = fitted(codes)
    found = {one.item_id: one for one in arm.predict(ROWS)}
    for item in ROWS:
        outcome = found[item.id]
        assert isinstance(outcome, Completion)
        assert outcome.text == item.label.replace("_", " ")
        assert outcome.choice_logprobs is not None
        best = max(range(2), key=outcome.choice_logprobs.__getitem__)
        assert LABELS[best].name == item.label, "log-probabilities stand in the labels' order"
        alone = arm.predict_one(item)
        assert isinstance(alone, Completion) and alone.text == outcome.text
    assert tuner.opened[0].asked[0].one_token == bool(codes)


def test_a_stored_artefact_is_asked_for_its_own_codes() -> None:
    arm, tuner = fitted(CODES)
    stored = arm.fit(Material(task=TASK, train=ROWS, dev=(), say=[].append), None)
    again = TuneArm(arm.id, tuner, TASK)
    again.fit(Material(task=TASK, train=ROWS, dev=(), say=[].append), stored)
    again.predict_one(ROWS[0])
    assert tuner.opened[-1].asked[0].choices == (" login", " refund")
