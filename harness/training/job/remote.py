"""What runs on the rented GPU. Its text is copied into the exported script, where nothing of us is installed.

Rows are rendered by the code that renders them here (`models.rendering`, `training.rows`), whose text is
copied too. The loss is on the answer's tokens alone: rows come to the trainer as `input_ids` and `labels`,
which Unsloth and TRL take as they are. Not run on a GPU by us; run whole on a CPU, where Unsloth trains with
plain transformers, PEFT and TRL (tests/engines).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.records import Conversation, Message
from harness.models.local.rendering import Renderer
from harness.training.rows import tokenise


def read_rows(path: Path) -> list[Conversation]:
    """The rows of a JSONL file of `messages` with `role` and `content`; the last turn is the answer."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.strip():
            continue
        raw = json.loads(line)
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in raw["messages"]]
        rows.append(Conversation(item_id=raw["id"], prompt=tuple(turns[:-1]), completion=turns[-1].content))
    return rows


def token_rows(
    rows: Sequence[Conversation], renderer: Renderer, recipe: dict[str, Any]
) -> list[dict[str, list[int]]]:
    """Rows as the trainer takes them."""
    one_token = recipe.get("answer") == "codes"
    made = [tokenise(row, renderer, recipe["max_tokens"], one_token=one_token) for row in rows]
    return [{"input_ids": list(row.ids), "labels": row.labels} for row in made]


def trainer_settings(recipe: dict[str, Any], rows: int) -> dict[str, Any]:
    """The trainer's arguments that follow from the recipe; the same numbers as on this machine."""
    per_epoch = math.ceil(rows / recipe["batch_size"])
    steps = max(1, math.ceil(per_epoch * recipe["epochs"] - 1e-6))
    stops = recipe.get("patience")
    settings: dict[str, Any] = {
        "max_steps": steps,
        "per_device_train_batch_size": recipe["batch_size"],
        "per_device_eval_batch_size": recipe["batch_size"],
        "learning_rate": recipe["learning_rate"],
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(steps * recipe["warmup_ratio"]),
        "max_length": recipe["max_tokens"],
        "packing": False,
        "optim": "adamw_torch",
        "seed": recipe["seed"],
        "data_seed": recipe["seed"],
        "logging_steps": max(1, steps // 20),
        "eval_strategy": "steps",
        "eval_steps": per_epoch,
        "save_strategy": "steps",
        "save_steps": per_epoch if stops else max(1, steps // 8),
        "save_total_limit": 2,
        "report_to": "none",
    }
    if stops:
        settings |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
        settings["greater_is_better"] = False
    return settings


def adapter_settings(recipe: dict[str, Any], layers: int) -> dict[str, Any]:
    """The adapter's arguments that follow from the recipe."""
    tuned = recipe.get("tuned_layers")
    return {
        "r": recipe["rank"],
        "lora_alpha": recipe["alpha"],
        "lora_dropout": recipe["dropout"],
        "target_modules": list(recipe["target_modules"]),
        "layers_to_transform": None if tuned is None else list(range(layers - tuned, layers)),
        "bias": "none",
        "use_gradient_checkpointing": "unsloth",
        "random_state": recipe["seed"],
    }


def main(folder: Path) -> None:
    """Train, and write `adapter/` with `job.json` and `training.json` in it."""
    from unsloth import FastLanguageModel, is_bfloat16_supported  # isort: skip  # before trl, which it patches
    import datasets
    import torch
    from transformers import EarlyStoppingCallback
    from trl import SFTConfig, SFTTrainer

    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    recipe = job["recipe"]
    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=job["hub_base"],
        max_seq_length=recipe["max_tokens"],
        load_in_4bit=recipe["method"] == "qlora-4bit",
        dtype=None,
    )
    model = FastLanguageModel.get_peft_model(
        model, **adapter_settings(recipe, model.config.num_hidden_layers)
    )
    renderer = Renderer(tokenizer)
    train = token_rows(read_rows(folder / "train.jsonl"), renderer, recipe)
    dev = token_rows(read_rows(folder / "dev.jsonl"), renderer, recipe)
    whole, gpu = is_bfloat16_supported(), torch.cuda.is_available()
    arguments = SFTConfig(
        output_dir=str(folder / "checkpoints"),
        bf16=whole,
        fp16=gpu and not whole,
        **trainer_settings(recipe, len(train)),
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(train),
        eval_dataset=datasets.Dataset.from_list(dev),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(recipe["patience"])] if recipe.get("patience") else [],
    )
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=any((folder / "checkpoints").glob("checkpoint-*")))
    out = folder / "adapter"
    model.save_pretrained(str(out), safe_serialization=True)
    done = time.perf_counter() - started
    device = f"{torch.cuda.get_device_name(0) if gpu else 'a CPU'}, {number_format(whole, gpu)}"
    write_training(out, job, trainer.state, done, train, device)
    print(f"The adapter is in {out}. Bring it back and: harness import latest {out.name} --arm {job['arm']}")  # noqa: T201
    print(f"Trained on {device}")  # noqa: T201


def number_format(whole: bool, gpu: bool) -> str:
    """The numbers trained in: bfloat16 where the device has it."""
    return "bfloat16" if whole else "float16" if gpu else "float32"


def write_training(
    out: Path, job: dict[str, Any], state: Any, seconds: float, rows: list[Any], device: str
) -> None:
    """Write down what was trained, for `harness import`."""
    import importlib.metadata

    names = ("unsloth", "trl", "transformers", "peft", "torch")
    epochs = state.global_step / max(1, math.ceil(len(rows) / job["recipe"]["batch_size"]))
    training = {
        "steps": int(state.global_step),
        "seconds": seconds,
        "tokens": round(sum(len(row["input_ids"]) for row in rows) * epochs),
        "curve": [[int(row["step"]), float(row["loss"])] for row in state.log_history if "loss" in row],
        "packages": {name: importlib.metadata.version(name) for name in names},
        "device": device,
    }
    (out / "job.json").write_text(json.dumps(job, indent=1), encoding="utf-8")
    (out / "training.json").write_text(json.dumps(training, indent=1), encoding="utf-8")
    (out / "README.md").unlink(missing_ok=True)
