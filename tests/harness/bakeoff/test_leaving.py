"""Personal data in a run: nothing leaves before it is checked, and placeholders leave in its place."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff.addresses import check_residency
from harness.bakeoff.arm_factory import ArmFactory
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.explain import explain_item
from harness.bakeoff.leaving import Leaving, SentRecord
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.preflight import preflight, preflight_text
from harness.bakeoff.run_folder import PLACEHOLDERS, PRIVACY, RunFolder, create_run
from harness.core.context import Context
from harness.core.errors import DataError, StoreError, UsageError
from harness.core.records import FreeText, Item, Message
from harness.load.run import LoadRequest
from harness.models.base import ChatRequest
from harness.models.open import open_chat
from harness.models.settings import ModelSettings
from harness.recommendation.run import measure_load, run_bakeoff
from harness.recommendation.store import read_results
from harness.report.context import ReportContext
from harness.report.topics.sources import risks_section
from tests.harness.bakeoff.test_budget_of_a_run import NOW, context
from tests.support.desk import write_tickets
from tests.support.scripted_server import ANOTHER, Reply, ScriptedServer, completion, scripted

HOST = ANOTHER
pytestmark = pytest.mark.usefixtures("another_machine")
MODEL = "openai/gateway"
_SENT = re.compile(r"\[EMAIL_\d+\]|[\w.]+@[\w.]+")


def _reads_the_address(_number: int, body: dict[str, Any]) -> Reply:
    """Answers with the last address of the question, or its placeholder."""
    found = _SENT.findall(body["messages"][-1]["content"])
    return completion(json.dumps({"email": found[-1]} if found else {}))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(_reads_the_address) as running:
        yield running


def people(number: int) -> str:
    return f"anna.{'abcdefghijklmnopqrstuvwxyz'[number % 26]}{number}@example.com"


def plan(
    folder: Path, server: ScriptedServer, *options: str, rows: int = 60, **changes: Any
) -> ExperimentPlan:
    table = folder / "tickets.csv"
    words = ("invoice", "parcel", "printer", "login", "refund", "carrier", "screen", "scan", "form", "plan")
    with table.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file)
        write.writerow(["body", "email"])
        for number in range(rows):
            said = f"{words[number % 10]} {words[number // 7 % 10]} trouble number {number}, write to me at"
            write.writerow([f"{said} {people(number)} please", people(number)])
    address = server.address.replace("127.0.0.1", HOST)
    arms = [{"option": option, "model": MODEL, "api_base": address} for option in options or ("prompt",)]
    raw: dict[str, Any] = {
        "task": "extraction",
        "seed": 17,
        "data": {"file": str(table), "text": ["body"], "fields": ["email"]},
        "arms": [{"option": "floor"}, *arms],
        "retrieve": {"k": [1], "embedding": ""},
        "latency": {"items": 2},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw | changes, "test")


def begin(folder: Path, server: ScriptedServer, *options: str) -> RunFolder:
    return create_run(folder / "runs", plan(folder, server, *options), NOW)


def asked(folder: Path, **changes: Any) -> Context:
    return dataclasses.replace(context(folder, price=f"{MODEL}=1/1"), **changes)


def sent(server: ScriptedServer) -> str:
    return json.dumps(server.requests)


@pytest.mark.parametrize("option", ["prompt", "retrieve"])
def test_without_a_word_nothing_is_sent(tmp_path: Path, server: ScriptedServer, option: str) -> None:
    run = begin(tmp_path, server, option)
    with pytest.raises(DataError) as refusal:
        run_bakeoff(run, asked(tmp_path))
    assert server.requests == []
    said = str(refusal.value)
    assert HOST in said and "e-mail addresses" in said and "Nothing was sent" in said
    assert "@example.com" not in said  # examples are masked
    assert "the same command with --redact" in said and "--allow-pii" in said and "--own-host" in said


def test_with_consent_the_texts_go_as_they_are(tmp_path: Path, server: ScriptedServer) -> None:
    run = begin(tmp_path, server)
    run_bakeoff(run, asked(tmp_path, personal_data="allow"))
    assert people(1) in sent(server)
    stored = run.part(PRIVACY, SentRecord)
    assert stored is not None and (stored.personal_data, stored.hosts) == ("allow", (HOST,))
    assert "@example" not in (run.root / PRIVACY).read_text()


def test_a_load_test_goes_by_what_the_run_was_begun_with(tmp_path: Path, server: ScriptedServer) -> None:
    run = begin(tmp_path, server)
    run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    wish = LoadRequest(arm="prompt", duration_s=0.2, concurrency=1)
    before = len(server.requests)
    measure_load(run, wish, asked(tmp_path, budget_usd=Decimal(5)))
    assert len(server.requests) > before and "@" not in sent(server)


@pytest.mark.parametrize("option", ["prompt", "retrieve"])
def test_placeholders_go_and_answers_come_back_with_the_values(
    tmp_path: Path, server: ScriptedServer, option: str
) -> None:
    run = begin(tmp_path, server, option)
    results = run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    assert server.requests and "@" not in sent(server) and "[EMAIL_" in sent(server)
    arm = next(arm for arm in results.arms if arm.arm.option == option)
    assert arm.quality.primary.value == 1.0
    told = str(risks_section(ReportContext(results=results)))
    assert f"texts for {HOST} hold personal data" in told and "replaced by placeholders" in told
    assert results.sent == read_results(run).sent and people(1) not in told
    kept = run.root / PLACEHOLDERS
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and people(1) in kept.read_text()


def test_the_journal_holds_what_was_sent_and_came_back(tmp_path: Path, server: ScriptedServer) -> None:
    run = begin(tmp_path, server)
    run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    with run.journal(read_only=True) as journal:
        stored = journal._rows("SELECT payload FROM outcomes WHERE arm LIKE 'prompt%'")
    assert stored and "@example.com" not in str(stored) and "[EMAIL_" in str(stored)
    item = run.items()["test"][0]
    found = explain_item(run, item.id, asked(tmp_path))
    prompted = next(arm for arm in found.arms if arm.arm.option == "prompt")
    (question,) = [m["content"] for r in server.requests[:1] for m in r["messages"][-1:]]
    assert "@" not in "".join(message.content for message in prompted.messages) and "[EMAIL_" in question
    assert prompted.answer is not None and "@example.com" in str(prompted.answer.raw)


def test_what_a_run_was_begun_with_holds_when_it_goes_on(tmp_path: Path, server: ScriptedServer) -> None:
    run = begin(tmp_path, server)
    server.script = lambda number, body: _reads_the_address(number, body) if number < 9 else Reply(status=401)
    with pytest.raises(Exception, match=r"."):
        run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    placeholders = (run.root / PLACEHOLDERS).read_text()
    server.script = _reads_the_address
    results = run_bakeoff(run, asked(tmp_path, retry_failures=True))
    assert "@" not in sent(server) and (run.root / PLACEHOLDERS).read_text() == placeholders
    assert results.arms[-1].quality.primary.value == 1.0


def test_a_change_of_mind_is_another_question(tmp_path: Path, server: ScriptedServer) -> None:
    """Answers to placeholders are no answers to the texts: nothing is asked again without a word."""
    run = begin(tmp_path, server)
    run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    count = len(server.requests)
    with pytest.raises(StoreError, match="personal_data was"):
        run_bakeoff(run, asked(tmp_path, personal_data="allow"))
    assert len(server.requests) == count
    stored = run.part(PRIVACY, SentRecord)
    assert stored is not None and stored.personal_data == "redact"


def test_what_may_be_answered_is_not_replaced(tmp_path: Path, server: ScriptedServer) -> None:
    """Answers are held to the labels' names: with personal data in them nothing is sent in their place."""
    table = write_tickets(tmp_path / "queues.csv", each=30)
    table.write_text(table.read_text().replace("billing", "bill@example.com"), encoding="utf-8")
    data = {"file": str(table), "text": ["subject", "body"], "label": "queue"}
    labelled = plan(tmp_path, server, task="classification", data=data)
    run = create_run(tmp_path / "runs", labelled, NOW)
    with pytest.raises(DataError, match="What may be answered holds personal data: 1 e-mail address"):
        run_bakeoff(run, asked(tmp_path, personal_data="redact"))
    assert server.requests == []


