"""`harness freshness` on a user's own table: text, JSON, with a run, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from harness.core.serial import decode
from harness.freshness.records import Drill
from tests.support.desk import Command, command, write_tickets

CHANGE = {"labels": {"split": {"desk": ["billing", "sign_in"]}}}


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    for name in list(os.environ):
        if name.startswith("TOR_"):
            monkeypatch.delenv(name)
    return command(monkeypatch, capfd, tmp_path)


def write_plan(folder: Path, change: object = CHANGE, **cost: object) -> str:
    write_tickets(folder / "tickets.csv", each=30)
    raw = {
        "seed": 7,
        "data": {"file": "tickets.csv", "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "neighbours"}, {"option": "linear"}],
        "retrieve": {"embedding": ""},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23", "wrong_answer_usd": 0.5} | cost,
    }
    if change:
        raw["freshness"] = change
    (folder / "plan.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return "plan.yaml"


def test_text_and_json_say_the_same_and_nothing_is_done_twice(harness: Command, tmp_path: Path) -> None:
    plan = write_plan(tmp_path)
    shown = harness("freshness", plan, "--offline")
    assert shown.code == 0 and shown.out.isascii()
    words = " ".join(shown.out.split())
    assert "split: desk becomes billing, sign_in" in words and "neighbours against linear: cheaper" in words
    again = harness("freshness", plan, "--offline", "--json")
    drill = decode(Drill, again.out)
    assert drill.queries_per_month == 10_000 and "answering" not in again.err
    assert harness("freshness", plan, "--offline", "--run", "no-such-run").code != 0


@pytest.mark.parametrize(
    ("change", "cost", "says"),
    [
        (None, {}, "names no second edition"),
        ({"labels": {"added": {"nobody": "billing"}}}, {}, "no row of train and test holds"),
        (CHANGE, {"wrong_answer_usd": None}, "states no cost of a wrong answer"),
        (CHANGE, {"machine": "no-such-machine"}, "no-such-machine"),
        ({"second": {"file": "elsewhere.csv"}}, {}, "elsewhere.csv"),
    ],
)
def test_what_cannot_be_drilled_is_said(harness: Command, tmp_path: Path, change, cost, says) -> None:
    said = harness("freshness", write_plan(tmp_path, change, **cost), "--offline")
    assert said.code in (1, 2) and says in said.err and "Traceback" not in said.err
    assert harness("freshness", "nowhere.yaml").code == 2
