"""From which volume an option on machines of one's own is the cheaper one than prompting the hosted model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from advisor.assumed import Inputs
from advisor.cost.break_even import FixedCost, break_even
from advisor.cost.ledger import total_usd
from advisor.cost.machines import HOURS_PER_MONTH
from advisor.cost.serving import monthly_capacity
from advisor.cost.tco import total_cost
from advisor.economics import (
    Market,
    load_of,
    option_costs,
    own_fleet,
    prompt_tokens,
    runs_own_model,
    setting_of,
)
from advisor.rubric import Option
from advisor.use_case import UseCase, must_self_host


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenRow:
    """The volume, with its outcome in the cost room's words ('at', 'never', ...)."""

    rival: Option
    outcome: str
    queries_per_month: int | None
    sentence: str


def break_even_row(case: UseCase, option: Option, inputs: Inputs, market: Market) -> BreakEvenRow | None:
    """Break-even of an own-model option against the hosted prompt; None where there is no such pair.

    The fixed part holds machines-independent months (index, changes, people) and the one-off costs beyond
    the rival's, spread over the horizon.
    """
    if not runs_own_model(case, option) or must_self_host(case) or runs_own_model(case, Option.PROMPT):
        return None
    own = option_costs(case, option, inputs, market)
    rival = option_costs(case, Option.PROMPT, inputs, market)
    fleet = own_fleet(case, prompt_tokens(case, option, inputs, market.assumptions), inputs, market)
    machine = None if fleet.usd_per_hour is None else fleet.usd_per_hour * HOURS_PER_MONTH
    setting = setting_of(inputs)
    fixed = _fixed(total_cost(own, setting), total_cost(rival, setting), setting.horizon_months)
    found = break_even(
        FixedCost(
            usd_per_month=fixed,
            machine_usd_per_month=machine,
            queries_per_machine=Decimal(str(monthly_capacity(load_of(case, inputs), fleet))),
        ),
        total_usd(rival.per_query),
    )
    return BreakEvenRow(
        rival=Option.PROMPT,
        outcome=found.outcome.value,
        queries_per_month=found.queries_per_month,
        sentence=f"against prompting the hosted model: {found.outcome.value} ({found.reason})",
    )


def _fixed(own: object, rival: object, horizon: Decimal) -> Decimal | None:
    """What the own option costs a month beyond the rival, machines and queries aside; at least 0."""
    from advisor.cost.tco import Tco

    assert isinstance(own, Tco) and isinstance(rival, Tco)
    parts = []
    for tco, sign in ((own, 1), (rival, -1)):
        once = tco.one_off_usd
        month = total_usd(
            line for line in tco.monthly if line.unit not in ("tokens", "queries") and line.name != "machines"
        )
        if once is None or month is None:
            return None
        parts.append(sign * (once / horizon + month))
    return max(Decimal(0), sum(parts, Decimal(0)))
