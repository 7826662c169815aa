"""What `advisor cost` shows: every option's ledger at likely values, its span, and the incumbent's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from advisor.advice import MoneySpan, Veto
from advisor.assumed import assumed_in, rates, resolve
from advisor.break_even_view import BreakEvenRow, break_even_row
from advisor.case import UseCase
from advisor.economics import Market, option_tco
from advisor.money.ledger import LedgerLine
from advisor.money.money import format_money, from_usd
from advisor.money.ranges import AssumedRange, Scenario
from advisor.money.tco import Against, against
from advisor.numbers import figure
from advisor.options import ADVISED, Option
from advisor.predict import incumbent_tco, incumbent_usd_per_1k, running_per_1k, stand_ins
from advisor.rubric.rubric import load_rubric
from advisor.rubric.vetoes import vetoes
from advisor.swing_view import CostSwing, cost_swings
from advisor.text import ascii_safe


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSheet:
    """One option over the horizon; ledgers at likely values, totals as spans, wrong answers left out."""

    option: Option
    model: str
    vetoes: tuple[Veto, ...]
    one_off: tuple[LedgerLine, ...]
    monthly: tuple[LedgerLine, ...]
    usd_one_off: MoneySpan
    usd_per_month: MoneySpan
    usd_horizon: MoneySpan
    usd_per_1k: MoneySpan
    usd_per_1k_running: MoneySpan
    against_today: Against | None
    break_even: BreakEvenRow | None
    swings: tuple[CostSwing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSheet:
    """All options of a case."""

    case: UseCase
    options: tuple[OptionSheet, ...]
    incumbent_usd_per_1k: Decimal | None
    assumed: tuple[AssumedRange, ...]
    notes: tuple[str, ...]


def cost_sheet(case: UseCase, market: Market) -> CostSheet:
    """Price every option.

    Raises:
        CostError: if a machine named has no known price.
    """
    inputs = {s: resolve(case, market.assumptions, s) for s in Scenario}
    fallen = vetoes(case, load_rubric().veto)
    today = incumbent_tco(case, inputs[Scenario.LIKELY], counted=False)
    sheets = []
    for option in ADVISED:
        tco = {s: option_tco(case, option, inputs[s], market) for s in Scenario}
        likely = tco[Scenario.LIKELY]
        sheets.append(
            OptionSheet(
                option=option,
                model=likely.option.model,
                vetoes=fallen[option],
                one_off=likely.one_off,
                monthly=likely.monthly,
                usd_one_off=_span([t.one_off_usd for t in tco.values()], likely.one_off_usd),
                usd_per_month=_span([t.monthly_usd for t in tco.values()], likely.monthly_usd),
                usd_horizon=_span([t.horizon_usd for t in tco.values()], likely.horizon_usd),
                usd_per_1k=_span([t.usd_per_1k for t in tco.values()], likely.usd_per_1k),
                usd_per_1k_running=_span([running_per_1k(t) for t in tco.values()], running_per_1k(likely)),
                against_today=None if today is None else against(likely, today),
                break_even=break_even_row(case, option, inputs, market),
                swings=cost_swings(case, option, inputs[Scenario.LIKELY], market),
            )
        )
    return CostSheet(
        case=case,
        options=tuple(sheets),
        incumbent_usd_per_1k=incumbent_usd_per_1k(case),
        assumed=tuple(assumed_in(case, inputs[Scenario.LIKELY]).values()),
        notes=stand_ins(case, market),
    )


def _span(values: list[Decimal | None], likely: Decimal | None) -> MoneySpan:
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return MoneySpan(low=None, likely=likely, high=None)
    return MoneySpan(low=min(known), likely=likely, high=max(known))


def cost_text(sheet: CostSheet) -> str:
    """The sheet as text; lines at likely values, spans from cheap to dear."""
    case = sheet.case

    def show(usd: Decimal | None) -> str:
        return format_money(from_usd(usd, case.currency, rates(case)), case.currency)

    def span(value: MoneySpan) -> str:
        return f"{show(value.likely)} ({show(value.low)} to {show(value.high)})"

    lines = [f"{case.name}: what each option costs (likely, and cheap to dear)", ""]
    if sheet.incumbent_usd_per_1k is not None:
        lines += [f"today: {show(sheet.incumbent_usd_per_1k)} per 1,000", ""]
    for option in sheet.options:
        ruled = f"   RULED OUT: {option.vetoes[0].reason}" if option.vetoes else ""
        lines.append(f"{option.option.value} on {option.model}{ruled}")
        lines.append(f"  per 1,000, running  {span(option.usd_per_1k_running)}")
        lines.append(f"  per 1,000, in all   {span(option.usd_per_1k)}")
        lines.append(f"  once                {span(option.usd_one_off)}")
        lines += [_line(entry, show) for entry in option.one_off]
        lines.append(f"  a month             {span(option.usd_per_month)}")
        lines += [_line(entry, show) for entry in option.monthly if entry.name != "wrong answers"]
        lines.append(f"  over the horizon    {span(option.usd_horizon)}")
        if option.against_today is not None:
            lines.append(f"  against today       {_saving(option.against_today, show)}")
        if option.break_even is not None:
            lines += _break_even_lines(option.break_even)
        for swing in option.swings[:3]:
            said = ", assumed" if swing.assumed else ""
            ends = " to ".join(
                show(None if usd is None else Decimal(str(usd)))
                for usd in (swing.usd_at_low, swing.usd_at_high)
            )
            moved = f"{swing.field} {figure(swing.low)} to {figure(swing.high)}{said}"
            lines.append(f"  hangs on            {moved}: {ends}")
        lines.append("")
    for a in sheet.assumed:
        lines.append(
            f"assumed {a.key}: {figure(a.likely)} {a.unit} ({figure(a.low)} to {figure(a.high)}) [{a.source}]"
        )
    lines += [f"note: {note}" for note in sheet.notes]
    lines.append("Wrong answers are not counted here: no accuracy is known before it is measured.")
    return ascii_safe("\n".join(lines) + "\n")


def _saving(found: Against, show: Callable[[Decimal | None], str]) -> str:
    saving = found.monthly_saving_usd
    more = saving is not None and saving < 0
    amount = show(None if saving is None else abs(saving))
    return f"{amount} a month {'more' if more else 'saved'}; {found.reason}"


def _break_even_lines(row: BreakEvenRow) -> list[str]:
    lines = [f"  break-even          {row.sentence}"]
    if row.share_never is not None:
        low, high = (None if end is None else f"{end:,.0f}" for end in (row.low, row.high))
        span = f"{low} to {high or 'never'} queries a month" if low else "never"
        lines.append(
            f"                      {100 * row.level:.0f} % of draws: {span}; "
            f"never in {100 * row.share_never:.0f} %"
        )
    return lines


def _line(entry: LedgerLine, show: Callable[[Decimal | None], str]) -> str:
    quantity = "unknown"
    if entry.quantity is not None:
        quantity = f"{entry.quantity:,.0f}" if entry.quantity >= 100 else f"{float(entry.quantity):.3g}"
    amount = f"{show(entry.amount_usd):>12}"
    return f"    {entry.name:<22} {quantity:>12} {entry.unit:<9} {amount}  {entry.basis.value}"
