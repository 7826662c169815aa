"""LoRA by TRL and PEFT: the trainer that runs everywhere, on a CPU too.

What is ours in it: rows are rendered and tokenised by the code that scores them later; the loss is computed
on the answer's tokens alone (`answer_loss`, `last_layer`); frozen lower layers are computed once a row
(`frozen`), what all rows begin with once a batch (`shared_prefix`); adapters cost one product a layer
(`fused`). Batches, optimiser, schedule and checkpoints are TRL's. A stopped training goes on from its last
checkpoint.

Pinned to TRL 1.14: 1.15 patches a fused head that only GPUs can run, so it cannot train on a CPU. Limit: one
device.

Adapters and checkpoints are written whole or not at all. The trainer's sampler draws an epoch's order from
torch's global generator when the epoch begins. A training gone on in the middle of an epoch would draw
another one, skip as many batches of it, and so see some rows twice and others not at all. Therefore the
generator's state at the beginning of each epoch is kept:

    <work>/epoch-<n>.rng    5 KB an epoch
    <work>/seconds.txt      what the training took until its last checkpoint, all starts together
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError
from harness.core.files import write_atomically
from harness.core.records import Conversation, EpochNote, Recipe
from harness.core.serial import decode, encode
from harness.core.wording import counted, percent
from harness.models.local.rendering import Renderer
from harness.training.codes import UntunedBase, choose_codes
from harness.training.fast import (
    FrozenLayers,
    LastLayer,
    answer_loss,
    common_prefix,
    fused_adapters,
    has_plain_head,
    prefix_fits,
)
from harness.training.loading import load_base, tools
from harness.training.progress import check, quiet
from harness.training.rows import TokenRow, tokenise_all
from harness.training.watching import Answered, DevWatch, Epochs, answer_rows, drawn, sample_lines

_SECONDS = "seconds.txt"


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint; its state file is the last one written."""
    found = [path.parent for path in work.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return max(found, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimiser step a checkpoint was taken at."""
    return int(checkpoint.name.split("-")[1])


def seconds_until(work: Path) -> float:
    """What a training took until its last checkpoint; 0 where that was not kept."""
    try:
        return float((work / _SECONDS).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def keep_seconds(work: Path, seconds: float) -> None:
    """Keep what it took until a checkpoint."""
    if work.is_dir():
        write_atomically(work / _SECONDS, f"{seconds:.3f}")


def write_adapter(model: Any, folder: Path, base: str) -> None:
    """Write the adapter as safetensors with its configuration.

    Args:
        base: the base model's name; no path of this machine is to stand in what is shipped.
    """
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    model.save_pretrained(folder, safe_serialization=True)


def publish(model: Any, out: Path, base: str, kept: Path | None) -> None:
    """Put the trained adapter in its place: the model's own, or a copy of `kept`.

    Raises:
        TrainingError: if it cannot be written.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        if kept is None:
            write_adapter(model, temporary, base)
        else:
            shutil.copytree(kept, temporary)
        shutil.rmtree(out, ignore_errors=True)
        temporary.rename(out)
    except OSError as error:
        raise TrainingError(
            f"The trained adapter cannot be written: {error.strerror}.",
            got=str(out),
            run="harness resume   # once there is room; the training goes on from its last checkpoint",
        ) from error


class RowOrder:
    """Keeps and restores torch's generator at the beginning of epochs."""

    def __init__(self, work: Path, steps_per_epoch: int) -> None:
        self._work = work
        self._steps_per_epoch = steps_per_epoch
        self._gone_on_at: int | None = None
        self._load_checkpoint: Callable[[], None] = lambda: None

    def go_on_from(self, step: int, load_checkpoint: Callable[[], None]) -> None:
        """Say at which step a training goes on, and how to load its checkpoint's generator."""
        self._gone_on_at = step
        self._load_checkpoint = load_checkpoint

    def epoch_begins(self, step: int) -> None:
        """Called before the rows of an epoch are drawn."""
        import torch

        kept = self._work / f"epoch-{step // self._steps_per_epoch}.rng"
        if step == self._gone_on_at and step % self._steps_per_epoch:
            if kept.is_file():
                torch.set_rng_state(torch.frombuffer(bytearray(kept.read_bytes()), dtype=torch.uint8))
            return
        if step == self._gone_on_at:
            self._load_checkpoint()  # the trainer does so itself, but later
        if self._work.is_dir():
            write_atomically(kept, bytes(torch.get_rng_state().tolist()))


Say = Callable[[str], None]

_CHECKPOINTS = 8  # a kill costs at most an eighth of the training
_DEV_ROWS = 32  # watched for loss after each epoch
_DEV_ROWS_TO_STOP = 200  # the same where training stops by it


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run gave.

    Attributes:
        tokens: tokens of the rows after cutting, times epochs; padding does not count.
        seconds: wall seconds of training, the frozen layers' pass included; of a training that was stopped
            those until the checkpoint that it went on from, and those since.
        curve: (step, training loss).
        epochs: what was seen at the end of each epoch, on up to 32 dev rows (200 with `Recipe.patience`).
        kept_step: the step whose weights were kept; None for the last one.
        frozen_seconds: of `seconds`, what the frozen layers took.
        codes: what the model says for each label, in the labels' order; () where it says their words.
    """

    adapter: Path
    steps: int
    tokens: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    epochs: tuple[EpochNote, ...]
    kept_step: int | None
    frozen_seconds: float
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One training run: which base, which rows, where to.

    Attributes:
        base: folder of the base model.
        work: scratch folder for checkpoints; the caller removes it once the adapter is recorded.
        out: folder the adapter is written to, atomically.
        threads: CPU threads; None leaves torch's own choice.
        device: 'cpu' or 'cuda'.
        watch: dev items to answer after each epoch; None answers none.
        labels: in words, in their order; the rows' answers are some of them. () learns words.
    """

    base: Path
    work: Path
    out: Path
    recipe: Recipe
    train: Sequence[Conversation]
    dev: Sequence[Conversation]
    threads: int | None = None
    device: str = "cpu"
    watch: DevWatch | None = None
    labels: tuple[str, ...] = ()


def train(job: TrainingJob, say: Say) -> Trained:
    """Run the job, or go on with it where a checkpoint lies.

    Raises:
        MissingExtra: without torch, transformers, TRL, PEFT or datasets.
        TrainingError: if the loss stops being a number, or the hardware cannot run the recipe.
    """
    with quiet():
        session = Session(job, say)
        last = last_checkpoint(job.work)
        if last is not None:
            say(f"going on from step {step_of(last)}")
        session.run(resume=last)
        best = session.epochs.best
        publish(session.trainer.model, job.out, job.base.name, best[1] if best else None)
    return session.trained()


class Session:
    """A loaded model with its trainer, ready to run; `speed` times a few steps of one."""

    def __init__(self, job: TrainingJob, say: Say, max_steps: int = -1) -> None:
        kit = tools()
        if job.threads:
            kit.torch.set_num_threads(job.threads)
        kit.torch.manual_seed(job.recipe.seed)
        tokenizer, model = load_base(job.base, job.recipe, job.device)
        self._renderer = Renderer(tokenizer)
        self.job, self.say, self.torch = job, say, kit.torch
        self.codes = self._choose(tokenizer, model)
        self._code_ids = self._ids_of_codes()
        self.rows = self.tokenise(job.train)
        self.dev = self.tokenise(job.dev[: _DEV_ROWS_TO_STOP if job.recipe.patience else _DEV_ROWS])
        self.prefix: tuple[int, ...] = ()
        self.frozen: FrozenLayers | None = None
        self.last: LastLayer | None = None
        self.frozen_seconds = self.seconds = 0.0
        self._started = 0.0
        self.epochs = Epochs(job.work, job.recipe.patience)
        self.steps_per_epoch = math.ceil(len(self.rows) / job.recipe.batch_size)
        self.order = RowOrder(job.work, self.steps_per_epoch)
        self._short = ExitStack()
        self.trainer = self._trainer(kit, tokenizer, model, max_steps)
        self.model = self.trainer.model.get_base_model()

    def run(self, resume: Path | None = None) -> None:
        """Train, unless the checkpoint is that of the last step."""
        start = time.perf_counter()
        self.seconds = 0.0 if resume is None else seconds_until(self.job.work)
        self._started = start - self.seconds
        if resume is not None:
            self.epochs.go_on_from(step_of(resume))
            self.order.go_on_from(step_of(resume), lambda: self.trainer._load_rng_state(str(resume)))
        if resume is not None and (self.epochs.stopped or step_of(resume) >= self.trainer.args.max_steps):
            self._take_up(resume)
            return
        self.trainer.model.train()  # 4-bit weights seen in evaluation mode are repacked and cannot train
        with ExitStack() as stack:
            stack.enter_context(fused_adapters(self.trainer.model))
            stack.enter_context(self._short)
            if has_plain_head(self.model):
                self._share()
                self._freeze()
                self._shorten()
            self.frozen_seconds = time.perf_counter() - start
            try:
                self.trainer.train(resume_from_checkpoint=str(resume) if resume else None)
            except _StopNow:
                self.say("it had stopped early")
        self.seconds = time.perf_counter() - self._started

    def tokenise(self, conversations: Sequence[Conversation]) -> list[TokenRow]:
        """Rows as they are trained on."""
        said = dict(zip(self.job.labels, self.codes, strict=True)) if self.codes else {}
        rows = [replace(row, completion=said[row.completion]) if said else row for row in conversations]
        return tokenise_all(rows, self._renderer, self.job.recipe.max_tokens, one_token=bool(said))

    def loss(self, inputs: Any) -> Any:
        """The loss of a batch, see `answer_loss`."""
        return answer_loss(self.model, inputs, self.frozen, self.last, self.prefix, self._code_ids)

    def trained(self) -> Trained:
        """What the run gave."""
        logged, steps = self.trainer.state.log_history, int(self.trainer.state.global_step)
        kept = self.epochs.best[0] if self.epochs.best else None
        return Trained(
            adapter=self.job.out,
            steps=steps,
            tokens=round(sum(len(row.ids) for row in self.rows) * self._epochs_done(steps)),
            seconds=self.seconds,
            curve=tuple((int(row["step"]), float(row["loss"])) for row in logged if "loss" in row),
            epochs=tuple(self.epochs.notes),
            kept_step=None if kept in (None, steps) else kept,
            frozen_seconds=self.frozen_seconds,
            codes=self.codes,
        )

    def _choose(self, tokenizer: Any, model: Any) -> tuple[str, ...]:
        """The codes, as they were chosen when the training began; () where words are learnt."""
        job, kept = self.job, self.job.work / "codes.json"
        if job.recipe.answer != "codes" or not job.labels or not has_plain_head(model):
            return ()
        if kept.is_file():
            return decode(tuple[str, ...], kept.read_bytes())
        self.say("choosing a code for each label")
        reader = UntunedBase(model=model, tokenizer=tokenizer, renderer=self._renderer)
        codes = choose_codes(reader, job.labels)
        if job.work.is_dir():
            write_atomically(kept, encode(codes))
        if not codes:
            self.say("the base has too few words for codes; it learns the labels' words")
        return codes

    def _ids_of_codes(self) -> Any:
        """The token ids of the codes; None where words are learnt."""
        if not self.codes:
            return None
        ids = [self._renderer.completion_ids(code)[0] for code in self.codes]
        return self.torch.tensor(ids, device=self.job.device)

    def _trainer(self, kit: Any, tokenizer: Any, model: Any, max_steps: int) -> Any:
        session = self
        plain_head = has_plain_head(model)

        class AnswerTrainer(kit.SFTTrainer):  # type: ignore[misc]
            """TRL's trainer with the loss on the answers alone.

            A checkpoint is what a training goes on from: weights and states, no tokenizer and no model card.
            """

            def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                if not plain_head:
                    return super().compute_loss(model, inputs, *args, **kwargs)
                return session.loss(inputs)

            def create_model_card(self, *args: Any, **kwargs: Any) -> None:
                pass

            def _save(self, output_dir: str, state_dict: Any = None) -> None:
                self.model.save_pretrained(output_dir, state_dict=state_dict)

        rows = [{"input_ids": list(row.ids), "labels": row.labels} for row in self.rows]
        self.model = model
        trainer = AnswerTrainer(
            model=model,
            args=_arguments(self.job, len(rows), max_steps, kit),
            train_dataset=kit.Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=_lora(self.job.recipe, model, kit),
            callbacks=[_reporter(kit.TrainerCallback, self)],
        )
        trainer.remove_callback(kit.PrinterCallback)
        trainer.model.create_or_update_model_card = lambda folder: None  # PEFT's, an empty one
        return trainer

    def _epochs_done(self, steps: int) -> float:
        stopped = steps < self.trainer.args.max_steps
        return steps / self.steps_per_epoch if stopped else self.job.recipe.epochs

    def _take_up(self, checkpoint: Path) -> None:
        """Take weights and log of a training that had come to its end before it was killed."""
        from transformers import TrainerState

        self.trainer._load_from_checkpoint(str(checkpoint))
        self.trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))

    def _shorten(self) -> None:
        last = LastLayer(self.model.model)
        if last.fits(self.rows[0].ids):
            self._short.enter_context(last.shortened())
            self.last = last

    def _share(self) -> None:
        rows = (*self.rows, *self.dev)
        ids = [row.ids for row in rows]
        prefix = common_prefix(ids, [row.answer for row in rows])
        if prefix and prefix_fits(self.model.model, prefix, ids):
            self.prefix = prefix

    def _freeze(self) -> None:
        decoder, tuned = self.model.model, self.job.recipe.tuned_layers
        if tuned is None:
            return
        frozen = FrozenLayers(decoder, len(decoder.layers) - tuned, self.prefix)
        ids = [row.ids for row in (*self.rows, *self.dev)]
        if not frozen.fits(ids[0], ids):
            return
        self.say(f"reading {len(self.rows)} rows through the {frozen.depth} layers that stay as they are")
        frozen.keep(ids)
        self._short.enter_context(frozen.skipped())
        self.frozen = frozen

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Within the block the model computes all its layers at all positions, as it will when it answers."""
        self._short.close()
        try:
            yield
        finally:
            if self.frozen is not None:
                self._short.enter_context(self.frozen.skipped())
            if self.last is not None:
                self._short.enter_context(self.last.shortened())

    def saved(self) -> None:
        """Keep what the training took, so that one that is stopped here and goes on knows it."""
        keep_seconds(self.job.work, time.perf_counter() - self._started)

    def look(self, epoch: float, step: int) -> bool:
        """Note the loss on dev and, where somebody watches, answers to dev items; True to stop early.

        Raises:
            TrainingError: if the loss on dev is no number.
        """
        loss = self._dev_loss()
        if loss is not None and not math.isfinite(loss):
            check(loss, loss, step)
        seen = [] if loss is None else [f"loss on dev rows {loss:.3f}"]
        answered = self._answered()
        correct = sum(one.correct for one in answered)
        if answered:
            share = percent(correct / len(answered), 0)
            seen.append(f"{correct} of {len(answered)} dev items right ({share})")
        watch = self.job.watch
        tell = watch.tell if watch else self.say
        if seen:
            tell(f"after epoch {epoch:.1f}: {', '.join(seen)}")
        for line in sample_lines(answered, watch.samples if watch else 0):
            tell(line)
        note = EpochNote(
            epoch=round(epoch, 2),
            step=step,
            dev_loss=loss,
            dev_correct=correct if answered else None,
            dev_items=len(answered),
        )
        stop = self.epochs.add(
            note, lambda folder: write_adapter(self.trainer.model, folder, self.job.base.name)
        )
        if stop:
            waited = counted(self.job.recipe.patience or 0, "epoch", "epochs")
            tell(f"the loss on dev has not fallen for {waited}: stopping early")
        return stop

    def _answered(self) -> list[Answered]:
        watch = self.job.watch
        if watch is None or not watch.items or not self.job.dev:
            return []
        with self._whole():
            rows = drawn(self.job.dev, watch.items)
            return answer_rows(self.model, self._renderer, rows, watch.choices, self.codes)

    def _dev_loss(self) -> float | None:
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


class _StopNow(Exception):
    """A training gone on after a kill finds that it had come to its early stop."""


def _reporter(base: Any, session: Session) -> Any:
    """A trainer callback.

    Args:
        base: `transformers.TrainerCallback`.
    """

    class Reporter(base):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start = time.perf_counter()
            self.first = state.global_step
            per_epoch = session.steps_per_epoch
            if self.first and self.first % per_epoch == 0 and not session.epochs.has(self.first):
                self._look(self.first / per_epoch, state, control)  # killed between checkpoint and look
                if control.should_training_stop:
                    raise _StopNow

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            self.began = getattr(self, "began", float(loss))
            check(float(loss), self.began, state.global_step)
            done = state.global_step - self.first
            left = (time.perf_counter() - self.start) / max(1, done) * (state.max_steps - state.global_step)
            session.say(
                f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {left:.0f} s left"
            )

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            session.saved()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            session.order.epoch_begins(state.global_step)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._look(float(state.epoch), state, control)

        def _look(self, epoch: float, state: Any, control: Any) -> None:
            if session.look(epoch, state.global_step):
                control.should_training_stop = True
            if session.job.recipe.patience is not None:  # then every look needs a checkpoint of its own
                control.should_save = True

    return Reporter()


def total_steps(rows: int, recipe: Recipe) -> int:
    """Optimiser steps of a recipe: whole batches an epoch, a last part-epoch rounded up."""
    return max(1, math.ceil(math.ceil(rows / recipe.batch_size) * recipe.epochs - 1e-6))


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


def _pad_step(recipe: Recipe) -> int | None:
    """In bf16 every new length costs a kernel build; in fp32 none does, and padding is wasted work."""
    return None if recipe.method == "lora-fp32" else 4


def _arguments(job: TrainingJob, rows: int, max_steps: int, kit: Any) -> Any:
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
        pad_to_multiple_of=_pad_step(recipe),
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
