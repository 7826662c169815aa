"""Ten tries with a named model on loopback: what it got right stands in the use case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.case import measured_of
from advisor.case_file import load_case
from advisor.options import Option
from tests.support.desk import Command, write_tickets
from tests.support.scripted_server import Reply, ScriptedServer, completion, scripted

CASE = "# ours\nname: Desk\ntask: classification\nlabels: 3\nexamples: 120\nqueries_per_month: 4000\n"
WORDS = {"billing": "invoice", "sign_in": "password", "shipping": "parcel"}


def by_words(_number: int, body: dict) -> Reply:
    """The queue of the words that stand in the ticket; a wrong one about every third time."""
    asked = body["messages"][-1]["content"].casefold()
    found = next((queue for queue, word in WORDS.items() if word in asked), "billing")
    return completion(json.dumps({"label": found}))


def probed(harness: Command, server: ScriptedServer, tmp_path: Path, *more: str):
    rows = write_tickets(tmp_path / "rows.csv")
    return harness(
        "probe", "case.yaml", "--model", "openai/served", "--api-base", server.address,
        "--examples", str(rows), "--text", "subject,body", "--label", "queue", *more,
    )  # fmt: skip


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text(CASE, encoding="utf-8")
    return path


def test_ten_tries_are_kept_in_the_use_case_and_used(harness, tmp_path, case, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with scripted(by_words) as server:
        said = probed(harness, server, tmp_path, "--yes")
        assert said.code == 0, said.err
    accuracy, items, source = measured_of(load_case(case), Option.PROMPT)
    assert items == 10 and "openai/served" in source and 0 < accuracy < 1
    assert (
        f"openai/served: accuracy {100 * accuracy:.1f} % (95 % interval " in said.out and "n=10)." in said.out
    )
    assert case.read_text(encoding="utf-8").startswith(CASE), "what stood there stays as it was written"
    with scripted(lambda *_: completion('{"label": "billing"}')) as server:
        again = probed(harness, server, tmp_path, "--yes", "--tries", "20")
    assert again.code == 0 and measured_of(load_case(case), Option.PROMPT)[1] == 20


def test_nothing_is_sent_where_nobody_agrees(harness, tmp_path, case, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with scripted(by_words) as server:
        said = probed(harness, server, tmp_path)
        dry = probed(harness, server, tmp_path, "--dry-run")
        assert not server.requests
    assert said.code == 2 and "--yes" in said.err and "calls" in said.err
    assert dry.code == 0 and "prompt@openai/served" in dry.out
    assert load_case(case).measured is None


def test_a_probe_without_a_model_says_what_to_name(harness, tmp_path, case):
    said = harness("probe", "case.yaml", "--examples", str(write_tickets(tmp_path / "rows.csv")))
    assert said.code == 2 and "--model" in said.err
