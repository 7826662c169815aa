"""Tuning an encoder on this machine: this project's trainer beside transformers' `Trainer` and SetFit.

All tune all-MiniLM-L6-v2 whole, on the same rows, with the same rate and batch, and read as many texts: the
epochs of ours and of `Trainer`, half as many pairs in SetFit, which then fits its head on the vectors of all
rows. `Trainer` is used as its documents show it (`AutoModelForSequenceClassification`, dynamic padding), once
in fp32 and once with `bf16=True`; SetFit as its own, with its rate. TRL has no trainer for encoders. CPU
seconds of one thread, loading left out; accuracy on the same dev rows.

Run: python benchmarks/encoder_training.py [--evalset banking77] [--rows 385] [--epochs 4] [--dev 300]
SetFit needs `pip install --no-deps setfit sentence-transformers evaluate`, else it is left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import build_plan
from harness.cli.options import HereOptions
from harness.core.artefacts import EncoderRecipe
from harness.models.local.precision import trains_in_bf16
from harness.models.resolve import Embedded, local_folder
from harness.models.settings import ModelSettings, cache_dir
from harness.training.encoder.recipe import recipes_for
from harness.training.encoder.trainings import LabelJob, LabelSession
from harness.training.progress import quiet
from harness.training.settings import EncoderPlan

_SETFIT_RATE, _SETFIT_BATCH = 2e-5, 16  # its defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all of them are given."""

    base: Path
    labels: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    dev: tuple[tuple[str, int], ...]
    recipe: EncoderRecipe

    @property
    def texts(self) -> list[str]:
        """Of the training rows."""
        return [text for text, _ in self.train]

    @property
    def targets(self) -> list[int]:
        """Of the training rows."""
        return [target for _, target in self.train]

    def accuracy(self, answered: Any) -> float:
        """Share of dev rows that are right."""
        return float(np.mean(np.asarray(answered) == np.array([target for _, target in self.dev])))


def ours(bench: Bench) -> tuple[float, float]:
    """Train as the harness does: CPU seconds, dev accuracy."""
    session = LabelSession(
        LabelJob(
            base=bench.base,
            texts=tuple(bench.texts),
            targets=tuple(bench.targets),
            labels=bench.labels,
            recipe=bench.recipe,
            threads=1,
        )
    )
    started = time.process_time()
    session.run(lambda line: None)
    seconds = time.process_time() - started
    return seconds, bench.accuracy(session.finished().scores([text for text, _ in bench.dev]).argmax(axis=1))


def plain(bench: Bench, bf16: bool) -> tuple[float, float]:
    """Train with transformers' `Trainer`."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    recipe = bench.recipe
    tokenizer = AutoTokenizer.from_pretrained(bench.base)
    model = AutoModelForSequenceClassification.from_pretrained(bench.base, num_labels=len(bench.labels))
    with tempfile.TemporaryDirectory() as scratch, quiet():
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            label_smoothing_factor=recipe.smoothing,
            warmup_steps=0.1,
            bf16=bf16,
            use_cpu=True,
            seed=recipe.seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=_rows(tokenizer, bench.train, recipe.max_tokens),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        started = time.process_time()
        trainer.train()
        seconds = time.process_time() - started
        found = trainer.predict(_rows(tokenizer, bench.dev, recipe.max_tokens)).predictions.argmax(axis=1)
    return seconds, bench.accuracy(found)


def _rows(tokenizer: Any, rows: tuple[tuple[str, int], ...], most: int) -> list[dict[str, Any]]:
    return [{**tokenizer(text, truncation=True, max_length=most), "labels": target} for text, target in rows]


def setfit(bench: Bench) -> tuple[float, float]:
    """Train with SetFit, its pairs cut to as many texts as the others read."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(bench.base))
    model.model_body.max_seq_length = bench.recipe.max_tokens
    texts = bench.recipe.epochs * len(bench.train)
    with tempfile.TemporaryDirectory() as scratch, quiet():
        arguments = TrainingArguments(
            output_dir=scratch,
            batch_size=_SETFIT_BATCH,
            max_steps=max(1, texts // (2 * _SETFIT_BATCH)),
            body_learning_rate=_SETFIT_RATE,
            save_strategy="no",
            report_to="none",
            seed=bench.recipe.seed,
            show_progress_bar=False,
        )
        data = Dataset.from_dict({"text": bench.texts, "label": bench.targets})
        trainer = Trainer(model=model, args=arguments, train_dataset=data)
        started = time.process_time()
        trainer.train()
        seconds = time.process_time() - started
    return seconds, bench.accuracy(model.predict([text for text, _ in bench.dev]))


def prepare(options: argparse.Namespace) -> Bench:
    """Rows and recipe."""
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"evalset": options.evalset, "limit_train": options.rows},
        "arms": [{"option": "encoder", "model": "minilm-l6"}],
        "cost": {"price_date": f"{date.today():%Y-%m-%d}"},
    }
    evalset = load_rows(build_plan(raw, "the benchmark"), HereOptions(threads=1).context(quiet=True))
    labels = tuple(label.name for label in evalset.labels)
    bf16 = trains_in_bf16("cpu")
    asked = EncoderPlan(trials=1, epochs=options.epochs)
    return Bench(
        base=local_folder(Embedded(name="minilm-l6"), ModelSettings(cache=cache_dir(os.environ))),
        labels=labels,
        train=tuple((item.text, labels.index(item.label)) for item in evalset.train),
        dev=tuple((item.text, labels.index(item.label)) for item in evalset.dev[: options.dev]),
        recipe=recipes_for(asked, len(evalset.train), 22_700_000, "bf16" if bf16 else "fp32", 17)[0],
    )


def main() -> None:
    """Train with each, one after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evalset", default="banking77")
    parser.add_argument("--rows", type=int, default=385)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--dev", type=int, default=300)
    bench = prepare(parser.parse_args())
    import torch

    torch.set_num_threads(1)
    full = replace(bench, recipe=replace(bench.recipe, precision="fp32"))
    lanes: dict[str, Callable[[], tuple[float, float]]] = {
        "transformers Trainer, fp32": lambda: plain(bench, bf16=False),
        "transformers Trainer, bf16": lambda: plain(bench, bf16=True),
        "SetFit, as many texts": lambda: setfit(bench),
        "this trainer, fp32": lambda: ours(full),
        f"this trainer, {bench.recipe.precision}": lambda: ours(bench),
    }
    print(f"{len(bench.train)} rows, {bench.recipe.epochs} epochs, batches of {bench.recipe.batch_size}")
    print("| trainer | CPU s | dev accuracy |\n|---|---|---|")
    for name, lane in lanes.items():
        try:
            seconds, accuracy = lane()
        except ImportError as error:
            print(f"| {name} | left out: {error} | |", flush=True)
            continue
        print(f"| {name} | {seconds:.1f} | {100 * accuracy:.1f} % (n={len(bench.dev)}) |", flush=True)


if __name__ == "__main__":
    main()
