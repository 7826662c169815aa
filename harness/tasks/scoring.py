"""Outcomes lined up with items, each scored by its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.records import Completion, Item, Outcome, Target
from harness.tasks.base import Task, primary
from harness.tasks.records import Score
from harness.tasks.scored import ANOTHER, FAILED, INVALID, OTHER, TARGET, Scored


def score(items: Sequence[Item], outcomes: Mapping[str, Outcome], task: Task) -> Scored:
    """Line outcomes up with items, and let the task say how good each is.

    Raises:
        ValueError: if an item has no outcome; a missing outcome is an incomplete run, not an error
            of the arm.
    """
    missing = [item.id for item in items if item.id not in outcomes]
    if missing:
        raise ValueError(f"{len(missing)} items have no outcome, the first is {missing[0]}")
    metric = primary(task).name
    code = {choice: number for number, choice in enumerate(task.choices)}
    completions = [_completion(outcomes[item.id]) for item in items]
    scores = [_scored(task, item, given) for item, given in zip(items, completions, strict=True)]
    blank = [np.nan] * len(code)
    rows = [list(given.choice_logprobs or blank) if given else blank for given in completions]
    return Scored(
        items=tuple(items),
        scores=tuple(scores),
        values=np.array([score.values[metric] or 0.0 for score in scores], dtype=np.float64),
        truth=np.array([_code(item.target, code, OTHER) for item in items], dtype=np.int64),
        answer=np.array(
            [
                FAILED if given is None else _answer_code(score, score.values[metric], code)
                for score, given in zip(scores, completions, strict=True)
            ],
            dtype=np.int64,
        ),
        logprobs=np.array(rows, dtype=np.float64).reshape(len(items), len(code)),
        completions=tuple(completions),
    )


def _scored(task: Task, item: Item, given: Completion | None) -> Score:
    return task.score(item, None) if given is None else task.score(item, given.text, given.neighbours)


def _completion(outcome: Outcome) -> Completion | None:
    return outcome if isinstance(outcome, Completion) else None


def _answer_code(score: Score, value: float | None, code: Mapping[str, int]) -> int:
    """An answer's place in a closed set; of an open one, whether it is the target."""
    if score.answer is None or code:
        return _code(score.answer, code, INVALID)
    return TARGET if value is not None and value >= 1.0 else ANOTHER


def _code(target: Target | None, code: Mapping[str, int], other: int) -> int:
    """A target's place in a closed set; `TARGET` for one of an open set."""
    if target is None:
        return other
    return code.get(target, other) if isinstance(target, str) and code else TARGET
