"""The money of a run as charts and tables, for any volume and price the sliders ask about. Pure.

Every sum is a field of a `CostForecast`: nothing is added up. What was not run is drawn hollow and named
"priced only"; a break-even that does not exist is called that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from dashboards.spec import AXIS_PX, PLAIN, ROW_PX, Axis, Line, Spec, lines, row_text
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
from harness.money.records import Amount, ArmForecast, BreakEvenCurve, Business, CostForecast, HostedForecast
from harness.report.money import BUSY_MONEY
from harness.report.palette import MONTH_COLOURS, NEUTRAL, colour_of
from harness.report.tables import line_cells, line_columns, source_notes
from harness.report.view import Cell, Column, Row, Table

VETOED = "vetoed"
OUTCOMES = {
    "at": "from a volume on",
    "up to": "up to a volume",
    "beyond one machine": "only beyond one machine",
    "always": "at every volume",
    "never": "never",
    "unknown": "unknown",
}


def currency_of(business: Business) -> Currency:
    """What the use case is reckoned in; dollars without a dated rate."""
    if business.currency == "USD" or business.rate is None:
        return USD
    return Currency(code=business.currency, per_usd=business.rate, source=business.rate_source)


def shown(usd: Decimal | None, unit: Currency) -> float | None:
    """An amount for drawing, in the reader's currency."""
    return None if usd is None else float(usd * unit.per_usd)


def month_chart(outlook: CostForecast) -> Spec:
    """A mean month of every arm, stacked by what is paid for, beside today and models at list price."""
    unit = currency_of(outlook.business)
    rows: list[Spec] = []
    parts: list[Spec] = []
    today = outlook.incumbent
    if today is not None and today.month_usd.usd is not None:
        name = f"today: {one_line(today.kind)}"
        rows.append(_month_row(len(rows), name, today.month_usd, unit, "as stated"))
        parts.append(_part(0, "today, as stated", today.month_usd.usd, unit, NEUTRAL, faint=False))
    for arm in outlook.arms:
        place = len(rows)
        said = arm.month_usd.basis.value + (f", {VETOED}" if arm.barred else "")
        rows.append(_month_row(place, one_line(str(arm.arm)), arm.month_usd, unit, said))
        for part in arm.month:
            if part.amount.usd is not None and arm.month_usd.usd is not None:  # no bar for half a month
                parts.append(_part(place, part.group, part.amount.usd, unit, MONTH_COLOURS[part.group]))
    for hosted in outlook.hosted:
        place = len(rows)
        rows.append(_month_row(place, one_line(hosted.model), hosted.month_usd, unit, "priced only, not run"))
        if hosted.month_usd.usd is not None:
            colour = MONTH_COLOURS["calls and machines"]
            parts.append(_part(place, "calls at list price", hosted.month_usd.usd, unit, colour, faint=True))
    return _stacked(rows, parts, f"{unit.code} a month at {outlook.business.queries_per_month:,} queries")


def _month_row(place: int, name: str, total: Amount, unit: Currency, said: str) -> Spec:
    words = money(total.usd, unit)
    low, high = shown(total.low_usd, unit), shown(total.high_usd, unit)
    return {"row": place, "name": name, "words": f"{words}, {said}", "low": low, "high": high}


def _part(place: int, group: str, usd: Decimal, unit: Currency, colour: str, *, faint: bool = False) -> Spec:
    order = list(MONTH_COLOURS).index(group) if group in MONTH_COLOURS else 0
    return {
        "row": place,
        "group": group,
        "amount": shown(usd, unit),
        "colour": colour,
        "order": order,
        "words": money(usd, unit),
        "faint": faint,
    }


