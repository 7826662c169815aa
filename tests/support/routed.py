"""A run with a route to today's way: tickets of which an arm can be sure of two in three."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff import arm_factory as factory
from harness.bakeoff.run_folder import RunFolder
from harness.core.records import TODAY, ArmId
from harness.recommendation.records import RunResults
from harness.shipping import serving
from tests.harness.bakeoff.test_run import context, plan
from tests.support.bakeoff import start_bakeoff
from tests.support.doubles import WordEmbedder

ROUTE = ArmId(option=Option.ROUTE, model=TODAY)
LINEAR = ArmId(option=Option.LINEAR, model="linear")
CLEAR = {
    "billing": "invoice refund tax",
    "sign_in": "password login code",
    "shipping": "parcel courier depot",
}
VAGUE = "hello please help thanks today again still cannot since order number my the with"


def write_hard_tickets(path: Path, rows: int = 600) -> Path:
    """Two tickets in three name their queue's words; the others could belong to any."""
    rng = random.Random(11)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["subject", "body", "queue"])
        for number in range(rows):
            queue = rng.choice(list(CLEAR))
            words = rng.sample(VAGUE.split(), 5)
            if rng.random() < 2 / 3:
                words += rng.sample(CLEAR[queue].split(), 2)
            rng.shuffle(words)
            table.writerow([f"ticket {number}", " ".join(words), queue])
    return path


def wanted(today: dict[str, Any] | None = None, **decision: Any) -> dict[str, Any]:
    """The parts of a plan with a route to today's way."""
    business: dict[str, Any] = {"people": {}, "day_rate_usd": "600", "horizon_months": 12}
    business |= {"example_usd": "1", "knowledge_changes_per_month": 0, "label_changes_per_month": 0}
    for option in ("linear", "route"):
        business["people"][option] = {"build_days": "2", "run_hours_per_month": "1"}
    if today is not None:
        business["incumbent"] = today
    return {
        "arms": [{"option": "floor"}, {"option": "linear"}, {"option": "route", "model": TODAY}],
        "decision": {"bootstrap_draws": 200, "max_p95_ms": 60_000} | decision,
        "cost": {"price_date": "2026-11-23", "queries_per_month": 10_000, "wrong_answer_usd": "0.5"},
        "business": business,
    }


STATED = {"kind": "people", "usd_per_item": "0.40", "accuracy": 0.9, "p95_ms": 40_000}


@dataclass(frozen=True)
class Made:
    """A run that was made once, to be concluded at other plans."""

    folder: RunFolder
    results: RunResults
    runs: Path


@contextmanager
def made_in(home: Path) -> Iterator[Made]:
    """The run, made in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        for opens in (factory, serving):
            patch.setattr(opens, "open_embedding", lambda *_: WordEmbedder())
        file = write_hard_tickets(home / "tickets.csv")
        rows = {"data": {"file": str(file), "text": ["subject", "body"], "label": "queue"}}
        folder, results = start_bakeoff(
            plan(file, **wanted(STATED, quality_floor=0.85), **rows), context(home)
        )
        yield Made(folder, results, home)
