"""What `advisor cost` shows: every option's ledger at likely values, its span, and what is paid today.

- Break-even: from which volume on an option of one's own costs no more than prompting a hosted model. A point
  at likely values, and an interval from seeded draws between the cheap and the dear scenario; these move
  independently, so it is rather too narrow.
- What would change it: the horizon's cost when one input alone moves. An assumed one moves over its range, a
  known one by half and to double.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from advisor.advice import Veto
from advisor.assumed import Inputs, assumed_in, rates, resolve
from advisor.case import UseCase, must_self_host
from advisor.economics import Market, cost_curve_of, option_tco, runs_own_model
from advisor.layout import aligned, ascii_safe
from advisor.money.break_even import FixedCost, break_even
from advisor.money.ledger import LedgerLine
from advisor.money.money import AssumedRange, MoneyRange, Range, Scenario, format_money, from_usd, spanning
from advisor.money.tco import STALE_LINE, Against, Tco
from advisor.money.words import payback_words
from advisor.money.workload import WRONG_LINE
from advisor.numbers import figure
from advisor.options import ADVISED, Option
from advisor.predict import (
    against_today,
    expected_right,
    incumbent_usd_per_1k,
    running_per_1k,
    stand_ins,
)
from advisor.rubric.rubric import load_bands, load_rubric
from advisor.rubric.scoring import vetoes

if TYPE_CHECKING:
    from advisor.money.sensitivity import Swing

SEED = 20261123
LEVEL = 0.9
_INPUTS = (
    "queries_per_month",
    "horizon_months",
    "day_rate",
    "example_cost",
    "examples",
    "labels",
    "knowledge_tokens",
    "knowledge_changes_per_month",
    "label_changes_per_month",
    "open_model_billions",
    "input_tokens",
    "output_tokens",
)


_IN_DOLLARS = {"day_rate": "day_rate_usd", "example_cost": "example_usd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenRow:
    """The volume, with its outcome in the cost room's words ('at', 'never', ...).

    Attributes:
        low, high: of the volume at `level`, None where that share of the draws never breaks even.
        share_never: of the draws.
    """

    rival: Option
    outcome: str
    queries_per_month: int | None
    low: float | None
    high: float | None
    level: float
    share_never: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSheet:
    """One option over the horizon; ledgers at likely values, totals as spans, wrong answers left out."""

    option: Option
    model: str
    vetoes: tuple[Veto, ...]
    one_off: tuple[LedgerLine, ...]
    monthly: tuple[LedgerLine, ...]
    usd_one_off: MoneyRange
    usd_per_month: MoneyRange
    usd_horizon: MoneyRange
    usd_per_1k: MoneyRange
    usd_per_1k_running: MoneyRange
    against_today: Against | None
    break_even: BreakEvenRow | None
    swings: tuple[Swing, ...]


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
    bands, given = load_bands(), inputs[Scenario.LIKELY]
    today = incumbent_usd_per_1k(case)
    sheets = []
    for option in ADVISED:
        tco = {s: option_tco(case, option, inputs[s], market) for s in Scenario}
        likely = tco[Scenario.LIKELY]
        right = expected_right(case, option, bands, market.assumptions)
        expected = option_tco(case, option, given, market, accuracy=right.central)
        sheets.append(
            OptionSheet(
                option=option,
                model=likely.option.model,
                vetoes=fallen[option],
                one_off=likely.one_off,
                monthly=likely.monthly,
                usd_one_off=_over(tco, lambda t: t.one_off_usd),
                usd_per_month=_over(tco, lambda t: t.monthly_usd),
                usd_horizon=_over(tco, lambda t: t.horizon_usd),
                usd_per_1k=_over(tco, lambda t: t.usd_per_1k),
                usd_per_1k_running=_over(tco, running_per_1k),
                against_today=None if today is None else against_today(case, expected, given),
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


def _over(tco: Mapping[Scenario, Tco], of: Callable[[Tco], Decimal | None]) -> MoneyRange:
    return spanning([of(total) for total in tco.values()], of(tco[Scenario.LIKELY]))


def break_even_row(
    case: UseCase, option: Option, inputs: Mapping[Scenario, Inputs], market: Market
) -> BreakEvenRow | None:
    """Break-even of an own-model option against the hosted prompt; None where there is no such pair.

    The fixed part holds what does not grow with queries (index, changes, people) and the one-off costs
    beyond the rival's, spread over the horizon.
    """
    if not runs_own_model(case, option) or must_self_host(case) or runs_own_model(case, Option.PROMPT):
        return None
    sides = {scenario: _pair(case, option, given, market) for scenario, given in inputs.items()}
    likely = sides[Scenario.LIKELY]
    found = break_even(
        FixedCost(
            usd_per_month=likely["fixed"],
            machine_usd_per_month=likely["machine"],
            queries_per_machine=likely["capacity"],
        ),
        likely["rival"],
    )
    low, high, never = _simulated(sides)
    return BreakEvenRow(
        rival=Option.PROMPT,
        outcome=found.outcome.value,
        queries_per_month=found.queries_per_month,
        low=low,
        high=high,
        level=LEVEL,
        share_never=never,
        sentence=f"against prompting the hosted model: {found.outcome.value} ({found.reason})",
    )


def _pair(case: UseCase, option: Option, inputs: Inputs, market: Market) -> dict[str, Decimal | None]:
    """An own option beyond the rival: what is paid besides queries and machines counts on both."""
    own = cost_curve_of(case, option, inputs, market).shape(counted=False)
    rival = cost_curve_of(case, Option.PROMPT, inputs, market).shape(counted=False)
    fixed = None if rival.fixed_usd is None or own.fixed_usd is None else own.fixed_usd - rival.fixed_usd
    return {
        "fixed": None if fixed is None else max(Decimal(0), fixed),
        "machine": own.machine_usd,
        "rival": rival.query_usd,
        "capacity": own.capacity or Decimal(0),
    }


def _simulated(
    sides: Mapping[Scenario, Mapping[str, Decimal | None]],
) -> tuple[float | None, float | None, float | None]:
    import numpy as np

    from advisor.money.sensitivity import simulate_break_even

    ranges = {}
    for name in sides[Scenario.LIKELY]:
        known = sorted(float(value) for side in sides.values() if (value := side[name]) is not None)
        if len(known) < len(sides):
            return None, None, None
        ranges[name] = Range(low=known[0], likely=known[1], high=known[2])
    return simulate_break_even(ranges, np.random.default_rng(SEED), level=LEVEL)


def cost_swings(case: UseCase, option: Option, inputs: Inputs, market: Market) -> tuple[Swing, ...]:
    """The swings that move the cost at all, largest first."""
    from advisor.money.sensitivity import swings

    assumed = {r.key.split(":")[0]: r for r in inputs.ranges}

    def span(field: str) -> Range[float]:
        now = float(getattr(inputs, _IN_DOLLARS.get(field, field)))
        if field in assumed:
            return Range(low=assumed[field].low, likely=now, high=assumed[field].high)
        return Range(low=now / 2, likely=now, high=now * 2)

    def evaluate(values: Mapping[str, float]) -> float | None:
        changed: dict[str, Any] = {
            _IN_DOLLARS.get(field, field): Decimal(str(value)) if field in _IN_DOLLARS else value
            for field, value in values.items()
        }
        total = option_tco(case, option, replace(inputs, **changed), market).horizon_usd
        return None if total is None else float(total)

    ranges = {field: span(field) for field in _INPUTS}
    return tuple(swing for swing in swings(evaluate, ranges, assumed) if swing.size > 0)


def cost_text(sheet: CostSheet) -> str:
    """The sheet as text; lines at likely values, spans from cheap to dear."""
    case = sheet.case

    def show(usd: Decimal | None) -> str:
        return format_money(from_usd(usd, case.currency, rates(case)), case.currency)

    def span(value: MoneyRange) -> str:
        return f"{show(value.likely)} ({show(value.low)} to {show(value.high)})"

    lines = [f"{case.name}: what each option costs (likely, and cheap to dear)", ""]
    if sheet.incumbent_usd_per_1k is not None:
        lines += [f"today: {show(sheet.incumbent_usd_per_1k)} per 1,000", ""]
    entries = [entry for option in sheet.options for entry in (*option.one_off, *_monthly(option))]
    ledger = iter(_ledger(entries, show))
    for option in sheet.options:
        ruled = f"   RULED OUT: {option.vetoes[0].reason}" if option.vetoes else ""
        lines.append(f"{option.option.value} on {option.model}{ruled}")
        lines.append(f"  per 1,000, running  {span(option.usd_per_1k_running)}")
        lines.append(f"  per 1,000, in all   {span(option.usd_per_1k)}")
        lines.append(f"  once                {span(option.usd_one_off)}")
        lines += islice(ledger, len(option.one_off))
        lines.append(f"  a month             {span(option.usd_per_month)}")
        lines += islice(ledger, len(_monthly(option)))
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
            lines.append(f"  changes with        {moved}: {ends}")
        lines.append("")
    for a in sheet.assumed:
        lines.append(
            f"assumed {a.key}: {figure(a.likely)} {a.unit} ({figure(a.low)} to {figure(a.high)}) [{a.source}]"
        )
    lines += [f"note: {note}" for note in sheet.notes]
    lines.append(
        "Sums leave wrong answers out. Against today they count on both sides, at the middle of the "
        "accuracies expected, where their price and today's accuracy are stated; else on neither."
    )
    return ascii_safe("\n".join(lines) + "\n")


def _saving(found: Against, show: Callable[[Decimal | None], str]) -> str:
    why = payback_words(found.paid_back, found.payback_months, found.horizon_months)
    saving = found.monthly_saving_usd
    more = saving is not None and saving < 0
    amount = show(None if saving is None else abs(saving))
    return f"{amount} a month {'more' if more else 'saved'}; {why}"


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


def _monthly(option: OptionSheet) -> list[LedgerLine]:
    return [entry for entry in option.monthly if entry.name not in (WRONG_LINE, STALE_LINE)]


def _ledger(entries: Sequence[LedgerLine], show: Callable[[Decimal | None], str]) -> list[str]:
    rows = [(e.name, _quantity(e.quantity), e.unit, show(e.amount_usd), e.basis.value) for e in entries]
    return aligned(rows, right={1, 3}, indent="    ")


def _quantity(value: Decimal | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if value >= 100 else f"{float(value):.3g}"
