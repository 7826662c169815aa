"""Time a few real training steps on this machine, so that a budget can be chosen before a plan is locked."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.training.progress import quiet
from harness.training.recipe import TrainingSpeed
from harness.training.trl_trainer import Session, TrainingJob

_BATCHES = 2
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
    trunk = kept / session.trunk_seconds if session.trunk is not None else None
    speed = TrainingSpeed(trunk_tokens_per_s=trunk, step_tokens_per_s=steps)
    return MeasuredSpeed(speed=speed, tokens=tokens, seconds=time.perf_counter() - start)


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
