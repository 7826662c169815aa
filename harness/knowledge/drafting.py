"""Questions drafted from passages by a model, for a person to check: a start where nobody has any yet.

Passages are drawn with a seed, of as many documents as there are, and a model writes one question with its
answer about each. A draft is kept only if its answer stands word behind word in the sentence, item or table
row that is its quote, and its question does not give the answer away. Kept drafts are marked as drafted: a
run refuses them until a person has put a mark into the column `checked`. Nothing in a draft says what the
documents do not answer; such questions are a person's to write.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import StoreError
from harness.core.files import write_atomically
from harness.core.records import Failure, JsonSchema, Message, ModelIdentity, Passage
from harness.core.serial import decode, encode
from harness.core.wording import one_line
from harness.knowledge.sentences import sentences
from harness.models.base import ChatModel, ChatRequest
from harness.tasks.answers import words
from harness.tasks.json_answers import read_object
from harness.tasks.questions import DRAFT_COLUMNS, EVIDENCE_COLUMNS

SHORTEST = 150
"""Characters of a passage that a question is drafted about."""
_MOST_TOKENS = 120
_TASK = (
    "You write questions for a test. Read the passage and write one question that a colleague would ask and "
    "that only this passage answers, in the passage's language, and its answer in a few words copied from "
    "the passage. "
    'Answer as JSON: {"question": "...", "answer": "..."}'
)
_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question that a model wrote about a passage.

    Attributes:
        quote: the sentence, item or table row of the passage in which the answer stands.
    """

    question: str
    answer: str
    document: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageDrafted:
    """What came of one passage; without a draft none was kept.

    Attributes:
        by: the model, with its revision.
    """

    by: str
    passage: str
    draft: Draft | None


class KeptDrafts:
    """A model's answers so far, in a file beside the table: a command that is stopped goes on with them."""

    def __init__(self, table: Path) -> None:
        self.path = table.with_name(f"{table.name}.asked.jsonl")

    def of(self, model: ModelIdentity) -> dict[str, Draft | None]:
        """What a model answered, by passage; a line that was not written whole is passed over.

        Raises:
            StoreError: the file cannot be read.
        """
        found: dict[str, Draft | None] = {}
        try:
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        except OSError as error:
            raise StoreError(
                "Earlier drafts cannot be read.", got=f"{self.path}: {error.strerror}"
            ) from error
        for line in filter(None, lines):
            try:
                one = decode(PassageDrafted, line)
            except StoreError:
                continue
            if one.by == _named(model):
                found[one.passage] = one.draft
        return found

    def add(self, model: ModelIdentity, passage: str, found: Draft | None) -> None:
        """Keep an answer at once.

        Raises:
            StoreError: it cannot be written.
        """
        line = encode(PassageDrafted(by=_named(model), passage=passage, draft=found))
        try:
            with self.path.open("ab") as file:
                file.write(f"\n{line}\n".encode())  # the line before may have been cut off
        except OSError as error:
            raise StoreError("A draft cannot be kept.", got=f"{self.path}: {error.strerror}") from error

    def discard(self) -> None:
        """The table is written: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)


def _named(model: ModelIdentity) -> str:
    return f"{model.id} {model.revision}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedQuestions:
    """What came of drafting.

    Attributes:
        by: the model.
        asked: passages that it was asked about; `dropped` drafts are those that were not kept.
    """

    by: str
    asked: int
    drafts: tuple[Draft, ...]

    @property
    def dropped(self) -> int:
        """Passages of which no draft was kept."""
        return self.asked - len(self.drafts)


def drawn(passages: Sequence[Passage], count: int, seed: int) -> list[Passage]:
    """Passages to ask about: one of each document before a second of any."""
    order = np.random.default_rng(seed).permutation(len(passages))
    turn: dict[str, int] = {}
    ranked = []
    for place in order.tolist():
        passage = passages[place]
        if len(passage.text) >= SHORTEST:
            turn[passage.document] = turn.get(passage.document, 0) + 1
            ranked.append((turn[passage.document], passage))
    return [passage for _, passage in sorted(ranked, key=lambda one: one[0])[:count]]


def draft(
    passages: Sequence[Passage], model: ChatModel, kept: KeptDrafts, say: Callable[[int], None]
) -> DraftedQuestions:
    """Ask a model about passages and keep what a program can hold against them.

    Args:
        kept: what the model answered before it was stopped is not asked again; each answer is put there.
        say: is told how many passages more are done.

    Raises:
        StoreError: an answer cannot be kept.
    """
    known = kept.of(model.identity)
    form = JsonSchema(schema=_SCHEMA, max_tokens=_MOST_TOKENS)
    requests = [
        ChatRequest(
            item_id=passage.id,
            messages=(
                Message(role="system", content=_TASK),
                Message(role="user", content=f"{passage.document}\n{passage.whole}"),
            ),
            form=form,
        )
        for passage in passages
        if passage.id not in known
    ]
    say(len(passages) - len(requests))
    by_id = {passage.id: passage for passage in passages}
    for reply in model.answer(requests):
        say(1)
        if not isinstance(reply, Failure):
            known[reply.item_id] = read_draft(reply.text, by_id[reply.item_id])
            kept.add(model.identity, reply.item_id, known[reply.item_id])
    ordered = [one for passage in passages if (one := known.get(passage.id)) is not None]
    return DraftedQuestions(by=model.identity.id, asked=len(passages), drafts=tuple(_distinct(ordered)))


def read_draft(text: str, passage: Passage) -> Draft | None:
    """The draft in a model's answer; None where the passage does not bear it out."""
    found = read_object(text, ("question", "answer")) or {}
    question, answer = found.get("question"), found.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    question, answer = one_line(question).strip(), one_line(answer).strip(" .")
    wanted = words(answer)
    if not wanted or len(words(question)) < 3 or _within(wanted, words(question)):
        return None
    quote = next((one for one in sentences(passage.text) if _within(wanted, words(one))), None)
    if quote is None:
        return None
    return Draft(question=question, answer=answer, document=passage.document, quote=quote)


def write_drafts(drafted: DraftedQuestions, path: Path) -> None:
    """Write drafts as a table that a spreadsheet opens and `harness bakeoff --questions` reads.

    Raises:
        StoreError: it cannot be written.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(("question", "answer", *EVIDENCE_COLUMNS, *DRAFT_COLUMNS))
    for one in drafted.drafts:
        row = (one.question, one.answer, one.document, one.quote, drafted.by, "")
        table.writerow([f"'{cell}" if cell[:1] in ("=", "+", "@") else cell for cell in row])
    write_atomically(path, f"\ufeff{out.getvalue()}")


def _distinct(drafts: Sequence[Draft]) -> Iterator[Draft]:
    met: set[tuple[str, ...]] = set()
    for one in drafts:
        if (asked := words(one.question)) not in met:
            met.add(asked)
            yield one


def _within(wanted: Sequence[str], text: Sequence[str]) -> bool:
    """Whether words stand in a text one behind the other."""
    ends = len(text) - len(wanted) + 1
    return any(tuple(text[at : at + len(wanted)]) == tuple(wanted) for at in range(ends))
