"""Whether an arm's confidence can be trusted, and from which confidence on it may answer alone.

Inputs are log-probabilities over the label set, (items x labels), and reference codes, or the confidence
of the answer given and whether it was right. Everything is fitted on dev and judged elsewhere;
`cross_fitted` shows on dev alone what a threshold fitted there is worth.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import (
    Floats,
    Interval,
    Ints,
    cluster_codes,
    effective_items,
    unit_sums,
    wilson,
)
from advisor.stats.special import two_sided_z

FOLDS = 5
"""Of dev, by which a threshold is cross-fitted."""
_LOG_TEMPERATURE = (math.log(0.01), math.log(100.0))


def scale(logprobs: Floats, temperature: float) -> Floats:
    """Divide log-probabilities by `temperature` and normalise each row again.

    Raises:
        ValueError: if `temperature` is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    scaled = np.asarray(logprobs, dtype=np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True)))


def negative_log_likelihood(logprobs: Floats, truth: Ints) -> float:
    """Mean of minus the log-probability given to the reference label (nats an item)."""
    return float(-np.asarray(logprobs)[np.arange(len(truth)), truth].mean())


def fit_temperature(logprobs: Floats, truth: Ints) -> float | None:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017, 1706.04599).

    Golden-section search over log T in 0.01..100: the loss is convex in 1/T, so it has one minimum.
    None without items.

    Raises:
        ValueError: if a reference code is no column.
    """
    values = np.asarray(logprobs, dtype=np.float64)
    if len(truth) == 0:
        return None
    if min(truth) < 0 or max(truth) >= values.shape[1]:
        raise ValueError(f"reference codes must lie within 0..{values.shape[1] - 1}")
    ratio = (math.sqrt(5) - 1) / 2
    low, high = _LOG_TEMPERATURE

    def loss(log_t: float) -> float:
        return negative_log_likelihood(scale(values, math.exp(log_t)), truth)

    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-7:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def expected_calibration_error(
    confidence: Floats, correct: NDArray[np.bool_], bins: int = 15
) -> float | None:
    """ECE: mean gap between confidence and accuracy, weighted by bin (Naeini 2015; 15 bins as Guo 2017).

    Bins are (low, high], the first one closed. Biased upwards on few items; None without items.

    Raises:
        ValueError: if lengths differ, `bins` is below 1 or a confidence lies outside [0, 1].
    """
    conf, hit = _checked(confidence, correct)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    if not conf.size:
        return None
    codes = np.clip(np.ceil(conf * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(codes, weights=conf - hit, minlength=bins)
    return float(np.abs(gaps).sum() / conf.size)


def _checked(confidence: Floats, correct: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    conf, hit = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if conf.shape != hit.shape:
        raise ValueError(f"{conf.size} confidences but {hit.size} answers")
    if conf.size and not (conf.min() >= 0 and conf.max() <= 1 + 1e-9):
        raise ValueError("confidence must lie within [0, 1]")
    return conf, hit


def _by_threshold(conf: Floats, hit: Floats) -> tuple[Floats, Ints, Floats]:
    """Distinct confidences from high to low with the items and hits at or above each."""
    thresholds, inverse = np.unique(-conf, return_inverse=True)
    items = np.cumsum(np.bincount(inverse, minlength=thresholds.size))
    hits = np.cumsum(np.bincount(inverse, weights=hit, minlength=thresholds.size))
    return -thresholds, items.astype(np.int64), hits.astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selective:
    """From which confidence on an arm may answer alone.

    Attributes:
        threshold: answer when confidence >= threshold; None when none can be vouched for.
        coverage: share of the fitting items at or above it.
        precision: of those, the share that was right, with its interval.
        reason: why there is no threshold.
        needed: dev items with which the best slice seen would pass, None when unknown or never.
    """

    threshold: float | None
    coverage: float
    precision: float | None = None
    interval: Interval | None = None
    reason: str = ""
    needed: int | None = None


def fewest_items(precision: float, level: float = 0.95) -> int:
    """Items that must all be right before a Wilson lower bound reaches `precision` (0.95: 73)."""
    return math.ceil(precision * two_sided_z(level) ** 2 / (1 - precision) - 1e-9)


def selective_threshold(
    confidence: Floats,
    correct: NDArray[np.bool_],
    precision: float,
    level: float = 0.95,
    *,
    clusters: Sequence[Hashable | None] | None = None,
) -> Selective:
    """The lowest threshold whose Wilson lower bound of precision reaches `precision` on these items.

    A threshold chosen by the observed precision meets its target in about half of all cases; by the
    lower bound of the two-sided interval, in about 19 of 20 (see the simulation in the tests). Clusters
    shrink the items to an effective number, as in `exact_interval`.

    Args:
        clusters: one key an item; items with one key stand together, None stands alone.

    Raises:
        ValueError: if `precision` is not strictly between 0 and 1 or the inputs do not fit.
    """
    if not 0 < precision < 1:
        raise ValueError(f"precision must lie between 0 and 1, got {precision}")
    conf, hit = _checked(confidence, correct)
    if conf.size == 0:
        return Selective(
            threshold=None, coverage=0.0, reason="no items", needed=fewest_items(precision, level)
        )
    thresholds, items, hits = _by_threshold(conf, hit)
    codes = cluster_codes(clusters, conf.size)
    together = conf.size / (int(codes.max()) + 1)
    for i in range(thresholds.size - 1, -1, -1):
        worth = float(items[i])
        if together > 1:
            kept = conf >= thresholds[i]
            worth = _worth(hit[kept], codes[kept], level)
        bound = wilson(float(hits[i] / items[i]) * worth, worth, level)
        if isinstance(bound, Interval) and bound.low >= precision:
            return Selective(
                threshold=float(thresholds[i]),
                coverage=float(items[i] / conf.size),
                precision=float(hits[i] / items[i]),
                interval=bound,
            )
    return _no_threshold((items, hits), precision, level, together)


def _worth(hit: Floats, codes: Ints, level: float) -> float:
    """So many independent items these are worth."""
    places, inverse = np.unique(codes, return_inverse=True)
    if places.size == hit.size:
        return float(hit.size)
    share = float(hit.mean())
    units = unit_sums(np.column_stack([hit, np.ones_like(hit)]), inverse.astype(np.int64))
    return effective_items(units, share * (1 - share), level)


def _no_threshold(slices: tuple[Ints, Floats], precision: float, level: float, together: float) -> Selective:
    """Say what is missing: more items, or precision that no slice shows.

    Args:
        slices: items and hits from each threshold on; together: items a cluster.
    """
    items, hits = slices
    n, least = int(items[-1]), fewest_items(precision, level)
    worth = items >= min(10, n)  # a slice of a few items shows nothing
    observed = np.where(worth, hits / items, 0.0)
    z = two_sided_z(level)
    needed: list[float] = []
    for share, p in zip(items / n, observed, strict=True):
        if p > precision:
            gap = z * z * precision * (1 - precision) / (p - precision) ** 2
            needed.append(max(gap, least) * together / share)
    if not needed:
        reason = f"no slice of 10 or more of the {n} items shows a precision above {100 * precision:.1f} %"
        return Selective(threshold=None, coverage=0.0, reason=reason)
    total = math.ceil(min(needed) - 1e-9)
    reason = f"{n} dev items are too few to vouch for {100 * precision:.1f} %; about {total} would do"
    return Selective(threshold=None, coverage=0.0, reason=reason, needed=total)


def cross_fitted(
    confidence: Floats,
    correct: NDArray[np.bool_],
    precision: float,
    rng: np.random.Generator,
    *,
    clusters: Sequence[Hashable | None] | None = None,
) -> tuple[NDArray[np.bool_], int]:
    """Fit the threshold on all folds but one and apply it to that one, for every fold.

    Args:
        clusters: one key an item; items with one key are in one fold.

    Returns:
        Which items lie at or above their fold's threshold, and the folds in which none could be vouched for.

    Raises:
        ValueError: if the inputs do not fit.
    """
    conf, hit = _checked(confidence, correct)
    units = cluster_codes(clusters, conf.size)
    fold = (rng.permutation(int(units.max()) + 1 if conf.size else 0) % FOLDS)[units]
    answered, without = np.zeros(conf.size, dtype=bool), 0
    for k in range(FOLDS):
        others = np.flatnonzero(fold != k)
        fitted = selective_threshold(
            conf[others], hit[others] > 0, precision, clusters=units[others].tolist()
        )
        if fitted.threshold is None:
            without += 1
        else:
            answered |= (fold == k) & (conf >= fitted.threshold)
    return answered, without
