"""Import the training libraries and load a base model in the precision its recipe names.

4-bit weights are bitsandbytes' nf4 with double quantisation, as in QLoRA (Dettmers et al., 2023). They
work on a CPU too, slowly: there to test, not to train real sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.collector import uncollected
from harness.core.errors import ModelUnavailable, TrainingError, needs
from harness.core.records import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The libraries' names that training uses."""

    torch: Any
    AutoModelForCausalLM: Any
    AutoTokenizer: Any
    BitsAndBytesConfig: Any
    Dataset: Any
    LoraConfig: Any
    PrinterCallback: Any
    SFTConfig: Any
    SFTTrainer: Any
    TrainerCallback: Any


def tools() -> Tools:
    """Import them.

    Raises:
        MissingExtra: naming the package that is not there.
    """
    with needs("train"):
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
        from transformers.trainer_callback import PrinterCallback
        from trl import SFTConfig, SFTTrainer
    return Tools(
        torch=torch,
        AutoModelForCausalLM=AutoModelForCausalLM,
        AutoTokenizer=AutoTokenizer,
        BitsAndBytesConfig=BitsAndBytesConfig,
        Dataset=Dataset,
        LoraConfig=LoraConfig,
        PrinterCallback=PrinterCallback,
        SFTConfig=SFTConfig,
        SFTTrainer=SFTTrainer,
        TrainerCallback=TrainerCallback,
    )


@uncollected()
def load_base(folder: Path, recipe: Recipe, device: str) -> tuple[Any, Any]:
    """Tokenizer and model.

    Raises:
        TrainingError: if a GPU is named and there is none.
        MissingExtra: without bitsandbytes for a 4-bit recipe.
        ModelUnavailable: if the folder holds no causal language model.
    """
    kit = tools()
    if device != "cpu" and not kit.torch.cuda.is_available():
        raise TrainingError(
            "Training on a GPU was asked for, and torch sees none.",
            got=f"device {device}",
            allowed="cpu, or a machine with a CUDA GPU and a CUDA build of torch",
            run="harness doctor",
        )
    dtype = kit.torch.float32 if recipe.method == "lora-fp32" else kit.torch.bfloat16
    try:
        tokenizer = kit.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = kit.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=_four_bit(kit) if recipe.method == "qlora-4bit" else None,
            device_map={"": device} if recipe.method == "qlora-4bit" else None,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            "The base model cannot be loaded for training.",
            got=f"{folder}: {first}",
            allowed="a folder with config.json, safetensors weights and a tokenizer",
        ) from error
    model.config.use_cache = False
    return tokenizer, model if recipe.method == "qlora-4bit" else model.to(device)


def _four_bit(kit: Tools) -> Any:
    with needs("train"):
        import bitsandbytes  # noqa: F401
    return kit.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kit.torch.bfloat16,
    )
