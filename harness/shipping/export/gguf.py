"""A merged model of the Llama family as a GGUF file for llama.cpp and Ollama: F32, F16 or Q8_0.

Written with the `gguf` package, tensor by tensor, so that memory holds one at a time. What has to be right:

- queries and keys: transformers turns pairs (i, i + d/2) of a head by the position, llama.cpp pairs
  (2i, 2i + 1), so the rows of these two matrices change places;
- norms stay F32; Q8_0 needs rows of a multiple of 32 values, other tensors stay F16;
- Llama 3's scaled rotation goes in as factors a frequency (`rope_freqs`);
- the tokenizer and its splitting: `gguf_words`.

A test compares log-probabilities of llama.cpp on the file with those of transformers on the folder. Other
architectures (biases, other rotations, experts) are refused: they would be written wrongly without a sound.
K-quants are made by llama.cpp's own `llama-quantize`, see `quantise`.

A transformers tokenizer as llama.cpp reads it from a GGUF file.

llama.cpp splits text by rules of its own, chosen by one word in the file. A tokenizer is written only if its
splitting is one of those known here; any other would be read wrongly without a sound.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from advisor.reading import read_json
from harness.core.errors import MissingExtra, ModelUnavailable, StoreError, UsageError, needs

OwnKind = Literal["f32", "f16", "q8_0"]
K_QUANTS = ("q2_k", "q3_k_m", "q4_0", "q4_k_m", "q4_k_s", "q5_k_m", "q5_k_s", "q6_k")
KINDS = (*get_args(OwnKind), *K_QUANTS)
_FILE_TYPE = {"f32": 0, "f16": 1, "q8_0": 7}  # llama.cpp's names for the whole file
Stored = dict[str, tuple[Path, tuple[int, ...]]]  # tensor name -> its file and shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """What the file says of itself.

    Attributes:
        name: of the tuned model; base: of the one it was tuned from; licence: of the base.
    """

    name: str
    base: str
    licence: str


def write_gguf(folder: Path, out: Path, kind: OwnKind, titles: Titles) -> None:
    """Write the model in `folder` as the file `out`, whole or not at all.

    Raises:
        MissingExtra: without torch, safetensors or gguf.
        ModelUnavailable: if the model is of another architecture or its tokenizer is not known.
        StoreError: if the file cannot be written.
    """
    with needs("local"):
        import gguf
    config = _config(folder)
    words = read_words(folder, int(config["vocab_size"]))
    temporary = out.with_name(f".{out.name}.tmp")
    writer = gguf.GGUFWriter(temporary, "llama")
    try:
        _describe(writer, config, kind, titles)
        _write_words(writer, words, folder)
        stored = _stored(folder)
        plan = list(_planned(stored, config, kind))
        for _, called, shape, quant in plan:
            _announce(writer, called, shape, quant)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, _, _, quant in plan:
            writer.write_tensor_data(_encoded(_tensor(stored, name, config), quant))
        writer.close()
        temporary.replace(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        writer.close()
        temporary.unlink(missing_ok=True)


def quantise(source: Path, out: Path, kind: str) -> None:
    """Make a K-quant of a GGUF file with llama.cpp's `llama-quantize`.

    Raises:
        UsageError: if there is no such kind.
        MissingExtra: if `llama-quantize` is not on the PATH.
        StoreError: if it fails.
    """
    if kind not in K_QUANTS:
        raise UsageError("There is no such GGUF kind.", got=kind, allowed=", ".join(KINDS))
    done = subprocess.run(
        [quantiser(kind), str(source), str(out), kind.upper()], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not out.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise StoreError("llama-quantize failed.", got=last)


def quantiser(kind: str) -> str:
    """Where llama.cpp's `llama-quantize` is.

    Raises:
        MissingExtra: if it is not on the PATH.
    """
    tool = shutil.which("llama-quantize")
    if tool is None:
        raise MissingExtra(
            f"{kind} is made by llama.cpp's program llama-quantize, which is not on the PATH.",
            allowed=f"{', '.join(get_args(OwnKind))} without it",
            run="build or install llama.cpp, then again; on macOS: brew install llama.cpp",
        )
    return tool


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{folder} has no readable config.json.", got=str(error)[:200]) from error
    architecture = (config.get("architectures") or ["unknown"])[0]
    biased = config.get("attention_bias") or config.get("mlp_bias")
    rotation = _rotation(config).get("rope_type", "default")
    plain = architecture == "LlamaForCausalLM" and not biased and config.get("hidden_act", "silu") == "silu"
    if not plain or rotation not in ("default", "llama3"):
        raise ModelUnavailable(
            "This model cannot be written as GGUF here.",
            got=f"{architecture}, rotation {rotation}{', with biases' if biased else ''}",
            allowed="LlamaForCausalLM without biases (SmolLM2, Llama 3, and models built like them)",
            run="the export with --format merged, then llama.cpp's convert_hf_to_gguf.py on that folder",
        )
    return config


def _rotation(config: dict[str, Any]) -> dict[str, Any]:
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return {"rope_theta": config.get("rope_theta", 10000.0), **found}


def _head_dim(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _kv_heads(config: dict[str, Any]) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _describe(writer: Any, config: dict[str, Any], kind: OwnKind, titles: Titles) -> None:
    writer.add_type("model")
    writer.add_name(titles.name)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, titles.base)
    if titles.licence:
        writer.add_license(titles.licence)
    writer.add_file_type(_FILE_TYPE[kind])
    if kind == "q8_0":
        writer.add_quantization_version(2)
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(int(config["num_attention_heads"]))
    writer.add_head_count_kv(_kv_heads(config))
    writer.add_key_length(_head_dim(config))
    writer.add_value_length(_head_dim(config))
    writer.add_rope_dimension_count(_head_dim(config))
    writer.add_rope_freq_base(float(_rotation(config)["rope_theta"]))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))


def _write_words(writer: Any, words: Words, folder: Path) -> None:
    from gguf import SpecialVocab

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.splitting)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    writer.add_add_space_prefix(False)
    special = SpecialVocab(folder, load_merges=True, n_vocab=len(words.tokens))
    special.add_special_token.setdefault("bos", False)  # for some splittings llama.cpp would put one in front
    special.add_to_gguf(writer, quiet=True)


def _planned(
    stored: Stored, config: dict[str, Any], kind: OwnKind
) -> Iterator[tuple[str, str, tuple[int, ...], str]]:
    """(tensor name in the folder and in the file, shape, kind it is stored in), the scaled rotation last."""
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, int(config["num_hidden_layers"]))
    for name, (_, shape) in sorted(stored.items()):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        called = names.get_name(name, try_suffixes=(".weight",))
        if called is None or not name.endswith(".weight"):
            raise ModelUnavailable(
                "A tensor of this model has no place in a GGUF file of the Llama family.", got=name
            )
        flat = len(shape) == 1
        yield name, called, shape, "f32" if flat else "f16" if kind == "q8_0" and shape[-1] % 32 else kind
    if _rotation(config).get("rope_type") == "llama3":
        yield "rope_freqs", "rope_freqs.weight", (_head_dim(config) // 2,), "f32"


def _stored(folder: Path) -> Stored:
    """Every tensor of the folder: its file and shape."""
    with needs("local"):
        from safetensors import safe_open
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no mapping
                found[name] = (path, tuple(file.get_slice(name).get_shape()))
    return found


def _announce(writer: Any, called: str, shape: tuple[int, ...], quant: str) -> None:
    import gguf
    import numpy as np

    if quant == "q8_0":
        kind = gguf.GGMLQuantizationType.Q8_0
        size = gguf.quant_shape_to_byte_shape(shape, kind)
        writer.add_tensor_info(called, size, np.dtype(np.uint8), int(np.prod(size)), raw_dtype=kind)
        return
    dtype = np.dtype(np.float32 if quant == "f32" else np.float16)
    writer.add_tensor_info(called, shape, dtype, int(np.prod(shape)) * dtype.itemsize)


def _encoded(values: Any, quant: str) -> Any:
    import gguf
    import numpy as np

    if quant == "q8_0":
        return gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
    return values.astype(np.float32 if quant == "f32" else np.float16)


def _tensor(stored: Stored, name: str, config: dict[str, Any]) -> Any:
    """One tensor as fp32, its rows in llama.cpp's order."""
    import torch
    from safetensors import safe_open

    if name == "rope_freqs":
        return rotation_factors(config)
    with safe_open(stored[name][0], framework="pt") as file:
        values = file.get_tensor(name).to(torch.float32).numpy()
    if name.endswith("q_proj.weight"):
        return paired(values, int(config["num_attention_heads"]))
    if name.endswith("k_proj.weight"):
        return paired(values, _kv_heads(config))
    return values


