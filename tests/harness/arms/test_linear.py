"""The linear arm: what it chooses, and inputs that give it nothing to learn from."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from advisor.options import Option
from harness.arms import linear
from harness.arms.base import Material
from harness.arms.linear import BOTH, EMBEDDING, KEPT, TFIDF, LinearArm, load_linear, pin_of
from harness.core.errors import DataError, ModelUnavailable, StoreError, UsageError
from harness.core.records import ArmId, Completion, Item, Label
from harness.models import deciding
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits
from tests.support.doubles import WordEmbedder
from tests.support.tickets import LABELS, evalset

NAME = ArmId(option=Option.LINEAR, model="linear")
ROWS = evalset()


def material(
    train: tuple[Item, ...], dev: tuple[Item, ...] = (), labels: tuple[Label, ...] = LABELS
) -> Material:
    return Material(
        task=ClassificationTask(labels, PromptLimits()), train=train, dev=dev, say=lambda line: None
    )


def test_words_that_give_a_queue_away_are_learnt() -> None:
    arm = LinearArm(NAME, None, seed=1)
    fitted = arm.fit(material(ROWS.train, ROWS.dev), None)
    right = [o.text == i.label for o, i in zip(arm.predict(ROWS.test), ROWS.test, strict=True)]
    assert all(right), "three queues with words of their own are separable"
    assert [name for name, _ in fitted.trials] == [candidate.name for candidate in TFIDF]
    assert "TF-IDF candidates only" in fitted.notes[0]


def test_the_first_of_equally_good_candidates_is_kept() -> None:
    fitted = LinearArm(NAME, WordEmbedder(), seed=1).fit(material(ROWS.train, ROWS.dev), None)
    best = max(score for _, score in fitted.trials)
    assert fitted.choices["classifier"] == next(name for name, score in fitted.trials if score == best)


def test_a_label_absent_from_train_is_the_least_likely_and_not_impossible() -> None:
    seen = tuple(item for item in ROWS.train if item.label != "shipping")
    arm = LinearArm(NAME, None, seed=1)
    arm.fit(material(seen, ROWS.dev), None)
    for outcome in arm.predict(ROWS.test):
        assert isinstance(outcome, Completion) and outcome.choice_logprobs is not None
        assert outcome.choice_logprobs[2] == min(outcome.choice_logprobs) and math.isfinite(
            min(outcome.choice_logprobs)
        )


def test_one_label_is_no_classification() -> None:
    with pytest.raises(DataError, match="two labels"):
        LinearArm(NAME, None, seed=1).fit(
            material(tuple(i for i in ROWS.train if i.label == "billing")), None
        )


def test_texts_without_words_are_an_error_a_user_can_read() -> None:
    rows = (Item(id="1", text="?", target="billing"), Item(id="2", text="!", target="sign_in"))
    with pytest.raises(DataError, match="nothing to count"):
        LinearArm(NAME, None, seed=1).fit(material(rows), None)


def test_texts_of_signs_only_are_told_apart_by_their_signs() -> None:
    signs = (("\U0001f621" * 2, "billing"), ("\U0001f44d" * 2, "sign_in"))
    rows = tuple(Item(id=str(n), text=signs[n % 2][0], target=signs[n % 2][1]) for n in range(6))
    arm = LinearArm(NAME, None, seed=1)
    arm.fit(material(rows), None)
    (found,) = arm.predict([Item(id="t", text="\U0001f44d" * 3, target="")])
    assert isinstance(found, Completion) and found.text == "sign_in"


def test_of_a_very_long_text_the_beginning_and_the_end_are_counted() -> None:
    rows = (
        Item(id="1", text="refund the charge " + "x" * 9000, target="billing"),
        Item(id="2", text="x" * 9000 + " charge the password", target="sign_in"),
    )
    arm = LinearArm(NAME, None, seed=1)
    arm.fit(material(rows), None)
    asked = [Item(id=own, text=text, target="") for own, text in (("t", "refund"), ("u", "password"))]
    assert [o.text for o in arm.predict(asked) if isinstance(o, Completion)] == ["billing", "sign_in"]


def test_two_rows_are_enough_to_fit() -> None:
    rows = (
        Item(id="1", text="refund the charge", target="billing"),
        Item(id="2", text="charge the password", target="sign_in"),
    )
    arm = LinearArm(NAME, None, seed=1)
    arm.fit(material(rows), None)
    (found,) = arm.predict([Item(id="t", text="refund", target="")])
    assert isinstance(found, Completion) and found.text == "billing"


CANDIDATES = (TFIDF[0], EMBEDDING[0], BOTH[0])


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: one.features)
def test_a_kept_classifier_answers_every_test_row_the_same(candidate, tmp_path, monkeypatch) -> None:
    """The expected values are the fitted arm's own; float64 all the way, so they are equal to the bit."""
    for name in ("TFIDF", "EMBEDDING", "BOTH"):
        found = getattr(linear, name)
        monkeypatch.setattr(linear, name, tuple(one for one in found if one == candidate))
    arm = LinearArm(NAME, WordEmbedder(), 1, tmp_path / "kept")
    fitted = arm.fit(material(ROWS.train, ROWS.dev), None)
    assert fitted.choices["classifier"] == candidate.name
    assert fitted.choices[KEPT] == pin_of(tmp_path / "kept")
    opened = load_linear(tmp_path / "kept", WordEmbedder())
    texts = [item.text for item in ROWS.test]
    expected = [o.choice_logprobs for o in arm.predict(ROWS.test) if isinstance(o, Completion)]
    assert [tuple(row) for row in opened.logprobs(texts).tolist()] == expected


