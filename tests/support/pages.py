"""A small real run folder for the pages: a bake-off on scripted models, made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff import arm_factory as factory
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context, Quiet
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ARMS = ("floor", "linear", "prompt", "retrieve", "tune", "tune+retrieve", "route")


@contextmanager
def scripted_models() -> Iterator[None]:
    """The scripted models in the place of those on disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "open_chat", lambda *_: ScriptedChat(name="m"))
        patch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
        patch.setattr(factory, "build_tuner", lambda *_: ScriptedTuner())
        yield


def scripted_plan(tickets: Path, **changes: Any) -> ExperimentPlan:
    """Every option on scripted models."""
    arms = [{"option": one, "model": "m"} if one not in {"floor", "linear", "route"} else {"option": one}
            for one in ARMS]  # fmt: skip
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue", "group": ["customer"]},
        "arms": arms,
        "retrieve": {"k": [1, 2], "dev_items": 5},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw | changes, "test")


def scripted_context(folder: Path, at: datetime = NOW, **changes: Any) -> Context:
    """A context whose clock moves a second a look."""
    clock = iter(at + timedelta(seconds=n) for n in range(1000))
    base = Context(
        runs=folder / "runs", cache=folder / "cache", environ={}, clock=lambda: next(clock), progress=Quiet()
    )
    return dataclasses.replace(base, **changes)


PEOPLE = {
    option: {"build_days": [1, 2, 4], "run_hours_per_month": 2}
    for option in ("linear", "prompt", "retrieve", "tune", "tune+retrieve", "route")
}
BUSINESS = {
    "horizon_months": 12,
    "day_rate_usd": "600",
    "example_usd": "0.5",
    "knowledge_changes_per_month": 0,
    "label_changes_per_month": 0,
    "people": PEOPLE,
    "incumbent": {"usd_per_item": "0.8", "accuracy": 0.9},
    "assumed": [
        {"field": "rows_per_label_change", "range": [10, 20, 40], "unit": "rows", "source": "guess"},
        {"field": "failed_share", "range": [0, "0.25", "0.5"], "unit": "share", "source": "guess"},
        {"field": "index_usd_per_month", "range": 0, "unit": "USD a month", "source": "inside"},
    ],
}
COST = {"price_date": "2026-11-23", "wrong_answer_usd": "2", "machine": "L4"}


def make_run(folder: Path, at: datetime = NOW, **changes: Any) -> RunFolder:
    """A finished bake-off of every option under `folder`/runs."""
    tickets = folder / "tickets.csv"
    if not tickets.exists():
        write_tickets(tickets, each=30)
    with scripted_models():
        return start_bakeoff(scripted_plan(tickets, **changes), scripted_context(folder, at))[0]
