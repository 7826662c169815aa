"""Item by item, and run against run. Pure.

Two runs on the same test items are compared item by item. On different items the two accuracies stand side
by side and neither is called better or worse; the interval of their difference adds the two intervals in
quadrature (MOVER: Zou and Donner 2008, after Newcombe 1998), which takes the runs as independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from advisor.stats.intervals import Interval, Unknown
from advisor.stats.paired import compare
from harness.bakeoff.answers import ArmAcrossRuns, ItemAnswer
from harness.core.records import ArmId, Completion, Estimate, Failure, Outcome, Target
from harness.tasks.measures import Measuring, confidence, estimate
from harness.tasks.measures import share as share_of
from harness.tasks.scored import Scored
from harness.tasks.wording import in_words


def item_answers(arm: ArmId, scored: Scored, temperature: float | None) -> tuple[ItemAnswer, ...]:
    """Every item of a scored arm, in the items' order.

    Args:
        temperature: the arm's own, fitted on dev; None leaves the confidence unknown.
    """
    sure, right = confidence(scored, temperature), scored.correct
    found = []
    for number, (item, outcome) in enumerate(zip(scored.items, scored.outcomes, strict=True)):
        answer = scored.scores[number].answer
        failed = isinstance(outcome, Failure)
        found.append(
            ItemAnswer(
                arm=arm,
                item_id=item.id,
                text=item.text,
                label=in_words(item.target),
                raw="" if isinstance(outcome, Failure) else outcome.text,
                answer=None if answer is None else in_words(answer),
                correct=None if failed else bool(right[number]),
                confidence=_sure(outcome) if math.isnan(sure[number]) else float(sure[number]),
                failure=outcome.kind.value if isinstance(outcome, Failure) else "",
            )
        )
    return tuple(found)


def _sure(outcome: Outcome) -> float | None:
    return outcome.confidence if isinstance(outcome, Completion) else None


def compare_runs(
    first: Mapping[ArmId, Scored], second: Mapping[ArmId, Scored], margin: float, how: Measuring
) -> tuple[ArmAcrossRuns, ...]:
    """Every arm that both runs have, in the first run's order, first minus second.

    The intervals of the differences share one alpha between them.
    """
    both = [arm for arm in first if arm in second]
    level = 1 - (1 - how.bootstrap.level) / max(1, len(both))
    return tuple(_arm(arm, (first[arm], second[arm]), margin, level, how) for arm in both)


def _arm(
    arm: ArmId, runs: tuple[Scored, Scored], margin: float, level: float, how: Measuring
) -> ArmAcrossRuns:
    one, two = (_accuracy(scored, how) for scored in runs)
    if _rows(runs[0]) == _rows(runs[1]):
        return _paired(arm, runs, (one, two), margin, level)
    at_level = replace(how, level=level)
    interval = _apart(*(_accuracy(scored, at_level) for scored in runs))
    value = None if one.value is None or two.value is None else one.value - two.value
    method = "different test items: intervals added in quadrature, runs taken as independent"
    return ArmAcrossRuns(
        arm=arm,
        first=one,
        second=two,
        difference=estimate("accuracy difference", value, interval, min(one.n, two.n), method),
        paired=False,
    )


def _paired(
    arm: ArmId, runs: tuple[Scored, Scored], accuracy: tuple[Estimate, Estimate], margin: float, level: float
) -> ArmAcrossRuns:
    found = compare(runs[0].correct, runs[1].correct, clusters=runs[0].clusters, margin=margin, level=level)
    counts = found.counts
    return ArmAcrossRuns(
        arm=arm,
        first=accuracy[0],
        second=accuracy[1],
        difference=estimate(
            "accuracy difference", found.difference, found.interval, counts.n, found.interval_method
        ),
        paired=True,
        only_first=counts.only_first,
        only_second=counts.only_second,
        p_value=found.p_value,
        relation=found.relation if isinstance(found.interval, Interval) else None,
    )


def _accuracy(scored: Scored, how: Measuring) -> Estimate:
    return share_of("accuracy", scored, scored.correct, np.ones(len(scored.items), dtype=bool), how)


def _rows(scored: Scored) -> list[tuple[str, str, Target]]:
    return [(item.id, item.text, item.target) for item in scored.items]


def _apart(one: Estimate, two: Estimate) -> Interval | Unknown:
    if one.value is None or two.value is None:
        return Unknown(reason="one of the runs has no accuracy")
    if one.low is None or one.high is None or two.low is None or two.high is None:
        return Unknown(reason="one of the accuracies has no interval")
    difference = one.value - two.value
    below = math.hypot(one.value - one.low, two.high - two.value)
    above = math.hypot(one.high - one.value, two.value - two.low)
    return Interval(low=difference - below, high=difference + above, level=one.level)
