"""What would change the advice: where one input alone flips it, and which open answers matter.

One input at a time; inputs that move together may flip it elsewhere. Only the nearest flip on either side of
today's value is reported, found on a grid and then by bisection on a log scale.

What stands next to first place, what would put it there, what settles that and what the cost hangs on are
read from the same judge and the same standing as the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from advisor.advice import Dominant, Flip, OpenQuestion, RunnerUp, Tries
from advisor.assumed import resolve
from advisor.case import (
    AnswerKind,
    GeneralModel,
    Measurement,
    Problem,
    Residency,
    UseCase,
    answer_words,
    asks,
    measured_of,
)
from advisor.cost_sheet import cost_swings
from advisor.economics import Market, option_tco
from advisor.judge import Judge, Outcome, Standing
from advisor.money.inputs import times
from advisor.money.money import FigureRange, Scenario, spanning
from advisor.options import Option, TaskKind
from advisor.predict import usd_per_query
from advisor.run_evidence import with_measured

GRID = 10
BISECTIONS = 9
_CHANGES_NO_COST = {
    "out_of_scope_matters",
    "retrieval_recall",
    "label_noise",
    "prompting_accuracy",
    "pii",
    "p95_ms",
    "inputs_differ",
    "model_writes_rows",
    "references_good",
    "access_rights",
    "deletion_on_request",
    "days_to_ship",
}
"""Fields whose tried values leave every ledger as it is."""


def _with_examples(case: UseCase, value: float) -> UseCase:
    """The case with so many examples; those of a typical label grow in proportion."""
    per_label = case.labels_per_class
    if per_label is not None and case.examples:
        per_label = round(per_label * value / case.examples)
    return replace(case, examples=round(value), labels_per_class=per_label)


_FIELDS: tuple[tuple[str, float, float], ...] = (
    ("queries_per_month", 1.0, 1e8),
    ("knowledge_changes_per_month", 0.02, 1000.0),
    ("examples", 10.0, 100_000.0),
    ("api_price", 0.02, 50.0),  # times today's
)


def find_flips(case: UseCase, judge: Judge, now: Outcome) -> tuple[Flip, ...]:
    """The nearest flip above and below today's value of each input that has one.

    Where a value is assumed and stating it would change the advice already, nothing is said of its limits:
    it is an open question instead.
    """
    found: list[Flip] = []
    inputs = resolve(case, judge.market.assumptions, Scenario.LIKELY)
    for field, low, high in _FIELDS:
        if field == "knowledge_changes_per_month" and case.needs_facts is False:
            continue
        value, assumed = 1.0, False
        if field != "api_price":
            value, assumed = float(getattr(inputs, field)), getattr(case, field) is None
        at = _evaluator(case, judge, field)
        start = max(value, low)
        if (assumed or start != value) and (there := at(start)) != now:
            if not assumed:
                found.append(_flip(field, value, (now, _turn(at, value, (start, there), now)), True, assumed))
            continue
        for above in (True, False):
            turn = _nearest(at, start, (low, high), now, above)
            if turn is not None:
                found.append(_flip(field, value, (now, turn), above, assumed))
    return tuple(found)


def _evaluator(case: UseCase, judge: Judge, field: str) -> Callable[[float], Outcome]:
    same = judge.costs(case)

    def at(value: float) -> Outcome:
        if field == "api_price":
            return judge.standing(case, judge.costs(case, price_factor=value)).outcome
        if field == "examples":
            changed = _with_examples(case, value)
        else:
            answer: dict[str, Any] = {field: value}
            changed = replace(case, **answer)
        costs = same if field in _CHANGES_NO_COST else judge.costs(changed)
        return judge.standing(changed, costs).outcome

    return at


def _nearest(
    at: Callable[[float], Outcome], start: float, limits: tuple[float, float], now: Outcome, above: bool
) -> tuple[float, Outcome] | None:
    end = limits[1] if above else limits[0]
    if (above and start >= end) or (not above and start <= end):
        return None
    previous = start
    for step in range(1, GRID + 1):
        value = start * (end / start) ** (step / GRID)
        beyond = at(value)
        if beyond == now:
            previous = value
            continue
        return _turn(at, previous, (value, beyond), now)
    return None


def _turn(
    at: Callable[[float], Outcome], near: float, beyond: tuple[float, Outcome], now: Outcome
) -> tuple[float, Outcome]:
    """Where between a value of today's outcome and one beyond it turns, and to what."""
    far, there = beyond
    for _ in range(BISECTIONS):
        middle = math.sqrt(near * far) or far / 2  # 0 is on no log scale
        found = at(middle)
        if found == now:
            near = middle
        else:
            far, there = middle, found
    return far, there


def _flip(
    field: str, now: float, turn: tuple[Outcome, tuple[float, Outcome]], above: bool, assumed: bool
) -> Flip:
    (first, _), (at, (choice, answer)) = turn
    return Flip(
        field=field,
        now=now,
        at=at,
        above=above,
        assumed=assumed,
        to_option=choice,
        to_answer=answer,
        stays_first=choice is first,
    )


_TRIES: dict[str, Sequence[Any]] = {
    "task": tuple(AnswerKind),
    "problems": ((), (Problem.MISSING_FACTS,), (Problem.STYLE,), (Problem.SKILL,), (Problem.COST,)),
    "out_of_scope_matters": (False, True),
    "needs_facts": (False, True),
    "knowledge_changes_per_month": (0.0, 1.0, 30.0),
    "knowledge_tokens": (20_000, 500_000, 20_000_000),
    "citations_required": (False, True),
    "retrieval_recall": (0.5, 0.7, 0.95),
    "labels": (3, 20, 100),
    "label_changes_per_month": (0.0, 1.0, 4.0),
    "label_noise": (0.0, 0.15, 0.4),
    "examples": (0, 50, 500, 5000),
    "prompting_accuracy": (0.6, 0.8, 0.97),
    "queries_per_month": (30.0, 1_000.0, 100_000.0, 10_000_000.0),
    "p95_ms": (90.0, 1000.0, 10_000.0),
    "inputs_differ": (False, True),
    "model_writes_rows": (False, True),
    "references_good": (False, True),
    "access_rights": (False, True),
    "deletion_on_request": (False, True),
    "days_to_ship": (7.0, 90.0),
    "residency": tuple(Residency),
    "pii": (False, True),
    "offline": (False, True),
    "general_model": tuple(GeneralModel),
    "open_model_billions": (1.0, 4.0, 14.0),
}


def find_open_questions(case: UseCase, judge: Judge, now: Standing) -> tuple[OpenQuestion, ...]:
    """Answers not given that could change first place or the pair's answer, the strongest first."""
    from advisor.case import contradictions

    found = []
    same = judge.costs(case)
    questions = asks()
    for field, tries in _TRIES.items():
        if getattr(case, field) is not None:
            continue
        leads, gaps = [], []
        for value in tries:
            changed = replace(case, **{field: value})
            if contradictions(changed):
                continue
            costs = same if field in _CHANGES_NO_COST else judge.costs(changed)
            there = judge.standing(changed, costs)
            leads.append((answer_words(value, questions[field].unit), *there.outcome))
            totals = there.scores.totals
            gaps.append(totals[Option.RETRIEVE] - totals[Option.TUNE])
        if any((choice, answer) != now.outcome for _, choice, answer in leads):
            swing = max(gaps) - min(gaps)
            found.append(
                OpenQuestion(
                    field=field, question=questions[field].question, leads_to=tuple(leads), swing=swing
                )
            )
    return tuple(sorted(found, key=lambda q: (-q.swing, q.field)))


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
