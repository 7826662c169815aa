"""Every kind of task, and the task of an evalset: the one place that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from advisor.options import TaskKind
from harness.core.records import AnswerSpace, Passage
from harness.tasks import classification, extraction, questions
from harness.tasks.base import Task
from harness.tasks.classification import ClassificationTask
from harness.tasks.extraction import ExtractionTask
from harness.tasks.questions import QuestionTask
from harness.tasks.records import Metric, Nouns, PromptLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFacts:
    """What holds of every task of a kind.

    Attributes:
        nouns: what it calls its answers.
        primary: the metric that arms are compared by.
        prompt_versions: every wording of its prompts, the newest last.
    """

    nouns: Nouns
    primary: Metric
    prompt_versions: tuple[str, ...]


def facts_of_kind(kind: TaskKind) -> KindFacts:
    """What holds of every task of a kind."""
    match kind:
        case TaskKind.CLASSIFICATION:
            return KindFacts(
                nouns=classification.NOUNS,
                primary=classification.ACCURACY,
                prompt_versions=classification.PROMPT_VERSIONS,
            )
        case TaskKind.EXTRACTION:
            return KindFacts(
                nouns=extraction.NOUNS,
                primary=extraction.FIELD_F1,
                prompt_versions=extraction.PROMPT_VERSIONS,
            )
        case TaskKind.QUESTION_ANSWERING:
            return KindFacts(
                nouns=questions.NOUNS, primary=questions.RIGHT, prompt_versions=questions.PROMPT_VERSIONS
            )
        case _:
            assert_never(kind)


def task_of(
    space: AnswerSpace,
    limits: PromptLimits | None = None,
    passages: Mapping[str, Passage] | None = None,
) -> Task:
    """The task of an evalset.

    Args:
        limits: how much text a prompt carries; the usual where nothing is sent.
        passages: of documents, those that were shown, by id, where answers are scored.
    """
    match space.kind:
        case TaskKind.CLASSIFICATION:
            return ClassificationTask(space.labels, limits or PromptLimits())
        case TaskKind.EXTRACTION:
            return ExtractionTask(space.schema, limits or PromptLimits())
        case TaskKind.QUESTION_ANSWERING:
            return QuestionTask(limits or PromptLimits(), passages=passages)
        case _:
            assert_never(space.kind)
