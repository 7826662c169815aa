"""Arms over documents: what is read out or asked, and what dev chooses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.arms.all_documents import AllDocumentsArm
from harness.arms.base import Arm, Material, config_digest
from harness.arms.best_sentence import BestSentenceArm, SentencePicker, sentences
from harness.arms.floor import FloorArm
from harness.arms.reading import ReadingArm
from harness.arms.retrieve import RetrieveSettings
from harness.arms.tune import TuneArm
from harness.arms.tuned_reading import Lessons, Passages
from harness.bakeoff.evalset import with_evidence
from harness.core.errors import DataError
from harness.core.records import (
    ABSTAINING,
    BEST_SENTENCE,
    ArmId,
    Completion,
    Evalset,
    FailureKind,
    Item,
    Message,
    ModelIdentity,
    Passage,
)
from harness.core.references import EvidenceQuote, Reference
from harness.knowledge.documents import Source
from harness.knowledge.passage_index import IndexSettings, PassageIndex, build_index
from harness.models.base import ChatReply, ChatRequest
from harness.tasks.questions import QuestionTask
from harness.tasks.records import PromptLimits
from harness.tasks.wording import NOT_THERE
from tests.support.doubles import ScriptedChat, ScriptedTuner

TASK = QuestionTask(PromptLimits())
SETTINGS = RetrieveSettings(k=(1, 2), max_tokens=400, dev_items=9)
PAGES = {
    "leave.md": "# Leave\n\nUnused holidays expire in March. At most six days are carried over.\n",
    "pay.md": "# Pay\n\nSalaries are paid on the 25th.\n\n| bonus | month |\n|---|---|\n| winter | May |\n",
    "dogs.md": "# Dogs\n\nDogs may come to the office on Fridays.\n",
}


def asked(name: str, text: str, answer: str, document: str, quote: str) -> Item:
    evidence = (EvidenceQuote(document=document, quote=quote),)
    return Item(id=name, text=text, target=Reference(answers=(answer,), evidence=evidence, answerable=True))


LEAVE = asked("leave", "How many holidays are carried over?", "six days", "leave.md", "At most six days")
PAY = asked("pay", "When are salaries paid?", "25th", "pay.md", "paid on the 25th")
BONUS = asked("bonus", "Which month has the winter bonus?", "May", "pay.md", "winter May")
WALL = Item(id="wall", text="Zebra crossing colours?", target=Reference(answerable=False))
DEV, TEST = (LEAVE, PAY, WALL), (BONUS, WALL)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    home = tmp_path_factory.mktemp("handbook")
    for name, text in PAGES.items():
        (home / name).write_text(text, encoding="utf-8")
    now = datetime(2026, 7, 1, tzinfo=UTC)
    return build_index(Source(root=home.resolve()), IndexSettings(embedding=""), None, now)[0]


def material() -> Material:
    return Material(task=TASK, train=(), dev=DEV, say=lambda line: None)


@dataclass
class Reader:
    """A chat model that says the last word of the first passage and cites it."""

    asked: list[ChatRequest] = field(default_factory=list)

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(id="reader", revision="1", location="local")

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply]:
        yield from map(self.answer_one, requests)

    def answer_one(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        return ChatReply(
            item_id=request.item_id,
            text="25th [p1]" if "salaries" in request.messages[-1].content else NOT_THERE,
            choice_logprobs=None,
            usage=Usage(input_tokens=1, output_tokens=1, counted_by=CountedBy.PROVIDER),
            queue_s=0.0,
            model_s=0.01,
        )

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass


def best_sentence(index: PassageIndex) -> BestSentenceArm:
    return BestSentenceArm(ArmId(option=Option.NEIGHBOURS, model=BEST_SENTENCE), index, TASK)


def reading(index: PassageIndex, model: Reader, settings: RetrieveSettings = SETTINGS) -> ReadingArm:
    return ReadingArm(ArmId(option=Option.RETRIEVE, model="reader"), model, index, TASK, settings)


def texts(arm: Arm, items: Sequence[Item]) -> dict[str, str]:
    return {one.item_id: one.text for one in arm.predict(items) if isinstance(one, Completion)}


def test_sentences_items_and_table_rows_without_their_marks() -> None:
    text = (
        "# Head\n\nOne **bold** thing. Two [things](a.md)!\n\n- an item\n\n| a | b |\n|---|---|\n| c | d |\n"
    )
    assert sentences(text) == ["One bold thing.", "Two things!", "an item", "c d"]


def test_no_sentence_ends_at_an_initial_an_abbreviation_or_the_day_of_a_date() -> None:
    text = "Am 6. Oktober 1973 kam J. K. Oak, z. B. mit 25. Er blieb bis Mai. Then it was 9. Fine?"
    assert sentences(text) == [
        "Am 6. Oktober 1973 kam J. K. Oak, z. B. mit 25.",
        "Er blieb bis Mai.",
        "Then it was 9.",
        "Fine?",
    ]


def test_the_sentence_with_most_of_the_rare_words_is_picked() -> None:
    passages = [
        Passage(id="1", document="a", span=(0, 1), text="The office is open. The lift is closed on Sunday."),
        Passage(id="2", document="a", span=(0, 1), text="The office has a lift."),
    ]
    found = SentencePicker(passages).best("When is the lift closed?", passages)
    assert found is not None
    assert (found.sentence, found.place) == ("The lift is closed on Sunday.", 1)
    assert 0.0 < found.share <= 1.0
    assert SentencePicker(passages).best("When?", []) is None


def test_the_best_sentence_is_read_out_with_its_passage_or_handed_back(index: PassageIndex) -> None:
    arm = best_sentence(index)
    fitted = arm.fit(material(), None)
    assert texts(arm, DEV) == {
        "leave": "At most six days are carried over. [p1]",
        "pay": "Salaries are paid on the 25th. [p1]",
        "wall": NOT_THERE,
    }
    assert max(score for name, score in fitted.trials if name.startswith("k=")) == 1.0
    again = best_sentence(index)
    again.fit(material(), fitted)
    assert texts(again, TEST) == texts(arm, TEST) == {"bonus": "winter May [p1]", "wall": NOT_THERE}
    one = arm.predict_one(BONUS)
    assert isinstance(one, Completion)
    assert one.text == texts(arm, [BONUS])["bonus"]


def test_a_model_is_shown_the_passages_that_its_hits_name(index: PassageIndex) -> None:
    model = Reader()
    arm = reading(index, model)
    fitted = arm.fit(material(), None)
    assert fitted.choices["k"] == 1
    assert dict(fitted.trials)["k=1"] == pytest.approx(2 / 3)
    model.asked.clear()
    done = {one.item_id: one for one in arm.predict(DEV)}
    assert not model.asked, "what the chosen trial answered stands"
    pay = done["pay"]
    assert isinstance(pay, Completion)
    assert [near.item_id for near in pay.neighbours] == [index.search("salaries paid", 1)[0][0].item_id]
    found = TASK.score(PAY, pay.text, pay.neighbours)
    assert found.values["right answers"] == 1.0
    assert arm.explain(PAY).neighbours == pay.neighbours
    assert "[p1] pay.md" in arm.explain(PAY).messages[-1].content


def test_passages_over_the_budget_are_left_out_the_farthest_first(index: PassageIndex) -> None:
    arm = reading(index, Reader(), RetrieveSettings(k=(3,), max_tokens=75, dev_items=9))
    arm.fit(material(), None)
    question = dataclasses.replace(PAY, text="salaries holidays dogs office")
    kept = arm.explain(question).neighbours
    whole = reading(index, Reader(), RetrieveSettings(k=(3,), max_tokens=900, dev_items=9)).explain(question)
    assert 0 < len(kept) < len(whole.neighbours)
    assert kept == whole.neighbours[: len(kept)]


def test_other_passages_are_another_configuration(index: PassageIndex, tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text("# Leave\n\nAt most four days.\n", encoding="utf-8")
    now = datetime(2026, 7, 1, tzinfo=UTC)
    other = build_index(Source(root=tmp_path.resolve()), IndexSettings(embedding=""), None, now)[0]
    assert config_digest(best_sentence(index).config) == config_digest(best_sentence(index).config)
    assert config_digest(best_sentence(index).config) != config_digest(best_sentence(other).config)
    assert config_digest(reading(index, Reader()).config) != config_digest(reading(other, Reader()).config)


def test_the_floor_hands_every_question_back() -> None:
    arm = FloorArm(ArmId(option=Option.FLOOR, model=ABSTAINING))
    arm.fit(dataclasses.replace(material(), train=DEV), None)
    assert set(texts(arm, TEST).values()) == {NOT_THERE}


def test_evidence_is_found_in_the_passages_of_the_index(index: PassageIndex) -> None:
    rows = Evalset(
        name="own",
        title="own",
        licence="",
        provenance="",
        labels=(),
        train=(),
        dev=(*DEV, asked("lost", "?", "a", "gone.md", "a quote")),
        test=TEST,
        digests={},
    )
    found = with_evidence(rows, index)
    stated = {item.id: item.target for item in (*found.dev, *found.test)}
    assert all(isinstance(target, Reference) for target in stated.values())
    held = {
        name: [index.by_id[passage].document for one in target.evidence for passage in one.passages]
        for name, target in stated.items()
        if isinstance(target, Reference)
    }
    assert held == {"leave": ["leave.md"], "pay": ["pay.md"], "bonus": ["pay.md"], "wall": [], "lost": []}
    assert json.dumps(held)


def test_all_documents_stand_before_the_question_and_are_cited_by_their_place(index: PassageIndex) -> None:
    reader = Reader()
    arm = AllDocumentsArm(ArmId(option=Option.PROMPT, model="reader"), reader, index, TASK)
    fitted = arm.fit(material(), None)
    assert fitted.choices["documents"] == 3 and fitted.choices["passages"] == len(index)
    shown = arm.explain(BONUS)
    content = shown.messages[-1].content
    assert all(passage.whole in content for passage in index.passages)
    assert content.endswith(f"Question: {BONUS.text}")
    assert [near.rank for near in shown.neighbours] == list(range(1, len(index) + 1))
    first, second = (arm.explain(item).messages[-1].content.split("Question:")[0] for item in (BONUS, WALL))
    assert first == second  # what a provider keeps of the prompt is the same for every question
    assert len(list(arm.predict(TEST))) == len(TEST)


def test_documents_that_do_not_fit_are_refused_with_their_tokens(index: PassageIndex) -> None:
    model = ScriptedChat(fails={"leave": [FailureKind.TOO_LONG]})
    arm = AllDocumentsArm(ArmId(option=Option.PROMPT, model="small"), model, index, TASK)
    with pytest.raises(DataError, match=r"take \d+ tokens, more than scripted"):
        arm.fit(material(), None)
    assert len(model.asked) == 1  # and nothing more is asked


def tuned_reading(
    index: PassageIndex, k: int = 2, seed: int = 7, lessons: Lessons | None = None
) -> tuple[TuneArm, ScriptedTuner]:
    tuner = ScriptedTuner()
    name = ArmId(option=Option.TUNE_RETRIEVE, model="scripted")
    return TuneArm(name, tuner, TASK, Passages(index, k, seed, lessons)), tuner


TAUGHT = tuple(dataclasses.replace(LEAVE, id=f"leave-{number}") for number in range(40))


def test_a_tuned_reader_learns_from_evidence_among_distractors_and_hands_back_without(
    index: PassageIndex,
) -> None:
    """Most rows show the evidence, at every place; for the others it is right to hand back."""
    arm, tuner = tuned_reading(index)
    arm.fit(Material(task=TASK, train=(*TAUGHT, WALL), dev=DEV, say=lambda line: None), None)
    (train, dev) = tuner.seen[0]
    said = [row.completion for row in train]
    assert set(said[:-1]) == {"six days [p1]", "six days [p2]", NOT_THERE}
    assert 0 < said[:-1].count(NOT_THERE) < 20
    for row in train[:-1]:
        shown = row.prompt[-1].content
        assert ("six days" in shown) is (row.completion != NOT_THERE)
        assert shown.count("[p") == 2 if row.completion != NOT_THERE else "[p1]" in shown
    assert said[-1] == NOT_THERE, "no document answers it"
    assert dev[0].completion == "six days [p1]", "watched as it is asked: the nearest first"


def test_a_tuned_reader_is_asked_as_rag_asks_and_draws_by_its_seed(
    index: PassageIndex,
) -> None:
    arm, tuner = tuned_reading(index)
    rows = Material(task=TASK, train=TAUGHT, dev=DEV, say=lambda line: None)
    fitted = arm.fit(rows, None)
    assert fitted.choices["search"] == "lexical"
    asked = arm.explain(BONUS)
    passages = [index.by_id[near.item_id] for near in asked.neighbours]
    assert asked.messages == TASK.reading(BONUS, passages)
    again, other = tuned_reading(index)
    again.fit(rows, None)
    assert tuner.seen == other.seen
    drawn, elsewhere = tuned_reading(index, seed=8)
    drawn.fit(rows, None)
    assert elsewhere.seen != tuner.seen, "another training seed draws other rows"


def test_a_reader_may_learn_from_other_documents_than_those_it_is_asked_about(
    index: PassageIndex, tmp_path: Path
) -> None:
    """Its rows, their passages and distractors are the lessons'; a document that is cut is shown where the
    answer stands; and it is asked as before.
    """
    long = "The mill grinds rye. " * 30
    (tmp_path / "mill.md").write_text(
        f"# Mill\n\n{long}\n\nThe miller is called Anna. {long}", encoding="utf-8"
    )
    (tmp_path / "sea.md").write_text("# Sea\n\nThe ferry leaves at nine.\n", encoding="utf-8")
    now = datetime(2026, 7, 1, tzinfo=UTC)
    elsewhere = build_index(Source(root=tmp_path.resolve()), IndexSettings(embedding=""), None, now)[0]
    assert len([one for one in elsewhere.passages if one.document == "mill.md"]) > 1
    rows = tuple(asked(f"mill-{n}", "What is the miller called?", "Anna", "mill.md", "") for n in range(20))
    arm, tuner = tuned_reading(index, lessons=Lessons(items=rows, index=elsewhere))
    arm.fit(Material(task=TASK, train=TAUGHT, dev=DEV, say=lambda line: None), None)
    (train, dev) = tuner.seen[0]
    assert [row.item_id for row in train] == [row.id for row in rows]
    assert {row.completion for row in train} == {"Anna [p1]", "Anna [p2]", NOT_THERE}
    for row in train:
        shown = row.prompt[-1].content
        assert ("Anna" in shown) is (row.completion != NOT_THERE) and "ferry" in shown
    assert [row.completion for row in dev] == ["six days [p1]", "25th [p1]", NOT_THERE]
    passages = [index.by_id[near.item_id] for near in arm.explain(BONUS).neighbours]
    assert passages and arm.explain(BONUS).messages == TASK.reading(BONUS, passages)
    plain, _ = tuned_reading(index)
    assert config_digest(arm.config) != config_digest(plain.config)
