"""A model tuned at its provider as an arm of a run: trained, scored, priced, a side of the pair."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.run_folder import RunFolder, find_run
from harness.bakeoff.tuning import TuneRequest, at_provider, forecast, lock_tuning, tune_in
from harness.core.context import Context
from harness.core.errors import DataError, OverBudget, UsageError
from harness.recommendation.run import run_bakeoff
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.tuned import tuned_document
from harness.shipping.shipped import shipped_in_run
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.tuning_server import TUNED, TuningServer, tuning_server

BASE = "openai/gpt-4.1-mini-2025-04-14"
PRICE = "openai/ft:gpt-4.1-mini-2025-04-14=0.8/3.2/5"
WISH = TuneRequest(tell=lambda line: None)


@pytest.fixture
def server() -> Iterator[TuningServer]:
    with tuning_server("openai") as running:
        yield running


def plan_of(tmp_path: Path, server: TuningServer, **changes: Any) -> ExperimentPlan:
    raw = {
        "seed": 17,
        "data": {"file": str(write_tickets(tmp_path / "t.csv", each=12)), "text": ["body"], "label": "queue"},
        "arms": [
            {"option": "floor"},
            {"option": "retrieve", "model": "openai/gpt-6-luna", "api_base": server.address},
            {"option": "tune", "model": BASE, "api_base": server.address},
        ],
        "retrieve": {"k": [2], "embedding": ""},
        "decision": {"bootstrap_draws": 200},
        "latency": {"items": 5},
        "cost": {"price_date": "2026-11-23", "prices": [PRICE, "openai/gpt-6-luna=0.1/0.4"]},
    }
    return build_plan(raw | changes, "a test")


def outside(tmp_path: Path, **changes: Any) -> Context:
    found = dataclasses.replace(context(tmp_path), environ={"TOR_API_KEY": "k"}, sleep=lambda seconds: None)
    return dataclasses.replace(found, **{"agree": lambda words: True} | changes)


def test_a_hosted_tuning_is_trained_scored_and_priced_as_an_arm(tmp_path, server):
    here, plan = outside(tmp_path), plan_of(tmp_path, server)
    folder = lock_tuning(plan, here, WISH)
    lanes = tune_in(folder, here, WISH)
    assert lanes[0].hosted is not None and lanes[0].hosted.model == TUNED["openai"]
    said = " ".join(render_text(tuned_document(folder.run_id, lanes, folder.command)).split())
    assert TUNED["openai"] in said and "12,000 tokens, $0.06" in said and "harness export" not in said
    results = run_bakeoff(folder, dataclasses.replace(here, agree=lambda words: pytest.fail("asked twice")))
    assert len(server.jobs) == 1, "resume goes on with the model that is there"
    arm = next(arm for arm in results.arms if arm.arm.option is Option.TUNE)
    assert arm.identity is not None and arm.identity.id == "openai/ft:gpt-4.1-mini-2025-04-14"
    assert results.verdict.pair is not None and arm.arm in results.verdict.pair, "the fine-tuning side of it"
    tokens = {line.name: line.unit_price_usd for line in arm.cost.lines}
    assert float(tokens["input tokens"] or 0) * 1e6 == pytest.approx(0.8), "the dearer price"
    money = next(one for one in results.outlook.arms if one.arm == arm.arm)
    training = next(line for line in money.once if line.unit == "trainings")
    assert float(training.amount_usd or 0) == pytest.approx(0.06)
    rows = [row for rows in server.files.values() for row in rows]
    texts = {turn["content"] for row in rows for turn in row["messages"]}
    stored = folder.items()
    assert not any(item.text in text for item in stored["test"] for text in texts), (
        "no test row leaves for training"
    )
    assert len(rows) == len(stored["train"]) + len(stored["dev"])
    with pytest.raises(UsageError, match="no such arm that can be shipped"):
        shipped_in_run(folder, str(arm.arm), None, here)
    whole = render_text(run_document(results))
    assert "ft:gpt-4.1-mini" in whole or "gpt-4.1-mini" in whole


def test_a_run_pays_for_no_training_unasked_and_names_the_command_that_asks(tmp_path, server):
    here = dataclasses.replace(outside(tmp_path), agree=context(tmp_path).agree)
    with pytest.raises(UsageError, match="not agreed") as told:
        start_bakeoff(plan_of(tmp_path, server), here)
    assert "tune --resume" in str(told.value.run) and "--yes" in str(told.value.run)
    assert server.jobs == [] and server.files == {}


def test_a_dry_run_says_what_would_leave_and_sends_nothing(tmp_path, server):
    plan = plan_of(tmp_path, server)
    lines = forecast(plan, RunFolder(root=tmp_path / "none"), outside(tmp_path), WISH)
    assert any("dev rows go along" in line for line in lines)
    assert server.requests == []


def test_the_budget_holds_over_training_and_answers(tmp_path, server):
    plan = plan_of(tmp_path, server)
    poor = outside(tmp_path, budget_usd=Decimal("0.001"))
    with pytest.raises(OverBudget, match="training would pass"):
        tune_in(lock_tuning(plan, poor, WISH), poor, WISH)
    assert server.files == {}
    spent = outside(tmp_path, budget_usd=Decimal("0.0605"))
    with pytest.raises(OverBudget) as told:
        tune_in(find_run(spent.runs, "latest"), spent, WISH)
    assert "0.06" in str(told.value) and len(server.jobs) == 1, (
        "the training counts when answers are paid for"
    )


def test_personal_data_in_training_rows_stops_it_or_leaves_as_placeholders(tmp_path, server, monkeypatch):
    """Where the provider is not this machine: told by its address, which a test can only pretend."""
    from harness.bakeoff import leaving

    monkeypatch.setattr(leaving, "host_outside", lambda arm, outside: "api.openai.com" if arm.model else "")
    tickets = tmp_path / "t.csv"
    plan = plan_of(tmp_path, server)
    text = tickets.read_text(encoding="utf-8")
    first = next(line for line in text.splitlines()[1:] if line)
    cell = max(first.split(","), key=len)
    tickets.write_text(
        text.replace(cell, cell.rstrip('"') + " write to jane.doe@example.org" + '"' * cell.endswith('"'))
    )
    here = outside(tmp_path)
    with pytest.raises(DataError, match="personal data"):
        tune_in(lock_tuning(plan, here, WISH), here, WISH)
    assert server.files == {}
    redacting = dataclasses.replace(here, personal_data="redact")
    tune_in(lock_tuning(plan, redacting, WISH), redacting, WISH)
    sent = json.dumps(list(server.files.values()))
    assert "jane.doe" not in sent


def test_a_plan_gets_its_hosted_arm_by_provider_and_base_model(tmp_path, server):
    plan = plan_of(tmp_path, server)
    assert at_provider(plan, "openai", "", "") == plan
    more = at_provider(plan, "together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference", server.address)
    assert str(more.arms[-1].id) == "tune@together_ai/meta-llama/Meta-Llama-3.1-8B-Instruct-Reference"
    with pytest.raises(UsageError, match="no arm that Mistral tunes") as told:
        at_provider(plan, "mistral", "", "")
    assert "--base-model" in str(told.value.run)
    with pytest.raises(UsageError, match="not known to tune"):
        at_provider(plan, "acme", "x", "")
