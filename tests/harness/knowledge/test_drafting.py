"""Questions drafted from passages: which are kept, and how they are marked."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.money.usage import CountedBy, Usage
from harness.core.records import Message, ModelIdentity, Passage
from harness.knowledge.drafting import Draft, KeptDrafts, draft, drawn, read_draft, write_drafts
from harness.models.base import ChatReply, ChatRequest

LEAVE = Passage(
    id="leave.md#1",
    document="leave.md",
    span=(0, 200),
    text="# Leave\n\nThere are twenty days of leave a year. Ask Ms Ek in the first week of May.\n\n"
    "| Office | Days |\n|---|---|\n| Ghent | 24 |\n| Porto | 22 |\n" + "More follows below. " * 5,
)


class Writer:
    """A chat model that answers each passage with the next of its texts."""

    identity = ModelIdentity(id="writer", location="local")

    def __init__(self, *texts: str) -> None:
        self._texts = texts

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply]:
        for request, text in zip(requests, self._texts, strict=True):
            yield self.answer_one(request, text)

    def answer_one(self, request: ChatRequest, text: str = "") -> ChatReply:
        return ChatReply(
            item_id=request.item_id,
            text=text,
            choice_logprobs=None,
            usage=Usage(input_tokens=1, output_tokens=1, counted_by=CountedBy.TOKENIZER),
            queue_s=0.0,
            model_s=0.0,
        )

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 0

    def forget(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        (
            '{"question": "How much leave is there?", "answer": "Twenty days."}',
            "There are twenty days of leave a year.",
        ),
        ('{"question": "How many days has Ghent?", "answer": "24"}', "Ghent 24"),
        ('{"question": "How much leave is there?", "answer": "30 days"}', None),
        ('{"question": "Are there twenty days of leave?", "answer": "twenty days"}', None),
        ('{"question": "", "answer": "twenty days"}', None),
        ('{"question": 3, "answer": "24"}', None),
        ("no JSON", None),
    ],
)
def test_a_draft_is_kept_if_its_answer_stands_in_the_passage(text: str, quote: str | None) -> None:
    found = read_draft(text, LEAVE)
    assert (found.quote if found else None) == quote


def test_one_passage_of_each_document_comes_before_a_second() -> None:
    rows = [
        replace(LEAVE, id=f"{name}#{part}", document=name)
        for name in ("a.md", "b.md", "c.md")
        for part in range(4)
    ]
    short = replace(LEAVE, id="d.md#1", document="d.md", text="Short.")
    found = drawn([*rows, short], 4, seed=1)
    assert {one.document for one in found[:3]} == {"a.md", "b.md", "c.md"} and len(found) == 4
    assert drawn([*rows, short], 4, seed=1) == found


def test_drafts_are_written_for_a_person_to_check(tmp_path: Path) -> None:
    second = replace(LEAVE, id="pay.md#1", document="pay.md")
    third = replace(LEAVE, id="tax.md#1", document="tax.md")
    good = '{"question": "How much leave is there?", "answer": "twenty days"}'
    told: list[int] = []
    kept = KeptDrafts.beside(tmp_path / "drafted.csv")
    found = draft([LEAVE, second, third], Writer(good, "no", good), kept, told.append)
    assert (found.asked, found.dropped, sum(told)) == (3, 2, 3)  # the third asks what the first asked
    assert [one.document for one in found.drafts] == ["leave.md"]
    risky = Draft(question="=cmd()", answer="x", document="a.md", quote="x")
    write_drafts(replace(found, drafts=(*found.drafts, risky)), tmp_path / "drafted.csv")
    with (tmp_path / "drafted.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["drafted by"], rows[0]["checked"], rows[0]["answer"]) == ("writer", "", "twenty days")
    assert rows[1]["question"] == "'=cmd()"  # a spreadsheet would run it


def test_drafting_that_was_stopped_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    second = replace(LEAVE, id="pay.md#1", document="pay.md")
    third = replace(LEAVE, id="tax.md#1", document="tax.md")
    first_answer = '{"question": "How much leave is there?", "answer": "twenty days"}'
    last_answer = '{"question": "How many days has Ghent?", "answer": "24"}'
    kept = KeptDrafts.beside(tmp_path / "drafted.csv")
    with pytest.raises(ValueError, match="shorter"):  # the model is gone after two passages
        draft([LEAVE, second, third], Writer(first_answer, "no"), kept, lambda _: None)
    with kept.path.open("ab") as file:
        file.write(b'{"by": "wri')  # a line that was not written whole
    told: list[int] = []
    found = draft(
        [LEAVE, second, third], Writer(last_answer), KeptDrafts.beside(tmp_path / "drafted.csv"), told.append
    )
    assert [one.document for one in found.drafts] == ["leave.md", "tax.md"]
    assert (found.asked, found.dropped, sum(told)) == (3, 1, 3)
    other = Writer(first_answer, first_answer, first_answer)
    other.identity = ModelIdentity(id="another", location="local")
    assert draft([LEAVE, second, third], other, kept, lambda _: None).by == "another"
    kept.discard()
    assert not list(tmp_path.iterdir())
