"""Money of a whole run: served models on loopback bill by tokens, and a budget holds over every resume."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.preflight import check_budget, preflight, preflight_text
from harness.bakeoff.run_folder import RunFolder, create_run
from harness.core.context import Context, Quiet
from harness.core.errors import ModelUnavailable, OverBudget
from harness.recommendation.run import rescore, run_bakeoff, store_again
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.scripted_server import Reply, ScriptedServer, completion, error, scripted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODEL = "openai/gateway"
PRICE = f"{MODEL}=1000/1000"  # a dollar per thousand tokens
CALL_USD = Decimal("0.107")  # the server reports 107 tokens


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(lambda _number, _body: completion('{"label": "billing"}')) as running:
        yield running


def plan(folder: Path, address: str, **changes: Any) -> ExperimentPlan:
    tickets = write_tickets(folder / "tickets.csv", each=30)
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue", "group": ["customer"]},
        "arms": [{"option": "floor"}, {"option": "prompt", "model": MODEL, "api_base": address}],
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw | changes, "test")


def context(folder: Path, budget: str | None = None, price: str | None = PRICE) -> Context:
    return Context(
        runs=folder / "runs",
        cache=folder / "cache",
        environ={},
        clock=lambda: NOW,
        progress=Quiet(),
        budget_usd=None if budget is None else Decimal(budget),
        price_overrides=() if price is None else (price,),
        concurrency=4,
    )


def begin(folder: Path, server: ScriptedServer, **changes: Any) -> RunFolder:
    return create_run(folder / "runs", plan(folder, server.address, **changes), NOW)


def spent(server: ScriptedServer) -> Decimal:
    return CALL_USD * len(server.requests)


def test_the_budget_holds_over_resumes(tmp_path: Path, server: ScriptedServer):
    run = begin(tmp_path, server)
    for _ in range(4):
        with pytest.raises(OverBudget):
            run_bakeoff(run, context(tmp_path, "4"))
    assert Decimal(2) < spent(server) <= Decimal(4)
    run_bakeoff(run, context(tmp_path, "100"))
    assert spent(server) < Decimal(20)


def test_what_was_spent_without_a_budget_counts_once_there_is_one(tmp_path: Path, server: ScriptedServer):
    run = begin(tmp_path, server)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "4"))
    before = len(server.requests)
    server.script = lambda number, _body: completion() if number < before + 10 else error(401)
    with pytest.raises(ModelUnavailable):
        run_bakeoff(run, context(tmp_path, None))
    asked = len(server.requests)
    with pytest.raises(OverBudget, match=r"spent on this run"):
        run_bakeoff(run, context(tmp_path, "5"))
    assert len(server.requests) == asked


def test_calls_in_flight_when_a_run_was_killed_count_at_their_worst_case(
    tmp_path: Path, server: ScriptedServer
):
    run = begin(tmp_path, server)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "4"))
    with sqlite3.connect(run.root / "journal.sqlite") as db:
        db.execute("INSERT INTO calls (model, most_in, most_out) VALUES (?, 3000, 1000)", (MODEL,))
    asked = len(server.requests)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "8"))
    assert len(server.requests) < asked + 10


def test_a_run_that_was_begun_without_a_record_of_calls_counts_its_answers(
    tmp_path: Path, server: ScriptedServer
):
    run = begin(tmp_path, server)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "4"))
    with sqlite3.connect(run.root / "journal.sqlite") as db:
        db.execute("DROP TABLE calls")
    asked = len(server.requests)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "4"))
    assert len(server.requests) - asked <= 4


def test_a_price_that_is_not_stated_on_resuming_cannot_keep_a_budget(tmp_path: Path, server: ScriptedServer):
    run = begin(tmp_path, server)
    with pytest.raises(OverBudget):
        run_bakeoff(run, context(tmp_path, "4"))
    asked = len(server.requests)
    with pytest.raises(OverBudget, match="unknown"):
        run_bakeoff(run, context(tmp_path, "4", price=None))
    assert len(server.requests) == asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_stated_price_makes_a_server_on_this_machine_bill_by_tokens(
    tmp_path: Path, server: ScriptedServer, host: str
):
    server.address = server.address.replace("127.0.0.1", host)
    results = run_bakeoff(begin(tmp_path, server), context(tmp_path))
    arm = next(arm for arm in results.arms if arm.identity is not None)
    assert arm.identity is not None and arm.identity.location == "loopback"
    assert {line.unit for line in arm.cost.lines} == {"tokens"}
    assert arm.cost.usd_per_1k.usd == CALL_USD * 1000
    assert arm.hosted


def test_without_a_price_a_server_on_this_machine_is_paid_by_the_hour(tmp_path: Path, server: ScriptedServer):
    results = run_bakeoff(begin(tmp_path, server), context(tmp_path, price=None))
    arm = next(arm for arm in results.arms if arm.identity is not None)
    assert {line.unit for line in arm.cost.lines} == {"hours"}
    assert not arm.hosted


def test_the_forecast_reckons_every_served_arm_and_a_budget_needs_its_price(
    tmp_path: Path, server: ScriptedServer
):
    made = plan(tmp_path, server.address)
    stated = preflight(made, context(tmp_path, "1000")).arms
    assert sum(entry.usd or 0 for entry in stated) > 5
    with pytest.raises(OverBudget, match="forecast to cost more"):
        check_budget(stated, Decimal(1))
    unstated = preflight(made, context(tmp_path, "1000", price=None)).arms
    with pytest.raises(OverBudget, match="no price is known"):
        check_budget(unstated, Decimal(1000))
    check_budget(unstated, None)
    check_budget(preflight(made, context(tmp_path, "1", price=f"{MODEL}=0/0")).arms, Decimal(1))
    assert server.requests == []


def test_a_dry_run_says_rows_totals_addresses_and_missing_keys(tmp_path: Path, server: ScriptedServer):
    hosted = {"option": "prompt", "model": "openai/gpt-6-luna"}
    arms = [{"option": "floor"}, hosted, {"option": "prompt", "model": MODEL, "api_base": server.address}]
    found = preflight(plan(tmp_path, server.address, arms=arms), context(tmp_path))
    text = preflight_text(found, {"floor@majority": 1.0, "prompt@openai/gateway": 240.0})
    rows = sum(found.rows.values())
    assert f"Rows: {found.rows['train']} train, " in text and rows == 90
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert (
        lines["floor@majority"].endswith("this machine") and server.address in lines["prompt@openai/gateway"]
    )
    assert lines["prompt@openai/gpt-6-luna"].endswith("api.openai.com")
    assert "$" in lines["in all"] and lines["in all"].endswith("4 min")
    assert "Missing key: OPENAI_API_KEY is not set, so prompt@openai/gpt-6-luna cannot run." in text
    assert server.requests == []


def test_every_address_of_a_plan_is_checked_before_the_first_is_called(
    tmp_path: Path, server: ScriptedServer
):
    arms = [
        {"option": "prompt", "model": MODEL, "api_base": server.address},
        {"option": "retrieve", "model": "openai/other", "api_base": "https://llm.example.com/v1"},
    ]
    run = begin(tmp_path, server, arms=arms)
    with pytest.raises(ModelUnavailable, match="--offline"):
        run_bakeoff(run, dataclasses.replace(context(tmp_path), offline=True))
    assert server.requests == []


def test_answers_without_a_schema_are_noted_with_the_arm(tmp_path: Path, server: ScriptedServer):
    def script(_number: int, body: dict[str, Any]) -> Reply:
        return error(400, "no grammar") if "response_format" in body else completion("billing")

    server.script = script
    results = run_bakeoff(begin(tmp_path, server), context(tmp_path))
    arm = next(arm for arm in results.arms if arm.identity is not None)
    assert any("prompt alone" in note and "all answers" in note for note in arm.fitted.notes)


def test_a_price_stated_with_the_command_is_locked_with_the_plan(tmp_path: Path, server: ScriptedServer):
    """Scoring again without it once priced a gateway as machine time, and changed the decision."""
    folder, results = start_bakeoff(plan(tmp_path, server.address), context(tmp_path))
    assert folder.plan().cost.prices == (PRICE,)
    again = store_again(folder, context(tmp_path, price=None))
    assert again.arms[1].cost == results.arms[1].cost and again.recommendation == results.recommendation
    other = PRICE.replace("=", "=9")
    assert rescore(folder, context(tmp_path, price=other), "").arms[1].cost != results.arms[1].cost
