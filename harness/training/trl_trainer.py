"""LoRA by TRL and PEFT: the trainer that runs everywhere, on a CPU too.

What is ours in it: rows are rendered and tokenised by the code that scores them later; the loss is
computed on the answer's tokens alone (`answer_loss`, `last_layer`); frozen lower layers are computed once
a row (`trunk`); adapters cost one product a layer (`fused`). Batches, optimiser, schedule and checkpoints are
TRL's. A stopped training goes on from its last checkpoint.

Pinned to TRL 1.14: 1.15 patches a fused head that only GPUs can run, so it cannot train on a CPU.
Limit: one device.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TrainingError
from harness.models.rendering import Renderer
from harness.records import Conversation, Recipe
from harness.training.answer_loss import answer_loss, has_plain_head
from harness.training.fused import fused_adapters
from harness.training.last_layer import LastLayer
from harness.training.loading import load_base, tools
from harness.training.progress import reporter
from harness.training.quiet import quiet
from harness.training.rows import TokenRow, tokenise_all
from harness.training.trunk import Trunk

Say = Callable[[str], None]

_CHECKPOINTS = 8  # a kill costs at most an eighth of the training
_DEV_ROWS = 32  # watched for loss after each epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run gave.

    Attributes:
        tokens: tokens of the rows after cutting, times epochs; padding does not count.
        seconds: wall seconds of training, the trunk's pass included, since the last start.
        curve: (step, training loss).
        dev_losses: (epoch, loss) on up to 32 dev rows; only watched.
        trunk_seconds: of `seconds`, what the frozen layers took.
    """

    adapter: Path
    steps: int
    tokens: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    dev_losses: tuple[tuple[float, float], ...]
    trunk_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training run: which base, which rows, where to.

    Attributes:
        base: folder of the base model.
        work: scratch folder for checkpoints; the caller removes it once the adapter is recorded.
        out: folder the adapter is written to, atomically.
        threads: CPU threads; None leaves torch's own choice.
        device: 'cpu' or 'cuda'.
    """

    base: Path
    work: Path
    out: Path
    recipe: Recipe
    train: Sequence[Conversation]
    dev: Sequence[Conversation]
    threads: int | None = None
    device: str = "cpu"


def train(job: Job, say: Say) -> Trained:
    """Run the job, or go on with it where a checkpoint lies.

    Raises:
        MissingExtra: without torch, transformers, TRL, PEFT or datasets.
        TrainingError: if the loss stops being a number, or the hardware cannot run the recipe.
    """
    with quiet():
        session = Session(job, say)
        last = last_checkpoint(job.work)
        if last is not None:
            say(f"going on from step {last.name.split('-')[1]}")
        session.run(resume=last)
        _save(session.trainer.model, job)
    return session.trained()


class Session:
    """A loaded model with its trainer, ready to run; `speed` times a few steps of one."""

    def __init__(self, job: Job, say: Say, max_steps: int = -1) -> None:
        kit = tools()
        if job.threads:
            kit.torch.set_num_threads(job.threads)
        kit.torch.manual_seed(job.recipe.seed)
        tokenizer, model = load_base(job.base, job.recipe, job.device)
        self._renderer = Renderer(tokenizer)
        self.job, self.say, self.torch = job, say, kit.torch
        self.rows = self.tokenise(job.train)
        self.dev = self.tokenise(job.dev[:_DEV_ROWS])
        self.trunk: Trunk | None = None
        self.last: LastLayer | None = None
        self.trunk_seconds = self.seconds = 0.0
        self.dev_losses: list[tuple[float, float]] = []
        self.trainer = self._trainer(kit, tokenizer, model, max_steps)
        self.model = self.trainer.model.get_base_model()

    def run(self, resume: Path | None = None) -> None:
        """Train."""
        start = time.perf_counter()
        self.trainer.model.train()  # 4-bit weights seen in evaluation mode are repacked and cannot train
        with ExitStack() as stack:
            stack.enter_context(fused_adapters(self.trainer.model))
            if has_plain_head(self.model):
                self._freeze(stack)
                self._shorten(stack)
            self.trunk_seconds = time.perf_counter() - start
            self.trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        self.seconds = time.perf_counter() - start

    def tokenise(self, conversations: Sequence[Conversation]) -> list[TokenRow]:
        """Rows as they are trained on."""
        return tokenise_all(conversations, self._renderer, self.job.recipe.max_tokens)

    def loss(self, inputs: Any) -> Any:
        """The loss of a batch, see `answer_loss`."""
        return answer_loss(self.model, inputs, self.trunk, self.last)

    def trained(self) -> Trained:
        """What the run gave."""
        logged = self.trainer.state.log_history
        return Trained(
            adapter=self.job.out,
            steps=int(self.trainer.state.global_step),
            tokens=round(sum(len(row.ids) for row in self.rows) * self.job.recipe.epochs),
            seconds=self.seconds,
            curve=tuple((int(row["step"]), float(row["loss"])) for row in logged if "loss" in row),
            dev_losses=tuple(self.dev_losses),
            trunk_seconds=self.trunk_seconds,
        )

    def _trainer(self, kit: Any, tokenizer: Any, model: Any, max_steps: int) -> Any:
        session = self
        plain_head = has_plain_head(model)

        class AnswerTrainer(kit.SFTTrainer):  # type: ignore[misc]
            """TRL's trainer with the loss on the answers alone."""

            def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                if not plain_head:
                    return super().compute_loss(model, inputs, *args, **kwargs)
                return session.loss(inputs)

        rows = [{"input_ids": list(row.ids), "labels": row.labels} for row in self.rows]
        self.model = model
        trainer = AnswerTrainer(
            model=model,
            args=_arguments(self.job, len(rows), max_steps, kit),
            train_dataset=kit.Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=_lora(self.job.recipe, model, kit),
            callbacks=[reporter(kit.TrainerCallback, self.say, self._dev_loss)],
        )
        trainer.remove_callback(kit.PrinterCallback)
        return trainer

    def _shorten(self, stack: ExitStack) -> None:
        last = LastLayer(self.model.model)
        if last.fits(self.rows[0].ids):
            stack.enter_context(last.shortened())
            self.last = last

    def _freeze(self, stack: ExitStack) -> None:
        decoder, tuned = self.model.model, self.job.recipe.tuned_layers
        if tuned is None:
            return
        trunk = Trunk(decoder, len(decoder.layers) - tuned)
        ids = [row.ids for row in (*self.rows, *self.dev)]
        if not trunk.fits(ids[0], ids):
            return
        self.say(f"reading {len(self.rows)} rows through the {trunk.depth} layers that stay as they are")
        trunk.keep(ids)
        stack.enter_context(trunk.skipped())
        self.trunk = trunk

    def _dev_loss(self, epoch: float) -> float | None:
        """Loss on the watched dev rows; None where there are none."""
        if not self.dev or not has_plain_head(self.model):
            return None
        ordered = sorted(self.dev, key=lambda row: -len(row.ids))
        total = answers = 0.0
        with self.torch.no_grad():
            for start in range(0, len(ordered), 8):
                part = ordered[start : start + 8]
                count = sum(row.answer for row in part)
                total += float(self.loss(self._batch(part))) * count
                answers += count
        self.dev_losses.append((round(epoch, 2), total / answers))
        return total / answers

    def _batch(self, rows: Sequence[TokenRow]) -> dict[str, Any]:
        length = max(len(row.ids) for row in rows)
        device = self.model.lm_head.weight.device

        def padded(values: list[list[int]], fill: int) -> Any:
            return self.torch.tensor([v + [fill] * (length - len(v)) for v in values], device=device)

        return {
            "input_ids": padded([list(row.ids) for row in rows], 0),
            "labels": padded([row.labels for row in rows], -100),
            "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
        }