def test_a_run_that_goes_on_takes_the_kept_classifier(tmp_path, monkeypatch) -> None:
    fitted = LinearArm(NAME, None, 1, tmp_path / "kept").fit(material(ROWS.train, ROWS.dev), None)
    monkeypatch.setattr(linear, "_counting", lambda texts: pytest.fail("it was fitted again"))
    again = LinearArm(NAME, None, 1, tmp_path / "kept")
    assert again.fit(material(ROWS.train, ROWS.dev), fitted) == fitted
    assert all(o.text == i.label for o, i in zip(again.predict(ROWS.test), ROWS.test, strict=True))


def test_a_changed_classifier_is_not_opened(tmp_path) -> None:
    LinearArm(NAME, None, 1, tmp_path / "kept").fit(material(ROWS.train), None)
    file = tmp_path / "kept" / linear.MODEL_FILE
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(StoreError, match="changed"):
        load_linear(tmp_path / "kept", None)


def other_arrays(folder: Path, **arrays: np.ndarray) -> None:
    """Another file whose digest is right in its record."""
    save_file(arrays, folder / linear.MODEL_FILE)
    record = json.loads((folder / linear.RECORD_FILE).read_text())
    record["digest"] = hashlib.sha256((folder / linear.MODEL_FILE).read_bytes()).hexdigest()
    (folder / linear.RECORD_FILE).write_text(json.dumps(record))


def test_a_file_of_another_shape_is_not_opened(tmp_path) -> None:
    LinearArm(NAME, None, 1, tmp_path / "kept").fit(material(ROWS.train), None)
    for arrays in ({"other": np.zeros(2)}, {"weights": np.zeros((2, 3)), "offsets": np.zeros(2)}):
        other_arrays(tmp_path / "kept", **arrays)
        with pytest.raises(StoreError, match="cannot be read"):
            load_linear(tmp_path / "kept", None)
    (tmp_path / "kept" / linear.MODEL_FILE).write_bytes(b"no arrays at all")
    with pytest.raises(StoreError, match="changed"):
        load_linear(tmp_path / "kept", None)


def test_other_libraries_are_said(tmp_path, monkeypatch) -> None:
    LinearArm(NAME, None, 1, tmp_path / "kept").fit(material(ROWS.train), None)
    monkeypatch.setattr(deciding, "versions_of", lambda *names: tuple((name, "0.1") for name in names))
    with pytest.raises(UsageError, match="pip install scikit-learn"):
        load_linear(tmp_path / "kept", None)


def test_a_classifier_of_vectors_needs_the_same_model(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(linear, "TFIDF", ())
    LinearArm(NAME, WordEmbedder(), 1, tmp_path / "kept").fit(material(ROWS.train, ROWS.dev), None)
    with pytest.raises(ModelUnavailable, match="not the one"):
        load_linear(tmp_path / "kept", None)
