"""How many evaluation items a question needs: power of the paired comparison of two arms.

Two arms on the same items differ only where exactly one of them is right; that share is the
discordance. The formula is Connor's (1987, Biometrics 43) for McNemar's test:
n = (z_a * sqrt(d) + z_b * sqrt(d - delta^2))^2 / delta^2. These are evaluation items; training examples
are another matter (a learning curve). The result is an approximation, good to a few percent above some
ten discordant items; below that exact tests need somewhat more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from advisor.stats.special import normal_cdf, normal_quantile, two_sided_z


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is asked of a comparison.

    Attributes:
        power: probability of finding a difference that is there.
        level: of the two-sided interval.
        design_effect: variance inflation by clustering, 1 + (mean cluster size - 1) * ICC.
    """

    power: float = 0.80
    level: float = 0.95
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        """Refuse impossible designs.

        Raises:
            ValueError: if power or level is not in (0, 1) or the design effect is below 1.
        """
        if not 0 < self.power < 1 or not 0 < self.level < 1 or self.design_effect < 1:
            raise ValueError(f"need 0 < power < 1, 0 < level < 1 and design effect >= 1, got {self}")


_DEFAULT = Design()


USUAL_DISCORDANCE = (0.10, 0.44)
"""Shares of items on which the two arms of a pair were seen to differ: from Banking77 to 30 kinds of ticket
(docs/benchmarks.md). Before a run they stand in for its own."""


def _check(difference: float, discordance: float) -> None:
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance must lie within [0, 1], got {discordance}")
    if abs(difference) > discordance + 1e-12:
        raise ValueError(f"a difference of {difference} cannot come from a discordance of {discordance}")


def items_needed(difference: float, discordance: float, design: Design = _DEFAULT) -> int | None:
    """Evaluation items to find `difference` at `discordance`; None when no number would (difference 0).

    Both are shares: two points at 10 % discordance are (0.02, 0.10) and need 1,960 items.

    Raises:
        ValueError: if the difference is larger than the discordance allows.
    """
    _check(difference, discordance)
    if difference == 0:
        return None
    spread = max(0.0, discordance - difference**2)
    root = two_sided_z(design.level) * math.sqrt(discordance)
    root += normal_quantile(design.power) * math.sqrt(spread)
    return math.ceil(design.design_effect * (root / difference) ** 2 - 1e-9)


def power_at(n: int, difference: float, discordance: float, design: Design = _DEFAULT) -> float:
    """Probability of finding `difference` with `n` items (the inverse of `items_needed`).

    Raises:
        ValueError: if the difference is larger than the discordance allows, or `n` is negative.
    """
    _check(difference, discordance)
    if n < 0:
        raise ValueError(f"n must be at least 0, got {n}")
    z = two_sided_z(design.level)
    effective = n / design.design_effect
    reach = abs(difference) * math.sqrt(effective) - z * math.sqrt(discordance)
    spread = discordance - difference**2
    if spread <= 1e-15:
        return float(reach >= 0)
    return normal_cdf(reach / math.sqrt(spread))


def minimum_detectable_difference(n: int, discordance: float, design: Design = _DEFAULT) -> float | None:
    """Smallest difference that `n` items find with the power asked for; None when even all cannot.

    Raises:
        ValueError: if `discordance` is no share.
    """
    _check(0.0, discordance)
    if n <= 0 or discordance == 0 or power_at(n, discordance, discordance, design) < design.power:
        return None
    low, high = 0.0, discordance
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if power_at(n, middle, discordance, design) >= design.power else (middle, high)
        )
    return high


def detectable_mean(n: int, variance: float, design: Design = _DEFAULT) -> float | None:
    """Smallest mean difference of values in between 0 and 1 that `n` items find with the power asked for.

    The normal approximation (z_a + z_b) * sqrt(variance / n) of a paired t test (Lachin 1981, Controlled
    Clinical Trials 2); None without items or spread.

    Args:
        variance: of the items' differences.
    """
    if n <= 0 or variance <= 0:
        return None
    z = two_sided_z(design.level) + normal_quantile(design.power)
    return z * math.sqrt(design.design_effect * variance / n)


def items_to_settle(difference: float, discordance: float, margin: float, design: Design = _DEFAULT) -> int:
    """Evaluation items to settle two arms whose true difference this is: better, worse, or tied.

    The smaller of what shows the difference and, inside the margin, what shows that it lies there.

    Raises:
        ValueError: if the difference is larger than the discordance allows, or `margin` is not positive.
    """
    if margin <= 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    apart = items_needed(difference, discordance, design)
    tied = items_for_tie(difference, discordance, margin, design)
    return min(n for n in (apart, tied) if n is not None)


def items_for_tie(
    difference: float, discordance: float, margin: float, design: Design = _DEFAULT
) -> int | None:
    """Items to show that two arms differ by less than the margin in both directions (two one-sided tests).

    None where the difference is not inside the margin. The larger of what its nearer side takes, and of what
    both sides take where the difference is 0: there each may fail, so both need (1 + power) / 2.

    Raises:
        ValueError: if the difference is larger than the discordance allows.
    """
    _check(difference, discordance)
    if abs(difference) >= margin:
        return None
    z, room = two_sided_z(design.level), margin - abs(difference)
    nearer = (discordance - difference**2) * ((z + normal_quantile(design.power)) / room) ** 2
    both = discordance * ((z + normal_quantile((1 + design.power) / 2)) / margin) ** 2
    return max(1, math.ceil(design.design_effect * max(nearer, both) - 1e-9))


def items_for_bound(share: float, bound: float, power: float, alpha: float) -> int | None:
    """Items to show on which side of a bound a share lies, by a one-sided limit; None where it lies on it.

    The normal approximation (Fleiss, Levin and Paik 2003, section 2.3).
    """
    if share == bound:
        return None
    root = normal_quantile(1 - alpha) * math.sqrt(bound * (1 - bound))
    root += normal_quantile(power) * math.sqrt(share * (1 - share))
    return math.ceil((root / (share - bound)) ** 2 - 1e-9)


def items_for_mean(mean: float, error: float, n: int, bound: float, power: float, alpha: float) -> int | None:
    """Items to show on which side of a bound a mean lies, by a one-sided limit; None where it lies on it.

    The normal approximation with the spread that was seen: n ((z_alpha + z_power) error / difference)^2. An
    error over clusters holds for more clusters of the same size.

    Args:
        error: standard error of the mean over `n` items.
    """
    if mean == bound:
        return None
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    return math.ceil(n * (z * error / (mean - bound)) ** 2 - 1e-9)
