"""Until when, and up to which volume and rate of change, the answer of a run holds.

Days are announced: prices and retirements of the models involved. Volume and rate of change are found by
bisection on the very functions that the costs are reckoned with: where another acceptable arm becomes the
cheapest one, with building spread over the horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from advisor.money.crossing import Shape, crossing
from advisor.money.ranges import Scenario
from harness.core.records import ArmId
from harness.money.records import HostedPrice, Limit, PriceEffect
from harness.money.scene import Scene

_CALCULATED = "calculated from this run"
_STEPS = 8  # of a search, to a factor of ten
_DECADES = 4  # how far from today's figure it goes
_LEAST_RATE = 0.1
_RATES: tuple[Literal["label_changes_per_month", "knowledge_changes_per_month"], ...] = (
    "label_changes_per_month",
    "knowledge_changes_per_month",
)

Shapes = Mapping[ArmId, Shape]


def limits(scene: Scene) -> tuple[Limit, ...]:
    """Everything known that ends the answer's validity: days first, in order, then rates and volumes."""
    days = [limit for price in scene.grounds.hosted for limit in _days(price, scene)]
    return (
        *sorted(days, key=lambda limit: (str(limit.on), limit.model, limit.what)),
        *_change_rates(scene),
        *_volumes(scene),
    )


def _days(price: HostedPrice, scene: Scene) -> list[Limit]:
    ran = price.arm is not None
    found = []
    if price.next_on is not None:
        found.append(
            Limit(
                what="price change",
                on=price.next_on,
                source=price.source,
                arm=scene.ship,
                model=price.model,
                was_run=ran,
                now_usd=price.usd_per_1k.usd,
                then_usd=price.next_usd_per_1k,
                effect=_effect(price, scene),
            )
        )
    if price.retires_on is not None or price.retires_source:
        gone = Limit(
            what="model retirement",
            on=price.retires_on,
            source=price.retires_source,
            model=price.model,
            was_run=ran,
        )
        found.append(gone)
    return found


def _effect(price: HostedPrice, scene: Scene) -> PriceEffect | None:
    """What the next price changes about the answer, None where that is not known."""
    ship, then = scene.ship, price.next_usd_per_1k
    if ship is None or then is None or price.usd_per_1k.usd is None:
        return None
    if price.arm is not None:
        shapes = _shapes(scene)
        if price.arm not in shapes:
            return PriceEffect(acceptable=False)
        more = (then - price.usd_per_1k.usd) / 1000
        query = shapes[price.arm].query_usd
        dearer = replace(shapes[price.arm], query_usd=None if query is None else query + more)
        before, after = _cheapest(shapes, scene.volume), _cheapest(shapes | {price.arm: dearer}, scene.volume)
        return None if before is None or after is None else PriceEffect(cheapest=(before, after))
    own = scene.likely_shape(ship, counted=False)
    dearer_price = replace(price, usd_per_1k=replace(price.usd_per_1k, usd=then))
    now, later = (
        crossing(own, scene.hosted(p)[Scenario.LIKELY].shape(counted=False)) for p in (price, dearer_price)
    )
    return PriceEffect(crossings=(now, later))


def _shapes(scene: Scene) -> dict[ArmId, Shape]:
    return {arm: scene.likely_shape(arm, counted=scene.priced) for arm in scene.acceptable}


def _cheapest(shapes: Shapes, volume: int) -> ArmId | None:
    """The acceptable arm that costs least a month; None when any is not known, as it might cost less."""
    months = {arm: shape.month_usd(volume) for arm, shape in shapes.items()}
    if not months or None in months.values():
        return None
    return min(months, key=lambda arm: months[arm] or Decimal(0))


def _volumes(scene: Scene) -> tuple[Limit, ...]:
    shapes, ship, volume = _shapes(scene), scene.ship, scene.volume
    cheapest = _cheapest(shapes, volume)
    if ship is None or cheapest is None or ship not in shapes:
        return ()
    if cheapest != ship:
        ours, theirs = shapes[ship].month_usd(volume), shapes[cheapest].month_usd(volume)
        months = None if ours is None or theirs is None else (ours, theirs)
        return (_volume(float(volume), ship, cheapest, "here", months),)

    def best(queries: float) -> ArmId | None:
        return _cheapest(shapes, max(1, round(queries)))

    found = []
    for up in (False, True):
        at = _flips(best, float(volume), up=up, whole=True)
        if at is not None:
            found.append(_volume(at, ship, best(at), "above" if up else "below"))
    return tuple(found)


def _volume(
    at: float,
    ship: ArmId,
    other: ArmId | None,
    side: Literal["above", "below", "here"],
    months: tuple[Decimal, Decimal] | None = None,
) -> Limit:
    return Limit(
        what="volume", source=_CALCULATED, at=at, arm=ship, other=other, side=side, months_usd=months
    )


def _change_rates(scene: Scene) -> tuple[Limit, ...]:
    found = []
    for field in _RATES:
        rate = getattr(scene.inputs, field)
        if rate is None or (rate == 0 and field == "knowledge_changes_per_month"):
            continue  # without facts in it an answer cannot go stale

        def best(changes: float, field: str = field) -> ArmId | None:
            moved = scene.at(scene.inputs.stating(**{field: changes}))
            return _cheapest(_shapes(moved), scene.volume)

        if best(float(rate)) != scene.ship:
            continue  # the volume's limit says so already
        at = _flips(best, float(rate), up=True, whole=False)
        if at is not None:
            found.append(
                Limit(
                    what="change rate",
                    source=_CALCULATED,
                    at=at,
                    arm=scene.ship,
                    other=best(at),
                    changes=field,
                )
            )
    return tuple(found)


def _flips(best: Callable[[float], ArmId | None], start: float, *, up: bool, whole: bool) -> float | None:
    """The figure nearest to `start` in one direction at which another arm than at `start` is the cheapest.

    Steps of a fixed ratio find the interval, bisection the place. None when nothing flips within reach.

    Args:
        whole: the figure is a count, so the answer is a whole number.
    """
    ours = best(start)
    near = start
    for step in range(1, _DECADES * _STEPS + 1):
        ratio = 10.0 ** (step / _STEPS)
        far = max(start, 0.0 if whole else _LEAST_RATE) * ratio if up else start / ratio
        if whole and far < 1:
            return None
        if best(far) != ours:
            return _bisect(best, ours, near, far, whole=whole)
        near = far
    return None


def _bisect(
    best: Callable[[float], ArmId | None], ours: ArmId | None, near: float, far: float, *, whole: bool
) -> float:
    """The figure where `ours` is no longer the cheapest, moved up to the last one where it still is."""
    while abs(far - near) > (0.5 if whole else 1e-3 * max(near, _LEAST_RATE)):
        middle = (near + far) / 2
        if best(middle) == ours:
            near = middle
        else:
            far = middle
    return float(round(far)) if whole else far
