"""Questions drafted from passages by a model, for a person to check: a start where nobody has any yet.

Passages are drawn with a seed, of as many documents as there are, and a model writes one question with its
answer about each. A draft is kept only if its answer stands word behind word in the sentence, item or table
row that is its quote, and its question does not give the answer away. Kept drafts are marked as drafted: a
run refuses them until a person has put a mark into the column `checked`. Nothing in a draft says what the
documents do not answer; such questions are a person's to write.

For a model that is tuned without documents (`tune.drafts` of a plan) the same drafts are rows to learn from,
and a model words questions in other ways too. What a model answered is kept at once, in a file.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.files import make_folder, write_atomically
from harness.core.records import Failure, JsonSchema, Message, ModelIdentity, Passage
from harness.core.serial import decode, encode
from harness.core.wording import one_line
from harness.knowledge.sentences import sentences
from harness.models.base import ChatModel, ChatRequest
from harness.tasks.answers import words
from harness.tasks.json_answers import read_object
from harness.tasks.questions import DRAFT_COLUMNS, EVIDENCE_COLUMNS

SHORTEST, SHORTEST_WORDS = 150, 3
"""Characters of a passage that a question is drafted about, and words of a question."""
_MOST_TOKENS, _WORDING_TOKENS = 120, 50
_ASK = (
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
_REWORD = (
    "You write questions for a test. Write {each} other wordings of the question: each asks for the very "
    "same, in other words, in the same language, and does not hold the answer. "
    'Answer as JSON: {{"wordings": ["...", "..."]}}'
)
_WORDINGS = {
    "type": "object",
    "properties": {"wordings": {"type": "array", "items": {"type": "string"}}},
    "required": ["wordings"],
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
class KeptReply:
    """What a model answered about one passage or question.

    Attributes:
        by: the model with its revision; about: what it was asked, as `_named` and `_about` have them.
        seconds: that its answer took.
    """

    by: str
    about: str
    text: str
    seconds: float


class KeptDrafts:
    """A model's answers so far, in a file: whoever asked it and was stopped goes on with them.

    Attributes:
        path: the file.
        earlier: files of others, whose answers are taken and not counted.
    """

    def __init__(self, path: Path, earlier: Sequence[Path] = ()) -> None:
        self.path, self.earlier = path, tuple(earlier)

    @classmethod
    def beside(cls, table: Path) -> KeptDrafts:
        """Those of a table of drafts that is being written."""
        return cls(table.with_name(f"{table.name}.asked.jsonl"))

    def of(self, model: ModelIdentity) -> dict[str, KeptReply]:
        """What a model answered, by what it was asked; a line that was not written whole is passed over.

        Raises:
            StoreError: a file cannot be read.
        """
        found = {one.about: replace(one, seconds=0.0) for path in self.earlier for one in _read(path, model)}
        return found | {one.about: one for one in _read(self.path, model)}

    def add(self, one: KeptReply) -> None:
        """Keep an answer at once.

        Raises:
            StoreError: it cannot be written.
        """
        make_folder(self.path.parent)
        try:
            with self.path.open("ab") as file:
                file.write(f"\n{encode(one)}\n".encode())  # the line before may have been cut off
        except OSError as error:
            raise StoreError("A draft cannot be kept.", got=f"{self.path}: {error.strerror}") from error

    def discard(self) -> None:
        """The table is written: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)


def _read(path: Path, model: ModelIdentity) -> Iterator[KeptReply]:
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise StoreError("Earlier drafts cannot be read.", got=f"{path}: {error.strerror}") from error
    for line in filter(None, lines):
        try:
            one = decode(KeptReply, line)
        except StoreError:
            continue
        if one.by == _named(model):
            yield one


def _named(model: ModelIdentity) -> str:
    return f"{model.id} {model.revision}".strip()


