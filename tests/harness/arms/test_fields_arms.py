"""Arms on fields: what each asks and answers, with a scripted model and hand-made rows."""

import dataclasses
import json

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option, TaskKind
from harness.arms.base import Material
from harness.arms.floor import FloorArm
from harness.arms.neighbour_values import NeighbourValuesArm
from harness.arms.prompt import PromptArm
from harness.arms.retrieve import RetrieveArm, RetrieveSettings
from harness.core.records import AnswerSpace, ArmId, Completion, Item, JsonSchema
from harness.knowledge.index import TrainingIndex
from harness.models.base import ChatReply
from harness.tasks.kinds import task_of
from tests.support.doubles import ScriptedChat, WordEmbedder

SCHEMA = {"properties": {"thing": {"type": "string"}, "level": {"type": "string", "enum": ["low", "high"]}}}
TASK = task_of(AnswerSpace(kind=TaskKind.EXTRACTION, schema=SCHEMA))
WORDS = ["red lamp", "blue chair", "green table", "old clock"]
TRAIN = tuple(
    Item(
        id=f"train-{n}",
        text=f"please send the {WORDS[n % 4]} number {n}",
        target={"thing": WORDS[n % 4], "level": "low"} if n % 4 else {"thing": WORDS[0]},
    )
    for n in range(12)
)
DEV = tuple(
    Item(
        id=f"dev-{n}", text=f"i want the {WORDS[n % 4]} today", target={"thing": WORDS[n % 4], "level": "low"}
    )
    for n in range(4)
)
MATERIAL = Material(task=TASK, train=TRAIN, dev=DEV, say=lambda line: None)


class WritingChat(ScriptedChat):
    """Writes the answer of the last example that it is shown, or nothing."""

    def _answer(self, request):
        assert isinstance(request.form, JsonSchema)
        self.asked.append(request)
        examples = [m.content for m in request.messages if m.role == "assistant"]
        return ChatReply(
            item_id=request.item_id,
            text=examples[-1] if examples else "{}",
            choice_logprobs=None,
            usage=Usage(input_tokens=1, output_tokens=2, counted_by=CountedBy.PROVIDER),
            queue_s=0.0,
            model_s=0.01,
            cut=not examples,
        )


@pytest.fixture(scope="module")
def index():
    return TrainingIndex.build(TRAIN, WordEmbedder())


def answers(arm):
    arm.fit(MATERIAL, None)
    found = {outcome.item_id: outcome for outcome in arm.predict(DEV)}
    assert set(found) == {item.id for item in DEV}
    for item in DEV:
        assert arm.predict_one(item).text == found[item.id].text
    return {name: json.loads(outcome.text) for name, outcome in found.items()}


def test_the_floor_gives_what_most_rows_state_field_by_field() -> None:
    """Each thing is stated by a quarter of the rows; absent is no more frequent, so the first counts."""
    found = answers(FloorArm(ArmId(option=Option.FLOOR, model="majority")))
    assert {json.dumps(one) for one in found.values()} == {'{"thing": "red lamp", "level": "low"}'}


def test_neighbours_give_values_that_stand_in_the_text(index) -> None:
    arm = NeighbourValuesArm(ArmId(option=Option.NEIGHBOURS, model="vote"), index)
    found = answers(arm)
    assert [found[item.id].get("thing") for item in DEV] == WORDS
    stored = arm.fit(MATERIAL, None)
    again = NeighbourValuesArm(arm.id, index)
    assert again.fit(MATERIAL, stored) == stored
    assert [again.predict_one(item).text for item in DEV] == [arm.predict_one(item).text for item in DEV]
    stranger = Item(id="x", text="nothing of the kind is here", target={})
    assert "thing" not in json.loads(arm.predict_one(stranger).text)
    assert arm.explain(DEV[0]).neighbours and not arm.explain(DEV[0]).messages


def test_prompt_asks_for_the_schema_and_hands_on_that_an_answer_was_cut() -> None:
    chat = WritingChat()
    arm = PromptArm(ArmId(option=Option.PROMPT, model="scripted"), chat, TASK)
    arm.fit(MATERIAL, None)
    outcomes = list(arm.predict(DEV))
    assert all(isinstance(one, Completion) and one.cut and one.choice_logprobs is None for one in outcomes)
    assert chat.asked and all(one.form == TASK.form() for one in chat.asked)
    assert "held" in arm.config and arm.config["schema"] == TASK.form().schema


def test_retrieve_shows_similar_rows_with_their_json_and_chooses_on_dev(index) -> None:
    chat = WritingChat()
    settings = RetrieveSettings(k=(1, 2), max_tokens=1000, dev_items=4)
    arm = RetrieveArm(ArmId(option=Option.RETRIEVE, model="scripted"), chat, index, TASK, settings)
    fitted = arm.fit(MATERIAL, None)
    assert "answers offered" not in fitted.choices, "nothing is left out where the set is open"
    assert fitted.choices["guide"] in {guide.value for guide in TASK.guides}
    found = {outcome.item_id: json.loads(outcome.text) for outcome in arm.predict(DEV)}
    assert [found[item.id]["thing"] for item in DEV] == WORDS
    shown = [m.content for m in chat.asked[-1].messages if m.role == "assistant"]
    assert all(set(json.loads(one)) <= {"thing", "level"} for one in shown)


def test_what_is_retrieved_while_a_served_model_answers_is_what_a_local_one_is_shown(index, monkeypatch):
    monkeypatch.setattr("harness.arms.base._AT_ONCE", 3)
    items = tuple(dataclasses.replace(item, id=f"{item.id}-{n}") for n in range(3) for item in DEV)
    asked = {}
    for location in ("local", "remote"):
        chat = WritingChat(location=location)
        settings = RetrieveSettings(k=(2,), max_tokens=1000, dev_items=0)
        arm = RetrieveArm(ArmId(option=Option.RETRIEVE, model="scripted"), chat, index, TASK, settings)
        arm.fit(MATERIAL, None)
        assert list(arm.predict(())) == []
        assert {outcome.item_id for outcome in arm.predict(items)} == {item.id for item in items}
        asked[location] = {request.item_id: request.messages for request in chat.asked}
    assert asked["local"] == asked["remote"]
