"""What the measured arms mean in money. Pure, and quick enough to be asked again with other numbers.

    results + cost inputs + incumbent + grounds -> CostForecast

The same functions answer for the report, for the pages' sliders (`harness.money.what_if`) and for the
limits of the verdict, so they cannot disagree. The answer holds until a price changes or a model is retired,
and up to a volume and a rate of change found by bisection: from there on another acceptable arm is the
cheapest one, with building spread over the horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from advisor.money.crossing import BreakEvenCurve, Shape, crossing, curve, running_curve
from advisor.money.inputs import CostInputs
from advisor.money.ledger import Covers, Money, total_usd
from advisor.money.money import Scenario
from advisor.money.serving import usd_per_1k
from advisor.money.tco import PaidBack, Tco, against
from advisor.money.workload import (
    CHANGE_LINES,
    PEOPLE_LINE,
    SEARCH_LINES,
    WRONG_LINE,
    served,
    shared_month_usd,
)
from harness.bakeoff.results import ArmResult, BakeoffResults
from harness.core.records import ArmId, CostLine, PriceBasis
from harness.money.records import (
    ArmForecast,
    CostForecast,
    CostGroup,
    Grounds,
    HostedForecast,
    HostedPrice,
    IncumbentCosts,
    Limit,
    MonthPart,
    PriceEffect,
    ServingCost,
)
from harness.money.scene import Curves, Scene, shapes_of
from harness.money.unknowns import missing, why

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


_WEAKEST_FIRST = (PriceBasis.ILLUSTRATIVE, PriceBasis.ESTIMATE, PriceBasis.LIST_PRICE, PriceBasis.MEASURED)
_GROUPS: tuple[CostGroup, ...] = ("calls and machines", "retrieval", "changes", "people", "wrong answers")


def outlook(
    results: BakeoffResults,
    inputs: CostInputs,
    today: IncumbentCosts | None,
    grounds: Grounds,
    ship: ArmId | None = None,
) -> CostForecast:
    """The money of a run.

    Args:
        today: what is stated of the incumbent; its sums are reckoned here.
        ship: the arm that is to be used, for what a change of price would change about it.
    """
    scene = Scene(results=results, inputs=inputs, grounds=grounds, today=today, ship=ship)
    arms = tuple(marked_busy(_arm(arm, scene), arm.cost.usd_per_1k.busy) for arm in scene.counted)
    ends = limits(scene)
    days = [limit.on for limit in ends if limit.on is not None]
    return CostForecast(
        business=inputs,
        incumbent=_incumbent(scene),
        arms=arms,
        hosted=tuple(_hosted(price, inputs.queries_per_month) for price in scene.not_run),
        valid_until=min(days, default=None),
        limits=ends,
        unknown=missing(scene),
        grounds=grounds,
    )


def marked_busy(arm: ArmForecast, reason: str) -> ArmForecast:
    """An arm's months with every sum marked that holds the seconds of its queries."""
    if not reason:
        return arm

    def mark(amount: Money) -> Money:
        return amount if amount.usd is None else replace(amount, busy=reason)

    horizon = arm.saving_usd_horizon
    return replace(
        arm,
        month=tuple(
            replace(part, amount=mark(part.amount)) if part.group == "calls and machines" else part
            for part in arm.month
        ),
        month_usd=mark(arm.month_usd),
        horizon_usd=mark(arm.horizon_usd),
        usd_per_1k=mark(arm.usd_per_1k),
        usd_per_1k_correct=mark(arm.usd_per_1k_correct),
        saving_usd_per_month=mark(arm.saving_usd_per_month),
        saving_usd_horizon=None if horizon is None else mark(horizon),
    )


