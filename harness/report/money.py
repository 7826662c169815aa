"""The money of a run in the terminal report: a month by arm, against today, and until when. Pure."""

from __future__ import annotations

from decimal import Decimal

from advisor.money.inputs import CostInputs
from harness.core.records import ArmId
from harness.core.wording import MISSING, UNKNOWN, USD, Currency, marked_money, money, money_range, one_line
from harness.money.records import Amount, ArmForecast, CostForecast, Incumbent
from harness.recommendation.records import RunResults
from harness.report.details import lines
from harness.report.view import Block, Bullets, Cell, Column, Fact, Row, Section, Sentence, Table

BUSY_MONEY = "! machine time in it was timed on a busy machine: it would be less on an idle one"
_COLUMNS = (
    Column(head=("arm",), right=False),
    Column(head=("calls and", "machines")),
    Column(head=("a month in all", "(range)")),
    Column(head=("saved a month", "against today")),
    Column(head=("to build", "once")),
    Column(head=("paid back", "in months")),
)


def money_section(results: RunResults) -> Section:
    """What each arm costs a month against what is done today."""
    title, outlook, ship = "Money", results.outlook, results.recommendation.ship
    business, shown = outlook.business, _currency(outlook.business)
    blocks: list[Block] = [
        Fact(label="reckoned for", text=_setting(business)),
        Table(columns=_COLUMNS, rows=_rows(outlook, ship, shown), notes=_notes(outlook, ship)),
        *_break_even(outlook, ship),
        Fact(label="valid until", text=_valid_until(outlook)),
    ]
    if outlook.limits:
        blocks.append(Bullets(label="what ends it", items=lines(limit.sentence for limit in outlook.limits)))
    if outlook.unknown:
        blocks.append(Bullets(label="not known", items=lines(outlook.unknown), tone="warn"))
    return Section(key="money", title=title, blocks=tuple(blocks))


def _currency(business: CostInputs) -> Currency:
    rate = business.exchange
    return USD if rate is None else Currency(code=rate.currency, per_usd=rate.per_usd, source=rate.said)


def _setting(business: CostInputs) -> str:
    volume = f"{business.queries_per_month:,} queries a month over {business.horizon_months:g} months"
    rate = business.exchange
    if rate is None:
        return volume
    return one_line(f"{volume}; 1 USD is {rate.per_usd} {rate.currency} ({rate.said})")


def _rows(outlook: CostForecast, ship: ArmId | None, shown: Currency) -> tuple[Row, ...]:
    today = [] if outlook.incumbent is None else [_today(outlook.incumbent, shown)]
    return (*today, *(_row(arm, shown, arm.arm == ship) for arm in outlook.arms))


def _today(today: Incumbent, shown: Currency) -> Row:
    name = Cell(text=f"today ({one_line(today.kind)})")
    nothing = Cell(text=MISSING)
    return Row(cells=(name, nothing, _cell(today.month_usd, shown), *3 * [nothing]), tone="faint")


def _row(arm: ArmForecast, shown: Currency, ships: bool) -> Row:
    months = UNKNOWN if arm.saving_usd_per_month.usd is None else "never"
    if arm.payback_months is not None:
        months = f"{arm.payback_months:,.1f}"
    cells = (
        Cell(text=one_line(str(arm.arm))),
        Cell(text=money(_calls(arm), shown)),
        _cell(arm.month_usd, shown),
        Cell(text=marked_money(arm.saving_usd_per_month, shown)),
        Cell(text=money(arm.once_usd.usd, shown)),
        Cell(text=months),
    )
    if arm.barred:
        return Row(cells=cells, mark="x", tone="faint")
    return Row(cells=cells, mark="*" if ships else "", tone="good" if ships else "plain")


def _calls(arm: ArmForecast) -> Decimal | None:
    return next((part.amount.usd for part in arm.month if part.group == "calls and machines"), None)


def _cell(amount: Amount, shown: Currency) -> Cell:
    return Cell(text=marked_money(amount, shown), interval=money_range(amount, shown))


def _notes(outlook: CostForecast, ship: ArmId | None) -> tuple[str, ...]:
    business = outlook.business
    wrong = (
        "A month holds calls, machines, people, changes and wrong answers"
        if business.wrong_answer_usd is not None
        else "A month holds calls, machines, people and changes; a wrong answer has no price"
    )
    notes = [f"{wrong}. The range is that of the accuracy and of what is assumed."]
    if business.assumed:
        names = (name.removesuffix("_usd").replace("_", " ") for name in business.assumed)
        notes.append(f"Assumed, not stated: {', '.join(names)}.")
    if ship is not None:
        notes.append("* the arm to ship")
    if any(arm.barred for arm in outlook.arms):
        notes.append("x may not be shipped (see vetoes): its costs are shown to compare")
    if any(arm.month_usd.busy for arm in outlook.arms):
        notes.append(BUSY_MONEY)
    return tuple(notes)


def _break_even(outlook: CostForecast, ship: ArmId | None) -> list[Block]:
    """Of the arm to ship, against today and against hosted models."""
    found = next((arm for arm in outlook.arms if arm.arm == ship), None)
    if found is None:
        return []
    items = [f"against {_rival(curve.rival)}: {curve.reason}" for curve in found.break_even]
    blocks: list[Block] = [Fact(label="pays back", text=one_line(found.payback))]
    if items:
        blocks.append(Bullets(label=f"break-even of {one_line(str(ship))}", items=lines(items)))
    if found.serving is not None:
        blocks.append(Sentence(text=_serving(found, _currency(outlook.business)), tone="faint"))
    return blocks


def _rival(name: str) -> str:
    return "today" if name == "incumbent" else name


def _serving(arm: ArmForecast, shown: Currency) -> str:
    assert arm.serving is not None
    busy, whole = (money(usd, shown) for usd in (arm.serving.busy_usd, arm.serving.whole_usd))
    name = one_line(str(arm.arm))
    return (
        f"Machines of {name}: {busy} a month by busy seconds, {whole} by whole ones. {arm.serving.sentence}"
    )


def _valid_until(outlook: CostForecast) -> str:
    if outlook.valid_until is None:
        return "no day is known on which anything changes"
    return f"{outlook.valid_until:%Y-%m-%d}: something known changes on that day"
