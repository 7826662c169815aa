"""Two arms on the same items: difference with interval, exact tests, and what may be said of it.

Differences are first minus second. A percentile interval of the bootstrap is too short when hardly any
item separates two arms; below `SPARSE` discordant units it is widened to Tango's score interval
(Tango 1998), so that ten items without a disagreement do not prove equality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import (
    MIN_UNITS,
    Bootstrap,
    Floats,
    Interval,
    Unknown,
    bootstrap_draws,
    cluster_codes,
    percentile_interval,
    ratio_of_sums,
    unit_sums,
)
from advisor.stats.special import binomial_pmf, check_level, two_sided_z

SPARSE = 20
"""Below this many discordant units the bootstrap interval is widened to the score interval."""

Bools = Sequence[bool] | NDArray[np.bool_]


class Relation(StrEnum):
    """What the interval of a difference allows to say about the first arm."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NON_INFERIOR = "non-inferior"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """The 2x2 table of two arms on the same items."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """Items compared."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def discordance(self) -> float:
        """Share of items on which exactly one arm is right."""
        return (self.only_first + self.only_second) / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """First arm against second on the same items.

    Attributes:
        difference: accuracy of the first minus the second, None without items.
        interval: its interval, or why there is none.
        p_value: exact McNemar; with clusters, a sign-flip test over clusters.
        relation: from the interval at `margin`.
        method: how interval and p-value were computed, one phrase.
    """

    counts: PairedCounts
    units: int
    difference: float | None
    interval: Interval | Unknown
    p_value: float | None
    margin: float
    relation: Relation
    method: str


def paired_counts(first: Bools, second: Bools) -> PairedCounts:
    """Count agreement and disagreement of two arms' correctness, item by item.

    Raises:
        ValueError: if the arms were not scored on the same number of items.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"the arms were scored on {a.size} and {b.size} items; pairs are needed")
    return PairedCounts(
        both=int((a & b).sum()),
        only_first=int((a & ~b).sum()),
        only_second=int((~a & b).sum()),
        neither=int((~a & ~b).sum()),
    )


def mcnemar_exact(only_first: int, only_second: int, *, mid_p: bool = False) -> float:
    """Two-sided exact McNemar test: the binomial test on the discordant pairs.

    `mid_p` counts the observed table half (Fagerland, Lydersen and Laake 2013), which is less
    conservative. Without discordant pairs the p-value is 1.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    pmf = binomial_pmf(n, 0.5)
    tail = float(pmf[: fewer + 1].sum())
    if mid_p:
        return min(1.0, 2 * (tail - float(pmf[fewer]) / 2))
    return min(1.0, 2 * tail)


