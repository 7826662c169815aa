"""Tuning a small model on this machine: this project's trainer beside TRL's `SFTTrainer` as its docs show it.

All tune the same base on the same rows with the same rank, rate, batch size, precision and number of steps:
the plain trainer and ours with adapters on every layer, which is the same mathematics, and ours with the
recipe's layers. Each adapter is then scored on the same dev rows by the same code, so that speed is read
beside what it gave. Loading is counted nowhere, the pass through frozen layers is.

Run: python benchmarks/training.py [--evalset support-tickets] [--rows 400] [--epochs 1] [--dev 100]
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from harness.bakeoff.arm_factory import recipe_for
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.cli.options import HereOptions
from harness.core.records import Choices, Conversation, Evalset, Failure, Item, Recipe
from harness.models.base import ChatRequest
from harness.models.local.transformers_chat import TransformersChat
from harness.models.resolve import local_folder, resolve
from harness.models.settings import ModelSettings, cache_dir
from harness.tasks.classification import tune_messages
from harness.tasks.labels import answer_text
from harness.training.loading import load_base, tools
from harness.training.progress import quiet
from harness.training.trl_trainer import TrainingJob, total_steps, train

MODEL = "smollm2-135m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What both trainers are given."""

    plan: ExperimentPlan
    evalset: Evalset
    base: Path
    recipe: Recipe
    opening: ModelSettings

    def conversations(self, items: tuple[Item, ...]) -> list[Conversation]:
        """Rows as a tuned arm is trained on."""
        limits = self.plan.prompt.limits
        return [
            Conversation(
                item_id=item.id, prompt=tune_messages(item.text, limits), completion=answer_text(item.label)
            )
            for item in items
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An adapter, and what making it took."""

    adapter: Path
    seconds: float
    tokens: int


def ours(bench: Bench, recipe: Recipe, out: Path) -> Trained:
    """Train as the harness does."""
    job = TrainingJob(
        base=bench.base,
        work=out.with_name(f"{out.name}-work"),
        out=out,
        recipe=recipe,
        train=bench.conversations(bench.evalset.train),
        dev=(),
        threads=bench.opening.threads,
    )
    found = train(job, lambda line: None)
    return Trained(adapter=found.adapter, seconds=found.seconds, tokens=found.tokens)


def plain(bench: Bench, scratch: Path, tokens: int) -> Trained:
    """Train with TRL's trainer and PEFT's adapters on all linear layers, nothing changed."""
    kit, recipe = tools(), bench.recipe
    kit.torch.manual_seed(recipe.seed)
    tokenizer, model = load_base(bench.base, recipe, "cpu")
    rows = [
        {
            "prompt": [{"role": m.role, "content": m.content} for m in c.prompt],
            "completion": [{"role": "assistant", "content": c.completion}],
        }
        for c in bench.conversations(bench.evalset.train)
    ]
    arguments = kit.SFTConfig(
        output_dir=str(scratch / "plain-work"),
        max_steps=total_steps(len(rows), recipe),
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=math.ceil(total_steps(len(rows), recipe) * recipe.warmup_ratio),
        max_length=recipe.max_tokens,
        gradient_checkpointing=False,
        bf16=False,
        seed=recipe.seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    lora = kit.LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with quiet():
        trainer = kit.SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=kit.Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=lora,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    out = scratch / "plain"
    trainer.model.save_pretrained(out, safe_serialization=True)
    return Trained(adapter=out, seconds=seconds, tokens=tokens)


def dev_accuracy(bench: Bench, adapter: Path, count: int) -> float:
    """Share of dev rows answered rightly by the merged adapter."""
    model = TransformersChat(MODEL, bench.base, replace(bench.opening, adapter=adapter))
    choices = tuple(answer_text(label.name) for label in bench.evalset.labels)
    items = bench.evalset.dev[:count]
    requests = [
        ChatRequest(
            item_id=item.id,
            messages=tune_messages(item.text, bench.plan.prompt.limits),
            form=Choices(answers=choices),
        )
        for item in items
    ]
    truth = {item.id: answer_text(item.label) for item in items}
    replies = [reply for reply in model.answer(requests) if not isinstance(reply, Failure)]
    model.close()
    return sum(reply.text == truth[reply.item_id] for reply in replies) / len(items)


def prepare(options: argparse.Namespace) -> Bench:
    """Rows, base model and recipe."""
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"evalset": options.evalset, "limit_train": options.rows},
        "arms": [{"option": "tune", "model": MODEL}],
        "tune": {"epochs": options.epochs},
        "cost": {"price_date": f"{date.today():%Y-%m-%d}"},
    }
    plan = build_plan(raw, "the benchmark")
    context = HereOptions(threads=options.threads).context(quiet=True)
    evalset = load_rows(plan, context)
    opening = ModelSettings(cache=cache_dir(os.environ), threads=options.threads)
    source = resolve(MODEL)
    base = local_folder(source, opening)  # type: ignore[arg-type]
    recipe = recipe_for(plan, base, len(evalset.train), 17, opening)
    return Bench(plan=plan, evalset=evalset, base=base, recipe=recipe, opening=opening)


def main() -> None:
    """Train with both, in one run, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="support-tickets")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--dev", type=int, default=100)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    bench = prepare(options)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        whole = ours(bench, replace(bench.recipe, tuned_layers=None), scratch / "whole")
        upper = ours(bench, bench.recipe, scratch / "upper")
        usual = plain(bench, scratch, whole.tokens)
        rows = len(bench.evalset.train)
        print(f"{rows} rows of {options.evalset}, {options.epochs:g} epochs, {bench.recipe.method}")
        lanes = {
            "plain SFTTrainer": usual,
            "this trainer, all layers": whole,
            f"this trainer, upper {bench.recipe.tuned_layers}": upper,
        }
        for name, done in lanes.items():
            accuracy = dev_accuracy(bench, done.adapter, options.dev)
            print(
                f"{name:26} {done.seconds:7.1f} s {done.tokens / done.seconds:7.0f} tok/s "
                f"x{usual.seconds / done.seconds:.2f}   dev accuracy {accuracy:.3f} "
                f"(n={min(options.dev, len(bench.evalset.dev))})",
                flush=True,
            )


if __name__ == "__main__":
    main()
