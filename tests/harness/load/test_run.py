"""Load: questions at a rate or by slots, timed from when they were due; what the figures say."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.options import Option
from harness.core.records import ArmId, FreeText, Message
from harness.load.run import LoadRequest, arrivals, measured, play
from harness.models.api.asking import Outside
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.playing import PlayedCall
from harness.models.base import ChatRequest
from harness.models.settings import ModelSettings
from harness.report.text import render_text
from harness.report.topics.load import load_document
from tests.support.scripted_server import Reply, Script, completion, error, scripted

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
        found = measured(ARM, chat.address, wish, calls)
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
        found = measured(ARM, chat.address, wish, play(chat, ASKED, wish, seed=3))
    assert found.failures["server-error"] > 0 and found.answered > 0
    assert found.answered + found.failures["server-error"] == found.sent
    assert found.first == (), "an answer in one piece has no first word"


def call(due: float, ended: float, failure: str = "") -> PlayedCall:
    return PlayedCall(due_s=due, sent_s=due, first_s=None, ended_s=ended, failure=failure)


def test_a_server_that_stalls_is_charged_for_every_question_that_waited():
    """One second of standing still is in the times of all ten questions due in it, not in one."""
    wish = LoadRequest(arm="prompt", duration_s=2.0, rate=10.0)
    calls = [call(n / 10, max(n / 10 + 0.01, 1.0)) for n in range(20)]
    found = measured(ARM, "http://127.0.0.1:1", wish, calls)
    p95 = found.whole[1].seconds
    assert p95 >= 0.8 and found.kept_up
    assert found.whole[2].interval is None and found.whole[2].needed == 368


def test_the_report_says_whether_it_kept_up():
    wish = LoadRequest(arm="prompt", duration_s=1.0, rate=50.0)
    behind = measured(ARM, "http://127.0.0.1:1", wish, [call(n / 50, n / 10 + 0.1) for n in range(50)])
    said = " ".join(render_text(load_document(behind)).split())
    assert "did not keep up" in said and "50 of 50 answered" in said
    kept = measured(
        ARM, "http://127.0.0.1:1", wish, [call(n / 50, n / 50 + 0.1, "timeout" * (n == 7)) for n in range(50)]
    )
    said = " ".join(render_text(load_document(kept)).split())
    assert "It kept up" in said and "timeout 1" in said
    assert json.dumps(dict(kept.failures)) == '{"timeout": 1}'


@pytest.mark.parametrize("flags", [[], ["--rate", "1", "--concurrency", "2"]])
def test_a_rate_or_a_concurrency_is_asked_for(flags):
    from typer.testing import CliRunner

    from harness.cli.app import app

    done = CliRunner().invoke(app, ["load", "nowhere", *flags])
    assert done.exit_code != 0