def total_steps(rows: int, recipe: Recipe) -> int:
    """Optimiser steps of a recipe: whole batches an epoch, a last part-epoch rounded up."""
    return max(1, math.ceil(math.ceil(rows / recipe.batch_size) * recipe.epochs - 1e-6))


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint; its state file is the last one written."""
    found = [path.parent for path in work.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def _lora(recipe: Recipe, model: Any, kit: Any) -> Any:
    count = model.config.num_hidden_layers
    layers = None if recipe.tuned_layers is None else list(range(count - recipe.tuned_layers, count))
    return kit.LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.target_modules),
        layers_to_transform=layers,
        task_type="CAUSAL_LM",
    )


def _arguments(job: Job, rows: int, max_steps: int, kit: Any) -> Any:
    recipe = job.recipe
    steps = total_steps(rows, recipe)
    return kit.SFTConfig(
        output_dir=str(job.work),
        max_steps=steps if max_steps < 0 else max_steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(steps * recipe.warmup_ratio),
        max_length=None,  # the rows are cut already
        loss_type="nll",
        train_sampling_strategy="group_by_length",
        pad_to_multiple_of=16,  # every new length costs a kernel build
        gradient_checkpointing=False,
        bf16=False,  # no autocast: the model is loaded in the precision it computes in
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=max(1, steps // 20),
        logging_nan_inf_filter=False,  # it would hide a divergence
        save_strategy="steps" if max_steps < 0 else "no",
        save_steps=max(1, steps // _CHECKPOINTS),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=job.device == "cpu",
        dataloader_pin_memory=False,
    )


def _save(model: Any, job: Job) -> None:
    temporary = job.out.with_name(f".{job.out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for config in model.peft_config.values():
            config.base_model_name_or_path = job.base.name  # no path of this machine in what is shipped
        model.save_pretrained(temporary, safe_serialization=True)
        (temporary / "README.md").unlink(missing_ok=True)  # an empty model card
        shutil.rmtree(job.out, ignore_errors=True)
        temporary.rename(job.out)
    except OSError as error:
        raise TrainingError(
            f"The trained adapter cannot be written: {error.strerror}.",
            got=str(job.out),
            run="harness resume   # once there is room; the training goes on from its last checkpoint",
        ) from error
