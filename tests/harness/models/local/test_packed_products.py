"""Products laid out for oneDNN are the model's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.models.local import packed_products
from harness.models.local.packed_products import PackedProduct, pack_products
from harness.models.local.transformers_chat import TransformersChat
from harness.models.settings import ModelSettings
from tests.harness.training.conftest import make_tiny


def _model(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_bias=True,
        tie_word_embeddings=True,
    )
    model: torch.nn.Module = LlamaForCausalLM(config).to(dtype).eval()
    return model


def _packed(model: torch.nn.Module) -> int:
    return sum(isinstance(layer, PackedProduct) for layer in model.modules())


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_logits_are_those_of_the_ordinary_products_with_and_without_a_bias() -> None:
    model = _model()
    rows = [torch.arange(length).unsqueeze(0) % 64 for length in (1, 7, 300)]
    before = [model(input_ids=ids).logits for ids in rows]
    pack_products(model)
    assert _packed(model) == 14
    for ids, ordinary in zip(rows, before, strict=True):
        assert torch.allclose(model(input_ids=ids).logits, ordinary, atol=1e-4)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_an_encoder_without_an_output_layer_is_packed_whole() -> None:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    encoder = torch.nn.Sequential(
        BertModel(BertConfig(vocab_size=64, **sizes), add_pooling_layer=False).eval()
    )
    ids = torch.arange(40).reshape(4, 10)
    before = encoder(ids).last_hidden_state
    pack_products(encoder)
    assert _packed(encoder) == 12  # query, key, value, output and two of the feed-forward part, twice
    assert torch.allclose(encoder(ids).last_hidden_state, before, atol=1e-5)


def test_the_output_layer_keeps_the_weight_it_shares_with_the_embedding() -> None:
    model = _model()
    pack_products(model)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_stay_as_they_are(dtype: torch.dtype) -> None:
    model = _model(dtype)
    pack_products(model)
    assert _packed(model) == 0


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_a_packed_model_that_is_cast_computes_in_the_new_precision() -> None:
    model, ids = _model(), torch.arange(9).unsqueeze(0)
    expected = _model(torch.float64)(input_ids=ids).logits
    pack_products(model)
    assert torch.allclose(model.double()(input_ids=ids).logits, expected, atol=1e-8)


def test_products_that_disagree_or_are_not_there_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: PackedProduct, rows: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    for forward in (absent, lambda self, rows: rows.new_zeros(len(rows), 32)):
        monkeypatch.setattr(PackedProduct, "forward", forward)
        model = _model()
        pack_products(model)
        assert _packed(model) == 0
    monkeypatch.setattr(packed_products.torch.backends.mkldnn, "is_available", lambda: False)
    pack_products(model)
    assert _packed(model) == 0


def test_a_model_opened_for_answering_is_packed_and_counts_its_parameters_as_before(
    smollm2: Path, tmp_path: Path
) -> None:
    tiny = make_tiny(tmp_path / "tiny", smollm2, layers=1)
    chat = TransformersChat("tiny", tiny, ModelSettings(cache=tmp_path, threads=1, precision="fp32"))
    assert _packed(chat._model) > 0
    assert chat.identity.parameters == sum(one.numel() for one in _weights_of(tiny).values())


def _weights_of(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {name: one for file in folder.glob("*.safetensors") for name, one in load_file(file).items()}
