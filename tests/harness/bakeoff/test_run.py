"""A whole bake-off on scripted models: the same state after any stop, and nothing asked twice."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff import arm_factory as factory
from harness.bakeoff.explain import explain_item
from harness.bakeoff.journal import Journal
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.results import Answer
from harness.bakeoff.run_folder import RunFolder, create_run, find_run
from harness.core.context import Context, Quiet
from harness.core.errors import DataError, IncompleteRun, TrainingError, UsageError
from harness.core.records import FailureKind, Outcome
from harness.core.serial import encode
from harness.recommendation.conclude import conclude
from harness.recommendation.records import RunResults
from harness.recommendation.run import compare_two, rescore, run_bakeoff
from harness.recommendation.store import read_results
from harness.report.files import export_run
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Shop:
    """The scripted models of one test, in the place of those on disk."""

    def __init__(self, location: str = "local") -> None:
        self.chat = ScriptedChat(name="m", location=location)
        self.tuner = ScriptedTuner()

    def open_chat(self, *_: object) -> ScriptedChat:
        self.chat.closed = 0
        return self.chat


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    def put_in(location: str = "local") -> Shop:
        made = Shop(location)
        monkeypatch.setattr(factory, "open_chat", made.open_chat)
        monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
        monkeypatch.setattr(factory, "build_tuner", lambda *_: made.tuner)
        return made

    yield put_in


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=30)


def plan(tickets: Path, **changes: Any) -> ExperimentPlan:
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue", "group": ["customer"]},
        "arms": [
            {"option": "floor"},
            {"option": "linear"},
            {"option": "prompt", "model": "m"},
            {"option": "retrieve", "model": "m"},
            {"option": "tune", "model": "m"},
            {"option": "tune+retrieve", "model": "m"},
            {"option": "route"},
        ],
        "retrieve": {"k": [1, 2], "dev_items": 5},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw | changes, "test")


def context(folder: Path, **changes: Any) -> Context:
    clock = iter(NOW + timedelta(seconds=n) for n in range(1000))
    base = Context(
        runs=folder / "runs", cache=folder / "cache", environ={}, clock=lambda: next(clock), progress=Quiet()
    )
    return dataclasses.replace(base, **changes)


def without_clock(results: RunResults) -> Any:
    """Everything a run concludes but names, seconds and what hangs on seconds."""
    raw = json.loads(encode(results))
    found = {"answer": raw["verdict"]["pair"], "comparisons": raw["comparisons"], "data": raw["data"]}
    found["quality"] = [(arm["arm"], arm["quality"], arm["cost"]["mean_tokens"]) for arm in raw["arms"]]
    found["choices"] = [arm["fitted"]["choices"] for arm in raw["arms"]]
    return found


def answers(folder: RunFolder) -> dict[tuple[str, str, str], str]:
    with folder.journal(read_only=True) as journal:
        rows = journal._rows("SELECT arm, pass, item_id, payload FROM outcomes")
    return {(arm, part, item): json.loads(text).get("text", "failed") for arm, part, item, text in rows}


def test_an_arm_that_fails_is_left_out_and_tried_again(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    works, made.tuner.tune = made.tuner.tune, _diverges
    folder, results = start_bakeoff(plan(tickets), context(tmp_path))
    assert [(str(one.arm), one.reason) for one in results.failed] == [
        ("tune@m", "The training diverged."),
        ("tune+retrieve@m", "The training diverged."),
    ]
    left = {Option.FLOOR, Option.LINEAR, Option.PROMPT, Option.RETRIEVE}
    assert {arm.arm.option for arm in results.arms} - {Option.ROUTE} == left
    compared = {arm for pair in results.comparisons for arm in (pair.a, pair.b)}
    assert compared and compared.isdisjoint({one.arm for one in results.failed})
    assert folder.manifest() is not None and conclude(folder, 1, context(tmp_path)).failed == results.failed
    made.tuner.tune = works
    again = run_bakeoff(folder, context(tmp_path))
    assert again.failed == () and Option.TUNE in {arm.arm.option for arm in again.arms}


def test_where_every_arm_fails_the_first_says_why(shop, tickets: Path, tmp_path: Path) -> None:
    shop().tuner.tune = _diverges
    arms = [{"option": "floor"}, {"option": "tune", "model": "m"}]
    with pytest.raises(TrainingError, match="diverged"):
        start_bakeoff(plan(tickets, arms=arms), context(tmp_path))


def _diverges(*_: object) -> None:
    raise TrainingError("The training diverged.")


def test_a_bake_off_comes_to_its_conclusion(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, results = start_bakeoff(plan(tickets), context(tmp_path))
    assert folder.manifest() is not None and read_results(folder) == results and results.looks == 1
    options = [arm.arm.option for arm in results.arms]
    assert options[:6] == [Option.FLOOR, Option.LINEAR, Option.PROMPT, Option.RETRIEVE, Option.TUNE,
                           Option.TUNE_RETRIEVE]  # fmt: skip
    assert (Option.ROUTE in options) is (results.route is not None and results.route.threshold is not None)
    assert Option.ROUTE in options or results.route_asked
    assert results.verdict.answer in Answer and results.recommendation.ship is not None
    assert results.data.test == results.arms[0].quality.primary.n


def test_two_runs_of_one_plan_conclude_the_same(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    one, first = start_bakeoff(plan(tickets), context(tmp_path / "a"))
    shop()
    two, second = start_bakeoff(plan(tickets), context(tmp_path / "b"))
    assert answers(one) == answers(two)
    assert without_clock(first) == without_clock(second)


def test_more_dev_rows_than_one_chunk_are_embedded_once_for_all_arms(
    shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop()
    embedder = WordEmbedder()
    monkeypatch.setattr(factory, "open_embedding", lambda *_: embedder)
    rows = write_tickets(tmp_path / "tickets.csv", each=250)
    cheap = plan(rows, arms=[{"option": option} for option in ("floor", "neighbours", "linear")])
    folder, _ = start_bakeoff(cheap, context(tmp_path))
    dev = [item.text for item in folder.items()["dev"]]
    others = {item.text for split in ("train", "test") for item in folder.items().get(split, ())}
    mine = Counter(text for text in embedder.embedded if text in set(dev) - others)
    assert len(mine) > 64 and set(mine.values()) == {1}


@pytest.mark.parametrize("stop_after", [1, 7, 40, 61])
@pytest.mark.parametrize("location", ["local", "remote"])
def test_a_stopped_run_goes_on_to_the_same_state(
    shop, tickets: Path, tmp_path: Path, stop_after: int, location: str
) -> None:
    shop(location)
    whole, results = start_bakeoff(plan(tickets), context(tmp_path / "whole"))
    made = shop(location)
    answer = made.chat._answer

    def until(request: Any) -> Any:
        if len(made.chat.asked) >= stop_after:
            raise KeyboardInterrupt
        return answer(request)

    made.chat._answer = until  # type: ignore[method-assign]
    stopped = create_run(tmp_path / "stopped" / "runs", plan(tickets), NOW)
    with pytest.raises(KeyboardInterrupt):
        run_bakeoff(stopped, context(tmp_path / "stopped"))
    assert stopped.manifest() is None
    with pytest.raises(IncompleteRun):
        read_results(stopped)
    made.chat._answer = answer  # type: ignore[method-assign]
    resumed = run_bakeoff(stopped, context(tmp_path / "stopped"))
    assert answers(stopped) == answers(whole)
    assert without_clock(resumed) == without_clock(results)
    assert resumed.looks == 1, "the same plan again is no new look"


def test_a_finished_run_asks_nothing_again(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop("remote")
    folder, results = start_bakeoff(plan(tickets), context(tmp_path))
    asked = len(made.chat.asked)
    assert without_clock(run_bakeoff(folder, context(tmp_path))) == without_clock(results)
    assert len(made.chat.asked) == asked and len(made.tuner.seen) == 2, "trained once an arm"


def test_failures_stay_until_they_are_to_be_tried_again(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop("remote")
    only = plan(tickets, arms=[{"option": "prompt", "model": "m"}], latency={"items": 0})
    folder = create_run(tmp_path / "runs", only, NOW)
    probe = run_bakeoff(folder, context(tmp_path))
    item = folder.items()["test"][0].id
    second = create_run(tmp_path / "runs", only, NOW + timedelta(days=1))
    made.chat.fails = {item: [FailureKind.SERVER]}
    failed = run_bakeoff(second, context(tmp_path)).arms[0].quality
    assert failed.failure_rate.value == pytest.approx(1 / failed.failure_rate.n)
    asked = len(made.chat.asked)
    assert run_bakeoff(second, context(tmp_path)).arms[0].quality == failed
    assert len(made.chat.asked) == asked, "not asked again unless told to"
    healed = run_bakeoff(second, context(tmp_path, retry_failures=True)).arms[0].quality
    assert len(made.chat.asked) == asked + 1 and healed == probe.arms[0].quality


def test_rows_that_changed_are_noticed(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, _ = start_bakeoff(plan(tickets), context(tmp_path))
    tickets.write_text(tickets.read_text().replace("parcel", "package"))
    with pytest.raises(DataError, match="changed since it began"):
        run_bakeoff(folder, context(tmp_path))
    assert folder.manifest() is not None, "and the finished run stays as it was"


def test_looks_count_locked_plans(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    small = [{"option": "floor"}, {"option": "linear"}]
    assert start_bakeoff(plan(tickets, arms=small), context(tmp_path))[1].looks == 1
    other = plan(tickets, arms=small, decision={"bootstrap_draws": 300})
    assert start_bakeoff(other, context(tmp_path))[1].looks == 2


def test_a_further_look_counts_fresh_items_only(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    small = [{"option": "floor"}, {"option": "linear"}]
    first, found = start_bakeoff(plan(tickets, arms=small), context(tmp_path))
    assert (found.data.look, found.data.planned_looks) == (1, 1)
    seen = {item.text for item in first.items()["test"]}
    write_tickets(tickets, each=60)
    data = plan(tickets).model_dump()["data"] | {"after": first.run_id}
    again = plan(tickets, arms=small, data=data, decision={"bootstrap_draws": 200, "looks": 2})
    second, found = start_bakeoff(again, context(tmp_path))
    fresh = {item.text for item in second.items()["test"]}
    assert fresh and not fresh & seen and found.data.test == len(fresh)
    assert (found.data.look, found.data.planned_looks) == (2, 2)
    assert any("Look 2" in finding.message for finding in found.data.findings)
    third = plan(tickets, arms=small, data=data | {"after": second.run_id}, seed=18)
    assert start_bakeoff(third, context(tmp_path))[1].data.look == 3


def test_a_further_look_at_nothing_new_is_refused(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    small = [{"option": "floor"}, {"option": "linear"}]
    first, _ = start_bakeoff(plan(tickets, arms=small), context(tmp_path))
    data = plan(tickets).model_dump()["data"] | {"after": first.run_id}
    with pytest.raises(DataError, match="every test item"):
        start_bakeoff(plan(tickets, arms=small, data=data), context(tmp_path))
    with pytest.raises(UsageError, match="No run"):
        start_bakeoff(plan(tickets, arms=small, data=data | {"after": "nowhere"}), context(tmp_path))


@pytest.mark.parametrize("factor", [0.001, 0.3, 7.0, 5000.0])
def test_other_timings_of_the_same_answers_change_no_word_about_quality(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """The same answers once gave a tie on a busy machine and not enough evidence on a quiet one."""
    shop()
    limits = {"bootstrap_draws": 200, "quality_floor": 0.5}
    folder, before = start_bakeoff(plan(tickets, decision=limits), context(tmp_path))
    read = Journal.each

    def other_timings(self: Journal, *arguments: Any) -> Iterator[tuple[int, Outcome]]:
        random = Random(str(arguments[0].arm))
        for place, found in read(self, *arguments):
            yield place, timed_otherwise(found, factor * random.random())

    monkeypatch.setattr(Journal, "each", other_timings)
    after = conclude(folder, before.looks, context(tmp_path))
    assert before.arms[2].latency.p50_ms != after.arms[2].latency.p50_ms, "the timings are others"
    assert before.comparisons == after.comparisons
    assert before.verdict == after.verdict


def timed_otherwise(found: Outcome, factor: float) -> Outcome:
    if found.timing is None:
        return found
    timing = found.timing
    changed = dataclasses.replace(
        timing, model_s=timing.model_s * factor, retrieval_s=timing.retrieval_s * factor
    )
    return dataclasses.replace(found, timing=changed)


def test_everything_that_reads_a_run_calls_no_model(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop()
    folder, results = start_bakeoff(plan(tickets), context(tmp_path))

    def never(*_: object) -> None:
        raise AssertionError("a model was opened")

    for name in ("open_chat", "open_embedding", "build_tuner"):
        monkeypatch.setattr(factory, name, never)
    before = {path.name: path.read_bytes() for path in folder.root.iterdir() if path.is_file()}
    again = rescore(folder, context(tmp_path), "")
    assert encode(again) == encode(results), "scored again from the journal it is the same to the byte"
    item = folder.items()["test"][0]
    explained = explain_item(folder, item.id, context(tmp_path))
    assert [arm.arm for arm in explained.arms] == [
        a.arm for a in results.arms if a.arm.option is not Option.ROUTE
    ]
    assert all(
        entry.relation is None or entry.paired
        for entry in compare_two(folder, folder, context(tmp_path)).across
    )
    files = export_run(folder, ["json", "csv", "md"], tmp_path / "out", context(tmp_path))
    assert all(path.stat().st_size > 0 for path in files)
    with_texts, bare = (
        list(csv.DictReader(written[1].open(encoding="utf-8-sig", newline="")))
        for written in (
            export_run(folder, ["csv"], tmp_path / f"texts-{texts}", context(tmp_path), texts=texts)
            for texts in (True, False)
        )
    )
    assert {row["text"] for row in with_texts} >= {item.text}
    assert {(row["text"], row["raw_answer"]) for row in bare} == {("", "")}
    assert [row["answer"] for row in bare] == [row["answer"] for row in with_texts]
    assert before == {
        p.name: p.read_bytes() for p in folder.root.iterdir() if p.is_file() and p.name in before
    }


def test_an_arm_without_answers_makes_the_run_incomplete(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    made.tuner.tune = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    folder = create_run(tmp_path / "runs", plan(tickets), NOW)
    with pytest.raises(KeyboardInterrupt):
        run_bakeoff(folder, context(tmp_path))
    with pytest.raises(IncompleteRun, match="tune@m"):
        explain_item(folder, folder.items()["test"][0].id, context(tmp_path))


def test_a_route_without_sides_says_so(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    arms = [{"option": "linear"}, {"option": "route"}]
    results = start_bakeoff(plan(tickets, arms=arms), context(tmp_path))[1]
    assert results.route is None and results.route_asked


def test_served_arms_have_a_warm_pass_and_no_batches(shop, tickets: Path, tmp_path: Path) -> None:
    shop("remote")
    arms = [{"option": "prompt", "model": "m"}]
    results = start_bakeoff(plan(tickets, arms=arms, latency={"items": 5}), context(tmp_path))[1]
    assert results.arms[0].latency.p50_ms.n == 5
    none = start_bakeoff(plan(tickets, arms=arms, latency={"items": 0}), context(tmp_path))[1]
    assert none.arms[0].latency.p50_ms.value is None, "concurrent calls are no latency"


def test_the_latest_run_is_found(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, _ = start_bakeoff(plan(tickets, arms=[{"option": "floor"}]), context(tmp_path))
    assert find_run(tmp_path / "runs", "latest") == folder
    assert os.access(folder.root / "results.json", os.R_OK)
