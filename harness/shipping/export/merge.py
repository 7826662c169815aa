"""Base and adapter merged into one folder of safetensors that any engine can load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from advisor.reading import read_json
from harness.core.errors import ModelUnavailable, needs, on_disk
from harness.models.local.safe_weights import require_safe_adapter, require_safetensors

Precision = Literal["fp32", "bf16"]
_MOST_SHARD = "4GB"


def merge_into(base: Path, adapter: Path, out: Path, precision: Precision) -> None:
    """Merge in fp32, then write weights, configuration, tokenizer and chat template into `out`.

    Raises:
        MissingExtra: without torch, transformers or PEFT.
        ModelUnavailable: if base or adapter cannot be loaded, or come as pickles.
        StoreError: if the folder cannot be written.
    """
    require_safetensors(base)
    require_safe_adapter(adapter)
    with needs("train"):
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        model = PeftModel.from_pretrained(model, adapter, local_files_only=True)
        model = model.merge_and_unload(safe_merge=True)
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable("Base and adapter cannot be merged.", got=f"{adapter}: {first}") from error
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = model.to(dtype)
    model.config.dtype = dtype
    with on_disk("The merged model cannot be written", got=str(out)):
        model.save_pretrained(out, max_shard_size=_MOST_SHARD)
        tokenizer.save_pretrained(out)
    _forget_origin(out / "config.json")


def load_tokenizer(base: Path) -> Any:
    """The base model's tokenizer with its chat template.

    Raises:
        MissingExtra, ModelUnavailable: if it cannot be loaded.
    """
    with needs("train"):
        from transformers import AutoTokenizer
    try:
        return AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable("The base model's tokenizer cannot be loaded.", got=str(base)) from error


def copy_tokenizer(base: Path, out: Path) -> None:
    """Write the base model's tokenizer and chat template into `out`.

    Raises:
        MissingExtra, ModelUnavailable: if they cannot be loaded.
    """
    load_tokenizer(base).save_pretrained(out)


def _forget_origin(config: Path) -> None:
    """Take the folder the base was loaded from out of what is shipped."""
    raw = read_json(config)
    raw.pop("_name_or_path", None)
    config.write_text(json.dumps(raw, indent=2, sort_keys=True) + "\n", encoding="utf-8")
