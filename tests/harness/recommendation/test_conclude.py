"""What a run concludes beside its accuracies: the advice, the guess, prices of servers, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff import arm_factory as factory
from harness.bakeoff.preflight import _weight
from harness.core.records import Item
from harness.money.of_run import calls_to_settle, published_for
from harness.recommendation.store import read_results
from tests.harness.bakeoff.test_run import Shop, context, plan
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import WordEmbedder


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    def put_in(location: str = "local") -> Shop:
        made = Shop(location)
        monkeypatch.setattr(factory, "open_chat", made.open_chat)
        monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
        return made

    yield put_in


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=30)


ADVICE: dict[str, Any] = {
    "case": "tickets",
    "case_sha256": "0" * 64,
    "rubric": "1",
    "answer": "tune",
    "ranking": ["prompt", "linear"],
    "predictions": [{"option": "prompt", "model": "m", "accuracy_low": 0.999, "accuracy_high": 1.0}],
}


def test_advice_in_the_plan_is_confronted_in_the_results(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    arms = [{"option": "linear"}, {"option": "prompt", "model": "m"}]
    folder, results = start_bakeoff(plan(tickets, arms=arms, advice=ADVICE), context(tmp_path))
    assert results.advice is not None and results.advice.tested == 1
    assert read_results(folder).advice == results.advice, "and it is stored"
    silent = start_bakeoff(plan(tickets, arms=arms), context(tmp_path))[1]
    assert silent.advice is None


def test_always_guessing_is_right_as_often_as_the_floor(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    results = start_bakeoff(plan(tickets, arms=[{"option": "floor"}]), context(tmp_path))[1]
    assert results.data.majority_share == results.arms[0].quality.primary.value


def test_a_loopback_server_is_charged_one_query_at_a_time(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop("loopback")
    alone = made.chat.answer_one
    together = made.chat.answer

    def answer_one(request: Any) -> Any:
        made.chat.model_s = {request.item_id: 0.02}
        return alone(request)

    def answer(requests: Any) -> Any:  # eight at once hold each other up
        made.chat.model_s = {request.item_id: 0.16 for request in requests}
        return together(requests)

    made.chat.answer_one, made.chat.answer = answer_one, answer  # type: ignore[method-assign]
    only = plan(tickets, arms=[{"option": "prompt", "model": "m"}], latency={"items": 5})
    (line,) = start_bakeoff(only, context(tmp_path))[1].arms[0].cost.lines
    # 1,000 queries of 20 ms are 20 s; at 30 % utilisation 66.7 s of a paid hour
    assert line.quantity is not None and float(line.quantity) == pytest.approx(20 / 0.3 / 3600)


def test_the_command_that_settles_it_names_the_same_split_and_pays_all_its_calls(
    shop, tickets: Path, tmp_path: Path
) -> None:
    shop()
    arms = [{"option": "linear"}, {"option": "retrieve", "model": "m"}]
    found = start_bakeoff(plan(tickets, arms=arms, seed=23), context(tmp_path))[1]
    gaps = [gap for gap in found.recommendation.frontier if gap.usd_per_1k.usd is not None]
    for gap in found.recommendation.frontier:
        words = shlex.split(gap.settle_command)
        assert words[words.index("--seed") + 1] == "23" and words[words.index("--group") + 1] == "customer"
    dev, test = found.data.dev, found.data.test
    calls = 2 * (dev + test + min(200, test)) + 5 * min(100, dev)  # as below
    for gap in gaps:
        assert gap.usd_per_1k.usd is not None
        assert gap.settle_usd == gap.usd_per_1k.usd * Decimal(calls) / 1000


def test_where_nothing_may_be_shipped_a_frontier_model_would_have_to_keep_the_floor(
    shop, tickets: Path, tmp_path: Path
) -> None:
    shop()
    arms = [{"option": "floor"}, {"option": "retrieve", "model": "m"}]
    floor = {"quality_floor": 0.999, "max_p95_ms": 1e-9, "bootstrap_draws": 200}
    found = start_bakeoff(plan(tickets, arms=arms, decision=floor), context(tmp_path))[1].recommendation
    assert found.ship is None and found.frontier
    assert {gap.accuracy_to_win for gap in found.frontier} == {0.999}
    assert {gap.accuracy_same_cost_per_correct for gap in found.frontier} == {None}


def test_calls_to_settle_by_hand() -> None:
    row = Item(id="1", text="t", target="a")
    # 2 arms x (120 dev + 560 test + 200 timed) + 5 passes over 100 dev items: retrieve chooses more than k
    assert calls_to_settle({"dev": [row] * 120, "test": [row] * 560}) == 2 * 880 + 500


def test_published_figures_of_another_task_are_called_that() -> None:
    (own,), (other,) = published_for("banking77"), published_for("my-tickets")
    assert own.statement.endswith("on Banking77")
    assert "another task" in other.statement and "no figure is known for my-tickets" in other.statement


def test_letters_outside_ascii_are_forecast_as_a_token_each() -> None:
    assert _weight("ab" * 7) == 14
    assert _weight("\u8bf7\u6c42") == 7  # two signs, two tokens of 3.5 characters
