"""Outcomes that are held without what is alike, and confidences that are kept without distributions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from advisor.money.usage import CountedBy, Usage
from harness.core.records import Completion, Failure, FailureKind, Outcome, Timing
from harness.tasks.measures import confidence
from harness.tasks.outcomes import Outcomes
from harness.tasks.scored import together
from harness.tasks.scoring import score, score_each
from tests.support.scored import TASK, items, outcomes

GIVEN: tuple[Outcome, ...] = (
    Completion(
        item_id="t0",
        text="a",
        usage=Usage(input_tokens=9, output_tokens=1, counted_by=CountedBy.PROVIDER),
        timing=Timing(queue_s=0.5, retrieval_s=0.25, model_s=2.0),
    ),
    Failure(item_id="t1", kind=FailureKind.TIMEOUT, message="late"),
    Completion(item_id="t2", text="a", timing=Timing(model_s=1.0, batched=True)),
    Completion(item_id="t3", text="a", timing=Timing(model_s=3.0, batched=True)),
)


def test_outcomes_come_back_as_they_were_put() -> None:
    held = Outcomes.of(GIVEN)
    assert tuple(held) == GIVEN and held[-1] == GIVEN[-1] and tuple(held[1:3]) == GIVEN[1:3]
    assert tuple(held.take(np.array([3, 0]))) == (GIVEN[3], GIVEN[0])
    assert tuple(held[:1] + held[2:]) == (GIVEN[0], *GIVEN[2:])
    assert held.alike[2] is held.alike[3] and held.alike[0] is not held.alike[2], "but for its seconds"


def test_a_distribution_is_not_held() -> None:
    (one,) = Outcomes.of([dataclasses.replace(GIVEN[2], choice_logprobs=(0.0, -1.0, -2.0))])
    assert one == GIVEN[2]


def test_confidences_are_those_of_the_distributions() -> None:
    """Two temperatures, 3,000 items in several blocks, some without a distribution or an answer."""
    rng = np.random.default_rng(2)
    rows = items("".join(rng.choice(list("abc"), 3000)))
    odds = [None if n % 7 == 0 else tuple(rng.normal(size=3).tolist()) for n in range(len(rows))]
    found = outcomes(rows, "".join(rng.choice(list("abc?!"), 3000)), odds)
    whole = score(rows, found, TASK)
    lean = score_each(((item, found[item.id]) for item in rows), TASK, (0.5, 2.0))
    for temperature in (0.5, 2.0):
        wanted = confidence(whole, temperature)
        assert np.array_equal(confidence(lean, temperature), wanted, equal_nan=True)
        some = together(lean.where(whole.correct), lean.where(~whole.correct))
        order = np.concatenate([np.flatnonzero(whole.correct), np.flatnonzero(~whole.correct)])
        assert np.array_equal(confidence(some, temperature), wanted[order], equal_nan=True)
    assert np.array_equal(lean.answer, whole.answer) and np.array_equal(lean.values, whole.values)
    assert lean.logprobs.size == 0 and np.isnan(confidence(lean, None)).all()
    with pytest.raises(KeyError):
        confidence(lean, 1.0)
