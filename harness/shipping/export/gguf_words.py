"""A transformers tokenizer as llama.cpp reads it from a GGUF file.

llama.cpp splits text by rules of its own, chosen by one word in the file. A tokenizer is written only if its
splitting is one of those known here; any other would be read wrongly without a sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.reading import read_json
from harness.core.errors import ModelUnavailable

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
        special: role ('bos', 'eos', 'unk', 'pad') -> id.
    """

    splitting: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    special: dict[str, int]
    add_bos: bool
    chat_template: str


def read_words(folder: Path, vocabulary: int) -> Words:
    """The tokenizer of a model folder.

    Args:
        vocabulary: rows of the model's embedding; ids without a token are filled up.

    Raises:
        ModelUnavailable: if it is of a kind that cannot be written here.
    """
    raw = _json(folder / "tokenizer.json")
    config = _json(folder / "tokenizer_config.json")
    model = raw.get("model", {})
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise _unknown(folder, f"a {model.get('type')} tokenizer")
    by_id = {int(number): token for token, number in model["vocab"].items()}
    types = dict.fromkeys(by_id, _NORMAL)
    for added in raw.get("added_tokens", ()):
        by_id[int(added["id"])] = added["content"]
        types[int(added["id"])] = _CONTROL if added["special"] else _USER_DEFINED
    size = max(vocabulary, max(by_id) + 1)
    ids = {token: number for number, token in by_id.items()}
    return Words(
        splitting=_splitting(raw, folder),
        tokens=tuple(by_id.get(number, f"[PAD{number}]") for number in range(size)),
        types=tuple(types.get(number, _UNUSED) for number in range(size)),
        merges=tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]),
        special=_special(config, ids),
        add_bos=_adds_bos(raw),
        chat_template=_template(folder, config),
    )


def _splitting(raw: dict[str, Any], folder: Path) -> str:
    """llama.cpp's name for how the tokenizer splits text."""
    steps = _steps(raw.get("pre_tokenizer") or {})
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


def _steps(step: dict[str, Any]) -> list[dict[str, Any]]:
    return list(step["pretokenizers"]) if step.get("type") == "Sequence" else [step] if step else []


def _splits(byte_level: dict[str, Any]) -> bool:
    """Whether a ByteLevel step splits by GPT-2's pattern and puts no space in front."""
    return bool(byte_level.get("use_regex", True)) and not byte_level.get("add_prefix_space")


def _special(config: dict[str, Any], ids: dict[str, int]) -> dict[str, int]:
    found = {}
    for role in ("bos", "eos", "unk", "pad"):
        token = config.get(f"{role}_token")
        text = token.get("content") if isinstance(token, dict) else token
        if text in ids:
            found[role] = ids[text]
    return found


def _adds_bos(raw: dict[str, Any]) -> bool:
    """Whether the tokenizer puts the first special token in front of every text."""
    steps = _steps_of(raw.get("post_processor") or {}, "processors")
    singles = [step.get("single", ()) for step in steps if step.get("type") == "TemplateProcessing"]
    return any(single and "SpecialToken" in single[0] for single in singles)


def _steps_of(step: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return list(step[name]) if step.get("type") == "Sequence" else [step]


def _template(folder: Path, config: dict[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    return str(config.get("chat_template") or "")


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(path, 1 << 27)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read.", got=str(error)[:200]) from error
    return found


def _unknown(folder: Path, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        "This tokenizer cannot be written as GGUF here.",
        got=f"{folder}: {what}",
        allowed="byte-level BPE as in SmolLM, GPT-2, Llama 3 or Qwen2",
        run="the export with --format merged, then llama.cpp's convert_hf_to_gguf.py on that folder",
    )
