"""A kind of task: what is asked about a text, what may be answered, how an answer is read and scored.

Arms, training, scoring and the report know a task by this protocol only. A task is bound to an evalset: it
knows what may be answered there. It reads rows and texts, never files, and draws no random numbers.
`harness.tasks.kinds` makes the task of an evalset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from advisor.options import Option, TaskKind
from harness.core.records import AnswerForm, Estimate, Item, Message, Neighbour, Passage, Target
from harness.tasks.field_breakdown import FieldBreakdown
from harness.tasks.label_breakdown import LabelBreakdown
from harness.tasks.measures import Measuring
from harness.tasks.question_breakdown import QuestionBreakdown
from harness.tasks.records import Combined, Guide, Metric, Score
from harness.tasks.scored import Scored

Breakdown = LabelBreakdown | FieldBreakdown | QuestionBreakdown
"""What a task may say of what lies behind its primary metric, of every kind."""


class Task(Protocol):
    """One kind of task on one evalset."""

    @property
    def kind(self) -> TaskKind:
        """Which kind it is."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What answers are measured by, the primary metric first."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The targets of a closed set, in the order in which scores are stored; () where it is open."""

    @property
    def guides(self) -> tuple[Guide, ...]:
        """What a prompt with examples can say of the answers: what differs in nothing stands here once."""

    def read_target(self, cells: Sequence[str]) -> Target | None:
        """The target of a row from the cells that hold it, None where they are empty.

        Raises:
            ValueError: what is wrong with them, as a phrase.
        """

    def stratum(self, item: Item) -> str:
        """Rows of one stratum are spread evenly over the splits."""

    def settings(self, option: Option) -> Mapping[str, object]:
        """What of the task decides an option's answers, as plain JSON values: part of journal keys."""

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

    def form(self, among: Sequence[Item] | None = None) -> AnswerForm:
        """What a model's answer is held to.

        Args:
            among: only what these rows were answered with may be answered, where the set is closed.

        Raises:
            DataError: if what may be answered cannot be told apart by a language model.
        """

    def target_text(self, target: Target) -> str:
        """What a model has to write for a target: what a tuned one learns, and what examples show."""

    def parse(self, text: str) -> Target | None:
        """The answer that a text gives, None if it gives none."""

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """How good an answer is; None is no answer at all, which is right nowhere.

        Args:
            hits: what was shown with the item, the nearest first.
        """

    def others(self, test: Scored, how: Measuring) -> tuple[Estimate, ...]:
        """The metrics beside the primary one, over all items."""

    def breakdown(self, dev: Scored, test: Scored, how: Measuring) -> Breakdown:
        """What lies behind the primary metric."""

    def combine(self, rows: Sequence[Item], weights: Sequence[float], item: Item | None = None) -> Combined:
        """The answer that rows give together, each with its weight: the most frequent one, part by part.

        Args:
            item: what is to be answered; what of an open set does not stand in its text is left out.
        """


def primary(task: Task) -> Metric:
    """The metric that arms are compared by."""
    return next(metric for metric in task.metrics if metric.primary)


class ReadsPassages(Task, Protocol):
    """A task over documents."""

    def reading(self, item: Item, passages: Sequence[Passage]) -> tuple[Message, ...]:
        """What a language model is sent about an item with passages, the nearest first."""

    def extracted(self, sentence: str | None, place: int = 1) -> str:
        """The answer of somebody who reads one sentence out, as a model would write it.

        Args:
            sentence: None where none of them answers.
            place: which of the passages it stands in, the nearest is 1.
        """
