"""Estimates from scored answers: means and shares, each with n and an interval. Pure.

A mean of values that are 0 or 1 is a share and has the interval of one (`proportion_interval`). A mean of
values in between has Student's t of the cluster-robust mean (`mean_interval`), as comparisons have of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from advisor.stats import calibration
from advisor.stats.intervals import (
    Bootstrap,
    Floats,
    Interval,
    Unknown,
    bootstrap_interval,
    cluster_codes,
    is_binary,
    mean_interval,
    proportion_interval,
)
from harness.core.records import Estimate
from harness.tasks.scored import Scored, distributed

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How intervals are computed, and which precision coverage is asked for."""

    draws: int
    precision: float
    seed: int
    level: float = 0.95

    @property
    def bootstrap(self) -> Bootstrap:
        """The bootstrap settings."""
        return Bootstrap(draws=self.draws, level=self.level)

    def rng(self) -> np.random.Generator:
        """A fresh generator: an estimate does not depend on which was computed before it."""
        return np.random.default_rng(self.seed)


def share(metric: str, scored: Scored, hits: Bools, among: Bools, how: Measuring) -> Estimate:
    """A proportion over some of the items, clusters resampled together where there are any."""
    if not among.any():
        return _nothing(metric)
    return proportion(metric, hits[among], _kept(scored, among), how)


def proportion(metric: str, hits: Bools, clusters: Sequence[str | None] | None, how: Measuring) -> Estimate:
    """A proportion of some items at least, clusters resampled together where there are any."""
    interval = proportion_interval(hits, how.rng(), clusters=clusters, settings=how.bootstrap)
    clustered = int(cluster_codes(clusters, len(hits)).max()) + 1 < len(hits)
    method = "cluster bootstrap" if clustered else "Wilson"
    return estimate(metric, float(hits.mean()), interval, len(hits), method)


def mean(metric: str, scored: Scored, values: Floats, among: Bools, how: Measuring) -> Estimate:
    """A mean of values within [0, 1] over some of the items; a proportion where they are 0 or 1."""
    if is_binary(values[among]):
        return share(metric, scored, values >= 1.0, among, how)
    interval = mean_interval(values[among], clusters=_kept(scored, among), level=how.level)
    return estimate(metric, float(values[among].mean()), interval, int(among.sum()), "cluster-robust t")


def of_sums(
    metric: str,
    scored: Scored,
    table: Floats | csr_array,
    statistic: Callable[[Floats], Floats],
    how: Measuring,
) -> Estimate:
    """A figure of column sums over all items, such as an F1; `table` has what each item adds to them."""
    if not table.shape[0]:
        return _nothing(metric)
    value = float(statistic(table.sum(axis=0)[None, :])[0])
    interval = bootstrap_interval(
        table, statistic, how.rng(), clusters=scored.clusters, settings=how.bootstrap
    )
    return estimate(metric, value, interval, table.shape[0], "bootstrap")


def _nothing(metric: str) -> Estimate:
    return Estimate(metric=metric, value=None, n=0, method="none", reason="no items")


def reciprocal_rank(ranks: Sequence[int]) -> float:
    """1 / rank of the first of what was looked for; 0 where it was not found.

    Args:
        ranks: of what was found of it, from 1, rising.
    """
    return 1 / ranks[0] if ranks else 0.0


def discounted_gain(ranks: Sequence[int], best: int) -> float:
    """nDCG: 1 / log2(1 + rank) of each found, over that of the best order.

    Jarvelin and Kekalainen, TOIS 2002.

    Args:
        ranks: of what was found of what was looked for, from 1.
        best: how much of it could have been found.
    """
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, best + 1))
    return sum(1 / math.log2(1 + rank) for rank in ranks) / ideal if ideal else 0.0


def everything(scored: Scored) -> Bools:
    """All items."""
    return np.ones(len(scored.items), dtype=bool)


def _kept(scored: Scored, among: Bools) -> list[str | None] | None:
    clusters = scored.clusters
    return None if clusters is None else [c for c, keep in zip(clusters, among, strict=True) if keep]


def estimate(metric: str, value: float | None, interval: Interval | Unknown, n: int, method: str) -> Estimate:
    """An Estimate from an interval or from the reason why there is none."""
    match interval:
        case Interval(low=low, high=high, level=level):
            return Estimate(metric=metric, value=value, low=low, high=high, level=level, n=n, method=method)
        case Unknown(reason=reason):
            return Estimate(metric=metric, value=value, n=n, method=method, reason=reason)


def confidence(scored: Scored, temperature: float | None) -> Floats:
    """Highest probability of a choice by item after temperature scaling; nan without a distribution.

    Raises:
        KeyError: confidences were kept at other temperatures only.
    """
    if temperature is None:
        return np.full(len(scored.items), np.nan)
    return scored.sure[temperature] if scored.sure else surest(scored.logprobs, temperature)


def surest(logprobs: Floats, temperature: float) -> Floats:
    """The highest probability in each row of (n, choices), after temperature scaling; nan in rows of nan."""
    found = np.full(len(logprobs), np.nan)
    rows = distributed(logprobs)
    if rows.any():
        found[rows] = np.exp(calibration.scale(logprobs[rows], temperature)).max(axis=1)
    return found


def fit_dev_temperature(dev: Scored) -> float | None:
    """The softmax temperature that fits dev best; None without distributions."""
    rows = dev.scored
    return calibration.fit_temperature(dev.logprobs[rows], dev.truth[rows]) if rows.any() else None
