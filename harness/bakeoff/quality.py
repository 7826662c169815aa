"""The quality of one arm's answers: the task's primary metric, its others, and its breakdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from advisor.stats.agreement import kappa
from advisor.stats.intervals import Interval, Unknown
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.results import Quality, SliceResult
from harness.core.records import Estimate, Item
from harness.tasks.base import Task, primary
from harness.tasks.measures import Bools, Measuring, estimate, everything, mean, proportion, share
from harness.tasks.scored import FAILED, INVALID, Scored


def measuring(plan: ExperimentPlan) -> Measuring:
    """How a plan has intervals computed."""
    decision = plan.decision
    return Measuring(draws=decision.bootstrap_draws, precision=decision.route_precision, seed=plan.seed)


def measure_quality(
    dev: Scored, test: Scored, task: Task, overlap: frozenset[str], how: Measuring
) -> Quality:
    """All quality estimates of one arm.

    Args:
        overlap: ids of test items whose text stands in train.
    """
    every, name = everything(test), primary(task).name
    apart = np.array([item.id not in overlap for item in test.items], dtype=bool)
    return Quality(
        primary=mean(name, test, test.values, every, how),
        answered=mean(f"{name} of answered", test, test.values, test.answered, how),
        invalid_rate=share("invalid rate", test, test.answer == INVALID, every, how),
        failure_rate=share("failure rate", test, test.answer == FAILED, every, how),
        dev=mean(f"dev {name}", dev, dev.values, everything(dev), how),
        without_overlap=mean(f"{name} without overlap", test, test.values, apart, how),
        others=task.others(test, how),
        breakdown=task.breakdown(dev, test, how),
        slices=by_slice(test, name, lambda called, among: mean(called, test, test.values, among, how)),
    )


def by_slice(test: Scored, name: str, figure: Callable[[str, Bools], Estimate]) -> tuple[SliceResult, ...]:
    """A figure over the items with each value of each slice column.

    Args:
        name: of the figure.
    """
    found = []
    for column, value in sorted({pair for item in test.items for pair in item.slices}):
        among = np.array([(column, value) in item.slices for item in test.items], dtype=bool)
        primary = figure(f"{name}, {column}={value}", among)
        found.append(SliceResult(column=column, value=value, primary=primary))
    return tuple(found)


def two_annotators(
    twice: Sequence[Item], second: Mapping[str, str], how: Measuring
) -> tuple[Estimate, Estimate]:
    """How far they agree on the items that both labelled, as it is and beyond chance (Cohen's kappa)."""
    labels, others = [item.label for item in twice], [second[item.id] for item in twice]
    same = np.array([a == b for a, b in zip(labels, others, strict=True)])
    raw = proportion("agreement of two annotators", same, [item.cluster for item in twice], how)
    observed: Interval | Unknown = Unknown(reason=raw.reason)
    if raw.low is not None and raw.high is not None:
        observed = Interval(low=raw.low, high=raw.high, level=raw.level)
    value, interval = kappa(labels, others, observed)
    return raw, estimate("Cohen's kappa", value, interval, raw.n, f"{raw.method}, chance taken as known")
