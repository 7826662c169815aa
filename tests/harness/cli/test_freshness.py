"""`harness freshness` on a user's own table: text, JSON, with a run, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from advisor.options import Option
from harness.core.serial import decode
from harness.freshness.records import Drill, Group, Moment
from tests.support.desk import Command, write_tickets

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
