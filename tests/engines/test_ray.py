"""`--engine ray`: the same run over workers of a local cluster, which takes a while: `make test-ray`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.money.usage import CountedBy, Usage
from harness.bakeoff.plan import build_plan
from harness.core.context import Context
from harness.core.errors import OverBudget
from harness.models.over_ray import Limiter
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.scripted_server import Reply, ScriptedServer, completion, scripted

ray = pytest.importorskip("ray", reason="pip install 'tune-or-retrieve[ray]'")


def answering(_number: int, body: dict[str, Any]) -> Reply:
    """Each question always gets the same answer, by its text."""
    labels = body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
    said = sum(body["messages"][-1]["content"].encode())
    return completion(json.dumps({"label": labels[said % len(labels)]}))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(answering) as running:
        yield running
    ray.shutdown()


def plan_of(tmp_path: Path, server: ScriptedServer) -> Any:
    raw = {
        "seed": 17,
        "data": {"file": str(write_tickets(tmp_path / "t.csv", each=12)), "text": ["body"], "label": "queue"},
        "arms": [{"option": "floor"}, {"option": "prompt", "model": "openai/m", "api_base": server.address}],
        "decision": {"bootstrap_draws": 200},
        "latency": {"items": 2},
        "cost": {"price_date": "2026-11-23", "prices": ["openai/m=1/2"]},
    }
    return build_plan(raw, "a test")


def outside(runs: Path, **changes: Any) -> Context:
    runs.mkdir(exist_ok=True)
    return dataclasses.replace(context(runs), environ={}, concurrency=4, **changes)


@pytest.mark.engine
def test_workers_give_the_same_run(tmp_path, server):
    plan = plan_of(tmp_path, server)
    here, there = outside(tmp_path / "here"), outside(tmp_path / "there", engine="ray")
    one, first = start_bakeoff(plan, here)
    asked = len(server.requests)
    two, second = start_bakeoff(plan, there)
    assert len(server.requests) == 2 * asked, "every question once"
    for arm, same in zip(first.arms, second.arms, strict=True):
        assert arm.primary == same.primary
    assert first.arms[1].cost.usd_per_1k.usd == second.arms[1].cost.usd_per_1k.usd
    with one.journal(read_only=True) as mine, two.journal(read_only=True) as theirs:
        assert list(mine.counts()) == list(theirs.counts())
        assert [lane.config for lane in mine.settled()] == [lane.config for lane in theirs.settled()]


@pytest.mark.engine
def test_one_limiter_keeps_the_budget_of_all_workers(tmp_path, server):
    before = len(server.requests)
    poor = outside(tmp_path / "poor", engine="ray", budget_usd=Decimal("0.0015"))
    with pytest.raises(OverBudget, match="could pass the budget"):
        start_bakeoff(plan_of(tmp_path, server), poor)
    asked = len(server.requests) - before
    assert asked and asked * (Decimal(100) + 2 * Decimal(7)) / 1_000_000 <= Decimal("0.0015")


def test_one_limiter_spreads_the_calls_of_all_workers_evenly():
    limiter = Limiter(60, None, lambda: None)
    waits = [limiter.take() for _ in range(3)]
    assert waits[0] == 0 and 0.9 < waits[1] <= 1 and 1.9 < waits[2] <= 2
    tokens = Limiter(None, 600, lambda: None)
    tokens.used(Usage(input_tokens=100, output_tokens=0, counted_by=CountedBy.PROVIDER))
    assert 9 < tokens.take() <= 10 and tokens.reserve(1, 1) is None
