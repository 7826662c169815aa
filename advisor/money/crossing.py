"""At which volume one way to do the work becomes the cheaper one, whichever of them costs more up front.

`advisor.money.break_even` answers where the first costs more before the first query. Where it costs less,
it is the cheaper one at first, and the question is up to which volume. The staircase of whole machines is
climbed exactly in both cases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.money.break_even import FixedCost, Outcome, break_even
from advisor.money.money import Scenario

UP_TO = "up to"
POINTS = 25
_REACH = 100  # a curve spans from a hundredth of the volume asked for to a hundred times it
_CENTS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePoint:
    """Monthly cost of an option and of its rival at one volume; None where unknown."""

    queries_per_month: int
    usd: Decimal | None
    rival_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One of the outcomes of `Outcome`, or 'up to', with its volume where there is one."""

    outcome: str
    volume: int | None = None
    machines: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenCurve:
    """From which volume on an option is the cheaper one than its rival.

    Attributes:
        rival: 'incumbent', or the name of an arm or of a hosted model at list price.
        outcome: 'at', 'beyond one machine', 'always', 'never' or 'unknown' (`break_even.Outcome`), or
            'up to': cheaper below the volume and dearer above it.
        queries_per_month: the volume; None unless there is one.
        low, high: of the volume; None without an interval.
        machines: whole machines at that volume; None where it takes none of its own.
        ends: the same question at the cheap and at the dear end of the ranges.
        calls_only: building, people or changes are not known, so calls and machines alone are compared.
        points: the curve, rising volumes; empty where a cost is unknown.
    """

    rival: str
    outcome: str
    queries_per_month: int | None
    low: float | None
    high: float | None
    machines: int | None = None
    ends: tuple[Crossing, ...] = ()
    calls_only: bool = False
    points: tuple[VolumePoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An option's cost over the volume, a staircase: a month, with what is paid once spread over the months.

    Attributes:
        machine_usd: one whole machine for a month; 0 without machines of its own.
        capacity: queries a month that one machine carries; None without.
    """

    fixed_usd: Decimal | None
    query_usd: Decimal | None
    machine_usd: Decimal | None = Decimal(0)
    capacity: Decimal | None = None

    def month_usd(self, volume: int) -> Decimal | None:
        """All of a month at a volume; None where a part is not known."""
        if self.fixed_usd is None or self.query_usd is None or self.machine_usd is None:
            return None
        return self.fixed_usd + self.machine_usd * self.machines(volume) + self.query_usd * volume

    def machines(self, volume: int) -> int:
        """Whole machines at a volume, never fewer than one."""
        if self.capacity is None:
            return 1
        return max(1, math.ceil(float(volume / self.capacity) - 1e-9))


Shapes = Mapping[Scenario, Shape]


def crossing(own: Shape, rival: Shape) -> Crossing:
    """Where `own` costs no more than a rival that is paid by the query."""
    parts = (own.fixed_usd, own.query_usd, own.machine_usd, rival.fixed_usd, rival.query_usd)
    if None in parts:
        return Crossing(outcome=Outcome.UNKNOWN.value)
    fixed, query, machine, rival_fixed, rival_query = (part or Decimal(0) for part in parts)
    ahead = rival_fixed - fixed
    if ahead <= 0:
        found = break_even(
            FixedCost(
                usd_per_month=-ahead,
                machine_usd_per_month=machine,
                queries_per_machine=own.capacity,
                usd_per_query=query,
            ),
            rival_query,
        )
        return Crossing(outcome=found.outcome.value, volume=found.queries_per_month, machines=found.machines)
    return _from_ahead(ahead, rival_query - query, machine, own.capacity)


def _from_ahead(ahead: Decimal, saving: Decimal, machine: Decimal, capacity: Decimal | None) -> Crossing:
    """Own begins `ahead` dollars a month, then pays whole machines and saves `saving` a query."""
    if not machine or capacity is None:
        start = ahead - machine
        if start >= 0:
            return _always() if saving >= 0 else _up_to(start / -saving, 1)
        return _at(-start / saving, 1) if saving > 0 else Crossing(outcome=Outcome.NEVER.value)
    step = machine - saving * capacity  # what a further full machine costs more than it saves
    if machine <= ahead:
        if step <= 0:
            return _always()
        if saving >= 0:  # dearer first just after a step, by the first query on the next machine
            steps = math.floor((ahead - machine + saving) / step) + 1
            while steps > 1 and _dearer_after(steps - 1, ahead, saving, machine, capacity):
                steps -= 1
            return _up_to(steps * capacity, steps)
        steps = math.floor(ahead / step) + 1  # dearer first within the step numbered so
        return _up_to(max((steps - 1) * capacity, (ahead - steps * machine) / -saving), steps)
    if saving <= 0:
        return Crossing(outcome=Outcome.NEVER.value)
    first = (machine - ahead) / saving
    if first <= capacity:
        return _at(first, 1)
    if step >= 0:
        return Crossing(outcome=Outcome.NEVER.value)
    second = max(math.ceil((2 * machine - ahead) / saving), math.floor(capacity) + 1)
    return Crossing(outcome=Outcome.BEYOND_ONE_MACHINE.value, volume=second, machines=2)


def _dearer_after(steps: int, ahead: Decimal, saving: Decimal, machine: Decimal, capacity: Decimal) -> bool:
    first = math.floor(steps * capacity) + 1
    return (steps + 1) * machine - ahead > saving * first


def _always() -> Crossing:
    return Crossing(outcome=Outcome.ALWAYS.value, volume=0)


def _at(volume: Decimal, machines: int) -> Crossing:
    return Crossing(outcome=Outcome.AT.value, volume=math.ceil(volume), machines=machines)


def _up_to(volume: Decimal, machines: int) -> Crossing:
    return Crossing(outcome=UP_TO, volume=math.floor(volume), machines=machines)


def running_curve(rival: str, own: Shapes, others: Shapes, volume: int) -> BreakEvenCurve:
    """As `curve`; where building, people or changes are not known, of calls and machines alone, and says so.

    That is fair only between two ways that both have to be built and run.
    """
    whole = curve(rival, own, others, volume)
    if whole.outcome != Outcome.UNKNOWN.value:
        return whole
    alone = curve(rival, _running(own), _running(others), volume)
    if alone.outcome == Outcome.UNKNOWN.value:
        return whole
    return replace(alone, calls_only=True)


def _running(shapes: Shapes) -> dict[Scenario, Shape]:
    return {end: replace(shape, fixed_usd=Decimal(0)) for end, shape in shapes.items()}


def curve(rival: str, own: Shapes, others: Shapes, volume: int) -> BreakEvenCurve:
    """The break-even of an arm against a rival, its range, and the points of the curve around `volume`."""
    found = {end: crossing(own[end], others[end]) for end in Scenario}
    likely = found[Scenario.LIKELY]
    low, high = _span(found)
    known = likely.outcome != Outcome.UNKNOWN.value
    points = _points(own[Scenario.LIKELY], others[Scenario.LIKELY], volume, likely.volume) if known else ()
    return BreakEvenCurve(
        rival=rival,
        outcome=likely.outcome,
        queries_per_month=likely.volume,
        low=low,
        high=high,
        machines=likely.machines if own[Scenario.LIKELY].capacity is not None else None,
        ends=(found[Scenario.CHEAP], found[Scenario.DEAR]),
        points=points,
    )


def _span(found: Mapping[Scenario, Crossing]) -> tuple[float | None, float | None]:
    """The volumes at both ends of the ranges, smaller first; None where an end has none."""
    likely = found[Scenario.LIKELY]
    if likely.volume is None or likely.outcome == Outcome.ALWAYS.value:
        return None, None
    ends = (
        (found[Scenario.CHEAP], found[Scenario.DEAR])
        if likely.outcome != UP_TO
        else (found[Scenario.DEAR], found[Scenario.CHEAP])
    )
    kinds = {UP_TO} if likely.outcome == UP_TO else {"at", "beyond one machine", "always"}
    low, high = (
        None if end.outcome not in kinds or end.volume is None else float(end.volume) for end in ends
    )
    return low, high


def volumes_around(volume: int, also: int | None = None) -> tuple[int, ...]:
    """About `POINTS` volumes, log-spaced around one and wide enough to show a second; both are among them."""
    low, high = max(1, volume // _REACH), volume * _REACH
    if also:
        low, high = max(1, min(low, also // 3)), max(high, also * 3)
    step = (math.log(high) - math.log(low)) / (POINTS - 1)
    spaced = {round(math.exp(math.log(low) + step * number)) for number in range(POINTS)}
    return tuple(sorted(spaced | {volume} | ({also} if also else set())))


def _points(own: Shape, rival: Shape, volume: int, also: int | None) -> tuple[VolumePoint, ...]:
    found = []
    for queries in volumes_around(volume, also):
        usd, rival_usd = own.month_usd(queries), rival.month_usd(queries)
        found.append(
            VolumePoint(
                queries_per_month=queries,
                usd=None if usd is None else usd.quantize(_CENTS),
                rival_usd=None if rival_usd is None else rival_usd.quantize(_CENTS),
            )
        )
    return tuple(found)
