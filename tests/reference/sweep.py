"""First place by volume: twelve use cases from ten queries a month to a thousand million, and where it turns.

`python -m tests.reference.sweep` draws the table of docs/advice.md.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from advisor.advice import Choice, Today
from advisor.case import Incumbent, UseCase, build_case
from advisor.case_file import load_case
from advisor.judge import Judge
from tests.advisor.helpers import EXAMPLES, basis

LOW, HIGH = 10.0, 1e9
STEPS = 32  # four a decade
PEOPLE = {"cost_per_item": "0.50", "accuracy": 0.95, "items": 500}
_MORE = (
    {"name": "Invoices", "task": "extraction", "needs_facts": False, "examples": 3000, "incumbent": PEOPLE},
    {"name": "Spam, on own machines", "task": "classification", "labels": 2, "examples": 20_000,
     "needs_facts": False, "residency": "self-host-only", "p95_ms": 200, "incumbent": PEOPLE},
    {"name": "Meeting notes", "task": "summarisation", "needs_facts": False, "examples": 500,
     "general_model": "small-hosted", "incumbent": {"cost_per_item": 2}},
    {"name": "A prompt that is enough", "task": "classification", "labels": 12, "examples": 1000,
     "needs_facts": False, "quality_floor": 0.9, "prompting_accuracy": 0.97, "prompting_items": 1000,
     "incumbent": PEOPLE},
)  # fmt: skip
CASES: tuple[UseCase, ...] = (
    *(load_case(path) for path in EXAMPLES),
    *(build_case(raw, str(raw["name"])) for raw in _MORE),
)


@dataclass(frozen=True)
class Turn:
    """From `volume` queries a month on `first` comes first."""

    volume: float
    first: Choice | None


def judge_of(case: UseCase) -> Judge:
    found = basis(case.api_model)
    return Judge(rubric=found.rubric, market=found.market, bands=found.bands)


def first_at(case: UseCase, volume: float, judge: Judge) -> Choice | None:
    there = replace(case, queries_per_month=volume)
    return judge.standing(there, judge.costs(there)).first


@functools.cache
def turns(case: UseCase) -> tuple[Turn, ...]:
    """What comes first at the lowest volume, and every turn above it, to within a hundredth."""
    judge = judge_of(case)
    grid = [LOW * (HIGH / LOW) ** (step / STEPS) for step in range(STEPS + 1)]
    found = [Turn(LOW, first_at(case, LOW, judge))]
    for low, high in pairwise(grid):
        there = first_at(case, high, judge)
        if there is found[-1].first:
            continue
        near, far = low, high
        while far / near > 1.01:
            middle = math.sqrt(near * far)
            near, far = (middle, far) if first_at(case, middle, judge) is found[-1].first else (near, middle)
        found.append(Turn(far, first_at(case, far, judge)))
        if found[-1].first is not there:
            found.append(Turn(high, there))
    return tuple(found)


def written(turn: Turn) -> str:
    """A turn as the table has it: `from 3,200 linear`."""
    first = "nothing" if turn.first is None else "today" if turn.first is Today.KEEP else turn.first.value
    if turn.volume <= LOW:
        return first
    digits = 1 - math.floor(math.log10(turn.volume))
    return f"from {round(turn.volume, digits):,.0f} {first}"


def row(case: UseCase) -> str:
    today = "not stated" if case.incumbent is None else _cost(case.incumbent, case.currency)
    return f"| {case.name} | {today} | {', '.join(written(turn) for turn in turns(case))} |"


def _cost(today: Incumbent, currency: str) -> str:
    cost = today.cost_per_item
    return "not stated" if cost is None else f"{currency} {cost.quantize(Decimal('0.01'))}"


if __name__ == "__main__":
    print("| use case | an item today | first place, by queries a month |\n|---|---|---|")
    for one in CASES:
        print(row(one))
