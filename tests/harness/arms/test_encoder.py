"""The encoder arm: what it chooses on dev, how sure it is, what it keeps, and a search that was stopped."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.options import Option
from harness.arms import encoder as room
from harness.arms.base import KEPT, Material
from harness.arms.encoder import EncoderArm, share_on, temperature_on
from harness.core.errors import DataError
from harness.core.records import ArmId, Completion, Item, Label
from harness.models.local.encoder import LETTERS_FILE, EncoderClassifier
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits
from harness.training.encoder.artefact import read_encoder
from harness.training.encoder.recipe import recipe_name
from tests.support.tickets import LABELS, evalset
from tests.support.tiny_encoder import tiny_recipe, tiny_settings

NAME = ArmId(option=Option.ENCODER, model="tiny")
ROWS = evalset()
GOOD, BAD = tiny_recipe(), tiny_recipe(epochs=1, learning_rate=1e-6)


def names_of(labels: tuple[Label, ...]) -> tuple[str, ...]:
    return tuple(label.name for label in labels)


def material(train: tuple[Item, ...] = ROWS.train, labels: tuple[Label, ...] = LABELS) -> Material:
    return Material(
        task=ClassificationTask(labels, PromptLimits()), train=train, dev=ROWS.dev, say=lambda line: None
    )


def arm(keep_in: Path | None = None, *recipes: Any, **changes: Any) -> EncoderArm:
    return EncoderArm(NAME, tiny_settings(keep_in, *recipes, **changes), names_of(LABELS))


def answers(found: EncoderArm) -> list[tuple[str, tuple[float, ...] | None]]:
    return [(o.text, o.choice_logprobs) for o in found.predict(ROWS.test) if isinstance(o, Completion)]


def test_the_recipe_that_is_best_on_dev_is_kept_wherever_it_stands() -> None:
    found = arm(None, BAD, GOOD)
    fitted = found.fit(material(), None)
    assert fitted.choices["recipe"] == recipe_name(GOOD)
    assert [name for name, _ in fitted.trials] == [recipe_name(BAD), recipe_name(GOOD)]
    right = [text == item.label for (text, _), item in zip(answers(found), ROWS.test, strict=True)]
    assert np.mean(right) > 0.85


def test_what_is_kept_is_taken_again_and_answers_the_same(tmp_path: Path) -> None:
    first = arm(tmp_path / "kept")
    fitted = first.fit(material(), None)
    again = arm(tmp_path / "kept")
    assert again.fit(material(), fitted) == fitted
    assert answers(again) == answers(first)
    artefact = read_encoder(tmp_path / "kept")
    assert artefact.labels == tuple(label.name for label in LABELS)
    assert artefact.temperature == pytest.approx(float(fitted.choices["temperature"]), abs=1e-3)
    assert not list(tmp_path.glob(".*")), "nothing of the training is left"


def test_dev_rows_are_read_once_to_choose_and_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    plain = EncoderClassifier._of_head
    monkeypatch.setattr(
        EncoderClassifier, "_of_head", lambda self, texts: read.append(len(texts)) or plain(self, texts)
    )
    first = arm(tmp_path / "kept", GOOD)
    fitted = first.fit(material(), None)
    found = [one for one in first.predict(ROWS.dev) if isinstance(one, Completion)]
    assert read == [len(ROWS.dev)]
    again = arm(tmp_path / "kept", GOOD)
    again.fit(material(), fitted)
    computed = [one for one in again.predict(ROWS.dev) if isinstance(one, Completion)]
    assert read == 2 * [len(ROWS.dev)]
    for one, other in zip(found, computed, strict=True):
        assert one.text == other.text and one.timing.model_s > 0
        assert one.choice_logprobs == pytest.approx(other.choice_logprobs, abs=1e-6)


def test_a_changed_encoder_is_trained_again(tmp_path: Path) -> None:
    fitted = arm(tmp_path / "kept").fit(material(), None)
    digest = read_encoder(tmp_path / "kept").digest
    record = tmp_path / "kept" / "encoder.json"
    record.write_text(record.read_text() + " ")
    again = arm(tmp_path / "kept").fit(material(), fitted)
    assert again is not fitted and again.choices[KEPT] != fitted.choices[KEPT], "its record names its seconds"
    assert read_encoder(tmp_path / "kept").digest == digest, "the same recipe gives the same weights"


def test_a_search_that_was_stopped_does_not_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = arm(tmp_path / "whole", GOOD, BAD)
    expected = whole.fit(material(), None)
    trained: list[str] = []
    real = room.train_encoder

    def counting(job: Any, say: Any) -> Any:
        trained.append(recipe_name(job.recipe))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(job, say)

    monkeypatch.setattr(room, "train_encoder", counting)
    with pytest.raises(KeyboardInterrupt):
        arm(tmp_path / "kept", BAD, GOOD).fit(material(), None)
    resumed = arm(tmp_path / "kept", BAD, GOOD)
    fitted = resumed.fit(material(), None)
    assert trained == [recipe_name(BAD), recipe_name(GOOD), recipe_name(GOOD)]
    assert fitted.choices["recipe"] == expected.choices["recipe"] and answers(resumed) == answers(whole)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 18}, {"max_tokens": 16}, {"smoothing": 0.0}, {"precision": "bf16"}, {"head_first": True}],
    ids=str,
)
def test_whatever_decides_an_answer_is_in_its_configuration(changes: dict[str, Any]) -> None:
    assert arm().config != arm(None, tiny_recipe(**changes)).config
    other = EncoderArm(NAME, tiny_settings(), tuple(reversed(names_of(LABELS))))
    assert arm().config != other.config
    assert {"weights", "config", "tokenizer", "torch", "transformers"} <= set(arm().config)


def test_letters_help_where_the_encoder_knows_nothing_and_are_kept_with_it(tmp_path: Path) -> None:
    lost = tiny_recipe(epochs=1, learning_rate=1e-6, letters=True)
    found = arm(tmp_path / "kept", lost)
    fitted = found.fit(material(), None)
    assert float(fitted.choices["letters"]) > 0 and (tmp_path / "kept" / LETTERS_FILE).is_file()
    right = [text == item.label for (text, _), item in zip(answers(found), ROWS.test, strict=True)]
    assert np.mean(right) > 0.85
    again = arm(tmp_path / "kept", lost)
    assert again.fit(material(), fitted) == fitted and answers(again) == answers(found)


def test_letters_that_tell_nothing_are_left_out() -> None:
    truth = [0, 1, 0, 1, 0, 1]
    sure = np.array([[4.0, 0.0] if t == 0 else [0.0, 4.0] for t in truth])
    noise = np.array([[-1.0, 1.0] if t == 0 else [1.0, -1.0] for t in truth])
    assert share_on(sure, noise, truth)[0] == 0.0
    assert share_on(np.zeros((6, 2)), -noise, truth)[0] > 0.0


def test_a_label_known_by_its_definition_alone_is_found() -> None:
    settings = tiny_settings(None, tiny_recipe(letters=True, epochs=10))
    labels = (*(label.name for label in LABELS), "tax_forms")
    settings = dataclasses.replace(settings, definitions={"tax_forms": "счёт 请求 税 tax tax"})
    found = EncoderArm(NAME, settings, labels)
    plain = EncoderArm(NAME, dataclasses.replace(settings, definitions={}), labels)
    assert found.config != plain.config
    found.fit(material(), None)
    outcome = found.predict_one(Item(id="t", text="tax forms: счёт 请求 税 tax tax", target="tax_forms"))
    assert isinstance(outcome, Completion) and outcome.text == "tax_forms"


def test_few_dev_rows_without_a_mistake_make_nothing_certain() -> None:
    sure = np.log(np.array([[0.9, 0.05, 0.05]] * 4))
    temperature = temperature_on(sure, [0, 0, 0, 0])
    scaled = np.exp(sure / temperature)
    likeliest = scaled[0].max() / scaled[0].sum()
    assert likeliest == pytest.approx(4 / 5, abs=0.02)


def test_one_label_is_no_classification() -> None:
    with pytest.raises(DataError, match="two labels"):
        arm().fit(material(tuple(item for item in ROWS.train if item.label == "billing")), None)


@pytest.mark.parametrize(
    "names",
    [("billing", "billing late", "late"), ("счёт", "请求", "税"), ("a" * 200, "b b", "c/d")],
    ids=["substrings", "scripts", "odd"],
)
def test_labels_are_columns_whatever_their_names(names: tuple[str, ...]) -> None:
    renamed = dict(zip((label.name for label in LABELS), names, strict=True))
    labels = tuple(Label(name=name) for name in names)
    rows = tuple(
        Item(id=item.id, text=item.text, target=renamed[item.label]) for item in (*ROWS.train, *ROWS.dev)
    )
    found = EncoderArm(NAME, tiny_settings(), names_of(labels))
    found.fit(
        Material(
            task=ClassificationTask(labels, PromptLimits()), train=rows, dev=rows, say=lambda line: None
        ),
        None,
    )
    said = [o for o in found.predict(rows) if isinstance(o, Completion)]
    assert np.mean([o.text == item.label for o, item in zip(said, rows, strict=True)]) > 0.85


def test_five_hundred_labels_of_one_row_each_and_an_empty_text_are_answered() -> None:
    labels = tuple(Label(name=f"label {number}") for number in range(500))
    rows = tuple(Item(id=str(n), text=f"case {n}", target=label.name) for n, label in enumerate(labels))
    found = EncoderArm(
        NAME,
        tiny_settings(None, tiny_recipe(epochs=1, batch_size=64, head_first=True, letters=True)),
        names_of(labels),
    )
    found.fit(
        Material(
            task=ClassificationTask(labels, PromptLimits()), train=rows, dev=rows[:20], say=lambda line: None
        ),
        None,
    )
    outcome = found.predict_one(Item(id="e", text="", target="label 0"))
    assert isinstance(outcome, Completion) and outcome.choice_logprobs is not None
    assert math.isclose(sum(map(math.exp, outcome.choice_logprobs)), 1.0, rel_tol=1e-6)
