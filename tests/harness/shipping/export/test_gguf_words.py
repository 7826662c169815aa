"""Every splitting that is written is the one llama.cpp then splits by: token by token on awkward texts."""

from __future__ import annotations

import json
import urllib.request

import pytest

from harness.models.local.llama_cpp import header_values
from harness.shipping.export import gguf as gguf_words
from harness.shipping.export.gguf import Titles, read_words, write_gguf
from tests.harness.shipping.export.test_export import llama

pytestmark = pytest.mark.models
TEXTS = (
    "Where is my invoice 4711? I can't find it.",
    "1234567 89 0.5 12:30",
    "  two  spaces\n\nand lines\r\n\ttab ",
    "Änderung: 12,50 € zurück! déjà 日本語 🙂",
    "I'M SURE you'll we've they'd THEY'RE it's",
    "a---b ... !!! (x) {y} <z>",
)


def splitting_of(kind):
    from tokenizers import Regex, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pattern = {"llama-bpe": gguf_words._LLAMA3, "qwen2": gguf_words._QWEN2}.get(kind)
    if pattern:
        split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
        return pre_tokenizers.Sequence([split, bare])
    if kind == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    return byte_level


def write_model(folder, kind, bos_first=False):
    """A tiny model with a byte-level tokenizer trained on the texts; 600 tokens, so that merges matter."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = splitting_of(kind), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"]
    )
    backend.train_from_iterator([" ".join(TEXTS)] * 4, trainer)
    if bos_first:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        bos_token_id=0, eos_token_id=1, tie_word_embeddings=False,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return tokenizer


def tokens_of(server, text, **more):
    head = {"Content-Type": "application/json"}
    body = json.dumps({"content": text, **more}).encode()
    request = urllib.request.Request(f"{server.listening_address}/tokenize", body, head)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.loads(answer.read())["tokens"]


@pytest.mark.parametrize("kind", ["smollm", "gpt-2", "llama-bpe", "qwen2"])
def test_each_known_splitting_is_what_llama_cpp_splits_by(tmp_path, kind):
    tokenizer = write_model(tmp_path, kind)
    assert read_words(tmp_path, len(tokenizer)).splitting == kind
    write_gguf(tmp_path, tmp_path / "m.gguf", "f16", Titles(name="m", base="b", licence=""))
    server = llama(tmp_path / "m.gguf", context=256)
    for text in TEXTS:
        assert tokens_of(server, text) == tokenizer(text, add_special_tokens=False)["input_ids"], text


def test_a_token_in_front_is_written_down(tmp_path):
    tokenizer = write_model(tmp_path, "llama-bpe", bos_first=True)
    words = read_words(tmp_path, len(tokenizer) + 3)
    assert words.tokens[-1] == f"[PAD{len(tokenizer) + 2}]" and words.types[-1] == 5, "ids without a token"
    assert words.types[:2] == (3, 3)
    write_gguf(tmp_path, tmp_path / "m.gguf", "f16", Titles(name="m", base="b", licence=""))
    told = header_values(tmp_path / "m.gguf")
    assert told["tokenizer.ggml.add_bos_token"] == b"\x01"
    assert [told[f"tokenizer.ggml.{role}_token_id"] for role in ("bos", "eos")] == [bytes(4), b"\x01\0\0\0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pre_tokenizer": {"type": "Metaspace"}}, "Metaspace"),
        ({"pre_tokenizer": None}, "split by nothing"),
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"model": {"type": "Unigram", "vocab": []}}, "Unigram"),
    ],
)
def test_what_llama_cpp_would_split_otherwise_is_refused(tmp_path, change, words):
    from harness.core.errors import ModelUnavailable

    write_model(tmp_path, "smollm")
    raw = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(ModelUnavailable, match="tokenizer cannot be written") as caught:
        read_words(tmp_path, 600)
    assert words in str(caught.value)
