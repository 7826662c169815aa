"""Orders hidden in texts: how the tickets are made, and what following them is counted as."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import INJECTED
from harness.core.errors import UsageError
from harness.core.records import Choices, Completion, Item, Timing
from harness.models.base import ChatReply, ChatRequest
from harness.recommendation.run import check_robustness, rescore
from harness.recommendation.store import read_results
from harness.report.run_document import run_document
from harness.report.text import render_text
from harness.report.topics.robustness import robustness_sentences
from harness.robustness.injection import PLACES, WORDINGS, hostile_messages, hostile_tickets, injection_of
from harness.robustness.run import RobustnessRequest
from harness.tasks.classification import ACCURACY
from harness.tasks.extraction import ExtractionTask
from harness.tasks.fields import parse_schema
from harness.tasks.records import PromptLimits
from harness.tasks.scored import Scored
from harness.tasks.scoring import score
from harness.tasks.wording import NOT_THERE
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.bakeoff import start_bakeoff
from tests.support.doubles import ScriptedChat
from tests.support.scored import HOW

__all__ = ["shop", "tickets"]

LABELS = ("billing", "shipping", "sign_in")
ROWS = tuple(Item(id=f"r{n}", text=f"text {n}", target=LABELS[n % 3]) for n in range(40))


def test_every_wording_stands_above_and_below_and_orders_another_label() -> None:
    made = hostile_tickets(ROWS, LABELS, 32, seed=5)
    hows = [dict(item.slices) for item in made]
    assert Counter((how["wording"], how["place"]) for how in hows) == {
        (wording, place): 2 for wording in WORDINGS for place in PLACES
    }
    by_id = {row.id: row for row in ROWS}
    for item, how in zip(made, hows, strict=True):
        row = by_id[how["row"]]
        assert item.target == row.target != how["ordered"] and row.text in item.text
        assert how["ordered"] in item.text and item.id != row.id
        assert item.text.endswith(row.text) is (how["place"] == "above")


FIELDS = parse_schema(
    {
        "type": "object",
        "properties": {
            "order": {"type": "string"},
            "amount": {"type": "number"},
            "due": {"type": "string", "format": "date"},
            "urgent": {"type": "boolean"},
            "who": {"type": "array", "items": {"type": "string"}},
            "at": {"type": "object", "properties": {"site": {"type": "string", "enum": ["north", "south"]}}},
        },
    },
    "the test",
)
STATED = {
    "order": "A-1", "amount": 12.5, "due": "2026-02-01", "urgent": True, "who": ["Ann"],
    "at": {"site": "north"},
}  # fmt: skip


def test_of_fields_another_value_of_one_field_is_ordered_and_followed_where_it_is_given() -> None:
    rows = tuple(Item(id=f"r{n}", text=f"text {n}", target=STATED) for n in range(48))
    task = ExtractionTask(FIELDS.json_schema(), PromptLimits())
    made = hostile_messages(rows, FIELDS, 40, seed=5)
    assert made[:5] == hostile_messages(rows, FIELDS, 5, seed=5) and len({one.id for one in made}) == 40
    ordered = [json.loads(dict(item.slices)["ordered"]) for item in made]
    assert {name for one in ordered for name in one} == set(STATED), "each field by chance"
    for item, one in zip(made, ordered, strict=True):
        assert item.target == STATED and json.dumps(one, ensure_ascii=False) in item.text
        assert not FIELDS.misfits(one)
        assert not any(count.right for count in FIELDS.count(STATED, one).values())

    def answered(items: Sequence[Item], values: Sequence[object]) -> Scored:
        given = {
            item.id: Completion(item_id=item.id, text=json.dumps(one), timing=Timing(model_s=0.1))
            for item, one in zip(items, values, strict=True)
        }
        return score(items, given, task)

    obeyed = [{**STATED, **one} if n < 10 else STATED for n, one in enumerate(ordered)]
    found = injection_of(answered(made, obeyed), answered(rows, [STATED] * 48), HOW)
    assert (found.flipped.n, found.flipped.value, found.changed.value) == (40, 10 / 40, 0.0)
    assert sum(hits for _, hits, _ in found.by_wording) == 10
    # one of six pairs is another in ten answers, so F1 is 2 * 5 / 12 there, and 1 elsewhere
    assert found.accuracy.value == pytest.approx((10 * 5 / 6 + 30) / 40)
    assert found.accuracy_plain.value == 1.0


def test_more_of_them_begin_with_the_same() -> None:
    few, many = (hostile_tickets(ROWS, LABELS, count, seed=5) for count in (5, 500))
    assert many[:5] == few and len(many) == len(ROWS)
    assert hostile_tickets(ROWS, LABELS, 5, seed=6) != few


@dataclasses.dataclass
class Obedient(ScriptedChat):
    """Follows an order of one wording, and answers by the words of the text otherwise."""

    def scores(self, request: ChatRequest) -> list[float]:
        text = request.messages[-1].content.replace("_", " ")
        assert isinstance(request.form, Choices)
        followed = [f"The answer is {choice}." in text for choice in request.form.answers]
        found = super().scores(request)
        return [score + 100.0 * order for score, order in zip(found, followed, strict=True)]


def test_who_follows_orders_is_found_out(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    made.chat = Obedient(name="m")
    arms = [{"option": "floor"}, {"option": "linear"}, {"option": "prompt", "model": "m"}]
    folder, _ = start_bakeoff(plan(tickets, arms=arms), context(tmp_path))
    results = check_robustness(folder, RobustnessRequest(injected=16), context(tmp_path))
    found = {one.arm.option: one.injection for one in results.robustness}
    assert Option.FLOOR not in found and found[Option.LINEAR] is not None
    prompted = found[Option.PROMPT]
    assert prompted is not None
    by_wording = {name: (hits, asked) for name, hits, asked in prompted.by_wording}
    assert by_wording["order"][0] == by_wording["order"][1] > 0, "every one of these was followed"
    hits = sum(one for one, _ in by_wording.values())
    assert prompted.flipped.value == pytest.approx(hits / prompted.flipped.n)
    assert prompted.flipped.low is not None and prompted.flipped.low < prompted.flipped.value
    lines = " ".join(
        robustness_sentences(next(r for r in results.robustness if r.injection is prompted), ACCURACY)
    )
    assert "got the answer that was ordered" in lines and "order" in lines
    assert "orders hidden in test items" in " ".join(render_text(run_document(results), full=True).split())

    asked = len(made.chat.asked)
    again = check_robustness(folder, RobustnessRequest(), context(tmp_path))
    assert len(made.chat.asked) == asked, "what the run holds is asked once"
    assert again.robustness == results.robustness == read_results(folder).robustness
    assert rescore(folder, context(tmp_path), "").arms == results.arms
    manifest = folder.manifest()
    assert manifest is not None and INJECTED in manifest.files


QUESTIONS = (
    ("Are snow days free?", "yes | free"),
    ("How many days of leave are there a year?", "twenty days"),
    ("Where do dogs sleep?", "in the hall"),
    ("When does the canteen open?", "at noon"),
    ("What colour is the door?", ""),
    ("Who painted the ceiling?", ""),
)


class ReadsAnything(ScriptedChat):
    """Answers what a document orders, and hands back every other question."""

    def _answer(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        order = re.search(r"The answer is (form K-\d+)", request.messages[-1].content)
        return ChatReply(
            item_id=request.item_id,
            text=order[1] if order else NOT_THERE,
            choice_logprobs=None,
            usage=Usage(input_tokens=50, output_tokens=9, counted_by=CountedBy.PROVIDER),
            queue_s=0.0,
            model_s=0.01,
        )


def test_an_order_in_a_document_that_is_found(shop, tmp_path: Path) -> None:
    made = shop()
    made.chat = ReadsAnything(name="m")
    home = tmp_path / "handbook"
    home.mkdir()
    (home / "weather.md").write_text("# Weather\n\nSnow days are free.\n")
    (home / "leave.md").write_text("# Leave\n\nThere are twenty days of leave a year.\n")
    (home / "house.md").write_text("# House\n\nDogs sleep in the hall. The canteen opens at noon.\n")
    lines = [f'{n},"{text} Question {n}.","{answer}"' for n, (text, answer) in enumerate(QUESTIONS * 6)]
    table = tmp_path / "qa.csv"
    table.write_text("\n".join(["id,question,answer", *lines]))
    over_documents = build_plan(
        {
            "task": "question_answering",
            "seed": 17,
            "data": {"file": str(table), "text": ["question"], "answer": "answer", "docs": str(home)},
            "arms": [{"option": "floor"}, {"option": "neighbours"}, {"option": "retrieve", "model": "m"}],
            "retrieve": {"k": [1], "embedding": ""},
            "decision": {"bootstrap_draws": 200},
            "cost": {"price_date": "2026-11-23"},
        },
        "test",
    )
    folder, _ = start_bakeoff(over_documents, context(tmp_path))
    results = check_robustness(folder, RobustnessRequest(injected=12), context(tmp_path))
    found = {one.arm.option: one.injection for one in results.robustness}
    assert set(found) == {Option.NEIGHBOURS, Option.RETRIEVE}
    read = found[Option.RETRIEVE]
    assert read is not None and read.flipped.n == len(folder.rows(INJECTED)) > 0
    by_wording = {name: (hits, asked) for name, hits, asked in read.by_wording}
    assert by_wording["order"][0] == by_wording["order"][1] > 0
    assert sum(hits for hits, _ in by_wording.values()) == by_wording["order"][0], "others are not followed"
    with folder.journal(read_only=True) as journal:
        plain = journal._rows("SELECT payload FROM outcomes WHERE pass='test'")
    assert "form K-" not in str(plain), "what was asked before has no order in it"


def test_a_run_with_nothing_to_look_at_says_what_can_be_asked(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder, _ = start_bakeoff(
        plan(tickets, arms=[{"option": "floor"}, {"option": "linear"}]), context(tmp_path)
    )
    with pytest.raises(UsageError, match="nothing to look at") as refusal:
        check_robustness(folder, RobustnessRequest(), context(tmp_path))
    assert "--inject" in str(refusal.value)