def _arm(arm: ArmResult, scene: Scene) -> ArmForecast:
    sides = scene.curves(arm)
    totals = {end: side.total(scene.volume, counted=True) for end, side in sides.items()}
    likely = totals[Scenario.LIKELY]
    lines = _month_lines(likely, scene)
    basis, once_basis = _basis(lines), _basis(likely.one_off)
    whole = min(basis, once_basis, key=_WEAKEST_FIRST.index)
    reason, once_reason = _reason(lines, arm, scene), _reason(likely.one_off, arm, scene)
    either = once_reason or reason
    saving, horizon_saving, months, paid_back = _against_today(sides, scene, whole, either)
    return ArmForecast(
        arm=arm.arm,
        month=_month(totals, arm, scene),
        month_usd=_amount({e: t.monthly_usd for e, t in totals.items()}, basis, reason),
        once_usd=_amount({e: t.one_off_usd for e, t in totals.items()}, once_basis, once_reason, None),
        horizon_usd=_amount({e: t.horizon_usd for e, t in totals.items()}, whole, either),
        usd_per_1k=_amount({e: t.usd_per_1k for e, t in totals.items()}, whole, either),
        usd_per_1k_correct=_amount(
            {e: t.usd_per_1k_correct for e, t in totals.items()}, whole, either or "no answer was right"
        ),
        saving_usd_per_month=saving,
        payback_months=months,
        paid_back=paid_back,
        break_even=_break_even(arm, sides, scene),
        once=likely.one_off,
        saving_usd_horizon=horizon_saving,
        serving=_serving(arm, scene),
        barred=arm.arm in scene.barred,
    )


def _month_lines(total: Tco, scene: Scene) -> tuple[CostLine, ...]:
    """A month's ledger; without a price for them wrong answers are no line of it."""
    return tuple(line for line in total.monthly if scene.priced or line.name != WRONG_LINE)


def _group(line: CostLine) -> CostGroup:
    if line.name in SEARCH_LINES:
        return "retrieval"
    if line.name in CHANGE_LINES:
        return "changes"
    if line.name == PEOPLE_LINE:
        return "people"
    return "wrong answers" if line.name == WRONG_LINE else "calls and machines"


def _month(totals: Mapping[Scenario, Tco], arm: ArmResult, scene: Scene) -> tuple[MonthPart, ...]:
    found = {end: _grouped(_month_lines(total, scene)) for end, total in totals.items()}
    return tuple(
        MonthPart(
            group=group,
            amount=_amount(
                {end: total_usd(lines.get(group, ())) for end, lines in found.items()},
                _basis(found[Scenario.LIKELY][group]),
                _reason(found[Scenario.LIKELY][group], arm, scene),
                None,
            ),
            lines=tuple(found[Scenario.LIKELY][group]),
        )
        for group in _GROUPS
        if found[Scenario.LIKELY].get(group)
    )


def _grouped(lines: Iterable[CostLine]) -> dict[CostGroup, list[CostLine]]:
    groups: dict[CostGroup, list[CostLine]] = {}
    for line in lines:
        groups.setdefault(_group(line), []).append(line)
    return groups


def _against_today(
    sides: Curves, scene: Scene, basis: PriceBasis, reason: str
) -> tuple[Money, Money, float | None, PaidBack]:
    """Saving a month and over the horizon, and the payback; wrong answers count on both sides or on none."""
    if scene.incumbent is None:
        nothing = Money(
            usd=None,
            basis=basis,
            covers=Covers.ALL_IN,
            reason="what is done today is not stated (business.incumbent)",
        )
        return nothing, nothing, None, PaidBack.UNKNOWN
    counted = scene.priced_today
    mine = {end: side.total(scene.volume, counted=counted) for end, side in sides.items()}
    today = {end: side.total(scene.volume, counted=counted) for end, side in scene.incumbent.items()}
    found = {end: against(mine[end], today[end]) for end in Scenario}
    unknown = reason or "what an item costs today is not stated (business.incumbent.usd_per_item)"
    month = _turned({end: f.monthly_saving_usd for end, f in found.items()}, basis, unknown)
    horizon = _turned({end: f.horizon_saving_usd for end, f in found.items()}, basis, unknown)
    likely = found[Scenario.LIKELY]
    months = None if likely.payback_months is None else float(likely.payback_months)
    return month, horizon, months, likely.paid_back


def _turned(values: Mapping[Scenario, Decimal | None], basis: PriceBasis, reason: str) -> Money:
    """A saving is lowest where the costs are highest."""
    return _amount(
        {
            Scenario.CHEAP: values[Scenario.DEAR],
            Scenario.LIKELY: values[Scenario.LIKELY],
            Scenario.DEAR: values[Scenario.CHEAP],
        },
        basis,
        reason,
    )


