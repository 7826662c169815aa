"""The inverse power law acc(n) = a - b * n^-c, fitted to accuracies by least squares, many at once.

For a given c the law is a line in n^-c, so a and b have a closed form; c is found on a grid that is then
refined twice. Bounds: a <= 1, b >= 0, c within `C_RANGE`. The form is the one of Figueroa et al. 2012
("Predicting sample size required for classification performance", BMC Medical Informatics and Decision
Making 12:8); departures: the points are not weighted by size, and a, the limit, is bounded by 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.stats.intervals import Floats

C_RANGE = (0.05, 2.0)
PARAMETERS = 3
_GRID = 40
_ZOOM = 11
_ZOOMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaws:
    """Fits of one or many curves over the same sizes, each array (curves,).

    Attributes:
        first: the smallest size; `drop` is the distance to the limit there.
    """

    first: float
    limit: Floats
    drop: Floats
    exponent: Floats

    def at(self, sizes: Sequence[float] | Floats) -> Floats:
        """Accuracy of each curve at each size: (curves, sizes)."""
        relative = np.asarray(sizes, dtype=np.float64) / self.first
        shrunk = relative[None, :] ** -self.exponent[:, None]
        return np.asarray(self.limit[:, None] - self.drop[:, None] * shrunk)

    def size_for(self, target: float) -> Floats:
        """The size at which each curve reaches the target; infinite where it never does."""
        gap = self.limit - target
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            size = self.first * (self.drop / gap) ** (1 / self.exponent)
        return np.where(gap > 0, size, np.inf)

    @property
    def scale(self) -> Floats:
        """The b of a - b * n^-c."""
        return np.asarray(self.drop * self.first**self.exponent)


def fit_power_laws(sizes: Sequence[int], accuracies: Floats) -> PowerLaws:
    """Fit each row of `accuracies` (curves x sizes).

    Raises:
        ValueError: with fewer than four distinct sizes: three parameters would fit anything.
    """
    if len(set(sizes)) <= PARAMETERS:
        raise ValueError(f"{len(set(sizes))} sizes; {PARAMETERS} parameters need at least {PARAMETERS + 1}")
    relative = np.asarray(sizes, dtype=np.float64) / min(sizes)
    low, high = np.log(C_RANGE[0]), np.log(C_RANGE[1])
    logs = np.broadcast_to(np.linspace(low, high, _GRID), (len(accuracies), _GRID))
    step = (high - low) / (_GRID - 1)
    for zoom in range(_ZOOMS + 1):
        limit, drop, misfit = _lines(relative, accuracies, np.exp(logs))
        best = np.argmin(misfit, axis=1)[:, None]
        centre = np.take_along_axis(logs, best, axis=1)
        if zoom < _ZOOMS:
            logs = np.clip(centre + step * np.linspace(-1, 1, _ZOOM), low, high)
            step *= 2 / (_ZOOM - 1)
    return PowerLaws(
        first=float(min(sizes)),
        limit=np.take_along_axis(limit, best, axis=1)[:, 0],
        drop=np.take_along_axis(drop, best, axis=1)[:, 0],
        exponent=np.exp(centre[:, 0]),
    )


def _lines(relative: Floats, accuracies: Floats, exponents: Floats) -> tuple[Floats, Floats, Floats]:
    """Limit, drop and squared misfit for every curve and exponent: (curves, exponents) each.

    Outside its bounds the best line lies on them: flat at the mean, or with its limit at 1.
    """
    x = relative[None, None, :] ** -exponents[:, :, None]
    y = accuracies[:, None, :]
    mean_x, mean_y = x.mean(axis=2), y.mean(axis=2)
    spread = ((x - mean_x[:, :, None]) ** 2).sum(axis=2)
    drop = -((x - mean_x[:, :, None]) * (y - mean_y[:, :, None])).sum(axis=2) / spread
    drop = np.maximum(drop, 0.0)
    limit = mean_y + drop * mean_x
    capped = limit > 1.0
    drop = np.where(capped, ((1.0 - y) * x).sum(axis=2) / (x**2).sum(axis=2), drop)
    limit = np.where(capped, 1.0, limit)
    misfit = ((limit[:, :, None] - drop[:, :, None] * x - y) ** 2).sum(axis=2)
    return limit, drop, misfit
