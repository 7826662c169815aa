"""A kind of task: what is asked about a text, what may be answered, how an answer is read and scored.

Arms, training, scoring and the report know a task by this protocol only. A task is bound to an evalset: it
knows what may be answered there. It reads rows and texts, never files, and draws no random numbers.
`harness.tasks.kinds` makes the task of an evalset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from advisor.options import Option, TaskKind
from harness.core.records import AnswerForm, Estimate, Item, Message, Neighbour, Passage, Target
from harness.core.references import Reference

if TYPE_CHECKING:
    from harness.tasks.kinds import Breakdown
    from harness.tasks.measures import Measuring
    from harness.tasks.scored import Scored

_CUT = "\n[...]\n"


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

    item_id: str
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


class Task(Protocol):
    """One kind of task on one evalset."""

    @property
    def kind(self) -> TaskKind:
        """Which kind it is."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What answers are measured by, the primary metric first."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """The targets of a closed set, in the order in which scores are stored; () where it is open."""
        ...

    @property
    def guides(self) -> tuple[Guide, ...]:
        """What a prompt with examples can say of the answers: what differs in nothing stands here once."""
        ...

    def read_target(self, cells: Sequence[str]) -> Target | None:
        """The target of a row from the cells that hold it, None where they are empty.

        Raises:
            ValueError: what is wrong with them, as a phrase.
        """
        ...

    def stratum(self, item: Item) -> str:
        """Rows of one stratum are spread evenly over the splits."""
        ...

    def settings(self, option: Option) -> Mapping[str, object]:
        """What of the task decides an option's answers, as plain JSON values: part of journal keys."""
        ...

    def messages(
        self, option: Option, item: Item, shown: Sequence[Item] = (), guide: Guide = Guide.DEFINITIONS
    ) -> tuple[Message, ...]:
        """What a language model is sent about an item.

        Args:
            shown: training rows that are shown with their targets, the nearest last.
            guide: what is said of the answers beside examples.

        Raises:
            ValueError: for an option that calls no language model.
        """
        ...

    def form(self, among: Sequence[Item] | None = None) -> AnswerForm:
        """What a model's answer is held to.

        Args:
            among: only what these rows were answered with may be answered, where the set is closed.

        Raises:
            DataError: if what may be answered cannot be told apart by a language model.
        """
        ...

    def target_text(self, target: Target) -> str:
        """What a model has to write for a target: what a tuned one learns, and what examples show."""
        ...

    def parse(self, text: str) -> Target | None:
        """The answer that a text gives, None if it gives none."""
        ...

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """How good an answer is; None is no answer at all, which is right nowhere.

        Args:
            hits: what was shown with the item, the nearest first.
        """
        ...

    def others(self, test: Scored, how: Measuring) -> tuple[Estimate, ...]:
        """The metrics beside the primary one, over all items."""
        ...

    def breakdown(self, dev: Scored, test: Scored, how: Measuring) -> Breakdown:
        """What lies behind the primary metric."""
        ...

    def combine(self, rows: Sequence[Item], weights: Sequence[float], item: Item | None = None) -> Combined:
        """The answer that rows give together, each with its weight: the most frequent one, part by part.

        Args:
            item: what is to be answered; what of an open set does not stand in its text is left out.
        """
        ...


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


def primary(task: Task) -> Metric:
    """The metric that arms are compared by."""
    return next(metric for metric in task.metrics if metric.primary)


class ReadsPassages(Task, Protocol):
    """A task over documents."""

    def reading(self, item: Item, passages: Sequence[Passage]) -> tuple[Message, ...]:
        """What a language model is sent about an item with passages, the nearest first."""
        ...

    def extracted(self, sentence: str | None, place: int = 1) -> str:
        """The answer of somebody who reads one sentence out, as a model would write it.

        Args:
            sentence: None where none of them answers.
            place: which of the passages it stands in, the nearest is 1.
        """
        ...


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
