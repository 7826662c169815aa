"""Routes are put together from two arms' answers: who answers, what it costs, how long it takes."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.options import Option
from harness.bakeoff.results import RouteDesign
from harness.bakeoff.route import RouteArm, compose, design_route, route_fitted
from harness.core.records import ArmId, Completion, Failure, FailureKind, Item, Outcome, Timing
from harness.tasks.label_breakdown import by_label
from harness.tasks.measures import fit_dev_temperature
from harness.tasks.scored import Scored
from harness.tasks.scoring import score
from tests.support.scored import HOW, TASK, items, outcomes

FIRST = ArmId(option=Option.LINEAR, model="linear")
THEN = ArmId(option=Option.RETRIEVE, model="m")


def confident(p: float) -> tuple[float, float, float]:
    return (math.log(p), math.log((1 - p) / 2), math.log((1 - p) / 2))


def arm(name: ArmId, rows: tuple[Item, ...], said: str, p: list[float] | None, usd: str | None) -> RouteArm:
    """The same items stand for dev and test; the temperature is left at 1."""
    found: Scored = score(
        rows, outcomes(rows, said, logprobs=None if p is None else [confident(v) for v in p]), TASK
    )
    return RouteArm(
        arm=name,
        dev=found,
        test=found,
        temperature=1.0 if p else None,
        usd_per_1k=None if usd is None else Decimal(usd),
    )


# 60 items at 0.95 that the first arm gets right, 20 at 0.5 of which it gets none; the second gets all right
ROWS = items("a" * 60 + "b" * 20)
ONE = arm(FIRST, ROWS, "a" * 80, [0.95] * 60 + [0.5] * 20, "0.10")
TWO = arm(THEN, ROWS, "a" * 60 + "b" * 20, None, "2.00")


def test_the_threshold_keeps_what_is_sure_enough() -> None:
    design = design_route(ONE, TWO, HOW)
    # 60 of 60 right: Wilson's lower bound is 60 / (60 + z^2) = 0.9398, above 0.9; 60 of 80 is far below
    assert design.threshold == pytest.approx(0.95) and design.kept is not None
    assert design.kept.value == pytest.approx(0.75) and design.kept.n == 80 and not design.reason
    # the surest answers are all right, in whatever folds: what is kept of dev is right as well
    assert design.dev_precision is not None
    assert design.dev_precision.value == 1.0 and design.dev_precision.n <= 60


def test_what_is_kept_of_items_that_stand_together_is_less_sure() -> None:
    """Every item twice, all right and kept: Wilson over the clusters, 60 / (60 + z^2) = 0.9398 by hand."""
    rows = tuple(replace(row, cluster=str(n // 2)) for n, row in enumerate(items("a" * 120)))
    one = arm(FIRST, rows, "a" * 120, [0.95] * 120, "0.10")
    design = design_route(one, arm(THEN, rows, "a" * 120, None, "2.00"), HOW)
    for found in (design.kept, design.dev_precision):
        assert found is not None and found.value == 1.0 and found.n == 120
        assert found.low == pytest.approx(60 / (60 + 1.959964**2), abs=1e-6)
    coverage = by_label(one.dev, one.test, ("a", "b", "c"), HOW).coverage
    assert coverage is not None and design.kept is not None and coverage.low == design.kept.low


def test_without_a_guarantee_there_is_no_threshold_and_a_reason() -> None:
    design = design_route(ONE, TWO, replace(HOW, precision=0.95))
    assert design.threshold is None and design.kept is None and design.reason
    assert route_fitted(design).notes == (design.reason,)
    with pytest.raises(ValueError, match="threshold"):
        compose(design, {}, {}, {}, ())


def test_an_arm_without_confidence_cannot_come_first() -> None:
    assert "no confidence" in design_route(TWO, ONE, HOW).reason


def test_the_curve_runs_from_all_of_the_first_to_all_of_the_second() -> None:
    curve = design_route(ONE, TWO, HOW).curve
    least, most = curve[0], curve[-1]
    assert (least.kept, least.accuracy) == (1.0, 0.75) and (most.kept, most.accuracy) == (0.0, 1.0)
    # everybody pays the first arm, those handed on the second as well
    assert least.usd_per_1k == Decimal("0.10") and most.usd_per_1k == Decimal("2.10")
    middle = {(point.kept, point.accuracy, point.usd_per_1k) for point in curve if 0 < point.kept < 1}
    assert middle == {(0.75, 1.0, Decimal("0.10") + Decimal("0.50"))}
    unknown = design_route(ONE, arm(THEN, ROWS, "a" * 80, None, None), HOW).curve
    assert all(point.usd_per_1k is None for point in unknown)


def design(threshold: float) -> RouteDesign:
    return RouteDesign(first=FIRST, then=THEN, precision=0.9, threshold=threshold, kept=None)


def said(item: Item, text: str, seconds: float) -> Completion:
    timing = Timing(queue_s=seconds, retrieval_s=seconds, model_s=seconds)
    return Completion(item_id=item.id, text=text, choice_logprobs=confident(0.9), timing=timing)


def lost(item: Item, seconds: float | None = None) -> Failure:
    timing = None if seconds is None else Timing(model_s=seconds)
    return Failure(item_id=item.id, kind=FailureKind.TIMEOUT, message="late", timing=timing)


def test_who_answers_and_what_time_it_took() -> None:
    rows = items("aaaa")
    first: dict[str, Outcome] = {i.id: said(i, "a", 1.0) for i in rows}
    then: dict[str, Outcome] = {i.id: said(i, "b", 10.0) for i in rows} | {"t3": lost(rows[3])}
    found = compose(design(0.8), first, then, {"t0": 0.9, "t1": 0.8, "t2": 0.79, "t3": 0.1}, rows)
    assert found["t0"] == first["t0"] and found["t1"] == first["t1"], "at the threshold it is kept"
    handed = found["t2"]
    assert isinstance(handed, Completion) and handed.text == "b" and handed.choice_logprobs is None
    assert (handed.timing.queue_s, handed.timing.retrieval_s, handed.timing.model_s) == (11, 11, 11)
    assert found["t3"] == then["t3"], "the second arm's failure is the route's"


def test_a_first_arm_that_failed_hands_on_with_the_time_it_lost() -> None:
    (item,) = items("a")
    found = compose(
        design(0.0), {item.id: lost(item, 7.0)}, {item.id: said(item, "b", 1.0)}, {item.id: 1.0}, (item,)
    )
    answer = found[item.id]
    assert isinstance(answer, Completion) and answer.text == "b" and answer.timing.model_s == 8.0
    unknown = compose(design(0.0), {item.id: lost(item)}, {item.id: said(item, "b", 1.0)}, {}, (item,))[
        item.id
    ]
    assert isinstance(unknown, Completion) and unknown.timing.model_s == 1.0


def test_dev_fits_the_temperature_of_the_first_arm() -> None:
    assert fit_dev_temperature(ONE.dev) is not None and fit_dev_temperature(TWO.dev) is None
