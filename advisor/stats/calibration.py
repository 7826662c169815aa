"""Whether an arm's confidence can be trusted, and from which confidence on it may answer alone.

Inputs are log-probabilities over the label set, (items x labels), and reference codes, or the confidence of
the answer given and whether it was right. Everything is fitted on dev and judged elsewhere; `cross_fitted`
shows on dev alone what a threshold fitted there is worth.

Work that an arm and somebody else share: the arm answers an item when it is sure enough and hands over the
others, of which a share `rest` is answered rightly. Blended quality = coverage x precision + (1 - coverage)
x rest, or rest + coverage x (precision - rest).

Its interval is melded (Fay, Proschan and Brittain 2015, Biometrics 71). Coverage and precision are two
binomial shares with exact confidence distributions, and the ends are quantiles of their product, coverage
taken on whichever side makes the interval wider; `rest` is taken as known. Clusters shrink the items to an
effective number (Korn and Graubard 1998), as in `exact_interval`.

Its threshold comes from fixed-sequence testing, the simplest procedure of Learn then Test (Angelopoulos et
al. 2021, 2110.01052). Thresholds are tested in an order that no answer decides, each at the whole alpha,
until one is not shown; those before it are shown together at that alpha, so any of them may be chosen by
cost.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import (
    Floats,
    Interval,
    Ints,
    Unknown,
    cluster_codes,
    effective_items,
    unit_sums,
    wilson,
)
from advisor.stats.special import beta_cdf, beta_quantile, check_level, normal_quantile, two_sided_z

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


_AT, _WEIGHT = (half / 2 for half in np.polynomial.legendre.leggauss(64))  # Gauss-Legendre on (0, 1)
_AT = _AT + 0.5

STEP = 0.01
"""Of the rows, which each threshold that is tested answers more than the one before."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blended:
    """What an arm and somebody else do together.

    Attributes:
        answered, right: items that the arm answered, and of these the right ones, of `n`.
        rest: share of the handed items that is answered rightly.
        value: the blended quality; None without items.
        interval: two-sided; each end misses at most (1 - level) / 2.
    """

    answered: int
    right: int
    n: int
    rest: float
    value: float | None
    interval: Interval | Unknown


def blended(
    answered: Bools,
    correct: Bools,
    rest: float,
    *,
    clusters: Sequence[Hashable | None] | None = None,
    level: float = 0.95,
) -> Blended:
    """The blended quality over items.

    Args:
        answered: whether the arm answers the item itself.
        correct: whether the arm's answer to it is right; not read where it is handed over.
        rest: share of the handed items that is answered rightly.

    Raises:
        ValueError: if the lengths differ, `rest` is no share or `level` no level.
    """
    check_level(level)
    own, hits = np.asarray(answered, dtype=bool), np.asarray(correct, dtype=bool)
    if own.shape != hits.shape:
        raise ValueError(f"{own.size} items but {hits.size} answers")
    if not 0 <= rest <= 1:
        raise ValueError(f"a share of right answers lies within [0, 1], got {rest}")
    n, count, right = own.size, int(own.sum()), int((own & hits).sum())
    if n == 0:
        nothing = Unknown(reason="no items", needed=1)
        return Blended(answered=0, right=0, n=0, rest=rest, value=None, interval=nothing)
    values = np.where(own, hits.astype(np.float64), rest)
    items = _items(values, clusters, level)
    scale = items / n
    interval = melded(right * scale, (count - right) * scale, items, rest, level)
    return Blended(answered=count, right=right, n=n, rest=rest, value=float(values.mean()), interval=interval)


def _items(values: Floats, clusters: Sequence[Hashable | None] | None, level: float) -> float:
    """So many independent items the clustered ones are worth."""
    units = unit_sums(np.column_stack([values, np.ones_like(values)]), cluster_codes(clusters, values.size))
    if len(units) == values.size:
        return float(values.size)
    return effective_items(units, float(values.var()), level)


