"""`harness freshness` on a user's own table: text, JSON, with a run, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.bakeoff import arm_factory
from harness.bakeoff.run_folder import list_runs
from harness.core.records import Artefact, Conversation
from harness.core.serial import decode
from harness.freshness.records import Drill, Group, Moment, Upkeep
from harness.freshness.run import IndexTimes
from harness.models.base import ChatReply, ChatRequest
from harness.recommendation.records import ReasonKind
from harness.recommendation.store import read_results
from tests.support.desk import Command, write_tickets
from tests.support.doubles import ScriptedChat, ScriptedTuner

CHANGE = {"labels": {"split": {"desk": ["billing", "sign_in"]}}}


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
    assert "split: desk becomes billing, sign_in" in words and "than the linear classifier" in words
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


FACTS = (  # question, its sentence, what answers it in January and in July; None: withdrawn
    ("When does the canteen open?", "The canteen opens at {}.", "noon", "one"),
    ("Which colour has the front door?", "The front door has the colour {}.", "green", "blue"),
    ("Where do guide dogs sleep at night?", "Guide dogs sleep at night in the {}.", "hall", None),
    ("How tall may a bookshelf be?", "A bookshelf may be tall up to {} metres.", "two", "three"),
    ("Who waters the lemon trees?", "The lemon trees get water from {}.", "Marta", "Piet"),
    ("What do visitors sign on arrival?", "On arrival visitors sign the {}.", "ledger", None),
    ("Which bus leaves for the harbour?", "For the harbour bus {} leaves.", "nine", "seven"),
    ("Where are spare umbrellas kept?", "Spare umbrellas are kept in the {}.", "attic", "cellar"),
)


def documents(folder: Path, name: str, july: bool) -> None:
    home = folder / name
    home.mkdir()
    (home / "notes.bak").write_text("not a document")
    rows = ""
    for number, (question, sentence, before, after) in enumerate(FACTS * 3):
        answer = after if july else before
        rows += f'{number},"{question}{"?" * (number // len(FACTS))}","{answer or ""}"\n'
        if answer and number < len(FACTS):
            (home / f"{number}.md").write_text(f"# Page {number}\n\n{sentence.format(answer)}\n")
    (folder / f"{name}.csv").write_text(f"id,question,answer\n{rows}")


@dataclass
class ReadsOut(ScriptedChat):
    """Says the last line of the first passage."""

    def answer_one(self, request: ChatRequest) -> ChatReply:
        first = request.messages[-1].content.split("\n\n[p2]")[0].split("\n\nQuestion:")[0]
        usage = Usage(input_tokens=9, output_tokens=9, counted_by=CountedBy.PROVIDER)
        said = f"{first.splitlines()[-1]} [p1]"
        return ChatReply(
            item_id=request.item_id, text=said, choice_logprobs=None, usage=usage, queue_s=0.0, model_s=0.01
        )

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply]:
        yield from map(self.answer_one, requests)


OPENS_S = 0.5


class ReaderTuner(ScriptedTuner):
    """Opens what it trained, where that lies."""

    home = Path()

    def tune(self, train: Sequence[Conversation], *words: Any) -> Artefact:
        made = super().tune(train, *words)
        (self.home / made.path).mkdir(parents=True)
        return made

    def open(self, artefact: Artefact) -> Any:
        assert (self.home / artefact.path).is_dir(), "what was trained is gone"
        time.sleep(OPENS_S)
        return ReadsOut(name="scripted")


def test_a_reader_tuned_on_other_documents_is_trained_once_and_indexed_again(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kreuzberg")
    made: list[ReaderTuner] = []

    def build(*words: Any) -> ReaderTuner:
        made.append(ReaderTuner(seed=words[2]))
        made[-1].home = words[4].root
        return made[-1]

    monkeypatch.setattr(arm_factory, "build_tuner", build)
    documents(tmp_path, "january", july=False)
    documents(tmp_path, "july", july=True)
    documents(tmp_path, "other", july=False)
    asked = (tmp_path / "other.csv").read_text().replace("\n", "\nm").rstrip("m")
    (tmp_path / "other.csv").write_text(asked.replace("?", " there?"))
    columns = {"text": ["question"], "answer": "answer"}
    raw = {
        "task": "question_answering",
        "seed": 7,
        "data": {"file": "january.csv", "docs": "january", **columns},
        "arms": [{"option": "tune+retrieve", "model": "m"}],
        "retrieve": {"embedding": "", "k": [1]},
        "tune": {"learn_from": {"file": "other.csv", "docs": "other", **columns}},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23", "wrong_answer_usd": 0.5},
        "freshness": {"second": {"file": "july.csv", "docs": "july"}},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    said = harness("freshness", "plan.yaml", "--offline", "--json")
    assert said.code == 0, said.err
    reader = next(a for a in decode(Drill, said.out).arms if a.arm.option is Option.TUNE_RETRIEVE)
    taught = [rows for tuner in made for rows, _ in tuner.seen]
    assert len(made) == 2 and len(taught) == 1
    assert len(taught[0]) == len(FACTS * 3) and {row.item_id[0] for row in taught[0]} == {"m"}
    assert reader.upkeep is Upkeep.INDEX and reader.right(Moment.AFTER, Group.CHANGED).value == 1
    assert reader.right(Moment.STALE).value == 0
    [index] = (tmp_path / "runs" / "freshness").glob("*/index.json")
    assert reader.update_s == (decode(IndexTimes, index.read_bytes()).second,), "opening it is no update"
    assert not list((tmp_path / "runs" / "freshness").glob("*/points/*/artefacts")), (
        "it is asked nothing again"
    )


@pytest.mark.parametrize("pattern", ["", "/*.md"])
def test_facts_change_and_the_documents_are_indexed_again(
    harness: Command, tmp_path: Path, pattern: str
) -> None:
    pytest.importorskip("kreuzberg")
    documents(tmp_path, "january", july=False)
    documents(tmp_path, "july", july=True)
    raw = {
        "task": "question_answering",
        "seed": 7,
        "data": {
            "file": "january.csv",
            "docs": f"january{pattern}",
            "text": ["question"],
            "answer": "answer",
        },
        "arms": [{"option": "neighbours"}],
        "retrieve": {"embedding": ""},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23", "wrong_answer_usd": 0.5},
        "freshness": {"second": {"file": "july.csv", "docs": f"july{pattern}"}},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    said = harness("freshness", "plan.yaml", "--offline", "--json")
    assert said.code == 0, said.err
    drill = decode(Drill, said.out)
    assert drill.of == "facts" and drill.items[Group.CHANGED] and not drill.items[Group.UNCHANGED]
    best = next(arm for arm in drill.arms if arm.arm.option is Option.NEIGHBOURS)
    assert best.right(Moment.BEFORE).value == 1 and best.right(Moment.STALE).value == 0
    assert best.stale[0].value == 1 and best.stale[1].value == 0
    assert best.right(Moment.AFTER, Group.CHANGED).value == 1, "the documents of July are indexed by now"
    there = next((tmp_path / "runs" / "freshness").glob("*/documents"))
    assert {path.name for path in there.iterdir()} == {f"{n}.md" for n, fact in enumerate(FACTS) if fact[3]}
    assert not drill.rates and not best.measurable, "no item is unchanged"


def test_a_run_over_documents_is_drilled_as_it_stands(harness: Command, tmp_path: Path) -> None:
    """No plan is written: the run's arms, its other documents, and the reason in its own report."""
    pytest.importorskip("kreuzberg")
    documents(tmp_path, "january", july=False)
    documents(tmp_path, "july", july=True)
    words = ("bakeoff", "--docs", "january", "--questions", "january.csv", "--arms", "floor,neighbours")
    assert harness(*words).code == 0
    other = ("freshness", "latest", "--second", "docs=july", "--second", "file=july.csv")
    refused = harness(*other)
    assert refused.code == 2 and "--wrong-answer-usd" in refused.err
    assert harness("freshness", "latest", "--wrong-answer-usd", "0.5").code == 2
    said = harness(*other, "--wrong-answer-usd", "0.5")
    assert said.code == 0, said.err
    told = " ".join(harness("report", "latest", "--full").out.split())
    assert "When facts change" in told
    assert "Drift: The best sentence of the documents is up to date" in told
    assert "100.0 % (95 % interval" in told.split("Until then", 1)[1]
    [folder] = list_runs(tmp_path / "runs")
    reason = read_results(folder).recommendation.reasons[-1]
    assert reason.kind is ReasonKind.KEEPS_UP and reason.rate is None
    assert reason.estimate is not None and reason.estimate.value == 1.0
    assert reason.update_s is not None and reason.update_s > 0 and reason.cost is not None
