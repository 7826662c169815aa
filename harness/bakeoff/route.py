"""A route: the first arm answers when confident, the second otherwise. Composed from the journal.

No model is called: both arms' answers are already there. The threshold comes from dev, with a
guarantee (Wilson lower bound of the kept answers' precision), or there is none and the reason is given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from advisor.stats.calibration import FOLDS, Selective, cross_fitted, selective_threshold
from harness.bakeoff.results import RouteDesign, RoutePoint
from harness.core.records import ArmId, Completion, Estimate, Failure, Fitted, Item, Outcome, Timing
from harness.tasks.measures import Measuring, confidence, everything, share
from harness.tasks.scored import Scored

_CURVE_POINTS = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteArm:
    """One side of a route: the arm, its scored splits, its temperature and its $ per 1,000 queries."""

    arm: ArmId
    dev: Scored
    test: Scored
    temperature: float | None
    usd_per_1k: Decimal | None


def design_route(first: RouteArm, then: RouteArm, how: Measuring) -> RouteDesign:
    """Choose the threshold on dev and trace the cost/accuracy curve on test."""
    conf_dev, conf_test = confidence(first.dev, first.temperature), confidence(first.test, first.temperature)
    chosen = _choose(conf_dev, first.dev, how.precision)
    kept = None
    if chosen.threshold is not None:
        keep = np.nan_to_num(conf_test, nan=-1.0) >= chosen.threshold
        kept = share("share kept", first.test, keep, everything(first.test), how)
    return RouteDesign(
        first=first.arm,
        then=then.arm,
        precision=how.precision,
        threshold=chosen.threshold,
        kept=kept,
        curve=_curve(first, then, conf_test),
        reason=chosen.reason,
        dev_precision=None if chosen.threshold is None else _cross_fitted(conf_dev, first.dev, how),
    )


def compose(
    design: RouteDesign,
    first: Mapping[str, Outcome],
    then: Mapping[str, Outcome],
    confidences: Mapping[str, float],
    items: tuple[Item, ...],
) -> dict[str, Outcome]:
    """The route's outcomes. An item handed on has spent the first arm's time as well.

    Raises:
        ValueError: if the design has no threshold.
    """
    if design.threshold is None:
        raise ValueError("a route without a threshold cannot be composed")
    composed: dict[str, Outcome] = {}
    for item in items:
        own = first[item.id]
        if confidences.get(item.id, -1.0) >= design.threshold and isinstance(own, Completion):
            composed[item.id] = own
        else:
            composed[item.id] = _handed_on(own, then[item.id])
    return composed


def route_fitted(design: RouteDesign) -> Fitted:
    """The record of what the route settled on."""
    return Fitted(
        choices={
            "first": str(design.first),
            "then": str(design.then),
            "threshold": "none" if design.threshold is None else round(design.threshold, 4),
            "precision": design.precision,
        },
        seconds=0.0,
        notes=(design.reason,) if design.reason else (),
    )


def _choose(conf: NDArray[np.float64], dev: Scored, precision: float) -> Selective:
    known = dev.where(~np.isnan(conf))
    if not known.items:
        return Selective(threshold=None, coverage=0.0, reason="the first arm gives no confidence")
    return selective_threshold(conf[~np.isnan(conf)], known.correct, precision, clusters=known.clusters)


def _cross_fitted(conf: NDArray[np.float64], dev: Scored, how: Measuring) -> Estimate:
    sure = ~np.isnan(conf)
    known = dev.where(sure)
    kept, without = cross_fitted(conf[sure], known.correct, how.precision, how.rng(), clusters=known.clusters)
    found = share("precision of kept dev answers", known, known.correct, kept, how)
    method = f"{FOLDS} folds of dev, {without} without a threshold, {found.method}"
    return dataclasses.replace(found, method=method)


def _handed_on(own: Outcome, other: Outcome) -> Outcome:
    """The second arm's outcome; the time that the first arm spent before is in it, where it is known."""
    timing = _together(own.timing, other.timing)
    match other:
        case Completion():
            return dataclasses.replace(other, timing=timing or other.timing, choice_logprobs=None)
        case Failure():
            return dataclasses.replace(other, timing=timing)


def _together(own: Timing | None, other: Timing | None) -> Timing | None:
    if own is None or other is None:
        return other
    return Timing(
        queue_s=own.queue_s + other.queue_s,
        retrieval_s=own.retrieval_s + other.retrieval_s,
        model_s=own.model_s + other.model_s,
        batched=own.batched or other.batched,
    )


def _curve(first: RouteArm, then: RouteArm, conf: NDArray[np.float64]) -> tuple[RoutePoint, ...]:
    known = np.nan_to_num(conf, nan=-1.0)
    levels = np.unique(np.quantile(known, np.linspace(0, 1, _CURVE_POINTS)))
    points = []
    for threshold in [*levels.tolist(), 1.01]:
        keep = known >= threshold
        right = np.where(keep, first.test.correct, then.test.correct)
        points.append(
            RoutePoint(
                threshold=float(threshold),
                kept=float(keep.mean()),
                accuracy=float(right.mean()),
                usd_per_1k=_blend(first.usd_per_1k, then.usd_per_1k, float(keep.mean())),
            )
        )
    return tuple(points)


def _blend(first: Decimal | None, then: Decimal | None, kept: float) -> Decimal | None:
    """Every query pays the first arm, those handed on pay the second as well."""
    if first is None or then is None:
        return None
    return first + then * Decimal(str(round(1 - kept, 6)))