def test_a_question_that_was_not_replaced_does_not_go(tmp_path: Path, server: ScriptedServer) -> None:
    """Whatever way it was written: a value that is left in it stops it."""
    run = begin(tmp_path, server)
    redacted = asked(tmp_path, personal_data="redact")
    made = ArmFactory(run.plan(), load_rows(run.plan(), redacted), run, redacted)

    def question(content: str) -> ChatRequest:
        form = FreeText(max_tokens=5)
        return ChatRequest(item_id="row-1", messages=(Message(role="user", content=content),), form=form)

    with closing(made):
        chat = made.chat(run.plan().arms[1])
        chat.answer_one(question("write to [EMAIL_1]"))
        with pytest.raises(DataError, match="hold personal data"):
            chat.answer_one(question(f"write to {people(1)}"))
    assert len(server.requests) == 1


def test_only_rows_that_would_go_are_counted(tmp_path: Path, server: ScriptedServer) -> None:
    limited = plan(tmp_path, server, data={
        "file": str(tmp_path / "tickets.csv"), "text": ["body"], "fields": ["email"],
        "limit_test": 3, "limit_dev": 2,
    })  # fmt: skip
    run = create_run(tmp_path / "runs", limited, NOW)
    with pytest.raises(DataError, match=r"^5 of 6 texts"):
        run_bakeoff(run, asked(tmp_path))
    assert server.requests == []


