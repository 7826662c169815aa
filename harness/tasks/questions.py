"""Question answering: a free answer with citations, or that the documents do not say it.

The wording below is frozen as that of classification is: a changed word is a new `PROMPT_VERSION`. An answer
is right or wrong (`harness.tasks.answers`); a question that the documents do not answer is right only by
saying so. A passage backs an answer if it holds one of the reference's quotes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from advisor.options import Option, TaskKind
from advisor.reading import Unreadable, parse_json
from harness.core.records import Estimate, FreeText, Item, Message, Neighbour, Passage, Target
from harness.core.references import EvidenceQuote, Reference
from harness.tasks.answers import (
    abstains,
    cited_places,
    is_right,
    states_none,
    token_f1,
    without_citations,
)
from harness.tasks.fields import yes_or_no
from harness.tasks.json_answers import structured
from harness.tasks.measures import Measuring, discounted_gain, mean, share
from harness.tasks.question_breakdown import (
    AnswerDetail,
    Owner,
    QuestionBreakdown,
    abstained_of,
    answerable_of,
    by_question,
)
from harness.tasks.records import Combined, Guide, Metric, Nouns, PromptLimits, Score
from harness.tasks.scored import Scored
from harness.tasks.support import statements, unsupported
from harness.tasks.wording import NOT_THERE, check_sends, clip, example_turns, in_words, messages_digest

PROMPT_VERSION = "question-answering-1"
PROMPT_VERSIONS = (PROMPT_VERSION,)
BETWEEN = "|"
"""Between acceptable answers in one cell of a table."""
EVIDENCE_COLUMNS = ("document", "quote")
"""Columns of a table that say where an answer stands: a document, and words of it."""
DRAFT_COLUMNS = ("drafted by", "checked")
"""Columns of drafted questions: the model that wrote them, and a person's mark."""
ANSWERABLE_COLUMN, IMPOSSIBLE_COLUMN = "answerable", "is_impossible"
"""Columns that say whether the documents answer a question, the second as SQuAD 2 has it."""

MOST_TOKENS = 64
_TUNED_TASK = "Answer the question about the documents."
_CLOSED_BOOK = (
    f"Answer the question in a few words, without an explanation. If you do not know, say: {NOT_THERE}"
)
_FROM_PASSAGES = (
    "Answer the question from the passages alone, in a few words, and name the passage that says so behind "
    f"the answer, such as [p2]. If the passages do not answer it, say: {NOT_THERE}"
)

RIGHT = Metric(name="right answers", noun="right answers", primary=True)
TOKEN_F1 = Metric(
    name="token F1",
    noun="token F1",
    about="how many words an answer shares with the nearest acceptable one; long answers have a low one",
)
CITATION_PRECISION = Metric(
    name="citation precision",
    noun="citation precision",
    about="of the passages an answer cites, the share that says what the question asks for",
)
CITATION_RECALL = Metric(
    name="citation recall",
    noun="citation recall",
    about="of the evidence of an answered question, the share that the answer cites",
)
ABSTENTION_PRECISION = Metric(
    name="abstention precision",
    noun="abstention precision",
    about="of the questions that were handed back as not in the documents, the share that is not in them",
    per_item=False,
)
ABSTENTION_RECALL = Metric(
    name="abstention recall",
    noun="abstention recall",
    about="of the questions that the documents do not answer, the share that was handed back",
    per_item=False,
)
UNSUPPORTED = Metric(
    name="unsupported statements",
    noun="unsupported statements",
    about="of the numbers, names and words that an answer states, the share that no passage it cites holds",
    higher_is_better=False,
)
NOUNS = Nouns(
    answer="answer",
    answers="answers",
    invalid="says nothing",
    invalid_many="say nothing",
    invalid_past="said nothing",
)


