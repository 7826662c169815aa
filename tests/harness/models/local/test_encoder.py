"""Encoders from folders: what is read of one, what is refused, and that keeping changes no answer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ModelUnavailable
from harness.models.local.encoder import (
    EncoderClassifier,
    by_length,
    load_encoder,
    most_tokens,
    open_encoder,
    pooling_of,
    save_encoder,
)
from tests.support.tiny_encoder import tiny_base, write_encoder

LABELS = ("billing", "sign_in", "billing late")
TEXTS = ("invoice", "password reset mail never comes after login " * 20, "", "счёт 请求", "parcel late")


def classifier(base: Path, **changes: object) -> EncoderClassifier:
    import torch

    torch.manual_seed(3)
    encoder, tokenizer = open_encoder(base)
    found = EncoderClassifier(
        encoder=encoder,
        tokenizer=tokenizer,
        head=torch.nn.Linear(32, len(LABELS)),
        pooling=pooling_of(base),
        max_tokens=most_tokens(encoder, tokenizer),
        labels=LABELS,
        temperature=1.7,
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["bert", "modernbert", "xlm-roberta", "mpnet", "distilbert"])
def test_any_architecture_answers_alike_alone_and_in_batches(kind: str, tmp_path: Path) -> None:
    found = classifier(write_encoder(tmp_path / kind, kind))
    together = found.logprobs(TEXTS)
    alone = np.concatenate([found.logprobs([text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.exp(together).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_folder_says_how_its_tokens_become_one_vector(pooling: str, tmp_path: Path) -> None:
    assert pooling_of(write_encoder(tmp_path / "e", pooling=pooling)) == pooling


def test_without_a_word_on_pooling_the_mean_is_taken(tmp_path: Path) -> None:
    base = write_encoder(tmp_path / "e", pooling="cls")
    (base / "1_Pooling" / "config.json").write_text("[", encoding="utf-8")
    assert pooling_of(base) == "mean"


def test_what_is_kept_answers_the_same_and_names_no_path(tmp_path: Path) -> None:
    found = classifier(tiny_base())
    save_encoder(found, tmp_path)
    again = load_encoder(tmp_path, LABELS, (found.pooling, found.max_tokens, found.temperature))
    assert again.logprobs(TEXTS) == pytest.approx(found.logprobs(TEXTS), abs=1e-6)
    assert str(tiny_base().parent) not in "".join(p.read_text() for p in tmp_path.glob("*.json"))


def test_a_head_of_other_labels_is_refused(tmp_path: Path) -> None:
    save_encoder(classifier(tiny_base()), tmp_path)
    with pytest.raises(ModelUnavailable, match="head"):
        load_encoder(tmp_path, ("one",), ("mean", 32, 1.0))


def test_a_model_that_writes_text_is_no_encoder(tmp_path: Path) -> None:
    base = write_encoder(tmp_path / "e", "gpt2")
    told = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**told, "architectures": ["GPT2LMHeadModel"]}))
    with pytest.raises(ModelUnavailable, match="writes text"):
        open_encoder(base)


@pytest.mark.parametrize("broken", ["{", '{"model_type": "no-such"}'])
def test_a_folder_that_cannot_be_loaded_is_told_in_one_line(broken: str, tmp_path: Path) -> None:
    base = write_encoder(tmp_path / "e")
    (base / "config.json").write_text(broken, encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="no encoder that can be loaded") as error:
        open_encoder(base)
    assert "\n" not in str(error.value.got)


def test_weights_in_a_pickle_are_not_opened(tmp_path: Path) -> None:
    base = write_encoder(tmp_path / "e")
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="pickle"):
        open_encoder(base)


def test_every_row_is_in_one_batch_of_bounded_size() -> None:
    rows = [[0] * n for n in (5, 1, 30, 7, 7, 2)]
    batches = list(by_length(rows, 16))
    assert sorted(row for batch in batches for row in batch) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * max(len(rows[r]) for r in batch) <= 16 for batch in batches)
