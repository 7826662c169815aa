"""Targets and texts in words: as tables, digests of rows and prompts hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from advisor.options import Option
from harness.core.records import Item, Message, Target
from harness.core.references import Reference

_CUT = "\n[...]\n"

NOT_THERE = "Not in the documents."
"""What is to be said where the documents do not answer."""


def in_words(target: Target) -> str:
    """A target as tables and files show it.

    A label by its name, an answer by its fullest wording, fields as JSON in their own order.
    """
    match target:
        case str():
            return target
        case Reference():
            return target.answers[0] if target.answers else NOT_THERE
        case _:
            return json.dumps(target, ensure_ascii=False)


def in_json(target: Target) -> object:
    """A target as digests of rows hold it: of evidence what was stated, not where an index has it."""
    if not isinstance(target, Reference):
        return target
    quotes = [[one.document, one.quote] for one in target.evidence]
    return {"answers": list(target.answers), "evidence": quotes, "answerable": target.answerable}


def clip(text: str, limit: int) -> str:
    """Shorten text over `limit` characters, keeping the start and the end, with a visible mark."""
    if len(text) <= limit:
        return text
    room = limit - len(_CUT)
    if room < 2:
        return text[:limit]
    head = room * 2 // 3
    return text[:head] + _CUT + text[len(text) - (room - head) :]


def example_turns(shown: Sequence[Item], answer: Callable[[Target], str], limit: int) -> Iterator[Message]:
    """Rows with their answers as turns before the question.

    Args:
        limit: characters of a row's text.
    """
    for row in shown:
        yield Message(role="user", content=clip(row.text, limit))
        yield Message(role="assistant", content=answer(row.target))


def messages_digest(messages: Iterable[Message]) -> str:
    """Sha256 (hex) of messages: a changed word changes it."""
    written = [[message.role, message.content] for message in messages]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def check_sends(option: Option) -> None:
    """Check that an option asks a language model.

    Raises:
        ValueError: if it does not.
    """
    if not option.traits.needs_model:
        raise ValueError(f"{option.value} sends no messages")
