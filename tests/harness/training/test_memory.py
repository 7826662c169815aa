"""Memory of a training, part by part against sums made by hand; and the way out that is named."""

from __future__ import annotations

import json

import pytest

from advisor.base_models.vram import GIB, NF4_BITS, ModelShape
from harness.core.environment import free_gib
from harness.core.errors import ModelUnavailable, TrainingError
from harness.core.records import Conversation, Message
from harness.training.memory import mean_tokens, memory_needed, read_shape, require_room, ways_out
from tests.harness.training.samples import recipe

SHAPE = ModelShape(layers=4, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=128, vocab=1000, tied=True)
MATRICES = 64 * (64 + 64 + 32 + 32) + 3 * 64 * 128  # of one layer: q, o, k, v and the three of the block
WEIGHTS = 4 * MATRICES + 1000 * 64


def gib(value):
    return value / GIB


def test_every_part_of_an_fp32_training():
    needed = memory_needed(SHAPE, recipe(rank=4, tuned_layers=2, batch_size=4, max_tokens=96), 100, 50, "cpu")
    assert needed.weights == pytest.approx(gib(WEIGHTS * 4))
    sides = 2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 128)  # rank x (in + out) of the seven matrices
    assert needed.adapter == pytest.approx(gib(4 * 2 * sides * 16))
    per_token = (6 * 64 + 5 * 64 + 2 * 32 + 4 * 128) * 4
    assert needed.activations == pytest.approx(gib(4 * 96 * 2 * per_token))
    assert needed.merged == pytest.approx(gib(2 * MATRICES * 4))
    assert needed.rows == pytest.approx(gib(100 * 50 * 64 * 4))
    assert needed.total == pytest.approx(
        needed.weights + needed.adapter + needed.activations + needed.merged + needed.rows + needed.overhead
    )


def test_what_does_not_apply_takes_nothing():
    half = memory_needed(SHAPE, recipe(method="lora-bf16", tuned_layers=None), 100, 50, "cuda")
    assert half.merged == 0 and half.rows == 0, "nothing is frozen, so nothing is kept"
    assert half.weights == pytest.approx(gib(WEIGHTS * 2))
    four = memory_needed(SHAPE, recipe(method="qlora-4bit", tuned_layers=None), 100, 50, "cuda")
    assert four.weights == pytest.approx(gib(4 * MATRICES * NF4_BITS / 8 + 1000 * 64 * 2))
    many = memory_needed(SHAPE, recipe(tuned_layers=2), 10**9, 50, "cpu")
    assert many.rows == 0, "more rows than the trainer keeps are not kept"


def test_the_shape_is_read_from_the_folder(tmp_path):
    config = {
        "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 128, "vocab_size": 1000, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_shape(tmp_path) == SHAPE
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": None}))
    with pytest.raises(ModelUnavailable, match="shape"):
        read_shape(tmp_path)


def test_the_tokens_of_rows_are_their_characters_and_the_template_around_each_turn():
    told, asked = Message(role="system", content="x" * 35), Message(role="user", content="x" * 70)
    rows = [
        Conversation(item_id="a", prompt=(told, asked), completion="x" * 7),  # 112 characters, 3 turns
        Conversation(item_id="b", prompt=(asked,), completion="x" * 14),  # 84 characters, 2 turns
    ]
    assert mean_tokens(rows) == pytest.approx(((112 / 3.5 + 3 * 8) + (84 / 3.5 + 2 * 8)) / 2)
    assert mean_tokens([]) == 0.0


def test_only_what_cannot_fit_is_refused():
    needed = memory_needed(SHAPE, recipe(), 100, 50, "cpu")
    require_room(needed, needed.total, "way")
    require_room(needed, None, "way")
    with pytest.raises(TrainingError, match="does not fit") as caught:
        require_room(needed, needed.total * 0.5, "way out")
    assert "run:     way out" in str(caught.value)


def test_the_mildest_change_that_fits_is_named():
    big = ModelShape(
        layers=32, hidden=4096, heads=32, kv_heads=8, head_dim=128, ffn=14336, vocab=128_000, tied=False
    )
    asked = recipe(method="lora-bf16", tuned_layers=None, batch_size=8, max_tokens=512)
    total = memory_needed(big, asked, 1000, 300, "cuda").total
    assert total > 24
    way = ways_out(big, asked, 1000, 300, ("cuda", 24.0))
    assert "tune.method: qlora-4bit" in way and "tune.batch_size" in way and "--export-job" in way
    assert "qlora" not in ways_out(big, asked, 1000, 300, ("cpu", 60.0)), "4 bits on a CPU are for tests"
    assert "--force" in ways_out(big, asked, 1000, 300, ("cuda", 1.0))


def test_free_memory_is_a_positive_figure_or_not_known():
    free = free_gib("cpu")
    assert free is None or 0 < free < 10_000
    gpu = free_gib("cuda")
    assert gpu is None or gpu > 0
