"""What lies behind the accuracy of a classification: label by label, and how good its confidence is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from advisor.stats import calibration
from advisor.stats.intervals import class_counts, macro_f1_of_sums
from harness.core.records import Estimate
from harness.core.wording import percent
from harness.tasks.measures import (
    Measuring,
    confidence,
    everything,
    fit_dev_temperature,
    of_sums,
    share,
)
from harness.tasks.scored import Scored

ECE_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """Per-label quality over the test items."""

    label: str
    support: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelBreakdown:
    """Labels one by one, and calibration.

    Attributes:
        ece, coverage: calibration after temperature scaling on dev; None without a distribution.
        temperature: the one fitted on dev.
    """

    ece: Estimate | None = None
    coverage: Estimate | None = None
    temperature: float | None = None
    labels: tuple[LabelResult, ...] = ()


def by_label(dev: Scored, test: Scored, labels: Sequence[str], how: Measuring) -> LabelBreakdown:
    """The breakdown of one arm."""
    temperature = fit_dev_temperature(dev)
    return LabelBreakdown(
        ece=_ece(test, temperature),
        coverage=_coverage(dev, test, temperature, how),
        temperature=temperature,
        labels=_label_results(test, labels),
    )


def _ece(test: Scored, temperature: float | None) -> Estimate | None:
    conf = confidence(test, temperature)
    rows = ~np.isnan(conf)
    if not rows.any():
        return None
    value = calibration.expected_calibration_error(conf[rows], test.correct[rows], bins=ECE_BINS)
    method = f"{ECE_BINS} equal-width bins after temperature scaling on dev; biased upwards at small n"
    return Estimate(metric="ECE", value=value, n=int(rows.sum()), method=method)


def _coverage(dev: Scored, test: Scored, temperature: float | None, how: Measuring) -> Estimate | None:
    conf_dev, conf_test = confidence(dev, temperature), confidence(test, temperature)
    rows_dev, rows_test = ~np.isnan(conf_dev), ~np.isnan(conf_test)
    if not rows_dev.any() or not rows_test.any():
        return None
    metric = f"coverage at {percent(how.precision, 0)} precision"
    known = dev.where(rows_dev)
    chosen = calibration.selective_threshold(
        conf_dev[rows_dev], known.correct, how.precision, clusters=known.clusters
    )
    if chosen.threshold is None:
        n = len(test.items)
        return Estimate(metric=metric, value=None, n=n, method="threshold from dev", reason=chosen.reason)
    found = share(metric, test, conf_test >= chosen.threshold, everything(test), how)
    return replace(found, method=f"threshold from dev, {found.method}")


def macro_f1(metric: str, test: Scored, labels: int, how: Measuring) -> Estimate:
    """The unweighted mean of the labels' F1 over all items."""
    table = class_counts(test.truth, np.maximum(test.answer, -1), labels)
    return of_sums(metric, test, table, macro_f1_of_sums, how)


def _label_results(test: Scored, labels: Sequence[str]) -> tuple[LabelResult, ...]:
    found = []
    for code, label in enumerate(labels):
        support = int((test.truth == code).sum())
        predicted = int((test.answer == code).sum())
        correct = int(((test.truth == code) & (test.answer == code)).sum())
        found.append(
            LabelResult(
                label=label,
                support=support,
                predicted=predicted,
                correct=correct,
                precision=correct / predicted if predicted else None,
                recall=correct / support if support else None,
                f1=2 * correct / (predicted + support) if predicted + support else None,
            )
        )
    return tuple(found)
