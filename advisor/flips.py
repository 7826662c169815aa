"""What would change the advice: where one input alone flips it, and which open answers matter.

One input at a time; inputs that move together may flip it elsewhere. Only the nearest flip on either side
of today's value is reported, found on a grid and then by bisection on a log scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from advisor.advice import Answer, Flip, OpenQuestion
from advisor.assumed import Scenario, resolve
from advisor.case import GeneralModel, Problem, Residency, Task, UseCase, asks
from advisor.economics import Market, without_changes
from advisor.numbers import figure
from advisor.options import ADVISED, Option
from advisor.rubric.rubric import Rubric
from advisor.rubric.scoring import Scores, pair_answer, score

Outcome = tuple[Option | None, Answer]
GRID = 10
BISECTIONS = 9
_CHANGES_NO_COST = {
    "out_of_scope_matters",
    "knowledge_changes_per_month",
    "retrieval_recall",
    "label_changes_per_month",
    "label_noise",
    "prompting_accuracy",
    "pii",
}
"""Fields that leave costs without changes as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Scores a case; costs come with it."""

    rubric: Rubric
    market: Market

    def costs(self, case: UseCase, price_factor: float = 1.0) -> dict[Option, float]:
        """Likely horizon costs without changes; empty unless the volume is known."""
        if case.queries_per_month is None:
            return {}
        market = self.market if price_factor == 1.0 else _repriced(self.market, price_factor)
        inputs = resolve(case, market.assumptions, Scenario.LIKELY)
        found = {option: without_changes(case, option, inputs, market) for option in ADVISED}
        if any(cost is None for cost in found.values()):
            return {}
        return {option: float(cost) for option, cost in found.items() if cost is not None}

    def scores(
        self, case: UseCase, price_factor: float = 1.0, *, costs: dict[Option, float] | None = None
    ) -> Scores:
        """All options of a case, scored; `costs` saves pricing it again where they are the same."""
        found = self.costs(case, price_factor) if costs is None else costs
        return score(case, self.rubric, found)

    def outcome(self, scores: Scores) -> Outcome:
        """First place and the answer to the pair."""
        return (scores.ranked[0] if scores.ranked else None, pair_answer(scores, self.rubric))


def _repriced(market: Market, factor: float) -> Market:
    scale = Decimal(str(factor))

    def rates(price: Any) -> Any:
        old = price.usd_per_mtok
        new = {n: None if (v := getattr(old, n)) is None else v * scale for n in old.__slots__}
        return replace(price, usd_per_mtok=replace(old, **new), long_context=())

    return replace(
        market, sheet=replace(market.sheet, api={k: rates(p) for k, p in market.sheet.api.items()})
    )


def _with_examples(case: UseCase, value: float) -> UseCase:
    """The case with so many examples; those of a typical label grow in proportion."""
    per_label = case.labels_per_class
    if per_label is not None and case.examples:
        per_label = round(per_label * value / case.examples)
    return replace(case, examples=round(value), labels_per_class=per_label)


_FIELDS: tuple[tuple[str, float, float, str], ...] = (
    ("queries_per_month", 100.0, 1e8, "queries a month"),
    ("knowledge_changes_per_month", 0.02, 1000.0, "changes of the facts a month"),
    ("examples", 10.0, 100_000.0, "examples"),
    ("api_price", 0.02, 50.0, "times today's price of the hosted model"),
)


def find_flips(case: UseCase, judge: Judge, now: Outcome) -> tuple[Flip, ...]:
    """The nearest flip above and below today's value of each input that has one."""
    found: list[Flip] = []
    inputs = resolve(case, judge.market.assumptions, Scenario.LIKELY)
    for field, low, high, unit in _FIELDS:
        if field == "knowledge_changes_per_month" and case.needs_facts is False:
            continue
        if field == "api_price":
            value, assumed = 1.0, False
        else:
            value, assumed = float(getattr(inputs, field)), getattr(case, field) is None
        at = _evaluator(case, judge, field)
        for above in (True, False):
            flip = _nearest(at, max(value, low), (low, high), now, above)
            if flip is not None:
                found.append(_flip((field, unit), value, (now, flip), above, assumed))
    return tuple(found)


def _evaluator(case: UseCase, judge: Judge, field: str) -> Callable[[float], Outcome]:
    same = judge.costs(case)

    def at(value: float) -> Outcome:
        if field == "api_price":
            return judge.outcome(judge.scores(case, value))
        if field == "examples":
            return judge.outcome(judge.scores(_with_examples(case, value)))
        answer: dict[str, Any] = {field: value}
        changed = replace(case, **answer)
        return judge.outcome(judge.scores(changed, costs=same if field in _CHANGES_NO_COST else None))

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
    what: tuple[str, str],
    now: float,
    turn: tuple[Outcome, tuple[float, Outcome]],
    above: bool,
    assumed: bool,
) -> Flip:
    field, unit = what
    (first, _), (at, (option, answer)) = turn
    side, shown = "above" if above else "below", _round(at)
    stays = "stays" if option is first else "comes"
    leads = "nothing is left" if option is None else f"{option.value} {stays} first"
    return Flip(
        field=field,
        now=now,
        at=at,
        above=above,
        assumed=assumed,
        to_option=option or Option.PROMPT,
        to_answer=answer,
        sentence=f"{side} about {shown} {unit}: {leads}, RAG or fine-tuning: {answer.value}",
    )


def _round(value: float) -> str:
    """Two significant digits, without an exponent."""
    if value >= 100:
        digits = int(math.log10(value)) - 1
        return f"{round(value / 10**digits) * 10**digits:,.0f}"
    return f"{value:.2g}"


_TRIES: dict[str, Sequence[Any]] = {
    "task": tuple(Task),
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
    "queries_per_month": (1_000.0, 100_000.0, 10_000_000.0),
    "p95_ms": (90.0, 1000.0, 10_000.0),
    "residency": tuple(Residency),
    "pii": (False, True),
    "offline": (False, True),
    "general_model": tuple(GeneralModel),
    "open_model_billions": (1.0, 4.0, 14.0),
}


def find_open_questions(case: UseCase, judge: Judge, now: Scores) -> tuple[OpenQuestion, ...]:
    """Answers not given that could change first place or the pair's answer, the strongest first."""
    from advisor.case_file import contradictions

    found = []
    base, same = judge.outcome(now), judge.costs(case)
    questions = asks()
    for field, tries in _TRIES.items():
        if getattr(case, field) is not None:
            continue
        leads, gaps = [], []
        for value in tries:
            changed = replace(case, **{field: value})
            if contradictions(changed):
                continue
            scores = judge.scores(changed, costs=same if field in _CHANGES_NO_COST else None)
            leads.append((_word(value), *judge.outcome(scores)))
            gaps.append(scores.totals[Option.RETRIEVE] - scores.totals[Option.TUNE])
        if any((option, answer) != base for _, option, answer in leads):
            swing = max(gaps) - min(gaps)
            found.append(
                OpenQuestion(
                    field=field, question=questions[field].question, leads_to=tuple(leads), swing=swing
                )
            )
    return tuple(sorted(found, key=lambda q: (-q.swing, q.field)))


def _word(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(str(part.value) for part in value) or "nothing"
        case float() | int():
            return figure(value)
        case _:
            return str(value.value)
