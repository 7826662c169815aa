"""How often the advice held: counted by hand, a run twice once, and what informed a range apart."""

from __future__ import annotations

import pytest

from advisor.options import Option
from advisor.rubric.rubric import Informed
from harness.core.records import ArmId
from harness.track_record.count import Seen, track_record
from harness.track_record.records import AdviceCheck, CheckedRange

ARM = ArmId(option=Option.LINEAR, model="linear")
KNOWN = (Informed(evalset="known", metrics=frozenset({"accuracy"}), reason="it was looked at"),)


def figure(
    metric: str, low: float, high: float, measured: float | None, *, same: bool = True
) -> CheckedRange:
    inside = None if measured is None else low <= measured <= high
    return CheckedRange(
        arm=ARM,
        metric=metric,
        predicted_model="m",
        low=low,
        high=high,
        measured=measured,
        inside=inside,
        same_model=same,
    )


def seen(
    run_id: str,
    *figures: CheckedRange,
    evalset: str = "mine",
    plan: str = "p",
    rows: str = "r",
    **changes: str,
) -> Seen:
    told = {"answer": "tune", "measured_answer": "tune", "first": "tune", "measured_first": "linear"}
    advice = AdviceCheck(case="c", figures=figures, inside=0, tested=len(figures), **{**told, **changes})
    return Seen(run_id=run_id, evalset=evalset, digests={"test": rows}, plan_digest=plan, advice=advice)


def test_ranges_are_counted_by_metric() -> None:
    """By hand: accuracy 1 of 2, widths 0.2 and 0.4; p95 1 of 1 from 10 to 40; the rest is no test."""
    record = track_record(
        [
            seen(
                "a",
                figure("accuracy", 0.6, 0.8, 0.7),
                figure("p95_ms", 10, 40, 20),
                figure("accuracy", 0.5, 0.6, 0.55, same=False),
            ),
            seen(
                "b",
                figure("accuracy", 0.5, 0.9, 0.95),
                figure("p95_ms", 1, 2, None),
                evalset="other",
                rows="s",
            ),
        ],
        (),
    )
    accuracy, p95, usd = record.held
    assert (accuracy.inside, accuracy.share.n, accuracy.share.value) == (1, 2, 0.5)
    assert accuracy.mean_width == pytest.approx(0.3)
    # 1 of 2: one or more of them hold with 2.5 % where 1 - (1 - p)^2 = 0.025
    assert accuracy.share.low == pytest.approx(1 - 0.975**0.5) == pytest.approx(1 - accuracy.share.high)
    assert (p95.inside, p95.share.n) == (1, 1) and p95.mean_ratio == pytest.approx(4)
    assert usd.share.n == 0 and usd.share.value is None and usd.mean_width is None
    assert accuracy.share.unit == "predictions"


def test_the_same_plan_on_the_same_rows_counts_once() -> None:
    one = figure("accuracy", 0.6, 0.8, 0.7)
    record = track_record(
        [seen("a", one), seen("b", one), seen("c", one, rows="s"), seen("d", one, plan="q")], ()
    )
    assert record.held[0].share.n == 3
    assert [run.counted for run in record.runs] == [True, False, True, True]
    assert "of a" in record.runs[1].why and record.ranked_first.n == 3


def test_runs_on_one_evalset_count_as_one_case() -> None:
    """Three runs that hold on one evalset are worth one case, which all hold with 2.5 % at p = 0.025."""
    one = figure("accuracy", 0.6, 0.8, 0.7)
    record = track_record([seen(plan, one, plan=plan) for plan in "abc"], ())
    found = record.held[0].share
    assert (found.value, found.n, found.low, found.high) == (1.0, 3, pytest.approx(0.025), 1.0)
    assert record.ranked_first.high == pytest.approx(0.975) and record.ranked_first.value == 0.0


def test_what_informed_a_range_is_no_test_of_it() -> None:
    record = track_record(
        [seen("a", figure("accuracy", 0.6, 0.8, 0.7), figure("p95_ms", 10, 40, 20), evalset="known")], KNOWN
    )
    assert record.held[0].share.n == 0 and record.held[1].share.n == 1, "the other metric is still a test"
    assert record.informed[0].inside == 1 and record.informed_because == (
        "known (accuracy): it was looked at",
    )


def test_rankings_and_answers_are_counted_where_both_said_something() -> None:
    record = track_record(
        [
            seen("a"),
            seen("b", plan="q", first="linear"),
            seen("c", plan="s", measured_answer="not enough evidence", measured_first="none"),
            seen("d", plan="t", measured_answer="retrieve"),
        ],
        (),
    )
    assert (record.ranked_first.n, record.ranked_first.value) == (3, pytest.approx(1 / 3))
    assert (record.answered.n, record.answered.value) == (3, pytest.approx(2 / 3))


def test_nothing_is_nothing() -> None:
    record = track_record([], KNOWN)
    assert record.runs == () and record.answered.value is None and record.informed_because == ()
