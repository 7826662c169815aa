"""What one way to do the work costs at any volume: a measured arm, a hosted model, or what is done today.

Measured are an arm's ledger for a query, its seconds, what fitting it took and its accuracy; people's time
and how often something changes are stated or assumed. How each part is reckoned, and why, is told in
docs/decisions/0006-measured-money.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.money.ledger import LedgerLine, PriceBasis, line, total_usd
from advisor.money.machines import HOURS_PER_MONTH
from advisor.money.serving import Fleet, Serving, monthly_capacity, serve
from advisor.money.tco import HOURS_PER_DAY, OptionCosts, Setting, Tco, total_cost
from advisor.options import Option
from harness.bakeoff.results import ArmResult, RouteDesign
from harness.core.records import ArmId
from harness.money.arm_lines import change_lines, index_lines, once_lines, query_lines
from harness.money.inputs import CostInputs, End, accuracy_at, plus, times
from harness.money.records import ArmGrounds, HostedPrice, Incumbent


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCurve:
    """One way to do the work at one end of its ranges.

    Attributes:
        costs: everything but whole machines.
        fleet: machines of its own; None where it has none.
        search_share: of a machine's busy time that is searching.
    """

    costs: OptionCosts
    given: CostInputs
    end: End
    fleet: Fleet | None = None
    search_share: Decimal = Decimal(0)

    def at(self, volume: int) -> OptionCosts:
        """Its costs with the whole machines that this volume takes."""
        if self.fleet is None:
            return self.costs
        hours = serve(self.given.load(volume), self.fleet).machine_hours
        return replace(self.costs, monthly=(*self._machines(hours, self.fleet), *self.costs.monthly))

    def total(self, volume: int, *, counted: bool) -> Tco:
        """Over the horizon at a volume, wrong answers included where they are counted."""
        return total_cost(self.at(volume), self.given.setting(self.end, volume, counted=counted))

    def _machines(self, hours: Decimal, fleet: Fleet) -> tuple[LedgerLine, ...]:
        given, price = self.given, fleet.usd_per_hour
        parts = {"machines": 1 - self.search_share, "machines, searching": self.search_share}
        return tuple(
            line(name, hours * share, "hours", price, given.machine_basis, given.machine_source)
            for name, share in parts.items()
            if share
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A side as a staircase over the volume: a month, with what is paid once spread over the horizon.

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


def shape_of(side: CostCurve, *, counted: bool) -> Shape:
    """The staircase of a side: the money of `CostCurve.total` spread over the months, at every volume."""
    given, costs = side.given, side.costs
    setting = given.setting(side.end, 1, counted=counted)
    hours = costs.run_hours_per_month
    running = times(None if hours is None else hours / HOURS_PER_DAY, setting.day_rate_usd)
    once = plus(total_usd(costs.one_off), times(costs.build_days, setting.day_rate_usd))
    month = plus(plus(total_usd(costs.monthly), total_usd(costs.per_change)), running)
    fixed = plus(month, None if once is None else once / setting.horizon_months)
    query = plus(total_usd(costs.per_query), _wrong_usd(costs, setting))
    if side.fleet is None:
        return Shape(fixed_usd=fixed, query_usd=query)
    price = side.fleet.usd_per_hour
    return Shape(
        fixed_usd=fixed,
        query_usd=query,
        machine_usd=None if price is None else price * HOURS_PER_MONTH,
        capacity=Decimal(str(monthly_capacity(given.load(1), side.fleet))),
    )


def _wrong_usd(costs: OptionCosts, setting: Setting) -> Decimal | None:
    if not setting.wrong_usd:
        return Decimal(0)
    return None if costs.accuracy is None else setting.wrong_usd * (1 - Decimal(str(costs.accuracy)))


def holds_a_model(arm: ArmResult, arms: Mapping[ArmId, ArmResult], route: RouteDesign | None) -> bool:
    """Whether the arm, or one that a route is made of, keeps a language model on a machine of one's own."""
    parts = (route.first, route.then) if arm.arm.option is Option.ROUTE and route is not None else ()
    models = [arm, *(arms[part] for part in parts if part in arms)]
    return any(one.identity is not None and not one.hosted for one in models)


def side_of_arm(
    arm: ArmResult, given: CostInputs, end: End, *, whole: bool, accuracy_end: End | None = None
) -> CostCurve:
    """A measured arm.

    Args:
        whole: whether it is paid by whole machines rather than by busy seconds.
        accuracy_end: which end of the accuracy's interval; `end` when None.
    """
    known, option = given.arm(arm.arm), arm.arm.option
    busy, search = known.busy_s_per_query, known.search_s_per_query
    fleet = _fleet(known, given, end) if whole else None
    costs = OptionCosts(
        method=option.value,
        model=arm.arm.model,
        accuracy=accuracy_at(arm.quality.accuracy, accuracy_end or end),
        per_query=query_lines(arm, known, given, end, whole=fleet is not None),
        monthly=index_lines(option, given, end),
        one_off=once_lines(option, known, given, end),
        per_change=change_lines(option, known, given, end),
        changes_per_month=Decimal(1),  # `per_change` holds a month's changes of both kinds
        build_days=given.people(option, end, "build_days"),
        run_hours_per_month=given.people(option, end, "run_hours_per_month"),
    )
    searching = option.traits.searches and busy and search is not None
    share = min(Decimal(1), Decimal(str(search)) / Decimal(str(busy))) if searching else Decimal(0)
    return CostCurve(costs=costs, given=given, end=end, fleet=fleet, search_share=share)


def served_by_whole(arm: ArmResult, given: CostInputs, volume: int) -> Serving | None:
    """What machines of its own would take for an arm at a volume; None without a measured rate."""
    fleet = _fleet(given.arm(arm.arm), given, "likely")
    return None if fleet is None else serve(given.load(volume), fleet)


def _fleet(known: ArmGrounds, given: CostInputs, end: End) -> Fleet | None:
    """Machines as fast as was measured: one query at a time, or in batches where that was faster."""
    if not known.busy_s_per_query:
        return None
    rate = max(1 / known.busy_s_per_query, known.batched_qps or 0.0)
    return Fleet(queries_per_s=rate, usd_per_hour=given.hour_usd(end))


def side_of_incumbent(today: Incumbent, given: CostInputs, end: End) -> CostCurve:
    """What is done today, as stated."""
    price = line("today", Decimal(1), "items", today.usd_per_item, PriceBasis.MEASURED, "as stated")
    costs = OptionCosts(method="incumbent", model=today.kind, accuracy=today.accuracy, per_query=(price,))
    return CostCurve(costs=costs, given=given, end=end)


def side_of_hosted(price: HostedPrice, given: CostInputs, end: End) -> CostCurve:
    """A hosted model that was not run, at its list price; built, run and changed as a retrieve arm is."""
    usd, option = price.usd_per_1k.usd, Option.RETRIEVE
    unit = None if usd is None else usd / 1000
    call = line("calls at list price", Decimal(1), "queries", unit, price.usd_per_1k.basis, price.source)
    known = ArmGrounds(arm=ArmId(option=option, model=price.model), search_s_per_query=0.0, refit_s=0.0)
    costs = OptionCosts(
        method=option.value,
        model=price.model,
        accuracy=None,
        per_query=(call,),
        monthly=index_lines(option, given, end),
        per_change=change_lines(option, known, given, end),
        changes_per_month=Decimal(1),
        build_days=given.people(option, end, "build_days"),
        run_hours_per_month=given.people(option, end, "run_hours_per_month"),
    )
    return CostCurve(costs=costs, given=given, end=end)
