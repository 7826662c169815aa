"""The money of a run as tables, for any volume and price that is asked about. Pure.

Every sum is a field of a `CostForecast`: nothing is added up. What was not run is drawn hollow and named
"priced only"; a break-even that does not exist is called that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from advisor.money.inputs import CostInputs
from harness.bakeoff.results import ArmResult
from harness.core.records import ArmId, CostLine
from harness.core.wording import (
    MISSING,
    UNKNOWN,
    USD,
    Currency,
    marked_money,
    money,
    money_range,
    one_line,
    percent,
)
from harness.money.records import Amount, ArmForecast, CostForecast, HostedForecast
from harness.report.document import Cell, Column, Row, Table
from harness.report.drawings import currency_of
from harness.report.palette import MONTH_COLOURS
from harness.report.topics.cells import line_cells, line_columns, source_notes
from harness.report.topics.money import BUSY_MONEY

VETOED = "vetoed"
OUTCOMES = {
    "at": "from a volume on",
    "up to": "up to a volume",
    "beyond one machine": "only beyond one machine",
    "always": "at every volume",
    "never": "never",
    "unknown": "unknown",
}


def month_table(outlook: CostForecast, ship: ArmId | None) -> Table:
    """The same months in figures, with building and what comes back."""
    unit = currency_of(outlook.business)
    groups = list(MONTH_COLOURS)
    today = outlook.incumbent
    rows = []
    if today is not None:
        empty = [Cell(text="") for _ in range(len(groups))]
        cells = (Cell(text=f"today: {one_line(today.kind)}", detail="as stated"), *empty,
                 _amount(today.month_usd, unit), Cell(text=""), Cell(text=""))  # fmt: skip
        rows.append(Row(cells=cells, tone="faint"))
    rows += [_arm_row(arm, groups, unit, ship) for arm in outlook.arms]
    heads = [tuple(group.split(" ", 1)) for group in groups]
    return Table(
        columns=(
            Column(head=("arm",), right=False),
            *(Column(head=head) for head in heads),
            Column(head=("a month", "in all")),
            Column(head=("to build", "once")),
            Column(head=("paid back", "in months")),
        ),
        rows=tuple(rows),
        notes=(
            "a second line is the range of what is assumed and of the accuracy",
            *([BUSY_MONEY] if any(arm.month_usd.busy for arm in outlook.arms) else []),
        ),
    )


def _arm_row(arm: ArmForecast, groups: Sequence[str], unit: Currency, ship: ArmId | None) -> Row:
    parts = {part.group: part.amount.usd for part in arm.month}
    months = UNKNOWN if arm.saving_usd_per_month.usd is None else "never"
    if arm.payback_months is not None:
        months = f"{arm.payback_months:,.1f}"
    cells = (
        Cell(text=one_line(str(arm.arm))),
        *(Cell(text=money(parts[g], unit) if g in parts else MISSING) for g in groups),  # type: ignore[index]
        _amount(arm.month_usd, unit),
        _amount(arm.once_usd, unit),
        Cell(text=months),
    )
    if arm.barred:
        return Row(cells=cells, mark="x", tone="faint")
    ships = arm.arm == ship
    return Row(cells=cells, mark=">" if ships else "", tone="good" if ships else "plain")


def _amount(amount: Amount, unit: Currency) -> Cell:
    return Cell(text=marked_money(amount, unit), detail=money_range(amount, unit))


def price_table(
    arms: Sequence[ArmResult], outlook: CostForecast | None, barred: Collection[ArmId] = ()
) -> Table:
    """What 1,000 queries and 1,000 right answers cost: the calls measured, and all in all.

    Args:
        barred: arms that may not be shipped, whatever they cost.
    """
    unit = USD if outlook is None else currency_of(outlook.business)
    whole = {} if outlook is None else {found.arm: found for found in outlook.arms}
    rows = []
    for arm in arms:
        each, right, found = arm.cost.usd_per_1k, arm.cost.usd_per_1k_correct, whole.get(arm.arm)
        ends = (right.low_usd, right.high_usd)
        spread = "" if None in ends else f"{money(ends[0], unit)} to {money(ends[1], unit)}"
        nothing = Cell(text=MISSING)
        rows.append(
            Row(
                cells=(
                    Cell(text=one_line(str(arm.arm))),
                    Cell(text=marked_money(each, unit), detail=each.basis.value),
                    Cell(text=marked_money(right, unit), detail=spread),
                    nothing if found is None else _amount(found.usd_per_1k, unit),
                    nothing if found is None else _amount(found.usd_per_1k_correct, unit),
                ),
                mark="x" if arm.arm in barred else "",
                tone="faint" if arm.arm in barred else "plain",
            )
        )
    return Table(
        columns=(
            Column(head=("arm",), right=False),
            Column(head=("per 1,000 queries", "calls and machines")),
            Column(head=("per 1,000 correct", "calls and machines")),
            Column(head=("per 1,000 queries", "all in all")),
            Column(head=("per 1,000 correct", "all in all")),
        ),
        rows=tuple(rows),
        notes=(
            "all in all: building, people, changes and wrong answers over the horizon too",
            *([BUSY_MONEY] if any(arm.cost.usd_per_1k.busy for arm in arms) else []),
        ),
    )


def hosted_table(hosted: Sequence[HostedForecast], business: CostInputs) -> Table:
    """Models that were not run, at list price: no accuracy, so no price per right answer."""
    unit = currency_of(business)
    return Table(
        columns=(
            Column(head=("model", "not run"), right=False),
            Column(head=("a month", "calls only")),
            Column(head=("per 1,000", "queries")),
            Column(head=("source",), right=False),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=one_line(found.model)),
                    _amount(found.month_usd, unit),
                    _amount(found.usd_per_1k, unit),
                    Cell(text=one_line(found.source)),
                )
            )
            for found in hosted
        ),
    )


def ledger_table(cost_lines: Sequence[CostLine], of: str) -> Table:
    """Lines of a ledger as they stand."""
    return Table(
        columns=line_columns(of),
        rows=tuple(Row(cells=line_cells(line)) for line in cost_lines),
        notes=source_notes(cost_lines),
    )


def setting_lines(business: CostInputs) -> list[tuple[str, str, bool]]:
    """(name, figure, whether it is assumed) of everything the months were reckoned for."""
    unit = currency_of(business)

    def number(value: float | None, words: str) -> str:
        return UNKNOWN if value is None else f"{value:,g} {words}"

    figures = {
        "queries_per_month": ("queries", f"{business.queries_per_month:,} a month"),
        "horizon_months": ("horizon", f"{business.horizon_months:g} months"),
        "knowledge_changes_per_month": (
            "changes of the facts", number(business.knowledge_changes_per_month, "a month")
        ),
        "label_changes_per_month": (
            "changes of the labels", number(business.label_changes_per_month, "a month")
        ),
        "wrong_answer_usd": ("a wrong answer", money(business.wrong_answer_usd, unit)),
        "day_rate_usd": ("an engineer's day", money(business.day_rate_usd, unit)),
        "example_usd": ("a labelled example", money(business.example_usd, unit)),
        "machine_hour_usd": ("a machine hour", money(business.machine_hour_usd, unit)),
        "utilisation": ("utilisation", percent(business.utilisation, 0)),
    }  # fmt: skip
    return [(name, words, field in business.assumed) for field, (name, words) in figures.items()]
