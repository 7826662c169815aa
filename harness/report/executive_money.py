"""The money of the executive report: a month, the break-even, hosted models at list price. Pure."""

from __future__ import annotations

from typing import get_args

from advisor.money.crossing import BreakEvenCurve
from harness.core.wording import marked_money, money, money_range, one_line
from harness.money.records import ArmForecast, CostForecast, CostGroup
from harness.report.charts import Axis, Curve, CurveChart, Mark, draw
from harness.report.dossier import MARKS, Dossier, money_axis
from harness.report.palette import colour_of
from harness.report.paper import Block, Chart, Grid, Paragraph, Part, Points, Slider, Span, Text, said
from harness.report.plain import arm_ids, capital, in_plain_words, plain_name
from harness.report.svg import MUTED, TODAY
from harness.report.view import Cell, Column, Row, Table

GROUPS_OF_A_MONTH: tuple[CostGroup, ...] = get_args(CostGroup)
"""What a month is paid for, in the order in which it is stacked."""

REACH = 2.2
"""Times the larger of the volume stated and of the break-even, up to which a curve is drawn."""


def money_part(dossier: Dossier) -> Part:
    """The month by what it is paid for, the break-even and hosted models at list price."""
    outlook = dossier.results.outlook
    title = "The money"
    if outlook is None:
        text = "The plan says nothing of volume and of what is done today: no monthly figure can be given."
        return Part(key="money", title=title, blocks=(Paragraph(text=said(text), mood="warn"),))
    lines = Points(items=(*_break_even_lines(dossier, outlook), *_no_price(dossier)))
    blocks: list[Block] = [_month_grid(dossier, outlook), lines]
    picked = _picked(dossier, outlook)
    if picked is not None:
        blocks += [_break_even_chart(dossier, outlook, *picked), _slider(dossier, outlook, *picked)]
    if outlook.hosted:
        blocks.append(_hosted_grid(dossier, outlook))
    business = outlook.business
    volume = f"{business.queries_per_month:,} queries a month over {business.horizon_months:g} months"
    lead = said(f"Reckoned for {volume}", Span(text=".", refs=dossier.money()))
    return Part(key="money", title=title, lead=lead, blocks=tuple(blocks))


def _month_grid(dossier: Dossier, outlook: CostForecast) -> Grid:
    heads = (
        ("way of doing it", ""),
        *((_two(group)) for group in GROUPS_OF_A_MONTH),
        ("month", ""),
        ("to build", "once"),
        ("earned", "back in"),
    )
    table = Table(
        columns=tuple(Column(head=head, right=place > 0) for place, head in enumerate(heads)),
        rows=(*_today_row(dossier, outlook), *(_month_row(dossier, found) for found in outlook.arms)),
        notes=tuple(in_plain_words(sentence, dossier.results) for sentence in outlook.unknown),
    )
    refs = ((), *(() for _ in GROUPS_OF_A_MONTH), dossier.money(), dossier.money(), ())
    return Grid(
        table=table,
        caption="What a month consists of. A second line is the range of what is assumed.",
        refs=refs,
        shares=(1.9, 1.25, 1.2, 1.2, 1.2, 1.25, 1.5, 1.45, 0.95),
    )


def _two(group: str) -> tuple[str, str]:
    first, _, last = group.rpartition(" ")
    return (first, last) if first else (last, "")


def _today_row(dossier: Dossier, outlook: CostForecast) -> tuple[Row, ...]:
    today = outlook.incumbent
    if today is None:
        return ()
    empty = [Cell(text="") for _ in GROUPS_OF_A_MONTH]
    cells = (
        Cell(text="Today", interval=f"{one_line(today.kind)}, as stated"),
        *empty,
        Cell(text=money(today.month_usd.usd, dossier.currency)),
        Cell(text=""),
        Cell(text=""),
    )
    return (Row(cells=cells, tone="faint"),)


def _month_row(dossier: Dossier, found: ArmForecast) -> Row:
    currency, parts = dossier.currency, {part.group: part.amount for part in found.month}
    ships = found.arm == dossier.results.recommendation.ship
    months = "never" if found.payback_months is None else f"{found.payback_months:.1f} mo."
    if found.payback_months is None and found.month_usd.usd is None:
        months = "unknown"
    return Row(
        cells=(
            Cell(
                text=capital(plain_name(found.arm, arm_ids(dossier.results))),
                interval="ruled out" if found.barred else "",
            ),
            *(
                Cell(text=money(parts[group].usd, currency)) if group in parts else Cell(text="-")
                for group in GROUPS_OF_A_MONTH
            ),
            Cell(
                text=marked_money(found.month_usd, currency), interval=money_range(found.month_usd, currency)
            ),
            Cell(text=money(found.once_usd.usd, currency), interval=money_range(found.once_usd, currency)),
            Cell(text=months),
        ),
        tone="good" if ships else "faint" if found.barred else "plain",
        key=one_line(str(found.arm)),
    )


def _picked(dossier: Dossier, outlook: CostForecast) -> tuple[ArmForecast, BreakEvenCurve] | None:
    """The curve to draw: of the arm to use where it has one."""
    ship = dossier.results.recommendation.ship
    ordered = sorted(outlook.arms, key=lambda found: found.arm != ship)
    return next(((found, curve) for found in ordered for curve in found.break_even if curve.points), None)


