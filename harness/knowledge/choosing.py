"""Which search mode finds the evidence of questions: each is tried on dev questions, one is chosen there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.reading import Unreadable, parse_json, read_text
from harness.core.errors import DataError
from harness.core.records import Passage
from harness.knowledge.lexical import tokenise
from harness.knowledge.passage_index import PassageIndex
from harness.knowledge.retriever import SearchChoice, SearchMode, search_of
from harness.tasks.measures import discounted_gain, reciprocal_rank

K = 5
ENOUGH = 30
"""Questions of a language from which it has a search of its own: `benchmarks/knowledge.py enough`."""
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Words that stand in a document and answer a question; '' is all of the document."""

    document: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencedQuestion:
    """A question and where its answer stands; a passage that holds one of the quotes answers it."""

    question: str
    evidence: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedMode:
    """How a mode did on questions.

    Attributes:
        language: of the questions, where those of one language were tried apart.
        found: questions with evidence among the first k passages, of `questions`.
        mrr: mean of 1 / rank of the first passage with evidence among the first k, 0 where there is none.
        ndcg: mean of the discounted gain (`discounted_gain`) of the passages with evidence among the first k.
        within: the same as `found` for the answers: questions whose evidence any passage holds whole.
    """

    mode: SearchMode
    k: int
    questions: int
    found: int
    mrr: float
    ndcg: float
    within: int
    language: str = ""

    @property
    def recall(self) -> float:
        """The share of the questions with evidence among the first k passages."""
        return self.found / self.questions


def holds(passage: Passage, quote: Quote) -> bool:
    """Whether a quote stands in a passage word behind word; markup and blanks do not count."""
    if passage.document != quote.document:
        return False
    return not quote.quote or _words(quote.quote) in _words(passage.whole)


def _words(text: str) -> str:
    return f" {' '.join(tokenise(_LINK_TARGET.sub(']', text)))} "


def answering(index: PassageIndex, question: EvidencedQuestion) -> frozenset[str]:
    """The ids of the passages that hold evidence of a question."""
    return frozenset(one for quote in question.evidence for one in holding(index, quote))


def holding(index: PassageIndex, quote: Quote) -> tuple[str, ...]:
    """The ids of the passages that hold a quote, in their order; a copy has those of the first file."""
    there = replace(quote, document=index.copies.get(quote.document, quote.document))
    return tuple(passage.id for passage in index.passages if holds(passage, there))


def try_modes(
    index: PassageIndex, questions: Sequence[EvidencedQuestion], k: int = K
) -> tuple[TriedMode, ...]:
    """Every mode of an index on questions, the simplest first; then on those of a language with enough.

    Raises:
        DataError: there are no questions.
    """
    if not questions:
        raise DataError("There are no questions to choose by.", got="0 questions", allowed="1 or more")
    right = [answering(index, question) for question in questions]
    ranks = ranks_with_evidence(index, questions, right, k)
    groups = {"": list(range(len(questions)))}
    if len(ranks) > 1:
        spoken = [index.language(question.question) for question in questions]
        for language, count in Counter(spoken).most_common():
            if language and count >= ENOUGH:
                groups[language] = [place for place, own in enumerate(spoken) if own == language]
    return tuple(
        TriedMode(
            mode=mode,
            k=k,
            questions=len(places),
            found=sum(bool(found[place]) for place in places),
            mrr=sum(reciprocal_rank(found[place]) for place in places) / len(places),
            ndcg=sum(discounted_gain(found[place], min(k, len(right[place]))) for place in places)
            / len(places),
            within=sum(bool(right[place]) for place in places),
            language=language,
        )
        for language, places in groups.items()
        for mode, found in ranks.items()
    )


def ranks_with_evidence(
    index: PassageIndex, questions: Sequence[EvidencedQuestion], right: Sequence[frozenset[str]], k: int
) -> dict[SearchMode, list[tuple[int, ...]]]:
    """By mode the ranks of each question's passages with evidence among the first k.

    Args:
        right: the passages with evidence of each question.
    """
    texts = [question.question for question in questions]
    ranks: dict[SearchMode, list[tuple[int, ...]]] = {}
    for mode in index.retriever.modes:
        hits = index.search(texts, k, search=SearchChoice(mode=mode))
        ranks[mode] = [
            tuple(hit.rank for hit in row if hit.item_id in ids) for row, ids in zip(hits, right, strict=True)
        ]
    return ranks


def choose_search(tried: Sequence[TriedMode], reads: Sequence[str] = ()) -> SearchChoice:
    """The search by what was tried: a language's own where it was tried apart, else that of all questions.

    A language that was not tried apart and that the embedding model does not read is searched by words.

    Args:
        reads: the languages of the embedding model; () where it does not say.
    """
    modes = leaders(tried)
    return search_of(modes.pop(""), modes, reads)


def leaders(tried: Sequence[TriedMode]) -> dict[str, SearchMode]:
    """By language, '' for all questions, the mode with evidence among the first k most often.

    Of equals the higher MRR, then the simpler one.
    """
    best: dict[str, TriedMode] = {}
    for one in tried:
        leader = best.get(one.language)
        if leader is None or (one.found, one.mrr) > (leader.found, leader.mrr):
            best[one.language] = one
    return {language: one.mode for language, one in best.items()}


def read_questions(path: Path) -> tuple[EvidencedQuestion, ...]:
    """Questions with evidence from a JSON Lines file; those without evidence are left out.

    A line is {"question": "…", "evidence": [{"document": "travel/booking.md", "quote": "…"}]}; other fields
    are passed over.

    Raises:
        DataError: it cannot be read, a line is none of these, or none has evidence.
    """
    try:
        lines = read_text(path).split("\n")
    except (FileNotFoundError, Unreadable) as error:
        raise DataError("The questions cannot be read.", got=f"{path}: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            evidence = tuple(
                Quote(document=one["document"], quote=one.get("quote", "")) for one in row["evidence"]
            )
            question = EvidencedQuestion(question=row["question"], evidence=evidence)
            if not all(isinstance(text, str) and text.strip() for text in _texts(question)):
                raise TypeError("an empty text, or none")
        except (Unreadable, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"Line {number} of the questions cannot be used: {error}.",
                got=line[:80],
                allowed='{"question": "…", "evidence": [{"document": "…", "quote": "…"}]}',
            ) from error
        if question.evidence:
            found.append(question)
    if not found:
        raise DataError("No question has evidence.", got=path, allowed="1 or more to choose by")
    return tuple(found)


def _texts(question: EvidencedQuestion) -> list[object]:
    quoted = [text for one in question.evidence for text in (one.document, one.quote or one.document)]
    return [question.question, *quoted]