def sign_flip_p(unit_differences: Floats, rng: np.random.Generator, draws: int = 10_000) -> float:
    """Two-sided test that differences are symmetric around 0, by flipping the sign of whole units.

    With the observed table counted among the draws, so that the p-value is never 0 (Phipson and
    Smyth 2010).
    """
    moved = unit_differences[unit_differences != 0]
    if moved.size == 0:
        return 1.0
    observed = abs(float(moved.sum()))
    exceed, done = 0, 0
    step = max(1, 2_000_000 // moved.size)
    while done < draws:
        rows = min(step, draws - done)
        signs = rng.integers(0, 2, size=(rows, moved.size)) * 2.0 - 1.0
        exceed += int((np.abs(signs @ moved) >= observed - 1e-9).sum())
        done += rows
    return (exceed + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment (Holm 1979) of a family, in the order given.

    Raises:
        ValueError: if a p-value lies outside [0, 1].
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError("p-values must lie within [0, 1]")
    adjusted, running = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return tuple(adjusted)


def tango_interval(only_first: float, only_second: float, n: float, level: float = 0.95) -> Interval:
    """Score interval of a paired difference of proportions (Tango 1998, Statistics in Medicine 17).

    Counts may be fractional (effective sample sizes).

    Raises:
        ValueError: if there are no items or `level` is no level.
    """
    if n <= 0:
        raise ValueError("no items")
    z = two_sided_z(level)

    def score(delta: float) -> float:
        b = -only_first - only_second + (2 * n - only_first + only_second) * delta
        c = -only_second * delta * (1 - delta)
        q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        spread = n * (2 * q + delta * (1 - delta))
        gap = only_first - only_second - n * delta
        return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) if gap else 0.0

    centre = (only_first - only_second) / n
    return Interval(
        low=_root(score, -1.0, centre, z),
        high=_root(score, centre, 1.0, -z),
        level=level,
    )


def _root(score: Callable[[float], float], low: float, high: float, falling_to: float) -> float:
    """Bisect a falling function for the point where it reaches `falling_to`."""
    for _ in range(80):
        middle = (low + high) / 2
        if score(middle) > falling_to:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def relation(interval: Interval | Unknown, margin: float) -> Relation:
    """What may be said of the first arm, given the interval of first minus second.

    Better and worse when the interval excludes 0; equivalent when it lies within +-margin (two
    one-sided tests at (1 - level) / 2 each); non-inferior when its low end is above -margin.

    Raises:
        ValueError: if `margin` is negative.
    """
    if margin < 0:
        raise ValueError(f"margin must be at least 0, got {margin}")
    match interval:
        case Unknown():
            return Relation.UNDECIDED
        case Interval(low=low) if low > 0:
            return Relation.BETTER
        case Interval(high=high) if high < 0:
            return Relation.WORSE
        case Interval(low=low, high=high) if low > -margin and high < margin:
            return Relation.EQUIVALENT
        case Interval(low=low) if low > -margin:
            return Relation.NON_INFERIOR
        case _:
            return Relation.UNDECIDED


def is_non_inferior(interval: Interval | Unknown, margin: float) -> bool:
    """Whether the first arm is worse by less than `margin`: true also of a better arm."""
    return isinstance(interval, Interval) and interval.low > -margin


def is_equivalent(interval: Interval | Unknown, margin: float) -> bool:
    """Whether the difference lies within +-margin (TOST), significant or not."""
    return isinstance(interval, Interval) and interval.low > -margin and interval.high < margin


def mean_difference(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    rng: np.random.Generator,
    *,
    clusters: Sequence[Hashable | None] | None = None,
    settings: Bootstrap | None = None,
) -> Interval | Unknown:
    """Bootstrap interval of the mean paired difference of any per-item score (a loss, seconds, money).

    Raises:
        ValueError: if the arms were not scored on the same number of items.
    """
    how = settings or Bootstrap()
    check_level(how.level)
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the arms were scored on {a.size} and {b.size} items; pairs are needed")
    units = unit_sums(np.column_stack([a - b, np.ones_like(a)]), cluster_codes(clusters, a.size))
    if len(units) < MIN_UNITS:
        return Unknown(reason=f"{len(units)} units; a bootstrap needs {MIN_UNITS}", needed=MIN_UNITS)
    return percentile_interval(bootstrap_draws(units, ratio_of_sums, rng, how.draws), len(units), how.level)


def compare(
    first: Bools,
    second: Bools,
    rng: np.random.Generator,
    *,
    clusters: Sequence[Hashable | None] | None = None,
    margin: float = 0.02,
    settings: Bootstrap | None = None,
) -> PairedComparison:
    """Compare two arms' correctness on the same items, clusters resampled together.

    `margin` is in the unit of accuracy: 0.02 is two points.

    Raises:
        ValueError: if the arms were not scored on the same number of items, or `margin` is negative.
    """
    how = settings or Bootstrap()
    counts = paired_counts(first, second)
    if counts.n == 0:
        return _nothing_compared(counts, margin)
    codes = cluster_codes(clusters, counts.n)
    signs = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    units = unit_sums(np.column_stack([signs, np.ones_like(signs)]), codes)
    interval, method = _difference_interval(units, counts, rng, how)
    clustered = len(units) < counts.n
    return PairedComparison(
        counts=counts,
        units=len(units),
        difference=float(signs.mean()),
        interval=interval,
        p_value=sign_flip_p(units[:, 0], rng, how.draws)
        if clustered
        else mcnemar_exact(counts.only_first, counts.only_second),
        margin=margin,
        relation=relation(interval, margin),
        method=f"{method}; {'sign-flip test over clusters' if clustered else 'exact McNemar'}",
    )


def _nothing_compared(counts: PairedCounts, margin: float) -> PairedComparison:
    """The comparison of two arms without a common item."""
    return PairedComparison(
        counts=counts,
        units=0,
        difference=None,
        interval=Unknown(reason="no common items", needed=MIN_UNITS),
        p_value=None,
        margin=margin,
        relation=Relation.UNDECIDED,
        method="none",
    )


def _difference_interval(
    units: Floats, counts: PairedCounts, rng: np.random.Generator, how: Bootstrap
) -> tuple[Interval | Unknown, str]:
    """Bootstrap over units, widened to the score interval where few units disagree."""
    kind: Literal["cluster", "paired"] = "cluster" if len(units) < counts.n else "paired"
    if len(units) < MIN_UNITS:
        return Unknown(reason=f"{len(units)} {kind} units; {MIN_UNITS} are needed", needed=MIN_UNITS), "none"
    draws = bootstrap_draws(units, ratio_of_sums, rng, how.draws)
    interval = percentile_interval(draws, len(units), how.level)
    if int((units[:, 0] != 0).sum()) >= SPARSE:
        return interval, f"{kind} bootstrap, {how.draws} draws"
    share = len(units) / counts.n  # a cluster counts as one item: the careful reading
    score = tango_interval(counts.only_first * share, counts.only_second * share, len(units), how.level)
    widened = Interval(low=min(interval.low, score.low), high=max(interval.high, score.high), level=how.level)
    return widened, f"{kind} bootstrap, {how.draws} draws, widened to the score interval"
