"""Load: questions at a rate or by slots, timed from when they were due; what the figures say."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff.run_folder import RunFolder
from harness.core.records import ArmId, FreeText, Message
from harness.load.records import LoadResult, saturation
from harness.load.run import LoadRequest, arrivals, measured, play
from harness.load.store import keep_tests, stored_load
from harness.models.api.asking import Outside
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.playing import PlayedCall
from harness.models.base import ChatRequest
from harness.models.settings import ModelSettings
from harness.report.text import render_text
from harness.report.topics.latency import load_document
from tests.support.scripted_server import Reply, Script, completion, error, scripted

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
ARM = ArmId(option=Option.PROMPT, model="openai/served")
ASKED = [
    ChatRequest(item_id=str(n), messages=(Message(role="user", content="x"),), form=FreeText(max_tokens=5))
    for n in range(3)
]
STREAM = (
    b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\n'
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)


@contextlib.contextmanager
def served(script: Script) -> Iterator[ServedChat]:
    with scripted(script) as server:
        settings = ModelSettings(cache=Path("unused"), api_base=server.address)
        with contextlib.closing(
            open_served_chat("openai/served", settings, outside=Outside(environ={}))
        ) as chat:
            yield chat


def streaming(_number: int, body: dict) -> Reply:
    assert body["stream"] is True
    return Reply(body=STREAM, headers={"content-type": "text/event-stream"})


def test_arrivals_are_a_poisson_process_of_the_rate_asked_for():
    found = arrivals(200, 10, random.Random(1))
    assert found == sorted(found) and found[0] > 0 and found[-1] < 10
    assert 1850 < len(found) < 2150


def test_every_question_that_is_due_is_asked_and_its_first_word_timed():
    wish = LoadRequest(arm="prompt", duration_s=0.3, rate=60.0)
    with served(streaming) as chat:
        calls = play(chat, ASKED, wish, seed=3)
        assert len(calls) == len(arrivals(60.0, 0.3, random.Random(3)))
        found = measured(ARM, chat.address, wish, calls, AT)
    assert all(
        call.first_s is not None and call.due_s <= call.sent_s <= call.first_s <= call.ended_s
        for call in calls
    )
    assert found.answered == found.sent and not found.failures
    assert len(found.first) == len(found.whole) == 3


def test_slots_take_turns_and_failures_stand_apart():
    def script(number: int, _body: dict) -> Reply:
        return error(503) if number % 2 else completion("yes")

    wish = LoadRequest(arm="prompt", duration_s=0.2, concurrency=2)
    with served(script) as chat:
        found = measured(ARM, chat.address, wish, play(chat, ASKED, wish, seed=3), AT)
    assert found.failures["server-error"] > 0 and found.answered > 0
    assert found.answered + found.failures["server-error"] == found.sent
    assert found.first == (), "an answer in one piece has no first word"


def call(due: float, ended: float, failure: str = "") -> PlayedCall:
    return PlayedCall(due_s=due, sent_s=due, first_s=None, ended_s=ended, failure=failure)


def test_a_server_that_stalls_is_charged_for_every_question_that_waited():
    """One second of standing still is in the times of all ten questions due in it, not in one."""
    wish = LoadRequest(arm="prompt", duration_s=2.0, rate=10.0)
    calls = [call(n / 10, max(n / 10 + 0.01, 1.0)) for n in range(20)]
    found = measured(ARM, "http://127.0.0.1:1", wish, calls, AT)
    p95 = found.whole[1].seconds
    assert p95 >= 0.8 and found.kept_up
    assert found.whole[2].interval is None and found.whole[2].needed == 368


def of_slots(slots: int, per_second: float, *, failed: int = 0, p95_s: float = 0.1) -> LoadResult:
    """A test of a hundred calls in so many slots, by hand."""
    wish = LoadRequest(arm="prompt", duration_s=10.0, concurrency=slots)
    calls = [call(0.0, p95_s, "timeout" * (n < failed)) for n in range(100)]
    return replace(measured(ARM, "http://127.0.0.1:1", wish, calls, AT), per_second=per_second)


def test_an_endpoint_is_full_where_more_at_once_brings_no_more():
    tests = [of_slots(1, 10.0), of_slots(2, 19.0), of_slots(4, 19.5), of_slots(8, 19.2)]
    full = saturation(tests, None)
    assert full is not None and full.per_second == 19.5 and full.reached
    rising = saturation(tests[:3], None)
    assert rising is not None and rising.reached, "twice the slots brought next to nothing"
    growing = saturation(tests[:2], None)
    assert growing is not None and not growing.reached, "nothing asked for more than the best test got"


def test_a_rate_with_failures_or_slower_than_allowed_is_none_that_is_held():
    tests = [of_slots(1, 10.0), of_slots(2, 30.0, failed=2), of_slots(4, 25.0, p95_s=0.9)]
    full = saturation(tests, 500.0)
    assert full is not None and full.per_second == 10.0 and full.reached
    assert saturation(tests[1:2], None) is None


def test_a_rate_that_was_kept_up_with_is_a_lower_bound():
    wish = LoadRequest(arm="prompt", duration_s=10.0, rate=5.0)
    kept = measured(ARM, "http://127.0.0.1:1", wish, [call(n / 5, n / 5 + 0.1) for n in range(50)], AT)
    full = saturation([kept], None)
    assert full is not None and not full.reached


def test_a_test_takes_the_place_of_an_earlier_one_that_asked_the_same(tmp_path):
    folder = RunFolder(root=tmp_path)
    keep_tests(folder, [of_slots(1, 10.0), of_slots(2, 19.0)])
    keep_tests(folder, [of_slots(2, 21.0)])
    assert [(test.concurrency, test.per_second) for test in stored_load(folder)] == [(1, 10.0), (2, 21.0)]


def served_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> tuple[Any, Any, Any]:
    """A finished run of `prompt` on a scripted endpoint, its context, and what closes the server."""
    from harness.bakeoff.plan import build_plan
    from tests.harness.bakeoff.test_run import context
    from tests.support.bakeoff import start_bakeoff
    from tests.support.desk import write_tickets

    closing = contextlib.ExitStack()
    server = closing.enter_context(scripted(script))
    monkeypatch.delenv("TOR_API_KEY", raising=False)
    raw = {
        "seed": 17,
        "data": {"file": str(write_tickets(tmp_path / "t.csv", each=30)), "text": ["body"], "label": "queue"},
        "arms": [{"option": "prompt", "model": "openai/served", "api_base": server.address}],
        "decision": {"bootstrap_draws": 200},
        "latency": {"items": 5},
        "cost": {"price_date": "2026-11-23", "machine_hour_usd": "1", "queries_per_month": 100_000},
    }
    outside = replace(context(tmp_path), environ={})
    folder, _ = start_bakeoff(build_plan(raw, "a test"), outside)
    return folder, outside, closing


def labels_of(body: dict[str, Any]) -> str:
    return str(body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"][0])


def test_the_slots_are_doubled_until_it_is_full_and_the_rate_says_how_many_machines(tmp_path, monkeypatch):
    """An endpoint that answers two at a time in 20 ms: about 100 a second, four slots bring no more."""
    import threading

    from harness.recommendation.run import measure_load
    from harness.recommendation.store import read_results

    two = threading.Semaphore(2)

    def script(_number: int, body: dict[str, Any]) -> Reply:
        with two:
            threading.Event().wait(0.02)
        return completion(json.dumps({"label": labels_of(body)}))

    folder, outside, closing = served_run(tmp_path, monkeypatch, script)
    with closing:
        before = read_results(folder)
        found, results = measure_load(folder, LoadRequest(arm="prompt", duration_s=0.5), outside)
    assert [test.concurrency for test in found][:2] == [1, 2]
    assert results.load[0].full is not None and results.load[0].full.reached
    rate = results.load[0].full.per_second
    serving = results.outlook.arms[0].serving
    assert serving is not None and serving.under_load and serving.per_s == pytest.approx(rate)
    assert serving.full_usd_per_1k == pytest.approx(Decimal(1000 / rate / 3600), rel=Decimal("1e-6"))
    unloaded = before.outlook.arms[0].serving
    assert unloaded is not None and not unloaded.under_load and unloaded.per_s != serving.per_s
    again = read_results(folder)
    assert again.load == results.load and folder.manifest() is not None
    said = " ".join(render_text(load_document(found, results, folder.command)).split())
    assert "100,000 queries a month that is 1 machine" in said and "A machine kept full" in said


def test_the_report_says_whether_it_kept_up():
    wish = LoadRequest(arm="prompt", duration_s=1.0, rate=50.0)
    behind = measured(ARM, "http://127.0.0.1:1", wish, [call(n / 50, n / 10 + 0.1) for n in range(50)], AT)
    said = shown(behind)
    assert "did not keep up" in said and "50 of 50 answered" in said
    kept = measured(
        ARM,
        "http://127.0.0.1:1",
        wish,
        [call(n / 50, n / 50 + 0.1, "timeout" * (n == 7)) for n in range(50)],
        AT,
    )
    said = shown(kept)
    assert "It kept up" in said and "timeout 1" in said
    assert json.dumps(dict(kept.failures)) == '{"timeout": 1}'


def shown(test: LoadResult) -> str:
    """What a command on a run without that arm's load says."""
    from tests.support.results import run_results

    found = load_document([test], run_results(), lambda *words: " ".join(words))
    return " ".join(render_text(found).split())


def test_a_rate_and_a_concurrency_together_are_refused():
    from typer.testing import CliRunner

    from harness.cli.app import app

    done = CliRunner().invoke(app, ["load", "nowhere", "--rate", "1", "--concurrency", "2"])
    assert done.exit_code != 0
