"""A GGUF file of a Llama-shaped model turned into safetensors and a tokenizer, once.

transformers dequantises the weights. Its reading of the tokenizer is not used: for the `smollm` kind it
drops the splitting of digits and gives the wrong end-of-sequence token. The tokenizer is built here
from the file's own vocabulary and merges instead, as llama.cpp builds it; a test compares the two.
The weights are stored as bf16, which keeps every sign and exponent and 8 bits of each dequantised
value; the original file stays beside them for llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.errors import ModelUnavailable, needs


def gguf_to_safetensors(folder: Path, file: str) -> None:
    """Write config, bf16 weights, tokenizer and chat template beside the GGUF file `folder/file`.

    Raises:
        MissingExtra: if torch, transformers or gguf is missing.
        ModelUnavailable: if the tokenizer in the file is of a kind not known here.
    """
    with needs("local"):
        import gguf
        import torch
        from transformers import AutoModelForCausalLM, GgufConfig
    with _without_bars():
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            gguf_file=file,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
    model = model.to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    for mark in ("is_quantized", "hf_quantizer", "quantization_method"):
        if hasattr(model, mark):
            delattr(model, mark)  # else save_pretrained writes or refuses a quantised model
    model.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    _tokenizer(gguf.GGUFReader(folder / file)).save_pretrained(folder)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without the library's own progress bars: a line says already what goes on."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _tokenizer(reader: Any) -> Any:
    """The byte-level BPE tokenizer in a GGUF file, with digits split one by one (kind 'smollm')."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def value(key: str) -> Any:
        return reader.fields[key].contents()

    kind = f"{value('tokenizer.ggml.model')}/{value('tokenizer.ggml.pre')}"
    if kind != "gpt2/smollm":
        raise ModelUnavailable(
            "The tokenizer in the GGUF file is not known here.", got=kind, allowed="gpt2/smollm"
        )
    tokens: list[str] = value("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in value("tokenizer.ggml.merges")]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [
        token for token, type_ in zip(tokens, value("tokenizer.ggml.token_type"), strict=True) if type_ == 3
    ]
    backend.add_special_tokens(control)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tokens[value("tokenizer.ggml.bos_token_id")],
        eos_token=tokens[value("tokenizer.ggml.eos_token_id")],
        unk_token=tokens[value("tokenizer.ggml.unknown_token_id")],
        pad_token=tokens[value("tokenizer.ggml.padding_token_id")],
        model_max_length=value("llama.context_length"),
        chat_template=value("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
    )
