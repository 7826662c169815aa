"""What kinds of task say of themselves: metrics, scores, answers made of rows, and the words for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from harness.core.records import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """How much text a rendering may carry.

    Attributes:
        item_chars: longer tickets keep their first two thirds and their last third of this length.
        example_chars: the same for a ticket shown as an example.
    """

    item_chars: int = 2000
    example_chars: int = 600


class Guide(StrEnum):
    """What a prompt with examples says of the labels or fields."""

    DEFINITIONS = "definitions"
    NAMES = "names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of how good answers are.

    Attributes:
        name: how tables and files call it: 'accuracy'.
        noun: what a sentence counts: 'right answers'.
        whole: what a sum over items counts, an answer of half the value half: 'right answers'.
        about: a phrase for somebody who does not know the name; '' where `noun` says it.
        unit: 'share' for a figure within [0, 1].
        primary: arms are compared by it; one metric of a task is.
        per_item: its value over items is the mean of theirs; the others are computed over all of them.
    """

    name: str
    noun: str
    whole: str = "right answers"
    about: str = ""
    unit: Literal["share"] = "share"
    higher_is_better: bool = True
    primary: bool = False
    per_item: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good one answer is.

    Attributes:
        values: by metric, of those that an item has a value of; None where it is not defined for this item.
            The primary metric's lies within [0, 1].
        answer: what was read; None where nothing could be, or there is no answer.
        detail: what the task's breakdown needs further.
    """

    values: Mapping[str, float | None]
    answer: Target | None
    detail: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """An answer made of rows without a model.

    Attributes:
        text: as a model would write it.
        choice_logprobs: a distribution over the task's choices, where it has any.
    """

    text: str
    choice_logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nouns:
    """What a kind of task calls its answers.

    Attributes:
        answer, answers: one of them, and several: 'label', 'labels'.
        invalid: what an answer does in which none could be read: 'names no label', with its plural and past.
    """

    answer: str
    answers: str
    invalid: str
    invalid_many: str
    invalid_past: str