class QuestionTask:
    """Questions of one evalset."""

    kind = TaskKind.QUESTION_ANSWERING
    metrics = (
        RIGHT,
        TOKEN_F1,
        CITATION_PRECISION,
        CITATION_RECALL,
        UNSUPPORTED,
        ABSTENTION_PRECISION,
        ABSTENTION_RECALL,
    )
    choices: tuple[str, ...] = ()
    guides = (Guide.NAMES,)

    def __init__(
        self, limits: PromptLimits, edition: str = "", passages: Mapping[str, Passage] | None = None
    ) -> None:
        """
        Args:
            edition: of the documents, whose reference is taken out of a cell that holds several.
            passages: those that were shown, by id; what an answer states is looked for in them.
        """
        self._limits = limits
        self._edition = edition
        self._passages = passages or {}

    def read_target(self, cells: Sequence[str]) -> Target | None:
        """A reference from one cell: JSON, of one edition or of several by name, or acceptable answers.

        Acceptable answers stand between `BETWEEN`, in a list of JSON or Python, or as SQuAD has them. An
        empty cell, or one such as `n/a`, is a question that the documents do not answer. The cells of
        `EVIDENCE_COLUMNS`, `DRAFT_COLUMNS` and what says whether it can be answered may follow.

        Raises:
            ValueError: if that is no reference, or has none of the edition.
        """
        cell, *stated = (*(one.strip() for one in cells), *[""] * 7)[:7]
        if stated[2] and not stated[3]:
            raise ValueError(
                f"drafted by {stated[2]} and not checked by a person: correct it and put a mark into the "
                f"column {DRAFT_COLUMNS[1]!r}, or delete the row"
            )
        raw = structured(cell)
        if not cell.startswith("{") or (isinstance(raw, dict) and "text" in raw and "answers" not in raw):
            answers = () if _impossible(*stated[4:]) else tuple(_acceptable(cell, raw))
            if _impossible(*stated[4:]) is False and not answers:
                raise ValueError("said to be answerable, and has no answer")
            return Reference(answers=answers, evidence=_stated(*stated[:2]), answerable=bool(answers))
        try:
            raw = parse_json(cell) if raw is None else raw
        except Unreadable as error:
            raise ValueError(f"the reference is no JSON: {error}") from error
        if self._edition and isinstance(raw, dict) and "answerable" not in raw:
            if self._edition not in raw:
                raise ValueError(f"there is no reference for the edition {self._edition}")
            raw = raw[self._edition]
        return reference_of(raw)

    def stratum(self, item: Item) -> str:
        """Whether the documents answer it."""
        return "answerable" if _reference(item.target).answerable else "not answerable"

    def settings(self, option: Option) -> Mapping[str, object]:
        """Prompt, limits and the room for an answer."""
        return {
            "prompt": {"version": PROMPT_VERSION, "wording": self._wording(option)},
            "limits": dataclasses.asdict(self._limits),
            "max_tokens": MOST_TOKENS,
        }

    def messages(
        self, option: Option, item: Item, shown: Sequence[Item] = (), guide: Guide = Guide.NAMES
    ) -> tuple[Message, ...]:
        """The question alone; answered questions shown with it stand before it as turns."""
        check_sends(option)
        system = _TUNED_TASK if option is Option.TUNE else _CLOSED_BOOK
        turns = example_turns(shown, self.target_text, self._limits.example_chars)
        return (Message(role="system", content=system), *turns, self._question(item))

    def reading(self, item: Item, passages: Sequence[Passage]) -> tuple[Message, ...]:
        """The passages under their numbers, the nearest first, then the question."""
        parts = [
            f"[p{number}] {passage.document}\n{passage.whole}" for number, passage in enumerate(passages, 1)
        ]
        question = f"Question: {self._question(item).content}"
        return (
            Message(role="system", content=_FROM_PASSAGES),
            Message(role="user", content="\n\n".join([*parts, question])),
        )

    def extracted(self, sentence: str | None, place: int = 1) -> str:
        """The sentence with its passage, or that the documents do not answer."""
        return NOT_THERE if sentence is None else f"{sentence} [p{place}]"

    def form(self, among: Sequence[Item] | None = None) -> FreeText:
        """A text; rows restrict nothing."""
        return FreeText(max_tokens=MOST_TOKENS)

    def target_text(self, target: Target) -> str:
        """The fullest acceptable answer, or that the documents do not say it."""
        return in_words(target)

    def parse(self, text: str) -> Target | None:
        """What an answer says, citations taken out; None if it says nothing."""
        plain = without_citations(text)
        if not plain:
            return None
        return (
            Reference(answerable=False) if abstains(plain) else Reference(answers=(plain,), answerable=True)
        )

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """Right or not, the words it shares, what it cites and states without it, and whose a mistake is."""
        reference = _reference(item.target)
        answer = None if text is None else self.parse(text)
        given = None if answer is None else _reference(answer)
        abstained = given is not None and not given.answerable
        right = given is not None and _right(reference, given)
        cited = () if text is None else _cited(text, hits)
        shown = {hit.item_id for hit in hits}
        backing = {passage for one in reference.evidence for passage in one.passages}
        ranks = tuple(hit.rank for hit in hits if hit.item_id in backing) if hits and backing else None
        precision, recall = _citations(reference, given, cited) if hits else (None, None)
        stated, without = self._support(item, given, cited, shown)
        return Score(
            values={
                RIGHT.name: float(right),
                TOKEN_F1.name: _f1(reference, given),
                CITATION_PRECISION.name: precision,
                CITATION_RECALL.name: recall,
                UNSUPPORTED.name: len(without) / stated if stated else None,
            },
            answer=answer,
            detail=AnswerDetail(
                abstained=abstained,
                cited=tuple(one for one in cited if one),
                ranks=ranks,
                gain=discounted_gain(ranks or (), min(len(hits), len(backing))),
                unsupported=without,
                owner=None if right else _owner(reference, given, ranks),
            ),
        )

    def others(self, test: Scored, how: Measuring) -> tuple[Estimate, ...]:
        """Token F1, citations, support and abstention."""
        can, abstained = answerable_of(test), abstained_of(test)
        per_item = (TOKEN_F1, CITATION_PRECISION, CITATION_RECALL, UNSUPPORTED)
        means = (_mean(metric.name, test, how) for metric in per_item)
        return (
            *means,
            share(ABSTENTION_PRECISION.name, test, ~can, abstained, how),
            share(ABSTENTION_RECALL.name, test, abstained, ~can, how),
        )

    def breakdown(self, dev: Scored, test: Scored, how: Measuring) -> QuestionBreakdown:
        """Abstaining, searching and the owners of mistakes."""
        return by_question(test, how)

    def combine(self, rows: Sequence[Item], weights: Sequence[float], item: Item | None = None) -> Combined:
        """That the documents do not say it: answers to other questions answer no new one."""
        return Combined(text=NOT_THERE)

    def _support(
        self, item: Item, given: Reference | None, cited: Sequence[str], shown: Set[str]
    ) -> tuple[int, tuple[str, ...]]:
        """How much an answer states, and what of it stands in no passage that it cites.

        Nothing where no passages were shown, or what stands in one of them is not known.
        """
        if given is None or not given.answerable or not shown or not shown <= self._passages.keys():
            return 0, ()
        read = [self._passages[one].whole for one in cited if one]
        answer = given.answers[0]
        return len(statements(answer, item.text)), unsupported(answer, item.text, read)

    def _question(self, item: Item) -> Message:
        return Message(role="user", content=clip(item.text, self._limits.item_chars))

    def _wording(self, option: Option) -> str:
        """Sha256 (hex) of the messages of a made-up item: a changed word of the prompt changes it."""
        item = Item(id="", text="How many days? " * (self._limits.item_chars // 10), target="")
        passage = Passage(id="", document="a.md", span=(0, 1), text="Five days.", headings=("Leave",))
        reads = option in (Option.RETRIEVE, Option.TUNE_RETRIEVE)
        return messages_digest(self.reading(item, [passage]) if reads else self.messages(option, item))


def reference_of(raw: object) -> Reference:
    """A reference as a file holds it: `answers`, `answerable`, and `evidence` of `document` and `quote`.

    Raises:
        ValueError: what is wrong with it.
    """
    if not isinstance(raw, dict):
        raise ValueError("the reference is no object with answers and answerable")
    answers, evidence = raw.get("answers", []), raw.get("evidence", [])
    answerable = raw.get("answerable", bool(answers))
    if not isinstance(answerable, bool):
        raise ValueError(f"answerable is neither true nor false: {str(answerable)[:40]}")
    contradiction = raw.get("contradiction", False)
    if not isinstance(contradiction, bool):
        raise ValueError(f"contradiction is neither true nor false: {str(contradiction)[:40]}")
    if not isinstance(answers, list) or not all(isinstance(one, str) and one.strip() for one in answers):
        raise ValueError("answers is no list of texts")
    if bool(answers) is not answerable:
        raise ValueError("an answerable question needs answers, another has none")
    return Reference(
        answers=tuple(answers),
        evidence=tuple(_evidence(evidence)),
        answerable=answerable,
        contradiction=contradiction,
    )


def _acceptable(cell: str, raw: object) -> Iterator[str]:
    """The acceptable answers of a cell, each once; none where it says that there is none."""
    raw = raw.get("text") if isinstance(raw, dict) else raw
    parts = raw if isinstance(raw, list) else cell.split(BETWEEN) if raw is None else [raw]
    texts = (str(one.get("text", "") if isinstance(one, dict) else one).strip() for one in parts)
    yield from dict.fromkeys(text for text in texts if not states_none(text))


def _impossible(answerable: str, impossible: str) -> bool | None:
    """Whether columns say that a question cannot be answered; None where they say nothing."""
    told = answerable or impossible
    if not told:
        return None
    read = yes_or_no(told)
    if read is None:
        raise ValueError(f"neither yes nor no whether it can be answered: {told[:40]}")
    return read is not bool(answerable)


def _stated(document: str, quote: str) -> tuple[EvidenceQuote, ...]:
    """The evidence in the cells of a table; none where both are empty. Without a quote all of it counts.

    Several documents stand in a list of JSON, or between `BETWEEN` or semicolons.
    """
    if quote and not document:
        raise ValueError("there is a quote and no document in which it stands")
    listed = structured(document)
    names = listed if isinstance(listed, list) else re.split(r"[|;]", document)
    return tuple(
        EvidenceQuote(document=name.strip(), quote=quote) for name in map(str, names) if name.strip()
    )


def _evidence(raw: Any) -> list[EvidenceQuote]:
    if not isinstance(raw, list):
        raise ValueError("evidence is no list")
    found = []
    for one in raw:
        document, quote = (one.get("document"), one.get("quote", "")) if isinstance(one, dict) else ("", "")
        if not (isinstance(document, str) and isinstance(quote, str) and document.strip()):
            raise ValueError("evidence is no list of documents with quotes")
        found.append(EvidenceQuote(document=document, quote=quote))
    return found


def _reference(target: Target) -> Reference:
    return target if isinstance(target, Reference) else Reference(answerable=False)


def _right(reference: Reference, given: Reference) -> bool:
    if not reference.answerable or not given.answerable:
        return reference.answerable == given.answerable
    return is_right(given.answers[0], reference.answers)


def _f1(reference: Reference, given: Reference | None) -> float:
    if given is not None and reference.answerable and given.answerable:
        return token_f1(given.answers[0], reference.answers)
    return float(given is not None and reference.answerable == given.answerable)


def _cited(text: str, hits: Sequence[Neighbour]) -> tuple[str, ...]:
    """The ids of cited passages; '' for a number that no passage has."""
    ids = {hit.rank: hit.item_id for hit in hits}
    return tuple(ids.get(place, "") for place in cited_places(text))


def _citations(
    reference: Reference, given: Reference | None, cited: Sequence[str]
) -> tuple[float | None, float | None]:
    """Precision and recall of citations; None where evidence is not stated or nothing is answered."""
    quotes = [set(one.passages) for one in reference.evidence if one.passages]
    if not quotes or given is None or not given.answerable:
        return None, None
    backing = set().union(*quotes)
    precision = sum(one in backing for one in cited) / len(cited) if cited else None
    return precision, sum(bool(one & set(cited)) for one in quotes) / len(quotes)


def _owner(reference: Reference, given: Reference | None, ranks: Sequence[int] | None) -> Owner:
    if given is None:
        return Owner.OTHER
    if not reference.answerable:
        return Owner.NOT_THERE
    if ranks is None:
        return Owner.OTHER
    if not ranks:
        return Owner.NOT_RETRIEVED
    return Owner.CONTRADICT if reference.contradiction else Owner.NOT_USED


def _mean(metric: str, test: Scored, how: Measuring) -> Estimate:
    """The mean over the items that have a value."""
    values = np.array([score.values[metric] for score in test.scores], dtype=np.float64)  # None is nan
    return mean(metric, test, values, ~np.isnan(values), how)