def _about(*asked: str) -> str:
    """What a model was asked, as a digest: the words of the task, and what they are put to."""
    return hashlib.sha256("\0".join(asked).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedQuestions:
    """What came of drafting.

    Attributes:
        by: the model.
        asked: passages that it was asked about; `dropped` drafts are those that were not kept.
        seconds: that its answers took.
    """

    by: str
    asked: int
    drafts: tuple[Draft, ...]
    seconds: float = 0.0

    @property
    def dropped(self) -> int:
        """Passages of which no draft was kept."""
        return self.asked - len(self.drafts)


def drafting_facts(wordings: int) -> dict[str, object]:
    """What decides drafts beside the model and what it is shown: the words of its tasks."""
    return {"drafting": _about(_ASK, _REWORD.format(each=wordings))}


def drawn(passages: Sequence[Passage], count: int, seed: int) -> list[Passage]:
    """Passages to ask about: one of each document before a second of any.

    Each has its place by its own words, so that documents that change a little draw mostly the same.
    """
    turn: dict[str, int] = {}
    ranked = []
    for passage in sorted(passages, key=lambda one: _about(str(seed), one.id)):
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
    asked = {_about(_ASK, passage.document, passage.whole): passage for passage in passages}
    shown = {about: f"{passage.document}\n{passage.whole}" for about, passage in asked.items()}
    form = JsonSchema(schema=_SCHEMA, max_tokens=_MOST_TOKENS)
    answered = _answers(shown, _ASK, form, model, (kept, say))
    found = (read_draft(one.text, asked[about]) for about, one in answered.items())
    return DraftedQuestions(
        by=model.identity.id,
        asked=len(passages),
        drafts=tuple(_distinct([one for one in found if one is not None])),
        seconds=sum(one.seconds for one in answered.values()),
    )


def reword(
    questions: Sequence[str], each: int, model: ChatModel, kept: KeptDrafts, say: Callable[[int], None]
) -> tuple[dict[str, tuple[str, ...]], float]:
    """Ask a model for other wordings of questions, at most `each`; `kept` and `say` as in `draft`.

    Returns:
        The wordings by question, and the seconds they took.

    Raises:
        StoreError: an answer cannot be kept.
    """
    task = _REWORD.format(each=each)
    shown = {_about(task, question): question for question in questions}
    form = JsonSchema(schema=_WORDINGS, max_tokens=each * _WORDING_TOKENS)
    answered = _answers(shown, task, form, model, (kept, say))
    found = {shown[about]: read_wordings(one.text, shown[about])[:each] for about, one in answered.items()}
    return found, sum(one.seconds for one in answered.values())


def read_wordings(text: str, question: str) -> tuple[str, ...]:
    """The other wordings in a model's answer, each once; those of too few words are left out."""
    given = (read_object(text, ("wordings",)) or {}).get("wordings")
    found: dict[tuple[str, ...], str] = {}
    for one in given if isinstance(given, list) else ():
        if isinstance(one, str):
            found.setdefault(words(one), one_line(one).strip())
    found.pop(words(question), None)
    return tuple(one for asked, one in found.items() if len(asked) >= SHORTEST_WORDS)


def _answers(
    shown: Mapping[str, str],
    task: str,
    form: JsonSchema,
    model: ChatModel,
    keeping: tuple[KeptDrafts, Callable[[int], None]],
) -> dict[str, KeptReply]:
    """What a model answers to each text that it is shown, by what it is asked; of failures nothing."""
    kept, say = keeping
    known = kept.of(model.identity)
    system, by = Message(role="system", content=task), _named(model.identity)
    requests = [
        ChatRequest(item_id=about, messages=(system, Message(role="user", content=text)), form=form)
        for about, text in shown.items()
        if about not in known
    ]
    say(len(shown) - len(requests))
    for reply in model.answer(requests):
        say(1)
        if not isinstance(reply, Failure):
            one = KeptReply(by=by, about=reply.item_id, text=reply.text, seconds=reply.model_s)
            known[one.about] = one
            kept.add(one)
    return {about: known[about] for about in shown if about in known}


def read_draft(text: str, passage: Passage) -> Draft | None:
    """The draft in a model's answer; None where the passage does not bear it out."""
    found = read_object(text, ("question", "answer")) or {}
    question, answer = found.get("question"), found.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    question, answer = one_line(question).strip(), one_line(answer).strip(" .")
    wanted = words(answer)
    if not wanted or len(words(question)) < SHORTEST_WORDS or _within(wanted, words(question)):
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
