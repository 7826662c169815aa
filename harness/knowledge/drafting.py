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

from harness.core.files import write_atomically
from harness.core.records import Failure, JsonSchema, Message, Passage
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


def draft(passages: Sequence[Passage], model: ChatModel, say: Callable[[int], None]) -> DraftedQuestions:
    """Ask a model about passages and keep what a program can hold against them.

    Args:
        say: is told of every passage that was asked about.
    """
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
    ]
    by_id = {passage.id: passage for passage in passages}
    kept: dict[str, Draft] = {}
    for reply in model.answer(requests):
        say(1)
        if not isinstance(reply, Failure):
            found = read_draft(reply.text, by_id[reply.item_id])
            if found is not None:
                kept[reply.item_id] = found
    ordered = [kept[passage.id] for passage in passages if passage.id in kept]
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
