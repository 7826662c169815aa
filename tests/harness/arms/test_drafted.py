"""Rows for `tune` that a model writes: what is learnt, left out, asked again, and what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.arms.base import Material
from harness.arms.drafted import Drafts, DraftSettings
from harness.arms.tune import TuneArm
from harness.core.records import ArmId, Item, Passage
from harness.core.references import Reference
from harness.models.base import ChatReply, ChatRequest
from harness.tasks.questions import QuestionTask
from harness.tasks.records import PromptLimits
from tests.support.doubles import ScriptedChat, ScriptedTuner

TASK = QuestionTask(PromptLimits())
LEAVE = Passage(id="leave.md#1", document="leave.md", span=(0, 60), text="Six days are carried over in May.")
PAY = Passage(id="pay.md#1", document="pay.md", span=(0, 60), text="Salaries are paid on the 25th.")
DOGS = Item(
    id="dogs", text="When may dogs come?", target=Reference(answers=("on Fridays",), answerable=True), row=3
)
SAID = {
    "leave.md": '{"question": "How many days are carried over?", "answer": "six days"}',
    "pay.md": '{"question": "When are salaries paid?", "answer": "25th"}',
    "When may dogs come?": '{"wordings": ["On which day may dogs come?", "when MAY dogs come", '
    '"Dogs may come when?", 3]}',
    "How many days are carried over?": '{"wordings": ["Days that are carried over?"]}',
}


@dataclass
class Writer(ScriptedChat):
    """Answers what it is shown with what it is to say, in two seconds each."""

    said: Mapping[str, str] = field(default_factory=lambda: SAID)
    shown: list[str] = field(default_factory=list)

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply]:
        for request in requests:
            shown = request.messages[-1].content.split("\n")[0]
            self.shown.append(shown)
            yield ChatReply(
                item_id=request.item_id,
                text=self.said.get(shown, "no JSON"),
                choice_logprobs=None,
                usage=Usage(input_tokens=1, output_tokens=1, counted_by=CountedBy.TOKENIZER),
                queue_s=0.0,
                model_s=2.0,
            )


def drafts(writer: Writer, *places: Path, never: Sequence[str] = (), wordings: int = 2) -> Drafts:
    return Drafts(
        DraftSettings(
            model="writer",
            revision="1",
            open=lambda: writer,
            passages=(LEAVE, PAY),
            wordings=wordings,
            never=never,
            places=places,
        )
    )


def test_tune_learns_drafts_and_other_wordings_but_no_words_of_a_test_question(tmp_path: Path) -> None:
    writer, told = Writer(name="writer"), list[str]()
    never = (
        "When are the SALARIES paid",
        "dogs may come: when",
    )  # same words, articles and marks aside
    found = drafts(writer, tmp_path, never=never).beside([DOGS], told.append)
    assert {item.text: item.target.answers for item in found.items if isinstance(item.target, Reference)} == {
        "When may dogs come?": ("on Fridays",),
        "How many days are carried over?": ("six days",),
        "On which day may dogs come?": ("on Fridays",),
        "Days that are carried over?": ("six days",),
    }
    assert len({item.id for item in found.items}) == 4 and found.items[2].row is None
    assert found.seconds == 10  # two passages and three questions, two seconds each
    assert found.note == "of 4 rows learnt from, 3 were drafted by writer and read by nobody"
    assert told[0] == "drafting with writer: up to 5 answers" and told[-1] == "drafted 5 of 5 at most"


def test_nothing_is_asked_twice_and_what_edition_one_drafted_is_not_counted(tmp_path: Path) -> None:
    before, after = tmp_path / "first", tmp_path / "second"
    drafts(Writer(name="writer"), before).beside([DOGS], lambda line: None)
    again = Writer(name="writer")
    assert drafts(again, before).beside([DOGS], lambda line: None).seconds == 10 and not again.shown
    later = Writer(name="writer")
    guests = Item(id="guests", text="Who signs guests in?", target=Reference(answerable=False))
    found = drafts(later, after, before).beside([DOGS, guests], lambda line: None)
    assert later.shown == ["Who signs guests in?"] and found.seconds == 2
    assert len(found.items) == 7  # two rows, two drafts, two wordings of one row and one of a draft


def test_an_arm_learns_them_and_says_who_wrote_them(tmp_path: Path) -> None:
    tuner = ScriptedTuner()
    writes = drafts(Writer(name="writer"), tmp_path, wordings=0)
    arm = TuneArm(ArmId(option=Option.TUNE, model="scripted"), tuner, TASK, drafts=writes)
    fitted = arm.fit(Material(task=TASK, train=(DOGS,), dev=(), say=lambda line: None), None)
    [(learnt, watched)] = tuner.seen
    assert [row.completion for row in learnt] == ["on Fridays", "six days", "25th"] and not watched
    assert fitted.seconds >= 4.1  # two answers and the training
    assert fitted.notes == ("of 3 rows learnt from, 2 were drafted by writer and read by nobody",)
    alone = TuneArm(arm.id, tuner, TASK)
    assert "drafts" not in alone.config and arm.config != alone.config
    other = drafts(Writer(name="writer"), tmp_path, wordings=0, never=("Who?",))
    assert TuneArm(arm.id, tuner, TASK, drafts=other).config != arm.config
    assert alone.fit(Material(task=TASK, train=(DOGS,), dev=(), say=lambda line: None), None).notes == ()
