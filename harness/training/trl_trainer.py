"""LoRA by TRL and PEFT: the trainer that runs everywhere, on a CPU too.

Rows are rendered and tokenised by the very code that scores them later, and the loss is on the answer
alone. A stopped training goes on from its last checkpoint. Pinned to TRL 1.14: 1.15 patches a fused
head that only GPUs can run, so it cannot train on a CPU.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MissingExtra, TrainingError
from harness.models.rendering import Renderer
from harness.records import Conversation, Recipe
from harness.training.trunk import can_freeze, frozen_trunk

Say = Callable[[str], None]

_CHECKPOINTS = 8  # a kill costs at most an eighth of the training


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run gave.

    Attributes:
        curve: (step, training loss).
        dev_loss: loss on the dev rows at the end, None without dev rows.
    """

    adapter: Path
    steps: int
    tokens: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    dev_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training run: which base, which rows, where to.

    Attributes:
        base: folder of the base model.
        work: scratch folder for checkpoints; emptied when the adapter is written.
        out: folder the adapter is written to, atomically.
        threads: CPU threads; None leaves torch's own choice.
    """

    base: Path
    work: Path
    out: Path
    recipe: Recipe
    train: Sequence[Conversation]
    dev: Sequence[Conversation]
    threads: int | None = None


def train(job: Job, say: Say) -> Trained:
    """Run the job, or go on with it where a checkpoint lies.

    Raises:
        MissingExtra: without torch, transformers, TRL, PEFT or datasets.
        TrainingError: if the loss stops being a number.
    """
    torch, tools = _import()
    if job.threads:
        torch.set_num_threads(job.threads)
    torch.manual_seed(job.recipe.seed)
    tokenizer, model = _load(job, torch, tools)
    rows = [tokenise(conversation, Renderer(tokenizer), job.recipe.max_tokens) for conversation in job.train]
    trainer = tools.SFTTrainer(
        model=model,
        args=_arguments(job, len(rows), tools),
        train_dataset=tools.Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora(job.recipe, model, tools),
        callbacks=[_reporter(say, tools.TrainerCallback)],
    )
    decoder = trainer.model.get_base_model().model
    depth = len(decoder.layers) - (job.recipe.tuned_layers or len(decoder.layers))
    keep = frozen_trunk(decoder, depth) if depth and can_freeze(decoder) else nullcontext()
    start = time.perf_counter()
    with keep:
        trainer.train(resume_from_checkpoint=_last_checkpoint(job.work))
    seconds = time.perf_counter() - start
    curve = tuple((int(r["step"]), float(r["loss"])) for r in trainer.state.log_history if "loss" in r)
    _save(trainer.model, job)
    return Trained(
        adapter=job.out,
        steps=int(trainer.state.global_step),
        tokens=round(sum(len(row["input_ids"]) for row in rows) * job.recipe.epochs),
        seconds=seconds,
        curve=curve,
        dev_loss=None,
    )


def tokenise(conversation: Conversation, renderer: Renderer, max_tokens: int) -> dict[str, list[int]]:
    """One row as `input_ids` and `labels`; -100 hides the prompt from the loss.

    A row over `max_tokens` loses tokens from the middle of its prompt, never from its answer.
    """
    prompt = renderer.prompt_ids(conversation.prompt)
    answer = list(renderer.completion_ids(conversation.completion))
    room = max(8, max_tokens - len(answer))
    if len(prompt) > room:
        head = room * 2 // 3
        prompt = prompt[:head] + prompt[len(prompt) - (room - head) :]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    AutoModelForCausalLM: Any
    AutoTokenizer: Any
    BitsAndBytesConfig: Any
    Dataset: Any
    LoraConfig: Any
    SFTConfig: Any
    SFTTrainer: Any
    TrainerCallback: Any


def _import() -> tuple[Any, _Tools]:
    try:
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
        from trl import SFTConfig, SFTTrainer
    except ImportError as error:
        raise MissingExtra.of(error.name or "trl", "train") from error
    tools = _Tools(
        AutoModelForCausalLM=AutoModelForCausalLM,
        AutoTokenizer=AutoTokenizer,
        BitsAndBytesConfig=BitsAndBytesConfig,
        Dataset=Dataset,
        LoraConfig=LoraConfig,
        SFTConfig=SFTConfig,
        SFTTrainer=SFTTrainer,
        TrainerCallback=TrainerCallback,
    )
    return torch, tools


def _load(job: Job, torch: Any, tools: _Tools) -> tuple[Any, Any]:
    tokenizer = tools.AutoTokenizer.from_pretrained(job.base)
    quantised = job.recipe.method == "qlora-4bit"
    config = None
    if quantised:
        config = tools.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        )
    model = tools.AutoModelForCausalLM.from_pretrained(
        job.base,
        dtype=torch.float32 if job.recipe.method == "lora-fp32" else torch.bfloat16,
        quantization_config=config,
    )
    model.config.use_cache = False
    return tokenizer, model


def _lora(recipe: Recipe, model: Any, tools: _Tools) -> Any:
    count = model.config.num_hidden_layers
    layers = None if recipe.tuned_layers is None else list(range(count - recipe.tuned_layers, count))
    return tools.LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.target_modules),
        layers_to_transform=layers,
        task_type="CAUSAL_LM",
    )


def _arguments(job: Job, rows: int, tools: _Tools) -> Any:
    recipe = job.recipe
    steps = max(1, math.ceil(rows / recipe.batch_size * recipe.epochs))
    return tools.SFTConfig(
        output_dir=str(job.work),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(steps * recipe.warmup_ratio),
        max_length=recipe.max_tokens,
        train_sampling_strategy="group_by_length",
        pad_to_multiple_of=16,  # every new length costs a kernel build
        gradient_checkpointing=False,
        bf16=False,
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=max(1, steps // 20),
        save_strategy="steps",
        save_steps=max(1, steps // _CHECKPOINTS),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )


def _reporter(say: Say, base: Any) -> Any:
    class Reporter(base):  # type: ignore[misc]
        """Tells the progress and stops a training whose loss is no number."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start = time.perf_counter()
            self.first = state.global_step

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(float(loss)):
                raise TrainingError(
                    f"The training loss became {loss} at step {state.global_step}.",
                    run="lower tune.learning_rate in the plan (a tenth is a good try), then harness run PLAN",
                )
            done = state.global_step - self.first
            left = (time.perf_counter() - self.start) / max(1, done) * (state.max_steps - state.global_step)
            say(f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {left:.0f} s left")

    return Reporter()


def _last_checkpoint(work: Path) -> str | None:
    found = sorted(
        work.glob("checkpoint-*/trainer_state.json"), key=lambda p: int(p.parent.name.split("-")[1])
    )
    return str(found[-1].parent) if found else None


def _save(model: Any, job: Job) -> None:
    temporary = job.out.with_name(f".{job.out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary, safe_serialization=True)
    shutil.rmtree(job.out, ignore_errors=True)
    temporary.rename(job.out)
    shutil.rmtree(job.work, ignore_errors=True)
