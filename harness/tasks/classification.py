"""The messages each option sends for a ticket-classification task.

The wording below is frozen: a run's plan stores `PROMPT_VERSION`, and a change of one word is a new
version, since public results moved by 25 points with the prompt alone. An option's content key holds the
version in which its own wording last changed (`wording_version`). A tuned model is trained,
scored, exported and served with `tune_messages`, never with another rendering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from advisor.options import Option
from harness.core.records import Item, Label, Message

PROMPT_VERSION = "classification-2"
_FIRST_VERSION = "classification-1"
_CUT = "\n[...]\n"
_TUNED_TASK = "Classify the message."


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """How much text a rendering may carry.

    Attributes:
        item_chars: longer tickets keep their first two thirds and their last third of this length.
        example_chars: the same for a ticket shown as an example.
    """

    item_chars: int = 2000
    example_chars: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A labelled training row shown to the model."""

    text: str
    label: str


class Guide(StrEnum):
    """What a prompt with examples says of the labels."""

    DEFINITIONS = "definitions"
    NAMES = "names"


def wording_version(option: Option) -> str:
    """The version in which the wording of an option last changed."""
    return PROMPT_VERSION if option is Option.RETRIEVE else _FIRST_VERSION


def answer_text(label: str) -> str:
    """The words a model writes for a label: underscores read as spaces."""
    return label.replace("_", " ").strip()


def clip(text: str, limit: int) -> str:
    """Shorten text over `limit` characters, keeping the start and the end, with a visible mark."""
    if len(text) <= limit:
        return text
    room = limit - len(_CUT)
    if room < 2:
        return text[:limit]
    head = room * 2 // 3
    return text[:head] + _CUT + text[len(text) - (room - head) :]


def prompt_messages(text: str, labels: Sequence[Label], limits: PromptLimits) -> tuple[Message, ...]:
    """Zero-shot: the label guide, then the ticket."""
    system = (
        "Classify the message into exactly one of the labels below. "
        "Answer with the label's name only.\n\nLabels:\n" + _guide(labels)
    )
    return (_system(system), _user(text, limits))


def retrieve_messages(
    text: str,
    examples: Sequence[Example],
    labels: Sequence[Label],
    limits: PromptLimits,
    guide: Guide = Guide.DEFINITIONS,
) -> tuple[Message, ...]:
    """Few-shot: the label guide or the labels' names, similar labelled tickets (nearest last), the ticket."""
    match guide:
        case Guide.DEFINITIONS:
            system = (
                "Classify the message into exactly one of the labels below. Answer with the label's name "
                "only. Similar earlier messages with their labels come first.\n\nLabels:\n" + _guide(labels)
            )
        case Guide.NAMES:
            names = "; ".join(answer_text(label.name) for label in labels)
            system = (
                "Classify the message into exactly one label. Answer with the label's name only. "
                "Similar earlier messages with their labels come first.\n\nLabels: " + names
            )
        case _:
            assert_never(guide)
    return (_system(system), *_shown(examples, limits), _user(text, limits))


def tune_messages(text: str, limits: PromptLimits) -> tuple[Message, ...]:
    """What a tuned model sees: the ticket alone; the labels are in its weights.

    The short system turn keeps templates from inserting a longer one of their own.
    """
    return (_system(_TUNED_TASK), _user(text, limits))


def tune_retrieve_messages(
    text: str, examples: Sequence[Example], limits: PromptLimits
) -> tuple[Message, ...]:
    """What a model tuned with retrieved tickets sees: those tickets, then the ticket."""
    return (_system(_TUNED_TASK), *_shown(examples, limits), _user(text, limits))


def render(
    option: Option,
    item: Item,
    *,
    labels: Sequence[Label],
    examples: Sequence[Example] = (),
    limits: PromptLimits,
    guide: Guide = Guide.DEFINITIONS,
) -> tuple[Message, ...]:
    """The messages of one item for an option that calls a language model.

    Args:
        guide: what is said of the labels beside examples.

    Raises:
        ValueError: for an option that calls none.
    """
    match option:
        case Option.PROMPT:
            return prompt_messages(item.text, labels, limits)
        case Option.RETRIEVE:
            return retrieve_messages(item.text, examples, labels, limits, guide)
        case Option.TUNE:
            return tune_messages(item.text, limits)
        case Option.TUNE_RETRIEVE:
            return tune_retrieve_messages(item.text, examples, limits)
        case (
            Option.FLOOR | Option.NEIGHBOURS | Option.LINEAR | Option.ENCODER | Option.ROUTE | Option.EXTERNAL
        ):
            raise ValueError(f"{option.value} sends no messages")
        case _:
            assert_never(option)


def _guide(labels: Sequence[Label]) -> str:
    return "\n".join(f"- {_guide_line(label)}" for label in labels)


def _guide_line(label: Label) -> str:
    name = answer_text(label.name)
    return f"{name}: {label.definition}" if label.definition else name


def _shown(examples: Sequence[Example], limits: PromptLimits) -> tuple[Message, ...]:
    turns: list[Message] = []
    for example in examples:
        turns.append(Message(role="user", content=clip(example.text, limits.example_chars)))
        turns.append(Message(role="assistant", content=answer_text(example.label)))
    return tuple(turns)


def _system(text: str) -> Message:
    return Message(role="system", content=text)


def _user(text: str, limits: PromptLimits) -> Message:
    return Message(role="user", content=clip(text, limits.item_chars))
