"""What stands next to first place, what would put it there, what settles that, what the cost hangs on. Pure.

All of it is read from the same judge and the same standing as the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from advisor.advice import Dominant, Flip, RunnerUp, Tries
from advisor.assumed import resolve
from advisor.case import Measurement, UseCase, measured_of
from advisor.cost_sheet import cost_swings
from advisor.economics import Market, option_tco
from advisor.judge import Judge, Standing
from advisor.money.inputs import times
from advisor.money.money import FigureRange, Scenario, spanning
from advisor.options import Option, TaskKind
from advisor.predict import usd_per_query
from advisor.run_evidence import with_measured

PROVEN_ON = 400
"""Items that an accuracy which would put the runner-up first is taken to be measured on."""
TRIES = (10, 30, 100)
"""How many tries of a prompt are thought of, the fewest first."""
_STEPS = 100


def find_runner_up(case: UseCase, judge: Judge, standing: Standing, flips: Sequence[Flip]) -> RunnerUp | None:
    """The choice after the first, and the least that would put it first; None where nothing else is left.

    A figure that flips to it is named first; else the share of right answers, measured, from which it leads.
    """
    if len(standing.order) < 2:
        return None
    choice = standing.order[1]
    flip = next((one for one in flips if not one.stays_first and one.to_option is choice), None)
    right = None
    if flip is None and isinstance(choice, Option):
        right = _right_enough(case, judge, choice)
    return RunnerUp(choice=choice, flip=flip, right=right, items=PROVEN_ON)


def _right_enough(case: UseCase, judge: Judge, option: Option) -> float | None:
    """The least share of right answers, measured, with which an option comes first."""
    costs = judge.costs(case)

    def leads(share: float) -> bool:
        found = Measurement(option=option, accuracy=share, items=PROVEN_ON)
        return judge.standing(with_measured(case, (found,)), costs).first is option

    if not leads(1.0):
        return None
    low, high = 0, _STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if leads(middle / _STEPS) else (middle, high)
    return high / _STEPS


def find_tries(case: UseCase, judge: Judge, standing: Standing) -> Tries | None:
    """The fewest tries of a prompt of which all right, or half, could change first place, if any."""
    vetoed = bool(standing.scores.vetoes[Option.PROMPT])
    if vetoed or measured_of(case, Option.PROMPT) is not None or standing.first is None:
        return None
    costs = judge.costs(case)
    for items in TRIES:
        leads = []
        for right in (items, items // 2):
            found = Measurement(option=Option.PROMPT, accuracy=right / items, items=items)
            leads.append((right, judge.standing(with_measured(case, (found,)), costs).first))
        if any(first is not standing.first for _, first in leads):
            break
    else:
        return None
    inputs = {s: resolve(case, judge.market.assumptions, s) for s in Scenario}
    calls = {s: times(items, usd_per_query(case, Option.PROMPT, inputs[s], judge.market)) for s in Scenario}
    kinds = {kind.value.replace("_", "-") for kind in TaskKind}
    return Tries(
        items=items,
        by_program=case.task is None or case.task.value in kinds,
        leads_to=tuple(leads),
        usd=spanning(calls.values(), calls[Scenario.LIKELY]),
    )


def find_dominant(
    case: UseCase, option: Option, market: Market, right: FigureRange | None
) -> Dominant | None:
    """What alone moves an option's cost most: an assumed input, or how many answers are right.

    Args:
        right: the share of right answers expected, where what a wrong one costs is stated.
    """
    found = max(_moved(case, option, market, right), key=lambda one: one.usd_high - one.usd_low, default=None)
    return found if found is not None and found.usd_low < found.usd_high else None


def _moved(case: UseCase, option: Option, market: Market, right: FigureRange | None) -> Iterator[Dominant]:
    inputs = resolve(case, market.assumptions, Scenario.LIKELY)
    units = {given.key.split(":")[0]: given.unit for given in inputs.ranges}
    for swing in cost_swings(case, option, inputs, market):
        grows = swing.field == "horizon_months"  # a longer time costs more and says nothing of a month
        if swing.assumed and not grows and swing.usd_at_low is not None and swing.usd_at_high is not None:
            ends = sorted((Decimal(str(swing.usd_at_low)), Decimal(str(swing.usd_at_high))))
            yield Dominant(
                field=swing.field, low=swing.low, high=swing.high, unit=units[swing.field],
                usd_low=ends[0], usd_high=ends[1],
            )  # fmt: skip
    if right is not None and right.low is not None and right.high is not None:
        few, many = (
            option_tco(case, option, inputs, market, accuracy=share).horizon_usd
            for share in (right.low, right.high)
        )
        if few is not None and many is not None:
            yield Dominant(
                field="accuracy", low=right.low, high=right.high, unit="share", usd_low=many, usd_high=few
            )
    if case.api_model is None:
        api = market.sheet.api
        prices = [
            replace(market, sheet=replace(market.sheet, api={**api, Scenario.LIKELY: api[scenario]}))
            for scenario in (Scenario.CHEAP, Scenario.DEAR)
        ]
        sums = [option_tco(case, option, inputs, one).horizon_usd for one in prices]
        known = sorted(usd for usd in sums if usd is not None)
        if len(known) == 2:
            yield Dominant(
                field="api_model", low=None, high=None, unit="", usd_low=known[0], usd_high=known[1]
            )
