"""A small encoder of random weights in a folder, of any architecture: what a hub's folder looks like."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness.arms.encoder import EncoderSettings
from harness.core.artefacts import EncoderRecipe
from harness.models.settings import ModelSettings

_TEXT = """
shows double charge charges tax cannot sign in to loops after mail never comes shipping street broken came
case train dev test and for with the a my is not was please invoice charged twice refund bill reset password
login locked account parcel late delivery missing courier tracking where when how help wrong
again счёт 请求 税
"""
WORDS = tuple(dict.fromkeys(_TEXT.split()))
_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def write_encoder(folder: Path, model_type: str = "bert", *, pooling: str = "mean", **changes: Any) -> Path:
    """Write one; `model_type` as transformers names architectures: bert, modernbert, xlm-roberta, mpnet."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<s>", "</s>"]
    vocabulary = {word: place for place, word in enumerate([*special, *WORDS, *map(chr, range(97, 123))])}
    tokens = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>", continuing_subword_prefix=""))
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=60,
    )
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    torch.manual_seed(1)
    config = AutoConfig.for_model(model_type, **{**_SMALL, "vocab_size": len(vocabulary), **ids, **changes})
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    told = {f"pooling_mode_{'cls_token' if pooling == 'cls' else 'mean_tokens'}": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@functools.cache
def tiny_base(model_type: str = "bert") -> Path:
    """One such folder for the whole session."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_encoder(folder / model_type, model_type)


def tiny_recipe(**changes: Any) -> EncoderRecipe:
    """A recipe that learns the hand-written tickets in a moment."""
    known: dict[str, Any] = {
        "tuned": "whole",
        "epochs": 8,
        "learning_rate": 5e-3,
        "head_factor": 5.0,
        "smoothing": 0.1,
        "warm_up_pairs": 0,
        "tuned_layers": None,
        "batch_size": 8,
        "max_tokens": 32,
        "rank": 0,
        "precision": "fp32",
        "seed": 17,
    }
    return EncoderRecipe(**{**known, **changes})


def tiny_settings(keep_in: Path | None = None, *recipes: EncoderRecipe, **changes: Any) -> EncoderSettings:
    """How the tiny encoder is tuned."""
    base = changes.pop("base", None) or tiny_base()
    opening = ModelSettings(cache=base.parent / "cache", threads=1, **changes)
    return EncoderSettings(
        base=base,
        model="tiny",
        recipes=recipes or (tiny_recipe(),),
        item_chars=2000,
        opening=opening,
        keep_in=keep_in,
    )
