"""Adapters and checkpoints on disk, written whole or not at all; the same order of rows after a kill.

The trainer's sampler draws an epoch's order from torch's global generator when the epoch begins. A training
gone on in the middle of an epoch would draw another one, skip as many batches of it, and so see some rows
twice and others not at all. Therefore the generator's state at the beginning of each epoch is kept:

    <work>/epoch-<n>.rng    5 KB an epoch
    <work>/seconds.txt      what the training took until its last checkpoint, all starts together
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError
from harness.core.files import write_atomically

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
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card


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