def _slider(dossier: Dossier, outlook: CostForecast, found: ArmForecast, curve: BreakEvenCurve) -> Slider:
    volume = outlook.business.queries_per_month
    under = [place for place, point in enumerate(curve.points) if point.queries_per_month <= volume]
    return Slider(
        of="break-even",
        label="Volume, over the points this run has stored",
        heads=("queries a month", plain_name(found.arm, arm_ids(dossier.results)), _rival(curve)),
        rows=tuple(
            (
                f"{point.queries_per_month:,}",
                money(point.usd, dossier.currency),
                money(point.rival_usd, dossier.currency),
            )
            for point in curve.points
        ),
        start=max(under, default=0),
    )


def _break_even_chart(
    dossier: Dossier, outlook: CostForecast, found: ArmForecast, curve: BreakEvenCurve
) -> Chart:
    name = capital(plain_name(found.arm, arm_ids(dossier.results)))
    rival = _rival(curve)
    lines = (
        _line(dossier, curve, name, colour_of(found.arm), own=True),
        _line(dossier, curve, capital(rival), TODAY, own=False),
    )
    marks = [
        Mark(
            at=outlook.business.queries_per_month,
            words=f"volume stated: {outlook.business.queries_per_month:,}",
            colour=MUTED,
        )
    ]
    if curve.queries_per_month:
        marks.append(
            Mark(
                at=curve.queries_per_month,
                words=f"break-even: {curve.queries_per_month:,}",
                colour=colour_of(found.arm),
            )
        )
    return Chart(
        key="break-even",
        svg=draw(
            "break-even",
            CurveChart(
                curves=lines,
                across=Axis(title="queries a month", low=0.0, label="{:,.0f}".format),
                up=money_axis(dossier.currency, "a month"),
                marks=tuple(marks),
            ),
        ),
        alt=f"Lines of the monthly cost of {name} and of {rival} by queries a month. "
        f"{capital(curve.outcome)}: {one_line(curve.reason)}.",
        caption=said(
            f"{name} against {rival}: {one_line(curve.reason)}. Building is spread over the horizon.",
            Span(text="", refs=dossier.money()),
        ),
    )


def _line(dossier: Dossier, curve: BreakEvenCurve, name: str, colour: str, *, own: bool) -> Curve:
    points = []
    for point in curve.points:
        usd = point.usd if own else point.rival_usd
        place = dossier.shown(usd)
        if place is not None and point.queries_per_month <= _drawn_up_to(dossier, curve):
            words = f"{point.queries_per_month:,} queries a month, {money(usd, dossier.currency)}"
            points.append((float(point.queries_per_month), place, words))
    return Curve(name=name, points=tuple(points), colour=colour, dash="" if own else "6 4")


def _drawn_up_to(dossier: Dossier, curve: BreakEvenCurve) -> float:
    """Stored points reach a hundred times the volume; a drawing ends where its reader's question does."""
    outlook = dossier.results.outlook
    volume = 0 if outlook is None else outlook.business.queries_per_month
    return REACH * max(volume, curve.queries_per_month or 0)


def _rival(curve: BreakEvenCurve) -> str:
    return "what is done today" if curve.rival == "incumbent" else one_line(curve.rival)


def _break_even_lines(dossier: Dossier, outlook: CostForecast) -> list[Text]:
    """Payback and break-even: of the arm to use against every rival, of the others against today."""
    found = []
    for arm in outlook.arms:
        ships = arm.arm == dossier.results.recommendation.ship
        name = capital(plain_name(arm.arm, arm_ids(dossier.results)))
        curves = [curve for curve in arm.break_even if ships or curve.rival == "incumbent"]
        reasons = "; ".join(f"against {_rival(curve)} {_outcome(curve)}" for curve in curves)
        machines = arm.serving.sentence if arm.serving is not None and ships else ""
        found.append(
            said(
                Span(text=f"{name}. ", strong=True),
                in_plain_words(arm.payback, dossier.results),
                f" Break-even: {reasons}." if reasons else "",
                f" {one_line(machines)}" if machines else "",
            )
        )
    return found


def _no_price(dossier: Dossier) -> list[Text]:
    amount = dossier.results.recommendation.next.usd
    if amount.usd is not None:
        return []
    return [said(Span(text="The next step", strong=True), f" has no price: {one_line(amount.reason)}.")]


def _outcome(curve: BreakEvenCurve) -> str:
    match curve.outcome:
        case "always":
            return "cheaper at any volume"
        case "never":
            return f"never ({one_line(curve.reason)})"
        case "unknown":
            return f"not known ({one_line(curve.reason)})"
        case _:
            return one_line(curve.reason)


def _hosted_grid(dossier: Dossier, outlook: CostForecast) -> Grid:
    rows = tuple(
        Row(
            cells=(
                Cell(text=one_line(found.model)),
                Cell(
                    text=f"{money(found.usd_per_1k.usd, dossier.currency)}",
                    interval=MARKS[found.usd_per_1k.basis],
                ),
                Cell(
                    text=money(found.month_usd.usd, dossier.currency), interval=MARKS[found.month_usd.basis]
                ),
                Cell(text="not measured"),
            )
        )
        for found in outlook.hosted
    )
    return Grid(
        table=Table(
            columns=(
                Column(head=("hosted model, not run",), right=False),
                Column(head=("per 1,000 queries",)),
                Column(head=("calls a month",)),
                Column(head=("right answers",), right=False),
            ),
            rows=rows,
        ),
        caption="Large hosted models at their list price, for comparison. They were not run.",
        refs=(
            (),
            dossier.cites.cite(
                *(f"Prices: {one_line(found.source)} (list price)." for found in outlook.hosted)
            ),
            (),
            (),
        ),
        shares=(3, 2, 2, 2),
    )
