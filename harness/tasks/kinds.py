"""Every kind of task, and the task of an evalset: the one place that lists them."""

from __future__ import annotations

from typing import assert_never

from advisor.options import TaskKind
from harness.core.records import AnswerSpace
from harness.tasks import classification, extraction, questions
from harness.tasks.base import Metric, Nouns, PromptLimits, Task
from harness.tasks.classification import ClassificationTask
from harness.tasks.extraction import ExtractionTask
from harness.tasks.field_breakdown import FieldBreakdown
from harness.tasks.label_breakdown import LabelBreakdown
from harness.tasks.question_breakdown import QuestionBreakdown
from harness.tasks.questions import QuestionTask

Breakdown = LabelBreakdown | FieldBreakdown | QuestionBreakdown
"""What a task may say of what lies behind its primary metric, of every kind."""


def nouns_of(kind: TaskKind) -> Nouns:
    """What a kind of task calls its answers."""
    match kind:
        case TaskKind.CLASSIFICATION:
            return classification.NOUNS
        case TaskKind.EXTRACTION:
            return extraction.NOUNS
        case TaskKind.QUESTION_ANSWERING:
            return questions.NOUNS
        case _:
            assert_never(kind)


def primary_of(kind: TaskKind) -> Metric:
    """The metric that arms are compared by."""
    match kind:
        case TaskKind.CLASSIFICATION:
            return classification.ACCURACY
        case TaskKind.EXTRACTION:
            return extraction.FIELD_F1
        case TaskKind.QUESTION_ANSWERING:
            return questions.RIGHT
        case _:
            assert_never(kind)


def prompt_versions(kind: TaskKind) -> tuple[str, ...]:
    """Every wording of a kind's prompts, the newest last."""
    match kind:
        case TaskKind.CLASSIFICATION:
            return classification.PROMPT_VERSIONS
        case TaskKind.EXTRACTION:
            return extraction.PROMPT_VERSIONS
        case TaskKind.QUESTION_ANSWERING:
            return questions.PROMPT_VERSIONS
        case _:
            assert_never(kind)


def task_of(space: AnswerSpace, limits: PromptLimits | None = None) -> Task:
    """The task of an evalset.

    Args:
        limits: how much text a prompt carries; the usual where nothing is sent.
    """
    match space.kind:
        case TaskKind.CLASSIFICATION:
            return ClassificationTask(space.labels, limits or PromptLimits())
        case TaskKind.EXTRACTION:
            return ExtractionTask(space.schema, limits or PromptLimits())
        case TaskKind.QUESTION_ANSWERING:
            return QuestionTask(limits or PromptLimits())
        case _:
            assert_never(space.kind)
