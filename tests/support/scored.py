"""Scored answers from a few strings, for tests of the measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advisor.stats.intervals import Ints
from harness.core.records import Completion, Failure, FailureKind, Item, Label, Outcome, Timing
from harness.tasks.classification import ClassificationTask
from harness.tasks.measures import Measuring
from harness.tasks.outcomes import Outcomes
from harness.tasks.records import PromptLimits, Score
from harness.tasks.scored import Scored
from harness.tasks.scoring import score

LABELS = ("a", "b", "c")
TASK = ClassificationTask([Label(name=name) for name in LABELS], PromptLimits())
HOW = Measuring(draws=400, precision=0.9, seed=3)


def items(truth: str, prefix: str = "t") -> tuple[Item, ...]:
    """One item a letter, which is its label."""
    return tuple(Item(id=f"{prefix}{n}", text=f"text {n}", target=label) for n, label in enumerate(truth))


def outcomes(
    rows: Sequence[Item],
    said: str,
    logprobs: Sequence[tuple[float, ...] | None] | None = None,
    seconds: float = 0.1,
    batched: bool = False,
) -> dict[str, Outcome]:
    """One outcome a letter: the answer, '?' for an invalid one, '!' for a failure."""
    found: dict[str, Outcome] = {}
    for n, (item, letter) in enumerate(zip(rows, said, strict=True)):
        timing = Timing(model_s=seconds, batched=batched)
        if letter == "!":
            found[item.id] = Failure(item_id=item.id, kind=FailureKind.TIMEOUT, message="late", timing=timing)
        else:
            found[item.id] = Completion(
                item_id=item.id,
                text="no idea" if letter == "?" else letter,
                choice_logprobs=logprobs[n] if logprobs else None,
                timing=timing,
            )
    return found


def scored(truth: str, said: str, prefix: str = "t", **more: object) -> Scored:
    """Items of `truth` answered with `said`."""
    rows = items(truth, prefix)
    return score(rows, outcomes(rows, said, **more), TASK)  # type: ignore[arg-type]


def failures(rows: Sequence[Item]) -> Outcomes:
    """Nobody answered: what is looked at are codes."""
    return Outcomes.of(Failure(item_id=item.id, kind=FailureKind.TIMEOUT, message="late") for item in rows)


def coded(
    rows: Sequence[Item], truth: Sequence[int] | Ints, answer: Sequence[int] | Ints, logprobs: object
) -> Scored:
    """Scores of a closed set from codes."""
    right = [float(one == other) for one, other in zip(truth, answer, strict=True)]
    return Scored(
        items=tuple(rows),
        scores=tuple(Score(values={"accuracy": value}, answer=None) for value in right),
        values=np.array(right),
        truth=np.array(truth),
        answer=np.array(answer),
        logprobs=np.array(logprobs, dtype=float).reshape(len(rows), -1 if rows else 1),
        outcomes=failures(rows),
    )
