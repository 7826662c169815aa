"""Two arms on the same items: their difference, its interval and its test, and what may be said of it.

Differences are first minus second. Interval and p-value of a comparison always come from one statistic,
so an interval leaves out 0 exactly where p lies below one minus its level:

- Items that stand alone: McNemar's mid-p test (Fagerland, Lydersen and Laake 2013, BMC Medical Research
  Methodology 13:91) and the melded interval that belongs to it (Fay and Lumbard 2021, Statistics in
  Medicine 40, after Fay, Proschan and Brittain 2015, Biometrics 71). Departure from that paper: the sign of
  the difference gets the mid-p confidence distribution, the share of items that differ the exact one, on
  whichever side makes the interval wider. `benchmarks/decision.py` has what it covers beside Tango's.
- Clusters: Student's t of the cluster-robust mean (Liang and Zeger 1986, with the degrees of freedom of the
  clusters). Below `SPARSE` clusters that differ its spread is not to be trusted; then the clusters' signs
  take the place of the items in the first method.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import Floats, Interval, Unknown, cluster_codes, cluster_error, unit_sums
from advisor.stats.special import beta_cdf, beta_quantile, check_level, t_cdf, t_quantile

SPARSE = 20
"""Below this many differing clusters their signs are compared instead of their means."""

_AT, _WEIGHT = (half / 2 for half in np.polynomial.legendre.leggauss(64))  # Gauss-Legendre on (0, 1)
_AT = _AT + 0.5

Bools = Sequence[bool] | NDArray[np.bool_]


class Relation(StrEnum):
    """What the interval of a difference allows to say about the first arm."""

    BETTER = "better"
    NON_INFERIOR = "non-inferior"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NON_SUPERIOR = "non-superior"
    WORSE = "worse"


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
        units: items, or clusters of them, that stand on their own.
        difference: accuracy of the first minus the second, None without items.
        interval: its interval, or why there is none.
        p_value: two-sided, from the same statistic as the interval; None where there is none.
        discordance: share of items on which the two differ; where values are fractions the mean square of
            their difference, or its mean where that is more: what the power of a comparison hangs on.
        relation: from the interval at `margin`.
        interval_method, test: how interval and p-value were computed, a phrase each.
    """

    counts: PairedCounts
    units: int
    discordance: float
    difference: float | None
    interval: Interval | Unknown
    p_value: float | None
    margin: float
    relation: Relation
    interval_method: str
    test: str


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


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """Two-sided McNemar test with the observed table counted half; 1 where no item differs."""
    ahead = _tail(only_first, only_second)
    return min(1.0, 2 * min(ahead, 1 - ahead))


def _tail(only_first: int, only_second: int) -> float:
    """P(X > b) + P(X = b) / 2 of X ~ Binomial(b + c, 1/2): how well chance explains the first's lead."""
    return float(sum(beta_cdf(0.5, *half) for half in _halves(only_first, only_second))) / 2


