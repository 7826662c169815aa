"""Scored answers from a few strings, for tests of the measures."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.quality import Measuring
from harness.bakeoff.scored import Scored, score
from harness.core.records import Failure, FailureKind, Item, Outcome, Prediction, Timing

LABELS = ("a", "b", "c")
HOW = Measuring(draws=400, precision=0.9, seed=3)


def items(truth: str, prefix: str = "t") -> tuple[Item, ...]:
    """One item a letter, which is its label."""
    return tuple(Item(id=f"{prefix}{n}", text=f"text {n}", label=label) for n, label in enumerate(truth))


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
            found[item.id] = Prediction(
                item_id=item.id,
                text="no idea" if letter == "?" else letter,
                label_logprobs=logprobs[n] if logprobs else None,
                timing=timing,
            )
    return found


def scored(truth: str, said: str, prefix: str = "t", **more: object) -> Scored:
    """Items of `truth` answered with `said`."""
    rows = items(truth, prefix)
    return score(rows, outcomes(rows, said, **more), LABELS)  # type: ignore[arg-type]
