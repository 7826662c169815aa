"""The advice against the measurement: which predicted ranges held, and where the advice was wrong.

A prediction is tested only by the model it was made for; on another model both figures are shown, and
nothing is counted. A figure that was timed on a busy machine tests nothing either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from advisor.options import Option
from harness.bakeoff.plan import AdvicePlan, Predicted
from harness.bakeoff.results import ArmResult, Verdict
from harness.core.records import ArmId
from harness.track_record.records import AdviceCheck, CheckedRange

_OPEN = re.compile(r"open ([\d.]+)B")
_SAME_SIZE = 0.05


def check_advice(
    advice: AdvicePlan, arms: Sequence[ArmResult], verdict: Verdict, ship: ArmId | None
) -> AdviceCheck:
    """Set every predicted range beside what was measured, and the first option beside the arm to ship.

    Args:
        ship: the arm that is to answer; of a route to today's way, its own.
    """
    figures = tuple(
        figure
        for predicted in advice.predictions
        for arm in arms
        if arm.arm.option is predicted.option and not arm.arm.to_today  # it expects a route to a model
        for figure in _figures(predicted, arm)
    )
    tested = [figure for figure in figures if figure.same_model and figure.inside is not None]
    ships = "none" if ship is None else ship.option.value
    first = advice.ranking[0].value if advice.ranking else "none"
    return AdviceCheck(
        case=advice.case,
        answer=advice.answer,
        measured_answer=verdict.answer.value,
        first=first,
        measured_first=ships,
        figures=figures,
        inside=sum(bool(figure.inside) for figure in tested),
        tested=len(tested),
    )


def _figures(predicted: Predicted, arm: ArmResult) -> list[CheckedRange]:
    same = _same_model(predicted, arm)
    found = [
        ("accuracy", predicted.accuracy_low, predicted.accuracy_high, arm.primary.value, ""),
        (
            "p95_ms",
            predicted.p95_ms_low,
            predicted.p95_ms_high,
            arm.latency.p95_ms.value,
            arm.latency.busy,
        ),
        (
            "usd_per_1k",
            _float(predicted.usd_per_1k_low),
            _float(predicted.usd_per_1k_high),
            _float(arm.cost.usd_per_1k.usd),
            arm.cost.usd_per_1k.busy,
        ),
    ]
    return [
        CheckedRange(
            arm=arm.arm,
            metric=metric,
            predicted_model=predicted.model,
            low=low,
            high=high,
            measured=measured,
            inside=None if measured is None or busy else low <= measured <= high,
            same_model=same,
            busy=busy,
        )
        for metric, low, high, measured, busy in found
        if low is not None and high is not None
    ]


def _same_model(predicted: Predicted, arm: ArmResult) -> bool:
    """Whether the arm ran what the prediction was for: the very model, or an open one of that size."""
    if arm.arm.option is Option.LINEAR or predicted.model == arm.arm.model:
        return True
    size = _OPEN.fullmatch(predicted.model)
    weights = arm.identity.parameters if arm.identity else None
    if size is None or weights is None:
        return False
    return abs(weights / (float(size.group(1)) * 1e9) - 1) < _SAME_SIZE


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
