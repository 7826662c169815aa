"""Conversations to token rows, by the very code that scores them later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.records import Conversation
from harness.models.local.rendering import Renderer

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


def tokenise(
    conversation: Conversation, renderer: Renderer, max_tokens: int, *, one_token: bool = False
) -> TokenRow:
    """One row; over `max_tokens` it loses tokens from the middle of its prompt, never from its answer.

    Args:
        one_token: the answer is a code, and ends with its token.
    """
    prompt = renderer.prompt_ids(conversation.prompt)
    answer = renderer.completion_ids(conversation.completion)[: 1 if one_token else None]
    room = max(_LEAST_PROMPT, max_tokens - len(answer))
    if len(prompt) > room:
        head = room * 2 // 3
        prompt = prompt[:head] + prompt[len(prompt) - (room - head) :]
    return TokenRow(ids=(*prompt, *answer), answer=len(answer))


def tokenise_all(
    conversations: Sequence[Conversation], renderer: Renderer, max_tokens: int, *, one_token: bool = False
) -> list[TokenRow]:
    """All rows in order."""
    return [tokenise(one, renderer, max_tokens, one_token=one_token) for one in conversations]