@lru_cache(maxsize=50_000)
def melded(right: float, wrong: float, n: float, rest: float, level: float = 0.95) -> Interval:
    """The interval of the blended quality of `right` and `wrong` answers of the arm among `n` items.

    Raises:
        ValueError: if there are no items, more are answered than there are, or `level` is no level.
    """
    check_level(level)
    if n <= 0 or right < 0 or wrong < 0 or right + wrong > n * (1 + 1e-12):
        raise ValueError(f"{right} right and {wrong} wrong of {n} items")
    outside = (1 - level) / 2
    handed = max(0.0, n - right - wrong)
    return Interval(
        low=rest + _low_gain(right, wrong, handed, rest, outside),
        high=rest - _low_gain(wrong, right, handed, 1 - rest, outside),  # right and wrong turned
        level=level,
    )


def _low_gain(right: float, wrong: float, handed: float, rest: float, outside: float) -> float:
    """The gain, coverage x (precision - rest), below which a share `outside` of its distribution lies."""
    from scipy.optimize import brentq

    own = right + wrong
    loses = float(beta_cdf(rest, right, wrong + 1)) >= outside  # so the end is a loss, or 0
    coverage = (own + 1, handed) if loses else (own, handed + 1)
    if right == 0:  # all that is known of the precision is that it may be 0
        return -rest * float(beta_quantile(1 - outside, *coverage))
    nodes = np.maximum(beta_quantile(_AT, *coverage), 1e-300)

    def beyond(gain: float) -> float:
        return float(_WEIGHT @ beta_cdf(rest + gain / nodes, right, wrong + 1)) - outside

    low, high = (-rest, 0.0) if loses else (0.0, 1 - rest)
    if beyond(low) >= 0:
        return low
    return high if beyond(high) <= 0 else float(brentq(beyond, low, high, xtol=1e-12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One threshold that was tested: the arm answers at or above this confidence.

    Attributes:
        low: lower limit of the blended quality at the test's alpha; None without one.
        shown: it reaches the target.
    """

    threshold: float
    found: Blended
    low: float | None
    shown: bool


def in_sequence(
    confidence: Floats,
    correct: Bools,
    *,
    rest: float,
    target: float,
    alpha: float,
    clusters: Sequence[Hashable | None] | None = None,
) -> tuple[Tested, ...]:
    """Test thresholds from `rest` down to 0, and stop at the first that is not shown to reach the target.

    Each answers a hundredth of the rows more than the one before: steps of shares and not of confidences, so
    that a temperature fitted on these very rows moves no threshold to where they happened to be right.
    An answer with a confidence below `rest` is expected to be worse than what it replaces, one above it
    better, so there the quality is highest if the confidences are true; and the fewer items are handed over
    the less is paid for them, so what is tested later is cheaper. Neither is assumed: where they are not
    true, fewer thresholds are shown.

    Args:
        confidence: of each answer, out of fold: no row helped to fit what answers it.
        alpha: the risk that the blended quality of any threshold that is called shown lies below the target.

    Raises:
        ValueError: if inputs do not fit.
    """
    found: list[Tested] = []
    for threshold in thresholds(confidence, rest):
        of_it = blended(confidence >= threshold, correct, rest, clusters=clusters, level=1 - 2 * alpha)
        low = of_it.interval.low if isinstance(of_it.interval, Interval) else None
        shown = low is not None and low >= target
        found.append(Tested(threshold=threshold, found=of_it, low=low, shown=shown))
        if not shown:
            break
    return tuple(found)


def thresholds(confidence: Floats, first: float) -> tuple[float, ...]:
    """Confidences from `first` down to 0, each of which a hundredth of the rows more reach."""
    falling = np.sort(confidence)[::-1]
    reached, n = int((falling >= first).sum()), falling.size
    step = max(1, round(STEP * n))
    found = dict.fromkeys(float(falling[count - 1]) for count in range(reached + step, n, step))
    return (first, *(threshold for threshold in found if 0 < threshold < first), *((0.0,) if first else ()))


def items_to_show(found: Blended, target: float, power: float, alpha: float) -> int | None:
    """Items to show on which side of the target such a blended quality lies; None where it lies on it.

    The normal approximation with the spread that was seen: n = ((z_alpha + z_power) s / difference)^2.
    """
    if found.value is None or found.value == target:
        return None
    square = (found.right + (found.n - found.answered) * found.rest**2) / found.n
    spread = max(0.0, square - found.value**2)
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    return math.ceil(spread * (z / (found.value - target)) ** 2 - 1e-9)