def _halves(b: int, c: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The mid-p confidence distribution of b's share of b + c: two beta distributions, half each."""
    return (b, c + 1), (b + 1, c)


@lru_cache(maxsize=50_000)
def melded_interval(only_first: int, only_second: int, n: int, level: float = 0.95) -> Interval:
    """Interval of a paired difference of proportions that leaves out 0 just where mid-p is below 1 - level.

    The difference is the share of items that differ times (2 s - 1), with s the first arm's share of them.
    Both have a confidence distribution, and the interval's ends are quantiles of their product.

    Raises:
        ValueError: if there are no items, more differ than there are, or `level` is no level.
    """
    check_level(level)
    if n <= 0 or only_first < 0 or only_second < 0 or only_first + only_second > n:
        raise ValueError(f"{only_first} and {only_second} items that differ, of {n}")
    outside = (1 - level) / 2
    return Interval(
        low=-_upper_end(only_second, only_first, n, outside),
        high=_upper_end(only_first, only_second, n, outside),
        level=level,
    )


def _upper_end(b: int, c: int, n: int, outside: float) -> float:
    """The difference that a share `outside` of the product's confidence distribution exceeds."""
    from scipy.optimize import brentq

    above_0 = 1 - _tail(b, c) >= outside
    extra = 1 if above_0 else 0  # the larger share of differing items where that moves the end outwards
    size = (b + c + extra, n - b - c + 1 - extra)
    nodes = np.maximum(beta_quantile(_AT, *size), 1e-300)

    def beyond(end: float) -> float:
        return sum(_exceeds(end, half, size, nodes) for half in _halves(b, c)) / 2 - outside

    low, high = (0.0, 1.0) if above_0 else (-1.0, 0.0)
    if beyond(low) <= 0:
        return low
    return high if beyond(high) >= 0 else float(brentq(beyond, low, high, xtol=1e-12))


def _exceeds(end: float, share: tuple[int, int], size: tuple[int, int], nodes: Floats) -> float:
    """P(t (2 s - 1) > end) of s ~ Beta(*share) and t ~ Beta(*size), with `nodes` its quantiles at `_AT`.

    A beta distribution with a 0 is a point at that end, and needs no quadrature.
    """
    ahead, behind = share
    if behind == 0:
        return 1.0 if end < 0 else 1 - float(beta_cdf(end, *size))
    if ahead == 0:
        return 0.0 if end >= 0 else float(beta_cdf(-end, *size))
    return 1 - float(_WEIGHT @ beta_cdf((1 + end / nodes) / 2, ahead, behind))


def relation(interval: Interval | Unknown, margin: float) -> Relation:
    """What may be said of the first arm, given the interval of first minus second.

    Equivalent first of all, where the whole interval lies inside +-margin; then better and worse where it
    leaves out 0; then non-inferior where only a loss of the margin is ruled out, and non-superior where only
    a gain of it is.

    Raises:
        ValueError: if `margin` is negative.
    """
    if margin < 0:
        raise ValueError(f"margin must be at least 0, got {margin}")
    match interval:
        case Unknown():
            return Relation.UNDECIDED
        case Interval(low=low, high=high) if -margin < low and high < margin:
            return Relation.EQUIVALENT
        case Interval(low=low) if low > 0:
            return Relation.BETTER
        case Interval(high=high) if high < 0:
            return Relation.WORSE
        case Interval(low=low) if low > -margin:
            return Relation.NON_INFERIOR
        case Interval(high=high) if high < margin:
            return Relation.NON_SUPERIOR
        case _:
            return Relation.UNDECIDED


def compare(
    first: Bools,
    second: Bools,
    *,
    clusters: Sequence[Hashable | None] | None = None,
    margin: float = 0.02,
    level: float = 0.95,
) -> PairedComparison:
    """Compare two arms' correctness on the same items, clusters taken together.

    `margin` is in the unit of accuracy: 0.02 is two points.

    Raises:
        ValueError: if the arms were not scored on the same number of items, `margin` is negative or `level`
            is no level.
    """
    check_level(level)
    counts = paired_counts(first, second)
    if counts.n == 0:
        return _told(
            counts, 0, None, _Pivot(Unknown(reason="no common items", needed=1), None, "none", "none"), margin
        )
    codes = cluster_codes(clusters, counts.n)
    signs = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    units = unit_sums(np.column_stack([signs, np.ones_like(signs)]), codes)
    if len(units) == counts.n:
        b, c = counts.only_first, counts.only_second
        pivot = _Pivot(
            melded_interval(b, c, counts.n, level),
            mcnemar_mid_p(b, c),
            "melded mid-p interval",
            "McNemar mid-p",
        )
    else:
        pivot = _clustered(units, level)
    return _told(counts, len(units), float(signs.mean()), pivot, margin)


def compare_values(
    first: Floats,
    second: Floats,
    *,
    clusters: Sequence[Hashable | None] | None = None,
    margin: float = 0.02,
    level: float = 0.95,
) -> PairedComparison:
    """Compare two arms by a value an item within [0, 1], such as how often an answer is expected to be right.

    Student's t of the mean difference, clusters taken together; `only_first` and `only_second` count the
    items on which the two differ by more than half.

    Raises:
        ValueError: as `compare`.
    """
    check_level(level)
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError(f"the arms were scored on {one.size} and {other.size} items; pairs are needed")
    differ = one - other
    counts = paired_counts(differ > 0.5, differ < -0.5)
    if counts.n == 0:
        return compare([], [], margin=margin, level=level)
    units = unit_sums(np.column_stack([differ, np.ones_like(differ)]), cluster_codes(clusters, counts.n))
    mean = float(differ.mean())
    told = _told(counts, len(units), mean, _clustered(units, level), margin)
    return replace(told, discordance=max(float((differ**2).mean()), abs(mean)))


@dataclass(frozen=True, slots=True)
class _Pivot:
    """Interval and p-value of one statistic."""

    interval: Interval | Unknown
    p_value: float | None
    interval_method: str
    test: str


def _told(
    counts: PairedCounts, units: int, difference: float | None, pivot: _Pivot, margin: float
) -> PairedComparison:
    return PairedComparison(
        counts=counts,
        units=units,
        discordance=counts.discordance,
        difference=difference,
        interval=pivot.interval,
        p_value=pivot.p_value,
        margin=margin,
        relation=relation(pivot.interval, margin),
        interval_method=pivot.interval_method,
        test=pivot.test,
    )


def _clustered(units: Floats, level: float) -> _Pivot:
    """From cluster sums (clusters x (differences, items))."""
    moved = units[units[:, 0] != 0, 0]
    if (
        moved.size < SPARSE or cluster_error(units) < 1e-9
    ):  # or all clusters differ alike: no spread to judge by
        return _by_signs(units, moved, level)
    return _by_means(units, level)


def _by_signs(units: Floats, moved: Floats, level: float) -> _Pivot:
    """Clusters that lean to one arm, in the size of such clusters; a whole cluster where none leans."""
    count, items = len(units), float(units[:, 1].sum())
    b, c = int((moved > 0).sum()), int((moved < 0).sum())
    size = min(1.0, float(np.abs(moved).mean()) * count / items) if moved.size else 1.0
    whole = melded_interval(b, c, count, level)
    return _Pivot(
        Interval(low=size * whole.low, high=size * whole.high, level=level),
        mcnemar_mid_p(b, c),
        "melded mid-p interval over clusters",
        "mid-p sign test over clusters",
    )


def _by_means(units: Floats, level: float) -> _Pivot:
    count, items = len(units), float(units[:, 1].sum())
    difference = float(units[:, 0].sum()) / items
    error = cluster_error(units)
    half = t_quantile(0.5 + level / 2, count - 1) * error
    p_value = 2 * t_cdf(-abs(difference) / error, count - 1)
    interval = Interval(low=max(-1.0, difference - half), high=min(1.0, difference + half), level=level)
    return _Pivot(interval, p_value, "cluster-robust t interval", "cluster-robust t test")
