"""A bake-off through a batch interface, from the command line: priced, counted, and without a latency."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness.models.api.dialects.recorded import chat
from tests.support.batch_server import batch_server
from tests.support.desk import Command, flags, write_tickets

MODEL = "openai/gpt-4.1"


def answer(body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    labels = body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
    return 200, chat(json.dumps({"label": labels[0]}))


def test_a_bake_off_in_batches(harness: Command, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv")
    with batch_server(answer, looks=0) as server:
        served = ("--model", MODEL, "--api-base", f"{server.address}/v1", "--batch")
        asked = (*served, "--price", f"{MODEL}=1/10", "--budget-usd", "1", "--json")
        said = harness(*flags(tickets, "--arms", "floor,prompt", *asked))
        assert said.code == 0, said.err
        handed_in = [len(questions) for questions in server.batches.values()]
    (arm,) = (arm for arm in json.loads(said.out)["arms"] if arm["arm"]["option"] == "prompt")
    assert arm["quality"]["accuracy"]["value"] > 0 and arm["quality"]["failure_rate"]["value"] == 0
    assert arm["latency"]["p95_ms"]["value"] is None
    assert "batch interface" in arm["latency"]["p95_ms"]["reason"]
    # 30 input and 12 output tokens a question at $1 and $10 a million
    assert round(float(arm["cost"]["usd_per_1k"]["usd"]), 6) == 0.15
    assert arm["served"] == {"by": [["m-2026-10-01", handed_in[1]]], "answers": handed_in[1], "plain": 0,
                             "left_out": []}  # fmt: skip
    assert len(handed_in) == 2, "dev and test, nothing for timing"
