"""What is forecast of an arm's prompts is what the arm then sends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option, TaskKind
from harness.arms.all_documents import AllDocumentsArm
from harness.arms.reading import ReadingArm
from harness.arms.retrieve import RetrieveSettings
from harness.bakeoff.asking import Asking
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.preflight import preflight
from harness.bakeoff.sizing import time_machine
from harness.core.records import Evalset, Message
from tests.harness.arms.test_over_documents import DEV, PAGES, TASK, TEST, Reader
from tests.harness.bakeoff.test_budget_of_a_run import context

SHARE = 0.05


@pytest.fixture
def questions(tmp_path: Path) -> Evalset:
    home = tmp_path / "handbook"
    home.mkdir()
    for name, text in PAGES.items():
        (home / name).write_text(text * 20, encoding="utf-8")
    return Evalset(
        name="handbook",
        title="Handbook",
        licence="",
        provenance="",
        labels=(),
        digests={},
        task=TaskKind.QUESTION_ANSWERING,
        train=DEV,
        dev=DEV,
        test=TEST,
        documents=str(home),
    )


def plan(*arms: dict[str, Any]) -> ExperimentPlan:
    raw = {
        "seed": 17,
        "task": "question_answering",
        "data": {"evalset": "policy-qa"},
        "arms": [{"option": "floor"}, *arms],
        "retrieve": {"k": [3], "max_tokens": 4000},
        "latency": {"items": 1},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw, "test")


def characters(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


@pytest.mark.parametrize("whole", [False, True])
def test_passages_are_in_the_tokens_forecast(tmp_path: Path, questions: Evalset, whole: bool) -> None:
    option = Option.PROMPT if whole else Option.RETRIEVE
    arm = {"option": option.value, "model": "openai/gateway"} | ({"all_documents": True} if whole else {})
    made, reader = plan(arm), Reader()
    around = context(tmp_path)
    index = Asking(made, questions, around).passages
    named = made.arms[1].id
    if whole:
        answering: AllDocumentsArm | ReadingArm = AllDocumentsArm(named, reader, index, TASK)
    else:
        settings = RetrieveSettings(k=(3,), max_tokens=4000, dev_items=9)
        answering = ReadingArm(named, reader, index, TASK, settings)
    for item in questions.test:
        answering.predict_one(item)
    sent = sum(characters(request.messages) for request in reader.asked) / len(reader.asked)
    found = preflight(made, around, questions).arms[1]
    assert found.input_tokens / found.calls * 3.5 == pytest.approx(sent, rel=SHARE)
    assert sent > 800, "the passages are in what was sent"


class Slow(Reader):
    """Writes each answer in a second of the clock, all of a batch in one."""

    now = 0.0

    def answer_one(self, request: Any) -> Any:
        self.now += 1.0
        return super().answer_one(request)

    def answer(self, requests: Sequence[Any]) -> Any:
        before = self.now
        replies = [self.answer_one(request) for request in requests]
        self.now = before + 1.0
        yield from replies


def test_answers_written_at_once_are_timed_at_once(
    tmp_path: Path, questions: Evalset, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    monkeypatch.setattr("harness.bakeoff.sizing.open_chat", lambda *_: slow)
    monkeypatch.setattr("harness.bakeoff.sizing.time.perf_counter", lambda: slow.now)
    made = plan({"option": "prompt", "model": "smollm2-135m"})
    timed = time_machine(made, 600.0, context(tmp_path), questions)
    (arm,) = timed.query_s
    # three training questions: alone a second each, together a second in all
    assert timed.alone_s[arm] == pytest.approx(1.0) and timed.query_s[arm] == pytest.approx(1 / 3)