def test_inputs_out_of_scope_go_to_nobody_who_is_not_asked_them(
    tmp_path: Path, server: ScriptedServer
) -> None:
    run = begin(tmp_path, server)
    strange = (Item(id="s1", text="call me on +31 20 555 01 77", target=""),)
    leaving = Leaving(run.plan(), load_rows(run.plan(), asked(tmp_path)), run, asked(tmp_path))
    with pytest.raises(DataError) as refusal:
        leaving.check(strange)
    assert "e-mail" in str(refusal.value) and "phone" not in str(refusal.value)


def test_a_host_of_ones_own_is_no_other_machine(tmp_path: Path, server: ScriptedServer) -> None:
    run = begin(tmp_path, server)
    run_bakeoff(run, asked(tmp_path, own_hosts=(HOST,)))
    assert people(1) in sent(server) and not (run.root / PRIVACY).exists()


def test_a_model_elsewhere_is_opened_with_a_check_or_not_at_all(tmp_path: Path) -> None:
    elsewhere = ModelSettings(cache=tmp_path, api_base=f"http://{HOST}:1/v1")
    with pytest.raises(ValueError, match="a check of what it is sent"):
        open_chat(MODEL, elsewhere)
    open_chat(MODEL, dataclasses.replace(elsewhere, api_base="http://127.0.0.1:1/v1")).close()


@pytest.mark.parametrize(
    ("rule", "model", "base", "reason"),
    [
        ("self-host-only", "openai/gpt-6-luna", "", "api.openai.com is not a machine of your own"),
        ("region", "openai/gpt-6-luna", "", "no region is known of api.openai.com"),
        ("region", "openai/gpt-6-luna", "https://us.api.openai.com/v1", "us.api.openai.com stands in the US"),
        ("region", "openai/gpt-6-luna", "https://eu.api.openai.com/v1", ""),
        ("region", "mistral/mistral-large-latest", "", ""),
        ("region", "bedrock/anthropic.claude-haiku-4-5", "", ""),  # by AWS_REGION
        ("self-host-only", "openai/mine", "http://127.0.0.1:8000/v1", ""),
        ("self-host-only", "openai/mine", "http://10.0.0.5:8000/v1", "10.0.0.5 is not a machine of your own"),
        ("self-host-only", "openai/mine", "http://llm.lan:8000/v1", ""),  # named as one's own
        ("anywhere", "openai/gpt-6-luna", "", ""),
    ],
)
def test_where_the_data_may_go_is_where_they_are_sent(
    tmp_path: Path, server: ScriptedServer, rule: str, model: str, base: str, reason: str
) -> None:
    arm = {"option": "prompt", "model": model, "api_base": base}
    limited = plan(tmp_path, server, arms=[{"option": "floor"}, arm], privacy={"residency": rule})
    outside = asked(tmp_path, own_hosts=("llm.lan",), environ={"AWS_REGION": "eu-central-1"})
    if not reason:
        check_residency(limited, outside)
        return
    with pytest.raises(UsageError, match=re.escape(reason)) as refusal:
        check_residency(limited, outside)
    assert f"prompt@{model}" in str(refusal.value)


def test_an_arm_that_breaks_residency_is_refused_before_calls(tmp_path: Path, server: ScriptedServer) -> None:
    run = create_run(tmp_path / "runs", plan(tmp_path, server, privacy={"residency": "self-host-only"}), NOW)
    with pytest.raises(UsageError, match=f"{HOST} is not a machine of your own"):
        run_bakeoff(run, asked(tmp_path, personal_data="allow"))
    assert server.requests == []


def test_a_plan_without_a_rule_has_the_digest_it_had(tmp_path: Path, server: ScriptedServer) -> None:
    free = plan(tmp_path, server)
    assert free.privacy is None and "privacy" in free.model_dump()
    assert free.digest == plan(tmp_path, server, privacy=None).digest
    assert free.digest != plan(tmp_path, server, privacy={"residency": "region"}).digest


@pytest.mark.parametrize(
    ("word", "said"),
    [("", "nothing is sent before"), ("redact", "replaced by placeholders"), ("allow", "sent as it is")],
)
def test_a_dry_run_says_what_would_leave_and_sends_nothing(
    tmp_path: Path, server: ScriptedServer, word: Any, said: str
) -> None:
    found = preflight(plan(tmp_path, server, "prompt", "retrieve"), asked(tmp_path, personal_data=word))
    text = preflight_text(found, {f"prompt@{MODEL}": 90.0})
    (line,) = [line for line in text.splitlines() if line.startswith(f"Leaves this machine for {HOST}: ")]
    assert "texts in" in line and "tokens" in line and "$" in line and "2 min" in line, line
    assert re.search(r"Personal data in 60 of them \(60 e-mail addresses\): ", line) and said in line
    assert server.requests == []


def test_a_dry_run_says_which_host_may_not_be_called(tmp_path: Path, server: ScriptedServer) -> None:
    found = preflight(plan(tmp_path, server, privacy={"residency": "region"}), asked(tmp_path))
    text = preflight_text(found)
    assert f"It may not: no region is known of {HOST}" in text and "Personal data in" in text
