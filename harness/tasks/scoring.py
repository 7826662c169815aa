"""Outcomes lined up with items, each scored by its task, one after the other: none is held whole."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from advisor.stats.intervals import Floats
from harness.core.records import Completion, Item, Outcome, Target
from harness.tasks.base import Task, primary
from harness.tasks.measures import surest
from harness.tasks.outcomes import Outcomes
from harness.tasks.records import Score
from harness.tasks.scored import ANOTHER, FAILED, INVALID, OTHER, TARGET, Scored

_BLOCK = 1024  # distributions that are turned to confidences together


def score(items: Sequence[Item], outcomes: Mapping[str, Outcome], task: Task) -> Scored:
    """Line outcomes up with items, and let the task say how good each is.

    Raises:
        ValueError: if an item has no outcome; a missing outcome is an incomplete run, not an error
            of the arm.
    """
    missing = [item.id for item in items if item.id not in outcomes]
    if missing:
        raise ValueError(f"{len(missing)} items have no outcome, the first is {missing[0]}")
    return score_each(((item, outcomes[item.id]) for item in items), task)


def score_each(
    given: Iterable[tuple[Item, Outcome]], task: Task, temperatures: Sequence[float] | None = None
) -> Scored:
    """Score outcomes as they come.

    Args:
        temperatures: of which confidences are kept in the place of whole distributions; None keeps these.
    """
    metric, code = primary(task).name, {choice: number for number, choice in enumerate(task.choices)}
    items: list[Item] = []
    scores: list[Score] = []
    answers, held, odds = array("q"), Outcomes(), _Odds(len(code), temperatures)
    known: dict[object, Score] = {}
    for item, outcome in given:
        said = outcome if isinstance(outcome, Completion) else None
        odds.add(None if said is None else said.choice_logprobs)
        if code:  # the same words are as right each time, whatever was shown
            key = (item.target, None if said is None else said.text)
            found = known.get(key) or known.setdefault(key, _scored(task, item, said))
            outcome = replace(said, neighbours=()) if said is not None and said.neighbours else outcome
        else:
            found = _scored(task, item, said)
        items.append(item)
        scores.append(found)
        answers.append(FAILED if said is None else _answer_code(found, found.values[metric], code))
        held.append(outcome, item.id)
    return Scored(
        items=tuple(items),
        scores=tuple(scores),
        values=np.array([one.values[metric] or 0.0 for one in scores], dtype=np.float64),
        truth=np.array([_code(item.target, code, OTHER) for item in items], dtype=np.int64),
        answer=np.array(answers, dtype=np.int64),
        logprobs=odds.rows(len(items)),
        outcomes=held,
        sure=odds.sure(),
    )


class _Odds:
    """Distributions over the choices, or the confidences that are kept of them."""

    def __init__(self, choices: int, temperatures: Sequence[float] | None) -> None:
        self._blank = (np.nan,) * choices
        self._rows = array("d")
        self._waiting = 0
        self._sure = None if temperatures is None else {one: array("d") for one in temperatures}

    def add(self, logprobs: Sequence[float] | None) -> None:
        """The next item's; None where it has none."""
        self._rows.extend(logprobs or self._blank)
        self._waiting += 1
        if self._sure is not None and self._waiting == _BLOCK:
            self._reduce(self._sure)

    def rows(self, items: int) -> Floats:
        """The distributions, (items, choices); (items, 0) where only confidences are kept."""
        choices = len(self._blank) if self._sure is None else 0
        return np.array(self._rows if choices else (), dtype=np.float64).reshape(items, choices)

    def sure(self) -> dict[float, Floats]:
        """By temperature the confidences that are kept."""
        if self._sure is None:
            return {}
        self._reduce(self._sure)
        return {temperature: np.array(found) for temperature, found in self._sure.items()}

    def _reduce(self, sure: dict[float, array[float]]) -> None:
        rows = np.array(self._rows).reshape(self._waiting, len(self._blank))
        for temperature, found in sure.items():
            found.frombytes(surest(rows, temperature).tobytes())
        self._rows, self._waiting = array("d"), 0


def _scored(task: Task, item: Item, given: Completion | None) -> Score:
    return task.score(item, None) if given is None else task.score(item, given.text, given.neighbours)


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
