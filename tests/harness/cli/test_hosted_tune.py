"""`harness tune --hosted`: what leaves and what it costs is said first; nothing is sent without consent."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.app import app
from tests.support.desk import write_tickets
from tests.support.tuning_server import tuning_server

PRICE = "openai/ft:gpt-4.1-mini-2025-04-14=0.8/3.2/5"


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOR_API_KEY", "k")
    write_tickets(tmp_path / "t.csv", each=12)
    raw = {
        "seed": 17,
        "data": {"file": "t.csv", "text": ["body"], "label": "queue"},
        "arms": [{"option": "floor"}],
        "cost": {"price_date": "2026-11-23"},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw))
    return tmp_path / "plan.yaml"


def test_a_dry_run_names_rows_tokens_and_dollars(plan):
    with tuning_server("openai") as server:
        words = ["tune", str(plan), "--hosted", "openai", "--base-model", "gpt-4.1-mini-2025-04-14"]
        done = CliRunner().invoke(app, [*words, "--api-base", server.address, "--price", PRICE, "--dry-run"])
    said = " ".join(done.output.split())
    assert done.exit_code == 0, done.output
    assert (
        "training rows, 3 times over" in said
        and "at $5.00 a million" in said
        and "OpenAI takes no new" in said
    )
    assert server.requests == []


def test_where_nobody_can_be_asked_nothing_is_sent(plan):
    with tuning_server("openai") as server:
        words = ["tune", str(plan), "--hosted", "openai", "--base-model", "gpt-4.1-mini-2025-04-14"]
        done = CliRunner().invoke(app, [*words, "--api-base", server.address, "--price", PRICE])
    assert done.exit_code != 0 and "not agreed to" in str(done.exception or done.output)
    assert server.requests == []


def test_without_a_training_price_the_flag_is_named(plan):
    with tuning_server("mistral") as server:
        words = ["tune", str(plan), "--hosted", "mistral", "--base-model", "open-mistral-nemo"]
        done = CliRunner().invoke(app, [*words, "--api-base", server.address, "--yes"])
    assert "--price mistral/ft:open-mistral-nemo=INPUT/OUTPUT/TRAINING" in str(done.exception or done.output)
    assert server.requests == []
