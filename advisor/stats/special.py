"""The few distribution functions the estimators need, so that scipy stays out of the dependencies.

Normal quantiles come from the standard library. Student's t goes through the regularised incomplete
beta function, evaluated by Lentz's continued fraction (Numerical Recipes, 3rd ed., section 6.4).
Binomial tails are summed from log-gamma terms: exact to about 1e-12 for the sizes used here (n up to a
few 100,000); beyond that they get slow, not wrong.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_STANDARD = NormalDist()


def normal_quantile(p: float) -> float:
    """The standard normal value below which a share `p` of the mass lies."""
    return _STANDARD.inv_cdf(p)


def normal_cdf(x: float) -> float:
    """The standard normal mass below `x`."""
    return _STANDARD.cdf(x)


def two_sided_z(level: float) -> float:
    """The half-width in standard errors of a two-sided normal interval, 1.96 at 0.95.

    Raises:
        ValueError: if `level` is not strictly between 0 and 1.
    """
    check_level(level)
    return normal_quantile(0.5 + level / 2)


def check_level(level: float) -> None:
    """Refuse a confidence level that is none.

    Raises:
        ValueError: if `level` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's continued fraction for the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(tiny, 1.0 - (a + b) * x / (a + 1.0))
    result = d
    for m in range(1, 1000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return result


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def t_quantile(p: float, df: float) -> float:
    """The quantile of Student's t with `df` degrees of freedom, by bisection to 1e-12.

    Raises:
        ValueError: if `p` is not in (0, 1) or `df` is not positive.
    """
    if not 0 < p < 1 or df <= 0:
        raise ValueError(f"need 0 < p < 1 and df > 0, got p={p}, df={df}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def t_cdf(t: float, df: float) -> float:
    """The mass of Student's t with `df` degrees of freedom below `t`."""
    tail = incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2
    return tail if t < 0 else 1 - tail


def binomial_pmf(n: int, p: float) -> NDArray[np.float64]:
    """P(X = k) for k = 0..n of a binomial variable; shape (n + 1,).

    Raises:
        ValueError: if `n` is negative or `p` lies outside [0, 1].
    """
    if n < 0 or not 0 <= p <= 1:
        raise ValueError(f"need n >= 0 and 0 <= p <= 1, got n={n}, p={p}")
    if p in (0.0, 1.0):
        pmf = np.zeros(n + 1)
        pmf[n if p == 1.0 else 0] = 1.0
        return pmf
    steps = np.log(np.arange(1, n + 1, dtype=np.float64))
    log_factorial = np.concatenate([[0.0], np.cumsum(steps)])
    k = np.arange(n + 1)
    log_pmf = log_factorial[n] - log_factorial - log_factorial[::-1] + k * math.log(p)
    return np.asarray(np.exp(log_pmf + (n - k) * math.log1p(-p)), dtype=np.float64)