def _stacked(rows: list[Spec], parts: list[Spec], title: str) -> Spec:
    y: Spec = {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingOuter": 0.1}}
    x = Axis(title=title, labels=PLAIN, zero=True)
    bars: Spec = {
        "data": {"values": parts},
        "mark": {"type": "bar", "height": 13, "yOffset": 7},
        "encoding": {
            "x": x.encoded("amount") | {"stack": "zero"},
            "y": y,
            "color": {"field": "colour", "type": "nominal", "scale": None},
            "order": {"field": "order"},
            "opacity": {"condition": {"test": "datum.faint", "value": 0.4}, "value": 1},
            "tooltip": [{"field": "group", "title": "for"}, {"field": "words", "title": "a month"}],
        },
    }
    spread: Spec = {
        "data": {"values": rows},
        "mark": {"type": "rule", "strokeWidth": 1.5, "yOffset": 17, "color": NEUTRAL},
        "encoding": {"x": x.encoded("low"), "x2": {"field": "high"}, "y": y},
        "transform": [{"filter": "datum.low != null && datum.high != null"}],
    }
    texts = [
        {"data": {"values": rows}} | row_text(field, y, side=side, weight=weight)
        for field, side, weight in (("name", "left", 600), ("words", "right", 400))
    ]
    return {"height": (ROW_PX + 4) * len(rows) + AXIS_PX, "layer": [bars, spread, *texts]}


def month_table(outlook: CostForecast, ship: ArmId | None) -> Table:
    """The same months in figures, with building and what comes back."""
    unit = currency_of(outlook.business)
    groups = list(MONTH_COLOURS)
    today = outlook.incumbent
    rows = []
    if today is not None:
        empty = [Cell(text="") for _ in range(len(groups))]
        cells = (Cell(text=f"today: {one_line(today.kind)}", interval="as stated"), *empty,
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
    return Cell(text=marked_money(amount, unit), interval=money_range(amount, unit))


def rival_name(curve: BreakEvenCurve) -> str:
    """Whom an arm is set against."""
    return "today" if curve.rival == "incumbent" else one_line(curve.rival)


def break_even_chart(arm: ArmForecast, curve: BreakEvenCurve, business: Business) -> Spec:
    """A month of an arm and of its rival by volume; where they cross the cheaper one changes."""
    unit = currency_of(business)
    own: list[tuple[float, float, str]] = []
    other: list[tuple[float, float, str]] = []
    for point in curve.points:
        at = float(point.queries_per_month)
        for found, usd in ((own, point.usd), (other, point.rival_usd)):
            amount = shown(usd, unit)
            if amount is not None and amount > 0:
                found.append((at, amount, f"{money(usd, unit)} at {point.queries_per_month:,} a month"))
    x = Axis(title="queries a month (logarithmic)", labels="format(datum.value, '~s')", log=True)
    y = Axis(title=f"{unit.code} a month (logarithmic)", labels=PLAIN, log=True)
    rival = Line(name=rival_name(curve), colour=NEUTRAL, points=other, dash=(6, 3))
    spec = lines([Line(name=one_line(str(arm.arm)), colour=colour_of(arm.arm), points=own), rival], x, y)
    now = [(business.queries_per_month, "this volume")]
    crossing = [] if curve.queries_per_month is None else [(curve.queries_per_month, "break-even")]
    spec["layer"] += [_upright(at, name, name == "break-even") for at, name in [*now, *crossing]]
    return spec


_UPRIGHT_NAME: Spec = {"type": "text", "align": "right", "dx": -4, "baseline": "top", "fontSize": 11}


def _upright(at: float, name: str, crossing: bool) -> Spec:
    return {
        "data": {"values": [{"at": at, "name": name}]},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [3, 3], "color": NEUTRAL}},
            {
                "mark": _UPRIGHT_NAME | ({"align": "left", "dx": 4} if crossing else {}),
                "encoding": {"text": {"field": "name"}, "y": {"value": 2 if crossing else 16}},
            },
        ],
    }


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
                    Cell(text=marked_money(each, unit), interval=each.basis.value),
                    Cell(text=marked_money(right, unit), interval=spread),
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


def hosted_table(hosted: Sequence[HostedForecast], business: Business) -> Table:
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
        notes=source_notes(line.source for line in cost_lines),
    )


def setting_lines(business: Business) -> list[tuple[str, str, bool]]:
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
