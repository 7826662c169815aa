"""Work that an arm and somebody else share: its quality, and from which confidence on the arm may answer.

The arm answers an item when it is sure enough and hands over the others, of which a share `rest` is answered
rightly. Blended quality = coverage x precision + (1 - coverage) x rest, or rest + coverage x (precision -
rest).

Interval: melded (Fay, Proschan and Brittain 2015, Biometrics 71). Coverage and precision are two binomial
shares with exact confidence distributions, and the ends are quantiles of their product, coverage taken on
whichever side makes the interval wider; `rest` is taken as known. Clusters shrink the items to an effective
number (Korn and Graubard 1998), as in `exact_interval`.

Threshold: fixed-sequence testing, the simplest procedure of Learn then Test (Angelopoulos et al. 2021,
2110.01052). Thresholds are tested in an order that no answer decides, each at the whole alpha, until one is
not shown; those before it are shown together at that alpha, so any of them may be chosen by cost.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.stats.intervals import Floats, Interval, Unknown, cluster_codes, effective_items, unit_sums
from advisor.stats.special import beta_cdf, beta_quantile, check_level, normal_quantile

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
