"""Means of values that are no plain right or wrong, with intervals by hand and by a second program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from harness.core.records import Completion, Item, Neighbour, Timing
from harness.tasks.measures import everything, mean
from harness.tasks.records import Score
from harness.tasks.scored import ANOTHER, FAILED, INVALID, TARGET, Scored
from harness.tasks.scoring import score
from tests.support.scored import HOW, failures

VALUES = (0.0, 0.5, 1.0, 0.75, 0.25, 1.0, 0.5, 0.5)


def measured(values: tuple[float, ...], clusters: tuple[str, ...] | None = None) -> Scored:
    """Items with these values, as an open task gives them."""
    names = clusters or (None,) * len(values)
    items = tuple(
        Item(id=str(n), text="", target={"field": "value"}, cluster=name) for n, name in enumerate(names)
    )
    n = len(values)
    return Scored(
        items=items,
        scores=(Score(values={}, answer={}),) * n,
        values=np.array(values),
        truth=np.zeros(n, dtype=np.int64),
        answer=np.zeros(n, dtype=np.int64),
        logprobs=np.zeros((n, 0)),
        outcomes=failures(items),
    )


def test_a_mean_of_values_in_between_has_the_t_interval() -> None:
    scored = measured(VALUES)
    found = mean("field F1", scored, scored.values, everything(scored), HOW)
    low, high = stats.t.interval(0.95, len(VALUES) - 1, np.mean(VALUES), stats.sem(VALUES))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(VALUES), low, high))
    assert (found.metric, found.n, found.method) == ("field F1", 8, "cluster-robust t")


def test_items_of_one_cluster_count_as_little_as_they_vary() -> None:
    """Every item twice over in a cluster of its own tells no more than once."""
    once = measured(VALUES)
    twice = measured((*VALUES, *VALUES), tuple(f"c{n}" for n in range(8)) * 2)
    one, two = (mean("m", s, s.values, everything(s), HOW) for s in (once, twice))
    assert (two.low, two.high) == pytest.approx((one.low, one.high)) and two.n == 2 * one.n


def test_values_of_0_and_1_are_a_share() -> None:
    scored = measured((1.0, 0.0, 1.0, 1.0, 0.0, 1.0))
    assert mean("m", scored, scored.values, everything(scored), HOW).method == "Wilson"
    twice = measured((1.0, 0.0, 1.0, 1.0, 0.0, 1.0) * 4, tuple(f"c{n}" for n in range(12)) * 2)
    found = mean("m", twice, twice.values, everything(twice), HOW)
    assert found.method == "cluster bootstrap", "also of wholly right answers beside a mean in between"
    alone = mean("m", apart := measured(tuple(twice.values)), apart.values, everything(apart), HOW)
    assert found.high - found.low > 1.2 * (alone.high - alone.low), "every item twice tells no more than once"


@pytest.mark.parametrize("values", [(0.5, 0.25), (0.5,) * 9])
def test_too_few_values_or_none_that_differ_give_no_interval(values: tuple[float, ...]) -> None:
    scored = measured(values)
    found = mean("m", scored, scored.values, everything(scored), HOW)
    assert found.value == np.mean(values) and found.low is None and found.reason


def test_the_interval_covers_as_often_as_it_says() -> None:
    """400 samples of 60 skewed values: 95 % give or take two and a half standard errors."""
    rng, hits = np.random.default_rng(5), 0
    for _ in range(400):
        scored = measured(tuple(rng.beta(2.0, 1.0, 60).tolist()))
        found = mean("m", scored, scored.values, everything(scored), HOW)
        hits += (found.low or 0.0) <= 2 / 3 <= (found.high or 1.0)
    assert abs(hits / 400 - 0.95) < 0.0275


class _Halves:
    """An open task that gives half for the right key."""

    choices = ()
    metrics = (type("M", (), {"primary": True, "name": "half"})(),)

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        answer = None if text in (None, "?") else {"said": text}
        value = {"right": 1.0, "near": 0.5}.get(text or "", 0.0)
        return Score(values={"half": value}, answer=answer)


def test_open_answers_are_right_invalid_failed_or_another() -> None:
    items = tuple(Item(id=str(n), text="", target={}) for n in range(4))
    said = ("right", "near", "?")
    outcomes = {
        str(n): Completion(item_id=str(n), text=text, timing=Timing(model_s=0.1))
        for n, text in enumerate(said)
    }
    from harness.core.records import Failure, FailureKind

    failed = Failure(item_id="3", kind=FailureKind.TIMEOUT, message="late")
    found = score(items, {**outcomes, "3": failed}, _Halves())  # type: ignore[arg-type]
    assert found.answer.tolist() == [TARGET, ANOTHER, INVALID, FAILED]
    assert found.values.tolist() == [1.0, 0.5, 0.0, 0.0] and found.correct.tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert not found.scored.any(), "no closed set, no distribution over it"
