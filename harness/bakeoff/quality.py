"""Accuracy, macro-F1, calibration and coverage of one arm, each with n and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats import calibration
from advisor.stats.intervals import (
    Bootstrap,
    Interval,
    Unknown,
    bootstrap_interval,
    class_counts,
    macro_f1_of_sums,
    proportion_interval,
    wilson,
)
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.results import LabelResult, Quality, SliceResult
from harness.bakeoff.scored import Scored
from harness.core.records import Estimate
from harness.core.wording import percent

ECE_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How intervals are computed, and which precision coverage is asked for."""

    draws: int
    precision: float
    seed: int
    level: float = 0.95

    @classmethod
    def of(cls, plan: ExperimentPlan) -> Measuring:
        """As a plan says."""
        decision = plan.decision
        return cls(draws=decision.bootstrap_draws, precision=decision.route_precision, seed=plan.seed)

    @property
    def bootstrap(self) -> Bootstrap:
        """The bootstrap settings."""
        return Bootstrap(draws=self.draws, level=self.level)

    def rng(self) -> np.random.Generator:
        """A fresh generator: an estimate does not depend on which was computed before it."""
        return np.random.default_rng(self.seed)


def measure_quality(
    dev: Scored, test: Scored, labels: Sequence[str], overlap: frozenset[str], how: Measuring
) -> Quality:
    """All quality estimates of one arm.

    Args:
        overlap: ids of test items whose text stands in train.
    """
    everything = np.ones(len(test.items), dtype=bool)
    apart = np.array([item.id not in overlap for item in test.items], dtype=bool)
    temperature = fit_dev_temperature(dev)
    return Quality(
        accuracy=share("accuracy", test, test.correct, everything, how),
        accuracy_answered=share("accuracy of answered", test, test.correct, test.answered, how),
        macro_f1=_macro_f1(test, len(labels), how),
        invalid_rate=share("invalid rate", test, test.answer == -1, everything, how),
        failure_rate=share("failure rate", test, test.answer == -2, everything, how),
        dev_accuracy=share("dev accuracy", dev, dev.correct, np.ones(len(dev.items), dtype=bool), how),
        accuracy_without_overlap=share("accuracy without overlap", test, test.correct, apart, how),
        ece=_ece(test, temperature),
        coverage=_coverage(dev, test, temperature, how),
        temperature=temperature,
        slices=_slices(test, how),
        labels=_label_results(test, labels),
    )


def share(
    metric: str, scored: Scored, hits: NDArray[np.bool_], among: NDArray[np.bool_], how: Measuring
) -> Estimate:
    """A proportion over some of the items, clusters resampled together where there are any."""
    n = int(among.sum())
    if n == 0:
        return Estimate(metric=metric, value=None, n=0, method="none", reason="no items")
    clusters = scored.clusters
    kept = None if clusters is None else [c for c, keep in zip(clusters, among, strict=True) if keep]
    interval = proportion_interval(hits[among], how.rng(), clusters=kept, settings=how.bootstrap)
    clustered = kept is not None and len({c for c in kept if c is not None}) + kept.count(None) < n
    return estimate(
        metric, float(hits[among].mean()), interval, n, "cluster bootstrap" if clustered else "Wilson"
    )


def estimate(metric: str, value: float | None, interval: Interval | Unknown, n: int, method: str) -> Estimate:
    """An Estimate from an interval or from the reason why there is none."""
    match interval:
        case Interval(low=low, high=high, level=level):
            return Estimate(metric=metric, value=value, low=low, high=high, level=level, n=n, method=method)
        case Unknown(reason=reason):
            return Estimate(metric=metric, value=value, n=n, method=method, reason=reason)


def confidence(scored: Scored, temperature: float | None) -> NDArray[np.float64]:
    """Highest label probability by item after temperature scaling; nan without a distribution."""
    found = np.full(len(scored.items), np.nan)
    rows = scored.scored
    if temperature is not None and rows.any():
        found[rows] = np.exp(calibration.scale(scored.logprobs[rows], temperature)).max(axis=1)
    return found


def fit_dev_temperature(dev: Scored) -> float | None:
    """The softmax temperature that fits dev best; None without distributions."""
    rows = dev.scored
    return calibration.fit_temperature(dev.logprobs[rows], dev.truth[rows]) if rows.any() else None


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
    chosen = calibration.selective_threshold(conf_dev[rows_dev], dev.correct[rows_dev], how.precision)
    n = len(test.items)
    if chosen.threshold is None:
        return Estimate(metric=metric, value=None, n=n, method="threshold from dev", reason=chosen.reason)
    kept = int((conf_test[rows_test] >= chosen.threshold).sum())
    return estimate(metric, kept / n, wilson(kept, n), n, "threshold from dev, Wilson")


def _macro_f1(test: Scored, labels: int, how: Measuring) -> Estimate:
    n = len(test.items)
    if n == 0:
        return Estimate(metric="macro-F1", value=None, n=0, method="none", reason="no items")
    table = class_counts(test.truth, np.maximum(test.answer, -1), labels)
    value = float(macro_f1_of_sums(table.sum(axis=0, keepdims=True))[0])
    interval = bootstrap_interval(
        table, macro_f1_of_sums, how.rng(), clusters=test.clusters, settings=how.bootstrap
    )
    return estimate("macro-F1", value, interval, n, "bootstrap")


def _slices(test: Scored, how: Measuring) -> tuple[SliceResult, ...]:
    values = sorted({pair for item in test.items for pair in item.slices})
    found = []
    for column, value in values:
        among = np.array([(column, value) in item.slices for item in test.items], dtype=bool)
        accuracy = share(f"accuracy, {column}={value}", test, test.correct, among, how)
        found.append(SliceResult(column=column, value=value, accuracy=accuracy))
    return tuple(found)


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
