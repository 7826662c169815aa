"""Time a few real training steps on this machine, so that a budget can be chosen before a plan is locked."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.artefacts import EncoderRecipe
from harness.models.settings import ModelSettings
from harness.training.encoder.trainings import LabelJob, LabelSession
from harness.training.progress import quiet
from harness.training.recipe import TrainingSpeed
from harness.training.trl_trainer import Session, TrainingJob

_BATCHES = 2
_READING = 0.35  # of a pass that trains: the same rows read once, for the head that the training begins with
_STEPS = 3  # the first of them warms up and does not count


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpeed:
    """What was timed.

    Attributes:
        tokens: tokens of all the rows of the job after cutting, which one epoch takes.
        seconds: what the measurement itself took, loading included.
    """

    speed: TrainingSpeed
    tokens: int
    seconds: float


def measure_speed(job: TrainingJob) -> MeasuredSpeed:
    """Time the job's own recipe on a few of its rows, evenly drawn by length; trains nothing that is kept.

    `job.work` and `job.out` are not touched.

    Raises:
        MissingExtra, ModelUnavailable, TrainingError: as training itself would.
    """
    start = time.perf_counter()
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        count = min(len(job.train), _BATCHES * job.recipe.batch_size)
        ordered = sorted(job.train, key=lambda c: sum(len(m.content) for m in c.prompt))
        drawn = [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]
        session = Session(
            dataclasses.replace(job, train=drawn, dev=(), work=Path(scratch)), _nothing, max_steps=_STEPS
        )
        steps = _timed(session)
        tokens = sum(len(row.ids) for row in session.tokenise(job.train))
    kept = sum(len(row.ids) for row in session.rows)
    frozen = kept / session.frozen_seconds if session.frozen is not None else None
    speed = TrainingSpeed(frozen_tokens_per_s=frozen, step_tokens_per_s=steps)
    return MeasuredSpeed(speed=speed, tokens=tokens, seconds=time.perf_counter() - start)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpeed:
    """What an encoder's training takes.

    Attributes:
        open_s: seconds to open it and to read the rows.
        token_s: seconds a token of a training step, padding not counted.
        lengths: tokens of each row, uncut.
    """

    open_s: float
    token_s: float
    lengths: tuple[int, ...]

    def training_s(self, recipes: Sequence[EncoderRecipe]) -> float:
        """Seconds to train by every recipe."""
        return sum(self.open_s + self._pass_s(r) * _passes(r) for r in recipes)

    def _pass_s(self, recipe: EncoderRecipe) -> float:
        return self.token_s * sum(min(length, recipe.max_tokens) for length in self.lengths)


def _passes(recipe: EncoderRecipe) -> float:
    return recipe.epochs + recipe.warm_up_pairs + (_READING if recipe.head_first else 0.0)


def measure_encoder(
    base: Path, texts: Sequence[str], recipe: EncoderRecipe, opening: ModelSettings
) -> EncoderSpeed:
    """Time a recipe's steps on a few texts, evenly drawn by length; trains nothing that is kept.

    Raises:
        MissingExtra, ModelUnavailable, TrainingError: as the training itself would.
    """
    start = time.perf_counter()
    count = min(len(texts), _BATCHES * recipe.batch_size)
    ordered = sorted(texts, key=len)
    drawn = tuple(ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count))
    job = LabelJob(
        base=base,
        texts=drawn,
        targets=tuple(i % 2 for i in range(count)),
        labels=("a", "b"),
        recipe=dataclasses.replace(recipe, epochs=2, warm_up_pairs=0),
        device=opening.device,
        threads=opening.threads,
    )
    session = LabelSession(job)
    lengths = tuple(len(row) for row in session.opened.tokenise(texts))
    opened = time.perf_counter()
    session.run(_nothing, most_steps=1)  # the first step warms up
    warm, before = time.perf_counter(), session.tokens
    session.run(_nothing, most_steps=1 + _BATCHES)
    seconds, tokens = time.perf_counter() - warm, session.tokens - before
    return EncoderSpeed(open_s=opened - start, token_s=seconds / max(1, tokens), lengths=lengths)


def _timed(session: Session) -> float:
    """Tokens a second, padding not counted, over the steps after the first."""
    seen: list[tuple[float, int]] = []
    step = session.trainer.training_step

    def counted(model: Any, inputs: Any, *args: Any) -> Any:
        seen.append((time.perf_counter(), int(inputs["attention_mask"].sum())))
        return step(model, inputs, *args)

    session.trainer.training_step = counted
    session.run()
    end = time.perf_counter()
    counting = seen[1:] or seen
    return sum(tokens for _, tokens in counting) / (end - counting[0][0])


def _nothing(line: str) -> None:
    """Says nothing."""
