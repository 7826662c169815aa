"""What an outlook rests on, put together from plan and journal; the reckoning is in `measure.outlook`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.money.machines import find_machine, load_machines
from advisor.options import Option
from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.bakeoff.business import AssumedPlan, BusinessPlan
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import LOCAL_MACHINE
from harness.bakeoff.results import ArmResult, BakeoffResults
from harness.core.records import ArmId, Outcome, PriceBasis
from harness.money.forecast import outlook
from harness.money.hosted import Charged, not_run, served
from harness.money.records import (
    Amount,
    ArmGrounds,
    Assumed,
    Business,
    CostForecast,
    Grounds,
    Incumbent,
    MachineHour,
    PeopleTime,
    Spread,
)

_HORIZON_MONTHS = 12.0  # where no business part says otherwise
_FIELDS = set(Business.__dataclass_fields__)


def grounds_of(
    results: BakeoffResults,
    run: StoredRun,
    primary: Sequence[AnswerSet],
    charged: Charged,
    acceptable: Sequence[ArmId],
) -> Grounds:
    """What the money of a run rests on beside the plan: the machine, each arm's seconds, hosted prices."""
    return Grounds(
        machine=_machine(run),
        utilisation=run.machine.utilisation,
        arms=tuple(_arm_grounds(arm, results, charged, run) for arm in results.arms),
        hosted=(*served(results, primary, charged, run), *not_run(results, run)),
        acceptable=tuple(acceptable),
    )


def outlook_of(
    results: BakeoffResults, plan: ExperimentPlan, grounds: Grounds, ship: ArmId | None
) -> CostForecast:
    """The money of a run, at the plan's numbers."""
    return outlook(results, business_of(plan), incumbent_of(plan), grounds, ship)


def business_of(plan: ExperimentPlan) -> Business:
    """The plan's numbers; a range that stands in for a figure gives its likely value."""
    part = plan.business or BusinessPlan()
    ranges = tuple(_assumed(entry) for entry in part.assumed)
    likely = {entry.field: entry.range.likely for entry in ranges}
    assumed = tuple(entry.field for entry in ranges if entry.field in _FIELDS)
    if part.horizon_months is None and "horizon_months" not in likely:
        assumed = (*assumed, "horizon_months")

    def money(field: str) -> Decimal | None:
        stated: Decimal | None = getattr(part, field)
        return likely.get(field) if stated is None else stated

    def number(field: str) -> float | None:
        stated: float | None = getattr(part, field)
        found = likely.get(field)
        return stated if stated is not None or found is None else float(found)

    return Business(
        queries_per_month=plan.cost.queries_per_month,
        horizon_months=number("horizon_months") or _HORIZON_MONTHS,
        day_rate_usd=money("day_rate_usd"),
        wrong_answer_usd=plan.cost.wrong_answer_usd,
        example_usd=money("example_usd"),
        knowledge_changes_per_month=number("knowledge_changes_per_month"),
        label_changes_per_month=number("label_changes_per_month"),
        machine_hour_usd=plan.cost.machine_hour_usd,
        utilisation=plan.cost.utilisation,
        currency=part.currency,
        rate=None if part.rate is None else part.rate.per_usd,
        rate_source="" if part.rate is None else f"{part.rate.source}, {part.rate.as_of:%Y-%m-%d}",
        assumed=assumed,
        ranges=ranges,
        people=tuple(
            PeopleTime(
                option=option,
                build_days=_spread(known.build_days),
                run_hours_per_month=_spread(known.run_hours_per_month),
                source=known.source,
            )
            for option, known in part.people.items()
        ),
        day_shape=part.day_shape,
    )


def incumbent_of(plan: ExperimentPlan) -> Incumbent | None:
    """What is done today, as the plan states it; its sums are reckoned with the outlook."""
    today = plan.business.incumbent if plan.business else None
    if today is None:
        return None
    return Incumbent(
        kind=today.kind,
        usd_per_item=today.usd_per_item,
        accuracy=today.accuracy,
        p95_ms=today.p95_ms,
        month_usd=Amount(usd=None, basis=PriceBasis.MEASURED, reason="not reckoned yet"),
    )


def _assumed(entry: AssumedPlan) -> Assumed:
    return Assumed(field=entry.field, range=_spread(entry.range), unit=entry.unit, source=entry.source)


def _spread(three: tuple[Decimal, Decimal, Decimal]) -> Spread:
    return Spread(low=three[0], likely=three[1], high=three[2])


def _machine(run: StoredRun) -> MachineHour:
    """The run's machine; a shipped price has the range of public prices, where one is known."""
    rate = run.machine
    shipped = find_machine(LOCAL_MACHINE, load_machines())
    ranged = rate.basis is PriceBasis.ILLUSTRATIVE
    return MachineHour(
        usd=rate.usd_per_hour,
        low_usd=shipped.low if ranged else None,
        high_usd=shipped.high if ranged else None,
        basis=rate.basis,
        source=rate.source,
    )


def _arm_grounds(arm: ArmResult, results: BakeoffResults, charged: Charged, run: StoredRun) -> ArmGrounds:
    hours = [line.quantity for line in arm.cost.lines if line.unit == "hours"]
    busy = None
    if hours and None not in hours:
        a_thousand = sum((h for h in hours if h is not None), Decimal(0)) * Decimal(
            str(run.machine.utilisation)
        )
        busy = float(a_thousand * 3600 / 1000)
    search = _search_s(charged.get(arm.arm, ()))
    return ArmGrounds(
        arm=arm.arm,
        busy_s_per_query=busy,
        search_s_per_query=search,
        refit_s=_refit_s(arm, search, results, len(run.items["train"])),
        batched_qps=arm.latency.throughput_qps.value,
    )


def _search_s(outcomes: Sequence[Outcome]) -> float | None:
    timings = [outcome.timing.retrieval_s for outcome in outcomes if outcome.timing is not None]
    return sum(timings) / len(timings) if timings else None


def _refit_s(arm: ArmResult, search_s: float | None, results: BakeoffResults, rows: int) -> float | None:
    """What fitting again takes; indexing is embedding and searching each row once, a route fits its first."""
    match arm.arm.option:
        case Option.PROMPT | Option.FLOOR:
            return 0.0
        case Option.RETRIEVE:
            return None if search_s is None else search_s * rows
        case Option.ROUTE:
            first = next((a for a in results.arms if results.route and a.arm == results.route.first), None)
            return None if first is None else first.fitted.seconds
        case _:
            return arm.fitted.seconds
