"""The distribution functions that the estimators need: the normal by the standard library, others by SciPy.

NumPy and SciPy are imported when a function first needs them, so that advice without a sample starts fast.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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


def wilson_ends(successes: float, n: float, z: float) -> tuple[float, float]:
    """The ends of Wilson's score interval of a proportion (Wilson 1927), `z` standard errors wide.

    Args:
        successes: how many of `n`; fractional counts are allowed (effective sample sizes).
        n: the denominator, above 0.
    """
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def beta_cdf(x: Floats | float, a: float, b: float) -> Floats:
    """The mass of Beta(a, b) below `x`; a point at 0 where `a` is 0, at 1 where `b` is 0."""
    import numpy as np
    from scipy.special import betainc

    at = np.asarray(x, dtype=np.float64)
    if a <= 0:
        return np.asarray(at >= 0, dtype=np.float64)
    if b <= 0:
        return np.asarray(at >= 1, dtype=np.float64)
    return np.asarray(betainc(a, b, np.clip(at, 0.0, 1.0)), dtype=np.float64)


def beta_quantile(p: Floats | float, a: float, b: float) -> Floats:
    """The value below which a share `p` of Beta(a, b) lies; with a 0 a point, as in `beta_cdf`."""
    import numpy as np
    from scipy.special import betaincinv

    at = np.asarray(p, dtype=np.float64)
    if a <= 0 or b <= 0:
        return np.full_like(at, 0.0 if a <= 0 else 1.0)
    return np.asarray(betaincinv(a, b, at), dtype=np.float64)


def t_quantile(p: float, df: float) -> float:
    """The quantile of Student's t with `df` degrees of freedom.

    Raises:
        ValueError: if `p` is not in (0, 1) or `df` is not positive.
    """
    from scipy.special import stdtrit

    if not 0 < p < 1 or df <= 0:
        raise ValueError(f"need 0 < p < 1 and df > 0, got p={p}, df={df}")
    return float(stdtrit(df, p))


def t_cdf(t: float, df: float) -> float:
    """The mass of Student's t with `df` degrees of freedom below `t`."""
    from scipy.special import stdtr

    return float(stdtr(df, t))


def binomial_cdf(n: int, p: float) -> Floats:
    """P(X <= k) for k = 0..n of a binomial variable; shape (n + 1,).

    Raises:
        ValueError: if `n` is negative or `p` lies outside [0, 1].
    """
    import numpy as np
    from scipy.special import bdtr

    if n < 0 or not 0 <= p <= 1:
        raise ValueError(f"need n >= 0 and 0 <= p <= 1, got n={n}, p={p}")
    return np.asarray(bdtr(np.arange(n + 1, dtype=np.float64), n, p), dtype=np.float64)