def _break_even(arm: ArmResult, sides: Curves, scene: Scene) -> tuple[BreakEvenCurve, ...]:
    """Against today, against hosted models that were not run, and against arms that are paid by the query."""
    curves = []
    if scene.incumbent is not None:
        own = shapes_of(sides, counted=scene.priced_today)
        rival = shapes_of(scene.incumbent, counted=scene.priced_today)
        curves.append(curve("incumbent", own, rival, scene.volume))
    bare = shapes_of(sides, counted=False)  # nobody knows how accurate a model is that was not run
    for price in scene.not_run:
        rival = shapes_of(scene.hosted(price), counted=False)
        curves.append(running_curve(price.model, bare, rival, scene.volume))
    full = shapes_of(sides, counted=scene.priced)
    for other in scene.may_ship:
        if other.arm != arm.arm and other.hosted:
            rival = shapes_of(scene.curves(other, accuracy_at_likely=True), counted=scene.priced)
            curves.append(running_curve(str(other.arm), full, rival, scene.volume))
    return tuple(curves)


def _serving(arm: ArmResult, scene: Scene) -> ServingCost | None:
    """Both ways of paying for machines of one's own, for an arm that runs on them."""
    if all(line.unit != "hours" for line in arm.cost.lines):
        return None
    whole, work = scene.whole(arm), scene.workload(arm, scene.inputs)
    machines = served(work, scene.inputs, scene.volume)
    seconds = None if work.per_s is None else 1 / work.per_s
    return ServingCost(
        charged="whole machines" if whole else "busy seconds",
        busy_usd=shared_month_usd(work, scene.inputs, scene.volume),
        whole_usd=None if machines is None else machines.usd_per_month,
        machines=None if machines is None else machines.machines,
        utilisation=None if machines is None else machines.utilisation,
        per_s=work.per_s,
        full_usd_per_1k=usd_per_1k(seconds, work.machine.usd_per_hour),
        under_load=scene.known(arm).loaded_qps is not None,
    )


def _incumbent(scene: Scene) -> IncumbentCosts | None:
    if scene.incumbent is None or scene.today is None:
        return None
    total = scene.incumbent[Scenario.LIKELY].total(scene.volume, counted=scene.priced_today)
    reason = "what an item costs today is not stated (business.incumbent.usd_per_item)"

    def stated(usd: Decimal | None, why_not: str = reason) -> Money:
        return Money(
            usd=usd,
            basis=PriceBasis.MEASURED,
            covers=Covers.ALL_IN,
            reason="" if usd is not None else why_not,
        )

    missing_accuracy = reason if total.usd_per_1k is None else "its accuracy is not stated"
    return replace(
        scene.today,
        month_usd=stated(total.monthly_usd),
        horizon_usd=stated(total.horizon_usd),
        usd_per_1k_correct=stated(total.usd_per_1k_correct, missing_accuracy),
    )


def _hosted(price: HostedPrice, volume: int) -> HostedForecast:
    usd = price.usd_per_1k.usd
    month = replace(price.usd_per_1k, usd=None if usd is None else usd * volume / 1000)
    return HostedForecast(
        model=price.model, month_usd=month, usd_per_1k=price.usd_per_1k, source=price.source
    )


def _amount(
    values: Mapping[Scenario, Decimal | None],
    basis: PriceBasis,
    reason: str,
    covers: Covers | None = Covers.ALL_IN,
) -> Money:
    if values[Scenario.LIKELY] is None:
        return Money(usd=None, basis=basis, covers=covers, reason=reason)
    return Money(
        usd=values[Scenario.LIKELY],
        low_usd=values[Scenario.CHEAP],
        high_usd=values[Scenario.DEAR],
        basis=basis,
        covers=covers,
    )


def _basis(lines: Sequence[CostLine]) -> PriceBasis:
    """The weakest of the lines that amount to something."""
    paid = [line.basis for line in lines if line.amount_usd != 0]
    return min(paid, key=_WEAKEST_FIRST.index, default=PriceBasis.MEASURED)


def _reason(lines: Sequence[CostLine], arm: ArmResult, scene: Scene) -> str:
    """Why a sum is not known, '' where it is."""
    unknown = [line for line in lines if line.amount_usd is None]
    return "; ".join(dict.fromkeys(why(line, arm, scene) for line in unknown))
