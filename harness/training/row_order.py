"""The order in which an epoch takes its rows, the same after a kill.

The trainer's sampler draws an epoch's order from torch's global generator when the epoch begins. A training
gone on in the middle of an epoch would draw another one, skip as many batches of it, and so see some rows
twice and others not at all. Therefore the generator's state at the beginning of each epoch is kept:

    <work>/epoch-<n>.rng    5 KB an epoch
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


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
            temporary = kept.with_name(f".{kept.name}.tmp")
            temporary.write_bytes(bytes(torch.get_rng_state().tolist()))
            temporary.replace(kept)
