"""From what an option takes to what it costs, at any volume. A prediction and a measured run both come here.

A `Workload` says what an option takes: calls at their prices, seconds of a machine, what building and each
change take. `CostInputs` say at which figures. How each part is reckoned, and why, is told in
docs/decisions/0006-measured-money.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from advisor.money.change_rate import DRILLED_LINE, MeasuredUpdate
from advisor.money.crossing import Shape
from advisor.money.inputs import CostInputs, machine_time, plus, times
from advisor.money.ledger import LedgerLine, PriceBasis, line, repeated, total_usd
from advisor.money.machines import HOURS_PER_MONTH, Machine
from advisor.money.serving import Fleet, Serving, monthly_capacity, serve
from advisor.money.tco import HOURS_PER_DAY, OptionCosts, Tco, total_cost

SEARCH_LINES = ("searching", "machines, searching", "index hosting")
CHANGE_LINES = ("changes", "new rows", "fitting again", "failed trainings", "indexing again", DRILLED_LINE)
PEOPLE_LINE, WRONG_LINE = "running", "wrong answers"  # as `advisor.money.tco` calls them


class RunsOn(StrEnum):
    """Which machines an option's answers keep busy."""

    NONE = "none"  # calls to a provider; searching alone happens here
    SHARED = "shared"  # a machine that does other work too, paid by the busy second
    WHOLE = "whole"  # machines of its own, paid day and night


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What an option takes.

    Attributes:
        method: the option's name.
        calls: the ledger of one query's calls.
        busy_s: how long a query keeps a machine busy, searching included; None where not known.
        search_s: of that, embedding the query and searching; 0 where nothing is searched.
        per_s: queries a second that one machine of its own answers; None where not known.
        machine: what it runs on, at the hour's price of the same scenario.
        one_off: what is paid once, engineers aside.
        refit: the ledger of fitting it again once, lost trainings included.
        reindex: the ledger of indexing again once.
        drilled: updates that were measured; for their kind of change they stand in the place of these two.
    """

    method: str
    model: str
    accuracy: float | None
    calls: tuple[LedgerLine, ...] = ()
    runs_on: RunsOn = RunsOn.NONE
    busy_s: float | None = None
    search_s: float | None = 0.0
    per_s: float | None = None
    machine: Machine
    one_off: tuple[LedgerLine, ...] = ()
    refit: tuple[LedgerLine, ...] = ()
    reindex: tuple[LedgerLine, ...] = ()
    drilled: tuple[MeasuredUpdate, ...] = ()

    @property
    def searches(self) -> bool:
        """Whether each query looks for similar rows or passages."""
        return self.method in ("neighbours", "retrieve", "tune+retrieve")

    @property
    def search_share(self) -> Decimal:
        """Of a machine's busy time, the share that is searching."""
        if not (self.searches and self.busy_s and self.search_s):
            return Decimal(0)
        return min(Decimal(1), Decimal(str(self.search_s)) / Decimal(str(self.busy_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCurve:
    """One way to do the work at one end of its ranges.

    Attributes:
        costs: everything but whole machines.
        fleet: machines of its own; None where it has none.
    """

    costs: OptionCosts
    inputs: CostInputs
    work: Workload
    fleet: Fleet | None = None

    def at(self, volume: float) -> OptionCosts:
        """Its costs with the whole machines that this volume takes."""
        if self.fleet is None:
            return self.costs
        hours = serve(self.inputs.load(volume), self.fleet).machine_hours
        machine, searching = self.work.machine, self.work.search_share
        parts = {"machines": 1 - searching, "machines, searching": searching}
        lines = tuple(
            line(name, hours * share, "hours", machine.usd_per_hour, machine.basis, machine.said)
            for name, share in parts.items()
            if share
        )
        return replace(self.costs, monthly=(*lines, *self.costs.monthly))

    def total(self, volume: float | None = None, *, counted: bool) -> Tco:
        """Over the horizon at a volume, the stated one when None; wrong answers where they are counted."""
        queries = self.inputs.queries_per_month if volume is None else volume
        return total_cost(self.at(queries), self.inputs.setting(queries, counted=counted))

    def shape(self, *, counted: bool) -> Shape:
        """The staircase: the money of `total` with what is paid once spread over the months."""
        inputs, costs = self.inputs, self.costs
        setting = inputs.setting(1, counted=counted)
        hours = costs.run_hours_per_month
        running = times(None if hours is None else hours / HOURS_PER_DAY, setting.day_rate_usd)
        once = plus(total_usd(costs.one_off), times(costs.build_days, setting.day_rate_usd))
        month = plus(plus(total_usd(costs.monthly), total_usd(costs.per_change)), running)
        fixed = plus(month, None if once is None else once / setting.horizon_months)
        query = plus(total_usd(costs.per_query), _wrong_usd(costs, setting.wrong_usd))
        if self.fleet is None:
            return Shape(fixed_usd=fixed, query_usd=query)
        return Shape(
            fixed_usd=fixed,
            query_usd=query,
            machine_usd=times(self.fleet.usd_per_hour, HOURS_PER_MONTH),
            capacity=Decimal(str(monthly_capacity(inputs.load(1), self.fleet))),
        )


def _wrong_usd(costs: OptionCosts, wrong_usd: Decimal | None) -> Decimal | None:
    if not wrong_usd:
        return Decimal(0)
    return None if costs.accuracy is None else wrong_usd * (1 - Decimal(str(costs.accuracy)) + costs.stale)


def cost_curve(work: Workload, inputs: CostInputs) -> CostCurve:
    """What an option costs at some figures."""
    fleet = fleet_of(work, inputs) if work.runs_on is RunsOn.WHOLE else None
    costs = OptionCosts(
        method=work.method,
        model=work.model,
        accuracy=work.accuracy,
        per_query=(*work.calls, *_seconds(work, inputs, whole=fleet is not None)),
        monthly=_index_hosting(work, inputs),
        one_off=work.one_off,
        per_change=_changes(work, inputs),
        changes_per_month=Decimal(1),  # `per_change` holds a month's changes of both kinds
        stale=sum((one.stale(_rate_of(one.of, inputs)) for one in work.drilled), Decimal(0)),
        build_days=inputs.build_days(work.method),
        run_hours_per_month=inputs.run_hours(work.method),
    )
    return CostCurve(costs=costs, inputs=inputs, work=work, fleet=fleet)


def today_curve(
    kind: str, usd_per_item: Decimal | None, accuracy: float | None, inputs: CostInputs
) -> CostCurve:
    """What is done today, as it is stated."""
    price = today_line("today", Decimal(1), usd_per_item)
    work = Workload(method="incumbent", model=kind, accuracy=accuracy, machine=inputs.machine)
    costs = OptionCosts(method="incumbent", model=kind, accuracy=accuracy, per_query=(price,))
    return CostCurve(costs=costs, inputs=inputs, work=work)


def today_line(name: str, items: Decimal, usd_per_item: Decimal | None) -> LedgerLine:
    """So many items done as they are done today, at the price that is stated for one."""
    return line(name, items, "items", usd_per_item, PriceBasis.MEASURED, "as stated")


def fleet_of(work: Workload, inputs: CostInputs) -> Fleet | None:
    """Machines of its own, as fast as is known; None without a rate."""
    if not work.per_s:
        return None
    hour = work.machine.usd_per_hour
    return Fleet(queries_per_s=work.per_s, usd_per_hour=hour, sleeps=inputs.may_sleep)


def served(work: Workload, inputs: CostInputs, volume: float) -> Serving | None:
    """What machines of its own take, or would take, at a volume; None without a rate."""
    fleet = fleet_of(work, inputs)
    return None if fleet is None else serve(inputs.load(volume), fleet)


def shared_month_usd(work: Workload, inputs: CostInputs, volume: float) -> Decimal | None:
    """A month of the seconds that its queries keep a shared machine busy."""
    hours = machine_time("", times(work.busy_s, volume), work.machine)
    return None if hours.amount_usd is None else hours.amount_usd / Decimal(str(inputs.utilisation))


def _seconds(work: Workload, inputs: CostInputs, *, whole: bool) -> list[LedgerLine]:
    """One query's seconds of shared machines; dividing by the utilisation pays for their idle time."""
    search = work.search_s if work.searches else 0.0
    if whole:
        return []
    if work.runs_on is RunsOn.NONE:
        return [_shared("searching", search, work, inputs)] if work.searches and search != 0 else []
    busy = None if work.busy_s is None else max(0.0, work.busy_s - (search or 0.0))
    name = f"machine time at {100 * inputs.utilisation:.0f} % utilisation"
    lines = [_shared(name, busy, work, inputs)]
    return [*lines, _shared("searching", search, work, inputs)] if search else lines


def _shared(name: str, seconds: float | None, work: Workload, inputs: CostInputs) -> LedgerLine:
    paid = None if seconds is None else Decimal(str(seconds)) / Decimal(str(inputs.utilisation))
    return machine_time(name, paid, work.machine)


def _index_hosting(work: Workload, inputs: CostInputs) -> tuple[LedgerLine, ...]:
    price = inputs.index_usd_per_month
    if not work.searches or price == 0:
        return ()
    source = inputs.said("index_usd_per_month")
    return (line("index hosting", Decimal(1), "months", price, PriceBasis.ESTIMATE, source),)


def _changes(work: Workload, inputs: CostInputs) -> tuple[LedgerLine, ...]:
    """A month's changes: new labels need new rows and fitting, new knowledge an index or a training."""
    if work.method in ("prompt", "floor", "tools"):
        return ()
    measured = {one.of: one for one in work.drilled}
    labels, knowledge = (0.0 if of in measured else _rate_of(of, inputs) for of in ("labels", "facts"))
    both = None if labels is None or knowledge is None else labels + knowledge
    refits, reindexes = {
        "neighbours": (0.0, labels),
        "retrieve": (0.0, both),
        "tune+retrieve": (labels, knowledge),
        "tune": (both, 0.0),
    }.get(work.method, (labels, 0.0))
    rows = times(inputs.label_changes_per_month, inputs.rows_per_label_change)
    bought = line(
        "new rows",
        rows,
        "items",
        inputs.example_usd,
        PriceBasis.ESTIMATE,
        inputs.said("rows_per_label_change"),
    )
    fitted = repeated(work.refit, refits) if refits != 0.0 else ()
    indexed = repeated(work.reindex, reindexes) if work.searches and (reindexes or not measured) else ()
    drilled = (entry for one in work.drilled for entry in one.lines(_rate_of(one.of, inputs)))
    return (bought, *fitted, *indexed, *drilled)


def _rate_of(of: str, inputs: CostInputs) -> float | None:
    """Changes a month of a kind."""
    return inputs.label_changes_per_month if of == "labels" else inputs.knowledge_changes_per_month