def paired(weight: Any, heads: int) -> Any:
    """Rows of each head moved from (i, i + d/2) to (2i, 2i + 1)."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def rotation_factors(config: dict[str, Any]) -> Any:
    """By how much Llama 3 slows each frequency: transformers' plain frequencies over its scaled ones."""
    import numpy as np
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](LlamaConfig.from_dict(config), "cpu")
    dim = _head_dim(config)
    plain = 1.0 / float(_rotation(config)["rope_theta"]) ** (np.arange(0, dim, 2, dtype=np.float64) / dim)
    return (plain / scaled.double().numpy()).astype(np.float32)


_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a GGUF file says about its tokenizer.

    Attributes:
        splitting: llama.cpp's name for the rules by which text is split ('smollm', 'llama-bpe', ...).
        types: 1 for an ordinary token, 3 for a control token, 4 for one that was added, 5 for none.
    """

    splitting: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]


def read_words(folder: Path, vocabulary: int) -> Words:
    """The tokenizer of a model folder.

    Args:
        vocabulary: rows of the model's embedding; ids without a token are filled up.

    Raises:
        ModelUnavailable: if it is of a kind that cannot be written here.
    """
    try:
        raw = read_json(folder / "tokenizer.json", 1 << 27)
    except (OSError, ValueError) as error:
        raise _unknown(folder, str(error)[:200]) from error
    model = raw.get("model", {})
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise _unknown(folder, f"a {model.get('type')} tokenizer")
    by_id = {int(number): token for token, number in model["vocab"].items()}
    types = dict.fromkeys(by_id, _NORMAL)
    for added in raw.get("added_tokens", ()):
        by_id[int(added["id"])] = added["content"]
        types[int(added["id"])] = _CONTROL if added["special"] else _USER_DEFINED
    size = max(vocabulary, max(by_id) + 1)
    return Words(
        splitting=_splitting(raw, folder),
        tokens=tuple(by_id.get(number, f"[PAD{number}]") for number in range(size)),
        types=tuple(types.get(number, _UNUSED) for number in range(size)),
    )


def _splitting(raw: dict[str, Any], folder: Path) -> str:
    """llama.cpp's name for how the tokenizer splits text."""
    step = raw.get("pre_tokenizer") or {}
    steps = list(step["pretokenizers"]) if step.get("type") == "Sequence" else [step] if step else []
    kinds = [step["type"] for step in steps]
    if raw.get("normalizer") and kinds != ["Split", "ByteLevel"]:
        raise _unknown(folder, f"a normaliser of type {raw['normalizer'].get('type')}")
    if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"] and _splits(steps[1]):
        return "smollm"
    if kinds == ["ByteLevel"] and _splits(steps[0]):
        return "gpt-2"
    if kinds == ["Split", "ByteLevel"] and not _splits(steps[1]):
        pattern = steps[0]["pattern"].get("Regex")
        for name, known in (("llama-bpe", _LLAMA3), ("qwen2", _QWEN2)):
            if pattern == known:
                return name
    raise _unknown(folder, f"text split by {' and '.join(kinds) or 'nothing'}")


def _splits(byte_level: dict[str, Any]) -> bool:
    """Whether a ByteLevel step splits by GPT-2's pattern and puts no space in front."""
    return bool(byte_level.get("use_regex", True)) and not byte_level.get("add_prefix_space")


def _unknown(folder: Path, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        "This tokenizer cannot be written as GGUF here.",
        got=f"{folder}: {what}",
        allowed="byte-level BPE as in SmolLM, GPT-2, Llama 3 or Qwen2",
        run="the export with --format merged, then llama.cpp's convert_hf_to_gguf.py on that folder",
    )
