"""What would change the advice: where one input alone flips it, and which open answers matter.

One input at a time; inputs that move together may flip it elsewhere. Only the nearest flip on either side
of today's value is reported, found on a grid and then by bisection on a log scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from advisor.advice import Flip, OpenQuestion
from advisor.assumed import resolve
from advisor.case import AnswerKind, GeneralModel, Problem, Residency, UseCase, asks
from advisor.judge import Judge, Outcome, Standing
from advisor.money.money import Scenario
from advisor.numbers import figure
from advisor.options import Option

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
        if (assumed or start != value) and at(start) != now:
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
        near, far = previous, value
        for _ in range(BISECTIONS):
            middle = math.sqrt(near * far)
            found = at(middle)
            if found == now:
                near = middle
            else:
                far, beyond = middle, found
        return far, beyond
    return None


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
            leads.append((_word(value, questions[field].unit), *there.outcome))
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


def _word(value: Any, unit: str) -> str:
    match value:
        case float() if unit == "share":
            return f"{figure(round(100 * value, 6))} %"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(str(part.value) for part in value) or "nothing"
        case float() | int():
            return figure(value)
        case _:
            return str(value.value)
