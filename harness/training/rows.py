"""Conversations to token rows, by the very code that scores them later.

The order in which an epoch takes its rows, the same after a kill.

The trainer's sampler draws an epoch's order from torch's global generator when the epoch begins. A training
gone on in the middle of an epoch would draw another one, skip as many batches of it, and so see some rows
twice and others not at all. Therefore the generator's state at the beginning of each epoch is kept:

    <work>/epoch-<n>.rng    5 KB an epoch
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.records import Conversation
from harness.models.local.rendering import Renderer


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


_LEAST_PROMPT = 8  # tokens of a prompt that are kept however long the answer is


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One row: its tokens, and how many of them at the end are the answer."""

    ids: tuple[int, ...]
    answer: int

    @property
    def labels(self) -> list[int]:
        """The tokens with -100 where there is no loss."""
        return [-100] * (len(self.ids) - self.answer) + list(self.ids[len(self.ids) - self.answer :])


def tokenise(conversation: Conversation, renderer: Renderer, max_tokens: int) -> TokenRow:
    """One row; over `max_tokens` it loses tokens from the middle of its prompt, never from its answer."""
    prompt = renderer.prompt_ids(conversation.prompt)
    answer = renderer.completion_ids(conversation.completion)
    room = max(_LEAST_PROMPT, max_tokens - len(answer))
    if len(prompt) > room:
        head = room * 2 // 3
        prompt = prompt[:head] + prompt[len(prompt) - (room - head) :]
    return TokenRow(ids=(*prompt, *answer), answer=len(answer))


def tokenise_all(
    conversations: Sequence[Conversation], renderer: Renderer, max_tokens: int
) -> list[TokenRow]:
    """All rows in order."""
    return [tokenise(conversation, renderer, max_tokens) for conversation in conversations]
