"""Every kind of task, and the task of an evalset: the one place that lists them."""

from __future__ import annotations

from typing import assert_never

from advisor.options import TaskKind
from harness.core.records import AnswerSpace
from harness.tasks.base import PromptLimits, Task
from harness.tasks.classification import ClassificationTask


def task_of(space: AnswerSpace, limits: PromptLimits | None = None) -> Task:
    """The task of an evalset.

    Args:
        limits: how much text a prompt carries; the usual where nothing is sent.
    """
    match space.kind:
        case TaskKind.CLASSIFICATION:
            return ClassificationTask(space.labels, limits or PromptLimits())
        case _:
            assert_never(space.kind)
