"""From scored answers at several training sizes to a learning curve with intervals and a plain sentence.

Intervals come from one bootstrap over what varies: items (whole clusters), drawn alike for every size
because every size was scored on the same items, and seeds, whose deviations are widened by
sqrt(s / (s - 1)) as s seeds show too little of their spread. With one seed, the law's own misfit stands
in for it. In simulations with the law true, 95 % intervals of its limit cover 94 to 100 %
(tests/harness/curve/test_fit.py); that the form holds is assumed.

The inverse power law acc(n) = a - b * n^-c, fitted to accuracies by least squares, many at once.

For a given c the law is a line in n^-c, so a and b have a closed form; c is found on a grid that is then
refined twice. Bounds: a <= 1, b >= 0, c within `C_RANGE`. The form is the one of Figueroa et al. 2012
("Predicting sample size required for classification performance", BMC Medical Informatics and Decision
Making 12:8); departures: the points are not weighted by size, and a, the limit, is bounded by 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import numpy as np

from advisor.money.ledger import Money
from advisor.stats.intervals import MIN_UNITS, Floats, cluster_codes, resample_weights, unit_sums
from harness.core.records import ArmId, Estimate, PriceBasis
from harness.core.wording import counted
from harness.curve.records import (
    CurveFit,
    CurveMean,
    CurveNote,
    CurvePoint,
    LearningCurve,
    LinePoint,
    NoCurve,
    NotTold,
    Reach,
    TargetForecast,
)

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


READ_UP_TO = 3
"""The law is read up to this many times the examples it was fitted to, never past it."""

FORM = "{metric} = a - b * n^-c"
_LEVEL = 0.95
_LINE = 24
LEAST_SPAN = 4  # largest size over smallest: less tells no curve from a line
AT_BOUND = 0.9995
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePrice:
    """What one more training example costs."""

    usd: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveGrid:
    """The primary metric by item, within [0, 1]: (seeds, sizes, items), sizes rising.

    Attributes:
        clusters: one key an item, None for items that stand alone; None without clusters.
        draws: how many different subsets of rows stand behind each size.
    """

    sizes: tuple[int, ...]
    draws: tuple[int, ...]
    values: Floats
    clusters: tuple[str | None, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose curve it is, of which metric, and what is asked of it."""

    arm: ArmId
    metric: str
    evalset: str
    plan_digest: str
    split: Literal["dev", "test"]
    looks: int | None
    train: int
    target: float | None = None
    price: ExamplePrice | None = None
    notes: tuple[CurveNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """The law through the means, and through every draw of them."""

    metric: str
    law: PowerLaws
    drawn: PowerLaws
    sizes: tuple[int, ...]
    items: int
    draws: int


def learning_curve(
    subject: Subject,
    grid: CurveGrid,
    points: Sequence[CurvePoint],
    rng: np.random.Generator,
    draws: int = 2000,
) -> LearningCurve:
    """Fit, say how sure, and answer for the target."""
    seeds, sizes, items = grid.values.shape
    means = grid.values.mean(axis=(0, 2))
    drawn = _draw_means(grid, rng, draws)
    no_fit = _no_fit(grid, drawn)
    fitted = None
    if no_fit is None and drawn is not None:
        law = fit_power_laws(grid.sizes, means[None, :])
        if seeds == 1:
            spread = _misfit(law, grid.sizes, means) * math.sqrt(sizes / (sizes - PARAMETERS))
            drawn = drawn + rng.normal(0.0, spread, size=drawn.shape)
        fitted = _Fitted(
            metric=subject.metric,
            law=law,
            drawn=fit_power_laws(grid.sizes, drawn),
            sizes=grid.sizes,
            items=items,
            draws=draws,
        )
    shown = tuple(
        CurveMean(size=size, seeds=behind, primary=_mean(subject.metric, value, drawn, column, grid, behind))
        for column, (size, behind, value) in enumerate(
            zip(grid.sizes, grid.draws, means.tolist(), strict=True)
        )
    )
    target = None if subject.target is None else _outlook(subject, subject.target, fitted)
    return LearningCurve(
        arm=subject.arm,
        evalset=subject.evalset,
        plan_digest=subject.plan_digest,
        split=subject.split,
        looks=subject.looks,
        train=subject.train,
        items=items,
        points=tuple(points),
        means=shown,
        fit=None if fitted is None else _fit_record(fitted, means),
        no_fit=no_fit,
        line=() if fitted is None else _line(fitted),
        target=target,
        notes=subject.notes,
    )


def _draw_means(grid: CurveGrid, rng: np.random.Generator, draws: int) -> Floats | None:
    """Mean accuracy at each size in each draw: (draws, sizes); None with too few items to draw from."""
    seeds, sizes, items = grid.values.shape
    flat = grid.values.reshape(seeds * sizes, items).T.astype(np.float64)
    units = unit_sums(np.column_stack([flat, np.ones(items)]), cluster_codes(grid.clusters, items))
    if len(units) < MIN_UNITS:
        return None
    sums = resample_weights(rng, len(units), draws) @ units
    accuracy = (sums[:, :-1] / sums[:, -1:]).reshape(draws, seeds, sizes)
    mean = np.asarray(accuracy.mean(axis=1))
    if seeds == 1:
        return mean
    picked = rng.integers(0, seeds, size=(draws, seeds, 1))
    redrawn = np.take_along_axis(accuracy, picked, axis=1).mean(axis=1)
    return np.asarray(mean + math.sqrt(seeds / (seeds - 1)) * (redrawn - mean))


def _no_fit(grid: CurveGrid, drawn: Floats | None) -> NoCurve | None:
    """Why no law can be fitted; None when it can."""
    if drawn is None:
        return NoCurve.FEW_ITEMS
    if len(grid.sizes) <= PARAMETERS:
        return NoCurve.FEW_SIZES
    return NoCurve.NARROW if grid.sizes[-1] < LEAST_SPAN * grid.sizes[0] else None


def _misfit(law: PowerLaws, sizes: Sequence[int], means: Floats) -> float:
    return float(np.sqrt(np.mean((law.at(sizes)[0] - means) ** 2)))


def _mean(
    metric: str, value: float, drawn: Floats | None, column: int, grid: CurveGrid, seeds: int
) -> Estimate:
    method = f"mean of {_draws(seeds)}; bootstrap over items{' and seeds' if seeds > 1 else ''}"
    values = None if drawn is None else drawn[:, column]
    return _estimate(metric, value, values, grid.values.shape[2], method)


def _estimate(metric: str, value: float, drawn: Floats | None, items: int, method: str) -> Estimate:
    """A share with the percentile interval of its draws; none where the draws do not vary."""
    if drawn is None or float(drawn.max()) == float(drawn.min()):
        reason = "too few items" if drawn is None else "no variation between items"
        return Estimate(metric=metric, value=value, n=items, method=method, reason=reason)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(
        metric=metric,
        value=value,
        low=min(max(0.0, float(low)), value),
        high=max(min(1.0, float(high)), value),
        level=_LEVEL,
        n=items,
        method=method,
    )


def _form(metric: str) -> str:
    """The law as text."""
    return FORM.format(metric=metric)


def _method(fitted: _Fitted) -> str:
    return f"{_form(fitted.metric)} through the means of {len(fitted.sizes)} sizes; bootstrap"


def _fit_record(fitted: _Fitted, means: Floats) -> CurveFit:
    law = fitted.law
    limit = _estimate(
        f"limit of {fitted.metric}", float(law.limit[0]), fitted.drawn.limit, fitted.items, _method(fitted)
    )
    return CurveFit(
        form=_form(fitted.metric),
        limit=limit,
        b=float(law.scale[0]),
        c=float(law.exponent[0]),
        misfit=_misfit(law, fitted.sizes, means),
        draws=fitted.draws,
    )


def _at(fitted: _Fitted, size: float) -> Estimate:
    value = float(np.clip(fitted.law.at([size])[0, 0], 0.0, 1.0))
    return _estimate(fitted.metric, value, fitted.drawn.at([size])[:, 0], fitted.items, _method(fitted))


def _line(fitted: _Fitted) -> tuple[LinePoint, ...]:
    first, last = fitted.sizes[0], fitted.sizes[-1]
    drawn = np.geomspace(first, READ_UP_TO * last, _LINE).round().astype(int).tolist()
    drawn += [2 * last, READ_UP_TO * last]
    return tuple(
        LinePoint(size=size, primary=_at(fitted, size), extrapolated=size > last)
        for size in sorted({*drawn, *fitted.sizes})
    )


def _outlook(subject: Subject, target: float, fitted: _Fitted | None) -> TargetForecast:
    """Whether and with how many more training examples the target is reached."""
    if fitted is None:
        return _untold(target, NotTold.NO_CURVE, fitted)
    here, limit = _at(fitted, subject.train), _fit_limit(fitted)
    if (here.value or 0.0) >= target:
        more = _no_number("reached already", fitted)
        return TargetForecast(target=target, reach=Reach.REACHED, more=more, here=here)
    if not _rises(fitted):
        return _untold(target, NotTold.NO_RISE, fitted)
    if limit.high is not None and limit.high < target:
        more = _no_number("the limit lies below the target", fitted)
        return TargetForecast(target=target, reach=Reach.NEVER, more=more)
    needed = float(fitted.law.size_for(target)[0])
    if needed > READ_UP_TO * fitted.sizes[-1]:
        return _untold(target, NotTold.TOO_FAR, fitted)
    return _more(subject, target, fitted, needed)


def _rises(fitted: _Fitted) -> bool:
    """Whether accuracy is shown to rise: a flat stretch may be the end of a curve or its beginning."""
    ends = fitted.drawn.at([fitted.sizes[0], fitted.sizes[-1]])
    return float(np.quantile(ends[:, 1] - ends[:, 0], (1 - _LEVEL) / 2)) > 0


def _fit_limit(fitted: _Fitted) -> Estimate:
    value = float(fitted.law.limit[0])
    return _estimate(f"limit of {fitted.metric}", value, fitted.drawn.limit, fitted.items, _method(fitted))


def _more(subject: Subject, target: float, fitted: _Fitted, needed: float) -> TargetForecast:
    reach = READ_UP_TO * fitted.sizes[-1]
    tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    low, high = np.quantile(fitted.drawn.size_for(target), tails, method="inverted_cdf")
    value = max(1, math.ceil(needed - subject.train))
    more = Estimate(
        metric="more training examples",
        value=value,
        low=min(value, max(0, math.floor(low - subject.train))),
        high=max(value, math.ceil(high - subject.train)) if high <= reach else None,
        level=_LEVEL,
        n=fitted.items,
        method=_method(fitted),
        reason="" if high <= reach else f"the upper end lies past {READ_UP_TO} times the examples you have",
    )
    price = subject.price
    return TargetForecast(
        target=target,
        reach=Reach.MORE,
        more=more,
        usd=_priced(more, price),
        example_usd=None if price is None else price.usd,
    )


def _priced(more: Estimate, price: ExamplePrice | None) -> Money | None:
    if price is None:
        return None

    def cost(examples: float | None) -> Decimal | None:
        return None if examples is None else (Decimal(examples) * price.usd).quantize(_CENT, ROUND_HALF_UP)

    return Money(
        usd=cost(more.value),
        low_usd=cost(more.low),
        high_usd=cost(more.high),
        basis=PriceBasis.ESTIMATE,
        source=price.source,
    )


def _untold(target: float, why: NotTold, fitted: _Fitted | None) -> TargetForecast:
    """A forecast that cannot say whether more examples reach the target."""
    more = _no_number(why.value, fitted)
    return TargetForecast(target=target, reach=Reach.CANNOT_SAY, more=more, not_told=why)


def _no_number(reason: str, fitted: _Fitted | None) -> Estimate:
    return Estimate(
        metric="more training examples",
        value=None,
        n=0 if fitted is None else fitted.items,
        method="none" if fitted is None else _method(fitted),
        reason=reason,
    )


def _draws(count: int) -> str:
    return f"{counted(count, 'draw', 'draws')} of the rows"
